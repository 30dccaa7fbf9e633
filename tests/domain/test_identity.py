"""A tax id is right, and one customer's: C1."""

from uuid import UUID

import pytest
from hypothesis import given as generated
from hypothesis import strategies as st

from crmcore.domain import customer, identity
from crmcore.domain.customer import (
    ChangeRegistration,
    GiveUpTaxId,
    Policy,
    Registration,
    TaxId,
    VerifyTaxId,
)
from crmcore.domain.customer.profile import CustomerRegistered, RegistrationChanged
from crmcore.domain.customer.tax_id import USCC_ALPHABET, is_uscc
from crmcore.domain.customer.verified import (
    InvalidTaxId,
    OtherTaxId,
    TaxIdGivenUp,
    TaxIdVerified,
)
from crmcore.domain.identity import (
    DuplicateIdentity,
    GiveUp,
    IdentityGivenUp,
    IdentityReserved,
    Reserve,
    identity_id,
)
from crmcore.testing import contract, given

IDENTITY = identity.decider()
CUSTOMER = customer.decider(Policy())
KNOWN = given(CUSTOMER, CustomerRegistered(code="c-1", name="Ann", kind="organisation"))
ADA, BOB = UUID(int=7), UUID(int=8)
RIGHT = TaxId(country="CN", number="91350100M000100Y43", scheme="uscc")
WRONG = TaxId(country="CN", number="91350100M000100Y44", scheme="uscc")
GERMAN = TaxId(country="DE", number="DE 136-695-976")

TestIdentity = contract(IDENTITY, examples=50)


@pytest.mark.parametrize("code", ["91350100M000100Y43", "91440300708461136T"])
def test_c1_codes_of_the_standard_are_right(code: str) -> None:
    assert is_uscc(code)
    assert not is_uscc(code[:-1])
    assert not is_uscc(code.lower())


@pytest.mark.parametrize("number", ["", "0", "0" * 17, "0" * 19])
def test_c1_a_code_has_18_characters(number: str) -> None:
    assert is_uscc(number) is False
    assert is_uscc("0" * 18) is True


def test_c1_every_wrong_character_is_noticed() -> None:
    code = "91350100M000100Y43"
    others = {
        code[:place] + letter + code[place + 1 :] for place in range(18) for letter in USCC_ALPHABET
    } - {code}
    assert len(others) == 540
    assert not any(map(is_uscc, others))


def test_c1_every_two_neighbours_in_each_others_place_are_noticed() -> None:
    code = "91350100M000100Y43"
    swapped = {
        code[:place] + code[place + 1] + code[place] + code[place + 2 :] for place in range(17)
    } - {code}
    assert len(swapped) == 13
    assert not any(map(is_uscc, swapped))


@generated(st.text(alphabet=USCC_ALPHABET, min_size=17, max_size=17))
def test_c1_each_beginning_has_one_check_digit(beginning: str) -> None:
    assert sum(is_uscc(beginning + letter) for letter in USCC_ALPHABET) == 1


def test_c1_a_wrong_check_digit_is_refused() -> None:
    KNOWN.when(VerifyTaxId(tax_id=WRONG)).rejected(InvalidTaxId(tax_id="91350100M000100Y44"))
    said = Registration(country="CN", tax_id="91350100M000100Y44")
    KNOWN.when(ChangeRegistration(registration=said)).rejected(InvalidTaxId)
    elsewhere = Registration(country="TW", tax_id="91350100M000100Y44")
    KNOWN.when(ChangeRegistration(registration=elsewhere)).then(
        RegistrationChanged(registration=elsewhere)
    )
    chinese = KNOWN.given(RegistrationChanged(registration=Registration(country="CN")))
    alone = Registration(tax_id="91350100M000100Y44")
    chinese.when(ChangeRegistration(registration=alone)).rejected(InvalidTaxId)
    of_fifteen = Registration(tax_id="350100M000100Y4")
    chinese.when(ChangeRegistration(registration=of_fifteen)).then(
        RegistrationChanged(registration=of_fifteen)
    )


def test_c1_a_tax_id_is_verified_once_and_changed_by_name() -> None:
    verify = VerifyTaxId(tax_id=RIGHT)
    seen = KNOWN.when(verify).then(TaxIdVerified(tax_id=RIGHT, verified_by="ann"))
    seen.when(verify).nothing()
    seen.when(VerifyTaxId(tax_id=GERMAN)).rejected(OtherTaxId(tax_id=RIGHT))
    moved = seen.when(VerifyTaxId(tax_id=GERMAN, instead_of=RIGHT)).then(
        TaxIdVerified(tax_id=GERMAN, verified_by="ann")
    )
    moved.when(GiveUpTaxId(tax_id=RIGHT)).rejected(OtherTaxId(tax_id=GERMAN))
    none = moved.when(GiveUpTaxId(tax_id=GERMAN)).then(TaxIdGivenUp(tax_id=GERMAN))
    assert none.state.tax_id is None


def test_c1_the_registration_says_no_other_than_the_verified_one() -> None:
    seen = KNOWN.given(TaxIdVerified(tax_id=GERMAN, verified_by="ann"))
    other = ChangeRegistration(registration=Registration(tax_id="DE1"))
    seen.when(other).rejected(OtherTaxId(tax_id=GERMAN))
    same = ChangeRegistration(registration=Registration(tax_id="DE136695976"))
    assert len(seen.when(same).events) == 1
    none = Registration(employees=5)
    seen.when(ChangeRegistration(registration=none)).then(RegistrationChanged(registration=none))


def test_c1_a_tax_id_is_one_customers_at_a_time() -> None:
    reserve = Reserve(customer=ADA, tax_id=GERMAN)
    adas = given(IDENTITY).when(reserve)
    adas.then(IdentityReserved(customer=ADA, country="DE", number="DE136695976"))
    adas.when(reserve).nothing()
    adas.when(Reserve(customer=BOB, tax_id=GERMAN)).rejected(DuplicateIdentity(customer=ADA))
    adas.when(GiveUp(customer=BOB)).nothing()
    free = adas.when(GiveUp(customer=ADA)).then(IdentityGivenUp(customer=ADA))
    assert len(free.when(Reserve(customer=BOB, tax_id=GERMAN)).events) == 1


def test_c1_a_number_is_the_same_however_it_is_written() -> None:
    plain = TaxId(country="DE", number="de136695976")
    assert identity_id(GERMAN) == identity_id(plain)
    assert identity_id(GERMAN) != identity_id(TaxId(country="AT", number="DE136695976"))
    assert identity_id(plain) == UUID("36fa6130-a618-5c42-90e4-2abc289e913d"), (
        "it is the id of what is stored"
    )
    assert (IDENTITY.kind, IDENTITY.threads(IdentityGivenUp(customer=ADA))) == (
        "identity",
        ("identity",),
    )
    assert IDENTITY.customer(ADA, IDENTITY.initial) is None
