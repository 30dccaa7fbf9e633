"""Try again what lost a race or a connection: command ids see to it that nothing is done twice."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic, sleep
from typing import TypeAlias, TypeVar

from msgspec.structs import replace

from crmcore.application.handle import Asked, InvalidCommand, Outcome, Request, checked
from crmcore.application.journal import Conflict, Unreachable

ATTEMPTS_MAX = 10
PAUSE_S = 0.002
PAUSE_S_MAX = 1.0
PATIENCE_S = 60

Found = TypeVar("Found")
Attempt: TypeAlias = Callable[[Sequence[Asked]], list[Outcome]]
AsyncAttempt: TypeAlias = Callable[[Sequence[Asked]], Awaitable[list[Outcome]]]


def carry_out(requests: Sequence[Request], attempt: Attempt) -> list[Outcome]:
    """Return one outcome a request, in order: a receipt, or the error that kept it out.

    Raises Unreachable if the last of ATTEMPTS_MAX attempts does not reach the store, and any other
    StoreError at once: for want of room, rights or time nothing is tried again.
    """
    rounds = _Rounds(requests)
    while rounds.asked:
        if rounds.pause_s:
            sleep(rounds.pause_s)
        try:
            rounds.came(attempt(rounds.asked))
        except Unreachable as error:
            rounds.missed(error)
    return rounds.outcomes


async def carry_out_async(requests: Sequence[Request], attempt: AsyncAttempt) -> list[Outcome]:
    """Do as `carry_out` does, and leave the event loop to others meanwhile."""
    rounds = _Rounds(requests)
    while rounds.asked:
        if rounds.pause_s:
            await asyncio.sleep(rounds.pause_s)
        try:
            rounds.came(await attempt(rounds.asked))
        except Unreachable as error:
            rounds.missed(error)
    return rounds.outcomes


def patiently(read: Callable[[], Found]) -> Found:
    """Return what is read, at the last of ATTEMPTS_MAX attempts to reach the store."""
    for attempts in range(1, ATTEMPTS_MAX):
        try:
            return read()
        except Unreachable:
            sleep(_pause_s(attempts))
    return read()


def _pause_s(attempts: int) -> float:
    """Return how long to wait after so many attempts: longer each time."""
    return min(PAUSE_S_MAX, PAUSE_S * 2.0**attempts)


class _Rounds:
    """What is still to be attempted, and what came of everything else."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self.asked: list[Asked] = []
        self.outcomes: list[Outcome] = []
        self.pause_s = 0.0
        self._attempts = 0
        self._deadline = monotonic() + PATIENCE_S
        self._places: list[int] = []
        for place, request in enumerate(requests):
            try:
                self.asked.append(checked(request))
            except InvalidCommand as refusal:
                self.outcomes.append(refusal)
            else:
                self._places.append(place)
                self.outcomes.append(Conflict("it was not attempted yet"))

    def came(self, outcomes: list[Outcome]) -> None:
        """Take what came of the attempt, and keep for the next one what lost a race."""
        lost: list[tuple[int, Asked]] = []
        for place, item, outcome in zip(self._places, self.asked, outcomes, strict=True):
            self.outcomes[place] = outcome
            if isinstance(outcome, Conflict):
                lost.append((place, item))
        self._places = [place for place, _ in lost]
        self._again([item for _, item in lost])
        if self._attempts == ATTEMPTS_MAX:
            self.asked = []

    def missed(self, error: Unreachable) -> None:
        """Keep everything for the next attempt; after the last, raise what was in the way."""
        self._again(self.asked)
        if self._attempts == ATTEMPTS_MAX or monotonic() > self._deadline:
            raise error

    def _again(self, asked: Sequence[Asked]) -> None:
        """Look first next time whether it was carried out, after a longer pause each time."""
        self._attempts += 1
        self.pause_s = _pause_s(self._attempts)
        self.asked = [replace(item, again=True) for item in asked]
