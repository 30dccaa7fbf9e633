"""Policies as TOML files: written with what each number may be, and read with every bound checked.

Both come from the types of the policies themselves, so a file can say no less and no more.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import cache
from inspect import getdoc
from pathlib import Path
from textwrap import wrap
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec import Struct
from msgspec import inspect as mi
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from crmcore.domain.value import Value
from crmcore.policies import InvalidPolicy, Policies, checked
from crmcore.toml_text import parsed

FILE_BYTES_MAX = 30_000
ERRORS_SHOWN_MAX = 5
WIDTH = 100

# What parts have of the whole is not theirs to say.
SHARED = frozenset({"time_zone", "acceptance"})

_PLAIN: Mapping[type, Any] = {
    mi.BoolType: Annotated[bool, Field(strict=True)],
    mi.DateType: Annotated[date, Field(strict=True)],
    mi.DateTimeType: Annotated[datetime, Field(strict=True)],
    mi.NoneType: None,
}


class Change(Value):
    """A number that two sets of policies have, and what it is in each; None where it is not."""

    key: str
    before: Any
    after: Any


# Reading


def load(path: Path) -> Policies:
    """Return the policies of a TOML file; InvalidPolicy names what in it cannot be, and the bound.

    What the file leaves out is as it ships.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        raise InvalidPolicy(f"{path.name[:80]!r} cannot be read") from error
    return _policies(data)


def loads(text: str) -> Policies:
    r"""Return the policies of a TOML text, as `load` does.

    >>> loads("[customer]\npayment_days = 45").customer.payment_days
    45
    """
    return _policies(text[: FILE_BYTES_MAX + 1].encode(errors="replace"))


def _policies(data: bytes) -> Policies:
    try:
        said = parsed(data, FILE_BYTES_MAX)
    except ValueError as error:
        raise InvalidPolicy(f"the policies are no TOML: {error}") from error
    try:
        _model(Policies).model_validate(said)
        return checked(msgspec.convert(said, Policies))
    except ValidationError as error:
        raise InvalidPolicy(f"the policies cannot be: {_wrong(error)}") from error
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidPolicy(f"the policies cannot be: {error}") from error


def _wrong(error: ValidationError) -> str:
    """Return what is wrong and where, without the input that pydantic would repeat."""
    found = error.errors(include_url=False, include_input=False)
    named = (f"{'.'.join(map(str, one['loc']))[:120]}: {one['msg']}" for one in found)
    shown = [*named][:ERRORS_SHOWN_MAX]
    more = len(found) - len(shown)
    return "; ".join([*shown, *([f"and {more} more"] if more else [])])


@cache
def _model(tp: type[Struct]) -> type[BaseModel]:
    """Return the pydantic model of a struct: pydantic checks what comes from outside."""
    fields: dict[str, Any] = {
        field.name: (_shape(field.type), ... if field.required else None)
        for field in _own_fields(tp)
    }
    return create_model(tp.__qualname__, __config__=ConfigDict(extra="forbid"), **fields)


def _shape(info: mi.Type) -> Any:  # noqa: ANN401 - an annotation
    """Return the annotation that stands for a type, with its bounds."""
    match info:
        case mi.IntType(ge=least, le=most):
            return Annotated[int, Field(strict=True, ge=least, le=most)]
        case mi.StrType(min_length=least, max_length=most):
            return Annotated[str, Field(min_length=least, max_length=most)]
        case mi.LiteralType(values=values):
            return Literal[values]
        case mi.StructType(cls=cls, tag=None):
            return _model(cls)
        case (
            mi.VarTupleType(item_type=item, min_length=least, max_length=most)
            | mi.FrozenSetType(item_type=item, min_length=least, max_length=most)
        ):
            return Annotated[list[_shape(item)], Field(min_length=least, max_length=most)]  # type: ignore[misc]
        case mi.UnionType(types=types):
            return Union[tuple(map(_shape, types))]  # noqa: UP007 - of a tuple
        case _:
            return _PLAIN.get(type(info), Any)  # what is left msgspec checks alone


# Writing


def toml(policies: Policies) -> str:
    """Return policies as a TOML file; a comment says what each number may be."""
    title = f"# The policies {policies.label}; what is left out is as it ships.\n"
    return "\n".join([title, *_table(policies, "")]) + "\n"


