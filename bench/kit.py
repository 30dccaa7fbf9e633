"""What the testing kit finds, how soon, and how fast it makes histories.

    python3 dev.py bench kit [--seeds N] [--histories N] [--hypothesis] [--json]

Bugs are planted in our rules one at a time (tests/testing/planted.py), and public mistakes are
ported as deciders (tests/testing/mistakes): each is looked for in so many histories a seed, by the
laws that are there anyway, and what is found is shortened. `--hypothesis` looks by Hypothesis, as
`crmcore check` does, and takes much longer.

Histories are compared with those whose commands are made from their types alone, as any strategy
derived from types makes them: how many of their commands are accepted, and what occurs.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from random import Random
from time import process_time
from typing import Any, NamedTuple
from uuid import UUID

from hypothesis import Phase, given, settings
from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from crmcore.domain.act import Act
from crmcore.policies import Policies, deciders
from crmcore.testing import History, Law, check, histories, samples, values
from crmcore.testing.contracts import PATIENT, laws_for
from crmcore.testing.living import declared, kinds, live
from crmcore.testing.rehearsing import Cast
from crmcore.testing.shortening import shortened
from crmcore.testing.steps import START, AnyDecider, Turn
from crmcore.testing.trying import attempt
from tests.testing.mistakes import MISTAKES
from tests.testing.test_planted import ALL

STEPS = 30


class Sought(NamedTuple):
    """A bug that is looked for: by which laws, and with how many commands at the least."""

    what: str
    rule: str
    rules: AnyDecider
    laws: Sequence[Law]
    commands: int


class Found(NamedTuple):
    """In which history of each seed a bug was found first, and the fewest commands to show it."""

    firsts: Sequence[int | None]
    fewest: Sequence[int | None]


def main() -> None:
    """Print what is found, and how histories are made."""
    os.environ["CRMCORE_REHEARSALS"] = ""  # each rehearsal is timed
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--histories", type=int, default=500)
    parser.add_argument("--hypothesis", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    told: dict[str, Any] = {"bugs": [], "histories": []}
    for line in lines(asked, told):
        if not asked.json:
            print(line, flush=True)
    if asked.json:
        print(json.dumps(told))


def lines(asked: argparse.Namespace, told: dict[str, Any]) -> Iterator[str]:
    """Yield the tables line by line, and keep what they say."""
    look = by_hypothesis if asked.hypothesis else by_samples
    versions = f"Python {platform.python_version()}, Hypothesis {version('hypothesis')}"
    yield f"{platform.machine()}, {versions}; {asked.histories} histories a seed"
    for bug in sought():
        told["bugs"].append(row := as_row(bug, look(bug, asked.seeds, asked.histories)))
        yield from table(told["bugs"], row)
    for decider in deciders(Policies()):
        told["histories"].append(row := made(decider, asked.histories))
        yield from table(told["histories"], row)


def table(rows: Sequence[dict[str, Any]], row: dict[str, Any]) -> Iterator[str]:
    """Yield a line of a table in Markdown, behind its head where it is the first."""
    if len(rows) == 1:
        yield "\n| " + " | ".join(row) + " |"
        yield "|" + "---|" * len(row)
    yield "| " + " | ".join(map(str, row.values())) + " |"


def sought() -> Iterator[Sought]:
    """Yield the bugs that are planted, and the mistakes that were ported."""
    for bug in ALL:
        yield Sought(bug.what, bug.rule, bug.rules, laws_for(bug.rules), bug.commands)
    for one in MISTAKES:
        yield Sought(one.name, one.rule, one.wrong, [one.law], one.least)


def by_samples(bug: Sought, seeds: int, number: int) -> Found:
    """Look for a bug in histories that the kit makes by itself."""
    laws = {law.name: law for law in bug.laws}
    firsts, fewest = list[int | None](), list[int | None]()
    for seed in range(seeds):
        first, least = None, None
        for count, history in enumerate(samples(bug.rules, number, seed=seed), 1):
            for name in {violation.law for violation in check(bug.rules, history, laws)}:
                first = first or count
                size = len(shortened(history, laws[name]).steps)
                least = size if least is None else min(least, size)
            if least == bug.commands:
                break
        firsts.append(first)
        fewest.append(least)
    return Found(firsts, fewest)


def by_hypothesis(bug: Sought, seeds: int, number: int) -> Found:
    """Look for a bug as `crmcore check` does."""
    firsts, fewest = list[int | None](), list[int | None]()
    for seed in range(seeds):
        trial = attempt(bug.rules, laws=bug.laws, examples=number, seeded=seed)
        sizes = [broken.commands for broken in trial.broken]
        firsts.append(trial.histories if sizes else None)
        fewest.append(min(sizes, default=None))
    return Found(firsts, fewest)


def as_row(bug: Sought, found: Found) -> dict[str, Any]:
    """Return a line of the table."""
    there = sorted(first for first in found.firsts if first is not None)
    sizes = sorted({size for size in found.fewest if size is not None})
    return {
        "bug": bug.what,
        "rule": bug.rule,
        "commands": bug.commands,
        "found": f"{len(there)} of {len(found.firsts)} seeds",
        "shown with": ", ".join(map(str, sizes)) or "-",
        "history": there[len(there) // 2] if there else None,
    }


def made(decider: AnyDecider, number: int) -> dict[str, Any]:
    """Return how fast histories of a decider are made, and what is in them."""
    began = process_time()
    cast = Cast(decider)
    ways = cast.ways
    rehearsal = process_time() - began
    lived, seconds = drawn(decider, number)
    began = process_time()
    sampled = sum(len(history.steps) for history in samples(decider, number, steps=STEPS))
    alone = process_time() - began
    steps = [step for history in lived for step in history.steps]
    occurs = dict.fromkeys(declared(decider), 0)
    for history in lived:
        for kind in {type(event) for event in history.events}:
            occurs[kind] += 1
    half = [kind for kind in kinds(decider.events) if occurs[kind] * 2 >= len(lived)]
    never = [kind.__name__ for kind in declared(decider) if kind not in ways]
    return {
        "aggregate": decider.kind,
        "commands a second": round(sampled / alone),
        "by Hypothesis": round(len(steps) / seconds),
        "accepted": share(lived),
        "of types alone": share(list(islice(by_types(decider), number))),
        "rehearsal": round(rehearsal, 1),
        "in half of the histories": f"{len(half)} of {len(kinds(decider.events))}",
        "no way found to": ", ".join(never) or "nothing",
    }


def drawn(decider: AnyDecider, number: int) -> tuple[list[History], float]:
    """Return so many histories as Hypothesis draws them, and how long that took."""
    lived: list[History] = []
    strategy = histories(decider, steps=STEPS)

    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=PATIENT,
    )
    @given(strategy)
    def collect(history: History) -> None:
        lived.append(history)

    _ = next(samples(decider, 1))  # whoever plays has rehearsed
    began = process_time()
    collect()
    return lived, process_time() - began


def by_types(decider: AnyDecider) -> Iterator[History]:
    """Yield histories whose commands know nothing of one another, as types alone make them."""
    pool: list[Any] = []

    @settings(
        max_examples=2_000,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=PATIENT,
    )
    @given(values(decider.commands))
    def collect(command: object) -> None:
        pool.append(command)

    collect()
    random = Random(0)  # noqa: S311 - the same every time
    act = Act(by="ann", effective_at=START, command_id=UUID(int=1))
    while True:
        turns = [
            Turn(random.choice(pool), replace(act, command_id=UUID(int=number + 1)))
            for number in range(STEPS)
        ]
        yield History(decider=decider, steps=tuple(live(decider, turns)))


def share(lived: Sequence[History]) -> str:
    """Return how many of the commands of histories are accepted."""
    steps = [step for history in lived for step in history.steps]
    return f"{sum(step.is_accepted for step in steps) / len(steps):.0%}"


if __name__ == "__main__":
    main()
