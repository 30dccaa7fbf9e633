"""Callers that come at the same time share one piece of work: one reads and writes for all.

What comes in while a batch is under way waits and makes up the next one, so nobody waits for
company: a single caller's batch is his own.
"""

import asyncio
from collections.abc import Callable, Hashable, Iterable, Sequence
from threading import Lock, get_ident
from typing import Generic, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from crmcore.application.journal import Unreachable

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

Asker: TypeAlias = tuple[Sequence[Item], "asyncio.Future[list[Outcome]]"]

BATCH_MAX = 128
LANES = 2


class _Caller(Generic[Item, Outcome]):
    """What one thread asked for, what came of it, and the lock at which the thread waits."""

    __slots__ = ("error", "items", "keys", "leads", "outcomes", "turn")

    def __init__(self, items: Sequence[Item], keys: frozenset[Hashable]) -> None:
        self.items = items
        self.keys = keys
        self.outcomes: list[Outcome] | None = None
        self.error: Unreachable | None = None
        self.leads = False
        self.turn = Lock()
        self.turn.acquire()


class Group(Generic[Item, Outcome]):
    """Carries out the items of many threads in one call of `work`, which gives one outcome an item.

    Up to LANES batches are under way at once, so that one is decided while another is on its way to
    the disk; items that have a key in common are never in two of them. Where `work` raises, each
    caller's items are tried on their own, so that the error meets the caller it is about; only
    Unreachable is about everybody.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Outcome]],
        keys: Callable[[Item], Iterable[Hashable]] = lambda _: (),
    ) -> None:
        self._work = work
        self._keys = keys
        self._lock = Lock()
        self._callers: list[_Caller[Item, Outcome]] = []
        self._lanes = LANES
        self._under_way: set[Hashable] = set()
        self._leaders: set[int] = set()

    def __call__(self, items: Sequence[Item]) -> list[Outcome]:
        """Return the outcomes of these items, which stay together."""
        if get_ident() in self._leaders:  # the work itself asks for more: it cannot wait for itself
            return list(self._work(items))
        keys = frozenset(key for item in items for key in self._keys(item))
        own: _Caller[Item, Outcome] = _Caller(items, keys)
        with self._lock:
            if self._lanes and keys.isdisjoint(self._under_way):
                self._lanes -= 1
                self._start(own)
            else:
                self._callers.append(own)
        if not own.leads:
            self._wait(own)
        if own.leads:
            self._lead(own)
        if own.error is not None:
            raise own.error
        return list(self._work(items)) if own.outcomes is None else own.outcomes

    @property
    def waiting(self) -> int:
        """How many callers wait for the next batch."""
        return len(self._callers)

    def _wait(self, own: _Caller[Item, Outcome]) -> None:
        """Wait until the caller's work was done or failed, or a lane is his."""
        try:
            own.turn.acquire()
        except BaseException:  # Ctrl-C: whoever leaves must not be given a lane
            with self._lock:
                if own in self._callers:
                    self._callers.remove(own)
            if own.leads:
                self._hand_over([own])
            raise

    def _lead(self, own: _Caller[Item, Outcome]) -> None:
        """Do the work of the leader and of all who wait, then leave the lane to who comes next."""
        batch = [own]
        self._leaders.add(get_ident())
        try:
            self._gather(batch)
            outcomes = iter(self._work([item for caller in batch for item in caller.items]))
            for caller in batch:
                caller.outcomes = [next(outcomes) for _ in caller.items]
        except Unreachable as error:
            for caller in batch:
                caller.error = error
        except Exception:
            if len(batch) == 1:
                raise
        finally:
            self._leaders.discard(get_ident())
            self._hand_over(batch)

    def _gather(self, batch: list[_Caller[Item, Outcome]]) -> None:
        """Add those who wait and have no key under way in the other lanes."""
        size = len(batch[0].items)
        with self._lock:
            elsewhere = self._under_way - batch[0].keys
            waiting, self._callers = self._callers, []
            for caller in waiting:
                if size < BATCH_MAX and caller.keys.isdisjoint(elsewhere):
                    batch.append(caller)
                    size += len(caller.items)
                    self._under_way |= caller.keys
                else:
                    self._callers.append(caller)

    def _hand_over(self, batch: list[_Caller[Item, Outcome]]) -> None:
        """End a batch, and give its lane to the first who may have it."""
        with self._lock:
            for caller in batch:
                self._under_way -= caller.keys
            for caller in self._callers:
                if caller.keys.isdisjoint(self._under_way):
                    self._callers.remove(caller)
                    self._start(caller)
                    caller.turn.release()
                    break
            else:
                self._lanes += 1
        for caller in batch[1:]:
            caller.turn.release()

    def _start(self, caller: _Caller[Item, Outcome]) -> None:
        caller.leads = True
        self._under_way |= caller.keys


class _Inbox(Generic[Item, Outcome]):
    """What came in from one event loop, and the tasks that carry it out."""

    def __init__(self) -> None:
        self.waiting: list[Asker[Item, Outcome]] = []
        self.tasks: set[asyncio.Task[None]] = set()  # the loop itself holds on to none
        self.running = 0


class AsyncGroup(Generic[Item, Outcome]):
    """The same for the callers of event loops: each loop hands what has come in to a thread."""

    def __init__(self, group: Callable[[Sequence[Item]], list[Outcome]]) -> None:
        self._group = group
        self._inboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, _Inbox[Item, Outcome]] = (
            WeakKeyDictionary()
        )

    async def __call__(self, items: Sequence[Item]) -> list[Outcome]:
        """Return the outcomes of these items; a caller that is cancelled takes nothing back."""
        loop = asyncio.get_running_loop()
        inbox = self._inboxes.setdefault(loop, _Inbox())
        future: asyncio.Future[list[Outcome]] = loop.create_future()
        inbox.waiting.append((items, future))
        if inbox.running < LANES:
            inbox.running += 1
            task = loop.create_task(self._carry_out(inbox))
            inbox.tasks.add(task)
            task.add_done_callback(inbox.tasks.discard)
        return await future

    async def _carry_out(self, inbox: _Inbox[Item, Outcome]) -> None:
        """Carry out what waits until nothing does."""
        try:
            while inbox.waiting:
                batch, inbox.waiting = inbox.waiting[:BATCH_MAX], inbox.waiting[BATCH_MAX:]
                await self._carry_out_batch(batch)
        finally:
            inbox.running -= 1

    async def _carry_out_batch(self, batch: "Sequence[Asker[Item, Outcome]]") -> None:
        try:
            found = await asyncio.to_thread(self._group, [i for items, _ in batch for i in items])
        except Unreachable as error:
            _fail(batch, error)
        except Exception:  # noqa: BLE001 - it meets the caller whose items they are
            await asyncio.gather(*(self._alone(*caller) for caller in batch))
        else:
            outcomes = iter(found)
            for items, future in batch:
                _settle(future, [next(outcomes) for _ in items])

    async def _alone(self, items: Sequence[Item], future: "asyncio.Future[list[Outcome]]") -> None:
        try:
            _settle(future, await asyncio.to_thread(self._group, items))
        except Exception as error:  # noqa: BLE001 - it meets the caller whose items they are
            _fail([(items, future)], error)


def _settle(future: "asyncio.Future[list[Outcome]]", outcomes: list[Outcome]) -> None:
    if not future.done():  # a caller may have been cancelled
        future.set_result(outcomes)


def _fail(batch: "Sequence[Asker[Item, Outcome]]", error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
