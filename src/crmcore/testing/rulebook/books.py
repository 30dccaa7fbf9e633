"""A second set of books, kept from a customer's facts alone: by plain sums, one per thing."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

from crmcore.domain.calendar import zone
from crmcore.domain.customer import credit, limits, orders, payments, policy, receivables, releases
from crmcore.domain.money import Money
from crmcore.testing.living import History, policy_of
from crmcore.testing.steps import AnyDecider


class Received(NamedTuple):
    """A payment on account: how much, when it clears, and what of it settles which invoice."""

    minor: int
    clears_on: date
    settles: dict[str, int]


class Ledger:
    """What a customer ordered, got, was asked for and paid, and what was decided so far.

    It takes in any fact at any time: what cannot be is for the laws to tell.
    """

    def __init__(self) -> None:
        self.ordered = defaultdict[str, int](int)
        self.delivered = defaultdict[str, int](int)
        self.billed = defaultdict[str, int](int)
        self.open = defaultdict[str, int](int)
        self.due = defaultdict[str, list[tuple[date, int]]](list)
        self.disputed = set[str]()
        self.received = dict[str, Received]()
        self.direct = defaultdict[str, dict[str, int]](dict)
        self.base: credit.Limit | None = None
        self.base_until: date | None = None
        self.temporary = list[limits.TemporaryLimitGranted]()
        self.securities = dict[str, limits.SecurityPledged]()
        self.holds = dict[str, credit.HoldPlaced]()
        self.suppressed = dict[str, date]()
        self.released = dict[str, releases.OverLimitReleased]()
        self.used = set[str]()

    def exposure(self, day: date) -> int:
        """Return what is ordered or got and not asked for, asked for and not paid, not cleared."""
        owed = sum(self.open.values())
        for name, minor in self.ordered.items():
            owed += max(0, max(minor, self.delivered[name]) - self.billed[name])
        for paid in self.received.values():
            settled = sum(paid.settles.values())
            owed += settled if paid.clears_on > day else settled - paid.minor
        return owed

    def limit(self, day: date) -> credit.Limit | None:
        """Return the limit in force: what was decided, and what raises it on this day."""
        if self.base_until is not None and day > self.base_until:
            return None
        if not isinstance(self.base, Money):
            return self.base
        more = [t.amount for t in self.temporary if t.starts_on <= day <= t.ends_on]
        more += [
            s.amount for s in self.securities.values() if s.ends_on is None or day <= s.ends_on
        ]
        same = (amount.minor for amount in more if amount.currency == self.base.currency)
        return Money(minor=self.base.minor + sum(same), currency=self.base.currency)

    def overdue(self, day: date, days: int) -> list[str]:
        """Return the invoices that are open, calm, and due more than so many days ago."""
        late = []
        for name, left in self.open.items():
            if left <= 0 or name in self.disputed:
                continue
            paid = sum(minor for _, minor in self.due[name]) - left
            for due_on, minor in self.due[name]:
                paid -= minor
                if paid < 0:
                    if day - due_on > timedelta(days=days):
                        late.append(name)
                    break
        return late

    def held(self, day: date, scope: str) -> list[str]:
        """Return the holds of people that stop something on this day."""
        return [
            name
            for name, hold in self.holds.items()
            if hold.scope == scope and (hold.ends_on is None or day <= hold.ends_on)
        ]

    def covers(self, order: str, day: date) -> bool:
        """Tell whether a release lets an order pass as it is now."""
        release = self.released.get(order)
        if release is None or day > release.ends_on:
            return False
        return self.ordered.get(order, 0) <= release.amount.minor

    def use(self, event: orders.Checked) -> None:
        """Note that an order took its release."""
        if event.released is not None:
            self.used.add(event.order)

    def revalue(self, name: str, minor: int) -> None:
        """Note that what is open of an invoice is worth something else; its parts share in it."""
        paid = sum(part for _, part in self.due[name]) - self.open[name]
        before, kept = max(1, self.open[name]), list[tuple[date, int]]()
        for due_on, part in self.due[name]:
            gone = min(paid, part)
            paid -= gone
            kept.append((due_on, part - gone))
        reached = [minor * sum(p for _, p in kept[: n + 1]) // before for n in range(len(kept))]
        shares = [more - less for less, more in zip([0, *reached], reached, strict=False)]
        self.due[name] = [(day, share) for (day, _), share in zip(kept, shares, strict=True)]
        self.open[name] = minor

    def book(self, event: Any) -> None:  # noqa: ANN401, PLR0915 - every fact has a line
        """Take in a fact."""
        match event:
            case orders.OrderAccepted(order=name, amount=amount):
                self.ordered[name] = amount.minor
                self.delivered[name] = self.billed[name] = 0
                self.use(event)
            case orders.OrderChanged(order=name, amount=amount):
                self.ordered[name] = amount.minor
                self.use(event)
            case orders.OrderReopened(order=name, amount=amount):
                self.ordered[name] += amount.minor
                self.use(event)
            case orders.OrderCancelled(order=name) | orders.OrderClosed(order=name):
                self.ordered[name] -= event.amount.minor
                if name in self.used:
                    self.released.pop(name, None)
            case orders.DeliveryRecorded(order=name, amount=amount):
                self.delivered[name] += amount.minor
            case receivables.InvoiceIssued(invoice=name, amount=amount, order=order):
                self.open[name] = amount.minor
                parts = [(part.due_on, part.minor) for part in event.parts]
                self.due[name] = parts or [(event.due_on, amount.minor)]
                if order is not None:
                    self.billed[order] += amount.minor
            case receivables.InvoiceRevalued(invoice=name):
                self.revalue(name, event.left.minor)
            case receivables.InvoiceDisputed(invoice=name):
                self.disputed.add(name)
            case receivables.DisputeResolved(invoice=name):
                self.disputed.discard(name)
            case receivables.PaymentReceived(invoice=name, payment=payment, amount=amount):
                self.open[name] -= amount.minor
                paid = self.direct[payment]
                paid[name] = paid.get(name, 0) + amount.minor
            case receivables.CreditNoteIssued() | receivables.InvoiceWrittenOff():
                self.open[event.invoice] -= event.amount.minor
            case payments.MoneyReceived(payment=name, amount=amount, clears_on=day):
                self.received[name] = Received(amount.minor, day, {})
            case payments.AccountCredited(payment=name, amount=amount):
                self.received[name] = Received(amount.minor, event.credited_on, {})
            case payments.PaymentAllocated(payment=name, invoice=invoice, amount=amount):
                self.open[invoice] -= amount.minor
                if name in self.received:
                    settles = self.received[name].settles
                    settles[invoice] = settles.get(invoice, 0) + amount.minor
            case payments.PaymentReversed(payment=name, restored=restored):
                self.received.pop(name, None)
                self.direct.pop(name, None)
                for one in restored:
                    self.open[one.invoice] += one.amount.minor
            case credit.CreditLimitApproved(amount=amount, until=until):
                self.base, self.base_until = amount, until
            case credit.CreditLimitLowered(amount=amount):
                self.base = amount
            case credit.LimitRevoked():
                self.base, self.base_until, self.temporary = None, None, []
            case limits.TemporaryLimitGranted():
                self.temporary.append(event)
            case limits.SecurityPledged(security=name):
                self.securities[name] = event
            case limits.SecurityReleased(security=name):
                self.securities.pop(name, None)
            case credit.HoldPlaced(hold=name):
                self.holds[name] = event
            case credit.HoldReleased(hold=name):
                self.holds.pop(name, None)
            case releases.AutomaticHoldReleased(kind=kind, ends_on=ends_on):
                self.suppressed[kind] = ends_on
            case releases.OverLimitReleased(order=name):
                self.released[name] = event
                self.used.discard(name)
            case _:
                pass


def followed(
    decider: AnyDecider, history: History, *, after: bool = False
) -> Iterator[tuple[Any, date, Ledger]]:
    """Yield every fact with its day and the books before it, or after."""
    ledger, where = Ledger(), zone(numbers(decider).time_zone)
    for step in history.steps:
        for event in step.events:
            day = step.at.astimezone(where).date()
            if not after:
                yield event, day, ledger
            ledger.book(event)
            if after:
                yield event, day, ledger


def numbers(decider: AnyDecider) -> policy.Policy:
    """Return the numbers that a decider decides under, those of the library if it has none."""
    known = policy_of(decider)
    return known if isinstance(known, policy.Policy) else policy.Policy()
