"""Who a customer is: the master card by sections, the standing, and what was said and done."""

from typing import Literal, TypeAlias, assert_never

from msgspec.structs import replace

from crmcore.domain.customer.card import (
    BankAccounts,
    Contacts,
    Kind,
    Registration,
    Sites,
    Terms,
)
from crmcore.domain.value import Note, Ref, Rejection, Text, Value, changed, merged, require

Channel: TypeAlias = Literal["phone", "email", "chat", "visit", "letter", "other"]
Status: TypeAlias = Literal["active", "deactivated", "blacklisted"]


# Commands


class LogInteraction(Value, tag="customer.log_interaction"):
    """Write down a contact with the customer."""

    channel: Channel
    summary: Note


class ChangeIdentity(Value, tag="customer.change_identity"):
    """Change the name."""

    name: Text


class ChangeRegistration(Value, tag="customer.change_registration"):
    """Change those parts of the registration that are given."""

    registration: Registration


class ChangeTerms(Value, tag="customer.change_terms"):
    """Change those terms that are given."""

    terms: Terms


class ChangeSites(Value, tag="customer.change_sites"):
    """Say which sites there are."""

    sites: Sites


class ChangeBankAccounts(Value, tag="customer.change_bank_accounts"):
    """Say which bank accounts there are."""

    bank_accounts: BankAccounts


class ChangeContacts(Value, tag="customer.change_contacts"):
    """Say which contact persons there are."""

    contacts: Contacts


class Deactivate(Value, tag="customer.deactivate"):
    """End the relationship for now."""

    reason: Note


class Blacklist(Value, tag="customer.blacklist"):
    """Refuse to do business with the customer."""

    reason: Note


class Reactivate(Value, tag="customer.reactivate"):
    """Take the customer back, from either."""

    reason: Note


class Clear(Value, tag="customer.clear"):
    """Take the customer off the blacklist: what it stood there for was not so."""

    reason: Note


class Register(Value, tag="customer.register"):
    """Make the customer known under a code of ours."""

    code: Ref
    name: Text
    kind: Kind


Command: TypeAlias = (
    LogInteraction | ChangeIdentity | ChangeRegistration | ChangeTerms | ChangeSites
    | ChangeBankAccounts | ChangeContacts | Deactivate | Blacklist | Reactivate | Clear
    | Register
)  # fmt: skip


# Events


class InteractionLogged(Value, tag="customer.interaction_logged"):
    """There was a contact with the customer."""

    channel: Channel
    summary: Note


class IdentityChanged(Value, tag="customer.identity_changed"):
    """The customer goes by another name."""

    name: Text


class RegistrationChanged(Value, tag="customer.registration_changed"):
    """These parts of the registration are different now."""

    registration: Registration


class TermsChanged(Value, tag="customer.terms_changed"):
    """These terms are different now."""

    terms: Terms


class SitesChanged(Value, tag="customer.sites_changed"):
    """These are the sites now."""

    sites: Sites


class BankAccountsChanged(Value, tag="customer.bank_accounts_changed"):
    """These are the bank accounts now."""

    bank_accounts: BankAccounts


class ContactsChanged(Value, tag="customer.contacts_changed"):
    """These are the contact persons now."""

    contacts: Contacts


class Deactivated(Value, tag="customer.deactivated"):
    """The relationship ended."""

    reason: Note


class Blacklisted(Value, tag="customer.blacklisted"):
    """We do no business with the customer."""

    reason: Note


class Reactivated(Value, tag="customer.reactivated"):
    """The customer is one again."""

    reason: Note


class Cleared(Value, tag="customer.cleared"):
    """The customer is off the blacklist."""

    reason: Note


class CustomerRegistered(Value, tag="customer.registered"):
    """The customer became known."""

    code: Ref
    name: Text
    kind: Kind


Event: TypeAlias = (
    InteractionLogged | IdentityChanged | RegistrationChanged | TermsChanged | SitesChanged
    | BankAccountsChanged | ContactsChanged | Deactivated | Blacklisted | Reactivated
    | Cleared | CustomerRegistered
)  # fmt: skip


