"""Points come in lots: each keeps its own expiry, however its points are taken and given back."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, TypeAlias

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.value import Instant, Value

Points: TypeAlias = Annotated[int, Meta(ge=1, le=10**9)]


class Lot(Value):
    """Points of one lot: all of them, those left, or those that one redemption took."""

    number: int
    points: Points
    vests_at: Instant
    expires_at: Instant


Lots: TypeAlias = tuple[Lot, ...]


def total(lots: Iterable[Lot]) -> int:
    """Return the points in these lots."""
    return sum(lot.points for lot in lots)


def usable(lots: Lots, at: datetime) -> Lots:
    """Return the lots that can be spent from at an instant (rules.md L3)."""
    return tuple(lot for lot in lots if lot.vests_at <= at < lot.expires_at)


def lapsed(lots: Lots, at: datetime) -> Lots:
    """Return the lots whose points are gone at an instant."""
    return tuple(lot for lot in lots if lot.expires_at <= at)


def first_expiring(lots: Lots) -> Lots:
    """Return the lots in the order in which they are spent (rules.md L4)."""
    return tuple(sorted(lots, key=lambda lot: (lot.expires_at, lot.vests_at, lot.number)))


def take(lots: Iterable[Lot], points: int) -> Lots:
    """Return exactly so many points, from these lots in their order (rules.md L5)."""
    taken: list[Lot] = []
    for lot in lots:
        if points == 0:
            break
        part = min(points, lot.points)
        taken.append(replace(lot, points=part))
        points -= part
    assert points == 0, "nobody takes more than there is"
    return tuple(taken)


def less(lots: Lots, gone: Lots) -> Lots:
    """Return what is left of lots after points are gone; a lot without points is no lot."""
    out = {part.number: part.points for part in gone}
    left = ((lot, lot.points - out.get(lot.number, 0)) for lot in lots)
    return tuple(replace(lot, points=points) for lot, points in left if points > 0)


def more(lots: Lots, back: Lots) -> Lots:
    """Return lots after points went back to the lots they came from (rules.md L6)."""
    points = {lot.number: lot.points for lot in lots}
    merged = {lot.number: lot for lot in (*lots, *back)}
    for part in back:
        points[part.number] = points.get(part.number, 0) + part.points
    return tuple(replace(lot, points=points[number]) for number, lot in merged.items())
