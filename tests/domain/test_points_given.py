"""What a sale, a campaign, a day of the year or a correction gives, and what a membership costs."""

from datetime import date, datetime, timedelta

import pytest

from crmcore.domain.loyalty import (
    Absorb,
    Adjust,
    BuyMembership,
    Campaign,
    CancelMembership,
    Earn,
    IssueBenefit,
    PointsEarned,
    Policy,
    RefundMembership,
)
from crmcore.domain.loyalty.account import MERITS_MAX, Membership, Merit
from crmcore.domain.loyalty.benefits import BenefitIssued, BenefitRepeated, NotDue
from crmcore.domain.loyalty.earning import Share
from crmcore.domain.loyalty.membership import MembershipBought, UnknownMembership
from crmcore.domain.money import CurrencyMismatch, Money
from crmcore.testing.scenario import Scenario
from tests.domain.members import BOB, MANAGER, earn, member, midnight, usd

NEW_YEAR, MARCH, NEXT_MARCH = date(2026, 1, 1), date(2026, 3, 1), date(2027, 3, 1)
HALF = Campaign(name="half", percent=50)
TENTH = Campaign(name="a tenth", percent=10)


def points(scenario: Scenario) -> list[int]:
    return [fact.lot.points for fact in scenario.events]


def shares(scenario: Scenario) -> list[tuple[Share, ...]]:
    return [fact.breakdown for fact in scenario.events if isinstance(fact, PointsEarned)]


# Sales


def test_the_sales_of_an_account_share_one_currency() -> None:
    euros = Earn(source="s-2", amount=Money(minor=500, currency="EUR"))
    sold = member().when(earn("s-1", 100))
    sold.when(euros).rejected(CurrencyMismatch(left="USD", right="EUR"))


def test_of_many_sales_the_oldest_count_as_one_also_where_they_are_dated_back() -> None:
    sales = [earn(f"s-{number}", 1) for number in range(MERITS_MAX)]
    account = member().when(*sales, at=MARCH).when(earn("old", 5), at=NEW_YEAR)
    kept = account.state.merits
    assert [one.points for one in kept[:2]] == [6, 1]
    assert {one.earned_at for one in kept} == {midnight(MARCH)}
    account = member().when(*sales[1:], at=MARCH).when(earn("old", 5), at=NEW_YEAR)
    assert account.state.merits[0] == Merit(
        points=5, earned_at=midnight(NEW_YEAR), since=midnight(NEW_YEAR)
    )


def test_nothing_qualifies_by_no_points() -> None:
    merit = Merit(points=0, earned_at=midnight(MARCH), since=midnight(MARCH))
    absorbed = member().when(earn("s-1", 1)).when(Absorb(customer=BOB, lots=(), merits=(merit,)))
    assert [one.points for one in absorbed.state.merits] == [1]


# Campaigns


def test_a_bonus_is_no_part_of_what_qualifies() -> None:
    shop = member(Policy(campaigns=(HALF,))).when(earn("s-1", 60))
    [sale] = shop.state.earned
    assert (sale.points, sale.qualifying, shop.state.merits[0].points) == (90, 60, 60)


def test_a_campaign_gives_so_many_points_a_month_and_then_none() -> None:
    shop = member(Policy(campaigns=(Campaign(name="half", percent=50, month_points_max=50),)))
    sold = shop.when(*(earn(f"s-{number}", 100) for number in range(2)))
    assert points(sold) == [150, 100]
    assert shares(sold)[1] == ()


def test_what_a_month_gives_counts_from_its_first_day_to_its_last() -> None:
    once = Campaign(name="half", percent=50, month_count_max=1)
    for policy, later in ((Policy(campaigns=(once,)), 100), (Policy(month_points_max=150), 50)):
        shop = member(policy).when(earn("s-1", 100), at=date(2026, 1, 5))
        assert points(shop.when(earn("s-2", 100), at=date(2026, 1, 31))) == [later]
        [share, *_] = shop.events[0].breakdown
        assert share.month == NEW_YEAR


def test_the_best_campaign_is_the_one_that_gives_most_and_still_gives() -> None:
    once = Campaign(name="once", percent=80, month_count_max=1)
    policy = Policy(campaigns=(TENTH, HALF, once), stacking="best")
    sold = member(policy).when(*(earn(f"s-{number}", 100) for number in range(2)))
    assert [[one.rule for one in each] for each in shares(sold)] == [
        ["base", "once"], ["base", "half"],
    ]  # fmt: skip


# Days of the year


def birthday(born: date) -> IssueBenefit:
    return IssueBenefit(kind="birthday", date_of=born)


def anniversary(of: date) -> IssueBenefit:
    return IssueBenefit(kind="anniversary", date_of=of)


@pytest.mark.parametrize(
    ("of", "day", "due_on"),
    [
        (date(1990, 12, 24), date(2027, 1, 5), date(2026, 12, 24)),
        (MARCH, MARCH, MARCH),
        (date(1990, 3, 1), date(2026, 3, 30), MARCH),
    ],
)
def test_a_benefit_is_due_from_its_day_on_also_across_new_year(
    of: date, day: date, due_on: date
) -> None:
    [fact] = member().when(birthday(of), at=day).events
    assert isinstance(fact, BenefitIssued)
    assert (fact.due_on, fact.issued_on) == (due_on, day)


