"""Laws of a log: what holds of every answer, in whatever order and however often facts come.

Each is a function from the policies and a log to what is wrong, in words; so the same one runs over
logs that are generated and over the log of a store. What they are made of takes answers of yours.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

import msgspec
from msgspec.structs import replace

from crmcore.domain.recorded import Recorded, Stream
from crmcore.policies import Policies, checked, deciders
from crmcore.projections.projection import by_customer, registered
from crmcore.testing.answering import Answers, Asked, Said, asked_under, end, moments, up_to
from crmcore.testing.erasing import erased
from crmcore.testing.judging import accepted, off_the_arrows, points, worse_for_more
from crmcore.testing.laws import Violation
from crmcore.testing.recording import Log, in_streams, stream_by_stream
from crmcore.testing.steps import AnyDecider

LogCheck: TypeAlias = Callable[[Policies, Log], Iterable[str]]
Model = TypeVar("Model")
Batches: TypeAlias = Iterable[Iterable[Recorded[Any]]]

BATCH = 3
OTHER_LABEL = "other@1"


class LogLaw(NamedTuple):
    """What must hold of a log: its name, its sentence, and what finds where it does not."""

    name: str
    doc: str
    check: LogCheck
    scope: Literal["log"] = "log"


LOG_LAWS: dict[str, LogLaw] = {}
"""What holds of every log; the names are those in the documentation."""


def check_log(
    policies: Policies, log: Log, laws: Mapping[str, LogLaw] | Iterable[LogLaw] = LOG_LAWS
) -> list[Violation]:
    """Return what is wrong with a log by these laws; it needs no Hypothesis."""
    wanted = laws.values() if isinstance(laws, Mapping) else laws
    return [
        Violation(law=one.name, what=what) for one in wanted for what in one.check(policies, log)
    ]


# What laws are made of.


def differing(
    asked: Asked, one: Log, other: Log, asked_of_the_other: Asked | None = None
) -> Iterator[str]:
    """Yield the answers that differ between two logs; both are asked alike if nothing else is said.

    Differing positions are no difference: answers name the facts that they rest on by their
    streams.
    """
    again = asked_of_the_other or asked
    for at in moments(one):
        yield from _differences(asked(one, at, end(one)), again(other, at, end(other)), at)


def forgetful(asked: Asked, log: Log) -> Iterator[str]:
    """Yield the answers that depend on facts beyond what was known, or in effect, by then."""
    for known_at in sorted({end(log[: len(log) // 2]), end(log)}):
        for at in moments(log):
            told = asked(log, at, known_at)
            yield from _differences(told, asked(up_to(log, at, known_at), at, known_at), at)


def delivered(
    new: Callable[[], Model],
    handle: Callable[[Model, Recorded[Any]], object],
    log: Log,
    batches: Batches,
    read: Callable[[Model], object] = lambda model: model,
) -> Iterator[str]:
    """Yield where a model that was built from a delivery differs from one that is built anew.

    `read` returns what is compared: what the model is for.
    """
    rebuilt, model = new(), new()
    for fact in log:
        handle(rebuilt, fact)
    for batch in batches:
        for fact in batch:
            handle(model, fact)
    if (found := read(model)) != (wanted := read(rebuilt)):
        yield f"delivered again it holds {found!r}, and built anew {wanted!r}"


def at_least_once(log: Log) -> Iterator[Log]:
    """Yield batches as after crashes: each comes twice, and half-way everything comes again."""
    batches = [log[at : at + BATCH] for at in range(0, len(log), BATCH)]
    for number, batch in enumerate(batches):
        yield from (batch, batch)
        if number == len(batches) // 2:
            yield from batches[: number + 1]


def unlike_states(
    rules: Iterable[AnyDecider], others: Iterable[AnyDecider], log: Log
) -> Iterator[str]:
    """Yield the streams that other rules fold to another state."""
    states = {
        stream: each.fold(f.event for f in facts) for each, stream, facts in _folds(others, log)
    }
    for each, stream, facts in _folds(rules, log):
        if (state := each.fold(fact.event for fact in facts)) != states.get(stream, state):
            yield f"{stream} is {state!r}, and by the other rules {states[stream]!r}"


def unfoldable(rules: Iterable[AnyDecider], log: Log) -> Iterator[str]:
    """Yield the facts that cannot be read again, or not folded."""
    for each, _, facts in _folds(rules, log):
        state = each.initial
        for fact in facts:
            try:
                read = msgspec.json.decode(msgspec.json.encode(fact.event), type=each.events)
                state = each.evolve(state, read)
            except Exception as error:  # noqa: BLE001 - that nothing is raised is the law
                yield f"{fact.event!r} cannot be folded: {type(error).__name__}: {error}"


# The catalogue.


def _law(check: LogCheck) -> LogCheck:
    LOG_LAWS[check.__name__] = LogLaw(check.__name__, (check.__doc__ or "").strip(), check)
    return check


@_law
def the_order_of_streams_changes_no_answer(policies: Policies, log: Log) -> Iterator[str]:
    """Streams that were recorded in another order give the same answers."""
    yield from differing(asked_under(policies), log, stream_by_stream(log))


@_law
def what_comes_again_changes_no_answer(policies: Policies, log: Log) -> Iterator[str]:
    """Facts that are kept by their positions, however often they come, give the same answers."""
    asked, instants = asked_under(policies), moments(log)

    def read(model: dict[int, Recorded[Any]]) -> list[Answers]:
        kept = tuple(model[position] for position in sorted(model))
        return [asked(kept, at, end(log)) for at in instants]

    yield from delivered(dict[int, Recorded[Any]], _keep, log, at_least_once(log), read)


@_law
def an_answer_rests_on_what_was_known(policies: Policies, log: Log) -> Iterator[str]:
    """An answer is that of the facts known and in effect by then; later facts never change it."""
    yield from forgetful(asked_under(policies), log)


@_law
def the_same_policies_answer_the_same(policies: Policies, log: Log) -> Iterator[str]:
    """Answers depend on the policies that are given, and not on those that facts name."""
    relabelled = tuple(replace(fact, policy=OTHER_LABEL) for fact in log)
    again = asked_under(checked(policies))
    yield from differing(asked_under(policies), log, relabelled, again)


@_law
def policies_change_no_state(policies: Policies, log: Log) -> Iterator[str]:
    """Facts carry outcomes: they lead to the same state under any policies."""
    yield from unlike_states(deciders(policies), deciders(Policies()), log)


@_law
def the_erased_can_be_folded(policies: Policies, log: Log) -> Iterator[str]:
    """Without personal texts facts are still facts, and give the same answers in other words."""
    bare = erased(log)
    yield from unfoldable(deciders(policies), bare)
    yield from differing(_wordless(asked_under(policies)), log, bare)


@_law
def who_buys_more_is_worth_no_less(policies: Policies, log: Log) -> Iterator[str]:
    """One more purchase lowers neither the ABC class nor an RFM score, by the same cut-offs."""
    for at in moments(log):
        yield from worse_for_more(policies, by_customer(log, at), at)


@_law
def stages_follow_arrows(policies: Policies, log: Log) -> Iterator[str]:
    """The lifecycle moves only as its conditions let time, or a fact of a kind, move it."""
    for customer, facts in registered(by_customer(log)).items():
        yield from (f"{customer}: {what}" for what in off_the_arrows(policies, facts))


@_law
def points_are_the_sum_of_what_happened(policies: Policies, log: Log) -> Iterator[str]:
    """The usable points of all accounts are those earned and given back less those that went."""
    for at in moments(log):
        yield from points(policies, by_customer(log, at), at)


@_law
def nobody_is_granted_more_than_the_limit(policies: Policies, log: Log) -> Iterator[str]:
    """An order is accepted with what is owed then, and within the limit under these policies."""
    for stream, facts in in_streams(log).items():
        if stream.kind == "customer":
            yield from accepted(policies, facts)


def _keep(model: dict[int, Recorded[Any]], fact: Recorded[Any]) -> None:
    model[fact.position] = fact


def _folds(
    rules: Iterable[AnyDecider], log: Log
) -> Iterator[tuple[AnyDecider, Stream, list[Recorded[Any]]]]:
    """Yield the streams that there are rules for."""
    by_kind = {each.kind: each for each in rules}
    for stream, facts in in_streams(log).items():
        if stream.kind in by_kind:
            yield by_kind[stream.kind], stream, facts


def _wordless(asked: Asked) -> Asked:
    """Return what gives answers without their rules, which may quote a reason."""

    def wordless(log: Log, as_of: datetime, known_at: int) -> Answers:
        return {
            about: replace(said, answer=replace(said.answer, rule=""))
            if isinstance(said, Said)
            else said
            for about, said in asked(log, as_of, known_at).items()
        }

    return wordless


def _differences(told: Answers, otherwise: Answers, at: datetime) -> Iterator[str]:
    for about in sorted({*told, *otherwise}, key=str):
        if (one := told.get(about)) != (other := otherwise.get(about)):
            whom, question = about
            yield f"{question} of {whom or 'all'} at {at}: {one!r}, and otherwise {other!r}"
