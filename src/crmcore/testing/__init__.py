"""The testing kit: examples, laws and generated values for deciders; and checks of any log.

It needs the extra `testing`, and the library itself uses none of it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmcore.testing.contracts import Model, Violated, contract, vacuous
    from crmcore.testing.deriving import values
    from crmcore.testing.exploring import Reachable, explore
    from crmcore.testing.generating import commands, histories, samples
    from crmcore.testing.laws import LAWS, Law, Violation, check, invariant, law
    from crmcore.testing.living import History, Step, take
    from crmcore.testing.scenario import Scenario, given

_MODULES = {
    "contracts": ("Model", "Violated", "contract", "vacuous"),
    "deriving": ("values",),
    "exploring": ("Reachable", "explore"),
    "generating": ("commands", "histories", "samples"),
    "laws": ("LAWS", "Law", "Violation", "check", "invariant", "law"),
    "living": ("History", "Step", "take"),
    "scenario": ("Scenario", "given"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "LAWS",
    "History",
    "Law",
    "Model",
    "Reachable",
    "Scenario",
    "Step",
    "Violated",
    "Violation",
    "check",
    "commands",
    "contract",
    "explore",
    "given",
    "histories",
    "invariant",
    "law",
    "samples",
    "take",
    "vacuous",
    "values",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of them
    """Import what is asked for: a check of a log needs no Hypothesis."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
