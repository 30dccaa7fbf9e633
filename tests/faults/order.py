"""What must not disturb the order: a clock that jumps, an idle transaction, a dump and restore."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psycopg

from crmcore import CRM
from crmcore.infrastructure.embedded import server
from tests.faults.setting import Result, Setting, database, query, wait_for
from tests.faults.work import CLEAN, Work, carry_out, register, tally
from tests.faults.writers import Writers
from tests.folders import passing_folder

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(milliseconds=10)
LAG_S_MAX = 5

_SEALS = "SELECT position, sealed_at, hash FROM crm.seals ORDER BY position"
_OPEN = "INSERT INTO crm.checkpoints (consumer, position) VALUES ('idle', 0)"
_BEHIND_THE_WATERMARK = """
SELECT count(*) FROM crm.facts
WHERE xmin::text::bigint >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint"""


class _Clock:
    """Says what it is set to, a little later each time."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += TICK
        return self.now


def clock_jumps_back(setting: Setting) -> Result:
    """The writer's clock jumps back an hour, and forward again, between two commands."""
    chance, jumps = setting.chance("clock jumps back"), setting.times(20)
    work = Work(setting.seed, 10 * jumps)
    clock = _Clock()
    with database(setting.url) as url, CRM.open(url, clock=clock) as crm:
        register(crm, work)
        for number, job in enumerate(work.jobs()):
            if number % 10 == 5:
                clock.now += HOUR * (-1) ** (number // 10 + 1)
            carry_out(crm, job)
            if chance.random() < 0.5:
                crm.position()
        kept = tally(crm, work.jobs(), range(work.commands))
        log = list(crm.journal.log())
        act = crm.act("campaign")
        clock.now -= HOUR
        [late] = crm.carry_out([(act, work.jobs([0])[0].commands)])
    carried_out = [fact.command_id for fact in log[len(work.customers) :]]
    asked = [job.command_id for job in work.jobs() for _ in job.commands]
    return Result(
        {
            "jumps": jumps,
            "out of order": sum(a != b for a, b in zip(carried_out, asked, strict=True)),
            "recorded times backwards": sum(
                a.recorded_at > b.recorded_at for a, b in pairwise(log)
            ),
            "an act from before the jump": type(late).__name__,
            **kept,
        },
        exactly=CLEAN | {"out of order": 0, "recorded times backwards": 0},
    )


def idle_transaction_elsewhere(setting: Setting) -> Result:
    """Transactions that have written stay open, in another database and in this one."""
    work = Work(setting.seed, setting.times(1_000))
    lags_s = []
    with database(setting.url) as other, database(setting.url) as url, CRM.open(url) as crm:
        register(crm, work)
        with _idle(other), _idle(url), crm.sealing():
            wait_for(lambda: crm.journal.position() == len(work.customers), "the customers")
            facts = 0
            for job in work.jobs():
                facts += len(carry_out(crm, job).facts)
                due, started = len(work.customers) + facts, time.monotonic()
                wait_for(lambda: crm.journal.position() >= due, f"position {due}")  # noqa: B023
                lags_s.append(time.monotonic() - started)
            [(hidden,)] = query(url, _BEHIND_THE_WATERMARK)
        kept = tally(crm, work.jobs(), range(work.commands))
    return Result(
        {
            "facts appended": facts,
            "lag s, median": round(sorted(lags_s)[len(lags_s) // 2], 3),
            "lag s, most": round(max(lags_s), 3),
            "control facts a watermark hides": hidden,
            **kept,
        },
        exactly=CLEAN,
        at_least={"control facts a watermark hides": facts},
        at_most={"lag s, most": LAG_S_MAX},
    )


@contextmanager
def _idle(url: str) -> Iterator[None]:
    """Keep a transaction open that has written."""
    with psycopg.connect(url) as connection:
        connection.execute(_OPEN)
        yield
        connection.rollback()


def dumped_and_restored(setting: Setting) -> Result:
    """A logical dump is taken while others write, and restored into a new cluster."""
    [(folder,)] = query(setting.url, "SELECT setting FROM pg_config WHERE name = 'BINDIR'")
    if not (programs := Path(folder)).joinpath("pg_dump").exists():
        return Result({}, skipped="the server comes without pg_dump")
    work = Work(setting.seed, setting.times(2_000))
    with database(setting.url) as url, TemporaryDirectory() as folder:
        dump = str(Path(folder, "dump"))
        with CRM.open(url) as crm, CRM.open(url) as other:
            register(crm, work)
            with Writers([crm, other], work) as writers, crm.sealing():
                half = work.commands // 2
                wait_for(lambda: len(writers.acknowledged) >= half, f"{half} receipts")
                before = len(writers.acknowledged)
                _run(programs / "pg_dump", "--format=custom", f"--file={dump}", url)
                writers.finish()
            crm.position()
            seals, log = query(url, _SEALS), list(crm.journal.log())
        with passing_folder() as home, server(home) as new, _empty(new) as restored:
            _run(programs / "pg_restore", "--exit-on-error", f"--dbname={restored}", dump)
            with CRM.open(restored) as crm:
                seals_there, log_there = query(restored, _SEALS), list(crm.journal.log())
                problems = len(crm.verify().problems)
                replayed = sum(carry_out(crm, job).replayed for job in work.jobs())
                kept = tally(crm, work.jobs(), range(work.commands))
    return Result(
        {
            "seals": len(seals_there),
            "other seals": len(set(seals_there) - set(seals)),
            "positions": len(log_there),
            "other positions": sum(a != b for a, b in zip(log_there, log, strict=False)),
            "problems when restored": problems,
            "commands before the dump": before,
            "commands replayed": replayed,
            "commands written after": work.commands - replayed,
            **kept,
        },
        exactly=CLEAN | {"other seals": 0, "other positions": 0, "problems when restored": 0},
        at_least={"seals": 2, "commands replayed": before, "commands written after": 1},
    )


@contextmanager
def _empty(server_url: str) -> Iterator[str]:
    """Yield the URL of a database without a schema."""
    query(server_url, "CREATE DATABASE restored")
    yield urlsplit(server_url)._replace(path="/restored").geturl()


def _run(program: Path, *arguments: str) -> None:
    subprocess.run([program, *arguments], check=True)
