"""A mapping file: which columns there are, what they mean, and which commands a row stands for."""

import re
from datetime import date, datetime
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from crmcore.domain.calendar import FIRST_DAY, LAST_DAY
from crmcore.domain.value import CRMError
from crmcore.toml_text import parsed

FieldType: TypeAlias = Literal[
    "text", "integer", "decimal", "date", "customer", "opportunity", "ticket", "loyalty"
]
DATE_MAX = 100
MAPPING_BYTES_MAX = 50_000
NAME_SHOWN_MAX = 80
KINDS = ("customer", "opportunity", "ticket", "loyalty")


class InvalidFile(CRMError):
    """A mapping or a data file cannot be used; the text says where and why."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Layout(_Strict):
    """How the file is cut into columns: by a delimiter, or at fixed places."""

    format: Literal["csv", "fixed"] = "csv"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    encoding: str = "utf-8-sig"
    columns: dict[str, tuple[int, int]] = {}
    """Of a fixed layout: the first and the last character of each column, counted from 1."""

    @model_validator(mode="after")
    def _columns_of_a_fixed_layout(self) -> Self:
        if (self.format == "fixed") != bool(self.columns):
            raise ValueError("a fixed layout names its columns, a csv layout reads its header")
        if any(not 1 <= first <= last for first, last in self.columns.values()):
            raise ValueError("a column's first character comes before its last")
        return self


class FieldRule(_Strict):
    """What a column means. An empty column, or none at all, takes the default.

    What is empty then must be optional. `replace` corrects texts, `known` lists the corrected ones
    that may occur. An aggregate's id comes from its text and the source that names it so.
    """

    column: str | None = None
    type: FieldType = "text"
    format: str = "%Y-%m-%d"
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    scale: Annotated[int, Field(ge=1, le=10**9)] = 1
    optional: bool = False
    default: str | None = None
    source: str | None = None
    replace: dict[str, str] = {}
    known: frozenset[str] | None = None

    @model_validator(mode="after")
    def _money_has_a_currency(self) -> Self:
        if (self.type == "decimal") != (self.currency is not None):
            raise ValueError("a decimal field is money and states its currency")
        return self


class CommandRule(_Strict):
    """A command that a row stands for: to which aggregate, in effect from when, with what.

    In `give`, `{field}` stands for the value of a field, inside a longer text for its text, and
    `{row}` for a short name of the row. What names an empty field is left out. `when` lists the
    values that columns must have, `given` the fields that must not be empty. With `once`, the
    earliest row speaks for all rows with the same target. `by` and `roles` say on whose word and
    authority the source's own system did this; whoever runs the import answers for them.
    """

    command: str
    to: str
    on: str
    give: dict[str, Any] = {}
    when: dict[str, frozenset[str]] = {}
    given: frozenset[str] = frozenset()
    once: bool = False
    by: str | None = None
    roles: frozenset[str] = frozenset()


class Mapping(_Strict):
    """How the rows of a source become commands; `key` names the columns that identify a row.

    Without a key, a row is identified by its text, and by how many rows of the same text came
    before it in its file: so a file may be read again, reordered or longer.
    """

    source: Annotated[str, Field(pattern="^[a-z][a-z0-9_-]{0,39}$")]
    about: str
    by: str = "import"
    key: tuple[str, ...] = ()
    file: Layout = Layout()
    fields: dict[str, FieldRule]
    commands: tuple[CommandRule, ...]

    @model_validator(mode="after")
    def _columns_exist(self) -> Self:
        unknown = self.columns() - set(self.file.columns)
        if self.file.format == "fixed" and unknown:
            raise ValueError(f"the layout has no column {', '.join(sorted(unknown))}")
        return self

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        for rule in self.commands:
            for name in (rule.to, rule.on, *rule.given):
                if name not in self.fields:
                    raise ValueError(f"{rule.command}: there is no field {name!r}")
            if self.fields[rule.to].type != rule.command.partition(".")[0]:
                raise ValueError(f"{rule.command}: field {rule.to!r} is of another aggregate")
            if self.fields[rule.on].type != "date":
                raise ValueError(f"{rule.command}: field {rule.on!r} is no date")
            if unlisted := set(rule.when) - self._listed():
                raise ValueError(
                    f"{rule.command}: no field lists what column {min(unlisted)!r} may hold (known)"
                )
        return self

    def _listed(self) -> set[str | None]:
        """Return the columns of which every value is known, so that no condition is missed."""
        return {rule.column for rule in self.fields.values() if rule.known is not None}

    def columns(self) -> frozenset[str]:
        """Return every column that the mapping reads."""
        conditions = {column for rule in self.commands for column in rule.when}
        read = {rule.column for rule in self.fields.values() if rule.column}
        return frozenset(read | conditions | {*self.key})


def load_mapping(name: str) -> Mapping:
    """Return a mapping by the name of a ready one, or by the path of a file."""
    ready = files("crmcore.intake") / "mappings" / f"{name}.toml"
    path = ready if name in ready_mappings() else Path(name)
    try:
        return Mapping.model_validate(_parsed(path))
    except OSError as error:
        known = ", ".join(ready_mappings())
        raise InvalidFile(f"there is no mapping {_cut(name)!r}; ready ones are {known}") from error
    except ValidationError as error:
        raise InvalidFile(f"mapping {_cut(name)}: {_first(error)}") from error
    except ValueError as error:
        raise InvalidFile(f"mapping {_cut(name)}: {error}") from error


def _cut(name: str) -> str:
    """Return a name as an error shows it: of a long path its end, which tells the file."""
    return name if len(name) <= NAME_SHOWN_MAX else f"...{name[3 - NAME_SHOWN_MAX :]}"


def _parsed(path: Traversable) -> dict[str, Any]:
    with path.open("rb") as stream:
        return parsed(stream.read(MAPPING_BYTES_MAX + 1), MAPPING_BYTES_MAX)


def ready_mappings() -> list[str]:
    """Return the names of the mappings that come with crmcore."""
    folder = files("crmcore.intake") / "mappings"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name[-5:] == ".toml")


def _first(error: ValidationError) -> str:
    """Return what is wrong first and where, without the input that pydantic would repeat."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "file"
    return f"{where}: {first['msg']}"


@lru_cache(maxsize=10_000)  # files name the same few days again and again
def parse_date(text: str, form: str) -> date:
    """Return the date that a text states in a form of strptime; ValueError if it states none."""
    if len(text) > DATE_MAX:
        raise ValueError(f"{text[:40]!r} is no date: it has more than {DATE_MAX} characters")
    try:
        day = datetime.strptime(text, form).date()  # noqa: DTZ007 - a date has no time zone
    except re.error as error:
        raise ValueError(f"{form!r} is no form of a date: {error}") from error
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"{text[:40]!r} is not between {FIRST_DAY} and {LAST_DAY}")
    return day
