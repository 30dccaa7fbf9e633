"""The contract of a journal, kept by each store (rules.md X4, log.md promises 1 and 2)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crmcore import CRM
from crmcore.application.journal import Commit, Conflict, Journal
from crmcore.domain.customer.profile import InteractionLogged
from crmcore.domain.recorded import Fact, Recorded, Stream

START = datetime(2026, 1, 1, tzinfo=UTC)
ADA = UUID(int=1)


@pytest.fixture(params=["memory", "postgres"])
def journal(request: pytest.FixtureRequest) -> Iterator[Journal]:
    if request.param == "memory":
        yield CRM.in_memory().journal
        return
    url = request.getfixturevalue("postgres_url")
    CRM.migrate(url)
    with closing(CRM.open(url)) as crm:
        yield crm.journal


def fact(
    stream: Stream, version: int, *, command: UUID, said: str = "hello", of: UUID | None = ADA
) -> Fact[Any]:
    return Fact(
        stream=stream,
        version=version,
        event=InteractionLogged(channel="phone", summary=said),
        effective_at=START - timedelta(days=version),
        actor="ann",
        reason="because",
        command_id=command,
        correlation_id=command,
        causation_id=None,
        policy="default@1",
        customer=of,
    )


def commit(stream: Stream, *versions: int, of: UUID | None = ADA) -> Commit:
    command = uuid4()
    facts = tuple(fact(stream, version, command=command, of=of) for version in versions)
    return Commit(command_id=command, digest=b"digest", facts=facts)


def a_stream(kind: str = "customer") -> Stream:
    return Stream(kind=kind, id=uuid4())


def test_what_is_appended_is_read_back_whole(journal: Journal) -> None:
    stream = a_stream()
    asked = commit(stream, 1, 2)
    [done] = journal.append([asked], START)
    assert [f.position for f in done.facts] == [1, 2]
    assert [f.recorded_at for f in done.facts] == [START, START]
    assert tuple(journal.read([stream])[stream]) == done.facts
    assert tuple(journal.log()) == done.facts
    assert journal.done([asked.command_id]) == {asked.command_id: done}
    first = done.facts[0]
    assert (first.stream, first.version, first.event) == (
        stream,
        1,
        InteractionLogged(channel="phone", summary="hello"),
    )
    assert first.effective_at == START - timedelta(days=1)
    assert (first.actor, first.reason, first.policy) == ("ann", "because", "default@1")
    assert (first.command_id, first.causation_id, first.customer) == (asked.command_id, None, ADA)


def test_nothing_is_read_where_nothing_is_recorded(journal: Journal) -> None:
    assert dict(journal.read([a_stream()])) == {}
    assert dict(journal.read([])) == {}
    assert dict(journal.done([uuid4()])) == {}
    assert list(journal.log()) == []
    assert list(journal.append([], START)) == []
    assert list(journal.about(ADA, through=10)) == []
    assert journal.position() == 0
    assert journal.position(START) == 0


def test_a_taken_version_is_a_conflict_and_records_nothing_of_the_batch(journal: Journal) -> None:
    taken, free = a_stream(), a_stream()
    journal.append([commit(taken, 1)], START)
    with pytest.raises(Conflict):
        journal.append([commit(free, 1), commit(taken, 1)], START)
    assert dict(journal.read([free])) == {}
    assert journal.position() == 1


def test_a_command_id_is_taken_once(journal: Journal) -> None:
    first = commit(a_stream(), 1)
    journal.append([first], START)
    with pytest.raises(Conflict):
        journal.append(
            [
                Commit(
                    command_id=first.command_id,
                    digest=b"",
                    facts=(fact(a_stream(), 1, command=uuid4()),),
                )
            ],
            START,
        )
    assert journal.position() == 1


def test_a_command_without_facts_is_remembered(journal: Journal) -> None:
    asked = commit(a_stream())
    [done] = journal.append([asked], START)
    assert done.facts == ()
    assert journal.done([asked.command_id]) == {asked.command_id: done}
    assert journal.position() == 0


def test_the_log_is_read_from_and_to_any_position(journal: Journal) -> None:
    stream = a_stream()
    journal.append([commit(stream, *range(1, 8))], START)
    assert [f.position for f in journal.log(after=2)] == [3, 4, 5, 6, 7]
    assert [f.position for f in journal.log(after=2, through=4)] == [3, 4]
    assert [f.position for f in journal.log(through=0)] == []


def test_positions_stay_dense_after_a_conflict(journal: Journal) -> None:
    stream = a_stream()
    journal.append([commit(stream, 1)], START)
    with pytest.raises(Conflict):
        journal.append([commit(stream, 1)], START)
    journal.append([commit(stream, 2)], START)
    assert [f.position for f in journal.log()] == [1, 2]


def test_recorded_time_never_runs_backwards_along_the_log(journal: Journal) -> None:
    stream = a_stream()
    journal.append([commit(stream, 1)], START)
    journal.append([commit(stream, 2)], START - timedelta(hours=1))
    assert [f.recorded_at for f in journal.log()] == [START, START + timedelta(microseconds=1)]


def test_what_was_known_at_an_instant_is_a_position(journal: Journal) -> None:
    stream, hour = a_stream(), timedelta(hours=1)
    for version in (1, 2, 3):
        journal.append([commit(stream, version)], START + version * hour)
    assert [journal.position(START + n * hour) for n in (0, 1, 2, 3, 9)] == [0, 1, 2, 3, 3]
    assert journal.position(START + 2 * hour - timedelta(microseconds=1)) == 1


def test_x1_nothing_is_recorded_any_more_at_an_instant_that_was_asked_about(
    journal: Journal,
) -> None:
    stream, hour = a_stream(), timedelta(hours=1)
    journal.append([commit(stream, 1)], START)
    assert journal.position(START + hour) == 1
    journal.append([commit(stream, 2)], START + hour - timedelta(minutes=1))
    assert journal.position(START + hour) == 1
    assert journal.position(START + 2 * hour) == 2


def test_the_facts_about_a_customer_come_from_all_its_streams(journal: Journal) -> None:
    own, deal, other = a_stream(), a_stream("opportunity"), a_stream()
    journal.append([commit(deal, 1, of=None)], START)
    journal.append([commit(own, 1)], START)
    journal.append([commit(other, 1, of=UUID(int=2))], START)
    journal.append([commit(deal, 2)], START)
    assert [f.position for f in journal.about(ADA, through=4)] == [1, 2, 4]
    assert [f.position for f in journal.about(ADA, through=3)] == [2]


def test_concurrent_appends_give_one_gapless_order(journal: Journal) -> None:
    streams = [a_stream() for _ in range(8)]

    def write(stream: Stream) -> list[Recorded[Any]]:
        return [
            f
            for version in range(1, 21)
            for done in journal.append([commit(stream, version)], START)
            for f in done.facts
        ]

    with ThreadPoolExecutor(8) as pool:
        written = [f for facts in pool.map(write, streams) for f in facts]
    log = list(journal.log())
    assert [f.position for f in log] == list(range(1, 161))
    assert sorted(written, key=lambda f: f.position) == log
    for stream in streams:
        assert [f.version for f in log if f.stream == stream] == list(range(1, 21))


def test_one_of_two_writers_of_a_version_wins(journal: Journal) -> None:
    stream = a_stream()

    def write(_: int) -> bool:
        try:
            journal.append([commit(stream, 1)], START)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(8))) == 1
    assert journal.position() == 1


def test_a_reader_that_follows_writers_misses_nothing(journal: Journal) -> None:
    streams = [a_stream() for _ in range(4)]

    def write(stream: Stream) -> None:
        for version in range(1, 26):
            journal.append([commit(stream, version)], START)

    seen: list[int] = []
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(write, stream) for stream in streams]
        while len(seen) < 100:
            seen += [f.position for f in journal.log(after=seen[-1] if seen else 0)]
            if all(task.done() for task in running):
                seen += [f.position for f in journal.log(after=seen[-1] if seen else 0)]
                break
    assert [task.exception() for task in running] == [None] * 4
    assert seen == list(range(1, 101))
