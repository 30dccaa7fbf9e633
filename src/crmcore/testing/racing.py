"""Commands that are asked at once: some serial order of them explains whatever came of it.

All of them are decided on the same states before the first is written, so that most have to be
decided again.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Condition
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from crmcore.application.handle import Outcome
from crmcore.application.journal import Appended, Commit, Journal
from crmcore.crm import CRM
from crmcore.domain.act import Act
from crmcore.domain.bounds import MIGRATION
from crmcore.domain.recorded import Stream
from crmcore.domain.value import CRMError
from crmcore.testing.laws import Violation
from crmcore.testing.ordering import RIVALS_MAX, Race, Rival, serial_order
from crmcore.testing.storing import Asked, told


def raced(crm: CRM, race: Race) -> list[Violation]:
    """Return what is wrong after all rivals were carried out at once, each by a CRM of its own.

    The pasts are given to new aggregates, so there may be anything in the store; what is recorded
    stays there. Any order will do that leads to what came of it by the rules.

    >>> from uuid import UUID
    >>> from crmcore import CRM
    >>> from crmcore.domain import loyalty
    >>> from crmcore.testing import History, given
    >>> rules = loyalty.decider(loyalty.Policy())
    >>> [step] = given(rules).when(loyalty.Enrol(customer=UUID(int=7))).steps
    >>> rival = Rival(act=step.act, commands=((0, step.command),))
    >>> nothing = History(decider=rules, steps=())
    >>> raced(CRM.in_memory(), Race(pasts=(nothing,), rivals=(rival, rival)))
    []
    """
    assert 1 <= len(race.rivals) <= RIVALS_MAX, f"{RIVALS_MAX} rivals at most, and one at least"
    race = _anew(race)
    streams = [Stream(kind=past.decider.kind, id=uuid4()) for past in race.pasts]
    outcomes = _run(crm, race, streams)
    last = crm.position()
    recorded = [crm.journal.stream(stream, through=last) for stream in streams]
    if serial_order(race, outcomes, recorded) is not None:
        return []
    came = [
        f"of {rival.commands!r} came {told(outcome)}"
        for rival, outcome in zip(race.rivals, outcomes, strict=True)
    ]
    facts = f"recorded were {[[fact.event for fact in stream] for stream in recorded]!r}"
    what = "\n".join(["no order leads to this:", *came, facts])
    return [Violation(law="some_serial_order_explains_the_result", what=what)]


class _Line:
    """Where all wait who are about to write, until nobody else will come."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._changed = Condition()

    def leave(self) -> None:
        """Have nobody wait for the caller any more."""
        with self._changed:
            self._expected -= 1
            self._changed.notify_all()

    def wait(self) -> None:
        """Return when everybody has left, or waits as the caller does."""
        self.leave()
        with self._changed:
            self._changed.wait_for(lambda: self._expected <= 0)


class _Decided:
    """A journal whose writer waits once, until all have decided."""

    def __init__(self, journal: Journal) -> None:
        self.line: _Line | None = None
        self._journal = journal

    def append(
        self, commits: Sequence[Commit], *, at: datetime, tips: Mapping[Stream, bytes]
    ) -> Appended:
        """Record these commits, after all others were decided too."""
        line, self.line = self.line, None
        if line is not None:
            line.wait()
        return self._journal.append(commits, at=at, tips=tips)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a journal has
        """Return what the journal has."""
        return getattr(self._journal, name)


def _run(crm: CRM, race: Race, streams: Sequence[Stream]) -> list[Outcome]:
    """Carry out the pasts, and then all rivals at once; return what came of each of these.

    The CRM of the first one has carried out the pasts too, and remembers where they end.
    """
    journals = [_Decided(crm.journal) for _ in race.rivals]
    now = max(act.effective_at for act in _acts(race))
    crms = [crm.another(journal=journal, clock=lambda: now) for journal in journals]
    for outcome in crms[0].carry_out(list(_pasts(race, streams))):
        if isinstance(outcome, CRMError):
            raise outcome
    line = _Line(len(crms))

    def carry_out(crm: CRM, journal: _Decided, rival: Rival) -> Outcome:
        journal.line = line
        try:
            asked = [(command, streams[number].id) for number, command in rival.commands]
            [outcome] = crm.carry_out([(_of_any_age(rival.act), asked)])
            return outcome
        finally:
            if journal.line is not None:
                line.leave()

    with ThreadPoolExecutor(len(crms)) as pool:
        return list(pool.map(carry_out, crms, journals, race.rivals))


def _pasts(race: Race, streams: Sequence[Stream]) -> Iterator[Asked]:
    for past, stream in zip(race.pasts, streams, strict=True):
        for step in past.steps:
            if step.events:
                yield _of_any_age(step.act), [(step.command, stream.id)]


def _of_any_age(act: Act) -> Act:
    """Return an act that is not too old where the clock stands at the end of the race."""
    return replace(act, roles=act.roles | {MIGRATION})


def _acts(race: Race) -> Iterator[Act]:
    yield from (rival.act for rival in race.rivals)
    yield from (step.act for past in race.pasts for step in past.steps)


def _anew(race: Race) -> Race:
    """Return the same race under new command ids."""
    pasts = [
        replace(past, steps=tuple(_under_new_id(step) for step in past.steps))
        for past in race.pasts
    ]
    return Race(pasts=tuple(pasts), rivals=tuple(map(_under_new_id, race.rivals)))


def _under_new_id(asked: Any) -> Any:  # noqa: ANN401 - a step or a rival
    return replace(asked, act=replace(asked.act, command_id=uuid4()))
