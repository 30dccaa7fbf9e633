"""Tells Hypothesis, when it starts, how values of our types are made."""

from typing import get_args

from hypothesis import strategies as st

from crmcore.domain import customer, loyalty, opportunity, ticket
from crmcore.domain.act import Act
from crmcore.domain.money import Money
from crmcore.testing.deriving import values


def register() -> None:
    """Register commands, events, acts and money; called through the entry point `hypothesis`."""
    unions = [
        union
        for module in (customer, loyalty, opportunity, ticket)
        for union in (module.Command, module.Event)
    ]
    for kind in (Act, Money, *(kind for union in unions for kind in get_args(union))):
        st.register_type_strategy(kind, values)
