"""What is stored of long streams saves readings, and never changes what comes of a command."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crmcore import CRM, Receipt
from crmcore.application.journal import Past, Stored, StoreFull
from crmcore.application.states import STORED_EVERY, THREADS_MAX, ForgottenError, Threads
from crmcore.domain import customer
from crmcore.domain.recorded import Stream
from crmcore.infrastructure.checkpoints import MemoryCheckpoints
from crmcore.infrastructure.memory import MemoryJournal
from crmcore.infrastructure.views import MemoryViews
from tests.application.acting import ADA, NOW, REGISTER, buy, usd

STREAM = Stream(kind="customer", id=ADA)
LONG = 2 * STORED_EVERY + 50
TALK = customer.LogInteraction(channel="phone", summary="hello")
COMMANDS = (
    TALK,
    buy("p-1"),
    buy(f"p-{LONG}"),
    buy("new"),
    customer.ReturnPurchase(purchase=f"p-{LONG}", amount=usd(600)),
    customer.ReturnPurchase(purchase="p-1", amount=usd(1)),
    customer.DisputeInvoice(invoice="old", reason="broken"),
    customer.ReceivePayment(payment="x", invoice="old", amount=usd(400)),
    customer.Deactivate(reason="moved"),
)


class Counting(MemoryJournal):
    """Counts the facts that are read."""

    facts_read = 0

    def read(
        self, streams: Collection[Stream], forms: Mapping[str, str] = {}
    ) -> Mapping[Stream, Past]:
        pasts = super().read(streams, forms)
        self.facts_read += sum(len(past.facts) for past in pasts.values())
        return pasts


class Full(MemoryJournal):
    """Has room for facts, and for nothing else."""

    def store(self, states: Mapping[Stream, Stored], forms: Mapping[str, str]) -> None:  # noqa: ARG002 - there is no room for any
        raise StoreFull("no room")


def process(journal: MemoryJournal) -> CRM:
    """Return a CRM as a process has it that begins now."""
    return CRM(journal, MemoryViews(), MemoryCheckpoints(), clock=lambda: NOW)


def fill(crm: CRM) -> None:
    """Let a customer register, owe something, and buy a lot; each purchase later than the last."""
    invoice = customer.IssueInvoice(invoice="old", amount=usd(1_000))
    first = crm.act("ann", effective_at=NOW - timedelta(days=60), command_id=UUID(int=1))
    purchases = [
        (
            crm.act(
                "ann", effective_at=NOW - timedelta(hours=LONG - n), command_id=UUID(int=n + 9)
            ),
            [(buy(f"p-{n}"), ADA)],
        )
        for n in range(1, LONG + 1)
    ]
    for start in range(0, LONG, 100):
        before = [(first, [(REGISTER, ADA), (invoice, ADA)])] if start == 0 else []
        outcomes = crm.carry_out([*before, *purchases[start : start + 100]])
        assert all(isinstance(outcome, Receipt) for outcome in outcomes)


def came_of(crm: CRM, command: Any, number: int, ago: timedelta | None) -> object:  # noqa: ANN401 - any of them
    """Return what came of a command, without what differs from one run to another."""
    at = None if ago is None else NOW - ago
    act = crm.act("ann", command_id=UUID(int=100_000 + number), effective_at=at)
    [outcome] = crm.carry_out([(act, [(command, ADA)])])
    if isinstance(outcome, Receipt):
        return [(fact.version, fact.event, fact.effective_at) for fact in outcome.facts]
    return type(outcome), str(outcome)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(COMMANDS),
            st.sampled_from((None, timedelta(hours=1), timedelta(days=30), timedelta(days=90))),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_who_begins_from_a_stored_state_does_what_one_does_who_reads_everything(
    asked: list[tuple[Any, timedelta | None]],
) -> None:
    stored, whole = _FILLED.copy(), _FILLED.copy()
    whole.forget_stored()
    for number, (command, ago) in enumerate(asked):
        outcomes = [came_of(process(one), command, number, ago) for one in (stored, whole)]
        assert outcomes[0] == outcomes[1]
    assert stored.stored() == [STREAM]
    assert process(stored).states_astray() == []


def test_a_state_is_stored_of_a_long_stream_over_every_store(crm: CRM) -> None:
    crm.do(REGISTER, to=UUID(int=8), act=crm.act("ann"))
    fill(crm)
    assert list(crm.journal.stored()) == [STREAM]
    assert crm.states_astray() == []
    receipt = crm.another().do(TALK, to=ADA, act=crm.act("ben"))
    assert receipt.facts[0].version == LONG + 3
    assert crm.forget_states() == 1
    assert list(crm.journal.stored()) == []
    receipt = crm.another().do(TALK, to=ADA, act=crm.act("ben"))
    assert receipt.facts[0].version == LONG + 4
    assert list(crm.journal.stored()) == [STREAM]


def test_few_facts_are_read_of_a_long_stream() -> None:
    journal = Counting()
    fill(process(journal))
    before = journal.facts_read
    process(journal).do(TALK, to=ADA, act=process(journal).act("ben"))
    assert 0 < journal.facts_read - before < STORED_EVERY


def test_a_store_without_room_for_states_records_facts_all_the_same() -> None:
    journal = Full()
    fill(process(journal))
    assert journal.stored() == []
    assert process(journal).do(TALK, to=ADA, act=process(journal).act("ben")).facts


def test_what_was_stored_under_other_rules_is_of_no_use() -> None:
    journal = Counting()
    fill(process(journal))
    [past] = journal.read([STREAM]).values()
    assert len(past.facts) == LONG + 2
    state = Stored(version=LONG + 2, tip=past.tip, body=b"not even a state")
    journal.store({STREAM: state}, {"customer": "of other rules"})
    crm = process(journal)
    assert crm.states_astray() == []
    assert crm.do(TALK, to=ADA, act=crm.act("ben")).facts[0].version == LONG + 3


def test_rules_of_an_application_are_folded_from_the_facts() -> None:
    journal = MemoryJournal()
    ours = customer.decider(customer.Policy())

    def evolve(state: customer.Customer, event: customer.Event) -> customer.Customer:
        return customer.evolve(state, event)

    own = replace(ours, evolve=evolve)
    crm = CRM(journal, MemoryViews(), MemoryCheckpoints(), rules=[own], clock=lambda: NOW)
    fill(crm)
    assert journal.stored() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE crm.states SET tip = sha256('x')",  # of another chain
        "UPDATE crm.states SET version = version - 1",
        "UPDATE crm.states SET version = version + 100000",  # of facts that are gone
    ],
)
def test_a_stored_state_that_is_not_of_the_recorded_stream_is_not_used(
    postgres_url: str, change: LiteralString
) -> None:
    CRM.migrate(postgres_url)
    with CRM.open(postgres_url, clock=lambda: NOW) as crm:
        fill(crm)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            [(form,)] = connection.execute("SELECT form FROM crm.states").fetchall()
            assert crm.journal.read([STREAM], {"customer": form})[STREAM].stored is not None
            connection.execute(change)
        past = crm.journal.read([STREAM], {"customer": form})[STREAM]
        assert (past.stored, len(past.facts)) == (None, LONG + 2)
        assert crm.another().do(TALK, to=ADA, act=crm.act("ben")).facts[0].version == LONG + 3


def test_a_stored_state_that_somebody_altered_is_found(postgres_url: str) -> None:
    CRM.migrate(postgres_url)
    with CRM.open(postgres_url, clock=lambda: NOW) as crm:
        fill(crm)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(
                "UPDATE crm.states SET body = "
                "replace(convert_from(body, 'UTF8'), '\"Ada\"', '\"Eve\"')::bytea"
            )
        assert crm.states_astray() == [STREAM]
        assert crm.verify().problems == ()


def test_threads_that_are_left_out_are_asked_for_where_they_matter() -> None:
    hours = [NOW + timedelta(hours=n) for n in range(2 * THREADS_MAX + 1)]
    threads = Threads(latest={f"t{n}": at for n, at in enumerate(hours)}).pruned()
    assert len(threads.latest) == THREADS_MAX
    assert threads.floor == hours[THREADS_MAX]
    assert threads.before(f"t{2 * THREADS_MAX}", NOW) == hours[-1]
    assert threads.before("t0", hours[THREADS_MAX]) is None
    with pytest.raises(ForgottenError):
        threads.before("t0", hours[THREADS_MAX] - timedelta(microseconds=1))
    assert threads.after(["t0"], hours[0]).before("t0", NOW) == hours[0]
    assert threads.pruned() is threads


def test_the_money_of_a_long_stream_is_exact() -> None:
    crm = process(_FILLED.copy())
    purchases = [
        fact.event.amount.minor
        for fact in crm.history(ADA)
        if isinstance(fact.event, customer.sales.PurchaseRecorded)
    ]
    assert sum(purchases) == LONG * 1_000


class _Copied(MemoryJournal):
    """A journal that many tests begin with."""

    def copy(self) -> "_Copied":
        """Return another journal that holds the same."""
        other = _Copied()
        other._tail, other._log = list(self._tail), list(self._log)
        other._streams.update({stream: list(facts) for stream, facts in self._streams.items()})
        other._tips, other._done = dict(self._tips), dict(self._done)
        other._stored = dict(self._stored)
        return other


_FILLED = _Copied()
fill(process(_FILLED))
