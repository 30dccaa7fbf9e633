"""Break everything around the log that can break, and check that it keeps its promises.

    python tests/faults/campaign.py [--long] [--seed N] [--only NAME ...] [--json]

Runs on PostgreSQL servers of its own, in folders that go at the end. The short form runs with the
tests; the long form does ten times as much, in about ten minutes. Exits with 1 if a promise was
broken.
"""

import argparse
import json
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from crmcore.infrastructure.embedded import server
from tests.faults.contention import ids_reused, opposite_orders, time_is_up
from tests.faults.cut import connections_cut
from tests.faults.dark import network_dark
from tests.faults.disk import disk_full
from tests.faults.intruder import intruder
from tests.faults.killed import (
    backends_killed,
    backends_terminated,
    sealer_killed,
    workers_killed,
)
from tests.faults.order import clock_jumps_back, dumped_and_restored, idle_transaction_elsewhere
from tests.faults.setting import Fault, Result, Setting
from tests.folders import passing_folder

SEED = 20_260_302

FAULTS: Mapping[str, Fault] = {
    "workers killed": workers_killed,
    "connections cut": connections_cut,
    "backends terminated": backends_terminated,
    "backends killed": backends_killed,
    "sealer killed": sealer_killed,
    "opposite orders": opposite_orders,
    "disk full": disk_full,
    "network dark": network_dark,
    "idle transaction elsewhere": idle_transaction_elsewhere,
    "dumped and restored": dumped_and_restored,
    "ids reused": ids_reused,
    "time is up": time_is_up,
    "clock jumps back": clock_jumps_back,
    "intruder": intruder,
}


def main(arguments: Sequence[str]) -> int:
    """Carry the campaign out; return its exit status."""
    asked = _asked(arguments)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it warns of what we break
    results: dict[str, Result] = {}
    with passing_folder() as folder, server(folder) as url:
        setting = Setting(url, asked.seed, asked.long)
        _say(f"seed {asked.seed}, {'long' if asked.long else 'short'} form")
        for name in asked.only or FAULTS:
            started = time.monotonic()
            results[name] = result = FAULTS[name](setting)
            _say(f"{_verdict(result)}  {name}, {time.monotonic() - started:.0f} s")
    told = _as_json(asked.seed, results) if asked.json else _table(results)
    sys.stdout.write(f"{told}\n")
    return 0 if all(result.passed for result in results.values()) else 1


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--long", action="store_true", help="do ten times as much")
    parser.add_argument("--seed", type=int, default=SEED, help="of all that is left to chance")
    parser.add_argument("--only", action="append", choices=FAULTS, help="this fault, and no other")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    return parser.parse_args(arguments)


def _verdict(result: Result) -> str:
    if result.skipped:
        return "skipped"
    return "passed " if result.passed else "FAILED "


def _table(results: Mapping[str, Result]) -> str:
    lines = ["", "| fault | verdict | expected | measured |", "|---|---|---|---|"]
    for name, result in results.items():
        measured = ", ".join(f"{what} {figure}" for what, figure in result.measured.items())
        told = result.skipped or measured
        lines.append(f"| {name} | {_verdict(result).strip()} | {result.expected} | {told} |")
    for name, result in results.items():
        lines += ["", f"{name}:", *(f"- {note}" for note in result.notes)] if result.notes else []
    return "\n".join(lines)


def _as_json(seed: int, results: Mapping[str, Result]) -> str:
    found = {
        name: {"passed": result.passed, "expected": result.expected, **result._asdict()}
        for name, result in results.items()
    }
    return json.dumps({"seed": seed, "results": found}, indent=2)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
