"""Points come in lots: each keeps its own expiry, however its points are taken and given back."""

from collections.abc import Iterable, Iterator
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


class Hold(Value):
    """Points that are set aside for a redemption until an instant."""

    redemption: str
    reward: str
    lots: Lots
    until: Instant


class Pool(Value):
    """All points of an account: free ones, those on hold, and how many are owed since when."""

    lots: Lots = ()
    holds: tuple[Hold, ...] = ()
    owed: int = 0
    owed_since: Instant | None = None


class Lapse(Value):
    """A hold ended by itself: its points are free again, but for those that lapsed meanwhile."""

    redemption: str
    restored: Lots
    forfeited: Lots


class Settlement(Value):
    """Points that are owed were taken from those that became free."""

    allocations: Lots
    left: int
    at: Instant


Step: TypeAlias = Lapse | Settlement


def total(lots: Iterable[Lot]) -> int:
    """Return the points in these lots."""
    return sum(lot.points for lot in lots)


def usable(lots: Lots, at: datetime) -> Lots:
    """Return the lots that can be spent from at an instant (rules.md L3)."""
    return tuple(lot for lot in lots if lot.vests_at <= at < lot.expires_at)


def lapsed(lots: Lots, at: datetime) -> Lots:
    """Return the lots whose points are gone at an instant."""
    return tuple(lot for lot in lots if lot.expires_at <= at)


def split(lots: Lots, at: datetime) -> tuple[Lots, Lots]:
    """Return the lots that live on at an instant, and those that have lapsed."""
    return tuple(lot for lot in lots if at < lot.expires_at), lapsed(lots, at)


def first_expiring(lots: Iterable[Lot]) -> Lots:
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


def at_most(lots: Iterable[Lot], points: int) -> Lots:
    """Return so many points from these lots in their order, or all that there are."""
    lots = tuple(lots)
    return take(lots, min(points, total(lots)))


def less(lots: Lots, gone: Lots) -> Lots:
    """Return what is left of lots after points are gone; a lot without points is no lot."""
    out = {part.number: part.points for part in gone}
    return tuple(
        replace(lot, points=lot.points - out[lot.number]) if lot.number in out else lot
        for lot in lots
        if lot.points > out.get(lot.number, 0)
    )


def more(lots: Lots, back: Lots) -> Lots:
    """Return lots after points went back to the lots they came from (rules.md L6)."""
    merged = {lot.number: lot for lot in lots}
    for part in back:
        there = merged.get(part.number)
        points = part.points + (there.points if there else 0)
        merged[part.number] = replace(part, points=points)
    return tuple(merged.values())


def numbered(lots: Iterable[Lot], ever: int) -> Lots:
    """Return lots that came from elsewhere under numbers of their own, with their expiry (L13)."""
    return tuple(replace(lot, number=number) for number, lot in enumerate(lots, start=ever + 1))


def due(pool: Pool, at: datetime) -> tuple[Step, ...]:
    """Return what has happened by itself up to an instant, in the order of instants.

    Holds lapse, and what is owed is settled by whatever becomes free: so points are never free and
    owed at once (rules.md L8, L10).
    """
    if not pool.owed and all(at < hold.until for hold in pool.holds):
        return ()
    steps: list[Step] = []
    for instant in _instants(pool, at):
        for step in _due_at(pool, instant):
            steps.append(step)
            pool = after(pool, step)
    return tuple(steps)


def settled(pool: Pool, at: datetime) -> Pool:
    """Return the points as they are at an instant, by all that has happened by itself."""
    for step in due(pool, at):
        pool = after(pool, step)
    return pool


def settlement(pool: Pool, at: datetime) -> Settlement | None:
    """Return how points that are owed are taken from those that are free; None if none are."""
    owed_by_now = pool.owed_since is None or pool.owed_since <= at
    taken = at_most(first_expiring(usable(pool.lots, at)), pool.owed) if owed_by_now else ()
    return Settlement(allocations=taken, left=pool.owed - total(taken), at=at) if taken else None


def after(pool: Pool, step: Step) -> Pool:
    """Return the points after something has happened by itself."""
    if isinstance(step, Settlement):
        left = less(pool.lots, step.allocations)
        return replace(pool, lots=left, owed=step.left, owed_since=step.at)
    holds = tuple(hold for hold in pool.holds if hold.redemption != step.redemption)
    return replace(pool, lots=more(pool.lots, step.restored), holds=holds)


def _instants(pool: Pool, at: datetime) -> list[datetime]:
    """Return when holds lapse, and when points vest that may settle what is owed."""
    instants = [hold.until for hold in pool.holds]
    if pool.owed:
        since = pool.owed_since
        every = (*pool.lots, *(lot for hold in pool.holds for lot in hold.lots))
        instants += [max(lot.vests_at, since) if since else lot.vests_at for lot in every]
    return sorted({instant for instant in instants if instant <= at})


def _due_at(pool: Pool, instant: datetime) -> Iterator[Step]:
    for hold in pool.holds:
        if hold.until <= instant:
            restored, forfeited = split(hold.lots, instant)
            lapse = Lapse(redemption=hold.redemption, restored=restored, forfeited=forfeited)
            pool = after(pool, lapse)
            yield lapse
    if step := settlement(pool, instant):
        yield step
