"""What is known of the mutants, as it is kept in record.toml.

Of each function: a digest of its text, how many mutants it has, and the tests that killed them. Of
each mutant that lives: why that is right, written by hand. Of a function that is still open: how
many of its mutants the tests of its own module killed; of the others nobody knows yet. How many
mutants may be of open functions is written by hand, and only ever made less.
"""

import json
import tomllib
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.mutation.mutants import Mutation, functions, modules

PATH = Path(__file__).with_name("record.toml")
HEAD = """\
# Written by `python3 dev.py mutate`; by hand: the floor, the bound of what is open, and the reason
# why a mutant may live.
"""
FLOOR_PERCENT = 95


class Entry(NamedTuple):
    """A function: its text, its mutants, and who killed them, the most deadly first."""

    digest: str
    mutants: int
    by: tuple[str, ...]


class Open(NamedTuple):
    """A function of which not all mutants are known: its text, its mutants, and who killed some."""

    digest: str
    mutants: int
    killed: int
    by: tuple[str, ...]


class Record(NamedTuple):
    """All that is known."""

    floor_percent: int
    entries: dict[tuple[str, str], Entry]
    survivors: dict[Mutation, str]  # with the reason, empty if nobody has given one
    open: dict[tuple[str, str], Open]
    open_most: int = 0


def read(path: Path = PATH) -> Record:
    """Return the record; an empty one if there is none."""
    if not path.exists():
        return Record(FLOOR_PERCENT, {}, {}, {})
    said = tomllib.loads(path.read_text(encoding="utf-8"))
    entries = {
        (module, name): Entry(one["digest"], one["mutants"], tuple(one["by"]))
        for module, known in said["functions"].items()
        for name, one in known.items()
    }
    survivors = {
        (one["module"], one["function"], one["change"]): one["reason"]
        for one in said.get("survivors", [])
    }
    still_open = {
        (module, name): Open(one["digest"], one["mutants"], one["killed"], tuple(one["by"]))
        for module, known in said.get("open", {}).items()
        for name, one in known.items()
    }
    most = said.get("open_most", 0)
    return Record(said["floor_percent"], entries, survivors, still_open, most)


def write(record: Record, path: Path = PATH) -> None:
    """Keep a record: of what is there, in the order of the modules, without what is gone."""
    path.write_text("\n".join(lines(record)), encoding="utf-8")


def lines(record: Record) -> Iterator[str]:
    yield from (HEAD, f"floor_percent = {record.floor_percent}")
    yield f"open_most = {record.open_most}"
    for mutant, reason in record.survivors.items():
        yield from ("", "[[survivors]]")
        for name, value in zip(("module", "function", "change"), mutant, strict=True):
            yield f"{name} = {quoted(value)}"
        yield f"reason = {quoted(reason)}"
    for module in sorted({module for module, _ in record.open}):
        yield from ("", f"[open.{quoted(module)}]")
        for (where, name), one in record.open.items():
            if where == module:
                by = ", ".join(map(quoted, one.by))
                counts = f"mutants = {one.mutants}, killed = {one.killed}"
                yield f"{quoted(name)} = {{ digest = {quoted(one.digest)}, {counts}, by = [{by}] }}"
    for module in sorted({module for module, _ in record.entries}):
        yield from ("", f"[functions.{quoted(module)}]")
        for (where, name), entry in record.entries.items():
            if where == module:
                by = ", ".join(map(quoted, entry.by))
                digest = quoted(entry.digest)
                yield (
                    f"{quoted(name)} = "
                    f"{{ digest = {digest}, mutants = {entry.mutants}, by = [{by}] }}"
                )
    yield ""


def quoted(text: str) -> str:
    """Return a string of TOML; its escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)


def updated(record: Record, killers: Mapping[Mutation, str | None]) -> Record:
    """Return a record after mutants were run; what is gone falls out.

    A function is known again once all its mutants were run. One that lived keeps its reason.
    """
    entries: dict[tuple[str, str], Entry] = {}
    survivors: dict[Mutation, str] = {}
    still_open: dict[tuple[str, str], Open] = {}
    for module in modules():
        for function in functions(module):
            key = (module, function.name)
            mutants = [(*key, change) for change, _ in function.mutants()]
            ran = [mutant for mutant in mutants if mutant in killers]
            by = Counter(who for mutant in ran if (who := killers[mutant]) is not None)
            tests = tuple(who for who, _ in by.most_common())
            if ran and len(ran) == len(mutants):
                entries[key] = Entry(function.digest, len(mutants), tests)
            elif (before := record.entries.get(key)) and (
                before.digest == function.digest or not mutants
            ):
                entries[key] = before._replace(by=tuple(dict.fromkeys((*before.by, *tests))))
            elif mutants:
                known = Open(function.digest, len(mutants), len(ran), tests)
                so_far = record.open.get(key, known)
                is_more = so_far.digest == known.digest and so_far.killed > known.killed
                still_open[key] = so_far if is_more else known
            for mutant in mutants:
                lived = killers[mutant] is None if mutant in killers else mutant in record.survivors
                if lived and key in entries:
                    survivors[mutant] = record.survivors.get(mutant, "")
    return record._replace(entries=entries, survivors=survivors, open=still_open)


def problems(record: Record, tests: Container[str]) -> Iterator[str]:
    """Yield what is wrong with a record, without running anything."""
    for module, name in stale(record, tests):
        if is_open(record, module, name):
            continue
        yield f"{module} {name}: it, or who killed its mutants, is not as recorded"
    there = {(module, function.name) for module in modules() for function in functions(module)}
    for module, name in record.entries:
        if (module, name) not in there:
            yield f"{module} {name}: it is gone"
    for mutant, why in record.survivors.items():
        if not why:
            yield f"{' '.join(mutant)}: it lives, and the record does not say why"
    if (count := sum(one.mutants for one in record.open.values())) > record.open_most:
        yield f"{count} mutants are of functions that are open: more than {record.open_most}"
    mutants = sum(entry.mutants for entry in record.entries.values())
    killed = mutants - len(record.survivors)
    if killed * 100 < mutants * record.floor_percent:
        yield f"{killed} of {mutants} mutants are killed: less than {record.floor_percent} %"


def is_open(record: Record, module: str, name: str) -> bool:
    """Tell whether a function is open as it is now."""
    one = record.open.get((module, name))
    digests = {function.name: function.digest for function in functions(module)}
    return one is not None and one.digest == digests[name]


def stale(record: Record, tests: Container[str]) -> Iterator[tuple[str, str]]:
    """Yield the functions whose mutants were not run as they are now."""
    for module in modules():
        for function in functions(module):
            entry = record.entries.get((module, function.name), Entry("", 0, ()))
            mutants = sum(1 for _ in function.mutants())
            same = (entry.digest, entry.mutants) == (function.digest, mutants)
            if mutants and not (same and all(name in tests for name in entry.by)):
                yield module, function.name
