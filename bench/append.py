"""How fast facts are appended, as a curve over callers and disks, beside the limit and rivals.

All ways write the same fact to the same durable server in the same run, each to a database of its
own, in turn, several rounds. A caller waits for each append before it makes the next.

    python3 dev.py bench append [--only sync,slow] [--rounds N] [--seconds N] [--json FILE]

Ours records every fact with its envelope and its command's id. The limit is psycopg alone: one
INSERT, or COPY for many rows, into a table with nothing but a key, a name and the payload. The
rivals are the eventsourcing library and, where node and npm are at hand, Emmett; what is set for
them, and why, is said in _rivals.py and emmett/append.mjs.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier, Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench._cells import CELLS, EMMETT, LIBRARY, LIMIT, OURS, PARTS, Cell
from bench._emmett import Emmett, NotThereError, install
from bench._load import PAYLOAD, WARM_UP_SECONDS, Sample, Way
from bench._ours import Ours
from bench._rivals import Bare, Library
from bench._servers import database
from crmcore.application.group import Group
from crmcore.infrastructure.embedded import server

SLOWER_US = 2_000  # of the imitated disk, a commit
SLOWER_MS_MIN = 1.5  # that must be found when it is measured
PROBE_SECONDS = 0.5
SHARES = 20_000

Ways: TypeAlias = Mapping[str, Callable[[str], Way]]


class Result(NamedTuple):
    """What one way did in one cell in one round."""

    cell: str
    way: str
    round: int
    facts: int
    rate: float
    p50_ms: float
    p99_ms: float


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    cells = [cell for cell in CELLS if cell.part in arguments.only]
    with tempfile.TemporaryDirectory(prefix="crmcore-bench-") as folder:
        Path(folder).chmod(0o711)
        with server(Path(folder) / "store") as url:
            ways, rivals = _ways(Path(folder) / "emmett")
            said = _machine(url) | {
                "rivals": rivals,
                "measured": f"{arguments.rounds} rounds of {arguments.seconds:g} s a cell, behind"
                f" {WARM_UP_SECONDS:g} s of warm-up; a fact is {len(PAYLOAD)} bytes of JSON",
            }
            if "slow" in arguments.only:
                said["slow disk"] = _proved(url)
            print(*(f"{name}: {value}" for name, value in said.items()), sep="\n", flush=True)
            print(f"sharing a transaction costs a single caller {_sharing_us():.0f} us", flush=True)
            results = list(_measured(url, cells, ways, arguments.rounds, arguments.seconds))
    for cell in cells:
        _print(cell, [result for result in results if result.cell == cell.name])
    if arguments.json is not None:
        rows = [result._asdict() for result in results]
        arguments.json.write_text(json.dumps(said | {"results": rows}, indent=1) + "\n")


def _ways(folder: Path) -> tuple[Ways, str]:
    """Return the ways that can be measured here, and the versions of the rivals."""
    ways: Ways = {OURS: Ours, LIMIT: Bare, LIBRARY: Library}
    library = f"eventsourcing {version('eventsourcing')}"
    try:
        emmett = install(folder)
    except NotThereError as error:
        return ways, f"{library}; {error}"
    return {**ways, EMMETT: partial(Emmett, folder=folder)}, f"{library}, {emmett}"


def _measured(
    url: str, cells: Sequence[Cell], ways: Ways, rounds: int, seconds: float
) -> Iterator[Result]:
    """Measure every cell in every round, the ways in turn and another one first each time."""
    for number in range(rounds):
        first = number % len(ways)
        for cell in cells:
            for name in [*ways, *ways][first : first + len(ways)]:
                print(f"round {number + 1}: {cell.name}: {name}", file=sys.stderr)
                if sample := _sample(url, cell, ways[name], seconds):
                    yield Result(cell.name, name, number + 1, *sample)


def _sample(url: str, cell: Cell, make: Callable[[str], Way], seconds: float) -> Sample | None:
    """Measure one way, and see to it that what it acknowledged is there."""
    with _database(url, slow=cell.part == "slow") as own:
        way = make(own)
        sample = cell.run(way, seconds)
        if sample is not None and (held := _rows(way)) < sample.total:
            sys.exit(f"{sample.total} facts were acknowledged, and {way.table} holds {held}")
    return sample


@contextmanager
def _database(url: str, *, slow: bool) -> Iterator[str]:
    """Yield the URL of a new database, behind a checkpoint: nobody pays for another's writes.

    The slow disk is imitated by PostgreSQL itself, which waits before it flushes the log.
    """
    with database(url) as own:
        with psycopg.connect(url, autocommit=True) as connection:
            name = Identifier(urlsplit(own).path.lstrip("/"))
            settings = {"commit_delay": SLOWER_US, "commit_siblings": 0} if slow else {}
            for setting, value in settings.items():
                connection.execute(
                    SQL("ALTER DATABASE {} SET {} = {}").format(
                        name, Identifier(setting), Literal(value)
                    )
                )
            connection.execute("CHECKPOINT")
        yield own


def _rows(way: Way) -> int:
    with psycopg.connect(way.url) as connection:
        table = Identifier(*way.table.split("."))
        row = connection.execute(SQL("SELECT count(*) FROM {}").format(table)).fetchone()
    assert row is not None
    return int(row[0])


def _sharing_us() -> float:
    """Return what the group itself costs a caller whom nobody joins."""
    group: Group[int, int] = Group(list, keys=lambda item: (item,))
    start = perf_counter()
    for item in range(SHARES):
        group([item])
    return (perf_counter() - start) / SHARES * 1e6


def _proved(url: str) -> str:
    """Return how long a bare insert takes on either disk; end where the slow one is not slower."""
    took: list[float] = []
    for slow in (False, True):
        with _database(url, slow=slow) as own:
            took.append(Bare(own).append_sync(1, PROBE_SECONDS).p50_ms)
    plain, slower = took
    said = f"a bare insert takes {slower:.2f} ms in place of {plain:.2f}"
    if slower - plain < SLOWER_MS_MIN:
        sys.exit(f"the slow disk is not slow: {said}")
    return said


def _print(cell: Cell, results: Sequence[Result]) -> None:
    print(f"\n{cell.name:34}{'a second':>10}   {'(from to)':20}{'p50 ms':>9}{'p99 ms':>9}")
    ours = median(result.rate for result in results if result.way == OURS)
    for name in (OURS, LIMIT, LIBRARY, EMMETT):
        if own := [result for result in results if result.way == name]:
            rates = [result.rate for result in own]
            spread = f"({min(rates):,.0f} to {max(rates):,.0f})"
            p50, p99 = median(r.p50_ms for r in own), median(r.p99_ms for r in own)
            ratio = "" if name == OURS else f"   ours {ours / median(rates):.2f} times this"
            goal = f", goal {cell.goals[name]}" if name in cell.goals else ""
            print(
                f"  {name:32}{median(rates):>10,.0f}   {spread:20}{p50:>9.2f}{p99:>9.2f}"
                f"{ratio}{goal}"
            )


def _machine(url: str) -> dict[str, str]:
    """Return where this is measured; end where the server would not keep what it acknowledges."""
    with psycopg.connect(url, autocommit=True) as connection:
        found: dict[str, str] = dict(
            connection.execute("SELECT name, setting FROM pg_settings").fetchall()
        )
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        if found[name] != "on":
            sys.exit(f"the server is not durable: {name} is {found[name]}")
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "Python": f"{platform.python_version()}, psycopg {version('psycopg')}",
        "PostgreSQL": f"{found['server_version']}, durable by {found['wal_sync_method']}",
    }


def _parts(text: str) -> list[str]:
    parts = text.split(",")
    if unknown := set(parts) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(PARTS)}")
    return parts


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Append, beside the limit and rivals.")
    parser.add_argument("--only", type=_parts, default=list(PARTS), metavar=",".join(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each way in each cell")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to put all figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
