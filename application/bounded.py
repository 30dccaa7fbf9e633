"""How large a value may be before anybody looks closer: so nobody can make us work for nothing.

It looks at no more than it allows. What passes has bounds of its own by its type.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from msgspec import Struct, UnsetType

from crmcore.domain.calendar import FIRST_DAY, LAST_DAY

VALUES_MAX = 10_000
CHARACTERS_MAX = 100_000
DEPTH_MAX = 20
BITS_MAX = 64
NAME_MAX = 40

_FLAT = {type(None), bool, UUID, UnsetType}


def why_not(value: Any) -> str | None:  # noqa: ANN401 - whatever somebody hands in
    """Return why a value is too much, or of a kind that nothing here is made of; else None.

    >>> why_not(("a", 1, None)) is None, why_not(float("nan")), why_not("x" * 200_000)
    (True, 'a float is no value here', 'it has more than 100000 characters')
    """
    characters = values = 0
    level: list[Any] = [value]
    for _ in range(DEPTH_MAX):
        below: list[Any] = []
        for one in level:
            if type(one) in _FLAT:
                continue
            if isinstance(one, str):
                characters += len(one)
            elif isinstance(one, int):
                if one.bit_length() > BITS_MAX:
                    return f"it has a number of more than {BITS_MAX} bits"
            elif isinstance(one, date):
                if (why := _out_of_time(one)) is not None:
                    return why
            else:
                parts = _parts(one)
                if parts is None:
                    return f"a {type(one).__name__[:NAME_MAX]} is no value here"
                values += len(parts)
                if values > VALUES_MAX:
                    return f"it has more than {VALUES_MAX} values"
                below += parts
            if characters > CHARACTERS_MAX:
                return f"it has more than {CHARACTERS_MAX} characters"
        if not below:
            return None
        level = below
    return f"it is nested deeper than {DEPTH_MAX} times"


def _parts(value: Any) -> "list[Any] | tuple[Any, ...] | None":  # noqa: ANN401 - see above
    """Return what a value is made of; None if it is nothing that is made of anything."""
    if isinstance(value, Struct):
        return [getattr(value, name) for name in value.__struct_fields__]
    if isinstance(value, tuple | list):
        return value
    if isinstance(value, frozenset | set):
        return _some(value)
    if isinstance(value, Mapping):
        return [*_some(value.keys()), *_some(value.values())]
    return [value.value] if isinstance(value, Enum) else None


def _some(items: "Iterable[Any]") -> list[Any]:
    """Return the items, but no more than it takes to see that there are too many."""
    return [item for item, _ in zip(items, range(VALUES_MAX + 1), strict=False)]


def _out_of_time(day: date) -> str | None:
    if isinstance(day, datetime) and not FIRST_DAY <= day.date() <= LAST_DAY:
        return f"an instant lies between {FIRST_DAY} and {LAST_DAY}"
    return None
