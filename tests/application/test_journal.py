"""The contract of a journal, kept by each store (rules.md X4, log.md promises 1 and 2)."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crmcore import CRM
from crmcore.application.chain import GENESIS
from crmcore.application.group import Group
from crmcore.application.journal import Commit, Journal
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
    return Commit(command_id=command, digest=b"digest", streams=(stream,), facts=facts)


def a_stream(kind: str = "customer") -> Stream:
    return Stream(kind=kind, id=uuid4())


def append(journal: Journal, *commits: Commit, at: datetime = START) -> list[UUID]:
    """Append, with the tips as they are; return the ids of the commands that lost."""
    pasts = journal.read({stream for one in commits for stream in one.streams})
    tips = {stream: past.tip for stream, past in pasts.items()}
    return list(journal.append(commits, at=at, tips=tips).lost)


def recorded(journal: Journal, at: datetime = START) -> list[Recorded[Any]]:
    """Seal, and return all that is recorded."""
    last = journal.seal(at)
    facts = list(journal.log())
    assert [f.position for f in facts] == list(range(1, last + 1))
    return facts


def test_what_is_appended_is_read_back_whole(journal: Journal) -> None:
    stream = a_stream()
    asked = commit(stream, 1, 2)
    assert append(journal, asked) == []
    assert journal.read([stream])[stream].facts == asked.facts
    assert journal.done([asked.command_id])[asked.command_id].facts == asked.facts
    assert journal.done([asked.command_id])[asked.command_id].digest == b"digest"
    first, second = recorded(journal)
    assert (first.recorded_at, second.recorded_at) == (START, START)
    assert list(journal.stream(stream, through=2)) == [first, second]
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
    assert dict(journal.append([], at=START, tips={}).lost) == {}
    assert list(journal.about(ADA, through=10)) == []
    assert list(journal.stream(a_stream(), through=10)) == []
    assert journal.seal(START) == 0
    assert journal.position() == 0
    assert journal.position(START) == 0


def test_what_is_not_sealed_is_decided_on_but_not_in_the_order_yet(journal: Journal) -> None:
    stream = a_stream()
    append(journal, commit(stream, 1))
    assert [f.version for f in journal.read([stream])[stream].facts] == [1]
    assert (list(journal.log()), journal.position()) == ([], 0)
    assert (journal.seal(START), journal.position()) == (1, 1)
    assert [f.version for f in journal.log()] == [1]


def test_a_taken_version_is_a_conflict_and_touches_no_other_commit(journal: Journal) -> None:
    taken, free = a_stream(), a_stream()
    append(journal, commit(taken, 1))
    loser = commit(taken, 1, 2)
    assert append(journal, commit(free, 1), loser) == [loser.command_id]
    assert [f.stream for f in recorded(journal)] == [taken, free]
    assert dict(journal.done([loser.command_id])) == {}


def test_whoever_follows_a_loser_on_a_stream_loses_too(journal: Journal) -> None:
    taken, other, free = a_stream(), a_stream(), a_stream()
    append(journal, commit(taken, 1))
    loser, follower = commit(taken, 1), commit(taken, 2)
    both = commit(other, 1)
    both = Commit(command_id=both.command_id, digest=b"", streams=(taken, other), facts=both.facts)
    after = commit(other, 1)
    winner = commit(free, 1)
    lost = append(journal, loser, follower, both, after, winner)
    assert set(lost) == {loser.command_id, follower.command_id, both.command_id, after.command_id}
    assert [f.stream for f in recorded(journal)] == [taken, free]


def test_of_two_commits_of_one_version_the_first_is_recorded(journal: Journal) -> None:
    stream, free = a_stream(), a_stream()
    first, second = commit(stream, 1), commit(stream, 1)
    assert append(journal, first, second, commit(free, 1)) == [second.command_id]
    assert [f.command_id for f in recorded(journal) if f.stream == stream] == [first.command_id]


def test_a_command_id_is_taken_once(journal: Journal) -> None:
    first = commit(a_stream(), 1)
    append(journal, first)
    other = a_stream()
    again = Commit(
        command_id=first.command_id,
        digest=b"",
        streams=(other,),
        facts=(fact(other, 1, command=first.command_id),),
    )
    assert append(journal, again) == [first.command_id]
    assert append(journal, commit(a_stream(), 1), again) == [first.command_id]
    assert len(recorded(journal)) == 2


def test_a_command_without_facts_is_remembered(journal: Journal) -> None:
    asked = commit(a_stream())
    assert append(journal, asked, commit(a_stream())) == []
    assert journal.done([asked.command_id])[asked.command_id].facts == ()
    assert append(journal, asked) == [asked.command_id]
    assert recorded(journal) == []


def test_many_facts_are_appended_like_few(journal: Journal) -> None:
    streams = [a_stream() for _ in range(120)]
    commits = [commit(stream, *range(1, 101)) for stream in streams]
    assert append(journal, *commits) == []
    facts = recorded(journal)
    assert [f.stream for f in facts[::100]] == streams
    assert [f.version for f in facts] == list(range(1, 101)) * 120
    loser = commits[60]
    more = [commit(stream, *range(101, 201)) for stream in streams]
    assert append(journal, *more, loser) == [loser.command_id]
    assert len(recorded(journal)) == 24_000
    assert journal.verify().problems == ()


def test_a_loser_among_many_takes_along_only_who_follows_it(journal: Journal) -> None:
    taken = a_stream()
    append(journal, commit(taken, 1))
    others = [commit(a_stream(), *range(1, 51)) for _ in range(60)]  # in several transactions
    # Both are told a tip, as one who does not know that somebody else was faster.
    first, second = commit(taken, 1), commit(taken, 2)
    asked = [*others[:5], first, *others[5:], second]
    lost = journal.append(asked, at=START, tips={taken: GENESIS}).lost
    assert lost.keys() == {first.command_id, second.command_id}
    assert len(recorded(journal)) == 1 + 60 * 50
    assert journal.verify().problems == ()


def test_the_log_is_read_from_and_to_any_position(journal: Journal) -> None:
    stream = a_stream()
    append(journal, commit(stream, 1, 2, 3))
    append(journal, commit(stream, 4, 5, 6, 7))
    journal.seal(START)
    assert [f.position for f in journal.log(after=2)] == [3, 4, 5, 6, 7]
    assert [f.position for f in journal.log(after=2, through=4)] == [3, 4]
    assert [f.position for f in journal.log(after=3, through=5)] == [4, 5]
    assert [f.position for f in journal.log(through=0)] == []
    assert [f.position for f in journal.log(after=9)] == []


def test_positions_stay_dense_after_a_conflict(journal: Journal) -> None:
    stream = a_stream()
    append(journal, commit(stream, 1))
    append(journal, commit(stream, 1))
    append(journal, commit(stream, 2))
    assert [f.version for f in recorded(journal)] == [1, 2]


def test_recorded_time_never_runs_backwards_along_the_log(journal: Journal) -> None:
    stream = a_stream()
    append(journal, commit(stream, 1))
    journal.seal(START)
    append(journal, commit(stream, 2), at=START - timedelta(hours=1))
    facts = recorded(journal, START - timedelta(hours=1))
    assert [f.recorded_at for f in facts] == [START, START + timedelta(microseconds=1)]


def test_what_was_known_at_an_instant_is_a_position(journal: Journal) -> None:
    stream, hour = a_stream(), timedelta(hours=1)
    for version in (1, 2, 3):
        append(journal, commit(stream, version), at=START + version * hour)
        journal.seal(START + version * hour)
    assert [journal.position(START + n * hour) for n in (0, 1, 2, 3, 9)] == [0, 1, 2, 3, 3]
    assert journal.position(START + 2 * hour - timedelta(microseconds=1)) == 1


def test_what_was_written_on_monday_and_sealed_on_friday_was_known_on_monday(
    journal: Journal,
) -> None:
    day = timedelta(days=1)
    append(journal, commit(a_stream(), 1), at=START)
    append(journal, commit(a_stream(), 1), at=START + 2 * day)
    assert [f.recorded_at for f in recorded(journal, START + 4 * day)] == [START, START + 2 * day]
    assert [journal.position(START + n * day) for n in (0, 1, 2, 3)] == [1, 1, 2, 2]


def test_a_writer_whose_clock_is_ahead_takes_nobody_along(journal: Journal) -> None:
    hour = timedelta(hours=1)
    append(journal, commit(a_stream(), 1), at=START + 1_000 * hour)
    append(journal, commit(a_stream(), 1), at=START + hour)
    times = [f.recorded_at for f in recorded(journal, START + hour)]
    assert times == [START + hour, START + hour]


def test_x1_nothing_is_recorded_any_more_at_an_instant_that_was_asked_about(
    journal: Journal,
) -> None:
    stream, hour = a_stream(), timedelta(hours=1)
    append(journal, commit(stream, 1))
    journal.seal(START)
    assert journal.position(START + hour) == 1
    append(journal, commit(stream, 2), at=START + hour - timedelta(minutes=1))
    journal.seal(START + hour - timedelta(minutes=1))
    assert journal.position(START + hour) == 1
    assert journal.position(START + 2 * hour) == 2


def test_the_facts_about_a_customer_come_from_all_its_streams(journal: Journal) -> None:
    own, deal, other = a_stream(), a_stream("opportunity"), a_stream()
    for one in (
        commit(deal, 1, of=None),
        commit(own, 1),
        commit(other, 1, of=UUID(int=2)),
        commit(deal, 2),
    ):
        append(journal, one)
    journal.seal(START)
    assert [f.position for f in journal.about(ADA, through=4)] == [1, 2, 4]
    assert [f.position for f in journal.about(ADA, through=3)] == [2]


def test_each_fact_is_linked_to_the_one_before_it_in_its_stream(journal: Journal) -> None:
    one, other = a_stream(), a_stream()
    append(journal, commit(one, 1))
    tip = journal.read([one])[one].tip
    append(journal, commit(one, 2), commit(other, 1))
    pasts = journal.read([one, other])
    assert len({tip, pasts[one].tip, pasts[other].tip, GENESIS}) == 4
    told = journal.append([commit(one, 3)], at=START, tips={})  # the tip is looked up
    assert dict(told.tips) == {one: journal.read([one])[one].tip}
    journal.append([commit(one, 4)], at=START, tips=told.tips)
    journal.seal(START)
    assert journal.verify().problems == ()


def test_concurrent_appends_give_one_gapless_order(journal: Journal) -> None:
    streams = [a_stream() for _ in range(8)]

    def write(stream: Stream) -> None:
        for version in range(1, 21):
            assert append(journal, commit(stream, version)) == []

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, streams))
    log = recorded(journal)
    assert len(log) == 160
    for stream in streams:
        assert [f.version for f in log if f.stream == stream] == list(range(1, 21))


def test_one_of_two_writers_of_a_version_wins(journal: Journal) -> None:
    stream = a_stream()

    def write(_: int) -> bool:
        return not journal.append([commit(stream, 1)], at=START, tips={}).lost

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(8))) == 1
    assert len(recorded(journal)) == 1


def test_a_reader_that_follows_writers_misses_nothing(journal: Journal) -> None:
    streams = [a_stream() for _ in range(4)]

    def write(stream: Stream) -> None:
        for version in range(1, 26):
            append(journal, commit(stream, version))

    seen: list[int] = []
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(write, stream) for stream in streams]
        while len(seen) < 100:
            ended = all(task.done() for task in running)
            journal.seal(START)
            seen += [f.position for f in journal.log(after=len(seen))]
            if ended:
                break
    assert [task.exception() for task in running] == [None] * 4
    assert seen == list(range(1, 101))


def test_writers_that_share_transactions_keep_their_own_outcomes(journal: Journal) -> None:
    streams = [a_stream() for _ in range(4)]

    def work(commits: Sequence[Commit]) -> list[bool]:
        lost = journal.append(commits, at=START, tips={}).lost
        return [one.command_id not in lost for one in commits]

    group = Group(work)
    with ThreadPoolExecutor(16) as pool:
        asked = [commit(streams[n % 4], 1 + n // 8) for n in range(80)]
        won = list(pool.map(lambda one: group([one])[0], asked))
    facts = recorded(journal)
    assert {f.command_id for f in facts} == {
        one.command_id for one, first in zip(asked, won, strict=True) if first
    }
    for stream in streams:
        versions = [f.version for f in facts if f.stream == stream]
        assert versions == list(range(1, len(versions) + 1))
