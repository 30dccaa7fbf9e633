"""What a refund takes back, from where, and who owes the rest since when."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from crmcore.domain.lots import Lot
from crmcore.domain.loyalty import (
    Absorb,
    Campaign,
    ClawBack,
    Earn,
    PointsEarned,
    Policy,
    QualifyReferral,
    RegisterReferral,
    Reserve,
    ReverseReferral,
    RewardReferral,
)
from crmcore.domain.loyalty.account import REMEMBERED_MAX
from crmcore.domain.loyalty.clawback import DeficitSettled, PointsClawedBack
from crmcore.domain.loyalty.referrals import (
    ReferralQualified,
    ReferralRegistered,
    ReferralReversed,
    UnknownReferral,
)
from crmcore.testing.scenario import Scenario
from tests.domain.members import BOB, earn, member, midnight, redeem, usd

NEW_YEAR, NEXT_YEAR, MARCH = date(2026, 1, 1), date(2027, 1, 1), date(2026, 3, 1)
RICH = member().when(earn("s-1", 100))
EVE = datetime(2026, 12, 31, 12, tzinfo=UTC)
AFTER = date(2027, 1, 2)


def refund(points: int, source: str = "s-1") -> ClawBack:
    """What was refunded of a sale so far, by the points that a dollar each is worth."""
    return ClawBack(source=source, refunded=usd(100 * points))


def lot(number: int, points: int, since: date = NEW_YEAR, until: date = NEXT_YEAR) -> Lot:
    return Lot(number=number, points=points, vests_at=midnight(since), expires_at=midnight(until))


def clawed(scenario: Scenario) -> tuple[Any, ...]:
    """From which lots, and how many had lapsed, are owed and are waived."""
    [fact] = [one for one in scenario.events if isinstance(one, PointsClawedBack)]
    return fact.taken, fact.lapsed, fact.owed, fact.waived


def test_a_refund_takes_from_the_lot_of_its_sale_though_others_lapse_sooner() -> None:
    both = RICH.when(earn("s-2", 50), at=MARCH)
    assert clawed(both.when(refund(30, "s-2"))) == ((lot(2, 30, MARCH, date(2027, 3, 1)),), 0, 0, 0)


def test_where_its_own_lot_is_spent_a_refund_takes_from_others_and_nothing_is_owed() -> None:
    both = RICH.when(redeem(100)).when(earn("s-2", 150), at=MARCH)
    taken = lot(2, 100, MARCH, date(2027, 3, 1))
    assert clawed(both.when(refund(100))) == ((taken,), 0, 0, 0)


def held_over_the_end() -> Scenario:
    """A sale of 100: 60 lapsed free, 40 lapsed on hold; another sale has 50."""
    held = RICH.when(Reserve(redemption="r-1", reward="mug", points=40), at=EVE)
    return held.when(earn("s-2", 50))


@pytest.mark.parametrize(
    ("points", "from_own_lot", "lapsed"), [(30, 30, 0), (60, 60, 0), (80, 60, 20), (100, 60, 40)]
)
def test_a_refund_finds_what_lapsed_on_hold_after_what_is_left(
    points: int, from_own_lot: int, lapsed: int
) -> None:
    after = held_over_the_end().when(refund(points), at=AFTER)
    assert clawed(after) == ((lot(1, from_own_lot),), lapsed, 0, 0)


def test_what_lapsed_is_found_once_and_not_by_the_next_refund_again() -> None:
    spent = RICH.when(redeem(30)).when(Reserve(redemption="r-2", reward="mug", points=40), at=EVE)
    first = spent.when(refund(60), at=AFTER)
    assert clawed(first) == ((lot(1, 30),), 30, 0, 0)
    assert clawed(first.when(refund(100))) == ((), 10, 30, 0)


def test_what_had_lapsed_before_points_were_owed_does_not_settle_them() -> None:
    over = date(2027, 2, 1)
    lapsed = RICH.when(earn("s-2", 80), at=date(2026, 6, 1)).when(redeem(80, "r-1"), at=NEXT_YEAR)
    owing = lapsed.when(refund(80, "s-2"), at=over)
    assert clawed(owing) == ((), 0, 80, 0)
    assert owing.state.pool(midnight(over)).owed == 80
    absorbed = RICH.when(Absorb(customer=BOB, lots=(), owed=5), at=over)
    assert absorbed.state.pool(midnight(over)).owed == 5


def test_what_is_still_owed_after_a_settlement_is_owed_since_then() -> None:
    """Points that are dated back, and have lapsed by then, do not settle it either."""
    owing = RICH.when(redeem(100)).when(refund(100), at=MARCH)
    part = DeficitSettled(allocations=(), left=60, at=midnight(date(2026, 6, 1)))
    earned = PointsEarned(
        source="s-0", amount=usd(100), lot=lot(2, 9, date(2026, 4, 1), date(2026, 5, 1))
    )
    account = owing.given(part, earned).state
    assert account.pool(midnight(NEXT_YEAR)).owed == 60


def test_the_smallest_refund_takes_a_point_and_none_takes_none() -> None:
    RICH.when(ClawBack(source="s-1", refunded=usd(0))).nothing()
    RICH.when(ClawBack(source="s-1", refunded=usd(-100))).nothing()
    assert clawed(RICH.when(ClawBack(source="s-1", refunded=usd(1)))) == ((lot(1, 1),), 0, 0, 0)
    cent = member(Policy(minor_units_per_point=1)).when(Earn(source="s-1", amount=usd(1)))
    assert clawed(cent.when(ClawBack(source="s-1", refunded=usd(1)))) == ((lot(1, 1),), 0, 0, 0)
    nothing = PointsEarned(source="s-0", amount=usd(0), lot=lot(1, 5))
    member().given(nothing).when(ClawBack(source="s-0", refunded=usd(0))).nothing()


def test_of_a_sale_with_a_bonus_a_refund_takes_what_qualified_for_itself() -> None:
    shop = member(Policy(campaigns=(Campaign(name="ten", percent=10),))).when(earn("s-1", 100))
    parts = [ClawBack(source="s-1", refunded=usd(cents)) for cents in (50, 95, 10_000)]
    facts = shop.when(*parts).events
    assert [(one.points, one.qualifying) for one in facts] == [(1, 1), (1, 0), (108, 99)]
    assert shop.when(*parts).state.merits[-1].points == -99


# Rewards for bringing somebody along

BOUGHT = (
    RegisterReferral(referee=BOB),
    QualifyReferral(referee=BOB, source="b-1"),
    RewardReferral(referee=BOB),
)


def reversed_one(scenario: Scenario) -> tuple[Any, ...]:
    [fact] = [one for one in scenario.events if isinstance(one, ReferralReversed)]
    return fact.taken, fact.lapsed, fact.owed, fact.waived


def test_a_reward_that_lapsed_in_parts_is_found_where_each_part_lapsed() -> None:
    shop = member(Policy(lifetime_months=1)).when(*BOUGHT, at=NEW_YEAR)
    eve, after = datetime(2026, 1, 31, 12, tzinfo=UTC), date(2026, 2, 2)
    held = shop.when(Reserve(redemption="r-1", reward="mug", points=200), at=eve)
    others = held.when(earn("s-1", 70))
    found = (lot(1, 300, until=date(2026, 2, 1)),), 200, 0, 0
    assert reversed_one(others.when(ReverseReferral(referee=BOB), at=after)) == found


@pytest.mark.parametrize(
    ("policy", "found"), [(Policy(), (200, 0)), (Policy(on_shortfall="clamp"), (0, 200))]
)
def test_what_was_spent_of_a_reward_is_owed_or_waived(
    policy: Policy, found: tuple[int, int]
) -> None:
    spent = member(policy).when(*BOUGHT, redeem(200)).when(ReverseReferral(referee=BOB))
    assert reversed_one(spent) == ((lot(1, 300),), 0, *found)
    whole = member(policy).when(*BOUGHT).when(ReverseReferral(referee=BOB))
    assert reversed_one(whole) == ((lot(1, 500),), 0, 0, 0)


def many_reversed() -> Iterator[ReferralRegistered | ReferralQualified | ReferralReversed]:
    at = midnight(NEW_YEAR)
    for number in range(2 * REMEMBERED_MAX):
        one = UUID(int=1_000 + number)
        yield ReferralRegistered(referee=one, lapses_at=at)
        yield ReferralQualified(referee=one, source="x", reversible_until=at)
        yield ReferralReversed(referee=one, taken=(), lapsed=0, owed=0, waived=0, at=at)


def test_of_referrals_that_were_reversed_the_latest_are_remembered() -> None:
    account = member().given(*many_reversed())
    assert len(account.state.referrals) == REMEMBERED_MAX
    first, last = (ReverseReferral(referee=UUID(int=1_000 + n)) for n in (0, 199))
    account.when(first).rejected(UnknownReferral)
    account.when(last).nothing()


def test_who_was_rewarded_is_not_brought_along_again_and_whose_time_is_over_may_be() -> None:
    lapses_on = date(2026, 6, 30)
    pending = member().when(RegisterReferral(referee=BOB), at=NEW_YEAR)
    again = pending.when(RegisterReferral(referee=BOB), at=lapses_on)
    again.then(ReferralRegistered(referee=BOB, lapses_at=midnight(date(2026, 12, 27))))
    bought = again.when(QualifyReferral(referee=BOB, source="b-1"), at=date(2026, 7, 1))
    assert [one.status for one in bought.state.referrals] == ["qualified"]
    rewarded = member().when(*BOUGHT, at=NEW_YEAR)
    rewarded.when(RegisterReferral(referee=BOB), at=lapses_on).nothing()
