"""Who tries what they may not is kept, and what they tried it on stays as it was (X7)."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmcore import CRM, CRMError, Policies, Receipt, Rejected, Rejection, Stream
from crmcore.application.journal import Appended, Commit, Conflict, StoreFull, Unreachable
from crmcore.domain import customer, opportunity
from crmcore.domain.decider import Decider
from crmcore.domain.security import DENIALS, Attempt, AttemptRefused, Detail
from crmcore.infrastructure.checkpoints import MemoryCheckpoints
from crmcore.infrastructure.memory import MemoryJournal
from crmcore.infrastructure.views import MemoryViews
from crmcore.policies import deciders, processes
from crmcore.testing.living import declared
from tests.application.acting import ADA, NOW, REGISTER, usd

APPROVE = customer.ApproveLimit(request="r-1", amount=usd(100))
TARGET = Stream(kind="customer", id=ADA)
BOSS = ["general_manager"]


def with_request(crm: CRM) -> CRM:
    """The same, with a customer who asks for credit, on the word of ann."""
    for command in (
        REGISTER,
        customer.RecordInvestigation(score=80, findings=""),
        customer.RequestLimit(request="r-1", amount=usd(100)),
    ):
        crm.do(command, to=ADA, act=crm.act("ann"))
    return crm


def refuse(crm: CRM, by: str = "ben", roles: Sequence[str] = (), **act: Any) -> Rejected:  # noqa: ANN401 - an act's
    with pytest.raises(Rejected) as caught:
        crm.do(APPROVE, to=ADA, act=crm.act(by, roles=roles, **act))
    return caught.value


def test_x7_who_may_not_is_refused_and_the_attempt_is_kept(crm: CRM) -> None:
    with_request(crm)
    before = crm.customer(ADA), crm.history(ADA)
    refuse(crm, roles=["sales", "agent"], command_id=UUID(int=77), because="in a hurry")
    [fact] = crm.refused()
    assert fact.event == AttemptRefused(
        attempt=Attempt(
            by="ben",
            roles=("agent", "sales"),
            command="customer.approve_limit",
            command_id=UUID(int=77),
            kind="customer",
            to=ADA,
            code="NotAuthorised",
            details=(Detail(name="role", value="general_manager"), Detail(name="by", value="ben")),
        )
    )
    assert (fact.stream.kind, fact.actor, fact.causation_id) == ("security", "ben", UUID(int=77))
    assert (fact.effective_at, fact.customer) == (NOW, None)
    assert (crm.customer(ADA), crm.history(ADA)) == before
    assert crm.verify().problems == ()


def test_x7_an_approval_of_ones_own_is_kept_too(crm: CRM) -> None:
    refuse(with_request(crm), by="ann", roles=BOSS)
    assert [fact.event.attempt.code for fact in crm.refused(TARGET)] == ["SelfApproval"]


def test_x7_an_attempt_that_is_repeated_is_kept_once(crm: CRM) -> None:
    with_request(crm)
    act = crm.act("ben")
    for _ in range(3):
        with pytest.raises(Rejected):
            crm.do(APPROVE, to=ADA, act=act)
    refuse(crm)
    assert len(crm.refused(TARGET)) == 2


def test_what_is_refused_for_another_reason_is_not_kept(crm: CRM) -> None:
    with pytest.raises(Rejected) as caught:
        crm.do(APPROVE, to=ADA, act=crm.act("ben"))
    assert caught.value.code == "NotRegistered"
    assert crm.refused() == []


def test_who_is_refused_may_do_it_later_under_the_same_command_id(crm: CRM) -> None:
    with_request(crm)
    act = crm.act("ben", command_id=UUID(int=77))
    with pytest.raises(Rejected):
        crm.do(APPROVE, to=ADA, act=act)
    granted = crm.act("ben", roles=BOSS, command_id=UUID(int=77))
    assert len(crm.do(APPROVE, to=ADA, act=granted).facts) == 1
    assert len(crm.refused(TARGET)) == 1


def test_of_several_commands_the_one_that_was_refused_is_kept(crm: CRM) -> None:
    with_request(crm)
    deal = UUID(int=20)
    opened = opportunity.Open(title="desk", customer=ADA)
    with pytest.raises(Rejected) as caught:
        crm.do_all([(opened, deal), (APPROVE, ADA)], act=crm.act("ben"))
    assert caught.value.place == 1
    assert [fact.event.attempt.command for fact in crm.refused()] == ["customer.approve_limit"]
    assert crm.refused(Stream(kind="opportunity", id=deal)) == []


def test_attempts_are_listed_as_they_were_known(crm: CRM) -> None:
    with_request(crm)
    refuse(crm)
    known = crm.position()
    refuse(crm)
    assert [len(crm.refused(known_at=at)) for at in (known - 1, known, None)] == [0, 1, 2]
    assert crm.refused(Stream(kind="customer", id=UUID(int=8))) == []


def test_an_async_attempt_is_kept_too(crm: CRM) -> None:
    with_request(crm)

    async def ask() -> Receipt:
        return await crm.do_async(APPROVE, to=ADA, act=crm.act("ben"))

    with pytest.raises(Rejected):
        asyncio.run(ask())
    assert len(crm.refused(TARGET)) == 1


def test_attempts_are_kept_on_days_whose_books_are_closed() -> None:
    crm = with_request(CRM.in_memory(clock=lambda: NOW))
    closed = crm.another(policies=Policies(books_closed_through=date(2026, 3, 2)))
    [outcome] = closed.carry_out([(closed.act("ben", roles=["migration"]), [(APPROVE, ADA)])])
    assert isinstance(outcome, Rejected)
    assert [fact.event.attempt.code for fact in crm.refused()] == ["NotAuthorised"]


class Troubled(MemoryJournal):
    """A journal that has trouble with the security log alone."""

    trouble: CRMError | None = None

    def append(
        self, commits: Sequence[Commit], *, at: datetime, tips: Mapping[Stream, bytes]
    ) -> Appended:
        of_security = any(fact.stream.kind == "security" for c in commits for fact in c.facts)
        if self.trouble is None or not of_security:
            return super().append(commits, at=at, tips=tips)
        if isinstance(self.trouble, Conflict):
            return Appended(lost={c.command_id: self.trouble for c in commits}, tips={})
        raise self.trouble


@pytest.mark.parametrize("trouble", [Conflict("lost"), StoreFull("full"), Unreachable("gone")])
def test_trouble_with_the_security_log_hides_no_refusal(trouble: CRMError) -> None:
    journal = Troubled()
    crm = with_request(CRM(journal, MemoryViews(), MemoryCheckpoints(), clock=lambda: NOW))
    journal.trouble = trouble
    assert refuse(crm).code == "NotAuthorised"
    assert crm.refused() == []
    journal.trouble = None
    refuse(crm)
    assert len(crm.refused()) == 1


def test_every_rejection_that_is_about_who_asks_is_called_so() -> None:
    rules: list[Decider[Any, Any, Any]] = [*deciders(Policies()), *processes(Policies())]
    named = {kind.__name__ for decider in rules for kind in declared(decider)}
    assert named >= DENIALS


def test_every_rejection_that_asks_for_a_role_is_about_who_asks() -> None:
    rules: list[Decider[Any, Any, Any]] = [*deciders(Policies()), *processes(Policies())]
    asking = {
        kind.__name__
        for decider in rules
        for kind in declared(decider)
        if issubclass(kind, Rejection) and {"by", "role"} <= set(kind.__struct_fields__)
    }
    assert asking <= DENIALS
    assert asking


def test_who_puts_others_in_charge_without_the_role_is_kept(crm: CRM) -> None:
    crm.do(REGISTER, to=ADA, act=crm.act("ann"))
    assign = customer.AssignOwner(owner="ben")
    with pytest.raises(Rejected):
        crm.do(assign, to=ADA, act=crm.act("eve"))
    assert [fact.event.attempt.code for fact in crm.refused(TARGET)] == ["NotSalesManager"]


WHO = st.sampled_from(["ann", "ben", "bea"])


@given(st.lists(st.tuples(WHO, st.booleans(), st.integers(1, 4)), max_size=10))
def test_x7_each_denied_command_id_is_kept_once_and_nothing_else_is(
    tries: list[tuple[str, bool, int]],
) -> None:
    crm = with_request(CRM.in_memory(clock=lambda: NOW))
    denied: set[UUID] = set()
    for by, is_boss, number in tries:
        before = [fact.event for fact in crm.history(ADA)]
        act = crm.act(by, roles=BOSS if is_boss else [], command_id=UUID(int=number))
        [outcome] = crm.carry_out([(act, [(APPROVE, ADA)])])
        if isinstance(outcome, Rejected):
            assert [fact.event for fact in crm.history(ADA)] == before
            if not is_boss or by == "ann":
                assert outcome.code in {"NotAuthorised", "SelfApproval", "StaleRequest"}
            if outcome.code != "StaleRequest":
                denied.add(act.command_id)
    kept = [fact.event.attempt.command_id for fact in crm.refused()]
    assert sorted(kept) == sorted(denied)
