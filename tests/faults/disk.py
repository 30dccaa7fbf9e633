"""The disk is full: first the tables cannot grow, then the write-ahead log."""

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from crmcore import CRM, CRMError, Unreachable
from crmcore.application.journal import StoreFull
from crmcore.infrastructure.embedded import server
from tests.faults.setting import Result, Setting, query, wait_for
from tests.faults.work import CLEAN, Job, Work, carry_out, register, tally
from tests.folders import passing_folder

MEGABYTE = 1 << 20
SIZE_MB = 96
GROWN_MB = 400
ROOM_FOR_TABLES_BYTES = MEGABYTE // 4
NO_ROOM_FOR_LOG_BYTES = 8 * MEGABYTE
SEGMENT_BYTES = 16 * MEGABYTE
SEGMENT_LEFT_BYTES = MEGABYTE // 4
MESSAGE_BYTES = 100_000
COMMANDS_MAX = 4_000
REFUSAL_S_MAX = 2

_FILL_LOG = "SELECT pg_logical_emit_message(true, 'fill', repeat('x', %s))"
_IN_SEGMENT = "SELECT mod(pg_current_wal_insert_lsn() - '0/0', %s)"


class _Refusal(NamedTuple):
    """A command that was refused, why, and how long that took."""

    job: Job
    error: CRMError
    seconds: float


def disk_full(setting: Setting) -> Result:
    """There is no room for tables, then none for the write-ahead log; then the disk grows."""
    work = Work(setting.seed, COMMANDS_MAX)
    todo = iter(work.jobs())
    done: list[int] = []
    with passing_folder() as folder, _small_disk(folder) as mounted:
        if not mounted:
            return Result({}, skipped="only root can mount a small disk")
        ballast = folder / "ballast"
        with CRM.open(folder) as crm, server(folder) as url:
            register(crm, work)
            _fill(ballast, ROOM_FOR_TABLES_BYTES)
            tables = _until_refused(crm, todo, done)
            ballast.unlink()
            recorded = _finish(crm, [tables.job, next(todo)], done)
            _fill(ballast, NO_ROOM_FOR_LOG_BYTES)
            _fill_segment(url)
            log = _until_refused(crm, todo, done)
            wait_for(lambda: _has_ended(folder), "the end of the server")  # it cannot recover
        _mount(folder, f"remount,size={GROWN_MB}M")
        with CRM.open(folder) as crm:
            at_once = tally(crm, work.jobs(), done)
            recorded += _finish(crm, [log.job, next(todo)], done)
            kept = tally(crm, work.jobs(), done)
    full = [one.seconds for one in (tables, log) if isinstance(one.error, StoreFull)]
    return Result(
        {
            "acknowledged": len(done),
            "no room for tables": type(tables.error).__name__,
            "no room for the log": type(log.error).__name__,
            "slowest StoreFull s": round(max(full, default=0), 2),
            "other errors": sum(
                not isinstance(one.error, StoreFull | Unreachable) for one in (tables, log)
            ),
            "refused and yet recorded": recorded,
            "lost at the restart": at_once["lost"],
            "phantom at the restart": at_once["phantom"],
            **kept,
        },
        exactly=CLEAN
        | {
            "no room for tables": "StoreFull",
            "other errors": 0,
            "refused and yet recorded": 0,
            "lost at the restart": 0,
            "phantom at the restart": 0,
        },
        at_most={"slowest StoreFull s": REFUSAL_S_MAX},
    )


@contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small disk on a folder as long as the block and the servers in it last."""
    folder.mkdir(mode=0o711)
    if os.geteuid() != 0 or _mount(folder, f"size={SIZE_MB}M,mode=0711"):
        yield False
        return
    try:
        yield True
    finally:
        wait_for(lambda: not _run("umount", str(folder)), "the end of all who use the disk")


def _mount(folder: Path, options: str) -> int:
    return _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))


def _run(*command: str) -> int:
    return subprocess.run(command, check=False, capture_output=True).returncode


def _has_ended(folder: Path) -> bool:
    """Tell whether no process of the folder's server lives."""
    lock = folder / "server.lock"
    if not lock.exists():
        return True
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _fill(ballast: Path, left_bytes: int) -> None:
    """Leave so little room on a disk."""
    disk = os.statvfs(ballast.parent)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - left_bytes)


def _fill_segment(url: str) -> None:
    """Write the segment of the write-ahead log almost full."""
    while True:
        [(filled,)] = query(url, _IN_SEGMENT, SEGMENT_BYTES)
        if filled > SEGMENT_BYTES - SEGMENT_LEFT_BYTES:
            return
        query(url, _FILL_LOG, MESSAGE_BYTES)


def _until_refused(crm: CRM, todo: Iterator[Job], done: list[int]) -> _Refusal:
    """Carry commands out until one is refused; return that one."""
    for job in todo:
        started = time.monotonic()
        try:
            carry_out(crm, job)
        except CRMError as error:
            return _Refusal(job, error, time.monotonic() - started)
        done.append(job.number)
    raise AssertionError("the disk never was full")


def _finish(crm: CRM, jobs: Sequence[Job], done: list[int]) -> int:
    """Carry commands out; return how many had been carried out before."""
    replayed = 0
    for job in jobs:
        replayed += carry_out(crm, job).replayed
        done.append(job.number)
    return replayed
