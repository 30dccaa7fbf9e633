"""Who tried what they may not: kept apart, so that a refusal leaves everything as it was."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from msgspec import Meta, to_builtins
from msgspec.structs import replace

from crmcore.domain.act import Act, Role
from crmcore.domain.decider import Decider
from crmcore.domain.value import Ref, Rejected, Rejection, Text, Value, require

REMEMBERED_MAX = 100
DETAILS_MAX = 20
DETAIL_MAX = 200

DENIALS = frozenset({"NotAuthorised", "NotInCharge", "NotOwner", "NotSalesManager", "SelfApproval"})
"""The rejections that are about who asks, by their names: so in every part that declares them."""

Code: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Z][A-Za-z]{0,99}\Z")]


class Detail(Value):
    """A fact that decided: its name, and what it was in words."""

    name: Ref
    value: Annotated[str, Meta(max_length=DETAIL_MAX)]


Details: TypeAlias = Annotated[tuple[Detail, ...], Meta(max_length=DETAILS_MAX)]


class Attempt(Value):
    """Who tried what, in which roles, and the rule that refused it, with the facts that decided."""

    by: Text
    roles: Annotated[tuple[Role, ...], Meta(max_length=100)]
    command: Ref
    command_id: UUID
    kind: Ref
    to: UUID
    code: Code
    details: Details


# Commands


class RecordAttempt(Value, tag="security.record_attempt"):
    """Keep what was refused, once."""

    attempt: Attempt


Command: TypeAlias = RecordAttempt


# Events


class AttemptRefused(Value, tag="security.attempt_refused"):
    """Somebody tried what they may not, and nothing came of it."""

    attempt: Attempt


Event: TypeAlias = AttemptRefused


# Rejections


class AttemptReused(Rejection):
    """What is kept of an attempt is what was tried under its command id (rules.md X4)."""

    command_id: UUID


Reason: TypeAlias = AttemptReused


# State


class Attempts(Value):
    """The latest REMEMBERED_MAX attempts at one thing."""

    latest: tuple[Attempt, ...] = ()


def decide(command: Command, attempts: Attempts, act: Act) -> tuple[Event, ...]:
    """Return what happens when an attempt is to be kept (rules.md X7)."""
    del act
    new = command.attempt
    if old := next((a for a in attempts.latest if a.command_id == new.command_id), None):
        require(old == new, AttemptReused(command_id=new.command_id))
        return ()
    return (AttemptRefused(attempt=new),)


def evolve(attempts: Attempts, event: Event) -> Attempts:
    """Return the attempts after a fact. No rules here: what happened, happened."""
    return replace(attempts, latest=(*attempts.latest, event.attempt)[-REMEMBERED_MAX:])


def decider() -> Decider[Command, Attempts, Event]:
    """Return the rules of keeping refused attempts."""
    return Decider(
        kind="security",
        initial=Attempts(),
        decide=decide,
        evolve=evolve,
        customer=lambda *_: None,
        commands=Command,
        events=Event,
        rejections=Reason,
        threads=lambda _: (),
    )


def is_denial(rejection: Rejection) -> bool:
    """Tell whether a rejection is about who asks."""
    return type(rejection).__name__ in DENIALS


def details_of(refused: Rejected) -> Details:
    """Return the facts that decided, as bounded text."""
    facts: Mapping[str, Any] = refused.facts
    shown = (Detail(name=name[:100], value=_shown(value)) for name, value in facts.items())
    return tuple(shown)[:DETAILS_MAX]


def _shown(value: object) -> str:
    said = to_builtins(value)
    text = ", ".join(map(str, said)) if isinstance(said, list | tuple) else str(said)
    return text[:DETAIL_MAX]
