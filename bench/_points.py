"""A loyalty account as the eventsourcing library has its users write it, for rules.py."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from eventsourcing.domain import Aggregate, event

LIFETIME = timedelta(days=365)
MINOR_UNITS_PER_POINT = 100


class Account(Aggregate):
    """Points in lots; a lot is a dict of plain values, which the transcoder knows."""

    @event("Enrolled")
    def __init__(self, customer: UUID) -> None:
        """Open the account of a customer."""
        self.customer = customer
        self.lots: list[dict[str, Any]] = []
        self.lots_ever = 0
        self.sources: dict[str, int] = {}
        self.redemptions: dict[str, list[dict[str, Any]]] = {}

    def usable(self, at: datetime) -> int:
        """Return the points that can be spent at an instant."""
        return sum(lot["points"] for lot in self._usable(at))

    def earn(self, source: str, minor: int, at: datetime) -> None:
        """Credit a sale, once."""
        if source in self.sources:
            if self.sources[source] != minor:
                raise ValueError("a sale earns once")
            return
        points = minor // MINOR_UNITS_PER_POINT
        if points:
            self._earned(
                source=source,
                minor=minor,
                number=self.lots_ever + 1,
                points=points,
                vests_at=at,
                expires_at=at + LIFETIME,
            )

    def redeem(self, redemption: str, reward: str, points: int, at: datetime) -> None:
        """Spend points, those that lapse first."""
        if redemption in self.redemptions:
            return
        if points > self.usable(at):
            raise ValueError("nobody redeems more than is usable")
        taken = _take(sorted(self._usable(at), key=_order), points)
        self._redeemed(redemption=redemption, reward=reward, points=points, allocations=taken)

    def reverse(self, redemption: str, points: int, at: datetime) -> None:
        """Give points back to the lots that lapse last; what has lapsed is forfeited."""
        left = self.redemptions[redemption]
        if points > sum(lot["points"] for lot in left):
            raise ValueError("nobody gets back more than was redeemed")
        back = _take(sorted(left, key=_order, reverse=True), points)
        forfeited = [lot for lot in back if lot["expires_at"] <= at]
        restored = [lot for lot in back if lot["expires_at"] > at]
        self._reversed(redemption=redemption, restored=restored, forfeited=forfeited)

    @event("PointsEarned")
    def _earned(
        self,
        source: str,
        minor: int,
        number: int,
        points: int,
        vests_at: datetime,
        expires_at: datetime,
    ) -> None:
        self.sources[source] = minor
        self.lots_ever = number
        lot = {"number": number, "points": points, "vests_at": vests_at, "expires_at": expires_at}
        self.lots.append(lot)

    @event("PointsRedeemed")
    def _redeemed(
        self,
        redemption: str,
        reward: str,  # noqa: ARG002 - it is part of the fact
        points: int,  # noqa: ARG002 - likewise
        allocations: list[dict[str, Any]],
    ) -> None:
        self.redemptions[redemption] = [dict(lot) for lot in allocations]
        self._less(self.lots, allocations)

    @event("RedemptionReversed")
    def _reversed(
        self, redemption: str, restored: list[dict[str, Any]], forfeited: list[dict[str, Any]]
    ) -> None:
        self._less(self.redemptions[redemption], [*restored, *forfeited])
        by_number = {lot["number"]: lot for lot in self.lots}
        for part in restored:
            if part["number"] in by_number:
                by_number[part["number"]]["points"] += part["points"]
            else:
                self.lots.append(dict(part))

    def _usable(self, at: datetime) -> list[dict[str, Any]]:
        return [lot for lot in self.lots if lot["vests_at"] <= at < lot["expires_at"]]

    @staticmethod
    def _less(lots: list[dict[str, Any]], gone: list[dict[str, Any]]) -> None:
        out = {lot["number"]: lot["points"] for lot in gone}
        for lot in lots:
            lot["points"] -= out.get(lot["number"], 0)
        lots[:] = [lot for lot in lots if lot["points"]]


def _take(lots: list[dict[str, Any]], points: int) -> list[dict[str, Any]]:
    taken: list[dict[str, Any]] = []
    for lot in lots:
        if not points:
            break
        part = min(points, lot["points"])
        taken.append({**lot, "points": part})
        points -= part
    return taken


def _order(lot: dict[str, Any]) -> tuple[datetime, datetime, int]:
    return lot["expires_at"], lot["vests_at"], lot["number"]
