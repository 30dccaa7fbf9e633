"""A customer over generated histories: X5, X8, CR2 to CR13, and nothing is vacuous."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from fractions import Fraction
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from crmcore.domain import customer
from crmcore.domain.customer import (
    AcceptOrder,
    AllocatePayment,
    Command,
    Customer,
    Deliver,
    Event,
    IssueInvoice,
    LowerLimit,
    Policy,
    credit,
    group,
    merging,
    orders,
    profile,
    sales,
)
from crmcore.domain.customer.acceptance import OnHold, exposure_of
from crmcore.domain.customer.profile import NotActive
from crmcore.domain.customer.receivables import NameTaken
from crmcore.domain.customer.terms import CashBeforeDelivery
from crmcore.domain.money import Money
from crmcore.testing import History, Step, histories, take, vacuous
from crmcore.testing.deriving import Overrides
from crmcore.testing.laws import Law
from crmcore.testing.rulebook import account
from crmcore.testing.rulebook.books import Ledger

POLICY = Policy(tolerance_percent=10, overdue_grace_days=2)
CUSTOMER = customer.decider(POLICY)


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


FEW: Overrides = {"hold": ["h"], "currency": ["USD", "USD", "USD", "EUR"]}
# Who is absorbed trades no more, and who is in a group meets its limit, too (CR14).
APART = dict.fromkeys((*get_args(merging.Command), *get_args(group.Command)), 0)
HISTORIES = histories(CUSTOMER, overrides=FEW, weights=APART)


# A second opinion: every sentence about exposure and limits read off the facts so far


def books_of(past: Sequence[Event]) -> Ledger:
    ledger = Ledger()
    for event in past:
        ledger.book(event)
    return ledger


def standing_of(past: Sequence[Event]) -> type:
    statuses = (profile.Deactivated, profile.Blacklisted, profile.Reactivated)
    return next((type(e) for e in reversed(past) if isinstance(e, statuses)), profile.Reactivated)


def class_of(past: Sequence[Event]) -> str | None:
    said = [e.terms.customer_class for e in past if isinstance(e, profile.TermsChanged)]
    return next((one for one in reversed(said) if isinstance(one, str)), None)


def pays_cash(past: Sequence[Event]) -> bool:
    said = [e.terms.payment for e in past if isinstance(e, profile.TermsChanged)]
    terms = next((one for one in reversed(said) if one is not UNSET), None)
    return isinstance(terms, CashBeforeDelivery)


def worth(command: AcceptOrder) -> int:
    """What an order comes to in the currency of the account, half a unit to the even one."""
    rate, minor = command.rate, command.amount.minor
    return minor if rate is None else round(Fraction(minor * rate.numerator, rate.denominator))


def plain_yes(past: Sequence[Event], command: AcceptOrder, today: date) -> bool:
    """Whether an order is accepted (rules.md CR5), with 10 percent of tolerance."""
    ledger = books_of(past)
    limit, minor = ledger.limit(today), worth(command)
    known = command.order in ledger.ordered or minor <= 0
    if standing_of(past) is not profile.Reactivated or known or pays_cash(past):
        return False
    if ledger.held(today, "order") or limit is None:
        return False
    ledger.ordered[command.order] = minor
    if ledger.covers(command.order, today):
        return True
    looked = [e.valid_until for e in past if isinstance(e, credit.CreditInvestigated)]
    stops = {
        "overdue": bool(ledger.overdue(today, 2)),
        "investigation": bool(looked) and looked[-1] < today,
        "class_d": class_of(past) == "D",
    }
    if any(stops[kind] and ledger.suppressed.get(kind, date.min) < today for kind in stops):
        return False
    if not isinstance(limit, Money):
        return True
    return limit.minor > 0 and ledger.exposure(today) <= round(limit.minor * 110 / 100)


def walk(history: History) -> list[tuple[list[Event], Step]]:
    """Each step with the facts before it."""
    counts = [len(step.events) for step in history.steps]
    past = list(history.events)
    return [(past[: sum(counts[:n])], step) for n, step in enumerate(history.steps)]


def day(step: Step) -> date:
    return step.act.effective_at.date()


def currencies(known: Customer) -> set[str]:
    left = [o.amount for o in known.orders] + [i.left for i in known.invoices if i.is_open]
    left += [p.left for p in known.payments if p.left.minor]
    return {amount.currency for amount in left}


# Rules


@given(HISTORIES)
def test_x5_what_a_customer_owes_is_in_one_currency(history: History) -> None:
    for step in history.steps:
        assert len(currencies(step.after)) <= 1


@given(HISTORIES, HISTORIES)
def test_x8_any_fact_can_be_applied_to_any_customer(history: History, other: History) -> None:
    for known in (CUSTOMER.initial, *(step.after for step in history.steps)):
        for event in other.events:
            assert isinstance(CUSTOMER.evolve(known, event), Customer)


@given(HISTORIES)
def test_nobody_gets_back_more_than_was_paid(history: History) -> None:
    paid: Counter[tuple[str, str]] = Counter()
    for event in list(history.events):
        match event:
            case sales.PurchaseRecorded(purchase=name, amount=amount):
                paid[name, amount.currency] += amount.minor
            case sales.PurchaseReturned(purchase=name, amount=amount):
                paid[name, amount.currency] -= amount.minor
            case _:
                pass
        assert all(left >= 0 for left in paid.values())


@given(HISTORIES)
def test_cr2_the_limit_in_force_lapses_without_a_fact(history: History) -> None:
    for past, step in walk(history):
        ledger = books_of(past)
        for day in (step.at.date(), date(2026, 6, 30), date(2026, 7, 1), date(2030, 1, 1)):
            assert customer.books(step.before, day).limit == ledger.limit(day)


def owed(known: Customer, today: date) -> int:
    return exposure_of(customer.books(known, today), POLICY).total(POLICY.counted)


@given(HISTORIES)
def test_cr3_exposure_is_what_is_ordered_or_invoiced_and_not_paid(history: History) -> None:
    for past, step in walk(history):
        for today in (day(step), date(2026, 7, 1), date(2030, 1, 1)):
            assert owed(step.before, today) == books_of(past).exposure(today)


def moves(known: Customer, part: int) -> Iterator[Command]:
    """What moves amounts from one bucket to the next, of everything that is there."""
    for order in known.orders:
        amount = replace(order.amount, minor=1 + part % order.left.minor)
        yield IssueInvoice(invoice="new", amount=amount, order=order.name)
        if order.to_come:
            amount = replace(order.amount, minor=1 + part % order.to_come)
            yield Deliver(order=order.name, delivery="new", amount=amount)
    for payment in known.payments:
        for invoice in known.invoices:
            most = min(payment.left.minor, invoice.left.minor)
            if most > 0 and payment.left.currency == invoice.left.currency:
                amount = replace(invoice.left, minor=1 + part % most)
                yield AllocatePayment(payment=payment.name, invoice=invoice.name, amount=amount)


@given(HISTORIES, st.integers(1, 10**6))
def test_cr4_delivering_invoicing_and_allocating_leave_the_exposure(
    history: History, part: int
) -> None:
    for step in history.steps:
        for command in moves(step.after, part):
            moved = take(CUSTOMER, step.after, command, step.act)
            if isinstance(moved.rejected, OnHold | NotActive):
                continue
            assert moved.rejected is None
            assert owed(moved.after, day(step)) == owed(step.after, day(step))


@given(HISTORIES)
def test_cr5_an_order_is_accepted_exactly_if_the_sentences_allow_it(history: History) -> None:
    for past, step in walk(history):
        if isinstance(step.command, AcceptOrder) and step.before.profile.is_registered:
            limit = customer.books(step.before, day(step)).limit
            one_currency = currencies(step.before) <= {step.command.amount.currency}
            if isinstance(limit, Money) and limit.currency != step.command.amount.currency:
                one_currency = False
            accepted = one_currency and plain_yes(past, step.command, day(step))
            assert bool(step.events) == accepted
            for event in step.events:
                assert isinstance(event, orders.OrderAccepted)
                assert event.exposure.minor == books_of([*past, event]).exposure(day(step))
                assert event.limit == limit


@given(HISTORIES)
def test_cr7_a_limit_can_always_be_lowered(history: History) -> None:
    for past, step in walk(history):
        ledger = books_of(past)
        is_over = ledger.base_until is not None and ledger.base_until < step.at.date()
        limit = None if is_over else ledger.base
        if limit is None or limit == usd(0):
            continue
        currency = limit.currency if isinstance(limit, Money) else "USD"
        nothing = LowerLimit(amount=Money(minor=0, currency=currency))
        if not isinstance(limit, Money) or limit.minor > 0:
            assert take(CUSTOMER, step.before, nothing, step.act).rejected is None


@given(HISTORIES)
def test_cr8_a_limit_is_granted_only_as_the_rule_says(history: History) -> None:
    for past, step in walk(history):
        for event in step.events:
            if not isinstance(event, credit.CreditLimitApproved):
                continue
            asked = [e for e in past if isinstance(e, credit.CreditLimitRequested)][-1]
            looked = [e for e in past if isinstance(e, credit.CreditInvestigated)][-1]
            assert event.request == asked.request
            assert event.approved_by != asked.requested_by
            assert day(step) <= asked.lapses_on
            assert day(step) <= looked.valid_until
            if isinstance(asked.amount, Money):
                assert isinstance(event.amount, Money)
                assert event.amount.minor <= asked.amount.minor


@given(HISTORIES)
def test_saying_the_same_again_changes_nothing(history: History) -> None:
    once = (
        customer.Register, customer.RecordPurchase, customer.ChangeIdentity,
        customer.ChangeRegistration, customer.ChangeTerms, customer.ChangeSites,
        customer.ChangeBankAccounts, customer.ChangeContacts, customer.Deactivate,
        customer.Blacklist, customer.Reactivate, customer.PlaceHold, customer.ReleaseHold,
        customer.DisputeInvoice,
    )  # fmt: skip
    for step in history.steps:
        if step.events and isinstance(step.command, once):
            again = take(CUSTOMER, step.after, step.command, step.act)
            assert (again.events, again.rejected) == ((), None)


NAMED = (
    customer.AcceptOrder, customer.Deliver, customer.IssueInvoice, customer.ReceivePayment,
    customer.ReceiveOnAccount, customer.CreditAccount, customer.ReversePayment,
    customer.RequestLimit, customer.PledgeSecurity,
)  # fmt: skip


@given(HISTORIES)
def test_x4_what_is_named_is_said_once(history: History) -> None:
    """Later, by others and whatever came between: the same is nothing new, and nothing else is."""
    for step in history.steps:
        if not step.events or not isinstance(step.command, NAMED):
            continue
        again = take(CUSTOMER, history.state, step.command, replace(step.act, by="who retries"))
        assert (again.events, again.rejected) == ((), None)
        for name in {"amount", "reason", "bounced"} & {*step.command.__struct_fields__}:
            said = getattr(step.command, name)
            other = {
                "amount": Money(minor=7, currency="USD"),
                "reason": f"not {said}"[:99],
                "bounced": not said,
            }
            if other[name] != said:
                changed = replace(step.command, **{name: other[name]})
                refused = take(CUSTOMER, history.state, changed, step.act)
                assert isinstance(refused.rejected, NameTaken)


# The laws of an account, each told from the facts alone


def wrong(law: Law, history: History) -> list[str]:
    return list(law.check(CUSTOMER, history))


@given(HISTORIES)
def test_cr6_what_is_raised_or_reopened_is_within_the_limit_of_the_day(history: History) -> None:
    assert wrong(account.exposure_stays_within_the_limit, history) == []
    assert wrong(account.a_limit_was_decided, history) == []


@given(HISTORIES)
def test_cr9_a_release_lets_one_order_pass_once(history: History) -> None:
    assert wrong(account.a_release_is_used_once, history) == []


@given(HISTORIES)
def test_cr10_what_is_taken_back_is_what_was_settled_due_as_before(history: History) -> None:
    assert wrong(account.money_settles_what_it_comes_to, history) == []


@given(HISTORIES)
def test_cr12_reminders_go_up_in_levels_and_none_comes_too_soon(history: History) -> None:
    assert wrong(account.reminders_go_up_in_levels, history) == []


@given(HISTORIES)
def test_cr13_while_there_is_a_hold_nothing_passes(history: History) -> None:
    assert wrong(account.nothing_on_account_while_on_hold, history) == []
    assert wrong(account.nothing_on_account_while_overdue, history) == []


# Nothing is vacuous


def test_all_that_is_declared_occurs() -> None:
    # A group is full with a hundred members: `test_cr14_a_group_has_so_many_members_at_most`.
    assert vacuous(CUSTOMER, overrides=FEW) == [group.GroupFull]
