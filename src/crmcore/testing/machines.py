"""State machines of Hypothesis: the same commands for the rules and for a store, step by step."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Unpack

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec.structs import replace

from crmcore.crm import CRM
from crmcore.domain.act import Act
from crmcore.testing.binding import Past
from crmcore.testing.contracts import Model, agrees_with, violated
from crmcore.testing.generating import COMPANY, SLOT
from crmcore.testing.laws import LAWS, Law
from crmcore.testing.living import History, take
from crmcore.testing.playing import Drawn
from crmcore.testing.rehearsing import Cast, cast_of
from crmcore.testing.steps import AnyDecider, Step, Turn
from crmcore.testing.storing import OpenCRM, Subject, stored_alike


def machine(
    decider: AnyDecider,
    *,
    crm: OpenCRM | None = None,
    model: Model | None = None,
    **drawn: Unpack[Drawn],
) -> type[RuleBasedStateMachine]:
    """Return a state machine of Hypothesis: name its `TestCase` Test... in a module of yours.

    After each command every law holds; `model` says the same; and so does what `crm` opens, such as
    `CRM.in_memory` or `lambda: rollback(shop)`: the same facts or the same rejection, and the same
    state. It is opened for each run and closed behind it, and its clock is put to when the command
    is given. `drawn` is what `histories` takes, but for `steps`: the settings say how many.

    >>> from crmcore import CRM
    >>> from crmcore.domain import loyalty
    >>> from crmcore.testing import machine
    >>> TestLoyalty = machine(loyalty.decider(loyalty.Policy()), crm=CRM.in_memory).TestCase
    """
    cast = cast_of(decider, **drawn)

    class Machine(RuleBasedStateMachine):
        """An aggregate, and the same one in a store."""

        def __init__(self) -> None:
            super().__init__()
            self.resources = ExitStack()
            self.lived = _Lived(cast, model)
            if crm is not None:
                self.lived.follow(self.resources.enter_context(crm()), stored_alike(crm))

        @initialize(turns=_opening())
        def begin(self, turns: list[Turn]) -> None:
            """Carry out what a history begins with."""
            for turn in turns:
                self.lived.take(turn)

        @rule(turn=_turns())
        def give(self, turn: Turn | None) -> None:
            """Carry out a command, or let time pass."""
            if turn is not None:
                self.lived.take(turn)

        def teardown(self) -> None:
            """Close what was opened."""
            self.resources.close()

    return Machine


class _Lived:
    """What happened in one run of a machine, and what may happen next."""

    def __init__(self, cast: Cast, model: Model | None) -> None:
        self.cast = cast
        self.past: Past
        self.steps: list[Step] = []
        self.kinds = cast.kinds
        self._decider = cast.decider
        self._model = model
        self._subject: tuple[Subject, Law] | None = None

    def follow(self, crm: CRM, law: Law) -> None:
        """Have a store say the same from now on."""
        self._subject = Subject(crm, self._decider), law

    def take(self, turn: Turn) -> None:
        """Carry a command out; raise Violated, with all that happened, if a law does not hold."""
        state = self.steps[-1].after if self.steps else self._decider.initial
        events = tuple(event for step in self.steps for event in step.events)
        step = take(self._decider, state, turn.command, turn.act)
        self.steps.append(step)
        for law, what in self._violations(step, events):
            history = History(decider=self._decider, steps=tuple(self.steps))
            raise violated(law.name)(law, what, history)

    def _violations(self, step: Step, events: tuple[Any, ...]) -> Iterator[tuple[Law, str]]:
        """Yield what is wrong with a step behind these events."""
        from_here = replace(self._decider, initial=step.before)
        alone = History(decider=from_here, steps=(step,))
        for law in LAWS.values():
            yield from ((law, what) for what in law.check(from_here, alone))
        if self._model is not None:
            model = agrees_with(_behind(events, self._model))
            yield from ((model, what) for what in model.check(from_here, alone))
        if self._subject is not None:
            subject, law = self._subject
            yield from ((law, what) for what in subject.differences(step))


def _behind(events: tuple[Any, ...], model: Model) -> Model:
    def asked(past: tuple[Any, ...], command: Any, act: Act) -> Any:  # noqa: ANN401 - of the model
        return model((*events, *past), command, act)

    return asked


@st.composite
def _opening(draw: Callable[..., Any]) -> list[Turn]:
    """Return what a history begins with, some commands of it left out."""
    lived: _Lived = draw(st.runner()).lived
    opening = lived.cast.opening(draw)
    kept = [draw(SLOT) for _ in opening]
    lived.kinds = lived.cast.company(opening, draw(COMPANY))
    lived.past = lived.cast.past(draw)
    begun = lived.cast.repeat(opening, lived.past, kept)
    return [Turn(step.command, step.act) for step in begun]


@st.composite
def _turns(draw: Callable[..., Any]) -> Turn | None:
    """Return what may come next, None where only time passes."""
    lived: _Lived = draw(st.runner()).lived
    lived.past.draw = draw
    for step in lived.cast.go_on(lived.steps, [draw(SLOT)], lived.kinds, lived.past):
        return Turn(step.command, step.act)
    return None
