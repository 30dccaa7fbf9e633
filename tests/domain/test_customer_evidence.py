"""A datum of the card is verified until a day, or until it changes; stale is a state, no edit."""

from datetime import date

import pytest

from crmcore.domain import customer
from crmcore.domain.customer import (
    BankAccount,
    ChangeBankAccounts,
    ChangeContacts,
    ChangeTerms,
    Clear,
    Contact,
    Policy,
    Registration,
    Site,
    Terms,
    VerifyDatum,
)
from crmcore.domain.customer.evidence import Datum, DatumVerified, NothingToVerify, stale_on
from crmcore.domain.customer.iban import is_iban
from crmcore.domain.customer.profile import (
    BankAccountsChanged,
    Blacklisted,
    Cleared,
    ContactsChanged,
    CustomerRegistered,
    IdentityChanged,
    InvalidIban,
    RegistrationChanged,
    SitesChanged,
    TermsChanged,
)
from crmcore.testing import given

CUSTOMER = customer.decider(Policy())
FULL = given(
    CUSTOMER,
    CustomerRegistered(code="c-1", name="Ann", kind="organisation"),
    RegistrationChanged(registration=Registration(founded_on=date(1999, 5, 4), employees=3)),
    TermsChanged(terms=Terms(payment_days=14)),
    SitesChanged(sites=(Site(name="Main", address="1 Mill Road"),)),
    BankAccountsChanged(bank_accounts=(BankAccount(bank="Bath", account="1"),)),
    ContactsChanged(contacts=(Contact(name="Bob"),)),
)
UNTIL = date(2026, 6, 1)


def verified(datum: Datum) -> DatumVerified:
    return DatumVerified(datum=datum, source="register", verified_by="ann", verified_until=UNTIL)


def test_a_datum_is_verified_until_a_day() -> None:
    verify = VerifyDatum(datum="registration.founded_on", source="register", until=UNTIL)
    right = FULL.when(verify).then(verified("registration.founded_on"))
    right.when(verify).nothing()
    evidence = right.state.evidence
    assert stale_on(evidence, date(2026, 5, 31)) == ()
    assert stale_on(evidence, UNTIL) == ("registration.founded_on",)
    for_good = FULL.when(VerifyDatum(datum="name", source="passport")).state.evidence
    assert stale_on(for_good, date(2099, 1, 1)) == ()
    anew = right.when(VerifyDatum(datum="registration.founded_on", source="statutes"))
    assert [one.source for one in anew.state.evidence] == ["statutes"]


@pytest.mark.parametrize("datum", ["registration.parent", "terms.payment_days", "sites"])
def test_what_nobody_said_is_not_verified(datum: Datum) -> None:
    blank = given(CUSTOMER, CustomerRegistered(code="c-1", name="Ann", kind="person"))
    blank.when(VerifyDatum(datum=datum, source="x")).rejected(NothingToVerify(datum=datum))


@pytest.mark.parametrize(
    ("datum", "change"),
    [
        ("name", IdentityChanged(name="Bob")),
        ("sites", SitesChanged(sites=())),
        ("bank_accounts", BankAccountsChanged(bank_accounts=())),
        ("contacts", ContactsChanged(contacts=())),
        ("terms.payment_days", TermsChanged(terms=Terms(payment_days=30))),
        ("registration.employees", RegistrationChanged(registration=Registration(employees=4))),
    ],
)
def test_what_changes_has_to_be_verified_anew_and_nothing_else(
    datum: Datum, change: customer.Event
) -> None:
    other: Datum = "registration.founded_on"
    known = FULL.given(verified(datum), verified(other))
    assert [one.datum for one in known.state.evidence] == [datum, other]
    assert [one.datum for one in known.given(change).state.evidence] == [other]
    assert CUSTOMER.threads(verified(datum)) == CUSTOMER.threads(change)


def test_what_is_verified_stays_so_whatever_else_happens_to_the_customer() -> None:
    known = FULL.given(verified("name"), Blacklisted(reason="fraud"), Cleared(reason="mistaken"))
    assert known.state.evidence == (verified("name"),)


@pytest.mark.parametrize(
    "number", ["GB82WEST12345698765432", "DE89370400440532013000", "NO9386011117947"]
)
def test_an_iban_of_the_standard_is_right_and_one_digit_off_is_not(number: str) -> None:
    assert is_iban(number) is True
    for place, digit in enumerate(number):
        if digit.isdigit():
            other = str((int(digit) + 1) % 10)
            assert not is_iban(number[:place] + other + number[place + 1 :])
    assert [is_iban(text) for text in (number.lower(), number[:14], "")] == [False] * 3


def test_a_wrong_iban_is_refused() -> None:
    wrong = BankAccount(bank="Bath", account="1", iban="GB82WEST12345698765433")
    FULL.when(ChangeBankAccounts(bank_accounts=(wrong,))).rejected(InvalidIban(bank="Bath"))
    right = BankAccount(bank="Bath", account="1", iban="GB82WEST12345698765432")
    FULL.when(ChangeBankAccounts(bank_accounts=(right,))).then(
        BankAccountsChanged(bank_accounts=(right,))
    )


def test_a_contact_has_several_phones_and_terms_a_period_of_collection() -> None:
    bob = Contact(name="Bob", phone="+442079460000", more_phones=("+442079460001",))
    FULL.when(ChangeContacts(contacts=(bob,))).then(ContactsChanged(contacts=(bob,)))
    said = Terms(payment_days=14, collection_days=60)
    FULL.when(ChangeTerms(terms=said)).then(TermsChanged(terms=Terms(collection_days=60)))


def test_who_is_cleared_is_a_customer_again() -> None:
    listed = FULL.given(Blacklisted(reason="fraud"))
    cleared = listed.when(Clear(reason="mistaken")).then(Cleared(reason="mistaken"))
    assert cleared.state.profile.status == "active"
    cleared.when(Clear(reason="mistaken")).nothing()
