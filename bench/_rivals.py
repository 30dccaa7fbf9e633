"""What append.py measures beside ours in Python: a bare insert and the eventsourcing library.

The library runs its best configuration that is safe: an acknowledged event is on the disk, and a
reader that follows the notification log misses none. So never with POSTGRES_ENABLE_DB_FUNCTIONS,
whose insert takes no lock: it can make a later number visible before an earlier one.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from itertools import count
from queue import SimpleQueue
from uuid import UUID, uuid4

import psycopg
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from bench._load import (
    AGGREGATE_FACTS,
    BULK_FACTS,
    CHANNEL,
    CONNECTIONS_MAX,
    NAME,
    PAYLOAD,
    STREAM_FACTS,
    SUMMARY,
    AsyncCall,
    Call,
    Sample,
    run_batches,
    run_tasks,
    run_threads,
    to_threads,
)
from bench._servers import library_environment

INSERT = "INSERT INTO facts (stream, version, name, payload) VALUES (%s, %s, %s, %s)"
LIBRARY_CONNECTIONS = 5  # its default without overflow; 40 at one table lock got no more done
SAVED_AT_ONCE = 500  # 1,000 are no faster, and with 2,000 of ours `save` never returns


class Bare:
    """The limit: psycopg alone, one prepared INSERT in autocommit, and COPY for many rows.

    More callers than connections take turns, in ways that cost less than a pool. Threads do not do
    so fairly, so beyond CONNECTIONS_MAX threads it is the rate that tells, not the latencies.
    """

    table = "facts"

    def __init__(self, url: str) -> None:
        self.url = url
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE facts (stream uuid, version integer, name text NOT NULL,"
                " payload bytea NOT NULL, PRIMARY KEY (stream, version))"
            )

    def append_sync(self, callers: int, seconds: float) -> Sample:
        """Insert one row a call."""
        with self._connections(callers) as connections:
            return run_threads([_inserting(connections) for _ in range(callers)], seconds)

    def append_async(self, callers: int, seconds: float) -> Sample:
        """Insert one row a call, over asynchronous connections."""
        return run_tasks(self._inserters(callers), seconds)

    def bulk(self, seconds: float) -> Sample:
        """Copy BULK_FACTS rows a call, in binary form."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return run_batches(lambda: _copying(connection), BULK_FACTS, seconds)

    def commands(self, threads: int, seconds: float) -> None:
        """Do nothing: an insert decides nothing."""
        del threads, seconds

    @contextmanager
    def _connections(self, callers: int) -> "Iterator[SimpleQueue[psycopg.Connection]]":
        free: SimpleQueue[psycopg.Connection] = SimpleQueue()
        with ExitStack() as stack:
            for _ in range(min(callers, CONNECTIONS_MAX)):
                free.put(stack.enter_context(psycopg.connect(self.url, autocommit=True)))
            yield free

    @asynccontextmanager
    async def _inserters(self, callers: int) -> AsyncIterator[Sequence[AsyncCall]]:
        size = min(callers, CONNECTIONS_MAX)
        turns, free = asyncio.Semaphore(size), deque[psycopg.AsyncConnection]()
        async with AsyncExitStack() as stack:
            for _ in range(size):
                opened = await psycopg.AsyncConnection.connect(self.url, autocommit=True)
                free.append(await stack.enter_async_context(opened))
            yield [_inserting_async(turns, free) for _ in range(callers)]


def _inserting(free: "SimpleQueue[psycopg.Connection]") -> Call:
    stream, versions = uuid4(), count(1)

    def call() -> None:
        connection = free.get()
        connection.execute(INSERT, (stream, next(versions), NAME, PAYLOAD), prepare=True)
        free.put(connection)

    return call


def _inserting_async(turns: asyncio.Semaphore, free: deque[psycopg.AsyncConnection]) -> AsyncCall:
    stream, versions = uuid4(), count(1)

    async def call() -> None:
        async with turns:
            connection = free.pop()
            await connection.execute(INSERT, (stream, next(versions), NAME, PAYLOAD), prepare=True)
            free.append(connection)

    return call


