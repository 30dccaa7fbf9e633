"""Consumers of the log: in order, nothing missed, what cannot be handled set aside (X11)."""

import threading
from typing import Any
from uuid import UUID

import psycopg
import pytest

from crmcore import CRM, Recorded, Stream, Unreachable
from crmcore.domain import customer
from tests.application.acting import NOW

ADA, BOB = UUID(int=1), UUID(int=2)


def opened(url: str) -> CRM:
    CRM.migrate(url)
    return CRM.open(url, clock=lambda: NOW)


def register(crm: CRM, *customers: UUID) -> None:
    for one in customers:
        command = customer.Register(code=str(one.int), name="Ada", kind="person")
        crm.do(command, to=one, act=crm.act("ann"))


def talk(crm: CRM, to: UUID, said: str = "hi") -> None:
    crm.do(customer.LogInteraction(channel="chat", summary=said), to=to, act=crm.act("ann"))


class Seen:
    """A handler that notes what it was given, and fails at one position."""

    def __init__(self, *, fails_at: int = 0) -> None:
        self.positions: list[int] = []
        self.fails_at = fails_at

    def __call__(self, fact: Recorded[Any], connection: object) -> None:
        del connection
        if fact.position == self.fails_at:
            raise ValueError(f"no idea\nof {fact.position}")
        self.positions.append(fact.position)


def test_a_feed_yields_the_facts_in_order_from_any_position(crm: CRM) -> None:
    register(crm, ADA, BOB)
    talk(crm, ADA)
    assert [fact.position for fact in crm.feed()] == [1, 2, 3]
    assert [fact.position for fact in crm.feed(after=1)] == [2, 3]
    assert list(crm.feed(after=3)) == []


def test_a_feed_that_follows_goes_on_with_what_comes_later(crm: CRM) -> None:
    register(crm, ADA)
    feed = crm.feed(follow=True)
    assert next(feed).position == 1
    writer = threading.Thread(target=register, args=(crm, BOB))
    writer.start()
    assert next(feed).position == 2
    writer.join()


def test_a_consumer_goes_on_where_it_stopped(crm: CRM) -> None:
    register(crm, ADA, BOB)
    first, second = Seen(), Seen()
    delivered = crm.consumer("totals").deliver(first, limit=1)
    assert (delivered.position, delivered.last, delivered.handled) == (1, 2, 1)
    talk(crm, ADA)
    delivered = crm.consumer("totals").deliver(second)
    assert (delivered.position, delivered.last, delivered.handled) == (3, 3, 2)
    assert (first.positions, second.positions) == ([1], [2, 3])
    assert crm.consumer("totals").deliver(second).handled == 0
    progress = crm.consumer("totals").progress()
    assert (progress.position, progress.last, progress.parked) == (3, 3, ())


def test_consumers_of_other_names_have_places_of_their_own(crm: CRM) -> None:
    register(crm, ADA)
    one, other = Seen(), Seen()
    crm.consumer("one").deliver(one)
    crm.consumer("other").deliver(other)
    assert one.positions == other.positions == [1]


def test_a_fact_whose_handler_fails_parks_its_stream_and_no_other(crm: CRM) -> None:
    register(crm, ADA, BOB)
    talk(crm, ADA)
    talk(crm, BOB)
    bad = Seen(fails_at=1)
    delivered = crm.consumer("totals").deliver(bad)
    assert (delivered.position, delivered.handled) == (4, 2)
    [parked] = delivered.parked
    assert (parked.stream, parked.position) == (Stream(kind="customer", id=ADA), 1)
    assert parked.reason == "ValueError: no idea"
    talk(crm, ADA)
    assert crm.consumer("totals").deliver(bad).handled == 0
    assert [f for f in bad.positions if f in {1, 3, 5}] == []


def test_what_was_parked_is_taken_up_in_its_order_after_the_fix(crm: CRM) -> None:
    register(crm, ADA, BOB)
    talk(crm, ADA)
    crm.consumer("totals").deliver(Seen(fails_at=1))
    still_bad = Seen(fails_at=3)
    resumed = crm.consumer("totals").resume(still_bad)
    assert (still_bad.positions, resumed.handled) == ([1], 1)
    assert [parked.position for parked in resumed.parked] == [3]
    fixed = Seen()
    assert crm.consumer("totals").resume(fixed).parked == ()
    talk(crm, ADA)
    crm.consumer("totals").deliver(fixed)
    assert fixed.positions == [3, 4]


