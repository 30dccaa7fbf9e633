"""A tax id is one customer's: the reservation of a number, so that nobody else verifies it.

No aggregate, but a process between them: written in the same transaction as what needs it.
"""

from typing import TypeAlias, assert_never
from uuid import UUID, uuid5

from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.customer.tax_id import Country, TaxId
from crmcore.domain.decider import Decider
from crmcore.domain.value import Ref, Rejection, Value, require

_NAMESPACE = UUID("0a5a24a4-5c0e-5d0a-8c0f-2f6a5a1f9d31")


def identity_id(tax_id: TaxId) -> UUID:
    """Return the id of the stream of a tax id: the same for every way to write the number."""
    return uuid5(_NAMESPACE, f"{tax_id.country}/{tax_id.plain}")


# Commands


class Reserve(Value, tag="identity.reserve"):
    """Keep a tax id for a customer."""

    customer: UUID
    tax_id: TaxId


class GiveUp(Value, tag="identity.give_up"):
    """Let others have the tax id again."""

    customer: UUID


Command: TypeAlias = Reserve | GiveUp


# Events


class IdentityReserved(Value, tag="identity.reserved"):
    """A tax id is a customer's."""

    customer: UUID
    country: Country
    number: Ref


class IdentityGivenUp(Value, tag="identity.given_up"):
    """A tax id is nobody's any more."""

    customer: UUID


Event: TypeAlias = IdentityReserved | IdentityGivenUp


# Rejections


class DuplicateIdentity(Rejection):
    """A verified tax id is one customer's at a time."""

    customer: UUID


Reason: TypeAlias = DuplicateIdentity


# State


class Identity(Value):
    """Whose a tax id is, if anybody's."""

    customer: UUID | None = None


def decide(command: Command, identity: Identity, _: Act) -> tuple[Event, ...]:
    """Return whose a tax id becomes; what is so already is nothing to do (rules.md C1)."""
    holder = identity.customer
    match command:
        case Reserve(customer=customer, tax_id=tax_id):
            require(holder in {None, customer}, DuplicateIdentity(customer=holder or customer))
            if holder == customer:
                return ()
            reserved = IdentityReserved(
                customer=customer, country=tax_id.country, number=tax_id.plain
            )
            return (reserved,)
        case GiveUp(customer=customer):
            return (IdentityGivenUp(customer=customer),) if holder == customer else ()
        case _:
            assert_never(command)


def evolve(identity: Identity, event: Event) -> Identity:
    """Return whose a tax id is after a fact."""
    match event:
        case IdentityReserved(customer=customer):
            return replace(identity, customer=customer)
        case IdentityGivenUp():
            return replace(identity, customer=None)
        case _:
            assert_never(event)


def decider() -> Decider[Command, Identity, Event]:
    """Return the rules of a tax id; its facts are in no customer's history."""
    return Decider(
        kind="identity",
        initial=Identity(),
        decide=decide,
        evolve=evolve,
        customer=lambda *_: None,
        commands=Command,
        events=Event,
        rejections=Reason,
        threads=lambda _: ("identity",),
    )
