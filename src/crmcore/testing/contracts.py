"""A test class for a decider: every law holds of it, and nothing is there for nothing."""

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from typing import Any, Self, TypeAlias, Unpack

from hypothesis import HealthCheck, given, settings

from crmcore.domain.act import Act
from crmcore.domain.value import Rejection
from crmcore.testing.deriving import PHASES
from crmcore.testing.generating import STEPS, histories, samples
from crmcore.testing.laws import LAWS, Law, check, occurred
from crmcore.testing.living import History, declared
from crmcore.testing.playing import Drawn
from crmcore.testing.rehearsing import cast_of
from crmcore.testing.rulebook import laws_of
from crmcore.testing.shortening import shortened
from crmcore.testing.steps import AnyDecider

Model: TypeAlias = Callable[[tuple[Any, ...], Any, Act], tuple[Any, ...] | type[Rejection]]
"""From all events so far, a command and its act: what comes of it, or why nothing does."""

SAMPLES = 500
PATIENT = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


class Violated(AssertionError):
    """A law does not hold; each law has a subclass of its own, so that each is reported."""

    def __init__(self, law: Law, what: str, history: History) -> None:
        super().__init__(f"{law.name}: {what}\n{history.script()}")
        self.law, self.what, self.history = law, what, history

    def shortest(self) -> Self:
        """Return the same of a history of the fewest and plainest commands that it takes."""
        history = shortened(self.history, self.law)
        return type(self)(self.law, next(iter(self.law.check(history.decider, history))), history)


def contract(
    decider: AnyDecider,
    *,
    model: Model | None = None,
    invariants: Iterable[Law] = (),
    laws: Iterable[Law] | None = None,
    examples: int | None = None,
    steps: int = STEPS,
    never: Collection[type] = (),
    **drawn: Unpack[Drawn],
) -> type:
    """Return a class of tests for pytest: name it Test... in a module of yours.

    `laws` are those of every decider and of the rulebook; `invariants` and a model are your own.
    All are checked on the same histories, as many as Hypothesis' settings or `examples` say. What
    is declared must occur, but for what `never` lists.
    """
    known = laws_for(decider) if laws is None else laws
    wanted = [*known, *invariants, *([] if model is None else [agrees_with(model)])]
    seen: set[type] = set()

    @settings(
        max_examples=examples or settings().max_examples,
        deadline=None,
        phases=PHASES,
        suppress_health_check=PATIENT,
    )
    @given(histories(decider, steps=steps, **drawn))
    def holds(history: History) -> None:
        seen.update(occurred(history))
        require(decider, history, wanted)

    class Contract:
        """Every law holds, and nothing that is declared is there for nothing."""

        def test_every_law_holds(self) -> None:
            """Every law and invariant holds of every history."""
            try:
                holds()
            except Violated as violated:
                raise violated.shortest() from None
            except ExceptionGroup as several:
                raise several.derive([_shortest(one) for one in several.exceptions]) from None

        def test_nothing_is_vacuous(self) -> None:
            """Every command is accepted somewhere, every event and every rejection occurs."""
            names = sorted(kind.__name__ for kind in vacuous(decider, {*seen, *never}, **drawn))
            assert not names, f"these never occurred: {', '.join(names)}"

    return Contract


def laws_for(decider: AnyDecider) -> list[Law]:
    """Return the laws of every decider, and those that the rulebook has for this one."""
    return [*LAWS.values(), *laws_of(decider)]


def vacuous(decider: AnyDecider, seen: Collection[type] = (), **drawn: Unpack[Drawn]) -> list[type]:
    """Return what a decider declares and no history leads to, as far as ways were looked for.

    What is in `seen` need not be looked for.
    """
    if unseen := set(declared(decider)).difference(seen):
        unseen -= set(cast_of(decider, **drawn).ways)
    return [kind for kind in declared(decider) if kind in unseen]


def counterexample(
    decider: AnyDecider,
    laws: Iterable[Law] | None = None,
    *,
    examples: int = SAMPLES,
    seed: int = 0,
    steps: int = STEPS,
    **drawn: Unpack[Drawn],
) -> Violated | None:
    """Return how a law is violated, by the fewest and plainest commands; None if all hold.

    The laws are those of every decider and of the rulebook, if none are given. The histories are
    those of `samples`: the same ones for a seed, whatever the version of Hypothesis.
    """
    wanted = laws_for(decider) if laws is None else list(laws)
    for history in samples(decider, examples, seed=seed, steps=steps, **drawn):
        try:
            require(decider, history, wanted)
        except Violated as found:
            return found.shortest()
    return None


def require(decider: AnyDecider, history: History, laws: Iterable[Law]) -> None:
    """Raise Violated, with a history that can be pasted, for the first law that does not hold."""
    for law in laws:
        for violation in check(decider, history, [law]):
            raise violated(law.name)(law, violation.what, history)


def _shortest(error: Exception) -> Exception:
    return error.shortest() if isinstance(error, Violated) else error


@cache
def violated(law: str) -> type[Violated]:
    """Return the subclass of a law."""
    return type(law, (Violated,), {})


def agrees_with(model: Model) -> Law:
    """Return the law that a decider accepts what a model accepts, with the same events."""

    def agrees(_: AnyDecider, history: History) -> Iterator[str]:
        past: tuple[Any, ...] = ()
        for step in history.steps:
            wanted = model(past, step.command, step.act)
            found = step.events if step.rejected is None else type(step.rejected)
            if found != wanted:
                yield f"of {step.command!r} comes {found!r}, and the model says {wanted!r}"
                return
            past += step.events

    return Law("agrees_with_the_model", "It accepts what the model accepts.", agrees)
