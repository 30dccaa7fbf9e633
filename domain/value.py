r"""Immutable data, bounded text, and the one way a business rule says no.

The errors of the library form one tree::

    CRMError
    |-- Rejected            a business rule said no; carries a declared Rejection
    |-- InvalidCommand      the command itself is not well-formed
    |-- Conflict            somebody else wrote to the stream first, each time we tried
    |-- CommandReused       this command id was used for another command
    |-- NotFound            nothing is recorded under this name
    |-- DisorderedLog       a log was read out of its order, or a fact of it twice
    |-- InvalidPolicy       a number of the policies is out of its bounds
    |-- InvalidWorkingTime  hours, a calendar or a target cannot be
    |-- InvalidFile         a mapping or a data file cannot be read
    |-- NotProved           a checkpoint or a proof does not hold; Forked: nor does the next one
    |-- AuditMissing        what signs and checks signatures is not installed
    \-- StoreError          the store cannot be used: Unreachable, TimedOut, StoreFull, Forbidden,
                            NotSettled, SchemaMissing, SchemaTooNew, SchemaTooOld,
                            CorruptFact, EmbeddedServerError
"""

from datetime import datetime
from typing import Annotated, TypeAlias, TypeVar, dataclass_transform

from msgspec import UNSET, Meta, Struct, field
from msgspec.structs import asdict, replace

# Printable text only: no controls, and no character that hides or reorders what a reader sees.
_PRINTABLE = r"[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]"

Text: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200, pattern=rf"^{_PRINTABLE}+\Z")]
Note: TypeAlias = Annotated[str, Meta(max_length=4_000, pattern=rf"^(?:{_PRINTABLE}|[\n\t])*\Z")]
Ref: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100, pattern=rf"^{_PRINTABLE}+\Z")]
Instant: TypeAlias = Annotated[datetime, Meta(tz=True)]
Item = TypeVar("Item")
Section = TypeVar("Section", bound="Value")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Value(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Data compared by value and never changed in place."""


class Rejection(Value, tag=True):
    """A declared reason to say no: its class name is the code, its docstring the rule that failed.

    The fields are the facts that decided.
    """


class CRMError(Exception):
    """Every error that the library raises on purpose."""


class Rejected(CRMError):
    """A business rule said no, and nothing was recorded.

    `place` tells which of the commands of one act was refused, counted from 0.
    """

    def __init__(self, rejection: Rejection) -> None:
        self.rejection = rejection
        self.code = type(rejection).__name__
        self.rule = type(rejection).__doc__ or self.code
        self.facts = asdict(rejection)
        self.place = 0
        details = ", ".join(f"{name}: {value}" for name, value in self.facts.items())
        super().__init__(f"{self.rule} ({details})" if details else self.rule)


def require(holds: bool, rejection: Rejection) -> None:
    """Reject unless the rule holds."""
    if not holds:
        raise Rejected(rejection)


def found(item: Item | None, rejection: Rejection) -> Item:
    """Return what was looked for, or reject."""
    if item is None:
        raise Rejected(rejection)
    return item


def changed(before: Section, said: Section) -> Section | None:
    """Return those fields of a section that are said and differ from before, None if none do."""
    news = {
        name: value
        for name, value in asdict(said).items()
        if value is not UNSET and value != getattr(before, name)
    }
    return type(said)(**news) if news else None


def merged(before: Section, said: Section) -> Section:
    """Return a section after what was said; fields that nobody mentions stay as they are."""
    return replace(before, **{k: v for k, v in asdict(said).items() if v is not UNSET})
