"""A customer over generated histories: X5, X8, CR2 to CR5, CR7 and CR8, and nothing is vacuous."""

from collections import Counter
from datetime import date, datetime, timedelta
from typing import TypeAlias, get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from crmcore.domain import customer
from crmcore.domain.act import Act
from crmcore.domain.customer import (
    AcceptOrder,
    ApproveLimit,
    Command,
    Customer,
    Event,
    IssueInvoice,
    LowerLimit,
    Policy,
    RequestLimit,
    credit,
    orders,
    profile,
    receivables,
    sales,
)
from crmcore.domain.money import Money
from tests.strategies import History, Step, act, declared, facts, histories, take

POLICY = Policy(tolerance_percent=10, overdue_grace_days=2)
CUSTOMER = customer.decider(POLICY)
Lived: TypeAlias = History[Command, Customer, Event]


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


def offers(known: Customer, number: int) -> list[Command]:
    """Commands that mostly fit what is so far; every ninth number brings those that do not."""
    if not known.profile.is_registered:
        register = customer.Register(code="c-1", name="Ann", kind="person")
        return [register, register, register, customer.Deactivate(reason="")]
    amount = Money(minor=number * 10 - 5, currency="EUR" if number == 13 else "USD")
    if number % 9 == 0:
        return strays(known, amount)
    return [
        *paying(known, number, amount),
        *ordering(known, number, amount),
        *decisions(known, number, amount),
        *shopping(known, number, amount),
        *card(known, number),
    ]


def card(known: Customer, number: int) -> list[Command]:
    sections: list[Command] = [
        customer.LogInteraction(channel="phone", summary=""),
        customer.ChangeIdentity(name=f"Ann {number}"),
        customer.ChangeRegistration(registration=customer.Registration(employees=number)),
        customer.ChangeTerms(terms=customer.Terms(payment_days=number)),
        customer.ChangeSites(sites=(customer.Site(name="Main", address=f"{number} Mill Road"),)),
        customer.ChangeBankAccounts(
            bank_accounts=(customer.BankAccount(bank="Bath", account=f"{number}"),)
        ),
        customer.ChangeContacts(contacts=(customer.Contact(name=f"Bob {number}"),)),
    ]
    parting = customer.Blacklist(reason="") if number % 3 else customer.Deactivate(reason="")
    back = customer.Reactivate(reason="")
    if known.profile.status != "active":
        return [sections[number % len(sections)], back, back]
    return [sections[number % len(sections)], *([parting] if number % 4 == 0 else [])]


def shopping(known: Customer, number: int, amount: Money) -> list[Command]:
    bought = customer.RecordPurchase(purchase=f"p-{number}", amount=amount)
    names = [purchase.name for purchase in known.purchases]
    return [
        bought,
        *(customer.ReturnPurchase(purchase=name, amount=amount) for name in names[:1]),
        *(customer.ReturnPurchase(purchase=name, amount=usd(5)) for name in names[-1:]),
    ]


def decisions(known: Customer, number: int, amount: Money) -> list[Command]:
    asked, until = known.credit.open_request, known.credit.investigated_until
    look = customer.RecordInvestigation(score=number, findings="")
    wish = RequestLimit(request=f"r-{number}", amount="unlimited" if number == 7 else amount)
    hold = customer.ReleaseHold if known.credit.holds else customer.PlaceHold
    grade = customer.OverrideGrade(grade="B", until=until or date(2026, 6, 30), reason="")
    others: list[Command] = [look, wish, LowerLimit(amount=usd(number)), hold(hold="h", reason="")]
    others += [grade] if until else []
    if until is None:
        return [*others, look, look, look]
    if asked is None:
        return [*others, wish, wish] if known.credit.limit is None else others
    lapsing = until if number % 4 == 0 else None
    granted = asked.amount if number % 5 else "unlimited"
    grant = ApproveLimit(request=asked.request, amount=granted, until=lapsing)
    reject = customer.RejectLimit(request=asked.request, reason="")
    withdraw = customer.WithdrawRequest(request=asked.request)
    return [*others, grant, grant, grant, grant, reject, withdraw]


