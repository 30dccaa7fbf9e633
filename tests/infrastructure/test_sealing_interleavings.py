"""Sealing, stepped by hand: whatever happens between two statements, the order holds.

Real connections that take turns; nothing here waits for time to pass.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from itertools import permutations
from time import monotonic
from typing import Any, NamedTuple, Self
from uuid import UUID, uuid4

import psycopg
import psycopg.errors
import pytest
from psycopg.types.json import Jsonb

from crmcore import CRM
from crmcore.application.chain import GENESIS
from crmcore.domain.customer.profile import InteractionLogged
from crmcore.domain.recorded import Fact, Stream
from crmcore.infrastructure.database import migrate
from crmcore.infrastructure.parameters import register
from crmcore.infrastructure.rows import row
from crmcore.infrastructure.sealing import BATCHES_MAX, seal
from crmcore.infrastructure.writing import Written, write

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WAIT_S_MAX = 10
HEAD_LOCKED, TAKEN, PLACED = 2, 3, 4  # statements of a seal

Step = Callable[[], object]


class Stepped(psycopg.Connection[Any]):
    """A connection on which other things happen behind statements of its own, by their number."""

    behind: dict[int, Step]
    statements: int

    def execute(self, *arguments: Any, **options: Any) -> psycopg.Cursor[Any]:  # noqa: ANN401 - psycopg's
        """Carry out a statement, and then what is to happen behind it."""
        cursor = super().execute(*arguments, **options)
        self.statements += 1
        self.behind.get(self.statements, lambda: None)()
        return cursor

    def stepping(self, behind: dict[int, Step]) -> Self:
        """Return itself, to do one thing with these others in between."""
        self.behind, self.statements = behind, 0
        return self


class Place(NamedTuple):
    """A fact in the order."""

    position: int
    stream: UUID
    version: int


class Store:
    """A database, and what is read there by somebody who takes no part."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.url = url
        self._stack = stack
        self._onlooker = self.connection()
        self._tips: dict[tuple[UUID, int], bytes] = {}

    def connection(self) -> Stepped:
        """Return a connection as the library makes them."""
        connection = self._stack.enter_context(Stepped.connect(self.url, autocommit=True))
        register(connection.stepping({}))
        return connection.stepping({})

    def written(self, stream: UUID, version: int, facts: int = 1, **given: UUID) -> Written:
        """Return a command with facts that follow those of the version before."""
        command = given.get("command", uuid4())
        linked = []
        for number in range(version, version + facts):
            fact = row(_fact(stream, number, command), NOW)
            linked.append(fact.linked(self._tips.get((stream, number - 1), GENESIS)))
            self._tips[stream, number] = linked[-1].digest
        return Written(command, b"", linked)

    def log(self, after: int = 0) -> list[Place]:
        """Return the order behind a position."""
        found = self._onlooker.execute(
            "SELECT s.last - s.facts + 1 + f.ordinal AS position, f.stream, f.version"
            " FROM crm.sealed AS s JOIN crm.facts AS f USING (batch)"
            " WHERE s.last > %s ORDER BY 1",
            [after],
        )
        return [Place(*values) for values in found]

    def batches(self) -> dict[UUID, list[int]]:
        """Return the numbers of the batches that each stream's facts came in."""
        found: dict[UUID, list[int]] = {}
        for stream, batch in self._onlooker.execute(
            "SELECT stream, batch FROM crm.facts ORDER BY stream, version"
        ):
            found.setdefault(stream, []).append(batch)
        return found

    def visible(self, streams: Sequence[UUID]) -> set[tuple[UUID, int]]:
        """Return the facts of these streams that anybody can see now, sealed or not."""
        seen = "SELECT stream, version FROM crm.facts WHERE kind = 'customer' AND stream = ANY(%s)"
        return set(self._onlooker.execute(seen, [streams]))

    def waits(self, connection: Stepped) -> None:
        """Return as soon as a connection waits for another one's transaction, as it has to."""
        waits = "SELECT FROM unnest(pg_blocking_pids(%s))"
        deadline = monotonic() + WAIT_S_MAX
        while not self._onlooker.execute(waits, [connection.info.backend_pid]).rowcount:
            assert monotonic() < deadline, "nobody is in its way"

    def problems(self) -> Sequence[object]:
        """Return what a check of every digest, link, seal and count finds."""
        with closing(CRM.open(self.url)) as crm:
            return crm.verify().problems


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    migrate(postgres_url)
    with ExitStack() as stack:
        yield Store(postgres_url, stack)


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    """Threads for statements that wait for others."""
    with ThreadPoolExecutor() as pool:
        yield pool