def _table(struct: Struct, path: str, *, commented: bool = True) -> Iterator[str]:
    """Yield the lines of a table: what is plain first, then what has a table of its own.

    In lists nothing is commented: it would be the same again and again.
    """
    fields = _own_fields(type(struct), path)
    for field in fields:
        value = getattr(struct, field.name)
        if not _has_tables(value):
            yield from _line(field, value, commented=commented)
    for field in fields:
        value = getattr(struct, field.name)
        below = f"{path}.{field.name}" if path else field.name
        if isinstance(value, Struct):
            yield from ("", *_about(value), f"[{below}]", *_table(value, below))
        elif _has_tables(value):
            for item in value:
                yield from ("", f"[[{below}]]", *_table(item, below, commented=False))


def _line(field: mi.Field, value: object, *, commented: bool) -> Iterator[str]:
    words = f"  # {_words(field.type)}" if commented else ""
    if value is None:
        yield f"# {field.name} is not set{words}"
    else:
        said = f"{field.name} = {_said(value)}"
        yield said if "\n" in said else said + words


def _about(struct: Struct) -> list[str]:
    return [f"# {line}" for line in wrap(" ".join((getdoc(struct) or "").split()), WIDTH - 2)]


def _said(value: object) -> str:
    """Return a value as TOML writes it."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case datetime() | date():
            return value.isoformat()
        case tuple() | frozenset():
            items = [_said(item) for item in (value if isinstance(value, tuple) else sorted(value))]
            if any(isinstance(item, tuple) for item in value):
                lines = ",\n  ".join(items)
                return f"[\n  {lines},\n]"
            return f"[{', '.join(items)}]"
        case Struct():
            pairs = ((field.name, getattr(value, field.name)) for field in _fields(type(value)))
            return f"{{{', '.join(f'{k} = {_said(v)}' for k, v in pairs if v is not None)}}}"
        case _:
            return str(value)


def _has_tables(value: object) -> bool:
    return isinstance(value, Struct) or (
        isinstance(value, tuple) and any(isinstance(item, Struct) for item in value)
    )


def _words(info: mi.Type) -> str:
    """Return what a field may be, in words."""
    match info:
        case mi.IntType(ge=least, le=most):
            return f"{'any' if least is None else least} to {'any' if most is None else most}"
        case mi.LiteralType(values=values):
            return " or ".join(map(repr, values))
        case mi.VarTupleType(item_type=item) | mi.FrozenSetType(item_type=item):
            return f"list of {_words(item)}"
        case mi.UnionType(types=types):
            return " or ".join(_words(one) for one in types if not isinstance(one, mi.NoneType))
        case mi.StrType(max_length=most):
            return "text" if most is None else f"text of up to {most} characters"
        case mi.StructType(cls=cls):
            return cls.__name__
        case _:
            return type(info).__name__.removesuffix("Type").lower()


# Comparing


def differences(before: Policies, after: Policies) -> list[Change]:
    """Return the numbers that differ, by their keys; lists are numbered from 1."""
    old, new = dict(_flat(before, "")), dict(_flat(after, ""))
    return [
        Change(key=key, before=old.get(key), after=new.get(key))
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key)
    ]


def _flat(value: object, key: str) -> Iterator[tuple[str, Any]]:
    match value:
        case Struct():
            for field in _own_fields(type(value), key):
                below = f"{key}.{field.name}" if key else field.name
                yield from _flat(getattr(value, field.name), below)
        case tuple() if any(isinstance(item, Struct | tuple) for item in value):
            for number, item in enumerate(value, 1):
                yield from _flat(item, f"{key}.{number}")
        case _:
            yield key, msgspec.to_builtins(value)


def _own_fields(tp: type[Struct], path: str | None = None) -> list[mi.Field]:
    """Return the fields of a struct that are its own to say; those of the whole have no path."""
    is_whole = tp is Policies if path is None else not path
    return [field for field in _fields(tp) if is_whole or field.name not in SHARED]


def _fields(tp: type[Struct]) -> tuple[mi.Field, ...]:
    info = mi.type_info(tp)
    assert isinstance(info, mi.StructType)
    return info.fields
