"""In which order commands that were asked at once may have been carried out, by the rules alone."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from crmcore.application.handle import InvalidCommand, Outcome, Receipt
from crmcore.application.journal import Conflict
from crmcore.domain.act import Act, OutOfOrder
from crmcore.domain.recorded import Fact
from crmcore.domain.value import CRMError, Rejected, Rejection, Value
from crmcore.testing.living import History, take
from crmcore.testing.steps import AnyDecider, Turn

RIVALS_MAX = 6


class Rival(Value):
    """What is asked in one act: each command with the number of the past that it goes on from."""

    act: Act
    commands: tuple[tuple[int, Any], ...]


class Race(Value):
    """What happened to some aggregates, each for itself, and what is then asked of them at once."""

    pasts: tuple[History, ...]
    rivals: tuple[Rival, ...]


class _Told(NamedTuple):
    """What a fact says, whatever its stream is called."""

    version: int
    event: Any
    effective_at: datetime
    command_id: object


class _Place(NamedTuple):
    """Where a stream stands, when its threads took effect last, and what happened in it."""

    state: Any
    latest: Mapping[str, datetime]
    facts: tuple[_Told, ...]


Came: TypeAlias = tuple[_Told, ...] | Rejection | type[CRMError]
"""What came of a command, as far as the rules have to do with it."""


def serial_order(
    race: Race, outcomes: Sequence[Outcome], recorded: Sequence[Sequence[Fact[Any]]]
) -> tuple[int, ...] | None:
    """Return an order of the rivals in which the rules lead to these outcomes, None if none does.

    `recorded` is what each stream holds in the end, its past included. Who met a Conflict each time
    is in no order, and has left nothing behind.
    """
    came = {
        number: _came(outcome)
        for number, outcome in enumerate(outcomes)
        if not isinstance(outcome, Conflict)
    }
    places = tuple(_place(past) for past in race.pasts)
    return _order(race, came, places, [tuple(map(_told, facts)) for facts in recorded])


def _order(
    race: Race,
    came: Mapping[int, Came],
    places: tuple[_Place, ...],
    ended: Sequence[tuple[_Told, ...]],
) -> tuple[int, ...] | None:
    """Return an order of those of whom this came, from these places to where it ended."""
    if not came:
        return () if [place.facts for place in places] == ended else None
    for number, wanted in came.items():
        decided, after = _decided(race, race.rivals[number], places)
        if decided == wanted:
            others = {other: said for other, said in came.items() if other != number}
            if (order := _order(race, others, after, ended)) is not None:
                return (number, *order)
    return None


def _decided(
    race: Race, rival: Rival, places: tuple[_Place, ...]
) -> tuple[Came, tuple[_Place, ...]]:
    """Return what the rules say to one act, and where that leaves the streams."""
    facts: tuple[_Told, ...] = ()
    after = list(places)
    for number, command in rival.commands:
        decider, place = race.pasts[number].decider, after[number]
        came, after[number] = _taken(decider, place, Turn(command, rival.act))
        if not isinstance(came, tuple):
            return came, places
        facts += came
    return facts, tuple(after)


def _taken(decider: AnyDecider, place: _Place, turn: Turn) -> tuple[Came, _Place]:
    """Return what the rules say to one command, and where that leaves its stream."""
    step = take(decider, place.state, turn.command, turn.act)
    assert step.crashed is None, step.crashed
    if step.rejected is not None:
        return step.rejected, place
    if step.unstorable is not None:
        return InvalidCommand, place
    latest, facts = dict(place.latest), list(place.facts)
    for event in step.events:
        threads, at = decider.threads(event), turn.act.effective_at
        for thread, passed in ((thread, latest.get(thread, at)) for thread in threads):
            if turn.act.dated and turn.act.effective_at < passed:
                late = OutOfOrder(thread=thread, effective_at=turn.act.effective_at, latest=passed)
                return late, place
            at = max(at, passed)
        latest |= dict.fromkeys(threads, at)
        facts.append(_Told(len(facts) + 1, event, at, turn.act.command_id))
    return tuple(facts[len(place.facts) :]), _Place(step.after, latest, tuple(facts))


def _place(past: History) -> _Place:
    """Return where a past leaves its stream."""
    place = _Place(past.decider.initial, {}, ())
    for step in past.steps:
        _, place = _taken(past.decider, place, Turn(step.command, step.act))
    return place


def _came(outcome: Outcome) -> Came:
    match outcome:
        case Receipt(facts=facts):
            return tuple(map(_told, facts))
        case Rejected(rejection=rejection):
            return rejection
        case _:
            return type(outcome)


def _told(fact: Fact[Any]) -> _Told:
    return _Told(fact.version, fact.event, fact.effective_at, fact.command_id)
