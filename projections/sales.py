"""What a customer bought, net of what came back: the fold that lifecycle and value share."""

from datetime import date, tzinfo
from typing import Any, Literal, TypeAlias

from msgspec.structs import replace

from crmcore.domain.calendar import day_of
from crmcore.domain.customer.receivables import CreditNoteIssued, InvoiceIssued
from crmcore.domain.customer.sales import PurchaseRecorded, PurchaseReturned
from crmcore.domain.money import Money
from crmcore.domain.recorded import Recorded
from crmcore.domain.value import Value

Kind: TypeAlias = Literal["purchase", "invoice"]


class Sale(Value):
    """A purchase or an invoice: its day, and what of its amount has not come back."""

    kind: Kind
    name: str
    day: date
    minor: int
    currency: str
    position: int


Sales: TypeAlias = tuple[Sale, ...]


def apply(sales: Sales, fact: Recorded[Any], where: tzinfo) -> Sales:
    """Return the sales after a fact, in the order of their days.

    A purchase of amount 0 is kept as a fact and counts for nothing (rules.md, choices).
    """
    match fact.event:
        case PurchaseRecorded(purchase=name, amount=amount):
            return _more(sales, "purchase", name, amount, fact, where)
        case InvoiceIssued(invoice=name, amount=amount):
            return _more(sales, "invoice", name, amount, fact, where)
        case PurchaseReturned(purchase=name, amount=amount):
            return _less(sales, "purchase", name, amount)
        case CreditNoteIssued(invoice=name, amount=amount):
            return _less(sales, "invoice", name, amount)
        case _:
            return sales


def days(sales: Sales) -> list[Sale]:
    """Return one sale a day, the latest, oldest first: sales of one day count once."""
    return list({sale.day: sale for sale in sales}.values())


def _more(
    sales: Sales, kind: Kind, name: str, amount: Money, fact: Recorded[Any], where: tzinfo
) -> Sales:
    sale = Sale(
        kind=kind,
        name=name,
        day=day_of(fact.effective_at, where),
        minor=amount.minor,
        currency=amount.currency,
        position=fact.position,
    )
    return (*sales, sale) if amount.minor > 0 else sales


def _less(sales: Sales, kind: Kind, name: str, amount: Money) -> Sales:
    """Return the sales without what came back of the latest sale of this name.

    One that came back whole is no sale any more.
    """
    sold = next((s for s in reversed(sales) if (s.kind, s.name) == (kind, name)), None)
    if sold is None:
        return sales
    left = replace(sold, minor=sold.minor - amount.minor)
    after = (left if sale is sold else sale for sale in sales)
    return tuple(sale for sale in after if sale.minor > 0)
