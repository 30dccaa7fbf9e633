"""Emmett, the event store for Node.js, measured by append.py through emmett/append.mjs."""

import json
import os
import subprocess
from pathlib import Path
from shutil import copy, which

from bench._load import (
    AGGREGATE_FACTS,
    CHANNEL,
    NAME,
    STREAM_FACTS,
    SUMMARY,
    Sample,
)

PROGRAM = Path(__file__).with_name("emmett")
WARM_UP_SECONDS = 1.5  # each cell is a new process, and its code is compiled as it runs
CONNECTIONS = 40  # where pg's own default is 10, which 16 callers with a slow disk would wait for
BULK_CALLERS = 4  # an append is to one stream: several at once get more done than one
RUN_SECONDS_MAX = 300
NPM_OPTIONS = (
    "--no-package-lock",
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    "--loglevel=error",
)


class Emmett:
    """Emmett's PostgreSQL store; its callers are promises, whether ours are threads or tasks."""

    table = "emt_messages"

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self._folder = folder

    def append_sync(self, callers: int, seconds: float) -> Sample:
        """Append one event a call."""
        return self._run("append", callers, seconds)

    def append_async(self, callers: int, seconds: float) -> Sample:
        """Append one event a call."""
        return self._run("append", callers, seconds)

    def bulk(self, seconds: float) -> Sample:
        """Append the events of one stream a call."""
        return self._run("bulk", BULK_CALLERS, seconds, STREAM_FACTS)

    def commands(self, threads: int, seconds: float) -> Sample:
        """Handle one command a call: aggregate the stream, decide, append."""
        return self._run("commands", threads, seconds, AGGREGATE_FACTS)

    def _run(self, mode: str, callers: int, seconds: float, stream_facts: int = 0) -> Sample:
        task = {
            "url": self.url,
            "mode": mode,
            "callers": callers,
            "seconds": seconds,
            "warmUp": WARM_UP_SECONDS,
            "connections": CONNECTIONS,
            "streamFacts": stream_facts,
            "name": NAME,
            "channel": CHANNEL,
            "summary": SUMMARY,
        }
        said = _run(["node", "append.mjs", json.dumps(task)], self._folder)
        found = json.loads(said.splitlines()[-1])
        return Sample(
            total=found["total"],
            rate=found["count"] / found["seconds"],
            p50_ms=found["p50"],
            p99_ms=found["p99"],
        )


class NotThereError(Exception):
    """Emmett cannot be run here; the text says why."""


def install(folder: Path) -> str:
    """Install Emmett into a folder; return its version and Node's."""
    if which("node") is None or which("npm") is None:
        raise NotThereError("Emmett is left out: there is no node or no npm here.")
    folder.mkdir()
    for file in ("package.json", "append.mjs"):
        copy(PROGRAM / file, folder)
    try:
        _run(["npm", "install", *NPM_OPTIONS], folder)
        node = _run(["node", "--version"], folder).strip()
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        raise NotThereError("Emmett is left out: npm could not install it.") from None
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    return f"Emmett {wanted['@event-driven-io/emmett-postgresql']}, Node.js {node}"


def _run(command: list[str], folder: Path) -> str:
    return subprocess.run(  # noqa: S603 - our own program, and npm to install what it needs
        command,
        cwd=folder,
        env=os.environ | {"NODE_ENV": "production"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=RUN_SECONDS_MAX,
    ).stdout