def _copying(connection: psycopg.Connection) -> Call:
    streams = [uuid4() for _ in range(BULK_FACTS // STREAM_FACTS)]
    rows = [
        (stream, version, NAME, PAYLOAD)
        for stream in streams
        for version in range(1, STREAM_FACTS + 1)
    ]

    def call() -> None:
        with connection.cursor().copy("COPY facts FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(("uuid", "int4", "text", "bytea"))
            for row in rows:
                copy.write_row(row)

    return call


class Customer(Aggregate):
    """The library's aggregate for the same facts."""

    def __init__(self) -> None:
        self.contacts = 0

    class Logged(Aggregate.Event):
        """A contact with the customer."""

        channel: str
        summary: str

    @event(Logged)
    def log(self, channel: str, summary: str) -> None:  # noqa: ARG002 - the event's
        """Write a contact down."""
        self.contacts += 1


class Customers(Application[UUID]):
    """The library's application."""


class Library:
    """The eventsourcing library, with `save` as it comes, which locks the table and notifies.

    Its cache of aggregates is off, as it is by default: with it a load still asks for new events,
    and took as long. To save that question, with AGGREGATE_CACHE_FASTFORWARD off, would mean one
    process only: when another has written to an aggregate, every later command on it fails here.
    """

    table = "customers_events"

    def __init__(self, url: str) -> None:
        self.url = url

    def append_sync(self, callers: int, seconds: float) -> Sample:
        """Save one event a call, of an aggregate that stays in memory."""
        with self._opened(callers) as customers:
            return run_threads(_saving(customers, callers), seconds)

    def append_async(self, callers: int, seconds: float) -> Sample:
        """Save one event a call, in threads: the library is synchronous."""
        with self._opened(callers) as customers:
            return run_tasks(to_threads(_saving(customers, callers)), seconds)

    def bulk(self, seconds: float) -> Sample:
        """Save SAVED_AT_ONCE events a call."""
        with self._opened(1) as customers:
            return run_batches(lambda: _saving_many(customers), SAVED_AT_ONCE, seconds)

    def commands(self, threads: int, seconds: float) -> Sample:
        """Get an aggregate, have it log a contact, save it."""
        with self._opened(threads) as customers:
            return run_threads([_commanding(customers) for _ in range(threads)], seconds)

    def _opened(self, callers: int) -> Customers:
        return Customers(
            library_environment(self.url)
            | {
                "POSTGRES_POOL_SIZE": str(min(callers, LIBRARY_CONNECTIONS)),
                "POSTGRES_MAX_OVERFLOW": "0",
            }
        )


def _saving(customers: Customers, callers: int) -> list[Call]:
    aggregates = [Customer() for _ in range(callers)]
    for start in range(0, callers, SAVED_AT_ONCE):
        customers.save(*aggregates[start : start + SAVED_AT_ONCE])

    def saving(customer: Customer) -> Call:
        def call() -> None:
            customer.log(CHANNEL, SUMMARY)
            customers.save(customer)

        return call

    return [saving(customer) for customer in aggregates]


def _saving_many(customers: Customers) -> Call:
    aggregates = [Customer() for _ in range(SAVED_AT_ONCE // STREAM_FACTS)]
    for customer in aggregates:
        for _ in range(STREAM_FACTS - 1):  # to be made is an event too
            customer.log(CHANNEL, SUMMARY)
    return lambda: customers.save(*aggregates)


def _commanding(customers: Customers) -> Callable[[], None]:
    customer, facts = uuid4(), AGGREGATE_FACTS

    def call() -> None:
        nonlocal customer, facts
        if facts == AGGREGATE_FACTS:
            new = Customer()
            customers.save(new)
            customer, facts = new.id, 1
            return
        loaded: object = customers.repository.get(customer)
        assert isinstance(loaded, Customer)
        loaded.log(CHANNEL, SUMMARY)
        customers.save(loaded)
        facts += 1

    return call
