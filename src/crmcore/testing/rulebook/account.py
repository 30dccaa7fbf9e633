"""What holds of every account: orders, deliveries, invoices, money, reminders (rules.md CR2-CR13).

Judged by a second set of books, which is kept from the facts alone.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction
from typing import NamedTuple

from crmcore.domain.customer import orders, payments, policy, receivables, releases, reminders
from crmcore.domain.money import Money
from crmcore.testing.laws import law
from crmcore.testing.living import History
from crmcore.testing.rulebook.books import Ledger, followed, numbers
from crmcore.testing.steps import AnyDecider

ALL = frozenset(policy.BUCKETS)


class Sold(NamedTuple):
    """What was let pass on account, its day, and the books after it."""

    event: orders.Checked
    exposure: Money
    day: date
    ledger: Ledger


def _sold(decider: AnyDecider, history: History) -> Iterator[Sold]:
    """Yield every order that was checked: accepted, raised or reopened."""
    for event, day, ledger in followed(decider, history, after=True):
        if isinstance(event, orders.Checked) and event.exposure is not None:
            yield Sold(event, event.exposure, day, ledger)


@law
def exposure_is_what_is_open(decider: AnyDecider, history: History) -> Iterator[str]:
    """Exposure is what is ordered, delivered, invoiced or not cleared, each once (CR3, CR4)."""
    known = numbers(decider)
    if set(known.counted) != ALL or known.horizon_days is not None:
        return
    for event, exposure, day, ledger in _sold(decider, history):
        others = event.absorbed.minor if event.absorbed else 0
        if (owed := ledger.exposure(day) + others) != exposure.minor:
            yield f"{event!r} was decided on another exposure than {owed}"


@law
def a_limit_was_decided(decider: AnyDecider, history: History) -> Iterator[str]:
    """What is sold on account is under the limit in force on the day (CR1, CR2)."""
    for event, _, day, ledger in _sold(decider, history):
        if event.limit is None or event.limit != ledger.limit(day):
            yield f"{event!r}, but {ledger.limit(day)} was in force"


@law
def nothing_on_account_while_on_hold(decider: AnyDecider, history: History) -> Iterator[str]:
    """While people hold orders none is accepted, and while they hold deliveries none is made."""
    for event, _, day, ledger in _sold(decider, history):
        if held := ledger.held(day, "order"):
            yield f"{event!r} in spite of {held}"
    for event, day, ledger in followed(decider, history):
        if isinstance(event, orders.DeliveryRecorded) and (held := ledger.held(day, "delivery")):
            yield f"{event!r} in spite of {held}"


@law
def nothing_on_account_while_overdue(decider: AnyDecider, history: History) -> Iterator[str]:
    """Who owes overdue money gets nothing more, unless that was released (CR5, CR9, CR13)."""
    grace = numbers(decider).overdue_grace_days
    for event, _, day, ledger in _sold(decider, history):
        is_released = ledger.suppressed.get("overdue", date.min) >= day
        late = ledger.overdue(day, grace)
        if late and not is_released and not ledger.covers(event.order, day):
            yield f"{event!r} although {late} is overdue"


@law
def a_release_is_used_once(decider: AnyDecider, history: History) -> Iterator[str]:
    """An order above the limit has a release of its own, which nobody used before (CR9)."""
    unused = dict[str, releases.OverLimitReleased]()
    for event, day, ledger in followed(decider, history, after=True):
        if isinstance(event, releases.OverLimitReleased):
            unused[event.order] = event
        if isinstance(event, orders.Checked) and event.released is not None:
            release, ordered = unused.pop(event.order, None), ledger.ordered[event.order]
            if release is None or day > release.ends_on or ordered > release.amount.minor:
                yield f"{event!r} without a release that covers it"


@law
def nobody_gets_more_than_was_ordered(decider: AnyDecider, history: History) -> Iterator[str]:
    """What is delivered of an order is at most what was ordered."""
    for event, _, ledger in followed(decider, history):
        if isinstance(event, orders.DeliveryRecorded):
            name = event.order
            if ledger.delivered[name] + event.amount.minor > ledger.ordered.get(name, 0):
                yield f"{event!r} is more than was ordered"


@law
def nobody_pays_more_than_is_open(decider: AnyDecider, history: History) -> Iterator[str]:
    """What settles an invoice is at most what was open, and the fact says what is left."""
    for event, _, ledger in followed(decider, history):
        if isinstance(event, receivables.Reduced | payments.PaymentAllocated):
            left = ledger.open.get(event.invoice, 0) - event.amount.minor
            if not left == event.left.minor >= 0:
                yield f"{event!r} leaves {left}"


@law
def money_settles_what_it_comes_to(decider: AnyDecider, history: History) -> Iterator[str]:
    """A payment settles no more than it comes to, and what is taken back is what it settled."""
    for event, _, ledger in followed(decider, history):
        match event:
            case payments.PaymentAllocated(payment=name, amount=amount):
                paid = ledger.received.get(name)
                if paid is None or sum(paid.settles.values()) + amount.minor > paid.minor:
                    yield f"{event!r} is more than was received"
            case payments.PaymentReversed(payment=name, restored=restored):
                paid = ledger.received.get(name)
                settled = dict(paid.settles if paid else ledger.direct.get(name, {}))
                for one in restored:
                    settled[one.invoice] = settled.get(one.invoice, 0) - one.amount.minor
                    due = [day for day, _ in ledger.due[one.invoice]]
                    if due[:1] != [one.due_on]:
                        yield f"{event!r} changes when {one.invoice} was due"
                if any(settled.values()):
                    yield f"{event!r} restores other than what was settled: {settled}"
            case _:
                pass


@law
def reminders_go_up_in_levels(decider: AnyDecider, history: History) -> Iterator[str]:
    """A reminder of an invoice is a level higher, not too soon, never while disputed (CR12)."""
    known, sent = numbers(decider), dict[str, tuple[int, date]]()
    for event, day, ledger in followed(decider, history):
        if not isinstance(event, reminders.ReminderSent):
            continue
        late = ledger.overdue(day, known.overdue_grace_days)
        for item in event.invoices:
            level, before = sent.get(item.invoice, (0, date.min))
            if item.invoice not in late:
                yield f"{event!r} is of {item.invoice}, which is not overdue"
            if day - before < timedelta(days=known.reminder_interval_days):
                yield f"{event!r} comes too soon after {before}"
            if not level <= item.level <= level + 1:
                yield f"{event!r} takes {item.invoice} from level {level} to {item.level}"
            sent[item.invoice] = item.level, day
        if event.level != max((item.level for item in event.invoices), default=0):
            yield f"{event!r} has another level than its highest"


@law
def exposure_stays_within_the_limit(decider: AnyDecider, history: History) -> Iterator[str]:
    """What is sold on account stays within the limit and its tolerance, or was released (CR5)."""
    most = Fraction(100 + numbers(decider).tolerance_percent, 100)
    for event, exposure, day, ledger in _sold(decider, history):
        if ledger.covers(event.order, day) or not isinstance(event.limit, Money):
            continue
        within = exposure.minor <= round(event.limit.minor * most)
        if not within or event.limit.minor <= 0:
            yield f"{event!r} is beyond the limit"


LAWS = (
    exposure_is_what_is_open,
    a_limit_was_decided,
    exposure_stays_within_the_limit,
    nothing_on_account_while_on_hold,
    nothing_on_account_while_overdue,
    a_release_is_used_once,
    nobody_gets_more_than_was_ordered,
    nobody_pays_more_than_is_open,
    money_settles_what_it_comes_to,
    reminders_go_up_in_levels,
)
