"""The testing kit: examples, laws and generated values for deciders; and checks of any log.

It needs the extra `testing`, and the library itself uses none of it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmcore.testing.answering import Asked, asked_of, asked_under
    from crmcore.testing.contracts import Model, Violated, contract, counterexample, vacuous
    from crmcore.testing.dating import fact_on, facts_on, said_on
    from crmcore.testing.deriving import values
    from crmcore.testing.exploring import Reachable, explore
    from crmcore.testing.forms import older_forms
    from crmcore.testing.generating import commands, histories, races, samples
    from crmcore.testing.hindsight import decided_alike, what_if
    from crmcore.testing.laws import LAWS, Law, Violation, check, invariant, law
    from crmcore.testing.living import History, live, take
    from crmcore.testing.log_laws import (
        LOG_LAWS,
        LogLaw,
        check_log,
        delivered,
        differing,
        forgetful,
    )
    from crmcore.testing.machines import machine
    from crmcore.testing.ordering import Race, Rival, serial_order
    from crmcore.testing.racing import raced
    from crmcore.testing.recording import Log, log_of
    from crmcore.testing.scenario import Scenario, given
    from crmcore.testing.shortening import shortened
    from crmcore.testing.steps import Step, Turn
    from crmcore.testing.storing import retried
    from crmcore.testing.undoing import rollback
    from crmcore.testing.varying import policies
    from crmcore.testing.worlds import deliveries, interleavings, streams

_MODULES = {
    "answering": ("Asked", "asked_of", "asked_under"),
    "contracts": ("Model", "Violated", "contract", "counterexample", "vacuous"),
    "dating": ("fact_on", "facts_on", "said_on"),
    "deriving": ("values",),
    "exploring": ("Reachable", "explore"),
    "forms": ("older_forms",),
    "generating": ("commands", "histories", "races", "samples"),
    "hindsight": ("decided_alike", "what_if"),
    "laws": ("LAWS", "Law", "Violation", "check", "invariant", "law"),
    "living": ("History", "live", "take"),
    "log_laws": ("LOG_LAWS", "LogLaw", "check_log", "delivered", "differing", "forgetful"),
    "machines": ("machine",),
    "ordering": ("Race", "Rival", "serial_order"),
    "racing": ("raced",),
    "recording": ("Log", "log_of"),
    "scenario": ("Scenario", "given"),
    "shortening": ("shortened",),
    "steps": ("Step", "Turn"),
    "storing": ("retried",),
    "undoing": ("rollback",),
    "varying": ("policies",),
    "worlds": ("deliveries", "interleavings", "streams"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "LAWS",
    "LOG_LAWS",
    "Asked",
    "History",
    "Law",
    "Log",
    "LogLaw",
    "Model",
    "Race",
    "Reachable",
    "Rival",
    "Scenario",
    "Step",
    "Turn",
    "Violated",
    "Violation",
    "asked_of",
    "asked_under",
    "check",
    "check_log",
    "commands",
    "contract",
    "counterexample",
    "decided_alike",
    "delivered",
    "deliveries",
    "differing",
    "explore",
    "fact_on",
    "facts_on",
    "forgetful",
    "given",
    "histories",
    "interleavings",
    "invariant",
    "law",
    "live",
    "log_of",
    "machine",
    "older_forms",
    "policies",
    "raced",
    "races",
    "retried",
    "rollback",
    "said_on",
    "samples",
    "serial_order",
    "shortened",
    "streams",
    "take",
    "vacuous",
    "values",
    "what_if",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of them
    """Import what is asked for: a check of a log needs no Hypothesis."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
