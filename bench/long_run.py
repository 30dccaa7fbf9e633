"""What a long run does to the log: the size of the tail, the time of a seal, the cost of an append.

    python3 dev.py bench long_run [--appends N] [--held N] [--json FILE]

A million transactions of one fact each are appended as fast as two writers can, on a server that
does not wait for its disk, so that dead rows pile up faster than on any real one; a sealer seals
every 50 ms. Then a transaction is held open that keeps every dead row alive, as a dump or a long
report does, while half as many are appended. Goals: the tail stays small and seals stay below 1 s
at p99, also then; an append to a million facts costs at most 1.15 times one to a tenth of them. For
that the database is copied at a tenth of the way, and single appends to both are timed in turn.
"""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench._ours import commit_of
from bench._servers import database
from crmcore import CRM, Stream
from crmcore.application.chain import GENESIS
from crmcore.infrastructure.embedded import server
from crmcore.infrastructure.parameters import register
from crmcore.infrastructure.rows import row
from crmcore.infrastructure.writing import Written, write

WRITERS = 2
PIPELINED = 100
SINGLE = 3_000
SEAL_EVERY_S = 0.05
TAIL = "SELECT pg_relation_size('crm.tail'), (SELECT count(*) FROM crm.tail)"


class Phase(NamedTuple):
    """What was measured while so many transactions were appended."""

    name: str
    appends: int
    seconds: float
    seal_p50_ms: float
    seal_p99_ms: float
    seal_max_ms: float
    tail_bytes_max: int
    tail_bytes_end: int


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    print(
        f"{platform.machine()}, Python {platform.python_version()}, psycopg {version('psycopg')}; "
        f"{arguments.appends:,} appends, then {arguments.held:,} under a held snapshot"
    )
    with tempfile.TemporaryDirectory(prefix="crmcore-bench-") as folder:
        Path(folder).chmod(0o711)
        with server(Path(folder) / "store", fast=True) as url, database(url) as own:
            CRM.migrate(own)
            phases, costs = _run(own, arguments.appends, arguments.held)
    for phase in phases:
        print(
            f"{phase.name:32} {phase.appends / phase.seconds:>8,.0f} appends/s   "
            f"seal p50 {phase.seal_p50_ms:.1f} ms, p99 {phase.seal_p99_ms:.1f} ms, "
            f"max {phase.seal_max_ms:.0f} ms   tail at most {phase.tail_bytes_max / 1e6:.1f} MB, "
            f"at the end {phase.tail_bytes_end / 1e6:.1f} MB"
        )
    early, late = costs
    print(f"an append: {early:.0f} us to a tenth, {late:.0f} us to all, ratio {late / early:.2f}")
    if arguments.json:
        found = {"phases": [phase._asdict() for phase in phases], "append_us": costs}
        arguments.json.write_text(json.dumps(found, indent=1))


def _run(url: str, appends: int, held: int) -> tuple[list[Phase], tuple[float, float]]:
    first = _phase(url, "the first tenth", appends // 10)
    with database(url, like=urlsplit(url).path.lstrip("/")) as early:
        rest = _phase(url, "the rest", appends - appends // 10)
        costs = _append_us(early, url)
    with _snapshot(url):
        last = _phase(url, "under a held snapshot", held)
    return [first, rest, last], costs


def _phase(url: str, name: str, appends: int) -> Phase:
    """Append with WRITERS processes while this one seals."""
    context = get_context("spawn")
    started = [context.Event() for _ in range(WRITERS)]
    writers = [
        context.Process(target=_write, args=(url, appends // WRITERS, event)) for event in started
    ]
    for writer in writers:
        writer.start()
    for event in started:
        event.wait()
    start = perf_counter()
    seals: list[float] = []
    sizes: list[int] = []
    with CRM.open(url) as crm, psycopg.connect(url, autocommit=True) as connection:
        while any(writer.is_alive() for writer in writers):
            writers[0].join(SEAL_EVERY_S)
            if not writers[0].is_alive():
                writers[1].join(SEAL_EVERY_S)
            before = perf_counter()
            crm.journal.seal(datetime.now(UTC))
            seals.append((perf_counter() - before) * 1e3)
            sizes.append(_tail(connection)[0])
        seconds = perf_counter() - start
        crm.journal.seal(datetime.now(UTC))
        size, left = _tail(connection)
    if left or any(writer.exitcode for writer in writers):
        raise SystemExit("not everything was appended and sealed")
    cuts = quantiles(seals, n=100, method="inclusive")
    return Phase(name, appends, seconds, median(seals), cuts[98], max(seals), max(sizes), size)


def _write(url: str, appends: int, started: Event) -> None:
    """Append facts to streams of their own, each in a transaction, many on their way at a time."""
    with psycopg.connect(url, autocommit=True) as connection:
        register(connection)
        started.set()
        for done in range(0, appends, PIPELINED):
            with connection.pipeline():
                for _ in range(min(PIPELINED, appends - done)):
                    write(connection, [_command()])


def _append_us(early: str, late: str) -> tuple[float, float]:
    """Return the median time of one append with nobody else about, to each in turn."""
    times: tuple[list[float], list[float]] = [], []
    with (
        psycopg.connect(early, autocommit=True) as few,
        psycopg.connect(late, autocommit=True) as many,
    ):
        few.execute("CHECKPOINT")
        for connection in (few, many):
            register(connection)
        for _ in range(SINGLE):
            for connection, found in zip((few, many), times, strict=True):
                command = [_command()]
                before = perf_counter()
                write(connection, command)
                found.append((perf_counter() - before) * 1e6)
    return median(times[0]), median(times[1])


def _command() -> Written:
    commit = commit_of(Stream(kind="customer", id=uuid4()), 1)
    stored = row(commit.facts[0], datetime.now(UTC))
    return Written(commit.command_id, commit.digest, [stored.linked(GENESIS)])


@contextmanager
def _snapshot(url: str) -> Iterator[None]:
    """Hold a snapshot open, as a dump does."""
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT count(*) FROM crm.seals")
        yield


def _tail(connection: "psycopg.Connection[Any]") -> tuple[int, int]:
    row = connection.execute(TAIL).fetchone()
    if row is None:
        raise SystemExit("there is no tail")
    return int(row[0]), int(row[1])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What a long run does to the log.")
    parser.add_argument("--appends", type=int, default=1_000_000)
    parser.add_argument("--held", type=int, default=500_000)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
