"""Is who follows a log given every fact once and in order, however many write meanwhile?

    python -m crmcore.testing.concurrency                   check the log of crmcore
    python -m crmcore.testing.concurrency --reader naive    see what is found in another one

Many writers append at once, and some of their transactions wait with facts that nobody sees yet.
A reader follows all the time. In the end it is counted what the reader was given and what not.

Any other store is checked from Python, by `check`: docs/how-to/check-any-store.md.
"""

import platform
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from uuid import uuid4

import msgspec
from msgspec.structs import asdict

from crmcore.domain.value import CRMError
from crmcore.infrastructure.database import connect, conninfo, translated
from crmcore.infrastructure.embedded import POLL_SECONDS, STOP_SECONDS_MAX, server
from crmcore.testing.checking import FAULTS, Load, Progress, Report, check
from crmcore.testing.logs import KINDS, Kind, Log, OpenLog, Part, Seen

__all__ = ["Load", "Log", "OpenLog", "Part", "Report", "Seen", "check"]

CLEAR_LINE = "\033[K"
OPTIONS = {
    "writers": (int, "threads that write"),
    "readers": (int, "threads that follow"),
    "facts": (int, "how many facts to write at least"),
    "slow_share": (float, "the share of commits that append, wait and append again"),
    "slow_pause_s": (float, "how many seconds these wait"),
    "settle_s": (float, "after how many seconds without news a reader gives up"),
    "seed": (int, "decides which commits there are"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a log; return the exit status, 0 if there was no fault."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    kind = KINDS[asked.reader]
    try:
        load = msgspec.convert({name: getattr(asked, name) for name in OPTIONS}, Load)
        with _database(asked.store) as url, kind.made(url) as open_log, _progress() as progress:
            ran_on = _ran_on(url)
            report = check(open_log, load, dense=kind.dense, progress=progress)
    except (CRMError, ImportError, msgspec.ValidationError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    if asked.json:
        figures = asdict(report) | {"rate": report.rate, "passed": report.passed}
        told = {"log": kind.what, "on": ran_on, "load": load, "report": figures}
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    else:
        sys.stdout.write(_table(kind, ran_on, load, report))
    return 0 if report.passed else 1


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m crmcore.testing.concurrency",
        description=__doc__,
        epilog="The exit status is 0 without a fault, 1 with one, 2 if it could not be found out.",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--store",
        metavar="URL",
        help="a PostgreSQL server, on which a database is made for the check and dropped afterwards"
        " (default: an embedded server in a temporary folder)",
    )
    known = "; ".join(f"{name}: {kind.what}" for name, kind in KINDS.items())
    parser.add_argument("--reader", choices=KINDS, default="crmcore", help=known)
    for name, (kind, meaning) in OPTIONS.items():
        default = getattr(Load(), name)
        option = "--" + name.removesuffix("_s").replace("_", "-")
        said = f"{meaning} ({default})"
        parser.add_argument(option, dest=name, type=kind, default=default, metavar="N", help=said)
    parser.add_argument("--json", action="store_true", help="print one JSON value")
    return parser


def _table(kind: Kind, ran_on: str, load: Load, report: Report) -> str:
    """Return the report as people read it."""
    fewest, most = load.facts_per_commit
    tried = (
        f"{load.writers} writers, {fewest} to {most} facts a commit,"
        f" {load.slow_share:.0%} of the commits wait {load.slow_pause_s} s,"
        f" {load.readers} following, seed {load.seed}"
    )
    slow = f"in {report.commits:,} commits, {report.slow_commits:,} of them slow"
    rows = [
        ("written", f"{report.written:,}", slow),
        ("seconds", f"{report.seconds:,.1f}", f"{report.rate:,.0f} facts a second"),
        ("seen", f"{report.seen:,}", "delivered while others wrote, or right after"),
    ]
    for fault, meaning in FAULTS.items():
        count = getattr(report, fault)
        rows.append((fault, "not asked" if count is None else f"{count:,}", meaning))
    figures = (f"  {name:10}{figure:>12}   {meaning}" for name, figure, meaning in rows)
    verdict = "passed" if report.passed else "FAILED"
    return "\n".join([kind.what, ran_on, tried, "", *figures, "", verdict, ""])


def _ran_on(url: str) -> str:
    with connect(url) as connection:
        postgres = connection.info.parameter_status("server_version")
    return (
        f"crmcore {version('crmcore')}, PostgreSQL {postgres}, psycopg {version('psycopg')},"
        f" Python {platform.python_version()}, {datetime.now(UTC).date()}"
    )


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """Yield what shows on a terminal how far it is, or nothing where nobody looks."""

    def show(done: int, total: int) -> None:
        sys.stderr.write(f"\r{CLEAR_LINE}{done:,} of {total:,} facts written")
        sys.stderr.flush()

    if sys.stderr.isatty():
        yield show
        sys.stderr.write(f"\r{CLEAR_LINE}")
    else:
        yield None


@contextmanager
def _database(store: str | None) -> Iterator[str]:
    """Yield the URL of a new database, which goes with whoever is left in it."""
    name = f"crmcore_check_{uuid4().hex}"
    with nullcontext(store) if store else _passing_server() as url, connect(url) as connection:
        with translated():
            connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield f"{conninfo(url)} dbname={name}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def _passing_server() -> Iterator[str]:
    """Yield the URL of an embedded server, which goes with its folder."""
    with TemporaryDirectory(prefix="crmcore-check-", ignore_cleanup_errors=True) as base:
        Path(base).chmod(0o711)  # root's server runs as another account, which has to pass
        with server(Path(base) / "store") as url:
            yield url
        runs = Path(base) / "store" / "postgres" / "postmaster.pid"
        deadline = perf_counter() + STOP_SECONDS_MAX
        while runs.exists() and perf_counter() < deadline:
            sleep(POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