def ordering(known: Customer, number: int, amount: Money) -> list[Command]:
    if known.credit.limit is None:
        return []
    order, small = AcceptOrder(order=f"o-{number}", amount=amount), usd(number)
    commands: list[Command] = [order, AcceptOrder(order=f"o-{number}", amount=small)]
    commands.append(IssueInvoice(invoice=f"i-{number}", amount=small))
    for name in (order.name for order in known.orders[:1]):
        commands.append(IssueInvoice(invoice=f"i-{number}", amount=small, order=name))
        commands.append(IssueInvoice(invoice=f"i-{number}", amount=amount, order=name))
        commands.append(customer.CancelOrder(order=name, reason=""))
    return commands


def paying(known: Customer, number: int, amount: Money) -> list[Command]:
    invoices = [invoice for invoice in known.invoices if invoice.is_open]
    commands: list[Command] = []
    for invoice in invoices[number % 2 :][:1] or invoices[:1]:
        name, dispute = invoice.name, customer.DisputeInvoice(invoice=invoice.name, reason="")
        resolve = customer.ResolveDispute(invoice=name, outcome="")
        commands += [
            *((resolve, resolve) if invoice.disputed else (dispute, dispute, resolve)),
            customer.ReceivePayment(payment="y", invoice=name, amount=invoice.left),
            customer.ReceivePayment(payment="y", invoice=name, amount=amount),
            customer.IssueCreditNote(invoice=name, amount=usd(1), reason=""),
        ]
    return commands


def strays(known: Customer, amount: Money) -> list[Command]:
    """Commands that miss: another's name, too much, too little, or a name that is taken."""
    return [
        customer.Register(code="c-2", name="Ann", kind="person"),
        customer.Deactivate(reason=""),
        customer.RecordPurchase(purchase="p-1", amount=amount),
        customer.ReturnPurchase(purchase="p-0", amount=amount),
        AcceptOrder(order=(known.orders[0].name if known.orders else "o-0"), amount=amount),
        AcceptOrder(order="o-0", amount=usd(10**6)),
        customer.CancelOrder(order="o-none", reason=""),
        IssueInvoice(invoice=(known.invoices[0].name if known.invoices else "i"), amount=amount),
        customer.ReceivePayment(payment="y", invoice="i-0", amount=amount),
        LowerLimit(amount=amount),
        RequestLimit(request="r-0", amount=amount),
        ApproveLimit(request="r-0", amount=amount),
        ApproveLimit(
            request=known.credit.open_request.request if known.credit.open_request else "r-0",
            amount="unlimited",
        ),
        customer.OverrideGrade(grade="A", until=date(2025, 1, 1), reason=""),
    ]


def who(command: Command, number: int, at: datetime) -> Act:
    """Ann asks, and Gus, the general manager, decides; seldom somebody who may not does."""
    day = at - timedelta(days=400) if number % 11 == 0 and number else at
    if isinstance(command, RequestLimit) or number % 10 == 1:
        return act(day, "ann")
    return act(day, "ann" if number % 10 in (2, 3) else "gus", ["general_manager"])


OPENING = (
    customer.Register(code="c-1", name="Ann", kind="person"),
    customer.RecordInvestigation(score=70, findings=""),
    RequestLimit(request="r-1", amount=usd(900)),
    ApproveLimit(request="r-1", amount=usd(900)),
)
STRANGERS = histories(CUSTOMER, offers, slots=32, acts=who)
HISTORIES = STRANGERS | histories(CUSTOMER, offers, slots=32, acts=who, opening=OPENING)


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


def walk(history: Lived) -> list[tuple[list[Event], Step[Command, Customer, Event]]]:
    """Each step with the facts before it."""
    counts = [len(step.events) for step in history]
    past = facts(history)
    return [(past[: sum(counts[:n])], step) for n, step in enumerate(history)]


def day(step: Step[Command, Customer, Event]) -> date:
    return step.act.effective_at.date()


def currencies(known: Customer) -> set[str]:
    left = [o.left for o in known.orders] + [i.left for i in known.invoices if i.is_open]
    return {amount.currency for amount in left}


# Rules


@given(HISTORIES)
def test_x5_what_a_customer_owes_is_in_one_currency(history: Lived) -> None:
    for step in history:
        assert len(currencies(step.after)) <= 1


