"""What is named from outside is said once: the same again is nothing new (rules.md X4)."""

from datetime import UTC, date, datetime

import pytest
from msgspec.structs import replace

from crmcore.domain import customer
from crmcore.domain.customer import (
    AcceptOrder,
    CreditAccount,
    Deliver,
    IssueCreditNote,
    IssueInvoice,
    PledgeSecurity,
    ReceiveOnAccount,
    ReceivePayment,
    RequestLimit,
    ReversePayment,
)
from crmcore.domain.customer.exchange import ExchangeRate
from crmcore.domain.customer.receivables import NameTaken
from crmcore.domain.customer.sales import REMEMBERED_MAX
from crmcore.domain.money import Money
from crmcore.testing import given

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
RATE = ExchangeRate(
    numerator=1, denominator=2, currency="USD", source="bank", quoted_on=date(2026, 3, 1)
)


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


def euros(cents: int) -> Money:
    return Money(minor=cents, currency="EUR")


KNOWN = given(
    customer.decider(customer.Policy()),
    customer.profile.CustomerRegistered(code="c", name="Ada", kind="person"),
    customer.credit.CreditInvestigated(score=80, findings="", valid_until=date(2027, 1, 1)),
    customer.credit.CreditLimitRequested(
        request="r", amount=usd(10**6), requested_by="cem", lapses_on=date(2026, 4, 1)
    ),
    customer.credit.CreditLimitApproved(
        request="r", amount=usd(10**6), approved_by="ben", until=None
    ),
    at=AT,
)
AGAIN = [  # what is said first, what is the same, and what is something else
    (
        AcceptOrder(order="o", amount=usd(100)),
        AcceptOrder(order="o", amount=usd(100)),
        [
            AcceptOrder(order="o", amount=usd(101)),
            AcceptOrder(order="o", amount=usd(100), deliver_on=date(2026, 3, 3)),
            AcceptOrder(order="o", amount=euros(200), rate=RATE),
        ],
    ),
    (
        AcceptOrder(order="o", amount=euros(200), rate=RATE),
        AcceptOrder(order="o", amount=euros(200), rate=RATE),
        [
            AcceptOrder(order="o", amount=usd(100)),
            AcceptOrder(order="o", amount=euros(201), rate=RATE),
        ],
    ),
    (
        IssueInvoice(invoice="i", amount=usd(100)),
        IssueInvoice(invoice="i", amount=usd(100), due_on=date(2026, 4, 1)),  # as usual
        [
            IssueInvoice(invoice="i", amount=usd(99)),
            IssueInvoice(invoice="i", amount=usd(100), due_on=date(2026, 4, 2)),
        ],
    ),
    (
        ReceiveOnAccount(payment="p", amount=usd(100), clears_on=date(2026, 3, 9)),
        ReceiveOnAccount(payment="p", amount=usd(100)),
        [
            ReceiveOnAccount(payment="p", amount=usd(1)),
            ReceiveOnAccount(payment="p", amount=usd(100), instrument="cheque"),
            ReceiveOnAccount(payment="p", amount=usd(100), clears_on=date(2026, 3, 8)),
        ],
    ),
    (
        ReceiveOnAccount(payment="p", amount=usd(100), clears_on=date(2026, 3, 1)),
        ReceiveOnAccount(payment="p", amount=usd(100), clears_on=date(2026, 2, 1)),  # before today
        [ReceiveOnAccount(payment="p", amount=usd(100), clears_on=date(2026, 3, 3))],
    ),
    (
        CreditAccount(payment="p", amount=usd(5), reason="broken"),
        CreditAccount(payment="p", amount=usd(5), reason="broken"),
        [CreditAccount(payment="p", amount=usd(5), reason="late")],
    ),
    (
        RequestLimit(request="r-2", amount=usd(7)),
        RequestLimit(request="r-2", amount=usd(7)),
        [RequestLimit(request="r-2", amount="unlimited")],
    ),
    (
        PledgeSecurity(security="s", kind="guarantee", amount=usd(7)),
        PledgeSecurity(security="s", kind="guarantee", amount=usd(7)),
        [
            PledgeSecurity(security="s", kind="deposit", amount=usd(7)),
            PledgeSecurity(security="s", kind="guarantee", amount=usd(7), ends_on=date(2027, 1, 1)),
        ],
    ),
]


