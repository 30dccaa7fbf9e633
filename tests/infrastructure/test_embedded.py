"""The embedded server with real processes, some of which are killed."""

import fcntl
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from crmcore.infrastructure.embedded import EmbeddedServerError, server
from tests.folders import passing_folder

SECONDS_MAX = 20
USER = """
import sys
from pathlib import Path
from crmcore.infrastructure.embedded import server
with server(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of our death")
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")


@pytest.fixture(scope="module")
def made_once() -> Iterator[Path]:
    """A folder whose data directory is made, which takes a while."""
    with passing_folder() as folder:
        open_and_close(folder)
        until_gone(folder)
        yield folder


@pytest.fixture
def made(made_once: Path, folder: Path) -> Path:
    """A folder that looks as if its server had just been used."""
    subprocess.run(["/bin/cp", "-Rp", made_once, folder], check=True)
    return folder


def test_what_was_written_is_there_at_the_next_open(folder: Path) -> None:
    with server(folder) as url:
        run(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    until_gone(folder)
    with server(folder) as url:
        assert run(url, "SELECT answer FROM kept") == "42"


def test_the_server_is_durable_private_and_speaks_utf8(made: Path) -> None:
    with server(made) as url:
        assert run(url, "SHOW fsync") == "on"
        assert run(url, "SHOW listen_addresses") == ""
        assert run(url, "SHOW server_encoding") == "UTF8"
        assert run(url, "SELECT current_user") == "crmcore"
        assert stat.S_IMODE(sockets(url).stat().st_mode) == 0o700
    until_gone(made)
    assert not sockets(url).exists()


def test_the_server_runs_until_its_last_user_ends(made: Path) -> None:
    with user(made) as first, user(made) as second:
        assert url_of(first) == (url := url_of(second))
        first.communicate(timeout=SECONDS_MAX)
        assert run(url, "SELECT 1") == "1"
        second.communicate(timeout=SECONDS_MAX)
        until_gone(made)


def test_a_user_who_is_killed_leaves_no_server_behind(made: Path) -> None:
    with user(made) as only:
        url_of(only)
        only.kill()
        until_gone(made)


def test_a_user_who_is_killed_leaves_the_server_to_the_others(made: Path) -> None:
    with user(made) as first, user(made) as second:
        url_of(first)
        url = url_of(second)
        first.kill()
        first.wait(SECONDS_MAX)
        assert run(url, "SELECT 1") == "1"


def test_users_who_come_at_once_share_one_server(made: Path) -> None:
    with user(made) as a, user(made) as b, user(made) as c:
        servers = {
            run(url_of(process), "SELECT pg_postmaster_start_time()") for process in (a, b, c)
        }
        assert len(servers) == 1


def test_a_user_who_comes_while_the_server_ends_gets_a_new_one(made: Path) -> None:
    for _ in range(5):
        with server(made, fast=True) as url:
            assert run(url, "SELECT 1") == "1"
        wait_for(lambda: is_ending(made))


def test_a_user_who_is_killed_while_the_data_is_made_spoils_nothing(folder: Path) -> None:
    with user(folder) as hasty:
        wait_for((folder / "postgres.new").exists)
        hasty.kill()
    with server(folder, fast=True) as url:
        assert run(url, "SELECT 1") == "1"


def test_the_next_open_recovers_from_a_killed_server(made: Path) -> None:
    with user(made) as first:
        run(broken := url_of(first), "CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(postmaster(made), signal.SIGKILL)
        wait_for(lambda: not answers(broken))
        with server(made) as url:
            assert run(url, "SELECT answer FROM kept") == "42"


@LINUX
def test_the_next_open_recovers_from_a_killed_keeper(made: Path) -> None:
    with user(made) as first:
        run(url_of(first), "CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(parent(postmaster(made)), signal.SIGKILL)
        wait_for(lambda: not is_held(made / "keeper.lock", fcntl.LOCK_EX))
        with server(made) as url:
            assert run(url, "SELECT answer FROM kept") == "42"


@LINUX
def test_a_server_whose_keeper_is_killed_ends(made: Path) -> None:
    with user(made) as only:
        url_of(only)
        os.kill(parent(postmaster(made)), signal.SIGKILL)
        until_gone(made)
    open_and_close(made)  # tidies up what only a keeper can


@LINUX
def test_the_keeper_does_not_hear_the_keys_of_our_terminal(made: Path) -> None:
    with server(made, fast=True):
        assert os.getsid(parent(postmaster(made))) != os.getsid(0)


@LINUX
def test_a_process_that_got_a_dead_servers_id_is_in_nobodys_way(made: Path) -> None:
    with server(made, fast=True):
        os.kill(postmaster(made), signal.SIGKILL)
        until_gone(made)
    state = made / "postgres" / "postmaster.pid"
    owner = state.stat()
    account = owner.st_uid if os.geteuid() == 0 else None
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, user=account) as other:
        state.write_text("\n".join([str(other.pid), *state.read_text().splitlines()[1:], ""]))
        with server(made, fast=True) as url:
            assert run(url, "SELECT 1") == "1"
        other.communicate()


def test_a_folder_of_other_things_is_left_alone(folder: Path) -> None:
    folder.mkdir()
    (folder / "diary.txt").touch()
    with pytest.raises(EmbeddedServerError, match=r"no data of ours but diary\.txt"):
        open_and_close(folder)
    assert [file.name for file in folder.iterdir()] == ["diary.txt"]


def test_a_file_is_no_folder(folder: Path) -> None:
    folder.touch()
    with pytest.raises(EmbeddedServerError, match=r"cannot be used: .*Not a directory"):
        open_and_close(folder)


def test_data_of_another_postgresql_is_left_alone(folder: Path) -> None:
    (folder / "postgres").mkdir(parents=True)
    (folder / "postgres" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(EmbeddedServerError, match=r"was made by PostgreSQL 9\.6, and this is"):
        open_and_close(folder)


def test_a_server_that_does_not_start_says_why(made: Path) -> None:
    (made / "postgres" / "postgresql.conf").write_text("nonsense = 'on'\n")
    with pytest.raises(EmbeddedServerError, match=r"did not start in .*\n.*nonsense") as failure:
        open_and_close(made)
    assert "Traceback" not in str(failure.value)


def test_a_folder_for_sockets_that_others_may_enter_is_refused(made: Path) -> None:
    with server(made, fast=True) as url:
        pass
    until_gone(made)
    sockets(url).mkdir()
    sockets(url).chmod(0o777)
    try:
        with pytest.raises(EmbeddedServerError, match="is not a private folder"):
            open_and_close(made)
    finally:
        sockets(url).rmdir()


def test_a_path_too_long_for_a_socket_is_no_hindrance(folder: Path) -> None:
    deep = folder / ("a" * 60) / ("b" * 60)
    with server(deep, fast=True) as url:
        assert run(url, "SELECT 1") == "1"
    until_gone(deep)


@ROOT
def test_data_that_the_servers_account_cannot_reach_lies_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "private" / "crmcore-data"
    folder.parent.mkdir(mode=0o700)
    open_and_close(folder)
    until_gone(folder)
    data = folder / "postgres"
    try:
        assert data.readlink().is_relative_to("/var/lib/crmcore")
        assert folder.parent.stat().st_mode & 0o077 == 0
        with server(folder, fast=True) as url:
            assert run(url, "SELECT 1") == "1"
        until_gone(folder)
    finally:
        subprocess.run(["/bin/rm", "-r", data.readlink().parent], check=True)


def test_a_folder_that_we_may_not_enter_is_an_error_in_words(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may enter every folder")
    folder.mkdir(mode=0)
    with pytest.raises(EmbeddedServerError, match=r"cannot be used: .*Permission denied"):
        open_and_close(folder)
    folder.chmod(0o700)


def open_and_close(folder: Path) -> None:
    with server(folder, fast=True):
        pass


@contextmanager
def user(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run another process that uses the folder until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", USER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def url_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def run(url: str, statement: str) -> str:
    """Run a statement, return the one value it gives, if it gives one."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
    return str(row[0]) if row else ""


def answers(url: str) -> bool:
    try:
        return run(url, "SELECT 1") == "1"
    except psycopg.OperationalError:
        return False


def sockets(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0])


def postmaster(folder: Path) -> int:
    return int((folder / "postgres" / "postmaster.pid").read_text().split("\n")[0])


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def until_gone(folder: Path) -> None:
    """Wait until no process of the folder's server lives."""
    wait_for(lambda: not is_held(folder / "server.lock", fcntl.LOCK_EX))


def is_held(lock: Path, how: int) -> bool:
    """Tell whether others keep us from having a lock."""
    with lock.open("r+b") as file:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def is_ending(folder: Path) -> bool:
    """Tell whether the keeper has seen that nobody uses the server any more."""
    users, server = folder / "users.lock", folder / "server.lock"
    return is_held(users, fcntl.LOCK_SH) or not is_held(server, fcntl.LOCK_EX)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
