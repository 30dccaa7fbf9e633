"""Who brought a customer along, and who had brought that one, and so on."""

from typing import Annotated, TypeAlias
from uuid import UUID

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.loyalty.account import Account
from crmcore.domain.value import Rejection, Value, require

Lineage: TypeAlias = Annotated[tuple[UUID, ...], Meta(max_length=100)]

# Commands


class NameReferrer(Value, tag="loyalty.name_referrer"):
    """Say who brought this customer along, and who had brought that one, and so on."""

    referrer: Annotated[UUID, Meta(extra={"ref": "customer"})]
    lineage: Lineage = ()


Command: TypeAlias = NameReferrer


# Events


class ReferrerNamed(Value, tag="loyalty.referrer_named"):
    """Another customer brought this one along; the lineage goes on from that one."""

    referrer: UUID
    lineage: Lineage


Event: TypeAlias = ReferrerNamed


# Rejections


class SelfReferral(Rejection):
    """A customer is brought along by another one."""

    customer: UUID


class AlreadyReferred(Rejection):
    """A customer is brought along by one other."""

    referrers: tuple[UUID, ...]


class ReferralCycle(Rejection):
    """Nobody is brought along by those whom they brought along."""

    lineage: tuple[UUID, ...]


Reason: TypeAlias = SelfReferral | AlreadyReferred | ReferralCycle


def decide(command: Command, account: Account) -> tuple[Event, ...]:
    """Return that somebody brought this customer along: one, and no circle (rules.md L18)."""
    referrer, lineage = command.referrer, (command.referrer, *command.lineage)
    require(referrer != account.customer, SelfReferral(customer=referrer))
    if account.referrers:
        same = account.referrers[0] == referrer
        require(same, AlreadyReferred(referrers=account.referrers))
        return ()
    brought = {referral.referee for referral in account.referrals}
    circular = account.customer in lineage or not brought.isdisjoint(lineage)
    require(not circular, ReferralCycle(lineage=lineage))
    return (ReferrerNamed(referrer=referrer, lineage=command.lineage),)


def evolve(account: Account, event: Event) -> Account:
    """Return the account of a customer who was brought along."""
    return replace(account, referrers=(event.referrer, *event.lineage))
