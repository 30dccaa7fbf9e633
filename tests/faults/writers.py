"""Threads that carry a list of commands out and remember what became of each."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Lock
from types import TracebackType
from typing import Self

from crmcore import CRM, CRMError
from tests.faults.work import Job, Work, carry_out


class Writers:
    """Writes from entering until everything is written or the block is left, a thread a CRM."""

    def __init__(self, crms: Sequence[CRM], work: Work) -> None:
        self.acknowledged: set[int] = set()
        self.refused: list[tuple[Job, CRMError]] = []
        self.slowest_s = 0.0
        self._crms = crms
        self._jobs = iter(work.jobs())
        self._lock = Lock()
        self._stopping = Event()
        self._threads = ThreadPoolExecutor(len(crms))
        self._ends: list[Future[None]] = []

    def repeat(self, crm: CRM) -> int:
        """Carry out again what was answered with an error; return how much had been carried out."""
        unheard = 0
        for job, _ in self.refused:
            unheard += carry_out(crm, job).replayed
            self.acknowledged.add(job.number)
        return unheard

    def __enter__(self) -> Self:
        """Start."""
        self._ends = [self._threads.submit(self._write, crm) for crm in self._crms]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, and raise what is no error of the library's."""
        self._stopping.set()
        self._threads.shutdown()
        for end in self._ends:
            end.result()

    def finish(self) -> None:
        """Wait until everything is written."""
        for end in self._ends:
            end.result()

    def _write(self, crm: CRM) -> None:
        while not self._stopping.is_set() and (job := self._next()) is not None:
            started = time.monotonic()
            try:
                carry_out(crm, job)
            except CRMError as error:
                with self._lock:
                    self.refused.append((job, error))
            else:
                with self._lock:
                    self.acknowledged.add(job.number)
            with self._lock:
                self.slowest_s = max(self.slowest_s, time.monotonic() - started)

    def _next(self) -> Job | None:
        with self._lock:
            return next(self._jobs, None)
