"""What was rehearsed is kept, so that the next process begins where this one has ended.

It is kept under a digest of all that a rehearsal depends on: the decider and what it is made of,
how its histories are drawn, the sources of the packages that this comes from, and the versions that
it runs on. What that cannot be told of, such as a strategy, is rehearsed every time. What is kept
is tried before it is believed, and may be deleted at any time.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from time import time
from types import FunctionType
from typing import Any, NamedTuple, TypeAlias, get_args
from uuid import UUID

import msgspec
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase
from msgspec.structs import astuple

from crmcore.domain.act import Act
from crmcore.domain.value import Value
from crmcore.testing.living import declared, live, outcomes
from crmcore.testing.playing import Learned, Look
from crmcore.testing.steps import AnyDecider, Turn

BEGAN = time()
PLAIN = (
    str, bytes, int, float, Decimal, Fraction, date, timedelta, tzinfo, UUID, type(None),
    msgspec.UnsetType,
)  # fmt: skip

Ways: TypeAlias = Mapping[type, tuple[Turn, ...]]


class _Kept(Value):
    """A rehearsal; types are told by their names."""

    ways: Sequence[tuple[str, Sequence[tuple[msgspec.Raw, Act]]]]
    luck: Sequence[tuple[str, str, int]]
    roles: Sequence[str]
    words: Mapping[str, frozenset[str]]
    hopeless: Sequence[tuple[Look, frozenset[str]]]


class Memory(NamedTuple):
    """Where the rehearsals of a decider are kept, and under which key."""

    decider: AnyDecider
    kept: ExampleDatabase
    key: bytes

    def recall(self) -> tuple[Ways, Learned] | None:
        """Return what was found by an earlier rehearsal, None if there was none that holds."""
        for data in self.kept.fetch(self.key):
            try:
                ways, learned = self._read(msgspec.msgpack.decode(data, type=_Kept))
            except (msgspec.MsgspecError, KeyError):  # it is damaged
                continue
            if all(self._leads(turns, what) for what, turns in ways.items()):
                return ways, learned
        return None

    def keep(self, ways: Ways, learned: Learned) -> None:
        """Keep what was found, unless it is something that the decider does not declare."""
        names = {kind: _name(kind) for kind in declared(self.decider)}
        if ways.keys() <= names.keys():
            with suppress(TypeError, OverflowError):  # commands of what cannot be written
                self.kept.save(self.key, self._written(ways, learned, names))

    def _written(self, ways: Ways, learned: Learned, names: Mapping[type, str]) -> bytes:
        encode = msgspec.msgpack.encode
        rehearsal = _Kept(
            ways=[
                (names[what], [(msgspec.Raw(encode(command)), act) for command, act in turns])
                for what, turns in ways.items()
            ],
            luck=[(names[kind], field, luck) for (kind, field), luck in learned.luck.items()],
            roles=sorted(learned.roles),
            words={names[kind]: frozenset(words) for kind, words in learned.words.items()},
            hopeless=[
                (look, frozenset(names[kind] for kind in kinds))
                for look, kinds in learned.hopeless.items()
                if kinds
            ],
        )
        return encode(rehearsal)

    def _read(self, kept: _Kept) -> tuple[Ways, Learned]:
        kinds = {_name(kind): kind for kind in declared(self.decider)}
        decode = msgspec.msgpack.Decoder(self.decider.commands).decode
        ways = {
            kinds[what]: tuple(Turn(decode(command), act) for command, act in turns)
            for what, turns in kept.ways
        }
        learned = Learned((kinds[name] for name in kept.words), kept.roles)
        learned.luck = {(kinds[name], field): luck for name, field, luck in kept.luck}
        learned.words = {kinds[name]: set(words) for name, words in kept.words.items()}
        for look, names in kept.hopeless:
            learned.hopeless[look] = {kinds[name] for name in names}
        return ways, learned

    def _leads(self, turns: Sequence[Turn], what: type) -> bool:
        *_, last = live(self.decider, turns)
        return what in outcomes(last)


def memory_of(decider: AnyDecider, drawn: Mapping[str, Any]) -> Memory | None:
    """Return where the rehearsals of a decider are kept that is played so, None if nowhere.

    That is the folder that CRMCORE_REHEARSALS names, and nowhere if it is empty; without it, beside
    what Hypothesis keeps.
    """
    beside = Path(os.environ.get("HYPOTHESIS_STORAGE_DIRECTORY", ".hypothesis"), "crmcore")
    folder = os.environ.get("CRMCORE_REHEARSALS", str(beside))
    try:
        msgspec.msgpack.Decoder(decider.commands)
        key = _digest(decider, drawn) if folder else None
    # Commands that cannot be read back, a function that encloses itself, one that is not there yet.
    except (_UntoldError, TypeError, RecursionError, ValueError):
        return None
    return Memory(decider, DirectoryBasedExampleDatabase(folder), key) if key else None


def _digest(decider: AnyDecider, drawn: Mapping[str, Any]) -> bytes:
    packages = {"crmcore"}
    told = [*_told(decider, packages), *_told(dict(drawn), packages)]
    versions = [sys.version, version("hypothesis"), version("msgspec")]
    sources = [_source(package) for package in sorted(packages)]
    return sha256("\n".join((*versions, *sources, *told)).encode()).digest()


def _told(value: Any, packages: set[str]) -> Iterator[str]:  # noqa: ANN401 - any value
    """Yield what a value is made of, and add the packages that it comes from."""
    match value:
        case Enum():
            yield from _told([type(value), value.name], packages)
        case partial(func=function, args=arguments, keywords=keywords):
            yield from _told([function, arguments, keywords], packages)
        case FunctionType():
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            yield _from(value, packages)
            yield from _told([value.__code__.co_firstlineno, value.__defaults__], packages)
            yield from _told([value.__kwdefaults__ or {}, cells], packages)
        case type():
            if "<locals>" in value.__qualname__:
                raise _UntoldError(value)
            yield _from(value, packages)
        case msgspec.Struct():
            yield from _told([type(value), astuple(value)], packages)
        case Mapping():
            yield from _told([*value.items()], packages)
        case frozenset() | set():
            yield from sorted("".join(_told(item, packages)) for item in value)
        case list() | tuple():
            yield "("
            for item in value:
                yield from _told(item, packages)
            yield ")"
        case _ if isinstance(value, PLAIN):
            yield repr(value)
        case _ if get_args(value):
            yield from _told(get_args(value), packages)
        case _:
            raise _UntoldError(value)


class _UntoldError(Exception):
    """It cannot be told what a value is made of."""


def _from(thing: Any, packages: set[str]) -> str:  # noqa: ANN401 - a class or a function
    packages.add(thing.__module__.partition(".")[0])
    return _name(thing)


def _name(thing: Any) -> str:  # noqa: ANN401 - a class or a function
    return f"{thing.__module__}:{thing.__qualname__}"


def _source(package: str) -> str:
    """Return a digest of the sources of a package, or of a module on its own.

    What was saved since this process began may not be what it has loaded.
    """
    if package in sys.stdlib_module_names:
        return package
    module = sys.modules[package]
    folders, file = getattr(module, "__path__", ()), getattr(module, "__file__", None)
    files = [one for folder in folders for one in sorted(_sources(folder))] or [Path(file or "")]
    is_told = package != "__main__" and all(one.is_file() for one in files)
    if not is_told or max(one.stat().st_mtime for one in files) > BEGAN:
        raise _UntoldError(package)
    told = sha256()
    for one in files:
        told.update(b"%s\n%d\n" % (str(one).encode(), one.stat().st_size))
        told.update(one.read_bytes())
    return told.hexdigest()


def _sources(folder: str) -> Iterator[Path]:
    """Yield what is written in Python below a folder, also behind links."""
    for where, _, names in os.walk(folder, followlinks=True):
        yield from (Path(where, name) for name in names if name.endswith(".py"))
