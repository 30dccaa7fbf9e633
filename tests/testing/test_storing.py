"""A command counts once, however often a store is given it; and a store that forgets is found."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import find, given, settings

from crmcore import CRM, Policies
from crmcore.application.journal import Commit
from crmcore.domain import customer, loyalty
from crmcore.domain.act import Act
from crmcore.infrastructure.checkpoints import MemoryCheckpoints
from crmcore.infrastructure.memory import MemoryJournal
from crmcore.infrastructure.views import MemoryViews
from crmcore.policies import deciders
from crmcore.testing import History, histories, retried, rollback
from crmcore.testing.living import live
from crmcore.testing.steps import START, Turn

DECIDERS = {decider.kind: decider for decider in deciders(Policies())}
ACT = Act(by="ann", effective_at=START, command_id=UUID(int=1))
HISTORIES = histories(DECIDERS["loyalty"], steps=10)


@pytest.mark.parametrize("kind", ["loyalty", "opportunity"])
def test_a_retried_command_changes_nothing(crm: CRM, kind: str) -> None:
    @settings(max_examples=6)
    @given(histories(DECIDERS[kind], steps=10))
    def holds(history: History) -> None:
        with rollback(crm) as trial:
            assert retried(trial, history) == []
            assert trial.verify().problems == ()

    holds()
    assert crm.position() == 0


def test_one_store_takes_any_number_of_histories() -> None:
    crm = CRM.in_memory()

    @settings(max_examples=10)
    @given(HISTORIES)
    def holds(history: History) -> None:
        assert retried(crm, history) == []

    holds()


class Forgetful(MemoryJournal):
    """A journal that knows of no command what it led to."""

    def _record(self, commit: Commit, at: datetime) -> None:
        super()._record(commit, at)
        self._done.clear()


def over(journal: Any) -> CRM:  # noqa: ANN401 - of any kind
    return CRM(journal, MemoryViews(), MemoryCheckpoints())


def test_a_store_that_forgets_what_was_done_is_found() -> None:
    def is_found(history: History) -> bool:
        return retried(over(Forgetful()), history) != []

    shortest = find(HISTORIES, is_found)
    [step] = shortest.steps
    assert isinstance(step.command, loyalty.Enrol)
    again, later = [found.what for found in retried(over(Forgetful()), shortest)]
    assert "came (Enrolled(customer=UUID(" in again
    assert "when it was given again (), for the first time" in again
    assert again == later


def test_facts_that_are_there_twice_are_counted() -> None:
    register = customer.Register(code="a-1", name="Ada", kind="person")
    talk = customer.LogInteraction(channel="chat", summary="hi")
    lived = live(DECIDERS["customer"], [Turn(register, ACT), Turn(talk, ACT)])
    history = History(decider=DECIDERS["customer"], steps=tuple(lived))
    assert retried(over(MemoryJournal()), history) == []
    *_, last = retried(over(Forgetful()), history)
    assert last.law == "retried"
    assert last.what == "the receipts tell of 2 facts, and in the end there are 4"
