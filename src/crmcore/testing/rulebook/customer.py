"""What holds of every history of a customer's account."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

from crmcore.domain.customer import credit, orders, receivables
from crmcore.domain.money import Money
from crmcore.testing.laws import law
from crmcore.testing.living import History, policy_of
from crmcore.testing.steps import AnyDecider


@law
def exposure_is_what_is_open(_: AnyDecider, history: History) -> Iterator[str]:
    """Exposure is what is ordered or invoiced and not paid, each once (rules.md CR3, CR4)."""
    ordered, invoiced = Counter[str](), Counter[str]()
    for event in history.events:
        match event:
            case orders.OrderAccepted(order=name, amount=amount):
                ordered[name] = amount.minor
                if (found := ordered.total() + invoiced.total()) != event.exposure.minor:
                    yield f"{event!r} was decided on another exposure than {found}"
            case orders.OrderCancelled(order=name):
                ordered[name] = 0
            case receivables.InvoiceIssued(invoice=name, order=order, amount=amount):
                invoiced[name] = amount.minor
                if order is not None:
                    ordered[order] = max(0, ordered[order] - amount.minor)
            case (
                receivables.PaymentReceived(invoice=name)
                | receivables.CreditNoteIssued(invoice=name)
            ):
                invoiced[name] -= event.amount.minor
            case _:
                pass


@law
def a_limit_was_decided(_: AnyDecider, history: History) -> Iterator[str]:
    """An order is accepted under the limit that was decided last, if any was (rules.md CR1)."""
    decided: object = None
    for event in history.events:
        match event:
            case (
                credit.CreditLimitApproved(amount=amount) | credit.CreditLimitLowered(amount=amount)
            ):
                decided = amount
            case orders.OrderAccepted(limit=limit) if limit != decided:
                yield f"{event!r}, but {decided} was decided"
            case _:
                pass


@law
def exposure_stays_within_the_limit(decider: AnyDecider, history: History) -> Iterator[str]:
    """An order is accepted within the limit and its tolerance (rules.md CR5)."""
    policy = policy_of(decider) or credit.Policy()
    most = Fraction(100 + policy.tolerance_percent, 100)
    for event in history.events:
        if isinstance(event, orders.OrderAccepted) and isinstance(event.limit, Money):
            within = event.exposure.minor <= round(event.limit.minor * most)
            if not within or event.limit.minor <= 0:
                yield f"{event!r} is beyond the limit"


@law
def a_limit_takes_two_people(_: AnyDecider, history: History) -> Iterator[str]:
    """A limit is approved by another than who asked, and no more than that (rules.md CR8)."""
    asked: credit.CreditLimitRequested | None = None
    for event in history.events:
        if isinstance(event, credit.CreditLimitRequested):
            asked = event
        if isinstance(event, credit.CreditLimitApproved):
            if asked is None or asked.request != event.request:
                yield f"nobody asked for {event!r}"
            elif asked.requested_by == event.approved_by:
                yield f"{event.approved_by} approved a request of their own"
            elif isinstance(asked.amount, Money) and (
                not isinstance(event.amount, Money) or event.amount.minor > asked.amount.minor
            ):
                yield f"{event!r} grants more than {asked.amount}"


@law
def nothing_on_account_while_on_hold(_: AnyDecider, history: History) -> Iterator[str]:
    """No order is accepted while there is a hold (rules.md CR5)."""
    holds = set[str]()
    for event in history.events:
        match event:
            case credit.HoldPlaced(hold=name):
                holds.add(name)
            case credit.HoldReleased(hold=name):
                holds.discard(name)
            case orders.OrderAccepted() if holds:
                yield f"{event!r} in spite of {sorted(holds)}"
            case _:
                pass


@law
def nobody_pays_more_than_is_open(_: AnyDecider, history: History) -> Iterator[str]:
    """What is paid or credited of an invoice is at most what was open, and says what is left."""
    left = Counter[str]()
    for event in history.events:
        match event:
            case receivables.InvoiceIssued(invoice=name, amount=amount):
                left[name] = amount.minor
            case (
                receivables.PaymentReceived(invoice=name)
                | receivables.CreditNoteIssued(invoice=name)
            ):
                left[name] -= event.amount.minor
                if not left[name] == event.left.minor >= 0:
                    yield f"{event!r} leaves {left[name]}"
            case _:
                pass


LAWS = (
    exposure_is_what_is_open,
    a_limit_was_decided,
    exposure_stays_within_the_limit,
    a_limit_takes_two_people,
    nothing_on_account_while_on_hold,
    nobody_pays_more_than_is_open,
)
