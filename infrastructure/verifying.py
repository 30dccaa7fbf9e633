"""Check a log in PostgreSQL from end to end: every digest, every link, every seal, every count."""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from crmcore.application.chain import GENESIS, leaves, seal_hash
from crmcore.application.journal import StoreError
from crmcore.application.notes import Checkpoint
from crmcore.application.tree_check import TreeCheck
from crmcore.application.verification import PROBLEMS_MAX, Problem, Progress, Verification
from crmcore.domain.recorded import Stream
from crmcore.infrastructure.database import Database
from crmcore.infrastructure.rows import COLUMNS, Row

if TYPE_CHECKING:
    from psycopg import Connection

PAGE = 5_000
FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)

_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"

_CHAINS = f"""
SELECT s.last - s.facts + 1 + f.ordinal, f.digest, {COLUMNS}
FROM crm.facts AS f LEFT JOIN crm.sealed AS s USING (batch)
ORDER BY f.kind, f.stream, f.version"""  # noqa: S608 - our own columns

_ORDER = """
SELECT s.last, s.facts, s.recorded_at, count(f.batch), max(f.ordinal),
    coalesce(string_agg(f.digest, '' ORDER BY f.ordinal), '')
FROM crm.sealed AS s LEFT JOIN crm.facts AS f USING (batch)
GROUP BY s.last ORDER BY s.last"""

_SEALS = "SELECT position, sealed_at, hash FROM crm.seals ORDER BY position"
_TREE = "SELECT level, number, hash FROM crm.tree"

# What no seal and no chain would show: facts and commands that belong to nothing.
_STRAYS = """
SELECT 'a fact is neither sealed nor waiting for it', f.kind, f.stream, f.version
FROM crm.facts AS f
WHERE NOT EXISTS (SELECT FROM crm.sealed AS s WHERE s.batch = f.batch)
    AND NOT EXISTS (SELECT FROM crm.tail AS t WHERE t.batch = f.batch)
UNION ALL
SELECT 'a fact has no command', f.kind, f.stream, f.version
FROM crm.facts AS f
WHERE NOT EXISTS (SELECT FROM crm.commands AS c WHERE c.command_id = f.command_id
    AND c.batch = f.batch)
UNION ALL
SELECT 'the facts of command ' || c.command_id || ' are ' || count(f.batch) || ', not ' || c.facts,
    NULL, NULL, NULL
FROM crm.commands AS c LEFT JOIN crm.facts AS f USING (batch, command_id)
GROUP BY c.command_id, c.facts HAVING count(f.batch) <> c.facts"""


class _Seal(NamedTuple):
    position: int
    sealed_at: datetime
    hash: bytes


class _Batch(NamedTuple):
    last: int
    facts: int
    recorded_at: datetime
    found: int
    ordinal_max: int | None
    digests: bytes


class _Checks:
    """Counts what is checked and keeps what is wrong."""

    def __init__(self, progress: Progress | None) -> None:
        self.facts = self.streams = self.seals = self.total = 0
        self.head = _Seal(0, FIRST_INSTANT, GENESIS)
        self.problems: list[Problem] = []
        self._progress = progress

    def found(self, problems: Iterable[Problem]) -> None:
        """Keep problems, as many as there is room for."""
        self.problems += islice(problems, PROBLEMS_MAX - len(self.problems))

    def step(self) -> None:
        """Say how far the check has come."""
        self.facts += 1
        if self._progress is not None and self.facts % PAGE == 0:
            self._progress(self.facts, self.total)


def verify(
    database: Database,
    progress: Progress | None = None,
    checkpoints: Collection[Checkpoint] = (),
) -> Verification:
    """Return what a check of everything that is recorded finds, at one moment of the log.

    Also whether it still holds what checkpoints were made of.

    Facts are read once by stream, for their chains, and their digests once more in the order of the
    seals; memory stays small.
    """
    checks = _Checks(progress)
    try:
        with database.transaction() as connection:
            connection.execute(_SNAPSHOT)
            _check(connection, checks, checkpoints)
    except StoreError as error:
        if type(error) is not StoreError:  # the store has trouble of its own
            raise
        checks.found([Problem(what=f"a stored value cannot be read: {error}")])
    return Verification(
        facts=checks.facts,
        streams=checks.streams,
        seals=checks.seals,
        position=checks.head.position,
        hash=checks.head.hash.hex(),
        problems=tuple(checks.problems),
    )


