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

    The folder goes when its server has ended.
    """
    before = os.umask(0o022)
    base = Path(tempfile.mkdtemp(prefix="crmcore-tests-"))
    base.chmod(0o711)
    folder = base / name
    try:
        yield folder
    finally:
        if (folder / "server.lock").exists():
            with (folder / "server.lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(base)
        os.umask(before)
