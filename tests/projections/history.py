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
from crmcore.projections.projection import Answer, Facts, Projection, answer, in_effect

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
    match event:
        case PurchaseRecorded():
            event = replace(event, bought_on=day)
        case _:
            pass
    return Recorded(
        stream=Stream(kind=kind, id=stream),
        version=position,
        event=event,
        effective_at=start(day),
        actor="ann",
        reason="",
        command_id=UUID(int=position),
        correlation_id=UUID(int=position),
        causation_id=None,
        policy="default@1",
        customer=customer,
        recorded_at=start(date(2030, 1, 1)),
        position=position,
    )


def history(*dated: Dated) -> Facts:
    """Facts of one customer in the order in which they were recorded."""
    return [fact(day, event, position) for position, (day, event) in enumerate(dated, 1)]


def asked(
    projection: Projection[Any], facts: Facts, today: date, known: int | None = None
) -> Answer | None:
    """What a projection says at the end of a day, from the first `known` facts."""
    at = end(today)
    return answer(projection, in_effect(facts[:known], at), at)
