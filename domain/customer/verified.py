"""The tax id of a customer that somebody has verified: nobody else has it (rules.md C1)."""

from typing import TypeAlias, assert_never

from msgspec import UNSET

from crmcore.domain.act import Act
from crmcore.domain.customer.card import Registration
from crmcore.domain.customer.tax_id import TaxId
from crmcore.domain.value import Rejection, Text, Value, require

CHINA, SOCIAL_CREDIT_LENGTH = "CN", 18

# Commands


class VerifyTaxId(Value, tag="customer.verify_tax_id"):
    """Say that a tax id was seen on paper, in the place of the one verified before."""

    tax_id: TaxId
    instead_of: TaxId | None = None


class GiveUpTaxId(Value, tag="customer.give_up_tax_id"):
    """Take it back."""

    tax_id: TaxId


Command: TypeAlias = VerifyTaxId | GiveUpTaxId


# Events


class TaxIdVerified(Value, tag="customer.tax_id_verified"):
    """The tax id is the customer's, on somebody's word."""

    tax_id: TaxId
    verified_by: Text


class TaxIdGivenUp(Value, tag="customer.tax_id_given_up"):
    """No tax id is verified any more."""

    tax_id: TaxId


Event: TypeAlias = TaxIdVerified | TaxIdGivenUp


# Rejections


class InvalidTaxId(Rejection):
    """A tax id has the form and the check digit of its kind."""

    tax_id: str


class OtherTaxId(Rejection):
    """Who changes or gives up a verified tax id names it."""

    tax_id: TaxId | None


Reason: TypeAlias = InvalidTaxId | OtherTaxId


def decide(command: Command, verified: TaxId | None, act: Act) -> tuple[Event, ...]:
    """Return which tax id is verified; what is so already is nothing to do."""
    match command:
        case VerifyTaxId(tax_id=tax_id, instead_of=before):
            require(tax_id.is_valid, InvalidTaxId(tax_id=tax_id.number))
            if tax_id == verified:
                return ()
            require(before == verified, OtherTaxId(tax_id=verified))
            return (TaxIdVerified(tax_id=tax_id, verified_by=act.by),)
        case GiveUpTaxId(tax_id=tax_id):
            require(tax_id == verified, OtherTaxId(tax_id=verified))
            return (TaxIdGivenUp(tax_id=tax_id),)
        case _:
            assert_never(command)


def evolve(_: TaxId | None, event: Event) -> TaxId | None:
    """Return the tax id that is verified after a fact."""
    match event:
        case TaxIdVerified(tax_id=tax_id):
            return tax_id
        case TaxIdGivenUp():
            return None
        case _:
            assert_never(event)


def require_registrable(said: Registration, known: Registration, verified: TaxId | None) -> None:
    """Reject a registration whose tax id cannot be one, or is another than the verified one."""
    if said.tax_id is UNSET:
        return
    country = known.country if said.country is UNSET else said.country
    claimed = TaxId(country=CHINA, number=said.tax_id, scheme="uscc")
    if country == CHINA and len(claimed.plain) == SOCIAL_CREDIT_LENGTH:
        require(claimed.is_valid, InvalidTaxId(tax_id=said.tax_id))
    same = verified is None or verified.plain == claimed.plain
    require(same, OtherTaxId(tax_id=verified))
