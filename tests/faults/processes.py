"""Processes that write or seal and can be killed at any moment, started from one that is ready."""

import os
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

from crmcore import CRM
from tests.faults.work import Work, carry_out

RECORD_BYTES = len(b"0000000 0\n")
SEAL_EVERY_S = 0.005

# Each process is forked from one that has imported everything: a start takes milliseconds.
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(["crmcore.infrastructure.store", "psycopg_pool"])


class Task(NamedTuple):
    """Every `step`th command of a list from `first` on, and where they are acknowledged."""

    url: str
    work: Work
    first: int
    step: int
    acknowledgements: Path

    @property
    def numbers(self) -> list[int]:
        """The commands to carry out, in this order."""
        return list(range(self.first, self.work.commands, self.step))

    @property
    def acknowledged(self) -> list[tuple[int, bool]]:
        """The commands acknowledged so far, and whether each had been carried out before."""
        lines = self.acknowledgements.read_text().splitlines()
        return [(int(line[:7]), line[8] == "1") for line in lines]

    @property
    def records(self) -> int:
        """How many acknowledgements there are."""
        return self.acknowledgements.stat().st_size // RECORD_BYTES


class Worker:
    """A process that carries a task out, from its last acknowledged command on."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.task.acknowledgements.touch()
        self.process = self._started()

    @property
    def is_done(self) -> bool:
        """Whether everything is acknowledged."""
        done = self.task.acknowledged
        return bool(done) and done[-1][0] == self.task.numbers[-1]

    @property
    def has_failed(self) -> bool:
        """Whether it ended by itself before it was done."""
        return self.process.exitcode not in (None, 0)

    def kill_and_restart(self) -> bool:
        """Kill it and start it again, unless it has ended; return whether it was killed."""
        self.process.kill()
        self.process.join()
        if self.process.exitcode == 0:
            return False
        self.process = self._started()
        return True

    def _started(self) -> BaseProcess:
        process = _CONTEXT.Process(target=_work, args=(self.task,), daemon=True)
        process.start()
        return process


def started_sealer(url: str) -> BaseProcess:
    """Return a process that seals until it is killed."""
    process = _CONTEXT.Process(target=_seal, args=(url,), daemon=True)
    process.start()
    return process


def _work(task: Task) -> None:
    done = task.acknowledged
    numbers = task.numbers
    again = numbers.index(done[-1][0]) if done else 0
    handle = os.open(task.acknowledgements, os.O_WRONLY | os.O_APPEND)
    with CRM.open(task.url) as crm:
        for job in task.work.jobs(numbers[again:]):
            receipt = carry_out(crm, job)
            os.write(handle, b"%07d %d\n" % (job.number, receipt.replayed))


def _seal(url: str) -> None:
    with CRM.open(url) as crm, crm.sealing(interval_s=SEAL_EVERY_S) as sealer:
        sealer.wait()
