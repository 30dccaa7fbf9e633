"""Who says that a datum of the card is right, by what, and until when that holds."""

from datetime import date
from typing import Literal, TypeAlias

from msgspec import UNSET

from crmcore.domain.act import Act
from crmcore.domain.customer import profile
from crmcore.domain.customer.profile import Profile
from crmcore.domain.value import Rejection, Text, Value, require

Datum: TypeAlias = Literal[
    "name", "sites", "bank_accounts", "contacts", "terms.payment_days", "terms.payment",
    "registration.legal_representative", "registration.tax_id", "registration.ownership",
    "registration.registered_capital", "registration.founded_on", "registration.country",
    "registration.parent", "registration.business_lines", "registration.employees",
    "registration.annual_revenue",
]  # fmt: skip


class VerifyDatum(Value, tag="customer.verify_datum"):
    """Say that a datum of the card is right, by which source, and until which day to trust that."""

    datum: Datum
    source: Text
    until: date | None = None


class DatumVerified(Value, tag="customer.datum_verified"):
    """A datum of the card is right, on somebody's word."""

    datum: Datum
    source: Text
    verified_by: Text
    verified_until: date | None


class NothingToVerify(Rejection):
    """What is verified was said."""

    datum: str


Command: TypeAlias = VerifyDatum
Event: TypeAlias = DatumVerified
Reason: TypeAlias = NothingToVerify
Evidence: TypeAlias = tuple[DatumVerified, ...]  # the latest of each datum, while it is unchanged


def stale_on(evidence: Evidence, day: date) -> tuple[Datum, ...]:
    """Return the data whose verification holds no more on a day: a state, and no edit."""
    return tuple(
        one.datum
        for one in evidence
        if one.verified_until is not None and one.verified_until <= day
    )


def decide(command: Command, evidence: Evidence, known: Profile, act: Act) -> tuple[Event, ...]:
    """Return that a datum is right; what is known already is nothing to do."""
    datum = command.datum
    require(_is_said(known, datum), NothingToVerify(datum=datum))
    verified = DatumVerified(
        datum=datum, source=command.source, verified_by=act.by, verified_until=command.until
    )
    return () if verified in evidence else (verified,)


def evolve(evidence: Evidence, event: Event | profile.Event) -> Evidence:
    """Return what is verified after a fact: a datum that changes has to be verified anew."""
    gone = (event.datum,) if isinstance(event, DatumVerified) else _changed(event)
    after = tuple(one for one in evidence if one.datum not in gone)
    if isinstance(event, DatumVerified):
        return (*after, event)
    return after if len(after) < len(evidence) else evidence


def thread_of(event: Event) -> str:
    """Return the thread of the section that a datum is of: neither overtakes the other."""
    section = event.datum.partition(".")[0]
    return {
        "name": "name",
        "registration": "RegistrationChanged",
        "terms": "TermsChanged",
        "sites": "SitesChanged",
        "bank_accounts": "BankAccountsChanged",
        "contacts": "ContactsChanged",
    }[section]


def _is_said(known: Profile, datum: Datum) -> bool:
    section, _, name = datum.partition(".")
    said = getattr(known, section)
    return getattr(said, name) is not UNSET if name else bool(said)


def _changed(event: profile.Event) -> tuple[str, ...]:
    """Return the data that a fact changes."""
    match event:
        case profile.IdentityChanged():
            return ("name",)
        case profile.SitesChanged():
            return ("sites",)
        case profile.BankAccountsChanged():
            return ("bank_accounts",)
        case profile.ContactsChanged():
            return ("contacts",)
        case profile.RegistrationChanged(registration=said):
            return _said("registration", said)
        case profile.TermsChanged(terms=said):
            return _said("terms", said)
        case _:
            return ()


def _said(section: str, said: Value) -> tuple[str, ...]:
    return tuple(
        f"{section}.{name}" for name in said.__struct_fields__ if getattr(said, name) is not UNSET
    )
