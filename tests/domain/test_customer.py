"""A customer over generated histories: X5, X8, CR2 to CR5, CR7 and CR8, and nothing is vacuous."""

from collections import Counter
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from crmcore.domain import customer
from crmcore.domain.customer import (
    AcceptOrder,
    Customer,
    Event,
    IssueInvoice,
    LowerLimit,
    Policy,
    credit,
    orders,
    profile,
    receivables,
    sales,
)
from crmcore.domain.money import Money
from crmcore.testing import History, Step, histories, take, vacuous
from crmcore.testing.deriving import Overrides

POLICY = Policy(tolerance_percent=10, overdue_grace_days=2)
CUSTOMER = customer.decider(POLICY)


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


FEW: Overrides = {"hold": ["h"], "minor": [5, 1, 10, 0, 100, 395, 900, 905, -1]}
HISTORIES = histories(CUSTOMER, overrides=FEW)


# A second opinion: every sentence about exposure and limits read off the facts so far


def left_of(past: list[Event], name: str, *, order: bool) -> int:
    """What is not yet invoiced of an order, or not yet paid of an invoice."""
    left = 0
    for event in past:
        match event:
            case orders.OrderAccepted(order=n, amount=amount) if order and n == name:
                left = amount.minor
            case orders.OrderCancelled(order=n) if order and n == name:
                left = 0
            case receivables.InvoiceIssued(order=n, amount=amount) if order and n == name:
                left = max(0, left - amount.minor)
            case receivables.InvoiceIssued(invoice=n, amount=amount) if not order and n == name:
                left = amount.minor
            case (
                receivables.PaymentReceived(invoice=n, amount=amount)
                | receivables.CreditNoteIssued(invoice=n, amount=amount)
            ) if not order and n == name:
                left -= amount.minor
            case _:
                pass
    return left


def names(past: list[Event]) -> tuple[set[str], set[str]]:
    accepted = {e.order for e in past if isinstance(e, orders.OrderAccepted)}
    return accepted, {e.invoice for e in past if isinstance(e, receivables.InvoiceIssued)}


def plain_exposure(past: list[Event]) -> int:
    ordered, invoiced = names(past)
    open_orders = sum(left_of(past, name, order=True) for name in ordered)
    return open_orders + sum(left_of(past, name, order=False) for name in invoiced)


def plain_limit(past: list[Event], today: date) -> credit.Limit | None:
    limit: credit.Limit | None = None
    until: date | None = None
    for event in past:
        match event:
            case credit.CreditLimitApproved(amount=amount):
                limit, until = amount, event.until
            case credit.CreditLimitLowered(amount=amount):
                limit = amount
            case _:
                pass
    return None if until and until < today else limit


def is_overdue(past: list[Event], today: date) -> bool:
    for issued in (e for e in past if isinstance(e, receivables.InvoiceIssued)):
        raised_or_ended = [
            e
            for e in past
            if isinstance(e, receivables.InvoiceDisputed | receivables.DisputeResolved)
        ]
        quarrels = [e for e in raised_or_ended if e.invoice == issued.invoice]
        calm = not quarrels or isinstance(quarrels[-1], receivables.DisputeResolved)
        late = (today - issued.due_on).days > 2
        if calm and late and left_of(past, issued.invoice, order=False):
            return True
    return False


def plain_yes(past: list[Event], command: AcceptOrder, today: date) -> bool:
    """Whether an order is accepted (rules.md CR5), with 10 percent of tolerance."""
    statuses = (profile.Deactivated, profile.Blacklisted, profile.Reactivated)
    standing = [e for e in past if isinstance(e, statuses)]
    active = not standing or isinstance(standing[-1], profile.Reactivated)
    holds = [e for e in past if isinstance(e, credit.HoldPlaced | credit.HoldReleased)]
    held = bool(holds) and isinstance(holds[-1], credit.HoldPlaced)
    limit, amount = plain_limit(past, today), command.amount
    if not active or held or is_overdue(past, today) or limit is None or amount.minor <= 0:
        return False
    if left_of(past, command.order, order=True):
        return False
    if limit == "unlimited":
        return True
    assert isinstance(limit, Money)
    most = round(limit.minor * 110 / 100)
    return limit.minor > 0 and plain_exposure(past) + amount.minor <= most


def walk(history: History) -> list[tuple[list[Event], Step]]:
    """Each step with the facts before it."""
    counts = [len(step.events) for step in history.steps]
    past = list(history.events)
    return [(past[: sum(counts[:n])], step) for n, step in enumerate(history.steps)]


def day(step: Step) -> date:
    return step.act.effective_at.date()


def currencies(known: Customer) -> set[str]:
    left = [o.left for o in known.orders] + [i.left for i in known.invoices if i.is_open]
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
def test_nobody_pays_more_than_is_open(history: History) -> None:
    for past, step in walk(history):
        after = [*past, *step.events]
        for event in step.events:
            match event:
                case (
                    receivables.PaymentReceived(invoice=name, left=left)
                    | receivables.CreditNoteIssued(invoice=name, left=left)
                ):
                    assert left.minor == left_of(after, name, order=False) >= 0
                case _:
                    pass


@given(HISTORIES)
def test_cr2_the_limit_in_force_lapses_without_a_fact(history: History) -> None:
    for past, step in walk(history):
        for day in (step.at.date(), date(2026, 6, 30), date(2026, 7, 1), date(2030, 1, 1)):
            assert step.before.credit.limit_on(day) == plain_limit(past, day)


@given(HISTORIES)
def test_cr3_exposure_is_what_is_ordered_or_invoiced_and_not_paid(history: History) -> None:
    for past, step in walk(history):
        assert orders.exposure(step.before.orders, step.before.invoices) == plain_exposure(past)


@given(HISTORIES, st.integers(1, 10**6))
def test_cr4_invoicing_an_order_up_to_its_amount_leaves_the_exposure(
    history: History, part: int
) -> None:
    for step in history.steps:
        for order in step.after.orders:
            amount = Money(minor=1 + part % order.left.minor, currency=order.left.currency)
            invoice = IssueInvoice(invoice="new", amount=amount, order=order.name)
            invoiced = take(CUSTOMER, step.after, invoice, step.act)
            assert invoiced.rejected is None
            before = orders.exposure(step.after.orders, step.after.invoices)
            assert orders.exposure(invoiced.after.orders, invoiced.after.invoices) == before


@given(HISTORIES)
def test_cr5_an_order_is_accepted_exactly_if_the_sentences_allow_it(history: History) -> None:
    for past, step in walk(history):
        if isinstance(step.command, AcceptOrder) and step.before.profile.is_registered:
            limit = plain_limit(past, day(step))
            one_currency = currencies(step.before) <= {step.command.amount.currency}
            if isinstance(limit, Money) and limit.currency != step.command.amount.currency:
                one_currency = False
            accepted = one_currency and plain_yes(past, step.command, day(step))
            assert bool(step.events) == accepted
            for event in step.events:
                assert isinstance(event, orders.OrderAccepted)
                assert event.exposure.minor == plain_exposure([*past, event])
                assert event.limit == limit


@given(HISTORIES)
def test_cr7_a_limit_can_always_be_lowered(history: History) -> None:
    for past, step in walk(history):
        limit = plain_limit(past, step.at.date())
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


# Nothing is vacuous


def test_all_that_is_declared_occurs() -> None:
    assert vacuous(CUSTOMER, overrides=FEW) == []
