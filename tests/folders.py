"""Folders for embedded servers."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def passing_folder(name: str = "crmcore-data") -> Iterator[Path]:
    """Yield a path for a folder that the account of a server started by root can reach.

    It goes when the servers in it have ended.
    """
    before = os.umask(0o022)
    base = Path(tempfile.mkdtemp(prefix="crmcore-tests-"))
    base.chmod(0o711)
    folder = base / name
    try:
        yield folder
    finally:
        for held in sorted(base.rglob("server.lock")):
            with held.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(base)
        os.umask(before)
