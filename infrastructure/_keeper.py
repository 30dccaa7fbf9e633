"""The process that keeps an embedded PostgreSQL running for as long as anybody uses it.

A program of its own, started by `embedded.py` with one argument: its task, as JSON. It imports
nothing but the standard library, because it runs isolated from the application that started it.
Standard output goes to that application until the server is ready, standard error to the log.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO

READY = b"ready"
TAKEN = b"taken"
POLL_SECONDS = 0.01
STOP_SECONDS_MAX = 10
PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def main(task: dict[str, Any]) -> None:
    """Run the server until the last user is gone.

    Says READY when users may connect, or TAKEN when another keeper was first; falls silent without
    either when the server did not start.
    """
    with (
        _opened(task["users"]) as users,
        _opened(task["keeper"]) as ours,
        _opened(task["server"]) as lock,
    ):
        try:
            fcntl.flock(ours, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Every process of the server inherits this one: while it is held, one of them lives.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(TAKEN)
            return
        try:
            _prepare(task, lock.fileno())
            server = _start(task, lock.fileno())
            Thread(target=_stop_when_alone, args=(users.fileno(), server), daemon=True).start()
            _await_ready(server, Path(task["data"]) / "postmaster.pid")
            server.wait()
        except OSError as error:
            os.write(sys.stderr.fileno(), f"{error}\n".encode())
        shutil.rmtree(task["sockets"], ignore_errors=True)


def _opened(path: str) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")


def _prepare(task: dict[str, Any], lock: int) -> None:
    """Make the data directory if there is none: all of it, or nothing under its name."""
    data = Path(task["data"])
    if data.exists():
        _disown(data)
    else:
        new = data.with_name(f"{data.name}.new")
        shutil.rmtree(new, ignore_errors=True)  # somebody may have been interrupted here
        new.mkdir(mode=0o700)
        if task["account"]:
            os.chown(new, *task["account"])
        initdb = _process(task, [*task["initdb"], "-D", str(new)], lock, new)
        if initdb.wait():
            raise ChildProcessError(f"initdb failed with status {initdb.returncode}")
        new.rename(data)
        _sync(data.parent)
    for left_over in Path(task["sockets"]).iterdir():
        left_over.unlink()


def _start(task: dict[str, Any], lock: int) -> "subprocess.Popen[bytes]":
    return _process(task, [*task["postgres"], "-D", task["data"]], lock, Path(task["data"]))


def _process(
    task: dict[str, Any], command: list[str], lock: int, folder: Path
) -> "subprocess.Popen[bytes]":
    """Start a program of PostgreSQL's that lives no longer than we do."""
    user, group = task["account"] or (None, None)
    return subprocess.Popen(  # noqa: S603 - the command comes from embedded.py
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        cwd=folder,
        pass_fds=[lock],
        preexec_fn=_end_with_parent(),  # noqa: PLW1509 - we run no thread yet
        user=user,
        group=group,
        extra_groups=[] if user else None,
    )


def _end_with_parent() -> Callable[[], None] | None:
    """Return what makes Linux interrupt a child when we are killed; other systems cannot."""
    if not sys.platform.startswith("linux"):
        return None
    us, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != us:  # killed before we asked
            os.kill(os.getpid(), signal.SIGKILL)

    return ask


def _stop_when_alone(users: int, server: "subprocess.Popen[bytes]") -> None:
    """Shut the server down as soon as no other process holds this lock.

    PostgreSQL 18 hangs when it is asked to while it recovers from a crash; then it is told to, and
    recovers the next time.
    """
    fcntl.flock(users, fcntl.LOCK_EX)
    server.send_signal(signal.SIGINT)
    try:
        server.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)


def _await_ready(server: "subprocess.Popen[bytes]", state: Path) -> None:
    """Tell whoever started us when the server serves, or has died."""
    while server.poll() is None and not _serves(server.pid, state):
        time.sleep(POLL_SECONDS)
    if server.returncode is None:
        _say(READY)
    os.dup2(sys.stdin.fileno(), sys.stdout.fileno())  # who started us reads to the end


def _serves(pid: int, state: Path) -> bool:
    """Tell whether the eighth line of the server's state file says so."""
    try:
        lines = state.read_text().splitlines()
    except FileNotFoundError:
        return False
    return [line.strip() for line in lines[:1] + lines[7:8]] == [str(pid), "ready"]


def _disown(data: Path) -> None:
    """Mark a dead server's state file as ours if its process id now names some other process.

    PostgreSQL takes any process of its own account with that id for a living server and refuses to
    start; it passes over its parent. It goes on to check the memory that the file names. A server
    that somebody else runs on this directory is left alone: each of its processes works in it.
    """
    state = data / "postmaster.pid"
    try:
        pid, *rest = state.read_text().splitlines()
        if not Path("/proc", pid, "cwd").samefile(data):
            state.write_text("\n".join([str(os.getpid()), *rest, ""]))
    except (FileNotFoundError, PermissionError, ValueError):
        return  # there is no such file, or no such process of the server's account


def _sync(folder: Path) -> None:
    """Make what was done in a folder outlast a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def _say(word: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):  # who started us may have been killed
        os.write(sys.stdout.fileno(), word)


if __name__ == "__main__" and not os.fork():  # the parent ends, so that nobody waits for us
    main(json.loads(sys.argv[1]))
