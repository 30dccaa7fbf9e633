"""Facts and names as people read them."""

import re
from collections.abc import Iterator
from datetime import date, datetime, tzinfo
from typing import Any
from uuid import UUID

from msgspec import UNSET, Struct

from crmcore.application.ids import aggregate_id
from crmcore.domain.calendar import end_of, start_of
from crmcore.domain.money import Money
from crmcore.domain.recorded import Recorded, Stream
from crmcore.policies import Policies, deciders, processes

KINDS = {rules.kind for known in (deciders, processes) for rules in known(Policies())}


def customer_id(name: str) -> UUID:
    """Return the id of a customer named by its id, or by SOURCE:KEY as an import named it."""
    return _id("customer", name)


def stream_of(name: str) -> Stream | None:
    """Return the stream that KIND:ID or KIND:SOURCE:KEY names, None if it names no kind."""
    kind, _, rest = name.partition(":")
    return Stream(kind=kind, id=_id(kind, rest)) if kind in KINDS and rest else None


def sentence(event: object) -> str:
    """Return what happened in a few words.

    >>> from crmcore.domain.customer.sales import PurchaseReturned
    >>> sentence(PurchaseReturned(purchase="p-1", amount=Money(minor=250, currency="EUR")))
    'purchase returned: purchase p-1, amount 2.50 EUR'
    """
    name = re.sub(r"(?<!^)(?=[A-Z])", " ", type(event).__name__).lower()
    parts = ", ".join(f"{field} {value}" for field, value in _parts(event))
    return f"{name}: {parts}" if parts else name


def day_text(instant: datetime, where: tzinfo) -> str:
    """Return the day where an instant is its start or its end, else the instant to the second."""
    local = instant.astimezone(where)
    day = local.date()
    whole = instant in (start_of(day, where), end_of(day, where))
    return day.isoformat() if whole else local.isoformat(" ", "seconds")


def who_and_why(fact: Recorded[Any]) -> str:
    """Return on whose word a fact stands, and why."""
    return f"{fact.actor}: {fact.reason}" if fact.reason else fact.actor


def _id(kind: str, name: str) -> UUID:
    try:
        return UUID(name)
    except ValueError:
        source, _, key = name.encode(errors="replace").decode().partition(":")
        return aggregate_id(kind, source, key)


def _parts(event: object) -> Iterator[tuple[str, str]]:
    """Yield the fields that say something, as text."""
    assert isinstance(event, Struct)
    for field in event.__struct_fields__:
        value = getattr(event, field)
        if value in (None, UNSET, "", ()):
            continue
        yield field.replace("_", " "), _text(value)


def _text(value: object) -> str:
    if isinstance(value, Money | str | int | date | UUID):
        return str(value)
    if isinstance(value, tuple):
        return f"{len(value)} of them" if len(value) != 1 else _text(value[0])
    if isinstance(value, Struct):
        return f"({', '.join(f'{field} {text}' for field, text in _parts(value))})"
    return repr(value)
