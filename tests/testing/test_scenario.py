"""Examples in the form given, when, then: each of their checks can fail."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from msgspec.structs import replace

from crmcore.domain import loyalty
from crmcore.domain.loyalty import Earn, Enrol, Enrolled, Insufficient, NotEnrolled, Redeem
from crmcore.domain.money import Money
from crmcore.testing import given

RULES = loyalty.decider(loyalty.Policy())
ADA = UUID(int=7)
CRASHING = replace(RULES, decide=lambda *_: 1 // 0)
ENROLLED = given(RULES, Enrolled(customer=ADA))
EARN = Earn(source="s-1", amount=Money(minor=500, currency="USD"))
REDEEM = Redeem(redemption="r-1", reward="mug", points=9)


def test_a_fact_comes_of_a_command() -> None:
    assert given(RULES).when(Enrol(customer=ADA)).then(Enrolled(customer=ADA)).state.customer == ADA


def test_several_commands_follow_one_another() -> None:
    earned = ENROLLED.when(EARN, replace(EARN, source="s-2"), at=date(2026, 3, 2))
    assert [event.source for event in earned.events] == ["s-1", "s-2"]
    assert earned.state.usable(datetime(2026, 3, 2, tzinfo=UTC)) == 10


def test_commands_come_when_the_last_ones_came_unless_they_say_so() -> None:
    march = given(RULES, Enrolled(customer=ADA), at=date(2026, 3, 2)).given().when(EARN)
    assert march.state.lots[0].vests_at == datetime(2026, 3, 2, tzinfo=UTC)
    may = march.when(replace(EARN, source="s-2"), at=datetime(2026, 5, 4, 9, tzinfo=UTC))
    later = may.when(replace(EARN, source="s-3"))
    assert later.state.lots[2].vests_at == datetime(2026, 5, 4, 9, tzinfo=UTC)


def test_a_command_that_changes_nothing_is_accepted() -> None:
    ENROLLED.when(Enrol(customer=ADA)).nothing()


def test_a_rule_says_no_and_why() -> None:
    said = ENROLLED.when(REDEEM)
    said.rejected(Insufficient).rejected(Insufficient, available=0)
    said.rejected(Insufficient(available=0))


def test_one_goes_on_from_a_rejection_that_was_checked() -> None:
    refused = ENROLLED.when(REDEEM).rejected(Insufficient)
    assert (refused.state, refused.events) == (ENROLLED.state, ())
    refused.when(Enrol(customer=ADA)).nothing()
    refused.given(Enrolled(customer=UUID(int=8))).when(Enrol(customer=UUID(int=8))).nothing()


@pytest.mark.parametrize(
    ("check", "why"),
    [
        (lambda: ENROLLED.when(Enrol(customer=ADA)).then(Enrolled(customer=ADA)), "found ()"),
        (lambda: given(RULES).when(Enrol(customer=ADA)).nothing(), "found (Enrolled"),
        (lambda: given(RULES).when(EARN).nothing(), "it was rejected"),
        (lambda: given(RULES).when(EARN, EARN).then(), "it was rejected"),
        (lambda: ENROLLED.when(REDEEM).when(EARN), "it was rejected: Insufficient"),
        (lambda: ENROLLED.when(REDEEM, EARN).given(), "it was rejected"),
        (lambda: ENROLLED.when(REDEEM).state, "it was rejected"),
        (lambda: ENROLLED.when(REDEEM).events, "it was rejected"),
        (lambda: ENROLLED.when(REDEEM, REDEEM).rejected(Insufficient), "it was rejected"),
        (lambda: ENROLLED.when(EARN).rejected(Insufficient), "it was accepted"),
        (lambda: given(RULES).when(EARN).rejected(Insufficient), "another reason: NotEnrolled"),
        (lambda: ENROLLED.when(REDEEM).rejected(Insufficient, available=1), "available"),
        (lambda: ENROLLED.when(REDEEM).rejected(Insufficient(available=1)), "available=1"),
        (ENROLLED.nothing, "nothing was asked"),
        (lambda: given(CRASHING).when(EARN).rejected(NotEnrolled), "crashed.*ZeroDivisionError"),
        (lambda: given(CRASHING).when(EARN).when(EARN), "crashed.*ZeroDivisionError"),
    ],
)
def test_what_is_not_so_is_said(check: object, why: str) -> None:
    assert callable(check)
    with pytest.raises(AssertionError, match=why.replace("(", r"\(").replace(")", r"\)")):
        check()
