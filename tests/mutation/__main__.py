"""Mutation testing of domain/ and projections/: are the tests such that they notice a change?

python3 dev.py mutate                functions that changed, mutants that live without a reason
python3 dev.py mutate MODULE...      all of these modules, such as domain/lots.py
python3 dev.py mutate --all          all of all modules
python3 dev.py mutate --check        what must hold before a commit: is the record true?

Interrupted, it goes on where it was: what it found is in .mutation/ until the rules change.
"""

import hashlib
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import TypeVar

from tests.mutation import record as records
from tests.mutation.mutants import FOLDERS, ROOT, Mutation, functions, modules
from tests.mutation.record import Record
from tests.mutation.running import TESTS, Reach, Tests, with_tests

Key = tuple[str, str]  # module, function
Subject = TypeVar("Subject")
What = TypeVar("What")

SAMPLE, SEED = 100, 20261122
PROGRESS = ROOT / ".mutation"
SOURCES = (*FOLDERS, *TESTS, "src/crmcore/testing")
SAY_S = 5
ENOUGH_S = 20.0  # of tests, without a mutant: what they do not notice by then lives


def main(arguments: list[str]) -> int:
    """Carry out what was asked; return the exit status."""
    record = records.read()
    if arguments == ["--check"]:
        return with_tests(lambda tests: check(tests, record))
    if arguments == ["--all"]:
        return with_tests(lambda tests: campaign(tests, record, mutants_of(all_functions())))
    if not arguments:
        return with_tests(lambda tests: campaign(tests, record, unsettled(tests, record)))
    if set(arguments) <= set(modules()):
        chosen = mutants_of(key for key in all_functions() if key[0] in arguments)
        return with_tests(lambda tests: campaign(tests, record, chosen))
    say(__doc__ or "")
    say("modules: " + " ".join(modules()))
    return 2


def say(words: str) -> None:
    print(words, flush=True)  # noqa: T201 - a program that says how far it is


def all_functions() -> list[Key]:
    return [(module, one.name) for module in modules() for one in functions(module)]


def unsettled(tests: Tests, record: Record) -> dict[Mutation, range]:
    """Return the mutants of functions that changed, and those that live without a reason."""
    stale = set(records.stale(record, tests.items))
    return {
        mutant: at
        for mutant, at in mutants_of(all_functions()).items()
        if mutant[:2] in stale or record.survivors.get(mutant) == ""
    }


def check(tests: Tests, record: Record) -> int:
    """Say what is wrong with the record; run a sample of the killed, always the same, again."""
    wrong = list(records.problems(record, tests.items))
    if not wrong:
        killed = [
            one
            for one in mutants_of(all_functions())
            if one not in record.survivors and one[:2] not in record.open
        ]
        sample = Random(SEED).sample(killed, min(SAMPLE, len(killed)))  # noqa: S311 - the same one
        hinted = [(mutant, hints(tests, record, mutant)) for mutant in sample]
        for mutant, who in counted(tests.kill(hinted, {}), len(sample)):
            if who is None:
                wrong.append(f"{' '.join(mutant)}: it lives now; were tests made weaker?")
    for sentence in wrong:
        say(sentence)
    say("run python3 dev.py mutate" if wrong else "the record is true")
    return 1 if wrong else 0


def campaign(tests: Tests, record: Record, mutants: Mapping[Mutation, range]) -> int:
    """Run these mutants, and record what comes of it."""
    began, progress = time.monotonic(), Progress()
    killers = {mutant: by for mutant, by in progress.killers.items() if mutant in mutants}
    say(f"{len(mutants)} mutants, {len(killers)} of them done before")
    likely = [
        (mutant, names)
        for mutant in mutants
        if mutant not in killers and (names := hints(tests, record, mutant))
    ]
    for mutant, by in counted(tests.kill(likely, {}), len(likely)):
        if by is not None:
            killers[mutant] = progress.killed(mutant, by)
    if rest := [mutant for mutant in mutants if mutant not in killers]:
        reach = learned(tests, progress)
        if len(reach) < len(tests.items):
            say(f"tests fail already: {' '.join(sorted(tests.items.keys() - reach.keys()))}")
            return 2
        seconds = {name: said.seconds for name, said in reach.items()}
        ordered = [
            (mutant, order(mutant[0], mutants[mutant], reach, hints(tests, record, mutant)))
            for mutant in rest
        ]
        for mutant, by in counted(tests.kill(ordered, seconds), len(rest)):
            killers[mutant] = progress.killed(mutant, by)
    after = records.updated(record, killers)
    records.write(after)
    return told(after, killers, (time.monotonic() - began) / 60)


