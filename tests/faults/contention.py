"""Writers are in each other's way: streams in opposite order, ids used twice, locks held."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from threading import Barrier
from uuid import UUID

import psycopg

from crmcore import CRM, CommandReused, CRMError
from crmcore.domain.customer import LogInteraction
from tests.faults.setting import Result, Setting, database, query, wait_for
from tests.faults.work import CLEAN, Job, Work, carry_out, register, tally

THREADS = 8
LIMIT_MS = 200
BOUND_S = 5

_OTHERS = """
SELECT 1 FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
    AND pid <> pg_backend_pid()"""
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
_ADD = """
INSERT INTO crm.facts
SELECT (jsonb_populate_record(f, jsonb_build_object('version', 1000, 'batch', next.batch))).*
FROM crm.facts AS f, nextval('crm.batches') AS next (batch) WHERE stream = %s AND version = 1"""
_FAILING = """
CREATE SEQUENCE crm.turns;
CREATE FUNCTION crm.fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('crm.turns') % 3 = 0 THEN
        RAISE EXCEPTION 'could not serialize access' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER failing AFTER INSERT ON crm.tail FOR EACH STATEMENT EXECUTE FUNCTION crm.fail()"""


def opposite_orders(setting: Setting) -> Result:
    """Threads write to two streams each, half of them in one order and half in the other."""
    work = Work(setting.seed, 1)
    one, other = work.customers[:2]
    with database(setting.url) as url, ExitStack() as stack:
        crms = [stack.enter_context(CRM.open(url)) for _ in range(THREADS)]
        register(crms[0], work)
        end = time.monotonic() + setting.times(20)
        with ThreadPoolExecutor(THREADS) as pool:
            orders = [[one, other], [other, one]] * (THREADS // 2)
            found = sum(pool.map(_write, crms, orders, [end] * THREADS), Counter[str]())
        facts = crms[0].position() - len(work.customers)
        problems = len(crms[0].verify().problems)
        stack.close()
        deadlocks = _deadlocks(url)
        _write_unsorted(url, one, other)
        control = _deadlocks(url) - deadlocks
    receipts = found.pop("Receipt")
    return Result(
        {
            "receipts": receipts,
            "facts": facts,
            "Conflict": found.pop("Conflict", 0),
            "other errors": str(dict(found)) if found else 0,
            "deadlocks": deadlocks,
            "problems": problems,
            "control deadlocks": control,
        },
        exactly={"deadlocks": 0, "other errors": 0, "facts": 2 * receipts, "problems": 0},
        at_least={"receipts": THREADS, "control deadlocks": 1},
    )


def _write(crm: CRM, order: Sequence[UUID], end: float) -> Counter[str]:
    found = Counter[str]()
    said = LogInteraction(channel="phone", summary="both")
    while time.monotonic() < end:
        try:
            outcome = crm.do_all([(said, customer) for customer in order], act=crm.act("campaign"))
        except CRMError as error:
            found[type(error).__name__] += 1
        else:
            found[type(outcome).__name__] += 1
    return found


def _deadlocks(url: str) -> int:
    """Return how many there have been, when every connection has reported its own."""
    wait_for(lambda: not query(url, _OTHERS), "the end of the other connections")
    [(deadlocks,)] = query(url, _DEADLOCKS)
    return int(deadlocks)


def _write_unsorted(url: str, one: UUID, other: UUID) -> None:
    """Write to two streams as they come, at the same time as somebody in the opposite order."""
    both_began = Barrier(2)

    def write(first: UUID, second: UUID) -> None:
        with psycopg.connect(url) as connection:
            connection.execute(_ADD.encode(), [first])
            both_began.wait()
            with suppress(psycopg.errors.DeadlockDetected):
                connection.execute(_ADD.encode(), [second])
            connection.rollback()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, [one, other], [other, one]))


def ids_reused(setting: Setting) -> Result:
    """A command id is used again for something else, later or in the same call."""
    work = Work(setting.seed, setting.times(1_000))
    found = Counter[str]()
    with database(setting.url) as url, CRM.open(url) as crm:
        register(crm, work)
        for job in work.jobs():
            act = job.act(crm)
            second = [(LogInteraction(channel="phone", summary="else"), work.customers[0])]
            if job.number % 2:
                carry_out(crm, job)
                [outcome] = crm.carry_out([(act, second)])
            else:
                _, outcome = crm.carry_out([(act, job.commands), (act, second)])
            found[type(outcome).__name__] += 1
        kept = tally(crm, work.jobs(), range(work.commands))
    return Result(
        {"commands": work.commands, CommandReused.__name__: 0, **found, **kept},
        exactly=CLEAN | {CommandReused.__name__: work.commands},
    )


def time_is_up(setting: Setting) -> Result:
    """Locks are held for longer than is waited for them, and transactions fail to serialize."""
    work, limits = Work(setting.seed, setting.times(400)), ("lock_timeout", "statement_timeout")
    kept_out, others = work.jobs()[: work.commands // 10], work.jobs()[work.commands // 10 :]
    found = Counter[str]()
    slowest_s = 0.0
    with database(setting.url) as url, CRM.open(url) as crm:
        register(crm, work)
        with _locked(url):
            for limit in limits:
                with CRM.open(f"{url}&options=-c%20{limit}%3D{LIMIT_MS}") as limited:
                    for job in kept_out:
                        started = time.monotonic()
                        found[_outcome(limited, job)] += 1
                        slowest_s = max(slowest_s, time.monotonic() - started)
        query(url, _FAILING)
        found.update(_outcome(crm, job) for job in others)
        [(attempts,)] = query(url, "SELECT last_value FROM crm.turns")
        query(url, "DROP TRIGGER failing ON crm.tail")
        replayed = sum(carry_out(crm, job).replayed for job in kept_out)
        kept = tally(crm, work.jobs(), range(work.commands))
    return Result(
        {
            "TimedOut": found.pop("TimedOut", 0),
            "Receipt": found.pop("Receipt", 0),
            "other outcomes": str(dict(found)) if found else 0,
            "slowest s": round(slowest_s, 2),
            "attempts that failed to serialize": attempts // 3,
            "carried out in spite of TimedOut": replayed,
            **kept,
        },
        exactly=CLEAN
        | {
            "TimedOut": len(limits) * len(kept_out),
            "Receipt": len(others),
            "other outcomes": 0,
            "carried out in spite of TimedOut": 0,
        },
        at_least={"attempts that failed to serialize": len(others) // 3},
        at_most={"slowest s": BOUND_S},
    )


@contextmanager
def _locked(url: str) -> Iterator[None]:
    """Keep everybody from writing facts."""
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE crm.facts IN EXCLUSIVE MODE")
        yield
        connection.rollback()


def _outcome(crm: CRM, job: Job) -> str:
    """Return the name of what came of a command."""
    try:
        return type(carry_out(crm, job)).__name__
    except CRMError as error:
        return type(error).__name__
