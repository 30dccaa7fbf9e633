"""Processes are killed: those that write, those that seal, and the server's own."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from crmcore import CRM, Recorded
from crmcore.infrastructure.embedded import server
from tests.faults.processes import Task, Worker, started_sealer
from tests.faults.setting import Result, Setting, database, query, wait_for
from tests.faults.work import CLEAN, Work, register, tally
from tests.faults.writers import Writers
from tests.folders import passing_folder

WORKERS = 4
JITTER_S_MAX = 0.02
CRASHES_MIN = 2
COMMANDS_PER_KILL_MAX = 400

_SEALS = "SELECT position, sealed_at, hash FROM crm.seals WHERE position > %s ORDER BY position"
_BACKENDS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'crmcore' ORDER BY pid"""


def workers_killed(setting: Setting) -> Result:
    """Workers are killed with SIGKILL and go on from their last acknowledgement."""
    chance = setting.chance("workers killed")
    work, kills = Work(setting.seed, setting.times(10_000)), setting.times(200)
    killed = 0
    with database(setting.url) as url, CRM.open(url) as crm, TemporaryDirectory() as folder:
        register(crm, work)
        started = time.monotonic()
        files = [Path(folder, str(number)) for number in range(WORKERS)]
        workers = [Worker(Task(url, work, n, WORKERS, file)) for n, file in enumerate(files)]
        while killed < kills:
            due = (killed + 1) * work.commands // (kills + 1)
            wait_for(lambda: _records(workers) >= due, f"{due} acknowledgements")  # noqa: B023 - waited for at once
            time.sleep(chance.uniform(0, JITTER_S_MAX))  # any moment will do
            killed += chance.choice([w for w in workers if not w.is_done]).kill_and_restart()
        wait_for(lambda: all(worker.process.exitcode is not None for worker in workers), "the end")
        seconds = time.monotonic() - started
        found = [one for worker in workers for one in worker.task.acknowledged]
        unheard = _carried_out_unheard(found)
        acknowledged = {number for number, _ in found}
        kept = tally(crm, work.jobs(), acknowledged)
    return Result(
        {
            "commands": len(acknowledged),
            "kills": killed,
            "failed workers": sum(worker.has_failed for worker in workers),
            "commands repeated": len(found) - len(acknowledged),
            "carried out unheard": unheard,
            "seconds": round(seconds, 1),
            **kept,
        },
        exactly=CLEAN | {"commands": work.commands, "kills": kills, "failed workers": 0},
        at_least={"carried out unheard": 1 if setting.long else 0},
    )


def _records(workers: Sequence[Worker]) -> int:
    return sum(worker.task.records for worker in workers)


def _carried_out_unheard(found: Sequence[tuple[int, bool]]) -> int:
    """Return how many commands had been carried out when they were acknowledged first."""
    return sum(dict(reversed(found)).values())


def sealer_killed(setting: Setting) -> Result:
    """The process that seals is killed with SIGKILL while others write and a reader follows."""
    chance, kills = setting.chance("sealer killed"), setting.times(100)
    work = Work(setting.seed, kills * COMMANDS_PER_KILL_MAX)
    with database(setting.url) as url, CRM.open(url) as crm, CRM.open(url) as other:
        register(crm, work)
        reader = _Reader(url, crm)
        with Writers([crm, other], work) as writers:
            for kill in range(1, kills + 1):
                sealer = started_sealer(url)
                wait_for(reader.sees_more, f"a seal before kill {kill}")
                time.sleep(chance.uniform(0, JITTER_S_MAX))  # any moment will do
                sealer.kill()
                sealer.join()
        reader.sees_more()
        kept = tally(crm, work.jobs(), writers.acknowledged)
        log = list(crm.journal.log())
        there = set(query(url, _SEALS, 0))
    return Result(
        {
            "kills": kills,
            "refused": len(writers.refused),
            "seals seen": len(reader.seals),
            "seals changed": len(set(reader.seals) - there),
            "facts read as they came": len(reader.facts),
            "of them changed": sum(a != b for a, b in zip(reader.facts, log, strict=False)),
            **kept,
        },
        exactly=CLEAN | {"refused": 0, "seals changed": 0, "of them changed": 0},
        at_least={"seals seen": kills, "facts read as they came": kills},
    )


class _Reader:
    """Follows the log and its seals as somebody who never seals."""

    def __init__(self, url: str, crm: CRM) -> None:
        self.seals: list[tuple[object, ...]] = []
        self.facts: list[Recorded[Any]] = []
        self._url = url
        self._crm = crm

    def sees_more(self) -> bool:
        """Read on; return whether there is a new seal."""
        new = query(self._url, _SEALS, self.seals[-1][0] if self.seals else 0)
        self.seals += new
        self.facts += self._crm.journal.log(after=len(self.facts))
        return bool(new)


def backends_terminated(setting: Setting) -> Result:
    """Connections are ended by the server at random moments."""
    chance, times = setting.chance("backends terminated"), setting.times(100)
    with database(setting.url) as url:

        def terminate(backend: int) -> None:
            query(url, "SELECT pg_terminate_backend(%s)", backend)

        return _disturbed(url, Work(setting.seed, 20 * times), times, chance, terminate)


def backends_killed(setting: Setting) -> Result:
    """One of the server's processes is killed with SIGKILL: all of it recovers from a crash."""
    chance, times = setting.chance("backends killed"), max(CRASHES_MIN, setting.times(5))
    with passing_folder() as folder, server(folder) as home, database(home) as url:

        def kill(backend: int) -> None:
            os.kill(backend, signal.SIGKILL)

        return _disturbed(url, Work(setting.seed, 60 * times), times, chance, kill)


def _disturbed(
    url: str, work: Work, times: int, chance: Random, disturb: Callable[[int], None]
) -> Result:
    """Write with four threads, and disturb them so many times meanwhile."""
    with CRM.open(url) as crm, CRM.open(url) as other:
        register(crm, work)
        with Writers([crm, crm, other, other], work) as writers:
            for number in range(1, times + 1):
                due = number * work.commands // (times + 1)
                wait_for(lambda: len(writers.acknowledged) >= due, f"{due} receipts")  # noqa: B023 - waited for at once
                time.sleep(chance.uniform(0, JITTER_S_MAX))  # any moment will do
                disturb(_backend(url, chance))
            writers.finish()
        refused = len(writers.refused)
        writers.repeat(crm)
        kept = tally(crm, work.jobs(), writers.acknowledged)
    return Result(
        {
            "commands": len(writers.acknowledged),
            "times": times,
            "refused": refused,
            "slowest s": round(writers.slowest_s, 2),
            **kept,
        },
        exactly=CLEAN | {"commands": work.commands, "refused": 0},
    )


def _backend(url: str, chance: Random) -> int:
    """Return the process of one of the connections, as soon as there is one."""
    found: list[int] = []

    def is_found() -> bool:
        with suppress(psycopg.OperationalError):  # it may still recover
            found.extend(pid for (pid,) in query(url, _BACKENDS))
        return bool(found)

    wait_for(is_found, "a connection")
    return chance.choice(found)