@given(HISTORIES, HISTORIES)
def test_x8_any_fact_can_be_applied_to_any_customer(history: Lived, other: Lived) -> None:
    for known in (CUSTOMER.initial, *(step.after for step in history)):
        for event in facts(other):
            assert isinstance(CUSTOMER.evolve(known, event), Customer)


@given(HISTORIES)
def test_nobody_gets_back_more_than_was_paid(history: Lived) -> None:
    paid: Counter[tuple[str, str]] = Counter()
    for event in facts(history):
        match event:
            case sales.PurchaseRecorded(purchase=name, amount=amount):
                paid[name, amount.currency] += amount.minor
            case sales.PurchaseReturned(purchase=name, amount=amount):
                paid[name, amount.currency] -= amount.minor
            case _:
                pass
        assert all(left >= 0 for left in paid.values())


@given(HISTORIES)
def test_nobody_pays_more_than_is_open(history: Lived) -> None:
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
def test_cr2_the_limit_in_force_lapses_without_a_fact(history: Lived) -> None:
    for past, step in walk(history):
        for day in (step.at.date(), date(2026, 6, 30), date(2026, 7, 1), date(2030, 1, 1)):
            assert step.before.credit.limit_on(day) == plain_limit(past, day)


@given(HISTORIES)
def test_cr3_exposure_is_what_is_ordered_or_invoiced_and_not_paid(history: Lived) -> None:
    for past, step in walk(history):
        assert orders.exposure(step.before.orders, step.before.invoices) == plain_exposure(past)


@given(HISTORIES, st.integers(1, 10**6))
def test_cr4_invoicing_an_order_up_to_its_amount_leaves_the_exposure(
    history: Lived, part: int
) -> None:
    for step in history:
        for order in step.after.orders:
            amount = Money(minor=1 + part % order.left.minor, currency=order.left.currency)
            invoice = IssueInvoice(invoice="new", amount=amount, order=order.name)
            invoiced = take(CUSTOMER, step.after, invoice, step.at)
            assert invoiced.rejection is None
            before = orders.exposure(step.after.orders, step.after.invoices)
            assert orders.exposure(invoiced.after.orders, invoiced.after.invoices) == before


@given(HISTORIES)
def test_cr5_an_order_is_accepted_exactly_if_the_sentences_allow_it(history: Lived) -> None:
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
def test_cr7_a_limit_can_always_be_lowered(history: Lived) -> None:
    for past, step in walk(history):
        limit = plain_limit(past, step.at.date())
        if limit is None or limit == usd(0):
            continue
        currency = limit.currency if isinstance(limit, Money) else "USD"
        nothing = LowerLimit(amount=Money(minor=0, currency=currency))
        if not isinstance(limit, Money) or limit.minor > 0:
            assert take(CUSTOMER, step.before, nothing, step.at).rejection is None


@given(HISTORIES)
def test_cr8_a_limit_is_granted_only_as_the_rule_says(history: Lived) -> None:
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
def test_saying_the_same_again_changes_nothing(history: Lived) -> None:
    once = (
        customer.Register, customer.RecordPurchase, customer.ChangeIdentity,
        customer.ChangeRegistration, customer.ChangeTerms, customer.ChangeSites,
        customer.ChangeBankAccounts, customer.ChangeContacts, customer.Deactivate,
        customer.Blacklist, customer.Reactivate, customer.PlaceHold, customer.ReleaseHold,
        customer.DisputeInvoice,
    )  # fmt: skip
    for step in history:
        if step.events and isinstance(step.command, once):
            again = take(CUSTOMER, step.after, step.command, step.at, step.act)
            assert (again.events, again.rejection) == ((), None)


# Nothing is vacuous


def test_every_event_every_rejection_and_every_command_that_is_accepted_occurs() -> None:
    seen: set[str] = set()

    @settings(max_examples=300)
    @given(HISTORIES)
    def collect(history: Lived) -> None:
        for step in history:
            outcomes = (*step.events, step.command) if step.events else (step.rejection,)
            seen.update(type(outcome).__name__ for outcome in outcomes)

    collect()
    commands = {kind.__name__ for kind in get_args(CUSTOMER.commands)}
    assert seen - {"NoneType"} == declared(CUSTOMER) | commands
