"""Who acts in the tests of the application, when, and what they ask for."""

from datetime import UTC, date, datetime
from uuid import UUID

from crmcore import CRM, Money
from crmcore.domain import customer

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ADA = UUID(int=7)
REGISTER = customer.Register(code="a-1", name="Ada", kind="person")


def usd(minor: int) -> Money:
    return Money(minor=minor, currency="USD")


def buy(name: str = "p-1", minor: int = 1_000) -> customer.RecordPurchase:
    return customer.RecordPurchase(purchase=name, amount=usd(minor))


def in_memory() -> CRM:
    return CRM.in_memory(clock=lambda: NOW)


def day(n: int) -> date:
    return date(2026, 2, n)