def _fact(stream: UUID, version: int, command: UUID) -> Fact[Any]:
    return Fact(
        stream=Stream(kind="customer", id=stream),
        version=version,
        event=InteractionLogged(channel="phone", summary="hello"),
        effective_at=NOW,
        actor="ann",
        reason="",
        command_id=command,
        correlation_id=command,
        causation_id=None,
        policy="default@1",
        customer=None,
    )


def many(store: Store, writer: Stepped, batches: int) -> None:
    """Write to as many streams, in one transaction because that takes less time."""
    with writer.transaction():
        for _ in range(batches):
            write(writer, [store.written(uuid4(), 1)])


def versions(log: Sequence[Place], stream: UUID) -> list[int]:
    return [place.version for place in log if place.stream == stream]


class Turns:
    """Takes turns as a schedule says, and keeps what each writer could see when it wrote.

    A: one transaction that writes to a stream of its own, then to one of all, then commits.
    B: a commit, to the stream of all unless A is at it, which B would wait for.
    S: a seal, in three turns: it locks the head; it takes what waits; it places that and commits.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.a, self.b, self.s = (store.connection() for _ in range(3))
        self.saw: dict[tuple[UUID, int], set[tuple[UUID, int]]] = {}

    def take(self, schedule: str) -> None:
        """Take these turns."""
        self.own, self.spare, self.all = self.streams = [uuid4() for _ in range(3)]
        self.uncommitted: set[tuple[UUID, int]] = set()
        self.saw = {}
        self.a_turns = iter((self.a_begins, self.a_goes_on, self.a_commits))
        self.sealing = False
        self.schedule = iter(schedule)
        self.go_on()

    def go_on(self) -> None:
        """Take turns until the seal that is under way has its next, or there are no more."""
        for turn in self.schedule:
            if turn == "A":
                next(self.a_turns)()
            elif turn == "B":
                held = self.all in dict(self.uncommitted)
                self.writes(self.b, self.spare if held else self.all)
            elif self.sealing:
                return
            else:
                self.sealing = True
                seal(self.s.stepping({HEAD_LOCKED: self.go_on, TAKEN: self.go_on}), NOW)

    def a_begins(self) -> None:
        """Begin and write the first batch."""
        self.a.execute("BEGIN")
        self.uncommitted.add(self.writes(self.a, self.own))

    def a_goes_on(self) -> None:
        """Write a second batch, which knows of everything that is committed by now."""
        self.uncommitted.add(self.writes(self.a, self.all))

    def a_commits(self) -> None:
        """Commit both."""
        self.a.execute("COMMIT")
        self.uncommitted.clear()

    def writes(self, connection: Stepped, stream: UUID) -> tuple[UUID, int]:
        """Append the next fact of a stream."""
        visible = self.store.visible(self.streams)
        version = max((number for of, number in visible if of == stream), default=0) + 1
        self.saw[stream, version] = visible
        write(connection, [self.store.written(stream, version)])
        return stream, version


def test_in_whatever_order_a_seal_and_two_writers_take_turns(store: Store) -> None:
    turns = Turns(store)
    schedules = ["".join(turns) for turns in sorted(set(permutations("AAABBSSS")))]
    assert len(schedules) == 560
    for number, schedule in enumerate(schedules):
        turns.take(schedule)
        seal(turns.s.stepping({}), NOW)
        log = store.log(after=4 * number)
        assert [place.position for place in log] == list(range(4 * number + 1, 4 * number + 5))
        placed = {(stream, version): position for position, stream, version in log}
        for fact, saw in turns.saw.items():
            assert placed[fact] > max(map(placed.__getitem__, saw), default=0), schedule
    assert store.problems() == ()


@pytest.mark.parametrize("step", [TAKEN, PLACED])
def test_what_is_committed_during_a_seal_is_left_for_the_next(store: Store, step: int) -> None:
    writer, sealer, early, late = store.connection(), store.connection(), uuid4(), uuid4()
    write(writer, [store.written(early, 1)])

    def between() -> None:
        write(writer, [store.written(late, 1)])
        assert store.log() == []

    seal(sealer.stepping({step: between}), NOW)
    assert store.log() == [Place(1, early, 1)]
    seal(sealer.stepping({}), NOW)
    assert store.log() == [Place(1, early, 1), Place(2, late, 1)]


def test_an_open_transaction_holds_up_its_own_facts_and_nobody_elses(store: Store) -> None:
    slow, writer, sealer = (store.connection() for _ in range(3))
    open_for_long, free = uuid4(), uuid4()
    with slow.transaction():
        write(slow, [store.written(open_for_long, 1)])
        write(writer, [store.written(free, 1)])
        assert store.visible([open_for_long, free]) == {(free, 1)}
        seal(sealer, NOW)
        write(slow, [store.written(open_for_long, 2)])
        write(writer, [store.written(free, 2)])
        seal(sealer, NOW)
        assert versions(store.log(), free) == [1, 2]
    seal(sealer, NOW)
    assert store.log()[2:] == [Place(3, open_for_long, 1), Place(4, open_for_long, 2)]
    assert len(set(store.batches()[open_for_long])) == 2
    assert store.problems() == ()


def test_a_transaction_that_goes_on_with_anothers_stream_comes_behind_it(store: Store) -> None:
    slow, writer, sealer = (store.connection() for _ in range(3))
    own, shared = uuid4(), uuid4()
    with slow.transaction():
        write(slow, [store.written(own, 1)])
        write(writer, [store.written(shared, 1)])
        write(slow, [store.written(shared, 2)])
    seal(sealer, NOW)
    assert store.log() == [Place(1, own, 1), Place(2, shared, 1), Place(3, shared, 2)]


def test_a_number_taken_before_waiting_for_a_key_may_come_behind_higher_ones(
    store: Store, aside: ThreadPoolExecutor
) -> None:
    first, second, third, sealer = (store.connection() for _ in range(4))
    wanted, other = uuid4(), uuid4()
    with first.transaction(force_rollback=True):
        write(first, [store.written(wanted, 1)])
        waiting = aside.submit(write, second, [store.written(wanted, 1)])
        store.waits(second)
        write(third, [store.written(other, 1)])
        seal(sealer, NOW)
        assert store.log() == [Place(1, other, 1)]
    waiting.result()
    write(third, [store.written(wanted, 2)])
    seal(sealer, NOW)
    assert store.log() == [Place(1, other, 1), Place(2, wanted, 1), Place(3, wanted, 2)]
    batches = store.batches()
    assert batches[wanted][0] < batches[other][0] < batches[wanted][1]
    assert store.problems() == ()


def test_of_two_who_write_the_same_at_once_one_waits_and_loses(
    store: Store, aside: ThreadPoolExecutor
) -> None:
    first, second, sealer = (store.connection() for _ in range(3))
    stream, command = uuid4(), uuid4()
    with first.transaction():
        write(first, [store.written(stream, 1, command=command)])
        waiting = aside.submit(write, second, [store.written(stream, 1, command=command)])
        store.waits(second)
        seal(sealer, NOW)
    with pytest.raises(psycopg.errors.UniqueViolation):
        waiting.result()
    seal(sealer, NOW)
    assert store.log() == [Place(1, stream, 1)]
    assert store.problems() == ()


def test_numbers_of_failed_transactions_leave_no_gap(store: Store) -> None:
    writer, sealer, streams = store.connection(), store.connection(), [uuid4() for _ in range(3)]
    for stream in streams:
        with writer.transaction(force_rollback=True):
            write(writer, [store.written(uuid4(), 1, 3)])
        write(writer, [store.written(stream, 1, 2)])
        seal(sealer, NOW)
    assert [place.position for place in store.log()] == [1, 2, 3, 4, 5, 6]
    assert [place.stream for place in store.log()[::2]] == streams
    assert store.problems() == ()


def test_a_seal_that_is_full_leaves_the_highest_numbers(store: Store) -> None:
    slow, writer, sealer = (store.connection() for _ in range(3))
    held, shared = uuid4(), uuid4()
    slow.execute("BEGIN")
    write(slow, [store.written(held, 1)])
    many(store, writer, BATCHES_MAX - 1)
    write(writer, [store.written(shared, 1)])
    write(writer, [store.written(shared, 2)])
    assert seal(sealer, NOW)
    slow.execute("COMMIT")
    assert not seal(sealer, NOW)
    assert store.log()[BATCHES_MAX - 1 :] == [
        Place(BATCHES_MAX, shared, 1),
        Place(BATCHES_MAX + 1, held, 1),
        Place(BATCHES_MAX + 2, shared, 2),
    ]
    assert store.problems() == ()


def test_a_full_seal_goes_by_number_wherever_the_rows_of_the_tail_lie(store: Store) -> None:
    writer, sealer, shared = store.connection(), store.connection(), uuid4()
    many(store, writer, BATCHES_MAX)
    write(writer, [store.written(shared, 1)])
    seal(sealer, NOW)
    sealer.execute("VACUUM crm.tail")  # what is written from here on lies before what is left
    with store.connection() as next_writer:
        many(store, next_writer, BATCHES_MAX - 1)
        write(next_writer, [store.written(shared, 2)])
    seal(sealer, NOW)
    seal(sealer, NOW)
    assert versions(store.log(), shared) == [1, 2]


@pytest.mark.parametrize("step", [HEAD_LOCKED, TAKEN, PLACED])
def test_who_seals_at_the_same_time_goes_on_where_the_first_ended(
    store: Store, aside: ThreadPoolExecutor, step: int
) -> None:
    writer, one, two = (store.connection() for _ in range(3))
    early, late = uuid4(), uuid4()
    second: list[Future[bool]] = []
    write(writer, [store.written(early, 1)])

    def between() -> None:
        second.append(aside.submit(seal, two, NOW))
        store.waits(two)
        write(writer, [store.written(late, 1)])

    seal(one.stepping({step: between}), NOW)
    assert not second[0].result()
    assert store.log() == [Place(1, early, 1), Place(2, late, 1)]
    assert store.problems() == ()


@pytest.mark.parametrize("step", [HEAD_LOCKED, TAKEN, PLACED])
def test_a_sealer_that_dies_leaves_everything_to_the_next(store: Store, step: int) -> None:
    writer, dying, sealer, stream = *(store.connection() for _ in range(3)), uuid4()
    write(writer, [store.written(stream, 1, 2)])

    def between() -> None:
        writer.execute("SELECT pg_terminate_backend(%s, 60000)", [dying.info.backend_pid])

    with pytest.raises(psycopg.OperationalError):
        seal(dying.stepping({step: between}), NOW)
    assert store.log() == []
    seal(sealer, NOW)
    assert store.log() == [Place(1, stream, 1), Place(2, stream, 2)]
    assert store.problems() == ()


def test_while_a_sealer_hangs_others_write_and_read_but_cannot_seal(store: Store) -> None:
    writer, hanging, sealer = (store.connection() for _ in range(3))
    early, late = uuid4(), uuid4()
    write(writer, [store.written(early, 1)])
    seal(sealer, NOW)
    write(writer, [store.written(early, 2)])
    sealer.execute("SET lock_timeout = '1ms'")

    def between() -> None:
        write(writer, [store.written(late, 1)])
        assert store.log() == [Place(1, early, 1)]
        with pytest.raises(psycopg.errors.LockNotAvailable):
            seal(sealer, NOW)

    seal(hanging.stepping({TAKEN: between}), NOW)
    seal(sealer, NOW)
    assert store.log() == [Place(1, early, 1), Place(2, early, 2), Place(3, late, 1)]


def test_a_number_that_was_given_before_is_refused_when_it_is_written(store: Store) -> None:
    writer, sealer, stream = store.connection(), store.connection(), uuid4()
    write(writer, [store.written(stream, 1)])
    seal(sealer, NOW)
    writer.execute("ALTER SEQUENCE crm.batches RESTART")  # as where the log was replicated to
    with pytest.raises(psycopg.errors.UniqueViolation):
        write(writer, [store.written(uuid4(), 1)])


def test_what_is_added_to_a_sealed_batch_gets_no_place(store: Store) -> None:
    writer, sealer, stream = store.connection(), store.connection(), uuid4()
    for version in (1, 2):
        write(writer, [store.written(stream, version)])
        seal(sealer, NOW)
    writer.execute(
        "INSERT INTO crm.facts SELECT (jsonb_populate_record(f, %s)).* FROM crm.facts AS f"
        " WHERE version = 1",
        [Jsonb({"ordinal": 1, "version": 3})],
    )
    with closing(CRM.open(store.url)) as crm:
        assert [(fact.position, fact.version) for fact in crm.journal.log()] == [(1, 1), (2, 2)]
        assert crm.verify().problems


def test_many_and_few_facts_take_their_keys_in_the_same_order(
    store: Store, aside: ThreadPoolExecutor
) -> None:
    blocking, few, many = (store.connection() for _ in range(3))
    low, high = UUID(int=1), UUID(int=2)
    stream = uuid4()
    with blocking.transaction(force_rollback=True):
        write(blocking, [store.written(uuid4(), 1, command=low)])
        asked = [store.written(uuid4(), 1, command=low), store.written(stream, 1, command=high)]
        of_few = aside.submit(write, few, asked)
        store.waits(few)
        filling = [store.written(uuid4(), 1, 100) for _ in range(10)]
        asked = [store.written(stream, 1, command=high), *filling]
        of_many = aside.submit(write, many, asked)
        store.waits(many)
    of_few.result()
    assert isinstance(of_many.exception(), psycopg.errors.UniqueViolation)
