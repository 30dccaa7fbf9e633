"""A customer's master card: each section has its own fact, and saying it again is nothing to do."""

from datetime import date
from uuid import UUID

import pytest

from crmcore.domain import customer
from crmcore.domain.customer import (
    BankAccount,
    Blacklist,
    ChangeBankAccounts,
    ChangeContacts,
    ChangeIdentity,
    ChangeRegistration,
    ChangeSites,
    ChangeTerms,
    Command,
    Contact,
    Deactivate,
    Event,
    LogInteraction,
    Policy,
    Reactivate,
    Register,
    Registration,
    Revenue,
    Site,
    Terms,
)
from crmcore.domain.customer.profile import (
    AlreadyRegistered,
    BankAccountsChanged,
    Blacklisted,
    ContactsChanged,
    CustomerRegistered,
    Deactivated,
    IdentityChanged,
    InteractionLogged,
    NotActive,
    NotRegistered,
    Reactivated,
    RegistrationChanged,
    SitesChanged,
    TermsChanged,
)
from crmcore.domain.money import Money
from crmcore.testing import Scenario, given

CUSTOMER = customer.decider(Policy())
REGISTERED = CustomerRegistered(code="c-1", name="Ann Ltd.", kind="organisation")
KNOWN = given(CUSTOMER, REGISTERED)
GONE = KNOWN.given(Deactivated(reason="moved"))
LISTED = KNOWN.given(Blacklisted(reason="fraud"))

SITE = Site(name="Main", address="1 Mill Road", premises="leased", leased_until=date(2030, 1, 1))
BANK = BankAccount(bank="Bank of Bath", account="GB29 0001")
BOB = Contact(name="Bob", role="buyer", phone="+442079460000", email="bob@example.org")
FOUNDED = Registration(tax_id="91350100M000100Y43", founded_on=date(1999, 5, 4), employees=12)


def test_a_customer_is_registered_under_a_code() -> None:
    given(CUSTOMER).when(Register(code="c-1", name="Ann Ltd.", kind="organisation")).then(
        CustomerRegistered(code="c-1", name="Ann Ltd.", kind="organisation"),
    )
    assert KNOWN.state.profile.is_registered
    assert not CUSTOMER.initial.profile.is_registered


def test_registering_again_under_the_same_code_changes_nothing() -> None:
    KNOWN.when(Register(code="c-1", name="Ann", kind="person")).nothing()


def test_a_customer_has_one_code() -> None:
    another = Register(code="c-2", name="Ann", kind="person")
    KNOWN.when(another).rejected(AlreadyRegistered(code="c-1"))


@pytest.mark.parametrize(
    "command",
    [
        LogInteraction(channel="phone", summary="hello"),
        customer.RecordPurchase(purchase="p-1", amount=Money(minor=1, currency="USD")),
        customer.ReleaseHold(hold="h-1", reason=""),
        customer.CancelOrder(order="o-1", reason=""),
        customer.DisputeInvoice(invoice="i-1", reason=""),
    ],
)
def test_nothing_happens_before_registration(command: Command) -> None:
    given(CUSTOMER).when(command).rejected(NotRegistered())


def test_a_contact_with_the_customer_is_logged_each_time() -> None:
    call = InteractionLogged(channel="visit", summary="tea")
    again = KNOWN.given(call).when(LogInteraction(channel="visit", summary="tea")).then(call)
    assert again.state == KNOWN.state


@pytest.mark.parametrize(
    ("command", "event"),
    [
        (ChangeIdentity(name="Ann & Co."), IdentityChanged(name="Ann & Co.")),
        (ChangeRegistration(registration=FOUNDED), RegistrationChanged(registration=FOUNDED)),
        (ChangeTerms(terms=Terms(payment_days=14)), TermsChanged(terms=Terms(payment_days=14))),
        (ChangeSites(sites=(SITE,)), SitesChanged(sites=(SITE,))),
        (
            ChangeBankAccounts(bank_accounts=(BANK,)),
            BankAccountsChanged(bank_accounts=(BANK,)),
        ),
        (ChangeContacts(contacts=(BOB,)), ContactsChanged(contacts=(BOB,))),
    ],
)
def test_a_section_is_changed_once(command: Command, event: Event) -> None:
    KNOWN.when(command).then(event).when(command).nothing()


def test_a_fact_names_only_the_fields_that_changed() -> None:
    known = KNOWN.given(RegistrationChanged(registration=FOUNDED))
    revenue = Revenue(year=2025, amount=Money(minor=100, currency="CNY"))
    said = Registration(employees=13, founded_on=date(1999, 5, 4), annual_revenue=revenue)
    changed = known.when(ChangeRegistration(registration=said)).then(
        RegistrationChanged(registration=Registration(employees=13, annual_revenue=revenue)),
    )
    assert changed.state.profile.registration == Registration(
        tax_id="91350100M000100Y43",
        founded_on=date(1999, 5, 4),
        employees=13,
        annual_revenue=revenue,
    )


def test_terms_that_nobody_mentions_stay_as_they_are() -> None:
    known = KNOWN.given(TermsChanged(terms=Terms(payment_days=14)))
    changed = known.when(ChangeTerms(terms=Terms(customer_class="A")))
    changed.then(TermsChanged(terms=Terms(customer_class="A")))
    assert changed.state.profile.terms == Terms(payment_days=14, customer_class="A")


def test_the_card_says_what_was_said_last() -> None:
    profile = KNOWN.given(
        IdentityChanged(name="Ann & Co."),
        SitesChanged(sites=(SITE,)),
        BankAccountsChanged(bank_accounts=(BANK,)),
        ContactsChanged(contacts=(BOB,)),
        ContactsChanged(contacts=()),
    ).state.profile
    assert (profile.code, profile.name, profile.kind) == ("c-1", "Ann & Co.", "organisation")
    assert (profile.sites, profile.bank_accounts, profile.contacts) == ((SITE,), (BANK,), ())


def test_a_relationship_ends_once() -> None:
    KNOWN.when(Deactivate(reason="moved")).then(Deactivated(reason="moved"))
    GONE.when(Deactivate(reason="moved")).nothing()
    assert GONE.state.profile.status == "deactivated"


def test_a_customer_is_blacklisted_once_also_after_the_end() -> None:
    KNOWN.when(Blacklist(reason="fraud")).then(Blacklisted(reason="fraud"))
    GONE.when(Blacklist(reason="fraud")).then(Blacklisted(reason="fraud"))
    LISTED.when(Blacklist(reason="fraud")).nothing()
    assert LISTED.state.profile.status == "blacklisted"


def test_deactivating_does_not_lift_a_blacklisting() -> None:
    LISTED.when(Deactivate(reason="moved")).rejected(NotActive(status="blacklisted"))


@pytest.mark.parametrize("parted", [GONE, LISTED])
def test_a_customer_is_taken_back_from_either(parted: Scenario) -> None:
    back = parted.when(Reactivate(reason="sorry")).then(Reactivated(reason="sorry"))
    assert back.state.profile.status == "active"


def test_who_is_active_is_not_taken_back() -> None:
    KNOWN.when(Reactivate(reason="sorry")).nothing()


def test_the_facts_of_a_customer_are_its_own() -> None:
    assert CUSTOMER.customer(UUID(int=7), KNOWN.state) == UUID(int=7)