def test_a_consumer_that_runs_handles_what_comes_until_it_is_stopped(crm: CRM) -> None:
    register(crm, ADA)
    seen: list[int] = []
    stop, both = threading.Event(), threading.Event()

    def handle(fact: Recorded[Any], _: object) -> None:
        seen.append(fact.position)
        if len(seen) == 2:
            both.set()

    runner = threading.Thread(
        target=crm.consumer("totals").run, args=(handle,), kwargs={"stop": stop}
    )
    runner.start()
    with crm.sealing(interval_s=0.01):
        register(crm, BOB)
        assert both.wait(30)
    stop.set()
    runner.join()
    assert seen == [1, 2]


def test_a_consumer_that_runs_outlives_a_server_that_was_away() -> None:
    crm = CRM.in_memory(clock=lambda: NOW)
    register(crm, ADA)
    seen: list[int] = []
    stop = threading.Event()

    def away_at_first(fact: Recorded[Any], _: object) -> None:
        seen.append(fact.position)
        if len(seen) == 1:
            raise Unreachable("the connection was cut")
        stop.set()

    crm.consumer("totals").run(away_at_first, stop=stop)
    assert seen == [1, 1]
    assert crm.consumer("totals").progress().position == 1


def test_trouble_with_the_store_parks_nothing(crm: CRM) -> None:
    register(crm, ADA)

    def cut(_: object, __: object) -> None:
        raise Unreachable("the connection was cut")

    with pytest.raises(Unreachable):
        crm.consumer("totals").deliver(cut)
    progress = crm.consumer("totals").progress()
    assert (progress.position, progress.parked) == (0, ())


def count(fact: Recorded[Any], connection: "psycopg.Connection[Any]") -> None:
    connection.execute("UPDATE host_totals SET n = n + 1")
    if fact.position == 2:
        connection.execute("SELECT 1 / 0")


def test_what_a_handler_writes_is_there_exactly_as_often_as_its_checkpoint_says(
    postgres_url: str,
) -> None:
    with opened(postgres_url) as crm, psycopg.connect(postgres_url, autocommit=True) as host:
        host.execute("CREATE TABLE host_totals AS SELECT 0 AS n")
        register(crm, ADA, BOB, UUID(int=3))
        delivered = crm.consumer("totals").deliver(count)
        assert (delivered.position, delivered.handled) == (3, 2)
        assert host.execute("SELECT n FROM host_totals").fetchall() == [(2,)]
        [parked] = delivered.parked
        assert parked.reason == "DivisionByZero: division by zero"


def test_a_consumer_that_dies_in_its_transaction_has_done_nothing(postgres_url: str) -> None:
    class DiedError(BaseException):
        pass

    def die(_: object, connection: "psycopg.Connection[Any]") -> None:
        connection.execute("UPDATE host_totals SET n = n + 1")
        raise DiedError

    with opened(postgres_url) as crm, psycopg.connect(postgres_url, autocommit=True) as host:
        host.execute("CREATE TABLE host_totals AS SELECT 0 AS n")
        register(crm, ADA)
        with pytest.raises(DiedError):
            crm.consumer("totals").deliver(die)
        assert host.execute("SELECT n FROM host_totals").fetchall() == [(0,)]
        assert crm.consumer("totals").progress().position == 0


def test_a_fact_that_cannot_be_read_parks_its_stream(postgres_url: str) -> None:
    with opened(postgres_url) as crm:
        register(crm, ADA, BOB)
        talk(crm, ADA)
        with psycopg.connect(postgres_url) as intruder:
            intruder.execute("ALTER TABLE crm.facts DISABLE TRIGGER ALL")
            intruder.execute("UPDATE crm.facts SET payload = '{' WHERE stream = %s", [ADA])
        seen = Seen()
        delivered = crm.consumer("totals").deliver(seen)
        assert (seen.positions, delivered.position) == ([2], 3)
        [parked] = delivered.parked
        assert parked.position == 1
        assert parked.reason.startswith("its payload is no customer.registered")
        assert crm.consumer("totals").resume(seen).parked == (parked,)


def test_one_of_two_processes_of_a_consumer_delivers_at_a_time(postgres_url: str) -> None:
    with opened(postgres_url) as crm, CRM.open(postgres_url) as other:
        register(crm, *(UUID(int=n) for n in range(1, 41)))
        seen: list[int] = []

        def deliver(one: CRM) -> None:
            for _ in range(20):
                one.consumer("totals").deliver(lambda fact, _: seen.append(fact.position), limit=1)

        threads = [threading.Thread(target=deliver, args=(one,)) for one in (crm, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == list(range(1, 41))
