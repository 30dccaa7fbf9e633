"""The concurrency check finds every fault that it is about, and none in our log."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from threading import Lock

import msgspec
import psycopg
import pytest

from crmcore import CRM
from crmcore.testing.checking import FAULTS, steps
from crmcore.testing.concurrency import Load, Log, OpenLog, Part, Report, Seen, check, main
from crmcore.testing.logs import KINDS

SMALL = Load(writers=4, facts=400, slow_pause_s=0.001, settle_s=0.05)
SHORT = Load(facts=8_000, slow_pause_s=0.05, settle_s=0.5)


class ListLog:
    """A log in memory; what its readers are given is altered by a fault."""

    def __init__(self, facts: list[Seen], lock: Lock, fault: "Fault") -> None:
        self.facts, self.lock, self.fault = facts, lock, fault
        self.position = 0

    def append(self, part: Part) -> None:
        with self.lock:
            for version in range(part.version, part.last + 1):
                self.facts.append(Seen(len(self.facts) + 1, part.stream, version))

    def append_slowly(self, first: Part, then: Callable[[], Part]) -> None:
        second = then()
        self.append(first)
        self.append(second)

    def read(self) -> Sequence[Seen]:
        new = self.facts[self.position :]
        self.position += len(new)
        return self.fault(new)


Fault = Callable[[list[Seen]], list[Seen]]


def list_log(fault: Fault, *, readers: int | None = None) -> OpenLog:
    """Return what opens logs on one list; only so many of them have the fault, or all."""
    facts: list[Seen] = []
    lock, opened = Lock(), count(1)

    @contextmanager
    def opening() -> Iterator[Log]:
        faulty = readers is None or next(opened) <= readers
        yield ListLog(facts, lock, fault if faulty else list)

    return opening


def faults(report: Report) -> set[str]:
    return {fault for fault in FAULTS if getattr(report, fault)}


def numbered_twice_as_high(new: list[Seen]) -> list[Seen]:
    return [fact._replace(position=2 * fact.position) for fact in new]


def first_one_left_out(new: list[Seen]) -> list[Seen]:
    return new[1:]


def first_one_again(new: list[Seen]) -> list[Seen]:
    return new + new[:1]


def last_one_first(new: list[Seen]) -> list[Seen]:
    return new[::-1]


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (list, set()),
        (first_one_left_out, {"missed"}),
        (first_one_again, {"twice"}),
        (last_one_first, {"inversions", "moved"}),
        (numbered_twice_as_high, {"gaps"}),
    ],
)
def test_a_fault_is_called_by_its_name(fault: Fault, found: set[str]) -> None:
    report = check(list_log(fault), SMALL)
    assert faults(report) == found
    assert report.passed == (not found)


def test_a_fact_that_stands_elsewhere_when_it_is_read_again_was_moved() -> None:
    while_others_write = SMALL.writers + SMALL.readers
    log = list_log(numbered_twice_as_high, readers=while_others_write)
    assert faults(check(log, SMALL)) == {"moved"}


def test_gaps_are_no_fault_where_nobody_promised_that_there_are_none() -> None:
    report = check(list_log(numbered_twice_as_high), SMALL, dense=False)
    assert report.gaps is None
    assert report.passed


def test_what_is_written_is_counted() -> None:
    told: list[tuple[int, int]] = []
    report = check(list_log(list), SMALL, progress=lambda done, all_: told.append((done, all_)))
    planned = [step for writer in range(4) for step in steps(SMALL, writer)]
    assert report.written == report.seen == sum(step.first + step.then for step in planned) >= 400
    assert report.commits == len(planned)
    assert report.slow_commits == sum(step.then > 0 for step in planned) > 0
    assert report.rate == report.written / report.seconds
    assert {all_ for _, all_ in told} <= {400}


def test_the_seed_decides_what_is_written() -> None:
    load = Load(seed=7)
    plan = list(steps(load, 3))
    assert plan == list(steps(load, 3))
    assert plan != list(steps(load, 4))
    assert plan != list(steps(Load(seed=8), 3))
    assert 6_250 <= sum(step.first + step.then for step in plan) < 6_300
    assert {step.first + step.then for step in plan} == set(range(1, 51))
    assert 0.05 < sum(step.then > 0 for step in plan) / len(plan) < 0.15


@pytest.mark.parametrize("method", ["append", "append_slowly", "read"])
def test_what_a_log_raises_ends_the_check(method: str) -> None:
    def failing(*_: object) -> None:
        raise OSError(method)

    broken = type("Broken", (ListLog,), {method: failing})

    @contextmanager
    def opening() -> Iterator[Log]:
        yield broken([], Lock(), list)

    with pytest.raises(OSError, match=f"^{method}$"):
        check(opening, SMALL)


@pytest.mark.parametrize(("kind", "readers"), [("crmcore", 1), ("crmcore", 2), ("sealer", 1)])
def test_our_log_is_followed_without_a_fault(postgres_url: str, kind: str, readers: int) -> None:
    load = msgspec.structs.replace(SHORT, readers=readers)
    with KINDS[kind].made(postgres_url) as open_log:
        report = check(open_log, load)
    assert faults(report) == set()
    assert report.written == report.seen >= 8_000
    assert report.slow_commits > 0
    with CRM.open(postgres_url) as crm:
        found = crm.verify()
    assert (found.position, found.problems) == (report.written, ())


def test_thousands_of_facts_a_commit_are_followed_without_a_fault(postgres_url: str) -> None:
    load = Load(writers=4, facts=8_000, facts_per_commit=(900, 1_500), slow_pause_s=0.05)
    with KINDS["crmcore"].made(postgres_url) as open_log:
        assert faults(check(open_log, load)) == set()


def test_a_naive_reader_misses_facts(postgres_url: str) -> None:
    with KINDS["naive"].made(postgres_url) as open_log:
        report = check(open_log, SHORT, dense=False)
    assert faults(report) == {"missed"}
    assert report.missed + report.seen == report.written


def test_the_eventsourcing_library_misses_none(postgres_url: str) -> None:
    load = msgspec.structs.replace(SHORT, facts=2_000)
    with KINDS["eventsourcing"].made(postgres_url) as open_log:
        assert faults(check(open_log, load, dense=False)) == set()


class TransactionIdLog:
    """Read in the order of transaction ids, behind the oldest that is still open."""

    def __init__(self, connection: "psycopg.Connection") -> None:
        self.connection = connection
        self.after = ("0", 0)
        self.positions = count(1)

    def append(self, part: Part) -> None:
        self.connection.execute(
            "INSERT INTO facts (stream, version) SELECT %s, generate_series(%s::int, %s::int)",
            [part.stream, part.version, part.last],
        )

    def append_slowly(self, first: Part, then: Callable[[], Part]) -> None:
        with self.connection.transaction():
            self.append(first)
            self.append(then())

    def read(self) -> Sequence[Seen]:
        new = self.connection.execute(
            "SELECT xid::text, id, stream, version FROM facts WHERE (xid, id) > (%s::xid8, %s)"
            " AND xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid, id",
            self.after,
        ).fetchall()
        self.after = new[-1][:2] if new else self.after
        return [Seen(next(self.positions), stream, version) for _, _, stream, version in new]


def test_a_reader_in_the_order_of_transaction_ids_inverts_streams(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute(
            "CREATE TABLE facts (id bigint GENERATED ALWAYS AS IDENTITY, stream uuid, version int,"
            " xid xid8 DEFAULT pg_current_xact_id(), PRIMARY KEY (stream, version))"
        )

    @contextmanager
    def opening() -> Iterator[Log]:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            yield TransactionIdLog(connection)

    assert check(opening, SHORT).inversions > 0


def test_the_command_makes_a_database_and_drops_it(
    server_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--store", server_url, "--facts", "500", "--slow-pause", "0.01", "--json"]
    with psycopg.connect(server_url) as connection:
        databases = "SELECT datname FROM pg_database WHERE datname LIKE 'crmcore_check%'"
        assert main(asked) == 0
        assert connection.execute(databases).fetchall() == []
    told = msgspec.json.decode(capsys.readouterr().out)
    assert told["log"] == "crmcore, whose reader seals"
    assert told["load"]["facts"] == 500
    assert told["report"]["seen"] == told["report"]["written"] >= 500
    assert told["report"]["passed"]


def test_the_command_says_that_facts_were_missed(
    server_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--facts", "2000", "--slow-pause", "0.1", "--settle", "0.2"]
    assert main(["--store", server_url, "--reader", "naive", *few]) == 1
    told = capsys.readouterr().out
    assert told.startswith("an identity column, read by id > last\ncrmcore ")
    assert " written, and never delivered\n" in told
    assert told.endswith("\nFAILED\n")


def test_the_command_needs_nothing_and_shows_on_a_terminal_how_far_it_is() -> None:
    terminal, its_end = pty.openpty()
    ran = subprocess.run(
        [sys.executable, "-m", "crmcore.testing.concurrency", "--facts=500", "--slow-pause=0.3"],
        stdout=subprocess.PIPE,
        stderr=its_end,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "passed")
    assert b" of 500 facts written" in os.read(terminal, 10_000)
    os.close(terminal)
    os.close(its_end)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--writers", "0"], "Expected `int` >= 1 - at `$.writers`"),
        (["--store", "postgresql://nowhere.invalid/"], "PostgreSQL does not let us in: "),
    ],
)
def test_what_cannot_be_checked_is_one_sentence(
    asked: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(asked)
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"python -m crmcore.testing.concurrency: {said}")
