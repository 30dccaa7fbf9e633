"""Customers that are one and the same, by the rules alone: M1, M3 and M4."""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import find
from hypothesis import given as given_any
from hypothesis import strategies as st
from msgspec.structs import replace

from crmcore.domain import customer
from crmcore.domain.act import Act
from crmcore.domain.customer import (
    Absorb,
    AcceptOrder,
    AdmitMember,
    Contact,
    Customer,
    Deliver,
    Held,
    IssueInvoice,
    MarkNotDuplicate,
    MergeInto,
    Policy,
    Registration,
    ReleaseHold,
    Separate,
    TaxId,
    Unmerge,
    merging,
    orders,
    payments,
    receivables,
    reminders,
)
from crmcore.domain.customer.beside import Account, Beside, apart, open_amounts, together
from crmcore.domain.customer.credit import CreditLimitApproved, Hold, HoldPlaced
from crmcore.domain.customer.duplicates import ALIKE_MAX, Suggestion, possible_duplicates
from crmcore.domain.customer.exposure import Invoice, Order, Payment
from crmcore.domain.customer.informing import account_of, asks, group_of, informed, whole
from crmcore.domain.customer.merging import (
    Absorbed,
    AlreadyMerged,
    Mark,
    MarkedNotDuplicate,
    MergeCycle,
    MergedInto,
    Merges,
    NotMerged,
    OtherHoldings,
    Redirected,
    Unmerged,
    resolved,
)
from crmcore.domain.customer.orders import OrderAccepted
from crmcore.domain.customer.profile import ContactsChanged, CustomerRegistered, RegistrationChanged
from crmcore.domain.customer.receivables import InvoiceIssued
from crmcore.domain.customer.sales import REMEMBERED_MAX
from crmcore.domain.customer.verified import TaxIdVerified
from crmcore.domain.money import CurrencyMismatch, Money
from crmcore.domain.value import Rejected
from crmcore.testing import given, values

ADA, BOB, CEM, DEE = (UUID(int=number) for number in (1, 2, 3, 4))
TODAY = date(2026, 3, 2)
RULES = customer.decider(Policy())
ACT = Act(by="ann", effective_at=datetime(2026, 3, 2, tzinfo=UTC), command_id=UUID(int=0))
NUMBER = TaxId(country="DE", number="DE136695976")


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


def registered(name: str = "Ann Ltd.") -> CustomerRegistered:
    return CustomerRegistered(code="c-1", name=name, kind="organisation")


def one(*events: customer.Event, name: str = "Ann Ltd.") -> Customer:
    return RULES.fold((registered(name), *events))


MERGED = MergedInto(surviving_customer=BOB)
ABSORBED = Absorbed(absorbed_customer=ADA)
KNOWN = given(RULES, registered(), at=TODAY)
GONE = given(RULES, registered(), MERGED, at=TODAY)
STANDING = given(RULES, registered(), ABSORBED, at=TODAY)


# Who stands for whom


def test_m1_a_customer_is_merged_into_one_other_and_once() -> None:
    KNOWN.when(MergeInto(surviving_customer=BOB)).then(MERGED)
    GONE.when(MergeInto(surviving_customer=BOB)).nothing()
    GONE.when(MergeInto(surviving_customer=CEM)).rejected(AlreadyMerged(surviving_customer=BOB))
    STANDING.when(MergeInto(surviving_customer=ADA)).rejected(MergeCycle(surviving_customer=ADA))
    STANDING.when(MergeInto(surviving_customer=CEM)).then(MergedInto(surviving_customer=CEM))


def test_m1_a_customer_stands_for_others_while_nobody_stands_for_it() -> None:
    KNOWN.when(Absorb(absorbed_customer=ADA)).then(ABSORBED)
    STANDING.when(Absorb(absorbed_customer=ADA)).nothing()
    STANDING.when(Absorb(absorbed_customer=CEM)).then(Absorbed(absorbed_customer=CEM))
    GONE.when(Absorb(absorbed_customer=BOB)).rejected(MergeCycle(surviving_customer=BOB))
    GONE.when(Absorb(absorbed_customer=CEM)).rejected(Redirected(surviving_customer=BOB))


