"""Points are corrected by hand: more, fewer, or for longer, by somebody else than who asks."""

from datetime import date
from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain import lots
from crmcore.domain.act import Act
from crmcore.domain.calendar import start_of, zone
from crmcore.domain.lots import Lot, Lots
from crmcore.domain.loyalty.account import Account, Adjustment, latest, with_lots
from crmcore.domain.loyalty.earning import new_lot
from crmcore.domain.loyalty.policy import Policy
from crmcore.domain.loyalty.spending import allocated
from crmcore.domain.value import Instant, Note, Ref, Rejection, Text, Value, found, require

POINTS_MANAGER = "points_manager"

LotNumber: TypeAlias = Annotated[int, Meta(ge=1, le=10**9)]

# Commands


class Adjust(Value, tag="loyalty.adjust"):
    """Correct the balance by so many points, as somebody asked for."""

    adjustment: Ref
    points: Annotated[int, Meta(ge=-(10**9), le=10**9)]
    reason: Note
    requested_by: Text


class ExtendExpiry(Value, tag="loyalty.extend_expiry"):
    """Let what is left of a lot live on until the start of a later day."""

    lot_number: LotNumber
    until: date
    reason: Note


Command: TypeAlias = Adjust | ExtendExpiry


# Events


class PointsGranted(Value, tag="loyalty.points_granted"):
    """Points were given by hand."""

    adjustment: Ref
    lot: Lot
    reason: Note
    requested_by: Text
    approved_by: Text


class PointsWithdrawn(Value, tag="loyalty.points_withdrawn"):
    """Points were taken by hand, from these lots."""

    adjustment: Ref
    allocations: Lots
    reason: Note
    requested_by: Text
    approved_by: Text


class ExpiryExtended(Value, tag="loyalty.expiry_extended"):
    """What was left of a lot lives on as another lot."""

    allocations: Lots
    lot: Lot
    reason: Note
    approved_by: Text


Event: TypeAlias = PointsGranted | PointsWithdrawn | ExpiryExtended


# Rejections


class NotAuthorised(Rejection):
    """Points and tiers are given by hand by a points manager alone."""

    role: str
    by: str


class SelfApproval(Rejection):
    """Nobody approves a correction of their own."""

    by: str


class AdjustmentReused(Rejection):
    """A correction has a name of its own."""

    adjustment: str
    points: int


class UnknownLot(Rejection):
    """What is extended is a lot with usable points."""

    lot_number: int


class NotLater(Rejection):
    """An extension ends later than the lot does."""

    expires_at: Instant


Reason: TypeAlias = NotAuthorised | SelfApproval | AdjustmentReused | UnknownLot | NotLater


def decide(command: Command, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return what a correction leads to (rules.md X7)."""
    require_manager(act)
    match command:
        case Adjust():
            return _adjust(command, account, act, policy)
        case ExtendExpiry(lot_number=number):
            at = act.effective_at
            there = lots.usable(account.pool(at).lots, at)
            one = next((lot for lot in there if lot.number == number), None)
            lot = found(one, UnknownLot(lot_number=number))
            until = start_of(command.until, zone(policy.time_zone))
            require(lot.expires_at < until, NotLater(expires_at=lot.expires_at))
            longer = replace(lot, number=account.lots_ever + 1, expires_at=until)
            return (
                ExpiryExtended(
                    allocations=(lot,), lot=longer, reason=command.reason, approved_by=act.by
                ),
            )
        case _:
            assert_never(command)


def evolve(account: Account, event: Event) -> Account:
    """Return the account after a correction."""
    match event:
        case PointsGranted(adjustment=name, lot=lot):
            made = Adjustment(name=name, points=lot.points)
            after = replace(account, adjustments=latest(account.adjustments, made))
            return with_lots(after, (lot,))
        case PointsWithdrawn(adjustment=name, allocations=taken):
            made = Adjustment(name=name, points=-lots.total(taken))
            after = replace(account, adjustments=latest(account.adjustments, made))
            return replace(after, lots=lots.less(account.lots, taken))
        case ExpiryExtended(allocations=taken, lot=lot):
            return with_lots(replace(account, lots=lots.less(account.lots, taken)), (lot,))
        case _:
            assert_never(event)


def require_manager(act: Act) -> None:
    """Reject who is no points manager."""
    is_manager = POINTS_MANAGER in act.roles
    require(is_manager, NotAuthorised(role=POINTS_MANAGER, by=act.by))


def _adjust(command: Adjust, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    name, points = command.adjustment, command.points
    require(command.requested_by != act.by, SelfApproval(by=act.by))
    if made := next((one for one in account.adjustments if one.name == name), None):
        require(made.points == points, AdjustmentReused(adjustment=name, points=made.points))
        return ()
    if points > 0:
        return (
            PointsGranted(
                adjustment=name,
                lot=new_lot(account, points, act, policy),
                reason=command.reason,
                requested_by=command.requested_by,
                approved_by=act.by,
            ),
        )
    if points < 0:
        return (
            PointsWithdrawn(
                adjustment=name,
                allocations=allocated(account, -points, act),
                reason=command.reason,
                requested_by=command.requested_by,
                approved_by=act.by,
            ),
        )
    return ()
