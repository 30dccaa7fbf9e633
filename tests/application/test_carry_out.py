"""What lost a race, a connection or an answer is tried again, and never done twice (X4)."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from uuid import UUID

import pytest

from crmcore import (
    CRM,
    CommandReused,
    Conflict,
    CRMError,
    InvalidCommand,
    Receipt,
    Rejected,
    Stream,
)
from crmcore.application.carry_out import ATTEMPTS_MAX
from crmcore.application.journal import Appended, Commit, Past, StoreFull, Unreachable
from crmcore.domain import customer
from crmcore.infrastructure.checkpoints import MemoryCheckpoints
from crmcore.infrastructure.memory import MemoryJournal
from crmcore.infrastructure.views import MemoryViews
from tests.application.acting import ADA, NOW, REGISTER, buy, in_memory, usd


def test_concurrent_commands_on_one_stream_all_land(crm: CRM) -> None:
    crm.do(REGISTER, to=ADA, act=crm.act("ann"))

    def log(n: int) -> None:
        talk = customer.LogInteraction(channel="chat", summary=str(n))
        crm.do(talk, to=ADA, act=crm.act("ann"))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(log, range(40)))
    facts = crm.stream(Stream(kind="customer", id=ADA))
    assert [f.version for f in facts] == list(range(1, 42))
    assert {f.event.summary for f in facts[1:]} == {str(n) for n in range(40)}


def test_two_callers_with_one_command_id_get_one_result(crm: CRM) -> None:
    crm.do(REGISTER, to=ADA, act=crm.act("ann"))
    act = crm.act("ann")
    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(lambda _: crm.do(buy(), to=ADA, act=act), range(4)))
    assert len({receipt.facts for receipt in receipts}) == 1
    assert sorted(receipt.replayed for receipt in receipts) == [False, True, True, True]


class Faulty(MemoryJournal):
    """A journal that meets one trouble after the other as it appends, before or after it did."""

    def __init__(self, *troubles: CRMError, after: bool = False) -> None:
        super().__init__()
        self.troubles = list(troubles)
        self.after = after

    def append(
        self, commits: Sequence[Commit], *, at: datetime, tips: Mapping[Stream, bytes]
    ) -> Appended:
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble is None:
            return super().append(commits, at=at, tips=tips)
        if self.after:
            super().append(commits, at=at, tips=tips)
        if isinstance(trouble, Conflict):
            lost = {commit.command_id: trouble for commit in commits}
            return Appended(lost=lost, tips={})
        raise trouble


@pytest.mark.parametrize("trouble", [Conflict("somebody else was first"), Unreachable("cut")])
def test_a_lost_race_or_connection_is_tried_again_a_bounded_number_of_times(
    trouble: CRMError,
) -> None:
    lands = CRM(
        Faulty(*[trouble] * (ATTEMPTS_MAX - 1)),
        MemoryViews(),
        MemoryCheckpoints(),
        clock=lambda: NOW,
    )
    assert len(lands.do(REGISTER, to=ADA, act=lands.act("ann")).facts) == 1
    fails = CRM(
        Faulty(*[trouble] * ATTEMPTS_MAX), MemoryViews(), MemoryCheckpoints(), clock=lambda: NOW
    )
    with pytest.raises(type(trouble)):
        fails.do(REGISTER, to=ADA, act=fails.act("ann"))
    assert (lands.position(), fails.position()) == (1, 0)


@pytest.mark.parametrize("trouble", [Conflict("cut"), Unreachable("cut")])
def test_a_lost_acknowledgement_does_not_apply_a_command_twice(trouble: CRMError) -> None:
    crm = CRM(
        Faulty(trouble, trouble, after=True), MemoryViews(), MemoryCheckpoints(), clock=lambda: NOW
    )
    receipt = crm.do(REGISTER, to=ADA, act=crm.act("ann"))
    assert receipt.replayed
    assert crm.position() == 1


def test_a_full_store_is_not_asked_again() -> None:
    journal = Faulty(StoreFull("no room"), StoreFull("no room"))
    crm = CRM(journal, MemoryViews(), MemoryCheckpoints(), clock=lambda: NOW)
    with pytest.raises(StoreFull):
        crm.do(REGISTER, to=ADA, act=crm.act("ann"))
    assert len(journal.troubles) == 1
    assert crm.position() == 0


class Intruded(MemoryJournal):
    """A journal in which somebody else buys first, once, just before the first append."""

    intruder: Commit | None = None

    def append(
        self, commits: Sequence[Commit], *, at: datetime, tips: Mapping[Stream, bytes]
    ) -> Appended:
        intruder, self.intruder = self.intruder, None
        if intruder is not None:
            assert not super().append([intruder], at=at, tips={}).lost
        return super().append(commits, at=at, tips=tips)


def test_what_was_refused_because_of_a_loser_is_decided_again() -> None:
    journal = Intruded()
    crm = CRM(journal, MemoryViews(), MemoryCheckpoints(), clock=lambda: NOW)
    crm.do(REGISTER, to=ADA, act=crm.act("ann"))
    other = CRM.in_memory(clock=lambda: NOW)
    other.do(REGISTER, to=ADA, act=other.act("ann"))
    facts = other.do(buy(minor=1_000), to=ADA, act=other.act("bob")).facts
    journal.intruder = Commit(
        command_id=facts[0].command_id, digest=b"", streams=(facts[0].stream,), facts=facts
    )
    [loser, refused_at_first] = crm.carry_out(
        [
            (crm.act("ann"), [(buy(minor=500), ADA)]),
            (crm.act("ann"), [(buy(minor=1_000), ADA)]),
        ]
    )
    assert isinstance(loser, Rejected)
    assert isinstance(refused_at_first, Receipt)
    assert [type(fact.event).__name__ for fact in crm.history(ADA)] == [
        "CustomerRegistered",
        "PurchaseRecorded",
    ]


def test_the_callers_of_an_event_loop_share_transactions(crm: CRM) -> None:
    ids = [UUID(int=n) for n in range(100, 150)]

    async def register() -> list[Receipt]:
        return list(
            await asyncio.gather(
                *(crm.do_async(REGISTER, to=one, act=crm.act("ann")) for one in ids)
            )
        )

    receipts = asyncio.run(register())
    assert [receipt.facts[0].stream.id for receipt in receipts] == ids
    assert crm.position() == 50


def test_an_async_caller_meets_the_error_of_its_own_command() -> None:
    crm = in_memory()

    async def ask() -> list[object]:
        asked = [
            crm.do_async(REGISTER, to=ADA, act=crm.act("ann")),
            crm.do_async(buy(), to=UUID(int=9), act=crm.act("ann")),
            crm.do_async(buy("p" * 101), to=ADA, act=crm.act("ann")),
        ]
        return list(await asyncio.gather(*asked, return_exceptions=True))

    outcomes = asyncio.run(ask())
    assert [type(outcome) for outcome in outcomes] == [Receipt, Rejected, InvalidCommand]


class Overtaken(MemoryJournal):
    """A journal in which a twin carries the command out just before the streams are read."""

    twin: Callable[[], object] | None = None

    def read(
        self, streams: Collection[Stream], forms: Mapping[str, str] = {}
    ) -> Mapping[Stream, Past]:
        if self.twin is not None:
            twin, self.twin = self.twin, None
            twin()
        return super().read(streams, forms)


def test_x4_a_repeat_that_loses_the_race_gets_the_receipt_and_no_refusal() -> None:
    journal = Overtaken()
    crm = CRM(journal, MemoryViews(), MemoryCheckpoints(), clock=lambda: NOW)
    crm.do(REGISTER, to=ADA, act=crm.act("ann"))
    invoice, act = customer.IssueInvoice(invoice="i", amount=usd(5)), crm.act("ann")
    journal.twin = lambda: crm.do(invoice, to=ADA, act=act)
    receipt = crm.another().do(invoice, to=ADA, act=act)
    assert (receipt.replayed, [f.version for f in receipt.facts]) == (True, [2])
    journal.twin = lambda: crm.do(invoice, to=ADA, act=crm.act("ben", command_id=act.command_id))
    with pytest.raises(CommandReused):
        crm.another().do(customer.IssueInvoice(invoice="i", amount=usd(6)), to=ADA, act=act)
