"""Tells Hypothesis, when it starts, how values of our types are made, and how hard to try."""

from typing import get_args

from hypothesis import settings
from hypothesis import strategies as st

from crmcore.domain import customer, loyalty, opportunity, ticket
from crmcore.domain.act import Act
from crmcore.domain.money import Money
from crmcore.testing.deriving import PHASES, values


def register() -> None:
    """Register our types, and the profiles `crmcore-ci` and `crmcore-night`.

    Called through the entry point `hypothesis`.
    """
    ci = settings(max_examples=200, derandomize=True, deadline=None, phases=PHASES, database=None)
    settings.register_profile("crmcore-ci", ci)
    night = settings(max_examples=20_000, deadline=None, phases=PHASES)
    settings.register_profile("crmcore-night", night)
    unions = [
        union
        for module in (customer, loyalty, opportunity, ticket)
        for union in (module.Command, module.Event)
    ]
    for kind in (Act, Money, *(kind for union in unions for kind in get_args(union))):
        st.register_type_strategy(kind, values)
