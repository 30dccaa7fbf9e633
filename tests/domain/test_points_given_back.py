"""Points that go back go back once, to the redemption that is named."""

from datetime import UTC, date, datetime
from uuid import UUID

from crmcore.domain import loyalty
from crmcore.domain.lots import Lot
from crmcore.domain.loyalty import (
    Enrolled,
    PointsEarned,
    PointsRedeemed,
    RedemptionReversed,
    ReverseRedemption,
    TooMuchReversed,
)
from crmcore.domain.money import Money
from crmcore.testing import given


def lot(points: int) -> Lot:
    """Points of the first lot, which lapses in March 2027."""
    return Lot(
        number=1,
        points=points,
        vests_at=datetime(2026, 3, 2, tzinfo=UTC),
        expires_at=datetime(2027, 3, 2, tzinfo=UTC),
    )


def redeemed(name: str, points: int) -> PointsRedeemed:
    return PointsRedeemed(redemption=name, reward="mug", points=points, allocations=(lot(points),))


SPENT = given(
    loyalty.decider(loyalty.Policy()),
    Enrolled(customer=UUID(int=10)),
    PointsEarned(source="s", amount=Money(minor=10_000, currency="USD"), lot=lot(100)),
    redeemed("r-1", 30),
    redeemed("r-2", 40),
)


def test_giving_one_redemption_back_leaves_the_others() -> None:
    reversed_one = RedemptionReversed(redemption="r-1", restored=(lot(30),), forfeited=())
    account = SPENT.given(reversed_one).state
    assert {one.name: one.left for one in account.redemptions} == {"r-1": (), "r-2": (lot(40),)}


def test_what_was_forfeited_is_not_given_back_again() -> None:
    late = date(2027, 4, 1)
    reverse = ReverseRedemption(redemption="r-1", points=30)
    forfeited = RedemptionReversed(redemption="r-1", restored=(), forfeited=(lot(30),))
    SPENT.when(reverse, at=late).then(forfeited)
    SPENT.given(forfeited).when(reverse, at=late).rejected(TooMuchReversed, left=0)
