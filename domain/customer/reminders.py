"""Reminders of overdue invoices: each goes up by levels, and none comes too soon."""

from datetime import date
from typing import TypeAlias

from msgspec.structs import replace

from crmcore.domain.calendar import add_days
from crmcore.domain.customer.ageing import overdue, overdue_amount
from crmcore.domain.customer.exposure import Invoice, Invoices
from crmcore.domain.customer.policy import Policy
from crmcore.domain.money import Money
from crmcore.domain.value import Ref, Value

# Commands


class RemindCustomer(Value, tag="customer.remind"):
    """Remind the customer of what is overdue, where the latest reminder is long enough ago."""

    reminder: Ref


Command: TypeAlias = RemindCustomer


# Events


class Reminded(Value):
    """An invoice that the customer was reminded of: what is overdue, and on which level."""

    invoice: Ref
    overdue: Money
    level: int


class ReminderSent(Value, tag="customer.reminder_sent"):
    """The customer was reminded; its level is the highest of the invoices (rules.md CR12)."""

    reminder: Ref
    sent_on: date
    invoices: tuple[Reminded, ...]
    level: int


Event: TypeAlias = ReminderSent


def decide(command: Command, invoices: Invoices, day: date, policy: Policy) -> tuple[Event, ...]:
    """Return the reminder, if enough is overdue; a disputed invoice is in none."""
    late = [i for i in overdue(invoices, day, policy.overdue_grace_days) if _is_due(i, day, policy)]
    items = tuple(
        Reminded(
            invoice=invoice.name,
            overdue=replace(invoice.left, minor=overdue_amount(invoice, day)),
            level=min(invoice.level + 1, max(invoice.level, policy.reminder_level_max)),
        )
        for invoice in late
    )
    if sum(item.overdue.minor for item in items) < max(1, policy.reminder_least_minor):
        return ()
    level = max(item.level for item in items)
    return (ReminderSent(reminder=command.reminder, sent_on=day, invoices=items, level=level),)


def evolve(invoices: Invoices, event: Event) -> Invoices:
    """Return the invoices with the levels of a reminder."""
    levels = {item.invoice: item.level for item in event.invoices}
    return tuple(
        replace(i, level=levels[i.name], reminded_on=event.sent_on) if i.name in levels else i
        for i in invoices
    )


def level_of(invoices: Invoices) -> int:
    """Return the customer's level: the highest of its open, undisputed invoices, else 0."""
    return max((i.level for i in invoices if i.is_open and not i.disputed), default=0)


def _is_due(invoice: Invoice, day: date, policy: Policy) -> bool:
    """Tell whether the latest reminder of an invoice is long enough ago."""
    last = invoice.reminded_on
    return last is None or add_days(last, policy.reminder_interval_days) <= day
