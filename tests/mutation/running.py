"""Runs tests against mutants: pytest starts once, and every mutant lives in a fork of it.

A mutant changes the code of the function that is there, so whoever holds the function has it. A
test that fails has killed the mutant, and so has one that takes far more time than without it.
"""

import importlib
import inspect
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple, NoReturn, TypeVar

import coverage
import pytest

from tests.mutation.mutants import FOLDERS, ROOT, Mutation, functions

TESTS = ("tests/domain", "tests/projections")
# They compare what two runs say: with a process that has no mutant, and for long.
APART = {
    "test_processes_differ_in_what_was_planted_and_in_nothing_else",
    "test_parts_that_are_folded_apart_say_what_the_whole_says",
    "test_instants_stated_in_any_zone_give_the_same_bytes",
}
PROCESSES = 2
SLOW_S = 6.0  # a test that takes more of a processor is not asked: a mistake is to be seen sooner
TIMES_MAX, SPARE_S = 10, 3  # the processor time that a test may take with a mutant
SECONDS_MOST = 2  # what a test is taken to need as long as nobody measured it
MEMORY_BYTES_MAX = 4 << 30

Subject = TypeVar("Subject")
Tell = Callable[[object], object]
Work = Callable[[Tell], None]


class Reach(NamedTuple):
    """What a test takes when nothing is changed, and which lines it reaches."""

    seconds: float
    lines: dict[str, list[int]]  # by module


class Tests:
    """The tests that pytest has collected, by their names."""

    def __init__(self, items: Iterable[pytest.Item]) -> None:
        self.items = {
            item.nodeid: item for item in items if item.name.partition("[")[0] not in APART
        }
        self.watch = Watch()
        self.renewed: set[str] = set()

    def reach(self, names: Iterable[str]) -> Iterator[tuple[str, Reach | None]]:
        """Yield what each test reaches, each alone in a fork; None if it fails.

        Of a slow test it is nothing.
        """
        for name, said in parallel((name, partial(self._reach, name)) for name in names):
            yield name, Reach(*said) if said else None

    def kill(
        self, mutants: Iterable[tuple[Mutation, Sequence[str]]], seconds: Mapping[str, float]
    ) -> Iterator[tuple[Mutation, str | None]]:
        """Yield which test killed each mutant, of those that are named with it in their order."""
        tried: dict[Mutation, Sequence[str]] = {}

        def work() -> Iterator[tuple[Mutation, Work]]:
            for mutant, names in mutants:
                tried[mutant] = names
                yield mutant, partial(self._kill, mutant, names, seconds)

        for mutant, number in parallel(work()):
            order = tried.pop(mutant)
            yield mutant, None if number is None else order[int(number)]

    def _reach(self, name: str, tell: Tell) -> None:
        include = [f"{ROOT}/{folder}/*" for folder in FOLDERS]
        watch = coverage.Coverage(data_file=None, config_file=False, include=include)
        forget()
        watch.set_option("run:disable_warnings", ["no-data-collected"])
        tell(Reach(SLOW_S, {}))
        signal.setitimer(signal.ITIMER_PROF, SLOW_S)  # what goes beyond it ends the fork
        began = time.process_time()
        watch.start()
        failed = self._fails(name, None)
        watch.stop()
        signal.setitimer(signal.ITIMER_PROF, 0)
        took, data = time.process_time() - began, watch.get_data()
        files = {file: data.lines(file) for file in data.measured_files()}
        lines = {Path(file).relative_to(ROOT).as_posix(): found for file, found in files.items()}
        tell(None if failed else [took, lines])

    def _kill(
        self, mutant: Mutation, names: Sequence[str], seconds: Mapping[str, float], tell: Tell
    ) -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
        install(*mutant)
        for number, (name, after) in enumerate(zip_longest(names, names[1:])):
            tell(number)
            limit = TIMES_MAX * seconds.get(name, SECONDS_MOST) + SPARE_S
            signal.setitimer(signal.ITIMER_PROF, limit)  # what goes beyond it ends the fork
            if self._fails(name, after):
                return
        signal.setitimer(signal.ITIMER_PROF, 0)
        tell(None)

    def _fails(self, name: str, after: str | None) -> bool:
        item, following = self.items[name], self.items.get(after or "")
        if not self._renewed(item):
            return True
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return self.watch.failed

    def _renewed(self, item: pytest.Item) -> bool:
        """Import the test's module once more: what it made when collected knew no mutant."""
        collector = item.getparent(pytest.Module)
        if collector is None or collector.nodeid in self.renewed:
            return True
        self.renewed.add(collector.nodeid)
        try:
            collector.obj.__spec__.loader.exec_module(collector.obj)
        except Exception:  # noqa: BLE001 - of the mutant
            return False
        return True


