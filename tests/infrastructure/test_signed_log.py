# ruff: noqa: S608 - our own statements
"""One signed checkpoint, kept elsewhere: whatever a superuser does to what it covers shows."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from crmcore import CRM, Forked, NotProved, Problem, StoreError
from crmcore.application.chain import GENESIS, leaves, seal_hash
from crmcore.application.merkle import (
    TILE,
    Range,
    consistency_proof,
    require_consistent,
    root,
)
from crmcore.application.notes import unsigned
from crmcore.domain import customer
from crmcore.infrastructure.rows import COLUMNS, Row
from crmcore.infrastructure.tree import Incomplete

Connection: TypeAlias = psycopg.Connection[Any]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "prove-a-history.md"
PRIVATE, PUBLIC = CRM.new_key("example.com/crm")
PEOPLE = [UUID(int=number) for number in range(1, 301)]
TOGETHER = 20
HALF, ALL = 300, 600
GUARDED = ("facts", "commands", "sealed", "seals")
HELLO = customer.LogInteraction(channel="chat", summary="hello")


class Log(NamedTuple):
    """A log of 620 facts: each customer registers, then each says hello; 20 a batch and a seal."""

    url: str
    half: str
    all: str


@pytest.fixture(scope="module")
def original(server_url: str) -> Iterator[Log]:
    with new_database(server_url) as url:
        CRM.migrate(url)
        with closing(CRM.open(url)) as crm:
            for start in range(0, HALF, TOGETHER):
                told(crm, start, registered)
            half = crm.checkpoint(PRIVATE)
            for start in range(0, HALF, TOGETHER):
                told(crm, start, lambda _: HELLO)
            whole = crm.checkpoint(PRIVATE, extends=half)
            told(crm, 0, lambda _: HELLO)
        yield Log(url, half, whole)


@pytest.fixture
def log(original: Log, server_url: str) -> Iterator[Log]:
    with new_database(server_url, original.url) as url:
        yield original._replace(url=url)


@contextmanager
def new_database(server: str, like: str = "postgresql:///template1") -> Iterator[str]:
    name, template = f"signed_{uuid4().hex}", urlsplit(like).path[1:]
    made = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(made.format(sql.Identifier(name), sql.Identifier(template)))
    yield urlsplit(server)._replace(path=f"/{name}").geturl()
    with psycopg.connect(server, autocommit=True) as connection:
        gone = sql.SQL("DROP DATABASE {} WITH (FORCE)")
        connection.execute(gone.format(sql.Identifier(name)))


def registered(who: UUID) -> customer.Register:
    return customer.Register(code=str(who.int), name="Ada", kind="person")


def told(crm: CRM, start: int, what: Callable[[UUID], Any]) -> None:
    asked = [(crm.act("ann"), [(what(who), who)]) for who in PEOPLE[start : start + TOGETHER]]
    assert not [one for one in crm.carry_out(asked) if isinstance(one, Exception)]
    crm.position()


# An intruder who does it well


def intrude(url: str, *statements: str, hidden: bool) -> None:
    with psycopg.connect(url) as connection:
        for table in GUARDED:
            connection.execute(f"ALTER TABLE crm.{table} DISABLE TRIGGER ALL".encode())
        for statement in statements:
            connection.execute(statement.encode())
        if hidden:
            cover_up(connection)


def cover_up(connection: Connection) -> None:
    """Make digests, order, seals and head anew, as if nothing had happened, and drop the tree."""
    connection.execute(
        "UPDATE crm.commands AS c SET facts = found.facts FROM (SELECT command_id, count(*) AS"
        " facts FROM crm.facts GROUP BY command_id) AS found WHERE found.command_id = c.command_id"
    )
    tips: dict[UUID, bytes] = {}
    rows = connection.execute(
        f"SELECT f.batch, f.ordinal, {COLUMNS} FROM crm.facts AS f ORDER BY version".encode()
    ).fetchall()
    for batch, ordinal, *stored in rows:
        row = Row(*stored)
        tips[row.stream] = digest = row.linked(tips.get(row.stream, GENESIS)).digest
        connection.execute(
            "UPDATE crm.facts SET digest = %s WHERE batch = %s AND ordinal = %s",
            [digest, batch, ordinal],
        )
    reseal(connection)
    connection.execute("DELETE FROM crm.tree")


def reseal(connection: Connection) -> None:
    """Number the batches anew, each of them a seal of its own."""
    batches = connection.execute(
        "SELECT s.batch, s.recorded_at, string_agg(f.digest, '' ORDER BY f.ordinal)"
        " FROM crm.sealed AS s JOIN crm.facts AS f USING (batch) GROUP BY s.last ORDER BY s.last"
    ).fetchall()
    connection.execute("DELETE FROM crm.seals; DELETE FROM crm.sealed")
    position, tip = 0, GENESIS
    for batch, recorded_at, digests in batches:
        tip = seal_hash(tip, position + 1, recorded_at, [(recorded_at, digests)])
        count = len(digests) // 32
        position += count
        connection.execute(
            "INSERT INTO crm.sealed VALUES (%s, %s, %s, %s)", [position, count, batch, recorded_at]
        )
        connection.execute(
            "INSERT INTO crm.seals VALUES (%s, %s, %s)", [position, recorded_at, tip]
        )
    connection.execute("UPDATE crm.head SET position = %s, hash = %s", [position, tip])


def batch_of(position: int) -> str:
    return f"(SELECT min(batch) FROM crm.sealed WHERE last >= {position})"


REWRITTEN = "payload = convert_to(replace(convert_from(payload, 'UTF8'), 'hello', 'hullo'), 'UTF8')"
SWAP = f"""
WITH pair AS (SELECT {batch_of(450)} AS one, {batch_of(470)} AS other)
UPDATE crm.sealed SET batch = CASE batch WHEN one THEN -other ELSE -one END
FROM pair WHERE batch IN (one, other)"""
INSERTED = f"""
INSERT INTO crm.facts SELECT (jsonb_populate_record(f, jsonb_build_object('version', 4, 'ordinal',
    20, 'batch', {batch_of(450)}, 'command_id', '{UUID(int=9)}'))).*
