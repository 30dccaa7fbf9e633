"""A store under the commands of a history: it says what the rules say, and takes each one once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TypeAlias
from uuid import UUID, uuid4

from msgspec.structs import replace

from crmcore.application.handle import InvalidCommand, Outcome, Receipt
from crmcore.crm import CRM
from crmcore.domain.act import Act
from crmcore.domain.recorded import Stream
from crmcore.domain.value import Rejected, Value
from crmcore.testing.laws import Law, Violation
from crmcore.testing.living import History
from crmcore.testing.steps import START, AnyDecider, Step

Asked: TypeAlias = tuple[Act, Sequence[tuple[Value, UUID]]]
"""What a CRM is asked in one act."""

OpenCRM: TypeAlias = Callable[[], AbstractContextManager[CRM]]
"""Opens a CRM that is closed again, or rolled back, after some steps."""


class Subject:
    """A new aggregate in a store, which is asked what a history asks, at the time of that."""

    def __init__(self, crm: CRM, decider: AnyDecider) -> None:
        self.now = START
        self.crm = crm.another(clock=lambda: self.now)
        self.stream = Stream(kind=decider.kind, id=uuid4())
        self._decider = decider

    def asked(self, step: Step) -> Asked:
        """Return what a step asks, under a command id that is new."""
        self.now = max(self.now, step.act.effective_at)
        return replace(step.act, command_id=uuid4()), [(step.command, self.stream.id)]

    def outcome(self, asked: Asked) -> Outcome:
        """Ask; return what comes of it."""
        [outcome] = self.crm.carry_out([asked])
        return outcome

    def differences(self, step: Step) -> Iterator[str]:
        """Take a step; yield how its outcome, and then the state, differ from those of the rules.

        An error that no rule has anything to do with is raised.
        """
        outcome = self.outcome(self.asked(step))
        if not _is_alike(step, outcome):
            decided = step.rejected or step.unstorable or step.events
            yield f"of {step.command!r} comes {told(outcome)}, and by the rules {decided!r}"
        facts = self.crm.stream(self.stream)
        if (state := self._decider.fold(fact.event for fact in facts)) != step.after:
            yield f"{step.command!r} leads to {state!r}, and by the rules to {step.after!r}"


def stored_alike(crm: OpenCRM) -> Law:
    """Return the law that a store says what the rules say, and leads to the same states."""

    def check(decider: AnyDecider, history: History) -> Iterator[str]:
        with crm() as opened:
            subject = Subject(opened, decider)
            for step in history.steps:
                yield from subject.differences(step)

    return Law("a_store_says_what_the_rules_say", "A store says what the rules say.", check)


def retried(crm: CRM, history: History) -> list[Violation]:
    """Return what is wrong when each command of a history is given twice, and again in the end.

    They are asked of a new aggregate, so there may be anything in the store; what they lead to
    stays there. In the end it is another CRM over the same store that they are given to.

    >>> from uuid import UUID
    >>> from crmcore import CRM
    >>> from crmcore.domain import loyalty
    >>> from crmcore.testing import given
    >>> rules = loyalty.decider(loyalty.Policy())
    >>> enrolled = given(rules).when(loyalty.Enrol(customer=UUID(int=7)))
    >>> retried(CRM.in_memory(), History(decider=rules, steps=enrolled.steps))
    []
    """
    return [Violation(law=retried.__name__, what=what) for what in _changes(crm, history)]


def _changes(crm: CRM, history: History) -> Iterator[str]:
    """Yield what changes because commands are given again."""
    subject = Subject(crm, history.decider)
    done: list[tuple[Asked, Receipt]] = []
    for step in history.steps:
        asked = subject.asked(step)
        outcome = subject.outcome(asked)
        yield from _change(asked, outcome, subject.outcome(asked))
        if isinstance(outcome, Receipt):
            done.append((asked, outcome))
    again = subject.crm.another().carry_out([asked for asked, _ in done])
    for (asked, receipt), outcome in zip(done, again, strict=True):
        yield from _change(asked, receipt, outcome)
    known = sum(len(receipt.facts) for _, receipt in done)
    if (recorded := len(subject.crm.stream(subject.stream))) != known:
        yield f"the receipts tell of {known} facts, and in the end there are {recorded}"


def _change(asked: Asked, first: Outcome, again: Outcome) -> Iterator[str]:
    """Yield how the second outcome differs from the first."""
    if isinstance(first, Receipt):
        same = again == replace(first, replayed=True)
    else:
        same = (type(again), str(again)) == (type(first), str(first))
    if not same:
        _, [(command, _)] = asked
        yield f"of {command!r} came {told(first)}, and when it was given again {told(again)}"


def told(outcome: Outcome) -> str:
    """Return an outcome as one reads it."""
    if isinstance(outcome, Receipt):
        done = repr(tuple(fact.event for fact in outcome.facts))
        return f"{done}, for the first time" if not outcome.replayed else done
    return repr(outcome.rejection) if isinstance(outcome, Rejected) else repr(outcome)


def _is_alike(step: Step, outcome: Outcome) -> bool:
    match outcome:
        case Receipt(facts=facts, replayed=False):
            events = tuple(fact.event for fact in facts)
            on_time = all(fact.effective_at == step.act.effective_at for fact in facts)
            return step.is_accepted and on_time and events == step.events
        case Rejected(rejection=rejection):
            return rejection == step.rejected
        case InvalidCommand():
            return step.unstorable is not None
        case Receipt():
            return False
        case _:
            raise outcome
