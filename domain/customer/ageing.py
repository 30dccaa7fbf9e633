"""When open invoices are due, and how old what is overdue is (rules.md CR11)."""

from collections.abc import Iterator
from datetime import date

from crmcore.domain.calendar import add_days
from crmcore.domain.customer.exposure import Invoice, Invoices, Part
from crmcore.domain.value import Value


class Ageing(Value):
    """The open amounts by the days they are overdue, in minor units; disputed ones are apart."""

    not_due: int = 0
    to_30: int = 0
    to_60: int = 0
    to_90: int = 0
    beyond_90: int = 0
    disputed: int = 0


def open_parts(invoice: Invoice) -> Iterator[Part]:
    """Yield what is open of an invoice by due day, the earliest first: that is settled first."""
    parts = invoice.parts or (Part(due_on=invoice.due_on, minor=invoice.left.minor),)
    settled = sum(part.minor for part in parts) - invoice.left.minor
    for part in parts:
        gone = min(max(0, settled), part.minor)
        settled -= gone
        if part.minor > gone:
            yield Part(due_on=part.due_on, minor=part.minor - gone)
    if settled < 0:  # more is open than the parts say: what happened, happened
        yield Part(due_on=parts[-1].due_on, minor=-settled)


def due_next(invoice: Invoice) -> date:
    """Return the day on which the earliest open part of an invoice is due."""
    return next((part.due_on for part in open_parts(invoice)), invoice.due_on)


def overdue(invoices: Invoices, day: date, days: int) -> Invoices:
    """Return the undisputed invoices of which a part is overdue on a day by more than so many."""
    due_before = add_days(day, -days)
    return tuple(i for i in invoices if i.is_open and not i.disputed and due_next(i) < due_before)


def overdue_amount(invoice: Invoice, day: date) -> int:
    """Return what of an invoice is overdue on a day, in minor units."""
    return sum(part.minor for part in open_parts(invoice) if part.due_on < day)


def ageing(invoices: Invoices, day: date) -> Ageing:
    """Return the open amounts on a day by age: each is in one place."""
    sums = dict.fromkeys(Ageing.__struct_fields__, 0)
    for invoice in invoices:
        for part in open_parts(invoice):
            sums["disputed" if invoice.disputed else _age((day - part.due_on).days)] += part.minor
    return Ageing(**sums)


def _age(days: int) -> str:
    if days <= 0:
        return "not_due"
    ages = ((30, "to_30"), (60, "to_60"), (90, "to_90"))
    return next((name for most, name in ages if days <= most), "beyond_90")