def test_m1_a_merge_ends_for_both() -> None:
    ended = Unmerged(other_customer=BOB)
    GONE.when(Unmerge(surviving_customer=BOB)).then(ended)
    assert GONE.when(Unmerge(surviving_customer=BOB)).state.merges == Merges()
    GONE.when(Unmerge(surviving_customer=CEM)).rejected(NotMerged(other_customer=CEM))
    KNOWN.when(Unmerge(surviving_customer=BOB)).rejected(NotMerged(other_customer=BOB))
    STANDING.when(Separate(absorbed_customer=ADA)).then(Unmerged(other_customer=ADA))
    KNOWN.when(Separate(absorbed_customer=ADA)).rejected(NotMerged(other_customer=ADA))


def test_m1_the_end_of_one_merge_leaves_the_others() -> None:
    events = (ABSORBED, Absorbed(absorbed_customer=CEM), MergedInto(surviving_customer=BOB))
    known = one(*events, Unmerged(other_customer=ADA))
    assert known.merges == Merges(survivor=BOB, absorbed=(CEM,))
    again = one(*events, ABSORBED)
    assert again.merges.absorbed == (CEM, ADA)
    assert one(*events, Unmerged(other_customer=BOB)).merges == Merges(absorbed=(ADA, CEM))


def test_m1_who_merges_names_what_is_held_elsewhere() -> None:
    numbered = given(RULES, registered(), TaxIdVerified(tax_id=NUMBER, verified_by="a"), at=TODAY)
    held = Held(tax_id=NUMBER)
    no = OtherHoldings(held=held)
    numbered.when(MergeInto(surviving_customer=BOB)).rejected(no)
    gone = numbered.when(MergeInto(surviving_customer=BOB, held=held))
    gone.when(Unmerge(surviving_customer=BOB)).rejected(no)
    gone.when(Unmerge(surviving_customer=BOB, held=held)).then(Unmerged(other_customer=BOB))


def test_m1_the_facts_of_a_merge_say_the_worse_grade() -> None:
    into = MergeInto(surviving_customer=BOB, grade="C")
    KNOWN.when(into).then(MergedInto(surviving_customer=BOB, grade="C"))
    absorb = Absorb(absorbed_customer=ADA, grade="C")
    KNOWN.when(absorb).then(Absorbed(absorbed_customer=ADA, grade="C"))


def test_m1_resolving_follows_survivors_to_the_last() -> None:
    survivors = {ADA: BOB, BOB: CEM}
    assert [resolved(who, survivors) for who in (ADA, BOB, CEM, DEE)] == [CEM, CEM, CEM, DEE]
    circle = {ADA: BOB, BOB: CEM, CEM: BOB}
    assert [resolved(who, circle) for who in (ADA, BOB, CEM)] == [ADA, BOB, CEM]


# What an absorbed customer is asked for


ENDS: set[type] = {
    Deliver,
    orders.CancelOrder,
    orders.CloseOrder,
    receivables.RevalueInvoice,
    receivables.DisputeInvoice,
    receivables.ResolveDispute,
    receivables.ReceivePayment,
    receivables.IssueCreditNote,
    receivables.WriteOff,
    payments.ReceiveOnAccount,
    payments.CreditAccount,
    payments.AllocatePayment,
    payments.ReversePayment,
    reminders.RemindCustomer,
    ReleaseHold,
    MergeInto,
    Absorb,
    Unmerge,
    Separate,
}


@given_any(data=st.data(), kind=st.sampled_from(get_args(customer.Command)))
def test_m3_of_an_absorbed_customer_what_was_open_goes_on_and_nothing_begins(
    data: st.DataObject, kind: type
) -> None:
    command = data.draw(values(kind))
    bills_an_order = isinstance(command, IssueInvoice) and command.order is not None
    assert passes(command) == (kind in ENDS or bills_an_order)
    merging.require_own(Merges(absorbed=(CEM,)), command)


@pytest.mark.parametrize("kind", sorted(ENDS, key=str))
def test_m3_what_ends_something_is_not_redirected(kind: type) -> None:
    assert passes(find(values(kind), lambda _: True))


