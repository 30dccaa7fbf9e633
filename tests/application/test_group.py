"""Callers share work and keep their own outcomes (docs/adr/0025-shared-transactions.md)."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import pytest

from crmcore.application import group as group_module
from crmcore.application.group import BATCH_MAX, AsyncGroup, Group
from crmcore.application.journal import Unreachable


class Work:
    """Doubles numbers, and waits in its first batch until it may go on."""

    def __init__(self, *, waits: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.started, self.may_go_on = Event(), Event()
        if not waits:
            self.may_go_on.set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.started.set()
        assert self.may_go_on.wait(30)
        if 13 in items:
            raise ValueError("13 is no number to double")
        if 0 in items:
            raise Unreachable("the store is gone")
        return [2 * item for item in items]


def test_a_single_callers_batch_is_its_own() -> None:
    work = Work()
    group = Group(work)
    assert [group([n]) for n in (1, 2, 3)] == [[2], [4], [6]]
    assert work.batches == [[1], [2], [3]]


def gathered(work: Work, asked: Sequence[Sequence[int]]) -> list[object]:
    """Let a first caller be under way until all others wait; return what came of these.

    All have a key in common, so they are never in two batches at once.
    """
    group = Group(work, keys=lambda _: ("all",))
    outcomes: list[object] = [None] * len(asked)

    def ask(n: int) -> None:
        try:
            outcomes[n] = group(asked[n])
        except (ValueError, Unreachable) as error:
            outcomes[n] = error

    first = Thread(target=group, args=([1],))
    first.start()
    assert work.started.wait(30)
    others = [Thread(target=ask, args=(n,)) for n in range(len(asked))]
    for thread in others:
        thread.start()
    while group.waiting < len(asked):
        pass
    work.may_go_on.set()
    for thread in (first, *others):
        thread.join(30)
    return outcomes


def test_whoever_comes_while_a_batch_is_under_way_is_in_the_next() -> None:
    work = Work(waits=True)
    outcomes = gathered(work, [[n] for n in range(2, 12)])
    assert outcomes == [[2 * n] for n in range(2, 12)]
    assert [sorted(batch) for batch in work.batches] == [[1], list(range(2, 12))]


def test_batches_without_a_common_key_are_under_way_at_once() -> None:
    work = Work(waits=True)
    group = Group(work, keys=lambda item: (item % 3,))
    callers = [Thread(target=group, args=([n],)) for n in (1, 2, 4, 5, 3)]
    for n, caller in enumerate(callers, 1):
        caller.start()
        while len(work.batches) + group.waiting < n:
            pass
    assert (work.batches, group.waiting) == (
        [[1], [2]],
        3,
    )  # two lanes; 4 and 5 share keys, 3 waits
    work.may_go_on.set()
    for caller in callers:
        caller.join(30)
    assert sorted(item for batch in work.batches for item in batch) == [1, 2, 3, 4, 5]


def test_items_with_a_common_key_are_never_in_two_batches_at_once() -> None:
    under_way: Counter[int] = Counter()
    worst: list[int] = []

    def work(items: Sequence[int]) -> list[int]:
        mine = {item % 5 for item in items}
        under_way.update(mine)
        worst.append(max(under_way.values()))
        under_way.subtract(mine)
        return list(items)

    group = Group(work, keys=lambda item: (item % 5,))
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda n: group([n])[0], range(2_000))) == list(range(2_000))
    assert max(worst) == 1


def test_the_items_of_one_caller_stay_together() -> None:
    outcomes = gathered(Work(waits=True), [[2, 3], [4], [5, 6, 7]])
    assert outcomes == [[4, 6], [8], [10, 12, 14]]


def test_an_error_meets_the_caller_it_is_about() -> None:
    outcomes = gathered(Work(waits=True), [[2], [13], [4]])
    assert (outcomes[0], outcomes[2]) == ([4], [8])
    assert isinstance(outcomes[1], ValueError)


def test_a_store_that_is_gone_is_gone_for_everybody() -> None:
    work = Work(waits=True)
    outcomes = gathered(work, [[2], [0], [4]])
    assert [type(outcome) for outcome in outcomes] == [Unreachable] * 3
    assert len(work.batches) == 2


def test_a_batch_is_bounded() -> None:
    work = Work(waits=True)
    asked = [[n] * 100 for n in range(2, 12)]
    assert gathered(work, asked) == [[2 * n] * 100 for n in range(2, 12)]
    assert max(map(len, work.batches)) <= BATCH_MAX + 99


def test_whoever_leaves_while_waiting_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(waits=True)
    group = Group(work, keys=lambda _: ("all",))
    outcomes: list[list[int]] = []
    first = Thread(target=group, args=([1],))
    first.start()
    assert work.started.wait(30)
    with monkeypatch.context() as patch:
        patch.setattr(group_module, "Lock", LeftLock)
        with pytest.raises(LeftError):
            group([2])
    other = Thread(target=lambda: outcomes.append(group([3])))
    other.start()
    while group.waiting < 1:
        pass
    work.may_go_on.set()
    for thread in (first, other):
        thread.join(30)
    assert outcomes == [[6]]


class LeftError(BaseException):
    """As Ctrl-C is."""


class LeftLock:
    """A lock that nobody waits for: whoever does leaves."""

    def __init__(self) -> None:
        self._is_taken = False

    def acquire(self) -> None:
        if self._is_taken:
            raise LeftError
        self._is_taken = True


def test_work_that_asks_for_more_does_not_wait_for_itself() -> None:
    def work(items: Sequence[int]) -> list[int]:
        return [group([item - 1])[0] + 1 if item else 0 for item in items]

    group: Group[int, int] = Group(work)
    assert group([5]) == [5]


def test_many_threads_get_what_is_theirs() -> None:
    group = Group(Work())
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda n: group([n])[0], range(100, 600))) == [
            2 * n for n in range(100, 600)
        ]


def test_the_callers_of_a_loop_share_and_keep_their_own_outcomes() -> None:
    work = Work()
    group = AsyncGroup(Group(work))

    async def ask() -> list[object]:
        return list(
            await asyncio.gather(*(group([n]) for n in range(10, 20)), return_exceptions=True)
        )

    outcomes = asyncio.run(ask())
    assert [type(outcome) for outcome in outcomes] == [list] * 3 + [ValueError] + [list] * 6
    assert outcomes[4] == [28]
    assert max(map(len, work.batches)) <= 10


def test_a_caller_that_is_cancelled_harms_no_other() -> None:
    work = Work(waits=True)
    group = AsyncGroup(Group(work))

    async def ask() -> tuple[list[int] | BaseException, list[int] | BaseException]:
        cancelled = asyncio.create_task(group([2]))
        await asyncio.sleep(0)
        other = asyncio.create_task(group([3]))
        await asyncio.sleep(0)
        cancelled.cancel()
        work.may_go_on.set()
        return await asyncio.gather(cancelled, other, return_exceptions=True)

    gone, doubled = asyncio.run(ask())
    assert isinstance(gone, asyncio.CancelledError)
    assert doubled == [6]


def test_each_event_loop_has_its_own_queue() -> None:
    group = AsyncGroup(Group(Work()))
    assert [asyncio.run(group([n])) for n in (1, 2)] == [[2], [4]]


def test_unreachable_is_told_to_every_caller_of_a_loop() -> None:
    group = AsyncGroup(Group(Work()))

    async def ask() -> list[object]:
        return list(await asyncio.gather(group([0]), group([1]), return_exceptions=True))

    outcomes = asyncio.run(ask())
    assert Unreachable in {type(outcome) for outcome in outcomes}
