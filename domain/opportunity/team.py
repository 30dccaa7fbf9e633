"""Who looks after a deal, and whose work it is."""

from typing import Annotated, TypeAlias

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.opportunity.state import Opportunity, Share, require_open
from crmcore.domain.value import Rejection, Text, Value, require

WHOLE_PERCENT = 100

Shares: TypeAlias = Annotated[tuple[Share, ...], Meta(min_length=1, max_length=20)]


# Commands


class AssignOwner(Value, tag="opportunity.assign_owner"):
    """Put somebody in charge of a deal; whose work it is stays as it was split."""

    owner: Text


class SplitCredit(Value, tag="opportunity.split_credit"):
    """Say whose work a deal is, to which share."""

    shares: Shares


Command: TypeAlias = AssignOwner | SplitCredit


# Events


class OwnerChanged(Value, tag="opportunity.owner_changed"):
    """Somebody was in charge of the deal from then on."""

    owner: Text


class CreditSplit(Value, tag="opportunity.credit_split"):
    """The deal was the work of these."""

    shares: Shares


Event: TypeAlias = OwnerChanged | CreditSplit


# Rejections


class SplitNot100(Rejection):
    """The shares of a deal come to exactly 100 percent."""

    percent: int


class NamedTwice(Rejection):
    """A deal is split between different people."""

    who: str


Reason: TypeAlias = SplitNot100 | NamedTwice


def decide(command: Command, deal: Opportunity) -> tuple[Event, ...]:
    """Return who looks after an open deal, or gets the credit for it (rules.md O11)."""
    require_open(deal)
    if isinstance(command, AssignOwner):
        same = command.owner == deal.owner
        return () if same else (OwnerChanged(owner=command.owner),)
    names = [share.who for share in command.shares]
    for name in names:
        require(names.count(name) == 1, NamedTwice(who=name))
    percent = sum(share.percent for share in command.shares)
    require(percent == WHOLE_PERCENT, SplitNot100(percent=percent))
    return () if command.shares == deal.credit else (CreditSplit(shares=command.shares),)


def evolve(deal: Opportunity, event: Event) -> Opportunity:
    """Return the deal with its people."""
    if isinstance(event, OwnerChanged):
        return replace(deal, owner=event.owner)
    return replace(deal, credit=event.shares)