FROM crm.facts AS f WHERE batch = {batch_of(601)} AND ordinal = 0"""
COMMANDED = f"INSERT INTO crm.commands VALUES ('{UUID(int=9)}', '', {batch_of(450)}, 1)"
CUT = (
    f"DELETE FROM crm.facts WHERE batch > {batch_of(480)}",
    f"DELETE FROM crm.commands WHERE batch > {batch_of(480)}",
    f"DELETE FROM crm.sealed WHERE batch > {batch_of(480)}",
)

LATER = "recorded_at + interval '1 microsecond'"
ATTACKS: dict[str, tuple[str, ...]] = {
    "alters what a fact says": (
        f"UPDATE crm.facts SET {REWRITTEN} WHERE batch = {batch_of(450)} AND ordinal = 3",
    ),
    "alters who said it": (
        f"UPDATE crm.facts SET actor = 'eve' WHERE batch = {batch_of(450)} AND ordinal = 3",
    ),
    "alters when it was recorded": (
        f"UPDATE crm.sealed SET recorded_at = {LATER} WHERE batch = {batch_of(450)}",
    ),
    "deletes a fact": (
        f"DELETE FROM crm.facts WHERE batch = {batch_of(601)} AND ordinal = 19",
        f"DELETE FROM crm.facts WHERE batch = {batch_of(301)} AND ordinal = 19",
        "DELETE FROM crm.commands WHERE command_id NOT IN (SELECT command_id FROM crm.facts)",
    ),
    "inserts a fact": (INSERTED, COMMANDED),
    "swaps two batches": (SWAP, "UPDATE crm.sealed SET batch = abs(batch)"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_nothing_in_the_database_tells_one_checkpoint_tells(log: Log, attack: str) -> None:
    intrude(log.url, *ATTACKS[attack], hidden=True)
    with closing(CRM.open(log.url)) as crm:
        assert crm.verify().problems == ()
        assert crm.verify(checkpoints=[log.all], key=PUBLIC).problems == (
            Problem(
                what="the facts from here to 600 are not those of the checkpoint of"
                " example.com/crm",
                position=1,
            ),
        )


@pytest.mark.parametrize("attack", ATTACKS)
def test_more_checkpoints_tell_from_where_on(log: Log, attack: str) -> None:
    intrude(log.url, *ATTACKS[attack], hidden=True)
    with closing(CRM.open(log.url)) as crm:
        found = crm.verify(checkpoints=[log.all, log.half], key=PUBLIC).problems
    assert [(one.position, "to 600" in one.what) for one in found] == [(301, True)]


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_done_less_well_shows_from_where_on_by_the_tree_that_is_kept(
    log: Log, attack: str
) -> None:
    with psycopg.connect(log.url) as connection:
        kept = connection.execute("SELECT level, number, hash FROM crm.tree").fetchall()
    intrude(log.url, *ATTACKS[attack], hidden=True)
    with psycopg.connect(log.url) as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO crm.tree VALUES (%s, %s, %s)", kept)
    with closing(CRM.open(log.url)) as crm:
        found = crm.verify(checkpoints=[log.all], key=PUBLIC).problems
    assert [one.position for one in found] == [257, 257]


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_done_badly_shows_anyway(log: Log, attack: str) -> None:
    intrude(log.url, *ATTACKS[attack], hidden=False)
    with closing(CRM.open(log.url)) as crm:
        found = crm.verify(checkpoints=[log.all], key=PUBLIC).problems
    assert len(found) >= 1


@pytest.mark.parametrize("hidden", [False, True])
def test_a_log_that_was_cut_back_or_restored_shows(log: Log, hidden: bool) -> None:
    intrude(log.url, *CUT, hidden=hidden)
    with closing(CRM.open(log.url)) as crm:
        found = crm.verify(checkpoints=[log.all], key=PUBLIC).problems
        assert crm.verify(checkpoints=[log.half]).problems == found[:-1]
        assert found[-1] == Problem(
            what="the log ends before position 600 of the checkpoint of example.com/crm: it was cut"
            " back, or restored to an earlier time",
            position=481,
        )
        assert hidden == (len(found) == 1)


def test_a_log_that_was_cut_back_and_goes_on_shows(log: Log) -> None:
    intrude(log.url, *CUT, hidden=True)
    with closing(CRM.open(log.url)) as crm:
        for start in range(180, 300, TOGETHER):
            told(crm, start, lambda _: HELLO)
        assert crm.position() == ALL
        assert crm.verify().problems == ()
        found = crm.verify(checkpoints=[log.all, log.half]).problems
    assert [(one.position, "not those of the checkpoint" in one.what) for one in found] == [
        (301, True)
    ]


# Never two histories


def test_an_honest_log_goes_on_from_every_checkpoint(log: Log) -> None:
    with closing(CRM.open(log.url)) as crm:
        assert crm.verify(checkpoints=[log.half, log.all], key=PUBLIC).problems == ()
        assert crm.checkpoint(PRIVATE, extends=log.half) == crm.checkpoint(PRIVATE)
        newest = crm.checkpoint(PRIVATE, extends=log.all)
        assert crm.checkpoint(PRIVATE, extends=newest) == newest
        before, after = unsigned(log.half), unsigned(newest)
        assert (before.size, after.size) == (HALF, 620)
        proof = consistency_proof(before.size, after.size, crm.journal.tree())
        require_consistent(before.size, after.size, before.root, after.root, proof)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_second_history_is_not_signed(log: Log, attack: str) -> None:
    intrude(log.url, *ATTACKS[attack], hidden=True)
    with closing(CRM.open(log.url)) as crm:
        with pytest.raises(Forked, match="the first 600 facts are not those that were signed"):
            crm.checkpoint(PRIVATE, extends=log.all)
        assert unsigned(crm.checkpoint(PRIVATE, extends=log.half)).root != unsigned(log.all).root


def test_a_shorter_history_is_not_signed(log: Log) -> None:
    intrude(log.url, *CUT, hidden=True)
    with closing(CRM.open(log.url)) as crm:
        with pytest.raises(Forked, match="600 facts were signed, and the log ends at position 480"):
            crm.checkpoint(PRIVATE, extends=log.all)
        with pytest.raises(NotProved, match="600 facts were signed, and the log ends at"):
            crm.prove(PEOPLE[0], checkpoint=log.all)


def test_what_somebody_else_signed_is_not_gone_on_from(log: Log) -> None:
    other, _ = CRM.new_key("example.com/crm")
    with closing(CRM.open(log.url)) as crm, pytest.raises(NotProved, match="nobody signed this"):
        crm.checkpoint(other, extends=log.all)


# What is kept of the tree


def computed(url: str) -> list[bytes]:
    """Return the roots of a log of each size, from its facts alone."""
    tree, roots = Range(), list[bytes]()
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT recorded_at, string_agg(digest, '' ORDER BY ordinal) FROM crm.sealed"
            " JOIN crm.facts USING (batch) GROUP BY last ORDER BY last"
        ).fetchall()
    for recorded_at, digests in rows:
        for leaf in leaves(recorded_at, digests):
            roots.append(tree.root())
            tree.append(leaf)
    return [*roots, tree.root()]


def kept(url: str) -> dict[tuple[int, int], bytes]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT level, number, hash FROM crm.tree").fetchall()
    return {(level, number): found for level, number, found in rows}


def test_the_tree_is_that_of_the_facts_whatever_is_kept_of_it(log: Log) -> None:
    roots, before = computed(log.url), kept(log.url)
    assert sorted(before) == [(1, 0), (1, 1)]
    with closing(CRM.open(log.url)) as crm:
        assert [root(size, crm.journal.tree()) for size in (0, 1, 256, 511, 620)] == [
            roots[size] for size in (0, 1, 256, 511, 620)
        ]
        intrude(log.url, "DELETE FROM crm.tree", hidden=False)
        assert root(620, crm.journal.tree()) == roots[620]
        assert crm.verify(checkpoints=[log.all]).problems == ()
        for start in range(0, 160, TOGETHER):
            told(crm, start, lambda _: HELLO)
    after = kept(log.url)
    assert sorted(after) == [(1, 0), (1, 1), (1, 2)]
    assert after.items() >= before.items()


def test_a_tree_that_somebody_altered_deceives_nobody(log: Log) -> None:
    intrude(log.url, "UPDATE crm.tree SET hash = sha256(hash) WHERE number = 1", hidden=False)
    with closing(CRM.open(log.url)) as crm:
        assert [(one.position, one.what) for one in crm.verify().problems] == [
            (257, "the facts from here to 512 are not those of the tree")
        ]
        with pytest.raises(Forked):
            crm.checkpoint(PRIVATE, extends=log.all)
        with pytest.raises(NotProved, match="the fact at position 1 is not the one that was"):
            crm.prove(PEOPLE[0], checkpoint=log.all)
        again = crm.checkpoint(PRIVATE, extends=log.half)  # what it goes on from is not altered
    assert unsigned(again).root == computed(log.url)[620]


def test_a_fact_that_is_missing_stops_no_writer_and_no_sealer(log: Log) -> None:
    missing = f"DELETE FROM crm.facts WHERE batch = {batch_of(601)} AND ordinal = 3"
    intrude(log.url, missing, hidden=False)
    with closing(CRM.open(log.url)) as crm:
        for start in range(20, 200, TOGETHER):
            told(crm, start, lambda _: HELLO)
        assert crm.position() == 800
        with pytest.raises(Incomplete, match="a fact at position 620 or shortly before is missing"):
            crm.checkpoint(PRIVATE, extends=log.all)
    assert sorted(kept(log.url)) == [(1, 0), (1, 1)]


def test_a_large_log_keeps_subtrees_of_subtrees(log: Log) -> None:
    """65,536 facts and more; nothing but their digests matters here."""
    many = TILE * TILE
    intrude(
        log.url,
        "INSERT INTO crm.facts SELECT (jsonb_populate_record(f, jsonb_build_object('batch',"
        " 1000 + n / 10000, 'ordinal', n % 10000, 'version', n + 1, 'stream',"
        f" '{UUID(int=9999)}'))).*"
        f" FROM crm.facts AS f, generate_series(0, {many - 1}) AS n"
        f" WHERE batch = {batch_of(1)} AND ordinal = 0",
        "UPDATE crm.facts SET digest = sha256(version::text::bytea) WHERE batch >= 1000",
        "INSERT INTO crm.sealed SELECT 620 + sum(count(*)) OVER (ORDER BY batch), count(*), batch,"
        " (SELECT max(recorded_at) FROM crm.sealed) FROM crm.facts WHERE batch >= 1000"
        " GROUP BY batch",
        "SELECT setval('crm.batches', 2000)",
        "INSERT INTO crm.seals SELECT max(last), max(recorded_at), sha256('x') FROM crm.sealed",
        "UPDATE crm.head SET position = (SELECT max(last) FROM crm.sealed), hash = sha256('x'),"
        " closed_at = (SELECT max(recorded_at) FROM crm.sealed)",
        hidden=False,
    )
    with closing(CRM.open(log.url)) as crm:
        for start in range(0, 300, TOGETHER):
            told(crm, start, lambda _: HELLO)
        size = crm.position()
        assert size == 620 + many + 300
        roots, found = computed(log.url), kept(log.url)
        assert {level: sum(at == level for at, _ in found) for level in (1, 2)} == {1: 259, 2: 1}
        assert root(size, crm.journal.tree()) == roots[size]
        assert root(many + 1, crm.journal.tree()) == roots[many + 1]
        grown = Range(many, crm.journal.tree())
        assert grown.root() == roots[many] == found[2, 0]
        assert "is not those of the tree" not in str(crm.verify().problems)


def test_a_log_of_before_has_a_tree_as_soon_as_it_is_sealed_again(log: Log) -> None:
    with psycopg.connect(log.url) as connection:
        connection.execute("DROP TABLE crm.tree")
        connection.execute("DELETE FROM crm.schema_version WHERE version = 5")
    with pytest.raises(StoreError, match="version 5 is needed"):
        CRM.open(log.url)
    assert CRM.migrate(log.url) == (4, 5)
    with closing(CRM.open(log.url)) as crm:
        assert crm.verify(checkpoints=[log.all], key=PUBLIC).problems == ()
        assert kept(log.url) == {}
        for start in range(0, 160, TOGETHER):
            told(crm, start, lambda _: HELLO)
    assert sorted(kept(log.url)) == [(1, 0), (1, 1), (1, 2)]


def test_the_tree_is_checked_with_sql_alone(log: Log) -> None:
    """An auditor computes leaves without this library: a row of recorded time and digest."""
    with psycopg.connect(log.url) as connection:
        [query] = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
        rows = connection.execute(query.encode()).fetchall()
    level = [leaf for (leaf,) in rows[:TILE]]
    while len(level) > 1:
        level = [
            sha256(b"\1" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=True)
        ]
    assert kept(log.url)[1, 0] == level[0]
