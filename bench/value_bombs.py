"""How long it takes until a value bomb is refused, at each door.

    python3 dev.py bench value_bombs [--json]

A bomb is a value that costs little to make and much to look at: a number of millions of digits, a
text of megabytes, lists in lists. Each is refused before anybody looks closely; the best of a few
tries is shown, since other programs take time too.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from crmcore import CRMError
from tests.bombs import DOORS, bombs

TRIES = 5
TARGET_MS = 10.0


class Refused(NamedTuple):
    """How long a refusal took."""

    door: str
    bomb: str
    ms: float


def main() -> None:
    """Drop each bomb at each door, and print how long the refusal took."""
    parser = argparse.ArgumentParser(description="Value bombs, and how soon they are refused.")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = [
        Refused(door, bomb, round(refusal_ms(drop, value), 3))
        for door, drop in DOORS.items()
        for bomb, value in bombs(door).items()
    ]
    found.sort(key=lambda one: -one.ms)
    if asked.json:
        print(json.dumps([one._asdict() for one in found]))
        return
    for one in found:
        print(f"{one.ms:>9} ms  {one.door}: {one.bomb}")
    late = [one for one in found if one.ms > TARGET_MS]
    print(f"{len(found)} bombs, {len(late)} of them refused after more than {TARGET_MS} ms")


def refusal_ms(drop: Callable[[object], object], bomb: object) -> float:
    """Return the best of some times from the bomb to its refusal, in milliseconds."""
    times: list[float] = []
    for _ in range(TRIES):
        begun = perf_counter()
        try:
            drop(bomb)
        except CRMError:
            times.append((perf_counter() - begun) * 1_000)
        else:
            raise AssertionError(f"{drop.__name__} let it through")
    return min(times)


if __name__ == "__main__":
    main()