def told(record: Record, killers: Mapping[Mutation, str | None], minutes: float) -> int:
    """Say what came of a campaign; return the exit status."""
    lived = [mutant for mutant, by in killers.items() if by is None]
    for mutant in lived:
        say(f"lives: {'  '.join(mutant)}\n       {record.survivors[mutant] or 'WHY?'}")
    killed = len(killers) - len(lived)
    say(f"{killed} of {len(killers)} mutants are killed, in {minutes:.1f} minutes")
    return 0 if all(record.survivors[mutant] for mutant in lived) else 1


def mutants_of(chosen: Iterable[Key]) -> dict[Mutation, range]:
    """Return the mutants of these functions, with the lines of what is changed."""
    wanted = set(chosen)
    return {
        (module, function.name, change): at
        for module in modules()
        for function in functions(module)
        if (module, function.name) in wanted
        for change, at in function.mutants()
    }


def hints(tests: Tests, record: Record, mutant: Mutation) -> list[str]:
    """Return the tests that killed others of its function, the most deadly first."""
    entry = record.entries.get(mutant[:2])
    return [name for name in entry.by if name in tests.items] if entry else []


def order(module: str, at: range, reach: Mapping[str, Reach], hinted: Sequence[str]) -> list[str]:
    """Return tests that reach these lines: those hinted at, then the fastest for a while."""
    found = {
        name: said.seconds
        for name, said in reach.items()
        if not set(at).isdisjoint(said.lines.get(module, ()))
    }
    first = [name for name in hinted if name in found]
    rest = sorted(found.keys() - set(first), key=lambda name: (found[name], name))
    until = accumulate(found[name] for name in rest)
    return [*first, *(name for name, past_s in zip(rest, until, strict=True) if past_s < ENOUGH_S)]


def learned(tests: Tests, progress: "Progress") -> dict[str, Reach]:
    """Return what every test reaches that does not fail."""
    reach = {name: said for name, said in progress.reach.items() if name in tests.items}
    unknown = [name for name in tests.items if name not in reach]
    say(f"what {len(unknown)} tests reach:" if unknown else "what tests reach is known")
    for name, said in counted(tests.reach(unknown), len(unknown)):
        if said is not None:
            reach[name] = progress.reached(name, said)
    return reach


def counted(
    found: Iterable[tuple[Subject, What | None]], most: int
) -> Iterator[tuple[Subject, What | None]]:
    """Yield what is found, and say now and then how far it is."""
    began = said = time.monotonic()
    nothing = 0
    for number, (subject, what) in enumerate(found, 1):
        nothing += what is None
        yield subject, what
        now = time.monotonic()
        if now - said > SAY_S or number == most:
            left_s = (now - began) / number * (most - number)
            say(f"{number} of {most}, {nothing} without a test that fails, {left_s:.0f} s left")
            said = now


class Progress:
    """What was found since the rules last changed, kept as it is found.

    What a test reaches or kills counts until its file changes; that a mutant lives, until any does.
    """

    def __init__(self) -> None:
        files = {path: path.read_bytes() for path in python_files()}
        tests = {path: text for path, text in files.items() if path.name.startswith("test_")}
        self.digests = {path.relative_to(ROOT).as_posix(): digest(tests[path]) for path in tests}
        self.whole = digest(*tests.values())
        rules = digest(*(text for path, text in files.items() if path not in tests))
        PROGRESS.mkdir(exist_ok=True)
        self.path = PROGRESS / f"{rules}.jsonl"
        for path in PROGRESS.glob("*.jsonl"):
            if path != self.path:
                path.unlink()
        self.killers: dict[Mutation, str | None] = {}
        self.reach: dict[str, Reach] = {}
        known = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        for line in known.splitlines()[: known.count("\n")]:  # the last one may be cut
            self._read(json.loads(line))

    def killed(self, mutant: Mutation, by: str | None) -> str | None:
        """Keep which test killed a mutant."""
        self._keep([self._digest(by), *mutant, by])
        return by

    def reached(self, name: str, reach: Reach) -> Reach:
        """Keep what a test reaches."""
        self._keep([self._digest(name), name, *reach])
        return reach

    def _read(self, result: list[object]) -> None:
        match result:
            case [then, str(name), float(seconds), dict(lines)] if then == self._digest(name):
                self.reach[name] = Reach(seconds, lines)
            case [then, str(module), str(function), str(change), None | str() as by]:
                if then == self._digest(by):
                    self.killers[module, function, change] = by
            case _:
                pass  # of tests that have changed

    def _digest(self, test: str | None) -> str | None:
        return self.digests.get(test.partition("::")[0]) if test else self.whole

    def _keep(self, result: list[object]) -> None:
        with self.path.open("a", encoding="utf-8") as out:
            out.write(f"{json.dumps(result)}\n")


def python_files() -> list[Path]:
    """Return the rules, their tests, and what these share."""
    shared = [path for path in (ROOT / "tests").glob("*.py") if not path.name.startswith("test_")]
    return sorted([*shared, *(path for one in SOURCES for path in (ROOT / one).rglob("*.py"))])


def digest(*texts: bytes) -> str:
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:12]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
