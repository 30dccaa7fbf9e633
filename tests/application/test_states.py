"""What a process remembers of a stream saves a reading, and never changes what comes of it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmcore import CRM, Conflict, Receipt
from crmcore.application.chain import GENESIS
from crmcore.application.journal import Past
from crmcore.application.states import (
    REMEMBERED_S,
    SHARED_S,
    STATES_MAX,
    Known,
    Remembered,
    States,
    Threads,
)
from crmcore.domain import customer
from crmcore.domain.recorded import Stream
from crmcore.infrastructure.checkpoints import MemoryCheckpoints
from crmcore.infrastructure.memory import MemoryJournal
from crmcore.infrastructure.views import MemoryViews
from tests.application.acting import ADA, NOW, REGISTER, buy

BEN = UUID(int=8)
TALK = customer.LogInteraction(channel="phone", summary="hello")
LEAVE = customer.Deactivate(reason="moved")
COME_BACK = customer.Reactivate(reason="back")
COMMANDS = (REGISTER, TALK, LEAVE, COME_BACK, buy("p-1"), buy("p-2"))

Step: TypeAlias = tuple[int, UUID, Any]


class Counting(MemoryJournal):
    """Counts the streams that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.streams_read = 0

    def read(
        self, streams: Collection[Stream], forms: Mapping[str, str] = {}
    ) -> Mapping[Stream, Past]:
        """Read, and count."""
        self.streams_read += len(streams)
        return super().read(streams, forms)


def process(journal: MemoryJournal) -> CRM:
    """Return a CRM as another process has it: with the same log, and a memory of its own."""
    return CRM(journal, MemoryViews(), MemoryCheckpoints(), clock=lambda: NOW)


def came_of(crm: CRM, command: Any, who: UUID, number: int) -> object:  # noqa: ANN401 - any of them
    """Return what came of a command, without what differs from one run to another."""
    act = crm.act("ann", command_id=UUID(int=1_000 + number))
    [outcome] = crm.carry_out([(act, [(command, who)])])
    if isinstance(outcome, Receipt):
        return [(fact.stream, fact.version, fact.event) for fact in outcome.facts]
    return type(outcome), str(outcome)


steps = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([ADA, BEN]), st.sampled_from(COMMANDS)),
    max_size=14,
)


@given(steps)
def test_two_processes_that_take_turns_do_what_one_without_a_memory_does(
    steps: Sequence[Step],
) -> None:
    shared, alone = MemoryJournal(), MemoryJournal()
    both = [process(shared), process(shared)]
    for number, (turn, who, command) in enumerate(steps):
        remembering = came_of(both[turn], command, who, number)
        assert remembering == came_of(process(alone), command, who, number)


def test_a_command_on_a_stream_that_was_just_written_reads_nothing() -> None:
    journal = Counting()
    crm = process(journal)
    crm.do(REGISTER, to=ADA, act=crm.act("ann"))
    before = journal.streams_read
    crm.do(TALK, to=ADA, act=crm.act("ann"))
    crm.do_all([(TALK, ADA), (TALK, ADA)], act=crm.act("ann"))
    assert journal.streams_read == before
    assert [fact.version for fact in crm.history(ADA)] == [1, 2, 3, 4]


def test_what_is_refused_is_refused_on_what_is_recorded() -> None:
    journal = MemoryJournal()
    ours, theirs = process(journal), process(journal)
    ours.do(REGISTER, to=ADA, act=ours.act("ann"))
    theirs.do(LEAVE, to=ADA, act=theirs.act("ben"))
    # Ours remembers an active customer, who could not be taken back.
    assert ours.do(COME_BACK, to=ADA, act=ours.act("ann")).facts[0].version == 3


def test_a_stream_that_others_write_to_is_read_each_time() -> None:
    journal = Counting()
    ours, theirs = process(journal), process(journal)
    ours.do(REGISTER, to=ADA, act=ours.act("ann"))
    theirs.do(TALK, to=ADA, act=theirs.act("ben"))
    ours.do(TALK, to=ADA, act=ours.act("ann"))  # lost its race at first
    before = journal.streams_read
    ours.do(TALK, to=ADA, act=ours.act("ann"))
    assert journal.streams_read == before + 1


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def stream(number: int) -> Stream:
    return Stream(kind="customer", id=UUID(int=number))


def states(*numbers: int) -> States:
    return {stream(n): Known(1, n, Threads(), GENESIS) for n in numbers}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def remembered(clock: Clock) -> Remembered:
    return Remembered(clock)


def test_a_state_is_remembered_for_a_while(remembered: Remembered, clock: Clock) -> None:
    remembered.keep(states(1, 2))
    clock.now = REMEMBERED_S - 0.001
    assert remembered.of([stream(1), stream(3)]) == states(1)
    clock.now = REMEMBERED_S
    assert remembered.of([stream(1), stream(2)]) == {}


def test_what_is_forgotten_can_be_kept_again(remembered: Remembered) -> None:
    remembered.keep(states(1, 2))
    remembered.forget([stream(1), stream(3)])
    assert remembered.of(states(1, 2)) == states(2)
    remembered.keep(states(1))
    assert remembered.of(states(1, 2)) == states(1, 2)


def test_what_is_shared_is_not_kept_for_a_minute(remembered: Remembered, clock: Clock) -> None:
    remembered.keep(states(1))
    remembered.share([stream(1)])
    remembered.forget([stream(1)])
    clock.now = SHARED_S - 0.001
    remembered.keep(states(1))
    assert remembered.of(states(1)) == {}
    clock.now = SHARED_S
    remembered.keep(states(1))
    assert remembered.of(states(1)) == states(1)


def test_of_too_many_the_first_are_forgotten(remembered: Remembered) -> None:
    remembered.keep(states(*range(STATES_MAX)))
    remembered.keep(states(0))
    remembered.keep(states(STATES_MAX))
    assert remembered.of(states(0, 1, 2, STATES_MAX)) == states(0, 2, STATES_MAX)


def test_a_lost_race_is_no_outcome_of_a_remembered_state() -> None:
    journal = MemoryJournal()
    ours, theirs = process(journal), process(journal)
    ours.do(REGISTER, to=ADA, act=ours.act("ann"))
    for _ in range(3):
        theirs.do(TALK, to=ADA, act=theirs.act("ben"))
        act = ours.act("ann")
        [outcome] = ours.carry_out([(act, [(TALK, ADA)])])
        assert not isinstance(outcome, Conflict)