def passes(command: object) -> bool:
    """Tell whether an absorbed customer may be asked for this."""
    try:
        merging.require_own(Merges(survivor=BOB), command)
    except Rejected:
        return False
    return True


def test_m3_an_absorbed_customer_is_billed_for_what_it_had_ordered() -> None:
    merges = Merges(survivor=BOB)
    merging.require_own(merges, IssueInvoice(invoice="i", amount=usd(1), order="o"))
    with pytest.raises(Rejected) as no:
        merging.require_own(merges, IssueInvoice(invoice="i", amount=usd(1)))
    assert no.value.rejection == Redirected(surviving_customer=BOB)


# What the rules are told


ORDERED = OrderAccepted(order="o", amount=usd(60), exposure=usd(60), limit=usd(100))
BILLED = InvoiceIssued(invoice="i", amount=usd(7), due_on=TODAY, order=None)
HELD = HoldPlaced(hold="h", reason="")
LIMIT = CreditLimitApproved(request="r", amount=usd(100), approved_by="gus", until=None)


def told(own_id: UUID, command: object, customers: Mapping[UUID, Customer]) -> Beside:
    asked: list[UUID] = []

    def look(ids: Collection[UUID]) -> dict[UUID, Customer]:
        asked.extend(ids)
        return {one_id: customers[one_id] for one_id in ids}

    known = informed(own_id, command, customers[own_id], look)
    assert len(asked) == len(set(asked))
    return known.beside


DELIVER = Deliver(order="o", delivery="d", amount=usd(1))
ORDER = AcceptOrder(order="new", amount=usd(1))


def test_m3_the_survivor_is_told_what_all_have_open_that_it_stands_for() -> None:
    customers = {
        ADA: one(ORDERED, HELD, MERGED),
        BOB: one(BILLED, ABSORBED, MergedInto(surviving_customer=CEM)),
        CEM: one(Absorbed(absorbed_customer=BOB)),
    }
    beside = told(CEM, ORDER, customers)
    assert [order.name for order in beside.same.orders] == [f"{ADA}/o"]
    assert [invoice.name for invoice in beside.same.invoices] == [f"{BOB}/i"]
    assert [hold.name for hold in beside.same.holds] == [f"{ADA}/h"]
    assert beside.group is None


def test_m3_what_only_one_of_two_says_is_told_to_nobody() -> None:
    customers = {ADA: one(ORDERED), BOB: one(ABSORBED), CEM: one(ABSORBED)}
    assert told(BOB, ORDER, customers) == Beside()
    customers[ADA] = one(ORDERED, MergedInto(surviving_customer=CEM))
    assert told(BOB, ORDER, customers) == Beside()
    assert told(CEM, ORDER, customers).same.orders != ()


def test_m3_those_in_a_circle_are_told_of_each_other_once() -> None:
    customers = {
        ADA: one(ORDERED, MERGED, Absorbed(absorbed_customer=BOB)),
        BOB: one(ABSORBED, MergedInto(surviving_customer=ADA), HELD),
    }
    assert [hold.name for hold in told(ADA, ORDER, customers).same.holds] == [f"{BOB}/h"]


def test_m3_the_absorbed_is_told_of_the_holds_of_the_others_only() -> None:
    customers = {
        ADA: one(ORDERED, HELD, MERGED),
        BOB: one(BILLED, HELD, ABSORBED, Absorbed(absorbed_customer=CEM)),
        CEM: one(ORDERED, HELD, MERGED),
    }
    same = told(ADA, DELIVER, customers).same
    assert [hold.name for hold in same.holds] == [f"{BOB}/h", f"{CEM}/h"]
    assert (same.orders, same.invoices) == ((), ())


def test_m3_who_is_absorbed_is_shown_with_those_it_stands_for() -> None:
    customers = {
        ADA: one(ORDERED, MERGED),
        BOB: one(BILLED, ABSORBED),
        CEM: one(),
    }
    newcomer = told(CEM, Absorb(absorbed_customer=BOB), customers).newcomer
    assert [item.name for item in newcomer.invoices] == [f"{BOB}/i"]
    assert [item.name for item in newcomer.orders] == [f"{ADA}/o"]