def _check(
    connection: "Connection[Any]", checks: _Checks, checkpoints: Collection[Checkpoint]
) -> None:
    """Read all there is, and keep what is wrong with it."""
    [(total,)] = connection.execute("SELECT count(*) FROM crm.facts").fetchall()
    checks.total = total
    for (kind, stream), rows in groupby(_rows(connection, _CHAINS), key=lambda row: row[2:4]):
        checks.streams += 1
        checks.found(_chain_problems(Stream(kind=kind, id=stream), rows, checks))
    found = connection.execute("SELECT position, closed_at, hash FROM crm.head").fetchall()
    checks.head = _Seal(*found[0]) if found else _Seal(0, FIRST_INSTANT, GENESIS)
    seals = [_Seal(*row) for row in connection.execute(_SEALS)]
    checks.seals = len(seals)
    kept = {(level, number): bytes(found) for level, number, found in connection.execute(_TREE)}
    tree = TreeCheck(checkpoints, kept)
    checks.found(tree.begin())
    batches = _added(_rows(connection, _ORDER), tree, checks)
    checks.found(_order_problems(batches, seals, checks.head))
    for _ in batches:
        pass  # what no seal holds is in the tree, too
    checks.found(tree.end())
    checks.found(
        Problem(what=what, stream=kind and Stream(kind=kind, id=stream), version=version)
        for what, kind, stream, version in _rows(connection, _STRAYS)
    )


def _rows(connection: "Connection[Any]", sql: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query a page at a time."""
    with connection.cursor(name="verify") as cursor:
        cursor.itersize = PAGE
        yield from cursor.execute(sql.encode())


def _chain_problems(
    stream: Stream, rows: Iterable[tuple[Any, ...]], checks: _Checks
) -> Iterator[Problem]:
    """Yield what is wrong within one stream: gaps, and facts that are not what was written."""
    previous, version = GENESIS, None
    for position, digest, *stored in rows:
        checks.step()
        row = Row(*stored)
        if version is not None and row.version != version + 1:
            missing = f"the versions {version + 1} to {row.version - 1} are missing"
            yield Problem(what=missing, position=position, stream=stream, version=row.version)
        elif version is None and row.version > 1:
            yield Problem(what=f"the versions 1 to {row.version - 1} are missing",
                          position=position, stream=stream, version=row.version)  # fmt: skip
        elif row.linked(previous).digest != digest:
            yield Problem(what="the fact, or the one before it, is not what was written",
                          position=position, stream=stream, version=row.version)  # fmt: skip
        previous, version = digest, row.version


def _added(rows: Iterator[tuple[Any, ...]], tree: TreeCheck, checks: _Checks) -> Iterator[_Batch]:
    """Yield batches, after their facts were added to the tree."""
    for batch in map(_Batch._make, rows):
        for leaf in leaves(batch.recorded_at, batch.digests):
            checks.found(tree.add(leaf))
        yield batch


def _order_problems(
    batches: Iterator[_Batch], seals: list[_Seal], head: _Seal
) -> Iterator[Problem]:
    """Yield what is wrong with the order: gaps, missing facts, and seals that do not fit."""
    batch = next(batches, None)
    before = _Batch(0, 0, FIRST_INSTANT, 0, None, b"")
    previous = _Seal(0, FIRST_INSTANT, GENESIS)
    for seal in seals:
        sealed: list[tuple[datetime, bytes]] = []
        while batch is not None and batch.last <= seal.position:
            yield from _batch_problems(batch, before)
            sealed.append((batch.recorded_at, batch.digests))
            before, batch = batch, next(batches, None)
        first = previous.position + 1
        if seal.hash != seal_hash(previous.hash, first, seal.sealed_at, sealed):
            what = f"the positions {first} to {seal.position} do not hold what was sealed"
            yield Problem(what=what, position=first)
        previous = seal
    if batch is not None:
        yield Problem(what="from here on there are positions without a seal", position=batch.last)
    if (previous.position, previous.hash) != (head.position, head.hash):
        yield Problem(what="the head is not at the last seal", position=head.position)


def _batch_problems(batch: _Batch, before: _Batch) -> Iterator[Problem]:
    """Yield what is wrong with the positions of one batch, given the one before it."""
    first = batch.last - batch.facts + 1
    if first != before.last + 1:
        yield Problem(what=f"the order goes on after position {before.last}", position=first)
    if (batch.found, batch.ordinal_max) != (batch.facts, batch.facts - 1):
        yield Problem(what=f"there are not {batch.facts} facts from here on", position=first)
    if batch.recorded_at < before.recorded_at:
        yield Problem(what="the recorded time runs backwards", position=first)
