"""The points of merged customers are in one account: M3."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from crmcore import CRM, Rejected
from crmcore.domain import customer, loyalty
from crmcore.domain.loyalty.absorbing import AccountAbsorbed, AccountHandedOver
from crmcore.domain.recorded import Stream
from crmcore.domain.value import Value
from tests.application.acting import NOW, buy, in_memory

ADA, BOB, CEM = (UUID(int=number) for number in (7, 8, 9))
ALL = (ADA, BOB, CEM)
CARDS = {ADA: UUID(int=70), BOB: UUID(int=80), CEM: UUID(int=90)}


def do(crm: CRM, command: Value, to: UUID) -> None:
    crm.do(command, to=to, act=crm.act("ann"))


def members(crm: CRM, *who: UUID) -> CRM:
    for one in ALL:
        do(crm, customer.Register(code=str(one.int), name="C", kind="person"), one)
    for one in who:
        do(crm, loyalty.Enrol(customer=one), CARDS[one])
    return crm


def points(crm: CRM, who: UUID) -> int:
    return crm.loyalty(CARDS[who]).usable(NOW)


def merge(crm: CRM, absorbed: UUID, into: UUID) -> None:
    crm.merge(absorbed, into=into, act=crm.act("ann"))


def test_m3_points_come_over_with_their_own_expiry_and_the_tier_is_of_all(crm: CRM) -> None:
    members(crm, ADA, BOB)
    early = crm.act("ann", effective_at=date(2026, 1, 5))
    crm.do(loyalty.Earn(source="old", amount=buy("x", 40_000).amount), to=CARDS[ADA], act=early)
    do(crm, buy("p-1", 30_000), BOB)
    crm.reactions().catch_up()
    before = {one.expires_at: one.points for one in crm.loyalty(CARDS[ADA]).lots}
    merge(crm, ADA, BOB)
    crm.reactions().catch_up()
    assert (points(crm, ADA), points(crm, BOB)) == (0, 700)
    lots = {one.expires_at: one.points for one in crm.loyalty(CARDS[BOB]).lots}
    assert before.items() <= lots.items()
    assert len(lots) == 2
    merits = crm.loyalty(CARDS[BOB]).merits
    assert sum(merit.points for merit in merits) == 700
    assert crm.loyalty(CARDS[ADA]).merits == ()


def test_m3_who_stands_for_a_member_becomes_one() -> None:
    crm = members(in_memory(), ADA)
    do(crm, buy("p-1", 5_000), ADA)
    merge(crm, ADA, BOB)
    crm.reactions().catch_up()
    [enrolled] = [
        fact
        for fact in crm.history(BOB)
        if isinstance(fact.event, loyalty.Enrolled) and fact.customer == BOB
    ]
    assert crm.loyalty(enrolled.stream.id).usable(NOW) == 50
    do(crm, buy("p-2", 1_000), BOB)
    crm.reactions().catch_up()
    assert crm.loyalty(enrolled.stream.id).usable(NOW) == 60


def test_m3_nothing_goes_over_to_an_account_that_is_closed() -> None:
    crm = members(in_memory(), ADA, BOB)
    do(crm, buy("p-1", 5_000), ADA)
    do(crm, loyalty.Close(reason=""), CARDS[BOB])
    merge(crm, ADA, BOB)
    crm.reactions().catch_up()
    assert points(crm, ADA) == 50
    do(crm, loyalty.Resume(reason=""), CARDS[BOB])
    crm.unmerge(ADA, act=crm.act("ann"))
    merge(crm, ADA, BOB)
    crm.reactions().catch_up()
    assert (points(crm, ADA), points(crm, BOB)) == (0, 50)


def test_m3_of_two_merges_in_a_row_the_points_arrive_at_the_last() -> None:
    crm = members(in_memory(), *ALL)
    do(crm, buy("p-1", 5_000), ADA)
    crm.reactions().catch_up()
    merge(crm, ADA, BOB)
    merge(crm, BOB, CEM)
    crm.reactions().catch_up()
    assert [points(crm, one) for one in ALL] == [0, 0, 50]


def test_m3_who_has_no_account_brings_no_points() -> None:
    crm = members(in_memory(), BOB)
    merge(crm, ADA, BOB)
    crm.reactions().catch_up()
    kinds = {type(fact.event) for fact in crm.stream(Stream(kind="loyalty", id=CARDS[BOB]))}
    assert kinds == {loyalty.Enrolled}


HAPPENS = st.one_of(
    st.tuples(st.just("buy"), st.sampled_from(ALL)),
    st.tuples(st.just("unmerge"), st.sampled_from(ALL)),
    st.tuples(st.just("redeem"), st.sampled_from(ALL)),
    st.tuples(st.sampled_from(ALL), st.sampled_from(ALL)),
    st.just(("react", 0)),
)


@given(st.lists(HAPPENS, max_size=12))
def test_m3_points_are_in_one_place_however_often_facts_are_delivered(
    story: Sequence[tuple[Any, Any]],
) -> None:
    crm = members(in_memory(), *ALL)
    for number, (what, who) in enumerate(story):
        happen(crm, what, who, f"n-{number}")
    crm.reactions().catch_up()
    earned = spent = 0
    for fact in crm.journal.log():
        match fact.event:
            case loyalty.PointsEarned(lot=lot):
                earned += lot.points
            case loyalty.PointsRedeemed(points=taken):
                spent += taken
            case _:
                pass
    assert sum(points(crm, one) for one in ALL) == earned - spent
    facts = [fact.event for fact in crm.journal.log()]
    handed = [event.lots for event in facts if isinstance(event, AccountHandedOver)]
    absorbed = [event.lots for event in facts if isinstance(event, AccountAbsorbed)]
    assert shapes(handed) == shapes(absorbed)
    again = crm.another()
    again.reactions().catch_up()
    assert len(list(crm.journal.log())) == len(facts)


def happen(crm: CRM, what: object, who: Any, name: str) -> None:  # noqa: ANN401 - of what happens
    act = crm.act("ann")
    try:
        if what == "react":
            crm.reactions().catch_up()
        elif what == "buy":
            crm.do(buy(name, 5_000), to=who, act=act)
        elif what == "redeem":
            redeem = loyalty.Redeem(redemption=name, reward="mug", points=30)
            crm.do(redeem, to=CARDS[who], act=act)
        elif what == "unmerge":
            crm.unmerge(who, act=act)
        elif isinstance(what, UUID):
            crm.merge(what, into=who, act=act)
    except Rejected:
        pass


def shapes(handovers: Sequence[Sequence[Any]]) -> list[list[tuple[int, timedelta]]]:
    return [[(lot.points, lot.expires_at - NOW) for lot in lots] for lots in handovers]
