"""Deciders and laws by the names that they have on the command line."""

import sys
from importlib import import_module
from typing import Any

from crmcore.domain.decider import Decider
from crmcore.domain.value import CRMError
from crmcore.policies import Policies, deciders, processes
from crmcore.testing.laws import Law
from crmcore.testing.steps import AnyDecider


class UnknownTarget(CRMError):
    """A name leads to nothing that can be checked."""


def decider_named(name: str) -> AnyDecider:
    """Return the decider of a kind of ours, or `module:name` of one or of what returns one.

    Raises UnknownTarget.
    """
    known = (*deciders(Policies()), *processes(Policies()))
    ours = {decider.kind: decider for decider in known}
    found = ours.get(name) or _imported(name)
    made = found if isinstance(found, Decider) or not callable(found) else found()
    if not isinstance(made, Decider):
        raise UnknownTarget(f"{name} is no decider, and returns none")
    return made


def law_named(name: str) -> Law:
    """Return the law that `module:name` is; raise UnknownTarget."""
    if not isinstance(found := _imported(name), Law):
        raise UnknownTarget(f"{name} is no law: make one with @invariant or @law")
    return found


def _imported(name: str) -> Any:  # noqa: ANN401 - whatever it is
    module, _, attribute = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # as `python -m` does
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        wanted = "one of ours, or MODULE:NAME of what can be imported from here"
        raise UnknownTarget(f"there is no {name} ({error}): name {wanted}") from error
