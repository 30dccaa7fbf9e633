"""What every fault needs: a server, a database of its own, chance that repeats, and a verdict."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from crmcore import CRM

SECONDS_MAX = 120
POLL_S = 0.002
SHORTER = 10

Figure: TypeAlias = int | float | str


class Setting(NamedTuple):
    """Where a campaign takes place: a durable server; and how much of it there is."""

    url: str
    seed: int
    long: bool

    def times(self, count: int) -> int:
        """Return how often something is done: this often, or a tenth of it in the short form."""
        return count if self.long else max(1, count // SHORTER)

    def chance(self, fault: str) -> Random:
        """Return the chance of a fault, the same one in every campaign with this seed."""
        return Random(f"{self.seed} {fault}")  # noqa: S311 - it has to repeat, nobody guesses


class Result(NamedTuple):
    """What a fault did, and what it may do at most and must do at least."""

    measured: Mapping[str, Figure]
    exactly: Mapping[str, Figure] = {}
    at_least: Mapping[str, float] = {}
    at_most: Mapping[str, float] = {}
    skipped: str = ""
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything is as expected."""
        return (
            all(self.measured[name] == wanted for name, wanted in self.exactly.items())
            and all(self._number(name) >= least for name, least in self.at_least.items())
            and all(self._number(name) <= most for name, most in self.at_most.items())
        )

    @property
    def expected(self) -> str:
        """What is expected, in words."""
        return ", ".join(
            [f"{name} {wanted}" for name, wanted in self.exactly.items()]
            + [f"{name} >= {least}" for name, least in self.at_least.items()]
            + [f"{name} <= {most}" for name, most in self.at_most.items()]
        )

    def _number(self, name: str) -> float:
        figure = self.measured[name]
        assert not isinstance(figure, str), f"{name} is no number"
        return figure


Fault: TypeAlias = Callable[[Setting], Result]


@contextmanager
def database(server: str) -> Iterator[str]:
    """Yield the URL of a new store on a server; it goes with its last connections."""
    name = f"fault_{uuid4().hex}"
    url = urlsplit(server)._replace(path=f"/{name}").geturl()
    _on(server, SQL("CREATE DATABASE {}").format(Identifier(name)))
    try:
        CRM.migrate(url)
        yield url
    finally:
        _on(server, SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def _on(server: str, statement: Composed) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement)


def query(url: str, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Return the rows of one statement, if it gives rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []


def wait_for(condition: Callable[[], object], what: str, seconds_max: float = SECONDS_MAX) -> None:
    """Return when a condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(POLL_S)
