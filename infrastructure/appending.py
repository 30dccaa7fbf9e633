"""Many commits in few transactions, each with its own outcome: one that loses takes no other along.

They are written together. If somebody outside was faster with one of them, the halves are tried
apart, and so on, until it is alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from crmcore.application.chain import GENESIS
from crmcore.application.journal import Appended, Commit, Conflict
from crmcore.domain.recorded import Stream
from crmcore.infrastructure.database import Database
from crmcore.infrastructure.rows import Linked, row
from crmcore.infrastructure.writing import Written, write

BATCH_FACTS = 1_000

_ENDS = """
SELECT s.kind, s.stream, f.version, f.digest
FROM unnest(%s::text[], %s::uuid[]) AS s (kind, stream) CROSS JOIN LATERAL (
    SELECT version, digest FROM crm.facts
    WHERE kind = s.kind AND stream = s.stream ORDER BY version DESC LIMIT 1
) AS f"""


class _Ready(NamedTuple):
    """A commit and its facts, linked to what comes before them."""

    commit: Commit
    written: Written


def append(
    database: Database, commits: Sequence[Commit], at: datetime, tips: dict[Stream, bytes]
) -> Appended:
    """Record commits, each wholly or not at all; what `tips` lack is looked up."""
    lost: dict[UUID, Conflict] = {}
    versions = _looked_up(database, commits, tips)
    linked = (_linked(commit, at, tips) for commit in _in_order(commits, versions, lost))
    _record_all(database, _batches(linked), lost)
    written = {
        fact.stream for commit in commits if commit.command_id not in lost for fact in commit.facts
    }
    written -= {
        stream for commit in commits if commit.command_id in lost for stream in commit.streams
    }
    return Appended(lost=lost, tips={stream: tips[stream] for stream in written})


def ends(database: Database, streams: Sequence[Stream]) -> dict[Stream, tuple[int, bytes]]:
    """Return the version and the digest of the last fact of each of these streams that has one."""
    columns = [[stream.kind for stream in streams], [stream.id for stream in streams]]
    return {
        Stream(kind=kind, id=stream): (version, digest)
        for kind, stream, version, digest in database.query(_ENDS, columns)
    }


def _looked_up(
    database: Database, commits: Sequence[Commit], tips: dict[Stream, bytes]
) -> dict[Stream, int]:
    """Return the versions of those streams whose tips the caller did not tell, and add the tips."""
    unknown = {
        fact.stream
        for commit in commits
        for fact in commit.facts
        if fact.version > 1 and fact.stream not in tips
    }
    versions = dict.fromkeys(unknown, 0)
    if unknown:
        for stream, (version, digest) in ends(database, list(unknown)).items():
            versions[stream], tips[stream] = version, digest
    return versions


def _in_order(
    commits: Sequence[Commit], versions: dict[Stream, int], lost: dict[UUID, Conflict]
) -> Iterator[Commit]:
    """Yield those commits that follow one another and, where that is known, what is there."""
    ids: set[UUID] = set()
    failed: set[Stream] = set()
    for commit in commits:
        moved = _moved(commit, versions)
        if moved is None or commit.command_id in ids or not failed.isdisjoint(commit.streams):
            lost[commit.command_id] = Conflict("somebody else was first")
            failed.update(commit.streams)
        else:
            versions |= moved
            ids.add(commit.command_id)
            yield commit


def _moved(commit: Commit, versions: Mapping[Stream, int]) -> dict[Stream, int] | None:
    """Return where a commit leaves its streams, None if it does not follow on where they are."""
    moved: dict[Stream, int] = {}
    for fact in commit.facts:
        before = moved.get(fact.stream, versions.get(fact.stream, fact.version - 1))
        if fact.version != before + 1:
            return None
        moved[fact.stream] = fact.version
    return moved


def _linked(commit: Commit, at: datetime, tips: dict[Stream, bytes]) -> _Ready:
    """Return a commit with its facts linked, and move the tips on."""
    facts: list[Linked] = []
    for fact in commit.facts:
        linked = row(fact, at).linked(tips.get(fact.stream, GENESIS))
        tips[fact.stream] = linked.digest
        facts.append(linked)
    return _Ready(commit, Written(commit.command_id, commit.digest, facts))


def _batches(linked: Iterable[_Ready]) -> Iterator[list[_Ready]]:
    """Yield them in transactions of about BATCH_FACTS facts."""
    batch: list[_Ready] = []
    size = 0
    for item in linked:
        batch.append(item)
        size += len(item.written.facts)
        if size >= BATCH_FACTS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _record_all(
    database: Database, batches: Iterator[list[_Ready]], lost: dict[UUID, Conflict]
) -> None:
    """Record one batch after the other, and make the next one while one is on its way."""
    failed: set[Stream] = set()
    batch, following = next(batches, None), next(batches, None)
    if following is None:
        _record(database, batch or [], failed, lost)
        return
    with ThreadPoolExecutor(1) as other:
        while batch is not None:
            on_its_way = other.submit(_record, database, batch, failed, lost)
            batch, following = following, next(batches, None)
            on_its_way.result()


def _record(
    database: Database, batch: Sequence[_Ready], failed: set[Stream], lost: dict[UUID, Conflict]
) -> None:
    """Record a batch in one transaction, or find out by halves who of it lost."""
    ready: list[_Ready] = []
    for item in batch:
        if failed.isdisjoint(item.commit.streams):
            ready.append(item)
        else:
            lost[item.commit.command_id] = Conflict("what it was decided on did not happen")
    if not ready:
        return
    try:
        with database.connection() as connection:
            write(connection, [item.written for item in ready])
    except Conflict as conflict:
        if len(ready) == 1:
            lost[ready[0].commit.command_id] = conflict
            failed.update(ready[0].commit.streams)
        else:
            middle = len(ready) // 2
            _record(database, ready[:middle], failed, lost)
            _record(database, ready[middle:], failed, lost)
