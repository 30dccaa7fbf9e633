"""Facts on days, and what a projection says of them."""

from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from crmcore.domain.customer.profile import CustomerRegistered
from crmcore.domain.customer.receivables import InvoiceIssued, PaymentReceived
from crmcore.domain.customer.sales import PurchaseRecorded, PurchaseReturned
from crmcore.domain.money import Money
from crmcore.domain.recorded import Recorded, Stream
from crmcore.projections.projection import Answer, Facts, Projection
from crmcore.testing import fact_on, said_on

ANN, BOB = UUID(int=10), UUID(int=11)
REGISTERED = CustomerRegistered(code="c-1", name="Ann", kind="person")

Dated = tuple[date, Any]


def start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def end(day: date) -> datetime:
    return datetime.combine(day, time.max, UTC)


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


def eur(cents: int) -> Money:
    return Money(minor=cents, currency="EUR")


def bought(name: str, cents: int = 1_000, currency: str = "USD") -> PurchaseRecorded:
    """A purchase; its day is that of its fact."""
    return PurchaseRecorded(
        purchase=name,
        bought_on=date.min,
        amount=Money(minor=cents, currency=currency),
        quantity=None,
        product=None,
    )


def returned(name: str, cents: int = 1_000) -> PurchaseReturned:
    return PurchaseReturned(purchase=name, amount=usd(cents))


def invoiced(name: str, due_on: date, cents: int = 1_000, currency: str = "USD") -> InvoiceIssued:
    return InvoiceIssued(
        invoice=name,
        amount=Money(minor=cents, currency=currency),
        due_on=due_on,
        order=None,
    )


def paid(name: str, cents: int = 1_000, left: int = 0) -> PaymentReceived:
    return PaymentReceived(payment=f"p-{name}", invoice=name, amount=usd(cents), left=usd(left))


def fact(
    day: date,
    event: Any,  # noqa: ANN401 - any event
    position: int,
    kind: str = "customer",
    stream: UUID = ANN,
    customer: UUID | None = ANN,
) -> Recorded[Any]:
    """A fact on a day; what was bought was bought on it."""
    if isinstance(event, PurchaseRecorded):
        event = replace(event, bought_on=day)
    return fact_on(day, event, position, stream=Stream(kind=kind, id=stream), customer=customer)


def history(*dated: Dated) -> Facts:
    """Facts of one customer in the order in which they were recorded."""
    return [fact(day, event, position) for position, (day, event) in enumerate(dated, 1)]


def asked(
    projection: Projection[Any], facts: Facts, today: date, known: int | None = None
) -> Answer | None:
    """What a projection says at the end of a day, from the first `known` facts."""
    return said_on(projection, facts, today, known)
