"""Where every point of a loyalty account is, by its facts alone."""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any

from crmcore.domain import loyalty
from crmcore.domain.lots import Lot, Lots
from crmcore.domain.loyalty import (
    absorbing,
    adjusting,
    clawback,
    holds,
    referrals,
    standing,
    transfers,
)

FIRST = datetime(1, 1, 1, tzinfo=UTC)


class Ledger:
    """Points by the number of their lot: issued, free, on hold by redemption; and what is owed."""

    def __init__(self) -> None:
        self.issued, self.free = Counter[int](), Counter[int]()
        self.held: dict[str, Counter[int]] = defaultdict(Counter[int])
        self.lots: dict[int, Lot] = {}
        self.until: dict[str, datetime] = {}
        self.owed, self.since = 0, FIRST
        self.forfeits_at: datetime | None = None

    def enter(self, event: Any) -> None:  # noqa: ANN401 - any event
        """Enter a fact."""
        self._issue(new_lots(event))
        self.free.subtract(counted(taken_by(event)))
        self.free.update(counted(given_back_by(event)))
        match event:
            case holds.PointsHeld(redemption=name, allocations=parts, until=until):
                self.held[name].update(counted(parts))
                self.until[name] = until
            case holds.HoldCaptured() | holds.HoldReleased() | holds.HoldLapsed():
                self.held.pop(event.redemption, None)
            case (
                clawback.PointsClawedBack(owed=more, at=at)
                | referrals.ReferralReversed(owed=more, at=at)
                | absorbing.AccountAbsorbed(owed=more, at=at)
            ) if more:
                self.owed, self.since = self.owed + more, at
            case absorbing.AccountHandedOver(owed=less):
                self.owed -= less
            case clawback.DeficitSettled(allocations=parts, at=at):
                self.owed, self.since = self.owed - total(parts), at
            case standing.AccountClosed(forfeits_at=at):
                self.forfeits_at = at
            case standing.AccountResumed():
                self.forfeits_at = None
            case _:
                pass

    def usable(self, at: datetime) -> int:
        """Return the points that can be spent at an instant: moment by moment up to that."""
        if self.forfeits_at is not None and self.forfeits_at <= at:
            return 0
        free, held, owed = Counter(self.free), dict(self.held), self.owed
        moments = {at, *self.until.values()}
        moments |= {max(lot.vests_at, self.since) for lot in self.lots.values()}
        alive: list[Lot] = []
        for moment in sorted(moment for moment in moments if moment <= at):
            alive = [t for t in self.lots.values() if t.vests_at <= moment < t.expires_at]
            alive.sort(key=lambda lot: (lot.expires_at, lot.vests_at, lot.number))
            for name in [name for name in held if self.until[name] <= moment]:
                back = held.pop(name)
                free.update({lot.number: back[lot.number] for lot in alive})
            for lot in alive if moment >= self.since else ():
                part = max(0, min(free[lot.number], owed))
                free[lot.number] -= part
                owed -= part
        return sum(free[lot.number] for lot in alive)

    def _issue(self, lots: Lots) -> None:
        self.lots |= {lot.number: lot for lot in lots}
        self.issued.update(counted(lots))
        self.free.update(counted(lots))


def new_lots(event: Any) -> Lots:  # noqa: ANN401 - any event
    """Return the lots that an event issues."""
    match event:
        case loyalty.RedemptionReversed(grace=grace):
            return (grace,) if grace else ()
        case transfers.PointsTransferredIn(lots=lots) | absorbing.AccountAbsorbed(lots=lots):
            return lots
        case _:
            lot = getattr(event, "lot", None)
            return (lot,) if lot else ()


def taken_by(event: Any) -> Lots:  # noqa: ANN401 - any event
    """Return the free points that an event takes."""
    match event:
        case clawback.PointsClawedBack(taken=parts) | referrals.ReferralReversed(taken=parts):
            return parts
        case absorbing.AccountHandedOver(lots=lots):
            return lots
        case holds.HoldCaptured():
            return ()  # they were on hold
        case _:
            allocations: Lots = getattr(event, "allocations", ())
            return allocations


def given_back_by(event: Any) -> Lots:  # noqa: ANN401 - any event
    """Return the points that an event gives back to their lots."""
    restored: Lots = getattr(event, "restored", ())
    return restored


def spent_by(event: Any) -> Lots:  # noqa: ANN401 - any event
    """Return the points that somebody chose to use: those that lapse first."""
    match event:
        case (
            loyalty.PointsRedeemed(allocations=parts)
            | holds.PointsHeld(allocations=parts)
            | transfers.PointsTransferredOut(allocations=parts)
            | adjusting.PointsWithdrawn(allocations=parts)
        ):
            return parts
        case _:
            return ()


def counted(lots: Lots) -> Counter[int]:
    """Return points by the number of their lot."""
    found = Counter[int]()
    for lot in lots:
        found[lot.number] += lot.points
    return found


def total(lots: Lots) -> int:
    """Return the points of all of these."""
    return sum(lot.points for lot in lots)
