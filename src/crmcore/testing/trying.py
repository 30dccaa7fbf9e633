"""What a contract does, without a test: try the laws, count what occurs, and tell."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Unpack

from hypothesis import given, seed, settings

from crmcore.domain.value import Value
from crmcore.testing.contracts import PATIENT, Violated, laws_for, require, vacuous
from crmcore.testing.deriving import PHASES
from crmcore.testing.generating import STEPS, histories
from crmcore.testing.laws import Law, occurred
from crmcore.testing.living import History, declared
from crmcore.testing.playing import Drawn
from crmcore.testing.steps import AnyDecider

EXAMPLES = 200


class Broken(Value):
    """A law that does not hold, what is wrong, and the shortest example that was found."""

    law: str
    what: str
    commands: int
    script: str


class Trial(Value):
    """What came of trying: how much was tried, what is broken, and what never occurred.

    `occurs` says of each declared command, event and rejection in how many histories it occurred.
    """

    decider: str
    laws: tuple[str, ...]
    histories: int
    commands: int
    accepted: int
    occurs: Mapping[str, int]
    broken: tuple[Broken, ...]
    never: tuple[str, ...]


def attempt(
    decider: AnyDecider,
    *,
    laws: Iterable[Law] = (),
    examples: int = EXAMPLES,
    steps: int = STEPS,
    seeded: int = 0,
    progress: Callable[[int, int], None] = lambda *_: None,
    **drawn: Unpack[Drawn],
) -> Trial:
    """Return what comes of so many histories under all laws, with the shortest that breaks one.

    The same seed gives the same histories, with the same versions of Python and Hypothesis.
    """
    wanted = [*laws_for(decider), *laws]
    tried, seen = Counter[str](), Counter[type]()

    @seed(seeded)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=PHASES,
        suppress_health_check=PATIENT,
    )
    @given(histories(decider, steps=steps, **drawn))
    def holds(history: History) -> None:
        tried["histories"] += 1
        tried["commands"] += len(history.steps)
        tried["accepted"] += sum(step.is_accepted for step in history.steps)
        seen.update(occurred(history))
        progress(min(tried["histories"], examples), examples)
        require(decider, history, wanted)

    broken = tuple(_broken(holds))
    return Trial(
        decider=decider.kind,
        laws=tuple(law.name for law in wanted),
        broken=broken,
        occurs={kind.__name__: seen[kind] for kind in declared(decider)},
        never=tuple(kind.__name__ for kind in vacuous(decider, seen, **drawn)),
        histories=tried["histories"],
        commands=tried["commands"],
        accepted=tried["accepted"],
    )


def _broken(holds: Callable[[], None]) -> Iterable[Broken]:
    try:
        holds()
    except Violated as violated:
        yield _told(violated)
    except ExceptionGroup as several:
        for error in several.exceptions:
            if not isinstance(error, Violated):
                raise
            yield _told(error)


def _told(violated: Violated) -> Broken:
    least = violated.shortest()
    steps, script = least.history.steps, least.history.script()
    return Broken(law=least.law.name, what=least.what, commands=len(steps), script=script)