# Rejections


class NotRegistered(Rejection):
    """A customer is registered before anything else happens."""


class AlreadyRegistered(Rejection):
    """A customer is registered once, under one code."""

    code: str


class NotActive(Rejection):
    """Only an active customer orders on account, is put in somebody's charge, or is deactivated."""

    status: str


class InvalidIban(Rejection):
    """An IBAN has its form, and check digits that fit the rest of it."""

    bank: str


Reason: TypeAlias = NotRegistered | AlreadyRegistered | NotActive | InvalidIban


# State


class Profile(Value):
    """What is known about the customer."""

    code: str = ""
    name: str = ""
    kind: Kind = "organisation"
    status: Status = "active"
    registration: Registration = Registration()
    terms: Terms = Terms()
    sites: Sites = ()
    bank_accounts: BankAccounts = ()
    contacts: Contacts = ()

    @property
    def is_registered(self) -> bool:
        """Whether anybody made the customer known."""
        return bool(self.code)


def decide(command: Command, profile: Profile) -> tuple[Event, ...]:
    """Return what happens to the profile; what is so already is nothing to do."""
    match command:
        case LogInteraction(channel=channel, summary=summary):
            return (InteractionLogged(channel=channel, summary=summary),)
        case ChangeIdentity(name=name):
            return (IdentityChanged(name=name),) if name != profile.name else ()
        case ChangeRegistration(registration=said):
            news = changed(profile.registration, said)
            return (RegistrationChanged(registration=news),) if news else ()
        case ChangeTerms(terms=said):
            terms = changed(profile.terms, said)
            return (TermsChanged(terms=terms),) if terms else ()
        case ChangeSites(sites=sites):
            return (SitesChanged(sites=sites),) if sites != profile.sites else ()
        case ChangeBankAccounts(bank_accounts=banks):
            known = profile.bank_accounts
            for bank in banks:
                require(bank.is_valid, InvalidIban(bank=bank.bank))
            return (BankAccountsChanged(bank_accounts=banks),) if banks != known else ()
        case ChangeContacts(contacts=contacts):
            return (ContactsChanged(contacts=contacts),) if contacts != profile.contacts else ()
        case Deactivate(reason=reason):
            require(profile.status != "blacklisted", NotActive(status=profile.status))
            return (Deactivated(reason=reason),) if profile.status == "active" else ()
        case Blacklist(reason=reason):
            return (Blacklisted(reason=reason),) if profile.status != "blacklisted" else ()
        case Reactivate(reason=reason):
            return (Reactivated(reason=reason),) if profile.status != "active" else ()
        case Clear(reason=reason):
            return (Cleared(reason=reason),) if profile.status == "blacklisted" else ()
        case Register(code=code, name=name, kind=kind):
            require(profile.code in ("", code), AlreadyRegistered(code=profile.code))
            return () if profile.code else (CustomerRegistered(code=code, name=name, kind=kind),)
        case _:
            assert_never(command)


def evolve(profile: Profile, event: Event) -> Profile:
    """Return the profile after a fact."""
    match event:
        case InteractionLogged():
            return profile
        case IdentityChanged(name=name):
            return replace(profile, name=name)
        case RegistrationChanged(registration=said):
            return replace(profile, registration=merged(profile.registration, said))
        case TermsChanged(terms=said):
            return replace(profile, terms=merged(profile.terms, said))
        case SitesChanged(sites=sites):
            return replace(profile, sites=sites)
        case BankAccountsChanged(bank_accounts=bank_accounts):
            return replace(profile, bank_accounts=bank_accounts)
        case ContactsChanged(contacts=contacts):
            return replace(profile, contacts=contacts)
        case Deactivated():
            return replace(profile, status="deactivated")
        case Blacklisted():
            return replace(profile, status="blacklisted")
        case Reactivated() | Cleared():
            return replace(profile, status="active")
        case CustomerRegistered(code=code, name=name, kind=kind):
            return replace(profile, code=code, name=name, kind=kind)
        case _:
            assert_never(event)