@pytest.mark.parametrize(("first", "same", "others"), AGAIN, ids=lambda one: type(one).__name__)
def test_x4_the_same_name_says_the_same(
    first: customer.Command, same: customer.Command, others: list[customer.Command]
) -> None:
    roles = {"general_manager"}
    said = KNOWN.when(first, at=AT, by="ben", roles=roles)
    assert len(said.steps[-1].events) == 1
    said.when(first, same, by="cem").nothing()
    taken = first.__struct_fields__[0]
    for other in others:
        said.when(other, by="ben", roles=roles).rejected(NameTaken(name=getattr(first, taken)))


def test_x4_a_delivery_and_a_payment_are_named_beside_what_they_are_for() -> None:
    ordered = KNOWN.when(AcceptOrder(order="o", amount=usd(100)), at=AT)
    there = ordered.when(AcceptOrder(order="o-2", amount=usd(100)))
    partly = there.when(Deliver(order="o", delivery="d", amount=usd(40)))
    partly.when(Deliver(order="o", delivery="d", amount=usd(40))).nothing()
    partly.when(Deliver(order="o", delivery="d", amount=usd(60))).rejected(NameTaken(name="d"))
    both = partly.when(Deliver(order="o-2", delivery="d", amount=usd(60)))
    assert [order.delivered for order in both.state.orders] == [40, 60]
    owing = KNOWN.when(IssueInvoice(invoice="i", amount=usd(100)), at=AT)
    owing = owing.when(IssueInvoice(invoice="i-2", amount=usd(100)))
    paid = owing.when(ReceivePayment(payment="p", invoice="i", amount=usd(30)))
    paid.when(ReceivePayment(payment="p", invoice="i", amount=usd(30))).nothing()
    more = ReceivePayment(payment="p", invoice="i", amount=usd(70))
    paid.when(more).rejected(NameTaken(name="p"))
    left = paid.when(ReceivePayment(payment="p", invoice="i-2", amount=usd(20))).state.invoices
    assert [invoice.left for invoice in left] == [usd(70), usd(80)]


def test_x4_a_credit_note_that_has_a_name_counts_once_and_others_each_time() -> None:
    owing = KNOWN.when(IssueInvoice(invoice="i", amount=usd(100)), at=AT)
    owing = owing.when(IssueInvoice(invoice="i-2", amount=usd(100)))
    note = IssueCreditNote(invoice="i", amount=usd(10), reason="broken", credit_note="n")
    noted = owing.when(note)
    noted.when(note, by="cem").nothing()
    for field, other in (("amount", usd(11)), ("reason", "late")):
        noted.when(replace(note, **{field: other})).rejected(NameTaken(name="n"))
    assert len(noted.when(replace(note, invoice="i-2")).steps[-1].events) == 1
    unnamed = replace(note, credit_note=None)
    twice = noted.when(unnamed).when(unnamed).state
    assert twice.invoices[0].left == usd(70)
    assert len(twice.said) == len(noted.state.said)


def test_x4_what_was_taken_back_does_not_come_again() -> None:
    receive = ReceiveOnAccount(payment="p", amount=usd(100))
    bounce = ReversePayment(payment="p", reason="no funds", bounced=True)
    back = KNOWN.when(receive, at=AT).when(bounce)
    back.when(bounce).nothing()
    back.when(receive).nothing()
    back.when(ReversePayment(payment="p", reason="no funds")).rejected(NameTaken(name="p"))


def test_x4_a_request_that_was_refused_is_not_made_again() -> None:
    ask = RequestLimit(request="r-2", amount=usd(7))
    asked = KNOWN.when(ask, at=AT).when(customer.WithdrawRequest(request="r-2"))
    asked.when(ask).nothing()
    assert asked.state.credit.open_request is None
    again = asked.when(RequestLimit(request="r-3", amount=usd(7))).state.credit.open_request
    assert again is not None
    assert again.request == "r-3"


def test_x4_of_what_was_said_the_latest_hundred_are_remembered() -> None:
    many = KNOWN
    for number in range(REMEMBERED_MAX):
        many = many.when(CreditAccount(payment=f"p-{number}", amount=usd(1), reason=""), at=AT)
    assert len(many.state.said) == REMEMBERED_MAX == 100
    many.when(RequestLimit(request="r", amount=usd(1))).then(
        customer.credit.CreditLimitRequested(
            request="r", amount=usd(1), requested_by="ann", lapses_on=date(2026, 4, 1)
        )
    )
    many.when(CreditAccount(payment="p-0", amount=usd(1), reason="")).nothing()
