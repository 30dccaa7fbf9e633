"""Customers that are one and the same: M1 to M4."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmcore import CRM, Rejected
from crmcore.domain import customer, lead, loyalty, opportunity
from crmcore.domain.customer import (
    Absorb,
    ChangeContacts,
    ChangeIdentity,
    Contact,
    MarkNotDuplicate,
    MergeInto,
    Separate,
    TaxId,
    Unmerge,
)
from crmcore.domain.customer.merging import (
    AlreadyMerged,
    Held,
    MergeCycle,
    NotMerged,
    OtherHoldings,
    Redirected,
    resolved,
)
from crmcore.domain.customer.profile import NotRegistered
from crmcore.domain.identity import DuplicateIdentity
from crmcore.domain.recorded import Stream
from crmcore.domain.value import Value
from crmcore.projections.projection import by_customer
from tests.application.acting import buy, usd

ADA, BOB, CEM, DEE = (UUID(int=number) for number in (7, 8, 9, 10))
ALL = (ADA, BOB, CEM, DEE)
NUMBER = TaxId(country="DE", number="DE136695976")
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


def opened() -> CRM:
    crm = CRM.in_memory(clock=Clock())
    for number, who in enumerate(ALL):
        register = customer.Register(code=f"c-{number}", name=f"C {number}", kind="person")
        crm.do(register, to=who, act=crm.act("import"))
    return crm


def do(crm: CRM, command: Value, to: UUID) -> None:
    crm.do(command, to=to, act=crm.act("ann"))


def refused(crm: CRM, command: Value, to: UUID) -> object:
    with pytest.raises(Rejected) as no:
        do(crm, command, to)
    return no.value.rejection


# Who stands for whom


def test_m1_a_merge_is_known_to_both_and_asked_of_the_survivor() -> None:
    crm = opened()
    act = crm.act("ann")
    first = crm.merge(ADA, into=BOB, act=act)
    assert [type(fact.event).__name__ for fact in first.facts] == ["MergedInto", "Absorbed"]
    assert crm.merge(ADA, into=BOB, act=act).facts == first.facts
    assert crm.merge(ADA, into=BOB, act=crm.act("ann")).facts == ()
    assert [crm.resolve(who) for who in ALL] == [BOB, BOB, CEM, DEE]
    assert crm.resolve(ADA, as_of=START) == ADA
    assert (crm.customer(ADA).status, crm.customer(BOB).status) == ("merged", "active")
    assert refused(crm, buy(), ADA) == Redirected(surviving_customer=BOB)
    assert refused(crm, MarkNotDuplicate(other_customer=DEE), ADA) == Redirected(
        surviving_customer=BOB
    )
    do(crm, buy(), BOB)


def test_m1_nobody_stands_for_itself_also_by_way_of_others() -> None:
    crm = opened()
    cycle = refused(crm, MergeInto(surviving_customer=ADA), ADA)
    assert cycle == MergeCycle(surviving_customer=ADA)
    crm.merge(ADA, into=BOB, act=crm.act("ann"))
    cycle = refused(crm, MergeInto(surviving_customer=ADA), BOB)
    assert cycle == MergeCycle(surviving_customer=ADA)
    again = refused(crm, MergeInto(surviving_customer=CEM), ADA)
    assert again == AlreadyMerged(surviving_customer=BOB)
    gone = refused(crm, MergeInto(surviving_customer=ADA), CEM)
    assert gone == Redirected(surviving_customer=BOB)
    assert isinstance(refused(crm, MergeInto(surviving_customer=UUID(int=99)), CEM), NotRegistered)
    crm.merge(BOB, into=CEM, act=crm.act("ann"))
    assert crm.resolve(ADA) == CEM


def test_m1_a_merge_is_asked_of_either_and_ended_once() -> None:
    crm = opened()
    do(crm, Absorb(absorbed_customer=ADA), BOB)
    assert crm.resolve(ADA) == BOB
    do(crm, Separate(absorbed_customer=ADA), BOB)
    assert crm.resolve(ADA) == ADA
    assert refused(crm, Unmerge(surviving_customer=BOB), ADA) == NotMerged(other_customer=BOB)
    assert refused(crm, Separate(absorbed_customer=ADA), BOB) == NotMerged(other_customer=ADA)
    with pytest.raises(Rejected):
        crm.unmerge(ADA, act=crm.act("ann"))


ASKED = st.lists(
    st.tuples(st.sampled_from(ALL), st.sampled_from([*ALL, None])), min_size=1, max_size=12
)


@given(ASKED)
def test_m1_resolving_is_unique_and_idempotent(asked: Sequence[tuple[UUID, UUID | None]]) -> None:
    crm = opened()
    parents: dict[UUID, UUID] = {}
    for absorbed, survivor in asked:
        act = crm.act("ann")
        try:
            if survivor is None:
                crm.unmerge(absorbed, act=act)
            else:
                crm.merge(absorbed, into=survivor, act=act)
        except Rejected:
            continue
        if survivor is None:
            del parents[absorbed]
        else:
            parents[absorbed] = survivor
    for who in ALL:
        found = crm.resolve(who)
        root = who
        for _ in ALL:
            root = parents.get(root, root)
        assert found == root
        assert crm.resolve(found) == found


def test_m1_in_a_log_with_a_circle_everybody_is_themselves() -> None:
    circle = {ADA: BOB, BOB: CEM, CEM: ADA}
    assert [resolved(who, circle) for who in ALL] == list(ALL)


# What a merge does to answers


def trade(crm: CRM, who: UUID, name: str = "p-1", cents: int = 1_000) -> None:
    do(crm, buy(name, cents), who)
    do(crm, customer.IssueInvoice(invoice="i-1", amount=usd(cents)), who)


def exposure(crm: CRM, who: UUID) -> str:
    said = crm.credit(who)
    assert said is not None
    return dict(said.details)["exposure"]


def test_m2_what_the_absorbed_did_counts_for_the_survivor() -> None:
    crm = opened()
    trade(crm, ADA)
    do(crm, opportunity.Open(title="bar", customer=ADA), UUID(int=20))
    crm.merge(ADA, into=BOB, act=crm.act("ann"))
    bob, ada = crm.lifecycle(BOB), crm.lifecycle(ADA)
    assert bob is not None
    assert ada is not None
    assert (bob.answer, ada.answer) == ("new", "gone")
    assert {fact.stream.id for fact in crm.history(BOB)} == {ADA, BOB, UUID(int=20)}
    population = by_customer(crm.journal.log())
    assert ADA not in population
    assert {fact.stream.id for fact in population[BOB]} == {ADA, BOB, UUID(int=20)}
    assert crm.rebuild().customers == 3
    assert crm.summary().customers == 3


def test_regression_11_a_merge_deletes_nothing() -> None:
    crm = opened()
    for who in (ADA, BOB):
        trade(crm, who)
    at = crm.act("ann").effective_at
    rows = list(crm.history(ADA))
    said = [(crm.lifecycle(who), crm.credit(who), crm.value(who)) for who in (ADA, BOB)]
    crm.merge(ADA, into=BOB, act=crm.act("ann"))
    assert list(crm.history(ADA))[: len(rows)] == rows
    crm.unmerge(ADA, act=crm.act("ann"))
    after = [
        (crm.lifecycle(who, as_of=at), crm.credit(who, as_of=at), crm.value(who, as_of=at))
        for who in (ADA, BOB)
    ]
    assert after == said
    assert [one.answer for one in (crm.lifecycle(ADA), crm.lifecycle(BOB)) if one] == ["new"] * 2


ACTS = st.lists(st.tuples(st.sampled_from([ADA, BOB]), st.integers(0, 3)), max_size=8)


def traded(number: int) -> list[Value]:
    """Return what may happen as the act of a number."""
    return [
        buy(f"p-{number}", 500),
        customer.IssueInvoice(invoice=f"i-{number}", amount=usd(70)),
        customer.PlaceHold(hold=f"h-{number}", reason=""),
        customer.LogInteraction(channel="phone", summary=""),
    ]


@given(ACTS)
def test_x9_a_merge_moves_no_fact(acts: Sequence[tuple[UUID, int]]) -> None:
    crm = opened()
    for number, (who, what) in enumerate(acts):
        do(crm, traded(number)[what], who)
    before = {who: list(crm.stream(Stream(kind="customer", id=who))) for who in (ADA, BOB)}
    crm.merge(ADA, into=BOB, act=crm.act("ann"))
    crm.unmerge(ADA, act=crm.act("ann"))
    for who, facts in before.items():
        after = crm.stream(Stream(kind="customer", id=who))
        assert list(after)[: len(facts)] == facts
        assert len(after) > len(facts)


@given(ACTS)
def test_m2_unmerging_gives_back_the_answers_of_before(acts: Sequence[tuple[UUID, int]]) -> None:
    crm = opened()
    for number, (who, what) in enumerate(acts):
        do(crm, traded(number)[what], who)
    at = crm.act("ann").effective_at
    said = [(crm.lifecycle(who, as_of=at), crm.credit(who, as_of=at)) for who in (ADA, BOB)]
    crm.merge(ADA, into=BOB, act=crm.act("ann"))
    merged = crm.act("ann").effective_at
    crm.unmerge(ADA, act=crm.act("ann"))
    later = crm.act("ann").effective_at
    for who, (stage, grade) in zip((ADA, BOB), said, strict=True):
        assert crm.lifecycle(who, as_of=at) == stage
        assert crm.credit(who, as_of=at) == grade
        again, now = crm.lifecycle(who, as_of=later), crm.credit(who, as_of=later)
        assert again is not None
        assert stage is not None
        assert (again.answer, again.because, again.since) == (
            stage.answer, stage.because, stage.since if who == BOB else again.since,
        )  # fmt: skip
        assert now is not None
        assert grade is not None
        assert (now.answer, now.details) == (grade.answer, grade.details)
    union = {fact.position for fact in crm.history(BOB, as_of=merged)}
    own = {f.position for who in (ADA, BOB) for f in crm.history(who, as_of=merged)}
    assert union == own


def test_m3_what_is_owed_is_the_sum_also_under_the_same_names() -> None:
    crm = opened()
    trade(crm, ADA, cents=1_000)
    trade(crm, BOB, cents=200)
    assert (exposure(crm, ADA), exposure(crm, BOB)) == ("10.00 USD", "2.00 USD")
    crm.merge(ADA, into=BOB, act=crm.act("ann"))
    assert exposure(crm, BOB) == "12.00 USD"


def test_m3_a_limit_is_the_survivors_and_a_hold_of_either_holds() -> None:
    crm = opened()
    for who, cents in ((ADA, 900), (BOB, 500)):
        do(crm, customer.RecordInvestigation(score=80, findings=""), who)
        do(crm, customer.RequestLimit(request="r", amount=usd(cents)), who)
        boss = crm.act("gus", roles=["general_manager"])
        crm.do(customer.ApproveLimit(request="r", amount=usd(cents)), to=who, act=boss)
    do(crm, customer.PlaceHold(hold="h", reason="late"), ADA)
    crm.merge(ADA, into=BOB, act=crm.act("ann"))
    said = crm.credit(BOB)
    assert said is not None
    details = dict(said.details)
    assert details["limit"] == "5.00 USD"
    assert "hold" in details["status"].lower()


def test_m3_points_and_deals_follow_their_customer() -> None:
    crm = opened()
    account = UUID(int=30)
    do(crm, loyalty.Enrol(customer=ADA), account)
    crm.merge(ADA, into=BOB, act=crm.act("ann"))
    do(crm, lead.CaptureLead(title="bar", source="fair", customer=ADA), UUID(int=20))
    streams = {fact.stream.kind for fact in crm.history(BOB)}
    assert streams == {"customer", "loyalty", "opportunity"}


# What is held elsewhere


def test_what_an_absorbed_customer_holds_is_given_up_and_taken_back() -> None:
    crm = opened()
    crm.claim(ADA, act=crm.act("ann"))
    crm.verify_tax_id(ADA, NUMBER, act=crm.act("ann"))
    unnamed = refused(crm, MergeInto(surviving_customer=BOB), ADA)
    assert unnamed == OtherHoldings(held=Held(tax_id=NUMBER, owner="ann"))
    crm.merge(ADA, into=BOB, act=crm.act("ann"))
    assert crm.portfolio("ann").held == ()
    crm.verify_tax_id(BOB, NUMBER, act=crm.act("ann"))
    act = crm.act("ann")
    with pytest.raises(Rejected) as no:
        crm.unmerge(ADA, act=act)
    assert no.value.rejection == DuplicateIdentity(customer=BOB)
    do(crm, customer.GiveUpTaxId(tax_id=NUMBER), BOB)
    act = crm.act("ann")
    ended = crm.unmerge(ADA, act=act)
    assert crm.unmerge(ADA, act=act).facts == ended.facts
    assert crm.portfolio("ann").held == (ADA,)
    wrong = refused(crm, MergeInto(surviving_customer=BOB), ADA)
    assert isinstance(wrong, OtherHoldings)


# Who may be one and the same


def test_m4_who_was_told_apart_is_not_suggested_until_one_of_them_changes() -> None:
    crm = opened()
    for who, name in ((ADA, "Miller & Co."), (BOB, "miller co")):
        do(crm, ChangeIdentity(name=name), who)
    pairs = [(one.one, one.other, one.because) for one in crm.possible_duplicates()]
    assert pairs == [(ADA, BOB, ("name",))]
    mark = MarkNotDuplicate(other_customer=BOB)
    do(crm, mark, ADA)
    assert crm.possible_duplicates() == ()
    assert crm.do(mark, to=ADA, act=crm.act("ann")).facts == ()
    do(crm, ChangeIdentity(name="Miller Co"), BOB)
    assert [one.because for one in crm.possible_duplicates()] == [("name",)]


def test_m4_who_has_a_number_in_common_may_be_one() -> None:
    crm = opened()
    bob = Contact(name="Bob", phone="+442079460000", email="bob@example.org")
    rob = Contact(name="Rob", phone="+442079460000", email="BOB@example.org")
    do(crm, ChangeContacts(contacts=(bob,)), ADA)
    do(crm, ChangeContacts(contacts=(rob,)), CEM)
    registered = customer.Registration(tax_id="DE 136695976")
    do(crm, customer.ChangeRegistration(registration=registered), CEM)
    crm.verify_tax_id(BOB, NUMBER, act=crm.act("ann"))
    pairs = [(one.one, one.other, one.because) for one in crm.possible_duplicates()]
    assert pairs == [(ADA, CEM, ("phone", "email")), (BOB, CEM, ("tax id",))]
    crm.merge(CEM, into=ADA, act=crm.act("ann"))
    assert crm.possible_duplicates() == ()


def test_m4_what_says_nothing_is_nothing_in_common() -> None:
    crm = opened()
    for who in (ADA, BOB):
        do(crm, ChangeIdentity(name="&&&"), who)
        do(crm, ChangeContacts(contacts=(Contact(name="Bob"), Contact(name="Rob"))), who)
    assert crm.possible_duplicates() == ()
    phones = ("+442079460000", "+442079460001")
    reached = (Contact(name="Bob", phone=phones[0], more_phones=(phones[1],)),)
    for who in (ADA, BOB):
        do(crm, ChangeContacts(contacts=reached), who)
    assert [one.because for one in crm.possible_duplicates()] == [("phone",)]
