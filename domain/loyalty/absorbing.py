"""Two accounts of one customer become one: all of the other comes over, with its own expiry."""

from typing import Annotated, TypeAlias
from uuid import UUID

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.lots import Lot, Lots, numbered
from crmcore.domain.loyalty.account import Account, Merit, latest, with_lots
from crmcore.domain.loyalty.clawback import Count, owing
from crmcore.domain.loyalty.earning import with_merit
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


Command: TypeAlias = Absorb


# Events


class AccountAbsorbed(Value, tag="loyalty.account_absorbed"):
    """All of another account went over to this one."""

    customer: UUID
    lots: Lots
    owed: Count
    merits: Merits
    at: Instant


Event: TypeAlias = AccountAbsorbed

Reason: TypeAlias = NotTransferable


def decide(command: Command, account: Account, act: Act) -> tuple[Event, ...]:
    """Return that all of another account comes over, once (rules.md M3)."""
    other = command.customer
    require_other(other, account)
    if other in account.absorbed:
        return ()
    return (
        AccountAbsorbed(
            customer=other,
            lots=numbered(command.lots, account.lots_ever),
            owed=command.owed,
            merits=command.merits,
            at=act.effective_at,
        ),
    )


def evolve(account: Account, event: Event) -> Account:
    """Return the account with all that the other one had."""
    after = owing(with_lots(account, event.lots), event.owed, event.at)
    for merit in event.merits:
        after = with_merit(after, merit)
    return replace(after, absorbed=latest(account.absorbed, event.customer))