def test_cr14_who_is_admitted_is_shown_to_the_parent() -> None:
    customers = {ADA: one(BILLED), BOB: one()}
    newcomer = told(BOB, AdmitMember(member=ADA), customers).newcomer
    assert [item.name for item in newcomer.invoices] == [f"{ADA}/i"]


def test_m3_whoever_leads_into_a_circle_is_told_something() -> None:
    customers = {
        ADA: one(MERGED),
        BOB: one(ABSORBED, MergedInto(surviving_customer=CEM)),
        CEM: one(HELD, MergedInto(surviving_customer=BOB)),
    }
    same = informed(ADA, DELIVER, customers[ADA], lambda ids: {i: customers[i] for i in ids})
    assert [hold.name for hold in same.beside.same.holds] == [f"{CEM}/h"]


def test_what_has_nothing_to_do_with_others_looks_at_nobody() -> None:
    known = one(ABSORBED)

    def look(ids: Collection[UUID]) -> dict[UUID, Customer]:
        raise AssertionError(ids)

    assert informed(BOB, ReleaseHold(hold="h", reason=""), known, look) is known
    assert asks(BOB, BILLED) == asks(BOB, ORDERED) == ()
    assert group_of(BOB, known, look) is None


def test_m2_an_account_is_apart_from_all_others() -> None:
    account = Account(
        orders=(Order(name="o", amount=usd(1)),),
        invoices=(Invoice(name="i", left=usd(2), due_on=TODAY),),
        payments=(Payment(name="p", amount=usd(3)),),
        holds=(Hold(name="h"),),
    )
    moved = apart(ADA, account)
    names = [
        item.name for group in (moved.orders, moved.invoices, moved.payments) for item in group
    ]
    assert names == [f"{ADA}/o", f"{ADA}/i", f"{ADA}/p"]
    assert moved.holds == (Hold(name=f"{ADA}/h"),)
    both = together((account, moved))
    assert [len(part) for part in (both.orders, both.invoices, both.payments, both.holds)] == [
        2
    ] * 4
    assert together(()) == Account()


def test_m3_what_is_settled_is_in_no_currency_any_more() -> None:
    paid = Payment(name="p", amount=usd(0), clears_on=TODAY)
    account = Account(
        orders=(Order(name="o", amount=usd(1)),),
        invoices=(
            Invoice(name="i", left=usd(2), due_on=TODAY),
            Invoice(name="j", left=usd(0), due_on=TODAY),
        ),
        payments=(Payment(name="q", amount=usd(3)), paid),
    )
    assert open_amounts(account, TODAY) == (usd(1), usd(2), usd(3))
    assert open_amounts(account, date(2026, 3, 1)) == (usd(1), usd(2), usd(3), usd(0))
    assert account_of(one(BILLED)).invoices == one(BILLED).invoices
    assert whole(ADA, one(BILLED), lambda _: {}).invoices[0].name == f"{ADA}/i"


def test_m3_amounts_in_two_currencies_do_not_become_one() -> None:
    euros = Account(orders=(Order(name="x", amount=Money(minor=1, currency="EUR")),))
    coming = Beside(newcomer=euros)
    absorb = Absorb(absorbed_customer=ADA)
    mismatch = CurrencyMismatch(left="EUR", right="USD")
    for known in (one(BILLED), one(LIMIT)):
        with pytest.raises(Rejected) as no:
            RULES.decide(absorb, replace(known, beside=coming), ACT)
        assert no.value.rejection == mismatch
    assert RULES.decide(absorb, replace(one(), beside=coming), ACT) == (ABSORBED,)


# Who may be one and the same


def contact(name: str, *phones: str, email: str | None = None) -> ContactsChanged:
    first, *more = phones or ("",)
    one_contact = Contact(name=name, phone=first or None, email=email)
    if more:
        one_contact = Contact(name=name, phone=first, email=email, more_phones=tuple(more))
    return ContactsChanged(contacts=(one_contact,))


def pairs(customers: Mapping[UUID, Customer]) -> list[tuple[UUID, UUID, tuple[str, ...]]]:
    return [(two.one, two.other, two.because) for two in possible_duplicates(customers)]


