"""When invoices are due, how old they are, and reminders of them: rules CR11 and CR12."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as generated
from hypothesis import strategies as st

from crmcore.domain import customer
from crmcore.domain.customer import (
    AcceptOrder,
    IssueInvoice,
    Policy,
    ReceivePayment,
    RemindCustomer,
    Terms,
)
from crmcore.domain.customer.acceptance import CashOnly
from crmcore.domain.customer.ageing import Ageing, ageing, open_parts, overdue
from crmcore.domain.customer.credit import CreditLimitApproved
from crmcore.domain.customer.exposure import Invoice, Part
from crmcore.domain.customer.policy import Weekday
from crmcore.domain.customer.profile import CustomerRegistered, TermsChanged
from crmcore.domain.customer.receivables import DisputeResolved, InvoiceDisputed, InvoiceIssued
from crmcore.domain.customer.reminders import Reminded, ReminderSent, level_of
from crmcore.domain.customer.terms import (
    CashBeforeDelivery,
    EndOfMonth,
    Instalment,
    Instalments,
    NetDays,
    PaymentTerms,
    parts_of,
    rolled,
)
from crmcore.domain.money import Money
from crmcore.testing import given

REGISTERED = CustomerRegistered(code="c-1", name="Ann Ltd.", kind="organisation")
TODAY = date(2026, 1, 30)


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


KNOWN = given(customer.decider(Policy()), REGISTERED, at=TODAY)
LIMITED = CreditLimitApproved(request="r-1", amount=usd(1_000), approved_by="gus", until=None)


def agreed(payment: PaymentTerms) -> TermsChanged:
    return TermsChanged(terms=Terms(payment=payment))


def invoice(cents: int = 100) -> IssueInvoice:
    return IssueInvoice(invoice="i-1", amount=usd(cents))


def invoiced(name: str, cents: int, due_on: date, parts: tuple[Part, ...] = ()) -> InvoiceIssued:
    return InvoiceIssued(invoice=name, amount=usd(cents), due_on=due_on, order=None, parts=parts)


# Terms


@pytest.mark.parametrize(
    ("terms", "due_on"),
    [
        (CashBeforeDelivery(), date(2026, 1, 30)),
        (NetDays(days=0), date(2026, 1, 30)),
        (NetDays(days=30), date(2026, 3, 1)),
        (EndOfMonth(days=0), date(2026, 1, 31)),
        (EndOfMonth(days=30), date(2026, 3, 2)),
    ],
)
def test_cr11_an_invoice_is_due_by_the_terms(terms: PaymentTerms, due_on: date) -> None:
    KNOWN.given(agreed(terms)).when(invoice(), at=TODAY).then(invoiced("i-1", 100, due_on))


def test_the_terms_that_were_agreed_stand_before_the_days() -> None:
    both = TermsChanged(terms=Terms(payment_days=7, payment=EndOfMonth(days=0)))
    KNOWN.given(both).when(invoice(), at=TODAY).then(invoiced("i-1", 100, date(2026, 1, 31)))


def test_cr11_instalments_add_up_and_are_due_one_after_the_other() -> None:
    thirds = Instalments(
        parts=(
            Instalment(weight=1, days=60),
            Instalment(weight=1, days=0),
            Instalment(weight=1, days=30),
        )
    )
    parts = (
        Part(due_on=date(2026, 1, 30), minor=33),
        Part(due_on=date(2026, 3, 1), minor=34),
        Part(due_on=date(2026, 3, 31), minor=33),
    )
    split = KNOWN.given(agreed(thirds)).when(invoice(), at=TODAY)
    split.then(invoiced("i-1", 100, date(2026, 1, 30), parts))
    one = KNOWN.given(agreed(thirds)).when(invoice(1), at=TODAY)
    one.then(invoiced("i-1", 1, date(2026, 3, 1)))
    stated = IssueInvoice(invoice="i-1", amount=usd(100), due_on=date(2026, 2, 1))
    whole = KNOWN.given(agreed(thirds)).when(stated, at=TODAY)
    whole.then(invoiced("i-1", 100, date(2026, 2, 1)))


def test_who_pays_before_delivery_gets_nothing_on_account() -> None:
    order = AcceptOrder(order="o-1", amount=usd(1))
    cash = KNOWN.given(LIMITED, agreed(CashBeforeDelivery()))
    cash.when(order).rejected(CashOnly())
    assert len(cash.given(agreed(NetDays(days=30))).when(order).state.orders) == 1


def test_cr11_what_is_due_on_a_free_day_is_due_on_the_next_working_day() -> None:
    banks = Policy(free_weekdays=("saturday", "sunday"), holidays=(date(2026, 2, 2),))
    rules = given(customer.decider(banks), REGISTERED, agreed(NetDays(days=1)))
    rules.when(invoice(), at=TODAY).then(invoiced("i-1", 100, date(2026, 2, 3)))
    stated = IssueInvoice(invoice="i-1", amount=usd(100), due_on=date(2026, 1, 31))
    rules.when(stated, at=TODAY).then(invoiced("i-1", 100, date(2026, 1, 31)))


def test_where_no_day_is_a_working_day_none_is_looked_for_without_end() -> None:
    week: tuple[Weekday, ...] = (
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
    )  # fmt: skip
    assert rolled(TODAY, Policy(free_weekdays=week)) == TODAY


ZONES = ("Asia/Shanghai", "America/Los_Angeles", "Pacific/Apia")
MONTH_ENDS = (
    date(2024, 2, 28), date(2024, 2, 29), date(2025, 2, 28), date(2024, 1, 31), date(2025, 1, 30),
    date(2025, 12, 31), date(2026, 4, 30), date(2100, 2, 28),
)  # fmt: skip


@generated(
    st.sampled_from(ZONES),
    st.sampled_from(MONTH_ENDS),
    st.sampled_from([time(0, 0), time(0, 1), time(12, 0), time(23, 59)]),
    st.integers(0, 100),
)
def test_cr11_days_are_those_of_the_business_at_the_ends_of_months_in_three_time_zones(
    zone: str, day: date, clock: time, days: int
) -> None:
    at = datetime.combine(day, clock, ZoneInfo(zone)).astimezone(UTC)
    rules = customer.decider(Policy(time_zone=zone))
    net = given(rules, REGISTERED, agreed(NetDays(days=days))).when(invoice(), at=at)
    month_end = given(rules, REGISTERED, agreed(EndOfMonth(days=days))).when(invoice(), at=at)
    [one], [other] = net.state.invoices, month_end.state.invoices
    assert one.due_on == day + timedelta(days=days)
    last = day.replace(day=monthrange(day.year, day.month)[1])
    assert other.due_on == last + timedelta(days=days)
    limit = CreditLimitApproved(request="r", amount=usd(9), approved_by="gus", until=day)
    order = AcceptOrder(order="o-1", amount=usd(1))
    limited = given(rules, REGISTERED, limit)
    assert len(limited.when(order, at=at).state.orders) == 1
    midnight = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone))
    limited.when(order, at=midnight.astimezone(UTC)).rejected(CashOnly())


WEIGHTS = st.lists(
    st.builds(Instalment, weight=st.integers(1, 9), days=st.integers(0, 90)), min_size=1, max_size=6
)


@generated(st.integers(1, 10**6), WEIGHTS)
def test_cr11_parts_are_the_whole(minor: int, weights: list[Instalment]) -> None:
    parts = parts_of(minor, Instalments(parts=tuple(weights)), TODAY, Policy())
    assert sum(part.minor for part in parts) == minor
    assert all(part.minor > 0 for part in parts)
    assert [part.due_on for part in parts] == sorted(part.due_on for part in parts)


# Age


DAYS = st.dates(date(2026, 1, 1), date(2026, 12, 31))
OPEN = st.builds(
    lambda name, parts, paid, disputed: Invoice(
        name=name,
        left=usd(max(0, sum(minor for _, minor in parts) - paid)),
        due_on=min(day for day, _ in parts),
        disputed=disputed,
        parts=tuple(Part(due_on=day, minor=minor) for day, minor in sorted(parts)),
    ),
    st.text("ab", min_size=1, max_size=3),
    st.lists(st.tuples(DAYS, st.integers(1, 50)), min_size=1, max_size=4),
    st.integers(0, 100),
    st.booleans(),
)


@generated(st.lists(OPEN, max_size=5), DAYS)
def test_cr11_ages_share_out_what_is_open(invoices: list[Invoice], day: date) -> None:
    ages = ageing(tuple(invoices), day)
    assert sum(getattr(ages, age) for age in Ageing.__struct_fields__) == sum(
        one.left.minor for one in invoices
    )
    assert ages.disputed == sum(one.left.minor for one in invoices if one.disputed)
    late = {one.name for one in overdue(tuple(invoices), day, 0)}
    assert bool(late) == (ages.to_30 + ages.to_60 + ages.to_90 + ages.beyond_90 > 0)
    for one in invoices:
        parts = list(open_parts(one))
        assert sum(part.minor for part in parts) == one.left.minor
        assert parts == sorted(parts, key=lambda part: part.due_on)


@pytest.mark.parametrize(
    ("late", "age"),
    [
        (-1, "not_due"), (0, "not_due"), (1, "to_30"), (30, "to_30"), (31, "to_60"),
        (60, "to_60"), (61, "to_90"), (90, "to_90"), (91, "beyond_90"),
    ],
)  # fmt: skip
def test_cr11_an_invoice_has_the_age_of_its_days_late(late: int, age: str) -> None:
    one = Invoice(name="i-1", left=usd(7), due_on=TODAY - timedelta(days=late))
    assert getattr(ageing((one,), TODAY), age) == 7


def test_what_is_open_beyond_the_parts_is_due_with_the_last() -> None:
    one = Invoice(name="i-1", left=usd(9), due_on=TODAY, parts=(Part(due_on=TODAY, minor=5),))
    assert sum(part.minor for part in open_parts(one)) == 9


# Reminders

DUE = date(2026, 2, 28)
REMIND = RemindCustomer(reminder="m-1")
OWING = KNOWN.given(invoiced("i-1", 100, DUE), invoiced("i-2", 50, date(2026, 6, 1)))


def sent(day: date, *items: tuple[str, int, int]) -> ReminderSent:
    reminded = tuple(Reminded(invoice=i, overdue=usd(c), level=level) for i, c, level in items)
    level = max(item.level for item in reminded)
    return ReminderSent(reminder="m-1", sent_on=day, invoices=reminded, level=level)


def test_cr12_what_is_overdue_is_reminded_of_in_levels() -> None:
    first, second = date(2026, 3, 1), date(2026, 3, 15)
    OWING.when(REMIND, at=DUE).nothing()
    once = OWING.when(REMIND, at=first).then(sent(first, ("i-1", 100, 1)))
    once.when(REMIND, at=date(2026, 3, 14)).nothing()
    twice = once.when(REMIND, at=second).then(sent(second, ("i-1", 100, 2)))
    assert level_of(twice.state.invoices) == 2
    third = date(2026, 6, 2)
    both = twice.when(REMIND, at=third)
    both.then(sent(third, ("i-1", 100, 3), ("i-2", 50, 1)))
    fourth = date(2026, 7, 2)
    both.when(REMIND, at=fourth).then(sent(fourth, ("i-1", 100, 3), ("i-2", 50, 2)))


def test_cr12_nobody_is_reminded_of_what_is_disputed() -> None:
    disputed = OWING.given(InvoiceDisputed(invoice="i-1", reason="broken"))
    disputed.when(REMIND, at=date(2026, 3, 1)).nothing()
    raised = OWING.given(sent(date(2026, 3, 1), ("i-1", 100, 1)))
    paused = raised.given(InvoiceDisputed(invoice="i-1", reason="broken"))
    assert [level_of(s.state.invoices) for s in (raised, paused)] == [1, 0]
    resolved = paused.given(DisputeResolved(invoice="i-1", outcome="it was not"))
    day = date(2026, 4, 1)
    resolved.when(REMIND, at=day).then(sent(day, ("i-1", 100, 2)))


def test_cr12_a_customer_has_the_level_of_what_it_owes() -> None:
    raised = OWING.given(sent(date(2026, 3, 1), ("i-1", 100, 1)))
    paid = raised.when(ReceivePayment(payment="p-1", invoice="i-1", amount=usd(100)))
    assert level_of(paid.state.invoices) == 0


def test_cr12_too_little_is_not_reminded_of() -> None:
    rules = given(
        customer.decider(Policy(reminder_least_minor=101)), REGISTERED, invoiced("i-1", 100, DUE)
    )
    rules.when(REMIND, at=date(2026, 3, 1)).nothing()
    more = rules.given(invoiced("i-2", 1, DUE))
    day = date(2026, 3, 1)
    more.when(REMIND, at=day).then(sent(day, ("i-1", 100, 1), ("i-2", 1, 1)))


def test_cr12_of_an_invoice_in_parts_what_is_due_is_reminded_of() -> None:
    parts = (Part(due_on=DUE, minor=40), Part(due_on=date(2026, 6, 1), minor=60))
    split = KNOWN.given(invoiced("i-1", 100, DUE, parts))
    day = date(2026, 3, 1)
    split.when(REMIND, at=day).then(sent(day, ("i-1", 40, 1)))
    split.when(REMIND, at=date(2026, 6, 1)).then(sent(date(2026, 6, 1), ("i-1", 40, 1)))


def test_cr12_a_cent_is_reminded_of_and_who_was_never_reminded_has_level_0() -> None:
    owing = KNOWN.given(invoiced("i-1", 1, DUE))
    day = date(2026, 3, 1)
    owing.when(REMIND, at=day).then(sent(day, ("i-1", 1, 1)))
    assert (level_of(KNOWN.state.invoices), level_of(owing.state.invoices)) == (0, 0)
