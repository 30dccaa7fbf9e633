"""Points go to another customer in two phases, and keep their expiry."""

from datetime import date
from typing import Annotated, TypeAlias, assert_never
from uuid import UUID

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain import lots
from crmcore.domain.act import Act
from crmcore.domain.lots import Lot, Lots, Points
from crmcore.domain.loyalty.account import (
    REMEMBERED_MAX,
    Account,
    Tally,
    Transfer,
    forgone,
    latest,
    with_lots,
)
from crmcore.domain.loyalty.policy import Policy
from crmcore.domain.loyalty.spending import CapReached, allocated
from crmcore.domain.value import Ref, Rejection, Value, found, require

TRANSFERS = "transfers"

Arriving: TypeAlias = Annotated[tuple[Lot, ...], Meta(min_length=1, max_length=1_000)]

# Commands


class TransferOut(Value, tag="loyalty.transfer_out"):
    """Send points to another customer; they are on their way until that is confirmed."""

    transfer: Ref
    customer: UUID
    points: Points


class ConfirmTransfer(Value, tag="loyalty.confirm_transfer"):
    """Say that points have arrived."""

    transfer: Ref


class ReturnTransfer(Value, tag="loyalty.return_transfer"):
    """Give points back that are on their way, and did not arrive."""

    transfer: Ref


class TransferIn(Value, tag="loyalty.transfer_in"):
    """Take in the lots that another customer sent."""

    transfer: Ref
    customer: UUID
    lots: Arriving


Command: TypeAlias = TransferOut | ConfirmTransfer | ReturnTransfer | TransferIn


# Events


class PointsTransferredOut(Value, tag="loyalty.points_transferred_out"):
    """Points of these lots are on their way to another customer; they count for this month."""

    transfer: Ref
    customer: UUID
    allocations: Lots
    month: date


class TransferConfirmed(Value, tag="loyalty.transfer_confirmed"):
    """Points have arrived where they were sent."""

    transfer: Ref


class TransferReturned(Value, tag="loyalty.transfer_returned"):
    """Points that were on their way are back in their lots, but for those that have lapsed."""

    transfer: Ref
    restored: Lots
    forfeited: Lots


class PointsTransferredIn(Value, tag="loyalty.points_transferred_in"):
    """Points came from another customer, as lots with their own expiry."""

    transfer: Ref
    customer: UUID
    lots: Lots


Event: TypeAlias = PointsTransferredOut | TransferConfirmed | TransferReturned | PointsTransferredIn


# Rejections


class NotTransferable(Rejection):
    """Points go to another customer, or come from one."""

    customer: UUID


class TransferReused(Rejection):
    """A transfer has a name of its own."""

    transfer: str


class UnknownTransfer(Rejection):
    """What is confirmed or returned is on its way."""

    transfer: str


Reason: TypeAlias = NotTransferable | TransferReused | UnknownTransfer


def decide(command: Command, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return what happens to points that move between customers (rules.md L13)."""
    match command:
        case TransferOut():
            return _send(command, account, act, policy)
        case TransferIn(transfer=name, customer=sender):
            require_other(sender, account)
            new = lots.numbered(command.lots, account.lots_ever)
            if before := _named(account, name):
                same = before.status == "arrived" and before.customer == sender
                same = same and lots.total(before.lots) == lots.total(new)
                require(same, TransferReused(transfer=name))
                return ()
            return (PointsTransferredIn(transfer=name, customer=sender, lots=new),)
        case ConfirmTransfer() | ReturnTransfer():
            return _settle(command, account, act)
        case _:
            assert_never(command)


def evolve(account: Account, event: Event) -> Account:
    """Return the account after points moved."""
    match event:
        case PointsTransferredOut(transfer=name, customer=customer, allocations=taken):
            sent = Transfer(name=name, customer=customer, lots=taken, status="in_transit")
            after = replace(account, lots=lots.less(account.lots, taken))
            return _tallied(_with_transfer(after, sent), lots.total(taken), event.month)
        case TransferConfirmed(transfer=name):
            return _with_status(account, name, "confirmed")
        case TransferReturned(transfer=name, restored=restored, forfeited=forfeited):
            back = replace(account, lots=lots.more(account.lots, restored))
            return forgone(_with_status(back, name, "returned"), forfeited)
        case PointsTransferredIn(transfer=name, customer=customer, lots=new):
            arrived = Transfer(name=name, customer=customer, lots=new, status="arrived")
            return with_lots(_with_transfer(account, arrived), new)
        case _:
            assert_never(event)


def _send(command: TransferOut, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    name, customer, points = command.transfer, command.customer, command.points
    require_other(customer, account)
    if before := _named(account, name):
        same = before.status != "arrived" and before.customer == customer
        same = same and lots.total(before.lots) == points
        require(same, TransferReused(transfer=name))
        return ()
    month = policy.day(act).replace(day=1)
    sent = sum(tally.points for tally in account.sent if tally.month == month)
    left = max(0, policy.transfer_month_points_max - sent)
    require(points <= left, CapReached(cap=TRANSFERS, left=left))
    taken = allocated(account, points, act)
    return (PointsTransferredOut(transfer=name, customer=customer, allocations=taken, month=month),)


def _settle(
    command: ConfirmTransfer | ReturnTransfer, account: Account, act: Act
) -> tuple[Event, ...]:
    name = command.transfer
    sent = found(_named(account, name), UnknownTransfer(transfer=name))
    wanted = "confirmed" if isinstance(command, ConfirmTransfer) else "returned"
    if sent.status == wanted:
        return ()
    require(sent.status == "in_transit", UnknownTransfer(transfer=name))
    if isinstance(command, ConfirmTransfer):
        return (TransferConfirmed(transfer=name),)
    restored, forfeited = lots.split(sent.lots, act.effective_at)
    return (TransferReturned(transfer=name, restored=restored, forfeited=forfeited),)


def _named(account: Account, name: str) -> Transfer | None:
    return next((one for one in account.transfers if one.name == name), None)


def require_other(customer: UUID, account: Account) -> None:
    """Reject a customer's own account as the other one."""
    require(customer != account.customer, NotTransferable(customer=customer))


def _with_transfer(account: Account, transfer: Transfer) -> Account:
    """Return an account with one more transfer: all that are on their way, the latest others."""
    over = [one for one in account.transfers if one.status != "in_transit"]
    gone = set(over[: max(0, len(over) + 1 - REMEMBERED_MAX)])
    kept = tuple(one for one in account.transfers if one not in gone)
    return replace(account, transfers=(*kept, transfer))


def _with_status(account: Account, name: str, status: str) -> Account:
    transfers = tuple(
        replace(one, status=status) if one.name == name else one for one in account.transfers
    )
    return replace(account, transfers=transfers)


def _tallied(account: Account, points: int, month: date) -> Account:
    before = next((tally for tally in account.sent if tally.month == month), None)
    others = tuple(tally for tally in account.sent if tally is not before)
    tally = Tally(
        rule=TRANSFERS,
        month=month,
        points=points + (before.points if before else 0),
        count=1 + (before.count if before else 0),
    )
    return replace(account, sent=latest(others, tally))