class Watch:
    """A plugin of pytest that sees whether something failed."""

    failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember a failure."""
        self.failed = self.failed or report.failed


class Session:
    """A plugin of pytest that does something with the collected tests, and runs none itself."""

    def __init__(self, work: Callable[[Tests], int]) -> None:
        self.work, self.status = work, 2

    def pytest_collection(self) -> None:
        """Have Hypothesis look for one failure, and not for the simplest one."""
        from hypothesis import Phase, settings  # not sooner: pytest wants to be there before

        phases = (Phase.explicit, Phase.generate)
        changed: dict[str, Any] = {"phases": phases, "report_multiple_bugs": False}
        settings.register_profile(
            "mutation", settings.default, derandomize=True, database=None, deadline=None, **changed
        )
        settings.load_profile("mutation")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Work with the tests."""
        if session.testsfailed:
            return False
        session.config.pluginmanager.unregister(name="terminalreporter")
        tests = Tests(session.items)
        session.config.pluginmanager.register(tests.watch)
        self.status = self.work(tests)
        return True


def with_tests(work: Callable[[Tests], int]) -> int:
    """Collect the tests; return what comes of working with them."""
    session = Session(work)
    quiet = ["-q", "--no-header", "--no-summary", "--strict-config", "-p", "no:cacheprovider"]
    said = pytest.main([*quiet, *TESTS, "--rootdir", str(ROOT)], plugins=[session])
    return session.status or (0 if said in {0, 5} else int(said))


def install(module: str, name: str, change: str) -> None:
    """Put a mutant in the place of its function."""
    function = next(one for one in functions(module) if one.name == name)
    code = function.mutated(change)
    path = module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    owner: Any = importlib.import_module(f"crmcore.{path}")
    *outer, last = name.split(".")
    for part in outer:
        owner = getattr(owner, part)
    found: Any = vars(owner)[last]
    found = found.fget if isinstance(found, property) else found
    found = inspect.unwrap(found)  # from its cache
    assert isinstance(found, FunctionType), f"{name} is no function"
    if code.co_freevars == found.__code__.co_freevars:
        found.__code__ = code
    else:  # a method that does not call super() any more
        setattr(owner, last, FunctionType(code, found.__globals__))
    forget()


def forget() -> None:
    """Clear what our functions have cached while tests were collected."""
    for name, module in sys.modules.items():
        if name.startswith(tuple(f"crmcore.{folder}." for folder in FOLDERS)):
            for found in vars(module).values():
                if clear := getattr(found, "cache_clear", None):
                    clear()


def parallel(work: Iterable[tuple[Subject, Work]]) -> Iterator[tuple[Subject, Any]]:
    """Do each in a fork, several at a time; yield the last that it tells.

    A fork whose time is over is ended; what it told by then is what counts.
    """
    running: dict[int, tuple[Subject, int]] = {}
    try:
        for key, do in work:
            while len(running) >= PROCESSES:
                yield ended(running)
            pid, reading = forked(do)
            running[pid] = (key, reading)
        while running:
            yield ended(running)
    finally:
        for pid in running:
            os.kill(pid, signal.SIGKILL)


def forked(do: Work) -> tuple[int, int]:
    """Start a fork; return its process id, and where to read what it tells."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        be_forked(do, writing)
    os.close(writing)
    return pid, reading


def be_forked(do: Work, writing: int) -> NoReturn:
    """Do the work, silently, and end."""
    status = 1

    def tell(what: object) -> None:
        os.write(writing, f"{json.dumps(what)}\n".encode())

    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        os.environ["CRMCORE_REHEARSALS"] = ""  # what was rehearsed with other rules says nothing
        do(tell)
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, a fork must not go on as its parent
        tell(traceback.format_exc())
    finally:
        os._exit(status)


def ended(running: dict[int, tuple[Subject, int]]) -> tuple[Subject, Any]:
    """Wait for a fork; return what it was for and the last that it told."""
    pid, status = os.wait()
    key, reading = running.pop(pid)
    with os.fdopen(reading, "rb") as source:
        said = source.read().splitlines()
    if status and not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF):
        raise RuntimeError(f"the fork for {key} ended with status {status}", *map(json.loads, said))
    return key, json.loads(said[-1])
