"""What the commands of the command line share: where they print, and how they say no."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Annotated, Any, TypeAlias

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from crmcore.crm import Known, When
from crmcore.domain.value import CRMError

SHOWN_MAX = 100
POSITION_DIGITS_MAX = 18

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Store: TypeAlias = Annotated[
    str, typer.Option("--store", "-s", help="A PostgreSQL URL, or an embedded server's directory.")
]
AsOf: TypeAlias = Annotated[
    str | None, typer.Option("--as-of", help="The business date asked about, such as 2025-12-31.")
]
KnownAt: TypeAlias = Annotated[
    str | None,
    typer.Option("--known-at", help="What was known by this date, instant or log position."),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]


@contextmanager
def answering() -> Iterator[None]:
    """Turn an error of the library into one sentence and the exit status 1."""
    try:
        yield
    except CRMError as error:
        err.print(f"crmcore: {error}", style="red", markup=False)
        raise typer.Exit(1) from error


def print_answer(answer: Any, as_json: bool, show: Callable[[], None]) -> None:  # noqa: ANN401 - anything
    """Print an answer as one JSON value, or as people read it."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    else:
        show()


def table_of(*columns: str) -> Table:
    """Return an empty table with these columns."""
    empty = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        empty.add_column(column, overflow="fold")
    return empty


def when(text: str | None, option: str = "--as-of") -> When:
    """Return the date or the instant that an option states."""
    return None if text is None else _parsed(text, option)


def known(text: str | None) -> Known:
    """Return a log position for digits alone, else a date or an instant."""
    if text is not None and text.isdecimal() and len(text) <= POSITION_DIGITS_MAX:
        return int(text)
    return when(text, "--known-at")


def _parsed(text: str, option: str) -> date | datetime:
    for parse in (date.fromisoformat, datetime.fromisoformat):
        try:
            return parse(text)
        except ValueError:
            continue
    wanted = f"{text[:SHOWN_MAX]!r} is no date such as 2025-12-31, nor an instant with a time zone"
    raise typer.BadParameter(wanted, param_hint=option)
