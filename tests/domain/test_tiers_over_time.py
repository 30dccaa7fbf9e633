"""Since when and until when a tier is held, whatever window its points count in."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from crmcore.domain.loyalty import (
    Absorb,
    BuyMembership,
    ClawBack,
    GrantTier,
    Level,
    Policy,
    RefundMembership,
    tier,
)
from crmcore.domain.loyalty.account import Merit
from crmcore.testing.scenario import Scenario
from tests.domain.members import BOB, MANAGER, earn, member, midnight, usd

LEVELS = (
    Level(name="silver", points=100),
    Level(name="gold", points=500),
    Level(name="platinum", points=900),
)
POLICY = Policy(tiers=LEVELS)
JUNE, JULY = date(2026, 6, 1), date(2026, 7, 1)


def bought(points: int, policy: Policy = POLICY) -> Scenario:
    return member(policy).when(earn("s-1", points), at=JUNE)


def said(scenario: Scenario, day: date, policy: Policy = POLICY) -> tuple[Any, ...]:
    """The tier, since when, and until when it is valid, by days."""
    found = tier(scenario.state, midnight(day), policy)
    ends = (found.since, found.valid_until)
    return found.tier, *(end and end.date() for end in ends)


def changes(scenario: Scenario, day: date, policy: Policy = POLICY) -> datetime | None:
    return tier(scenario.state, midnight(day), policy).next_change_at


def granted(scenario: Scenario, name: str, since: date, until: date) -> Scenario:
    grant = GrantTier(tier=name, until=until, kind="manual")
    return scenario.when(grant, at=since, roles=MANAGER)


def test_who_rises_and_falls_has_each_tier_since_its_own_day() -> None:
    account = bought(100).when(earn("s-2", 800), at=JULY)
    assert [said(account, date(year, 7, 1)) for year in range(2026, 2031)] == [
        ("platinum", JULY, date(2028, 1, 1)),
        ("platinum", JULY, date(2028, 1, 1)),
        ("gold", date(2028, 1, 1), date(2029, 1, 1)),
        ("silver", date(2029, 1, 1), date(2030, 1, 1)),
        (None, None, None),
    ]
    assert said(account, JUNE) == ("silver", JUNE, date(2030, 1, 1))
    assert said(account, date(2026, 5, 31)) == (None, None, None)


def test_a_lower_tier_by_decision_is_no_higher_one_and_ends_with_its_time() -> None:
    account = granted(member(POLICY), "silver", JUNE, date(2026, 9, 1))
    assert said(account, JULY) == ("silver", JUNE, date(2026, 9, 1))
    assert changes(account, JULY) == midnight(date(2026, 9, 1))
    assert said(account, date(2026, 9, 1)) == (None, None, None)


def test_a_tier_whose_reasons_follow_each_other_is_one_from_first_to_last() -> None:
    september, december = date(2026, 9, 1), date(2026, 12, 1)
    once = granted(member(POLICY), "silver", JUNE, september)
    twice = granted(once, "silver", september, december)
    for day in (JULY, september, date(2026, 10, 1)):
        assert said(twice, day) == ("silver", JUNE, december)
        assert changes(twice, day) == midnight(december)


def test_a_higher_tier_for_a_while_does_not_end_the_lower_one() -> None:
    account = granted(bought(100), "gold", date(2026, 9, 1), date(2026, 10, 1))
    assert said(account, JULY) == ("silver", JUNE, date(2028, 1, 1))
    assert said(account, date(2026, 9, 1)) == ("gold", date(2026, 9, 1), date(2026, 10, 1))
    assert said(account, date(2026, 10, 1))[:2] == ("silver", date(2026, 10, 1))


def test_who_falls_below_a_tier_keeps_it_to_the_end_of_the_next_year() -> None:
    account = bought(100).when(ClawBack(source="s-1", refunded=usd(5_000)), at=JULY)
    assert said(account, JULY) == ("silver", JUNE, date(2028, 1, 1))
    assert tier(account.state, midnight(JULY), POLICY).qualifying == 50


def test_a_late_refund_lowers_no_year_but_that_of_its_sale() -> None:
    february = date(2027, 2, 1)
    account = bought(99).when(ClawBack(source="s-1", refunded=usd(5_000)), at=february)
    assert [
        tier(account.state, midnight(day), POLICY).qualifying
        for day in (date(2026, 12, 31), date(2027, 1, 15), february)
    ] == [99, 0, 0]


def test_what_counts_from_the_end_of_its_period_on_never_counts() -> None:
    merit = Merit(points=5, earned_at=midnight(JUNE), since=midnight(date(2027, 1, 1)))
    account = member(POLICY).when(Absorb(customer=BOB, lots=(), merits=(merit,)))
    assert changes(account, JULY) is None


def test_a_period_that_was_refunded_before_it_began_is_no_tier_and_no_change() -> None:
    paid = Policy(tiers=LEVELS, membership_tier="gold")
    buy = BuyMembership(membership="m-1", price=usd(100), starts_on=JULY)
    account = member(paid, at=JUNE).when(buy, RefundMembership(membership="m-1"))
    assert changes(account, JUNE, paid) is None
    assert said(account, JULY, paid) == (None, None, None)


def test_for_a_lifetime_a_tier_has_no_end() -> None:
    ever = Policy(tiers=LEVELS, tier_window="lifetime", tier_grace_days=9)
    account = bought(100, ever)
    assert said(account, date(2050, 1, 1), ever) == ("silver", JUNE, None)
    assert changes(account, JULY, ever) is None


@pytest.mark.parametrize("own", [None, date(2026, 11, 5)])
def test_an_anniversary_is_of_the_first_sale_also_where_another_account_brought_it(
    own: date | None,
) -> None:
    yearly = Policy(tiers=LEVELS, tier_window="anniversary")
    merit = Merit(points=100, earned_at=midnight(JUNE), since=midnight(JUNE))
    account = member(yearly)
    if own:
        account = account.when(earn("s-1", 10), at=own)
    absorbed = account.when(Absorb(customer=BOB, lots=(), merits=(merit,)))
    assert said(absorbed, date(2026, 12, 1), yearly) == ("silver", JUNE, date(2028, 6, 1))


@pytest.mark.parametrize(
    ("window", "until"), [("calendar_year", date(2028, 1, 31)), ("rolling", date(2028, 7, 1))]
)
def test_a_grace_is_some_days_more_in_every_window(window: str, until: date) -> None:
    kind = Policy(tiers=LEVELS, tier_window=window, tier_grace_days=30)  # type: ignore[arg-type]
    assert said(bought(100, kind), JULY, kind)[2] == until


def test_a_tier_changes_at_its_instant_and_not_before() -> None:
    account = granted(member(POLICY), "gold", JUNE, JULY)
    before = tier(account.state, midnight(JULY) - timedelta(microseconds=1), POLICY)
    assert (before.tier, before.next_change_at) == ("gold", midnight(JULY))
    assert tier(account.state, midnight(JULY), POLICY).tier is None
