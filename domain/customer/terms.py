"""When an invoice is due: the terms that a customer has, and the days on which banks work."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta

from crmcore.domain.calendar import add_days, add_months
from crmcore.domain.customer.exposure import Part
from crmcore.domain.customer.policy import Policy
from crmcore.domain.value import Value

Days: TypeAlias = Annotated[int, Meta(ge=0, le=720)]

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ROLLED_DAYS_MAX = 31


class CashBeforeDelivery(Value, tag="cash_before_delivery"):
    """Paid before anything is delivered: nothing on account, and due at once."""


class NetDays(Value, tag="net_days"):
    """Due so many days after the invoice."""

    days: Days


class EndOfMonth(Value, tag="end_of_month"):
    """Due so many days after the end of the invoice's month."""

    days: Days


class Instalment(Value):
    """A part of an invoice, by its weight among the others, due so many days after it."""

    weight: Annotated[int, Meta(ge=1, le=1_000)]
    days: Days


class Instalments(Value, tag="instalments"):
    """Due in parts; the last part takes what rounding leaves."""

    parts: Annotated[tuple[Instalment, ...], Meta(min_length=1, max_length=60)]


PaymentTerms: TypeAlias = CashBeforeDelivery | NetDays | EndOfMonth | Instalments


def parts_of(minor: int, terms: PaymentTerms, day: date, policy: Policy) -> tuple[Part, ...]:
    """Return what is due when of an invoice of a day, the earliest first (rules.md CR11)."""
    match terms:
        case CashBeforeDelivery():
            due = [Part(due_on=day, minor=minor)]
        case NetDays(days=days):
            due = [Part(due_on=add_days(day, days), minor=minor)]
        case EndOfMonth(days=days):
            end = add_days(add_months(day.replace(day=1), 1), -1)
            due = [Part(due_on=add_days(end, days), minor=minor)]
        case Instalments(parts=parts):
            due = sorted(_split(minor, parts, day), key=lambda part: part.due_on)
        case _:
            assert_never(terms)
    return tuple(Part(due_on=rolled(p.due_on, policy), minor=p.minor) for p in due if p.minor)


def rolled(day: date, policy: Policy) -> date:
    """Return this day or the next one on which the bank works; where none is near, this one."""
    for later in (add_days(day, more) for more in range(ROLLED_DAYS_MAX)):
        if WEEKDAYS[later.weekday()] not in policy.free_weekdays and later not in policy.holidays:
            return later
    return day


def _split(minor: int, parts: tuple[Instalment, ...], day: date) -> Iterator[Part]:
    """Yield the parts: each reaches its share of the whole, rounded down, so none is lost."""
    whole, weight, before = sum(part.weight for part in parts), 0, 0
    for part in parts:
        weight += part.weight
        reached = minor * weight // whole
        yield Part(due_on=add_days(day, part.days), minor=reached - before)
        before = reached
