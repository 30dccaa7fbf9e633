"""Which numbers the business goes by: policies are adopted, each from a day on."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from functools import partial
from typing import Annotated, TypeAlias

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.calendar import day_of, zone
from crmcore.domain.decider import Decider
from crmcore.domain.value import Instant, Ref, Rejection, Value, found, require

REMEMBERED_MAX = 100
SHIPPED_VERSION = 1
GENERAL_MANAGER, POLICY_ADMIN = "general_manager", "policy_admin"

PolicyText: TypeAlias = Annotated[str, Meta(min_length=2, max_length=30_000)]
Version: TypeAlias = Annotated[int, Meta(ge=1, le=999_999)]
Digest: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Policy(Value):
    """Where a day begins."""

    time_zone: str = "UTC"


# Commands


class Adopt(Value, tag="policies.adopt"):
    """Go by these policies from an instant on: their text in its one canonical form."""

    policies: PolicyText
    in_force_from: Instant


Command: TypeAlias = Adopt


# Events


class PolicyAdopted(Value, tag="policies.adopted"):
    """Policies were adopted; the text says every number, the digest is that of the text."""

    name: Ref
    version: Version
    digest: Digest
    policies: PolicyText
    in_force_from: Instant


Event: TypeAlias = PolicyAdopted


# Rejections


class NotAuthorised(Rejection):
    """Policies are adopted by the general manager or by who administers policies."""

    role: str
    by: str


class Unreadable(Rejection):
    """What is adopted is a whole set of policies in its canonical form, each number in bounds."""


class VersionReused(Rejection):
    """A version names one set of policies, from one instant on (rules.md X4)."""

    name: str
    version: int
    digest: str
    in_force_from: Instant


class VersionNotGrown(Rejection):
    """Each adoption has a higher version than all before it; version 1 is what ships."""

    version: int
    latest: int


class Retroactive(Rejection):
    """Policies are in force from the day of their adoption at the earliest (rules.md X2)."""

    in_force_from: Instant
    earliest: date


Reason: TypeAlias = NotAuthorised | Unreadable | VersionReused | VersionNotGrown | Retroactive


# State


class Stated(Value):
    """What a text says of itself."""

    name: Ref
    version: Version
    digest: Digest


class Remembered(Value):
    """A set of policies that was adopted, and since when it is in force."""

    stated: Stated
    in_force_from: datetime


class Adopted(Value):
    """The highest version so far, and the latest REMEMBERED_MAX adoptions."""

    version: int = SHIPPED_VERSION
    remembered: tuple[Remembered, ...] = ()


Read: TypeAlias = Callable[[str], Stated | None]
"""Reads a text: None if it is no whole set of policies."""


def decide(
    command: Command, adopted: Adopted, act: Act, policy: Policy, read: Read
) -> tuple[Event, ...]:
    """Return what happens when somebody wants other policies (rules.md X3)."""
    refusal = NotAuthorised(role=GENERAL_MANAGER, by=act.by)
    require(not act.roles.isdisjoint((GENERAL_MANAGER, POLICY_ADMIN)), refusal)
    said = found(read(command.policies), Unreadable())
    if before := next((r for r in adopted.remembered if r.stated.version == said.version), None):
        same = (before.stated, before.in_force_from) == (said, command.in_force_from)
        require(same, _reused(before))
        return ()
    grown = VersionNotGrown(version=said.version, latest=adopted.version)
    require(said.version > adopted.version, grown)
    where = zone(policy.time_zone)
    today = day_of(act.effective_at, where)
    late = Retroactive(in_force_from=command.in_force_from, earliest=today)
    require(day_of(command.in_force_from, where) >= today, late)
    return (
        PolicyAdopted(
            name=said.name,
            version=said.version,
            digest=said.digest,
            policies=command.policies,
            in_force_from=command.in_force_from,
        ),
    )


def evolve(adopted: Adopted, event: Event) -> Adopted:
    """Return what is adopted after a fact. No rules here: what happened, happened."""
    stated = Stated(name=event.name, version=event.version, digest=event.digest)
    latest = Remembered(stated=stated, in_force_from=event.in_force_from)
    return replace(
        adopted,
        version=max(adopted.version, event.version),
        remembered=(*adopted.remembered, latest)[-REMEMBERED_MAX:],
    )


def decider(policy: Policy, read: Read) -> Decider[Command, Adopted, Event]:
    """Return the rules of adopting policies, which `read` can read."""
    return Decider(
        kind="policies",
        initial=Adopted(),
        decide=partial(decide, policy=policy, read=read),
        evolve=evolve,
        customer=lambda *_: None,
        commands=Command,
        events=Event,
        rejections=Reason,
        threads=lambda _: ("policies",),
    )


def in_force(adopted: Iterable[PolicyAdopted], at: datetime) -> PolicyAdopted | None:
    """Return what was adopted last of all that is in force by an instant; None for what ships."""
    begun = (one for one in adopted if one.in_force_from <= at)
    return max(begun, key=lambda one: one.version, default=None)


def _reused(before: Remembered) -> VersionReused:
    stated = before.stated
    return VersionReused(
        name=stated.name,
        version=stated.version,
        digest=stated.digest,
        in_force_from=before.in_force_from,
    )
