"""Customers that stand for others: what they did is read as one, and stays where it is (M2)."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from msgspec import Struct
from msgspec.inspect import Metadata, Type, UnionType, type_info
from msgspec.structs import fields, replace

from crmcore.domain.customer import (
    credit,
    group,
    limits,
    merging,
    ownership,
    profile,
    releases,
    verified,
)
from crmcore.domain.customer.access import Event as AccessEvent
from crmcore.domain.customer.evidence import DatumVerified
from crmcore.domain.customer.follow_ups import Event as FollowUpEvent
from crmcore.domain.recorded import Recorded
from crmcore.domain.value import Ref

MERGES: tuple[Any, ...] = (merging.MergedInto, merging.Absorbed, merging.Unmerged)

Whose = TypeVar("Whose", UUID, UUID | None)

_HOLDS = credit.HoldPlaced | credit.HoldReleased
_STAYS = (
    profile.Event | credit.Event | merging.Event | ownership.Event | verified.Event
    | AccessEvent | FollowUpEvent | DatumVerified | limits.Event | releases.Event | group.Event
)  # fmt: skip
_REF = type_info(Ref)


def survivors(facts: Iterable[Recorded[Any]]) -> Mapping[UUID, UUID]:
    """Return who stands for whom by facts in the order in which they took effect.

    Both have to say so: one of them alone is a part of a log, or of what was never merged.
    """
    said: dict[UUID, UUID] = {}
    agreed: set[tuple[UUID, UUID]] = set()
    for fact in facts:
        own = fact.stream.id
        match fact.event:
            case merging.MergedInto(surviving_customer=other):
                said[own] = other
            case merging.Absorbed(absorbed_customer=other):
                agreed.add((other, own))
            case merging.Unmerged(other_customer=other):
                agreed.discard((other, own))
                if said.get(own) == other:
                    del said[own]
            case _:
                pass
    return {own: other for own, other in said.items() if (own, other) in agreed}


def carried(facts: Iterable[Recorded[Any]]) -> list[Recorded[Any]]:
    """Return those facts of an absorbed customer that count for who stands for it (M3).

    What it bought, ordered and owes does, under names apart from those of the other; so do its
    holds, leads, tickets and points. Who it is, its limit, what raises or releases that, its group
    and who looks after it do not.
    """
    return [
        _apart(fact) if fact.stream.kind == "customer" else fact
        for fact in facts
        if isinstance(fact.event, _HOLDS | profile.InteractionLogged)
        or not isinstance(fact.event, _STAYS)
    ]


def united(
    customers: Mapping[Whose, Sequence[Recorded[Any]]], merges: Iterable[Recorded[Any]]
) -> dict[Whose, list[Recorded[Any]]]:
    """Return the facts of each customer with those of whom it stands for, in no order yet."""
    standing_for = survivors(merges)
    found: dict[Whose, list[Recorded[Any]]] = {
        customer: list(facts)
        for customer, facts in customers.items()
        if customer not in standing_for
    }
    for customer in standing_for:
        survivor = merging.resolved(customer, standing_for)
        facts = customers.get(customer, ())
        found.setdefault(survivor, []).extend(facts if survivor == customer else carried(facts))
    return found


def _apart(fact: Recorded[Any]) -> Recorded[Any]:
    """Return a fact whose names of orders and the like are nobody else's."""
    event: Any = fact.event
    kind: Any = type(event)
    names = {
        name: f"{fact.stream.id}/{value}"
        for name in _names(kind)
        if (value := getattr(event, name)) is not None
    }
    return replace(fact, event=replace(event, **names)) if names else fact


@lru_cache(maxsize=1_000)
def _names(kind: type[Struct]) -> tuple[str, ...]:
    """Return the fields of an event that hold a name of ours."""
    info = type_info(kind)
    shapes = {field.name: field.type for field in getattr(info, "fields", ())}
    return tuple(field.name for field in fields(kind) if _is_name(shapes[field.name]))


def _is_name(shape: Type) -> bool:
    match shape:
        case Metadata(type=inner):
            return _is_name(inner)
        case UnionType(types=types):
            return any(map(_is_name, types))
        case _:
            return shape == _REF
