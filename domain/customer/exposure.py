"""What a customer owes or has ordered, by buckets: each amount is in one of them, at any time.

Ordered, then delivered, then invoiced, then settled: what moves on leaves the sum as it is
(rules.md CR4), and only money that has cleared lowers it (CR10).
"""

from collections.abc import Iterable
from datetime import date
from typing import TypeAlias

from crmcore.domain.calendar import add_days
from crmcore.domain.customer.exchange import ExchangeRate
from crmcore.domain.customer.policy import Bucket, Policy
from crmcore.domain.money import Money
from crmcore.domain.value import Value


class Order(Value):
    """An order: what of it stands, is delivered and is invoiced, in minor units.

    `dropped` was cancelled or closed, and comes back if the order is reopened. A release was used
    for it up to `released` until a day.
    """

    name: str
    amount: Money
    delivered: int = 0
    invoiced: int = 0
    dropped: int = 0
    deliver_on: date | None = None
    released: int = 0
    release_ends_on: date | None = None

    @property
    def to_come(self) -> int:
        """What is neither delivered nor invoiced."""
        return max(0, self.amount.minor - max(self.delivered, self.invoiced))

    @property
    def to_invoice(self) -> int:
        """What is delivered and not invoiced."""
        return max(0, self.delivered - self.invoiced)

    @property
    def left(self) -> Money:
        """What is not invoiced."""
        return Money(minor=self.to_come + self.to_invoice, currency=self.amount.currency)

    @property
    def is_open(self) -> bool:
        """Whether something is left to deliver or to invoice."""
        return self.left.minor > 0


class Part(Value):
    """A part of an invoice, with the day on which it is due."""

    due_on: date
    minor: int


class Invoice(Value):
    """What of an invoice is not settled; one that is stays for a while with nothing left.

    One in instalments has `parts`, and one from another currency the latest `rate`. `level` is that
    of the latest reminder.
    """

    name: str
    left: Money
    due_on: date
    disputed: bool = False
    parts: tuple[Part, ...] = ()
    level: int = 0
    reminded_on: date | None = None
    rate: ExchangeRate | None = None

    @property
    def is_open(self) -> bool:
        """Whether something is left to pay."""
        return self.left.minor > 0


class Share(Value):
    """What of a payment settles an invoice, and when that was due."""

    invoice: str
    minor: int
    due_on: date


class Payment(Value):
    """Money, or credit that was given: what settles which invoice, and when it clears.

    A payment for one invoice has cleared when it is received: it has no `clears_on`.
    """

    name: str
    amount: Money
    received_on: date | None = None
    clears_on: date | None = None
    shares: tuple[Share, ...] = ()

    @property
    def settles(self) -> int:
        """What settles invoices, in minor units."""
        return sum(share.minor for share in self.shares)

    @property
    def left(self) -> Money:
        """What settles nothing yet."""
        return Money(minor=self.amount.minor - self.settles, currency=self.amount.currency)

    def has_cleared(self, day: date) -> bool:
        """Tell whether the money is there on a day (rules.md CR10)."""
        return self.clears_on is None or self.clears_on <= day


Orders: TypeAlias = tuple[Order, ...]
Invoices: TypeAlias = tuple[Invoice, ...]  # all that are open, and the latest settled ones
Payments: TypeAlias = tuple[Payment, ...]  # all with something left or to clear, and the latest


class Exposure(Value):
    """What a customer owes or has ordered, in minor units; what is unapplied is taken off."""

    ordered: int = 0
    delivered: int = 0
    invoiced: int = 0
    uncleared: int = 0
    unapplied: int = 0

    def total(self, counted: Iterable[Bucket]) -> int:
        """Return the sum of the buckets that count (rules.md CR3)."""
        return sum(self.of(bucket) for bucket in dict.fromkeys(counted))

    def of(self, bucket: Bucket) -> int:
        """Return what a bucket adds to the exposure: of credit that is left, less than nothing."""
        return -self.unapplied if bucket == "unapplied" else int(getattr(self, bucket))


def exposure(
    orders: Orders, invoices: Invoices, payments: Payments, day: date, policy: Policy
) -> Exposure:
    """Return the exposure on a day (rules.md CR3)."""
    return Exposure(
        ordered=sum(order.to_come for order in orders if _is_near(order, day, policy)),
        delivered=sum(order.to_invoice for order in orders),
        invoiced=sum(invoice.left.minor for invoice in invoices),
        uncleared=sum(p.settles for p in payments if not p.has_cleared(day)),
        unapplied=sum(p.left.minor for p in payments if p.has_cleared(day)),
    )


def _is_near(order: Order, day: date, policy: Policy) -> bool:
    """Tell whether an order is to be delivered within the horizon."""
    if order.deliver_on is None or policy.horizon_days is None:
        return True
    return order.deliver_on <= add_days(day, policy.horizon_days)
