"""Two accounts of one customer become one: all of one goes over, with its own expiry."""

from typing import Annotated, TypeAlias
from uuid import UUID

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.lots import Lot, Lots, less, more, numbered, split
from crmcore.domain.loyalty.account import Account, Merit, latest, with_lots
from crmcore.domain.loyalty.clawback import Count, owing
from crmcore.domain.loyalty.earning import with_merit
from crmcore.domain.loyalty.holds import HoldReleased, released
from crmcore.domain.loyalty.transfers import NotTransferable, require_other
from crmcore.domain.value import Instant, Value

Moving: TypeAlias = Annotated[tuple[Lot, ...], Meta(max_length=1_000)]
Merits: TypeAlias = Annotated[tuple[Merit, ...], Meta(max_length=1_000)]

# Commands


class Absorb(Value, tag="loyalty.absorb"):
    """Take over all that another account of the same customer has, when two become one."""

    customer: UUID
    lots: Moving
    owed: Count = 0
    merits: Merits = ()
    handover: UUID | None = None


class HandOver(Value, tag="loyalty.hand_over"):
    """Give all that the account has to the account of who stands for its customer."""

    customer: UUID


Command: TypeAlias = Absorb | HandOver


# Events


class AccountAbsorbed(Value, tag="loyalty.account_absorbed", omit_defaults=True):
    """All of another account went over to this one, by a handover if that has a name."""

    customer: UUID
    lots: Lots
    owed: Count
    merits: Merits
    at: Instant
    handover: UUID | None = None


class AccountHandedOver(Value, tag="loyalty.account_handed_over"):
    """All of this account goes over to that of another customer: lots, what is owed, merits."""

    customer: UUID
    lots: Lots
    owed: Count
    merits: tuple[Merit, ...]


Event: TypeAlias = AccountAbsorbed | AccountHandedOver

Reason: TypeAlias = NotTransferable


def decide(command: Command, account: Account, act: Act) -> tuple[Event | HoldReleased, ...]:
    """Return that all of another account comes over, once, or all of this one goes (M3)."""
    other = command.customer
    require_other(other, account)
    if isinstance(command, HandOver):
        return _hand_over(other, account, act)
    if (command.handover or other) in account.absorbed:
        return ()
    return (
        AccountAbsorbed(
            customer=other,
            lots=numbered(command.lots, account.lots_ever),
            owed=command.owed,
            merits=command.merits,
            at=act.effective_at,
            handover=command.handover,
        ),
    )


def evolve(account: Account, event: Event) -> Account:
    """Return the account with all that the other one had, or without its own."""
    if isinstance(event, AccountHandedOver):
        left = less(account.lots, event.lots)
        return replace(account, lots=left, owed=0, owed_since=None, merits=())
    after = owing(with_lots(account, event.lots), event.owed, event.at)
    for merit in event.merits:
        after = with_merit(after, merit)
    return replace(after, absorbed=latest(account.absorbed, event.handover or event.customer))


def _hand_over(other: UUID, account: Account, act: Act) -> tuple[Event | HoldReleased, ...]:
    """End the holds as well; what has lapsed stays where it lapsed."""
    releases = released(account, act)
    free = more(account.lots, tuple(lot for one in releases for lot in one.restored))
    alive, _ = split(free, act.effective_at)
    if not (alive or account.owed or account.merits):
        return ()
    gone = AccountHandedOver(customer=other, lots=alive, owed=account.owed, merits=account.merits)
    return (*releases, gone)