def test_m4_names_and_numbers_are_alike_however_they_are_written() -> None:
    said = RegistrationChanged(registration=Registration(tax_id="DE 136695976"))
    customers = {
        BOB: one(TaxIdVerified(tax_id=NUMBER, verified_by="a"), name="Miller & Co."),
        ADA: one(said, name="miller co"),
        CEM: one(name="Other"),
    }
    assert possible_duplicates(customers) == (
        Suggestion(one=ADA, other=BOB, because=("tax id", "name")),
    )


def test_m4_phones_and_mail_are_alike_and_told_once() -> None:
    phone, other = "+442079460000", "+442079460001"
    customers = {
        ADA: one(contact("A", other, phone, email="Bob@Example.org"), name="A"),
        BOB: one(contact("B", phone, other, email="bob@example.org"), name="B"),
        CEM: one(contact("C", email="cem@example.org"), name="C"),
        DEE: one(contact("D"), name="D"),
    }
    assert pairs(customers) == [(ADA, BOB, ("phone", "email"))]


def test_m4_pairs_are_in_the_order_of_their_ids() -> None:
    customers = {who: one(name="same") for who in (DEE, BOB, ADA)}
    assert [(first, second) for first, second, _ in pairs(customers)] == [
        (ADA, BOB),
        (ADA, DEE),
        (BOB, DEE),
    ]


def test_m4_who_was_merged_is_nobodys_duplicate() -> None:
    assert pairs({ADA: one(MERGED, name="same"), BOB: one(name="same")}) == []


def test_m4_what_many_have_in_common_says_nothing() -> None:
    alike = {UUID(int=number): one(name="same") for number in range(ALIKE_MAX)}
    assert len(pairs(alike)) == ALIKE_MAX * (ALIKE_MAX - 1) // 2
    assert pairs({**alike, UUID(int=999): one(name="same")}) == []
    assert pairs({ADA: one(name="&"), BOB: one(name="&")}) == []


def test_m4_who_was_told_apart_by_both_is_not_suggested_until_one_changes() -> None:
    def told_apart(other: UUID, name: str = "same") -> MarkedNotDuplicate:
        return MarkedNotDuplicate(other_customer=other, name=name, tax_id=None)

    both = {ADA: one(told_apart(BOB), name="same"), BOB: one(told_apart(ADA), name="same")}
    assert pairs(both) == []
    half = {ADA: one(told_apart(BOB), name="same"), BOB: one(name="same")}
    assert pairs(half) == [(ADA, BOB, ("name",))]
    other_half = {ADA: one(name="same"), BOB: one(told_apart(ADA), name="same")}
    assert pairs(other_half) == [(ADA, BOB, ("name",))]
    changed = {**both, BOB: one(told_apart(ADA, "Same"), name="same")}
    assert pairs(changed) == [(ADA, BOB, ("name",))]


def test_m4_a_mark_is_made_once_for_a_name_and_a_number_and_the_latest_are_kept() -> None:
    mark = MarkNotDuplicate(other_customer=BOB)
    marked = KNOWN.when(mark)
    marked.then(MarkedNotDuplicate(other_customer=BOB, name="Ann Ltd.", tax_id=None))
    marked.when(mark).nothing()
    said = RegistrationChanged(registration=Registration(tax_id="DE 1"))
    numbered = given(RULES, registered(), said, at=TODAY).when(mark)
    numbered.then(MarkedNotDuplicate(other_customer=BOB, name="Ann Ltd.", tax_id="DE 1"))
    assert numbered.state.merges.marks == (
        Mark(other_customer=BOB, name="Ann Ltd.", tax_id="DE 1"),
    )
    events = [
        MarkedNotDuplicate(other_customer=UUID(int=n), name="a", tax_id=None)
        for n in range(REMEMBERED_MAX + 1)
    ]
    marks = one(*events, events[5]).merges.marks
    assert len(marks) == REMEMBERED_MAX
    assert [kept.other_customer.int for kept in marks[:2]] == [1, 2]
    assert marks[-1].other_customer.int == 5
