"""The laws, asked of what an application has recorded, as they are of generated histories."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from crmcore.domain.act import Act
from crmcore.domain.recorded import Recorded, Stream
from crmcore.domain.value import Value
from crmcore.testing.laws import LAWS, Law, check
from crmcore.testing.living import History
from crmcore.testing.rulebook import laws_of
from crmcore.testing.steps import AnyDecider, Step

Progress = Callable[[int, int], None]


class Breach(Value):
    """A law that does not hold of a stream, what is wrong, and the positions of its facts."""

    stream: Stream
    law: str
    what: str
    first: int
    last: int


class Judgement(Value):
    """How much was judged, by which laws, and every breach."""

    facts: int
    streams: int
    laws: int
    breaches: tuple[Breach, ...]


def judge(
    log: Iterable[Recorded[Any]],
    deciders: Sequence[AnyDecider],
    *,
    laws: Iterable[Law] = (),
    progress: Progress | None = None,
) -> Judgement:
    """Return where a log breaks the laws: those of every decider, of the rulebook, and `laws`."""
    streams: dict[Stream, list[Recorded[Any]]] = defaultdict(list)
    for fact in log:
        streams[fact.stream].append(fact)
    by_kind, breaches = {decider.kind: decider for decider in deciders}, list[Breach]()
    wanted = {kind: _wanted(decider, laws) for kind, decider in by_kind.items()}
    for done, (stream, facts) in enumerate(streams.items(), 1):
        decider = by_kind[stream.kind]
        for broken in check(decider, lived(decider, facts), wanted[stream.kind]):
            first, last = facts[0].position, facts[-1].position
            breach = Breach(stream=stream, law=broken.law, what=broken.what, first=first, last=last)
            breaches.append(breach)
        if progress is not None:
            progress(done, len(streams))
    names = {name for some in wanted.values() for name in some}
    facts_read = sum(map(len, streams.values()))
    return Judgement(
        facts=facts_read, streams=len(streams), laws=len(names), breaches=tuple(breaches)
    )


def lived(decider: AnyDecider, facts: Sequence[Recorded[Any]]) -> History:
    """Return a stream as a history: each act is a step, whose command nobody knows any more."""
    steps, state = list[Step](), decider.initial
    for _, group in groupby(facts, key=lambda fact: (fact.command_id, fact.effective_at)):
        step = _step(decider, state, tuple(group))
        steps.append(step)
        state = step.after
    return History(decider=decider, steps=tuple(steps))


def _step(decider: AnyDecider, before: Any, facts: Sequence[Recorded[Any]]) -> Step:  # noqa: ANN401 - the decider's
    one = facts[0]
    act = Act(by=one.actor, effective_at=one.effective_at, command_id=one.command_id)
    after, events = before, tuple(fact.event for fact in facts)
    try:
        for event in events:
            after = decider.evolve(after, event)
    except Exception as error:  # noqa: BLE001 - a law judges it
        crash = f"{type(error).__name__}: {error}"
        return Step(command=None, act=act, before=before, after=before, crashed=crash)
    return Step(command=None, act=act, before=before, after=after, events=events)


def _wanted(decider: AnyDecider, laws: Iterable[Law]) -> Mapping[str, Law]:
    return {law.name: law for law in (*LAWS.values(), *laws_of(decider), *laws)}