def test_a_date_that_is_still_to_come_is_due_when_it_has_come() -> None:
    for day in (MARCH, date(2026, 3, 10)):
        member().when(birthday(NEXT_MARCH), at=day).rejected(NotDue(due_on=NEXT_MARCH))


def test_each_kind_of_benefit_comes_once_in_twelve_months_for_itself() -> None:
    both = member().when(birthday(date(1990, 3, 1)), anniversary(date(2020, 3, 1)), at=MARCH)
    assert points(both) == [100, 100]
    for again in (birthday(date(1990, 4, 5)), anniversary(date(2020, 4, 5))):
        no = BenefitRepeated(next_on=NEXT_MARCH)
        both.when(again, at=date(2026, 4, 5)).rejected(no)
    next_year = both.when(birthday(date(1990, 3, 1)), at=NEXT_MARCH)
    assert points(next_year) == [100]
    late = next_year.when(birthday(date(1990, 4, 5)), at=date(2027, 4, 5))
    late.rejected(BenefitRepeated(next_on=date(2028, 3, 1)))
    kinds = [(one.kind, one.issued_on) for one in next_year.state.benefits]
    assert kinds == [("anniversary", MARCH), ("birthday", NEXT_MARCH)]


# Corrections


def adjust(amount: int, name: str) -> Adjust:
    return Adjust(adjustment=name, points=amount, reason="", requested_by="ben")


def test_each_correction_stands_for_itself_down_to_a_point() -> None:
    sold = member().when(earn("s-1", 100))
    fixed = sold.when(adjust(30, "a-1"), adjust(1, "a-2"), adjust(-1, "a-3"), roles=MANAGER)
    assert [type(fact).__name__ for fact in fixed.events] == [
        "PointsGranted", "PointsGranted", "PointsWithdrawn",
    ]  # fmt: skip
    assert fixed.state.usable(midnight(NEW_YEAR)) == 130
    fixed.when(adjust(1, "a-2"), adjust(-1, "a-3"), adjust(0, "a-4"), roles=MANAGER).nothing()


# Memberships


def buy(name: str, minor: int = 3_650, starts_on: date | None = None) -> BuyMembership:
    return BuyMembership(membership=name, price=usd(minor), starts_on=starts_on)


def refund(name: str) -> RefundMembership:
    return RefundMembership(membership=name)


def periods(scenario: Scenario) -> list[tuple[datetime, int]]:
    """When each period begins, and the points of benefits in it."""
    made: tuple[Membership, ...] = scenario.state.memberships
    return [(one.since, one.benefits) for one in made]


def test_a_membership_may_be_free_and_begin_on_a_day_to_come() -> None:
    assert periods(member().when(buy("m-1", 0))) == [(midnight(NEW_YEAR), 0)]
    assert periods(member().when(buy("m-1", starts_on=MARCH))) == [(midnight(MARCH), 0)]


def test_a_benefit_belongs_to_the_period_in_which_it_was_given() -> None:
    two = member().when(buy("m-1"), buy("m-2"), at=MARCH)
    first, second = midnight(MARCH), midnight(NEXT_MARCH)
    given_once = two.when(birthday(date(1990, 3, 1)))
    assert periods(given_once) == [(first, 100), (second, 0)]
    at_its_end = two.when(birthday(date(1990, 3, 1)), at=NEXT_MARCH)
    assert periods(at_its_end) == [(first, 0), (second, 100)]


def test_a_refund_of_a_membership_is_the_price_without_what_its_benefits_are_worth() -> None:
    dear = Policy(minor_units_paid_by_point=20)
    paid = member(dear).when(buy("m-1"), birthday(date(1990, 3, 1)), at=MARCH).when(refund("m-1"))
    assert paid.events[0].refund == usd(1_650)
    cheap = member().when(buy("m-1", 50), birthday(date(1990, 3, 1)), at=MARCH).when(refund("m-1"))
    assert cheap.events[0].refund == usd(0)


def test_what_was_refunded_before_it_began_is_not_cancelled_as_well() -> None:
    refunded = member().when(buy("m-1", starts_on=MARCH)).when(refund("m-1"))
    cancel = CancelMembership(membership="m-1")
    refunded.when(cancel).rejected(UnknownMembership(membership="m-1"))


def test_whoever_cancels_a_single_day_before_it_begins_gets_all_of_its_price() -> None:
    day = MembershipBought(
        membership="m-1", price=usd(301), since=midnight(MARCH),
        until=midnight(MARCH) + timedelta(days=1),
    )  # fmt: skip
    fair = member(Policy(membership_cancel="pro_rata")).given(day)
    [fact] = fair.when(CancelMembership(membership="m-1")).events
    assert (fact.until, fact.refund) == (midnight(MARCH), usd(301))
