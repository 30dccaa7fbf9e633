"""Answers beside each other: of two days, under other policies, and of all days so far."""

from datetime import date
from uuid import UUID

import pytest
from msgspec.structs import replace

from crmcore import CRM, InvalidCommand, InvalidPolicy, Policies
from crmcore.comparing import QUESTIONS, Moved
from crmcore.projections.lifecycle import Policy as LifecyclePolicy
from crmcore.projections.value_tiers import Policy as ValuePolicy
from tests.application.acting import ADA, REGISTER, buy

BEN = UUID(int=8)
SPRING = date(2026, 4, 1)
HASTY = Policies(
    name="hasty",
    version=2,
    lifecycle=LifecyclePolicy(inactive_after_months=1, lost_after_months=2),
    value_tiers=ValuePolicy(a_percent=10, b_percent=95),
)


@pytest.fixture
def shop(crm: CRM) -> CRM:
    for customer in (ADA, BEN):
        crm.do(REGISTER, to=customer, act=crm.act("ann", effective_at=date(2026, 2, 1)))
    for customer, sale, minor, day in (
        (ADA, "p-1", 900, 2),
        (ADA, "p-2", 900, 20),
        (BEN, "p-3", 500, 3),
    ):
        crm.do(buy(sale, minor), to=customer, act=crm.act("ann", effective_at=date(2026, 2, day)))
    return crm


def adopted(crm: CRM, since: date) -> None:
    crm.adopt(HASTY, act=crm.act("bea", roles=["general_manager"]), in_force_from=since)


def test_who_would_be_answered_otherwise_is_told_with_both_answers(shop: CRM) -> None:
    found = shop.what_if(HASTY, as_of=date(2026, 3, 25))
    assert (found.customers, found.policies, found.instead) == (2, Policies().stamp, HASTY.stamp)
    assert found.position == shop.position()
    stages = {
        move.customer: (move.before.answer, move.after.answer) for move in found.moves["lifecycle"]
    }
    assert stages == {ADA: ("active", "inactive"), BEN: ("new", "inactive")}
    assert {m.after.rule for m in found.moves["lifecycle"]} == {"no purchase for 1 months"}
    [moved] = found.moves["abc"]
    assert (moved.customer, moved.before.answer, moved.after.answer) == (BEN, "A", "B")
    assert shop.policies == Policies(), "asking changes nothing"


def test_under_the_same_policies_nobody_moves(shop: CRM) -> None:
    for day in (date(2026, 2, 10), date(2026, 3, 1)):
        found = shop.what_if(shop.policies, as_of=day)
        assert found.moves == dict.fromkeys(QUESTIONS, ())
        assert found.customers == 2
    adopted(shop, SPRING)
    known = shop.position()
    assert not any(shop.what_if(HASTY, as_of=SPRING, known_at=known).moves.values())


def test_policies_that_cannot_be_are_not_tried(shop: CRM) -> None:
    with pytest.raises(InvalidPolicy):
        shop.what_if(replace(HASTY, time_zone="Nowhere"))


def test_what_was_answered_is_told_by_the_policies_of_then(shop: CRM) -> None:
    adopted(shop, SPRING)
    told = shop.timeline(ADA, "lifecycle", as_of=date(2026, 12, 31))
    assert [(one.answer, one.since.date(), one.cause) for one in told] == [
        ("prospect", date(2026, 2, 1), "fact"),
        ("new", date(2026, 2, 2), "fact"),
        ("active", date(2026, 2, 20), "fact"),
        ("inactive", SPRING, "policies"),
        ("lost", date(2026, 4, 20), "time"),
    ]
    assert [one.policies for one in told] == [Policies().stamp] * 3 + [HASTY.stamp] * 2
    for one in told:
        said = shop.lifecycle(ADA, as_of=one.since)
        assert said is not None
        assert said.answer == one.answer
    graded = shop.timeline(ADA, "credit", as_of=date(2026, 12, 31))
    assert {one.answer for one in graded} == {"unrated"}


def test_a_timeline_as_it_was_known_has_nothing_of_later(shop: CRM) -> None:
    before = shop.position()
    told = shop.timeline(ADA, "lifecycle", as_of=date(2026, 12, 31))
    adopted(shop, SPRING)
    shop.do(buy("p-9"), to=ADA, act=shop.act("ann", effective_at=date(2026, 2, 25)))
    assert shop.timeline(ADA, "lifecycle", as_of=date(2026, 12, 31), known_at=before) == told
    assert shop.timeline(ADA, "lifecycle", as_of=date(2026, 12, 31)) != told
    assert shop.timeline(UUID(int=99), "lifecycle") == ()


def test_all_customers_are_in_the_matrix(shop: CRM) -> None:
    days = date(2026, 1, 1), date(2026, 2, 10), date(2026, 3, 1)
    found = shop.transitions("lifecycle", *days[:2])
    assert found == (Moved(before=None, after="new", customers=2),)
    assert shop.transitions("lifecycle", *days[1:]) == (
        Moved(before="new", after="active", customers=1),
        Moved(before="new", after="new", customers=1),
    )
    assert sum(one.customers for one in shop.transitions("abc", *days[1:])) == 2
    assert shop.transitions("credit", *days[1:], known_at=0) == ()


def test_who_bought_again_is_counted(shop: CRM) -> None:
    found = shop.buying(date(2026, 2, 1), date(2026, 2, 15), date(2026, 3, 1))
    assert (found.before, found.retained, found.ever, found.again) == (2, 1, 2, 1)
    assert shop.buying(date(2026, 2, 1), date(2026, 2, 15), date(2026, 3, 1), known_at=0).ever == 0


@pytest.mark.parametrize("days", [(2, 2, 2), (3, 2, 9), (1, 9, 8)])
def test_periods_are_in_their_order(shop: CRM, days: tuple[int, int, int]) -> None:
    with pytest.raises(InvalidCommand, match="rising"):
        shop.buying(*(date(2026, 2, day) for day in days))


def test_what_can_be_asked_is_said(shop: CRM) -> None:
    with pytest.raises(InvalidCommand, match="lifecycle, credit, abc, rfm"):
        shop.transitions("grade", date(2026, 2, 1), date(2026, 2, 2))  # type: ignore[arg-type]
    with pytest.raises(InvalidCommand, match=r"lifecycle, credit$"):
        shop.timeline(ADA, "rfm")  # type: ignore[arg-type]
