"""The digests that we compute are those of PostgreSQL, and any alteration changes them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import Connection

from crmcore import CRM
from crmcore.domain import customer
from crmcore.infrastructure.rows import Row

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/verify-with-sql.md"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)

FORM = "SELECT record_send(ROW({}))".format(
    ", ".join(
        f"%s::{type_}"
        for type_ in (
            *("text", "uuid", "integer", "smallint", "text", "smallint"),
            *("timestamptz", "timestamptz", "text", "text", "uuid", "uuid", "uuid", "text", "uuid"),
            "bytea",
        )
    )
)

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
instants = st.datetimes(timezones=st.just(UTC))
rows = st.builds(
    Row,
    kind=words,
    stream=st.uuids(),
    version=st.integers(-(2**31), 2**31 - 1),
    slot=st.integers(-(2**15), 2**15 - 1),
    name=words,
    schema_version=st.integers(-(2**15), 2**15 - 1),
    effective_at=instants,
    written_at=instants,
    actor=words,
    reason=words,
    command_id=st.uuids(),
    correlation_id=st.uuids(),
    causation_id=st.none() | st.uuids(),
    policy=words,
    customer=st.none() | st.uuids(),
    payload=st.binary(max_size=50),
)


@pytest.fixture(scope="module")
def server(server_url: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        yield connection


@given(row=rows)
def test_what_is_stored_has_the_form_that_the_server_gives_it(
    server: Connection[Any], row: Row
) -> None:
    [(form,)] = server.execute(FORM.encode(), row).fetchall()
    assert row.linked(b"").stored == form


@given(row=rows, other=rows)
def test_no_two_rows_have_one_form(row: Row, other: Row) -> None:
    assert (row.linked(b"") == other.linked(b"")) == (row == other)


@pytest.fixture
def log(postgres_url: str) -> str:
    """A log of two seals, with streams that belong to somebody and one that does not yet."""
    CRM.migrate(postgres_url)
    with CRM.open(postgres_url, clock=lambda: NOW) as crm:
        for name in ("Ada", "Ядвига", "李"):
            who = uuid4()
            crm.do(
                customer.Register(code=name, name=name, kind="person"), to=who, act=crm.act("ann")
            )
            crm.do(
                customer.LogInteraction(channel="phone", summary=f"{name}?"),
                to=who,
                act=crm.act("ben", because="called"),
            )
            crm.journal.seal(NOW)
        assert crm.verify().problems == ()
    return postgres_url


def found(url: str) -> list[list[tuple[Any, ...]]]:
    """Return what the queries of the page find."""
    queries = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    with psycopg.connect(url) as connection:
        connection.execute("SET TIME ZONE 'Asia/Kathmandu'")  # no setting changes what is computed
        return [connection.execute(query.encode()).fetchall() for query in queries]


def alter(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        for table in ("facts", "sealed", "seals"):
            connection.execute(f"ALTER TABLE crm.{table} DISABLE TRIGGER USER".encode())
        assert connection.execute(statement.encode()).rowcount == 1


def test_the_queries_of_the_page_find_nothing_in_a_log_as_it_was_written(log: str) -> None:
    assert found(log) == [[], []]


ALTERED = {
    "kind": "'ticket'", "stream": f"'{UUID(int=9)}'", "version": "7", "slot": "(slot + 1) % 4096",
    "name": "'customer.deactivated'", "schema_version": "2",
    "effective_at": "effective_at - interval '1 microsecond'",
    "written_at": "written_at - interval '1 microsecond'",
    "actor": "'cem'", "reason": "'because'", "command_id": f"'{UUID(int=8)}'",
    "correlation_id": f"'{UUID(int=8)}'", "causation_id": "command_id", "policy": "'other@1'",
    "customer": "NULL", "payload": "payload || ' '", "digest": "sha256(digest)",
}  # fmt: skip


def test_every_column_that_is_covered_is_tried() -> None:
    assert ALTERED.keys() == {*Row._fields, "digest"}


@pytest.mark.parametrize("column", ALTERED)
def test_an_altered_fact_is_found_by_the_first_query(log: str, column: str) -> None:
    with psycopg.connect(log) as connection:
        row = connection.execute("SELECT command_id FROM crm.facts WHERE version = 2").fetchone()
    assert row is not None
    where = f"command_id = '{row[0]}'"
    alter(log, f"UPDATE crm.facts SET {column} = {ALTERED[column]} WHERE {where}")  # noqa: S608 - our own columns
    facts, _ = found(log)
    assert facts


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE crm.sealed SET recorded_at = recorded_at + interval '1 second' WHERE last = 2",
        "UPDATE crm.seals SET sealed_at = sealed_at + interval '1 second' WHERE position = 4",
        "UPDATE crm.seals SET hash = sha256(hash) WHERE position = 2",
        "DELETE FROM crm.sealed WHERE last = 3",
        "UPDATE crm.facts SET digest = sha256(digest) WHERE ctid = '(0,3)'",
    ],
)
def test_an_altered_order_is_found_by_the_second_query(log: str, statement: str) -> None:
    alter(log, statement)
    _, order = found(log)
    assert order


def test_the_seal_after_an_altered_one_is_named_too(log: str) -> None:
    alter(log, "UPDATE crm.seals SET hash = sha256(hash) WHERE position = 2")
    assert found(log)[1] == [(2,), (4,)]
