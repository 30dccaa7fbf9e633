"""By which name and number a customer is known, and that another one may stand for it: M1, M4."""

from datetime import date
from uuid import UUID

import pytest

from crmcore.domain import customer
from crmcore.domain.customer import (
    Absorb,
    ChangeIdentity,
    Held,
    MarkNotDuplicate,
    MergeInto,
    Policy,
    Registration,
    Separate,
    TaxId,
    Terms,
    Unmerge,
    known_as,
)
from crmcore.domain.customer.merging import (
    Absorbed,
    MarkedNotDuplicate,
    MergedInto,
    OtherHoldings,
    Redirected,
    Unmerged,
)
from crmcore.domain.customer.ownership import OwnerAssigned
from crmcore.domain.customer.profile import (
    Blacklisted,
    CustomerRegistered,
    RegistrationChanged,
    TermsChanged,
)
from crmcore.domain.customer.verified import TaxIdVerified
from crmcore.domain.money import Money
from crmcore.testing import given
from crmcore.testing.steps import START

BOB = UUID(int=8)
NUMBER = TaxId(country="DE", number="DE 136-695-976")
KNOWN = given(
    customer.decider(Policy()), CustomerRegistered(code="c-1", name="Ann", kind="organisation")
)
SAID = RegistrationChanged(registration=Registration(tax_id="DE1"))
VERIFIED = TaxIdVerified(tax_id=NUMBER, verified_by="ann")
MERGED = KNOWN.given(MergedInto(surviving_customer=BOB))
ANNS = OwnerAssigned(owner="ann", how="claimed", at=START, protected_until=None, won=False)


def test_a_customer_is_known_by_the_number_that_is_verified_and_else_by_what_it_says() -> None:
    told = [
        known_as(KNOWN.given(*facts).state)
        for facts in ((), (SAID,), (VERIFIED,), (SAID, VERIFIED))
    ]
    numbers = [None, "DE1", "DE136695976", "DE136695976"]
    assert told == [("Ann", number) for number in numbers]


@pytest.mark.parametrize(("facts", "tax_id"), [((), None), ((SAID,), "DE1")])
def test_m4_a_mark_is_of_the_name_and_the_number_of_its_time(
    facts: tuple[customer.Event, ...], tax_id: str | None
) -> None:
    mark = MarkNotDuplicate(other_customer=BOB)
    marked = KNOWN.given(*facts).when(mark)
    marked.then(MarkedNotDuplicate(other_customer=BOB, name="Ann", tax_id=tax_id))
    marked.when(mark).nothing()
    renamed = marked.when(ChangeIdentity(name="Ada")).when(mark)
    renamed.then(MarkedNotDuplicate(other_customer=BOB, name="Ada", tax_id=tax_id))


def test_m1_who_was_merged_is_asked_by_the_one_that_stands_for_it() -> None:
    for command in (
        ChangeIdentity(name="Ada"),
        MarkNotDuplicate(other_customer=UUID(int=9)),
        customer.RecordPurchase(purchase="p", amount=Money(minor=1, currency="USD")),
    ):
        MERGED.when(command).rejected(Redirected(surviving_customer=BOB))
    apart = MERGED.when(Unmerge(surviving_customer=BOB)).then(Unmerged(other_customer=BOB))
    assert len(apart.when(ChangeIdentity(name="Ada")).events) == 1


def test_m1_who_is_merged_names_what_it_holds() -> None:
    holding = KNOWN.given(VERIFIED, ANNS)
    held = Held(tax_id=NUMBER, owner="ann")
    holding.when(MergeInto(surviving_customer=BOB)).rejected(OtherHoldings(held=held))
    holding.when(MergeInto(surviving_customer=BOB, held=held)).then(
        MergedInto(surviving_customer=BOB)
    )


def test_m1_the_survivor_says_for_whom_it_stands() -> None:
    stands = KNOWN.when(Absorb(absorbed_customer=BOB)).then(Absorbed(absorbed_customer=BOB))
    stands.when(Absorb(absorbed_customer=BOB)).nothing()
    stands.when(Separate(absorbed_customer=BOB)).then(Unmerged(other_customer=BOB))


def test_a_customer_has_the_status_of_its_card_until_another_stands_for_it() -> None:
    listed = KNOWN.given(Blacklisted(reason="fraud"))
    gone = listed.given(MergedInto(surviving_customer=BOB))
    back = gone.given(Unmerged(other_customer=BOB))
    told = [scenario.state.status for scenario in (KNOWN, listed, gone, back, MERGED)]
    assert told == ["active", "blacklisted", "merged", "blacklisted", "merged"]


def test_the_books_know_the_class_that_was_said() -> None:
    last = KNOWN.given(TermsChanged(terms=Terms(customer_class="D")))
    told = [customer.books(s.state, date(2026, 3, 2)).customer_class for s in (KNOWN, last)]
    assert told == [None, "D"]
