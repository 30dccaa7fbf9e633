"""Callers that come at the same time share one piece of work: one reads and writes for all.

What comes in while a batch is under way waits and makes up the next one, so nobody waits for
company: a single caller's batch is his own.
"""

import asyncio
from collections.abc import Callable, Sequence
from threading import Lock, get_ident
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from crmcore.application.journal import Unreachable

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

BATCH_MAX = 512


class _Caller(Generic[Item, Outcome]):
    """What one thread asked for, what came of it, and the lock at which the thread waits."""

    __slots__ = ("error", "items", "leads", "outcomes", "turn")

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.outcomes: list[Outcome] | None = None
        self.error: Unreachable | None = None
        self.leads = False
        self.turn = Lock()
        self.turn.acquire()


class Group(Generic[Item, Outcome]):
    """Carries out the items of many threads in one call of `work`, which gives one outcome an item.

    Where `work` raises, each caller's items are tried on their own, so that the error meets the
    caller it is about; only Unreachable is about everybody.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Outcome]]) -> None:
        self._work = work
        self._lock = Lock()
        self._callers: list[_Caller[Item, Outcome]] = []
        self._busy = False
        self._leader: int | None = None

    def __call__(self, items: Sequence[Item]) -> list[Outcome]:
        """Return the outcomes of these items, which stay together."""
        if self._leader == get_ident():  # the work itself asks for more: it cannot wait for itself
            return list(self._work(items))
        own: _Caller[Item, Outcome] = _Caller(items)
        with self._lock:
            self._callers.append(own)
            own.leads, self._busy = not self._busy, True
        if not own.leads:
            self._wait(own)
        if own.leads:
            self._lead()
        if own.error is not None:
            raise own.error
        return list(self._work(items)) if own.outcomes is None else own.outcomes

    def _wait(self, own: _Caller[Item, Outcome]) -> None:
        """Wait until the caller's work was done or failed, or the lead is his."""
        try:
            own.turn.acquire()
        except BaseException:  # Ctrl-C: whoever leaves must not be given the lead
            with self._lock:
                if own in self._callers:
                    self._callers.remove(own)
            if own.leads:
                self._hand_over()
            raise

    @property
    def waiting(self) -> int:
        """How many callers wait for the next batch."""
        return len(self._callers)

    def _lead(self) -> None:
        """Do the work of all who wait, the leader first, and leave the lead to who comes next."""
        batch: list[_Caller[Item, Outcome]] = []
        try:
            batch = self._next_batch()
            self._leader = get_ident()
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
            self._hand_over()
            for caller in batch[1:]:
                caller.turn.release()

    def _next_batch(self) -> list[_Caller[Item, Outcome]]:
        with self._lock:
            size = taken = 0
            while taken < len(self._callers) and (not taken or size < BATCH_MAX):
                size += len(self._callers[taken].items)
                taken += 1
            batch, self._callers = self._callers[:taken], self._callers[taken:]
        return batch

    def _hand_over(self) -> None:
        with self._lock:
            self._leader = None
            self._busy = bool(self._callers)
            if self._busy:
                self._callers[0].leads = True
                self._callers[0].turn.release()


class _Inbox(Generic[Item, Outcome]):
    """What came in from one event loop, and the task that carries it out."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Sequence[Item], asyncio.Future[list[Outcome]]]] = []
        self.task: asyncio.Task[None] | None = None


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
        if inbox.task is None:
            inbox.task = loop.create_task(self._carry_out(inbox))
        return await future

    async def _carry_out(self, inbox: _Inbox[Item, Outcome]) -> None:
        """Carry out what waits until nothing does."""
        while inbox.waiting:
            batch, inbox.waiting = inbox.waiting[:BATCH_MAX], inbox.waiting[BATCH_MAX:]
            try:
                found = await asyncio.to_thread(
                    self._group, [i for items, _ in batch for i in items]
                )
            except Unreachable as error:
                _fail(batch, error)
            except Exception:  # noqa: BLE001 - it meets the caller whose items they are
                await asyncio.gather(*(self._alone(*caller) for caller in batch))
            else:
                outcomes = iter(found)
                for items, future in batch:
                    _settle(future, [next(outcomes) for _ in items])
        inbox.task = None

    async def _alone(self, items: Sequence[Item], future: "asyncio.Future[list[Outcome]]") -> None:
        try:
            _settle(future, await asyncio.to_thread(self._group, items))
        except Exception as error:  # noqa: BLE001 - it meets the caller whose items they are
            _fail([(items, future)], error)


def _settle(future: "asyncio.Future[list[Outcome]]", outcomes: list[Outcome]) -> None:
    if not future.done():  # a caller may have been cancelled
        future.set_result(outcomes)


def _fail(
    batch: Sequence[tuple[Sequence[Item], "asyncio.Future[list[Outcome]]"]], error: Exception
) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
