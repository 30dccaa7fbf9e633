"""The laws, asked of what an application has recorded, as they are of generated histories."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from crmcore.domain.act import Act
from crmcore.domain.recorded import Recorded, Stream
from crmcore.domain.value import Value
from crmcore.policies import Policies, processes
from crmcore.testing.laws import LAWS, Law, Violation, check
from crmcore.testing.living import History
from crmcore.testing.log_laws import LOG_LAWS, check_log
from crmcore.testing.recording import in_streams
from crmcore.testing.rulebook import laws_of
from crmcore.testing.steps import AnyDecider, Step

Progress = Callable[[int, int], None]


class Breach(Value):
    """A law that does not hold of a stream, or of the log; what is wrong, and the positions."""

    stream: Stream | None
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
    answers_under: Policies | None = None,
    progress: Progress = lambda *_: None,
) -> Judgement:
    """Return where a log breaks the laws: those of every decider, of the rulebook, and `laws`.

    Streams of other kinds than those of the deciders are left out.

    With `answers_under` the laws of a log are asked too, which are about the answers under these
    policies: they answer every question at several instants, which takes minutes for many facts.
    """
    facts = tuple(log)
    known = (*processes(answers_under or Policies()), *deciders)
    by_kind, breaches = {decider.kind: decider for decider in known}, list[Breach]()
    streams = {stream: own for stream, own in in_streams(facts).items() if stream.kind in by_kind}
    wanted = {kind: _wanted(decider, laws) for kind, decider in by_kind.items()}
    of_log = {} if answers_under is None else LOG_LAWS
    steps = len(streams) + len(of_log)
    for done, (stream, own) in enumerate(streams.items(), 1):
        decider = by_kind[stream.kind]
        broken = check(decider, lived(decider, own), wanted[stream.kind])
        breaches += (_breach(one, own, stream) for one in broken)
        progress(done, steps)
    for done, (name, law) in enumerate(of_log.items(), len(streams) + 1):
        broken = check_log(answers_under or Policies(), facts, {name: law})
        breaches += (_breach(one, facts, None) for one in broken)
        progress(done, steps)
    names = {*of_log, *(name for some in wanted.values() for name in some)}
    return Judgement(
        facts=len(facts), streams=len(streams), laws=len(names), breaches=tuple(breaches)
    )


def _breach(broken: Violation, facts: Sequence[Recorded[Any]], stream: Stream | None) -> Breach:
    first, last = facts[0].position, facts[-1].position
    return Breach(stream=stream, law=broken.law, what=broken.what, first=first, last=last)


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
