"""Tiers by what qualifies: rules L15 and L16."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmcore.domain.loyalty import (
    Absorb,
    Account,
    BuyMembership,
    Campaign,
    ClawBack,
    GrantTier,
    Level,
    Policy,
    RecordExpiry,
    Tier,
    tier,
)
from crmcore.domain.loyalty.account import Merit
from crmcore.domain.loyalty.adjusting import NotAuthorised
from crmcore.domain.loyalty.tiers import GrantOver, TierGranted, UnknownTier
from crmcore.testing.scenario import Scenario
from tests.domain.members import BOB, MANAGER, earn, member, midnight, redeem, usd, violations
from tests.plain import later

DAY = timedelta(days=1)
LEVELS = (Level(name="silver", points=100), Level(name="gold", points=500))
POLICY = Policy(tiers=LEVELS)
JUNE = date(2026, 6, 1)
RANKS = {None: 0, "silver": 1, "gold": 2}


def at(account: Account | Scenario, day: date, policy: Policy = POLICY) -> Tier:
    state = account.state if isinstance(account, Scenario) else account
    found = tier(state, midnight(day), policy)
    assert isinstance(found, Tier)
    return found


def name(account: Account | Scenario, day: date, policy: Policy = POLICY) -> str | None:
    return at(account, day, policy).tier


def bought(points: int, day: date, policy: Policy = POLICY) -> Scenario:
    return member(policy).when(earn("s-1", points), at=day)


def test_who_has_bought_nothing_has_no_tier_and_knows_how_far_it_is() -> None:
    assert at(member(POLICY), JUNE) == Tier(
        tier=None, since=None, valid_until=None, qualifying=0, next_tier="silver", distance=100,
        next_change_at=None,
    )  # fmt: skip


def test_l16_a_tier_begins_when_its_points_are_reached_and_lasts_to_the_end_of_next_year() -> None:
    account = bought(60, date(2026, 3, 1)).when(earn("s-2", 60), at=JUNE)
    assert name(account, date(2026, 5, 31)) is None
    assert at(account, JUNE) == Tier(
        tier="silver", since=midnight(JUNE), valid_until=midnight(date(2028, 1, 1)),
        qualifying=120, next_tier="gold", distance=380,
        next_change_at=midnight(date(2027, 1, 1)),
    )  # fmt: skip
    assert name(account, date(2027, 12, 31)) == "silver"
    assert name(account, date(2028, 1, 1)) is None


def test_l16_who_loses_a_tier_lands_softly_on_the_next_one() -> None:
    account = bought(500, JUNE)
    assert [name(account, date(year, 6, 1)) for year in range(2026, 2031)] == [
        "gold", "gold", "silver", None, None,
    ]  # fmt: skip
    hard = Policy(tiers=LEVELS, soft_landing=False)
    assert [name(account, date(year, 6, 1), hard) for year in range(2026, 2030)] == [
        "gold", "gold", None, None,
    ]  # fmt: skip


def test_l16_a_grace_keeps_a_tier_for_some_days_more() -> None:
    kind = Policy(tiers=LEVELS, tier_grace_days=30)
    account = bought(100, JUNE, kind)
    assert at(account, date(2028, 1, 30), kind).tier == "silver"
    assert at(account, date(2028, 1, 31), kind).tier is None


def test_l16_whoever_qualifies_again_keeps_the_tier() -> None:
    account = bought(500, JUNE).when(earn("s-2", 500), at=date(2027, 2, 1))
    assert at(account, date(2027, 3, 1)).valid_until == midnight(date(2029, 1, 1))
    assert at(account, date(2027, 3, 1)).since == midnight(JUNE)


def test_in_a_rolling_window_a_year_counts_from_each_sale() -> None:
    rolling = Policy(tiers=LEVELS, tier_window="rolling", soft_landing=False)
    account = bought(60, date(2026, 3, 1), rolling).when(earn("s-2", 60), at=date(2027, 2, 1))
    assert at(account, date(2027, 2, 1), rolling).qualifying == 120
    assert at(account, date(2027, 3, 1), rolling).qualifying == 60
    assert at(account, date(2027, 3, 1), rolling).valid_until == midnight(date(2028, 3, 1))


def test_in_an_anniversary_window_a_year_begins_with_the_first_sale() -> None:
    yearly = Policy(tiers=LEVELS, tier_window="anniversary", soft_landing=False)
    account = bought(60, date(2026, 3, 1), yearly).when(earn("s-2", 60), at=date(2027, 2, 28))
    assert at(account, date(2027, 2, 28), yearly).tier == "silver"
    assert at(account, date(2027, 3, 1), yearly).qualifying == 0
    assert at(account, date(2027, 3, 1), yearly).valid_until == midnight(date(2028, 3, 1))
    assert at(bought(99, JUNE, yearly), JUNE, yearly).distance == 1


def test_for_a_lifetime_everything_counts_for_ever() -> None:
    ever = Policy(tiers=LEVELS, tier_window="lifetime", tier_grace_days=9)
    account = bought(60, date(2026, 3, 1), ever).when(earn("s-2", 60), at=date(2029, 2, 1))
    found = at(account, date(2050, 1, 1), ever)
    assert (found.tier, found.valid_until, found.next_change_at) == ("silver", None, None)


def test_l16_a_live_grant_is_a_tier_at_least() -> None:
    grant = GrantTier(tier="gold", until=date(2026, 9, 1), kind="status_match")
    account = bought(100, JUNE).when(grant, roles=MANAGER)
    account.then(
        TierGranted(
            tier="gold", since=midnight(JUNE), until=midnight(date(2026, 9, 1)),
            kind="status_match", reason="",
        )
    )  # fmt: skip
    account.when(grant, roles=MANAGER).nothing()
    assert [name(account, day) for day in (JUNE, date(2026, 8, 31), date(2026, 9, 1))] == [
        "gold", "gold", "silver",
    ]  # fmt: skip
    assert at(account, JUNE).valid_until == midnight(date(2026, 9, 1))


def test_a_tier_is_granted_by_a_manager_for_a_time_to_come() -> None:
    enrolled = member(POLICY, at=JUNE)
    none = GrantTier(tier="tin", until=date(2027, 1, 1), kind="manual")
    enrolled.when(none, by="ben").rejected(NotAuthorised(role="points_manager", by="ben"))
    enrolled.when(none, roles=MANAGER).rejected(UnknownTier(tier="tin", tiers=("silver", "gold")))
    late = GrantTier(tier="gold", until=JUNE, kind="manual")
    enrolled.when(late, roles=MANAGER).rejected(GrantOver(until=midnight(JUNE)))


def test_a_paid_membership_may_be_a_tier() -> None:
    paid = Policy(tiers=LEVELS, membership_tier="gold")
    buy = BuyMembership(membership="m-1", price=usd(4_900))
    account = member(paid, at=JUNE).when(buy)
    assert name(account, date(2027, 5, 31), paid) == "gold"
    assert name(account, date(2027, 6, 1), paid) is None


def test_l15_points_that_were_spent_or_have_lapsed_still_qualify() -> None:
    account = bought(500, JUNE).when(redeem(400)).when(RecordExpiry(), at=date(2027, 6, 2))
    assert at(account, date(2026, 7, 1)).qualifying == 500
    assert name(account, date(2027, 7, 1)) == "gold"


def test_l15_a_refund_lowers_what_qualifies_in_the_year_of_its_sale() -> None:
    refund = ClawBack(source="s-1", refunded=usd(5_000))
    account = bought(99, JUNE).when(refund, at=date(2026, 7, 1))
    again = account.when(earn("s-2", 60), at=date(2026, 8, 1))
    assert at(again, date(2026, 8, 1)).qualifying == 109
    late = bought(99, JUNE).when(refund, at=date(2027, 2, 1))
    next_year = late.when(earn("s-2", 99), at=date(2027, 3, 1))
    assert at(next_year, date(2027, 3, 1)).qualifying == 99


def test_l15_a_purchase_counts_once_and_a_bonus_never() -> None:
    more = Policy(tiers=LEVELS, campaigns=(Campaign(name="x", percent=100),))
    account = bought(60, JUNE, more).when(redeem(100), earn("s-1", 60))
    assert at(account, JUNE, more).qualifying == 60


def test_l15_what_qualified_elsewhere_counts_when_accounts_become_one() -> None:
    merit = Merit(points=60, earned_at=midnight(JUNE), since=midnight(JUNE))
    absorb = Absorb(customer=BOB, lots=(), merits=(merit,))
    assert name(bought(60, JUNE).when(absorb), JUNE) == "silver"


def test_l15_in_every_history_what_qualifies_falls_by_clawback_only() -> None:
    assert violations("what_qualifies_falls_by_clawback_only") == []


SALES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 1_200)), min_size=1, max_size=8)
SMALL = (Level(name="silver", points=40), Level(name="gold", points=90))
WINDOWS = ["calendar_year", "rolling", "anniversary", "lifetime"]
START = date(2023, 11, 29)


def window(kind: str, first: date, day: date) -> tuple[date, date]:
    """When the points of a day stop to qualify, and the end of the period after that."""
    match kind:
        case "calendar_year":
            return date(day.year + 1, 1, 1), date(day.year + 2, 1, 1)
        case "rolling":
            return later(day, 12), later(day, 24)
        case "anniversary":
            years = next(n for n in range(99) if later(first, 12 * n) > day)
            return later(first, 12 * years), later(first, 12 * (years + 1))
        case _:
            return date(9000, 1, 1), date(9000, 1, 1)


@pytest.mark.parametrize("kind", WINDOWS)
@given(sales=SALES)
def test_l16_a_tier_is_held_from_its_points_to_the_end_of_the_next_period(
    kind: str, sales: list[tuple[int, int]]
) -> None:
    """Day by day: a level is held if on some day so far its points were there, and still are."""
    policy = Policy(tiers=SMALL, tier_window=kind, soft_landing=False)  # type: ignore[arg-type]
    days = [(START + timedelta(days=since), points) for points, since in sales]
    scenario = member(policy, at=START)
    for number, (day, points) in enumerate(days):
        scenario = scenario.when(earn(f"s-{number}", points), at=day)
    first = min(day for day, _ in days)
    until: dict[str, date] = {}
    for number in range(1_300):
        today = START + timedelta(days=number)
        there = sum(p for day, p in days if day <= today < window(kind, first, day)[0])
        for level in SMALL:
            if there >= level.points:
                ends = (
                    later(today + DAY, 12) if kind == "rolling" else window(kind, first, today)[1]
                )
                until[level.name] = max(until.get(level.name, ends), ends)
        if number % 37 == 0 or number > 1_290:
            held = [level for level in SMALL if today < until.get(level.name, today)]
            found = at(scenario, today, policy)
            assert (found.tier, found.qualifying) == (held[-1].name if held else None, there)


@pytest.mark.parametrize("kind", WINDOWS)
@given(sales=SALES, more=st.tuples(st.integers(1, 60), st.integers(0, 1_200)))
def test_l16_more_qualifying_points_never_lead_to_less(
    kind: str, sales: list[tuple[int, int]], more: tuple[int, int]
) -> None:
    policy = Policy(tiers=SMALL, tier_window=kind, tier_grace_days=5)  # type: ignore[arg-type]
    if kind == "anniversary":  # its years begin with the first sale
        sales = [(1, 0), *sales]
    commands = [
        (earn(f"s-{number}", points), START + timedelta(days=since))
        for number, (points, since) in enumerate([*sales, more])
    ]
    fewer = member(policy, at=START)
    for command, day in commands[:-1]:
        fewer = fewer.when(command, at=day)
    richer = fewer.when(commands[-1][0], at=commands[-1][1])
    for number in range(0, 2_600, 50):
        today = START + timedelta(days=number)
        assert RANKS[name(richer, today, policy)] >= RANKS[name(fewer, today, policy)]


@pytest.mark.parametrize("kind", WINDOWS)
@given(sales=SALES, number=st.integers(0, 2_000))
def test_l16_nobody_falls_by_more_than_one_tier_and_only_when_it_was_said(
    kind: str, sales: list[tuple[int, int]], number: int
) -> None:
    policy = Policy(tiers=SMALL, tier_window=kind)  # type: ignore[arg-type]
    scenario = member(policy, at=START)
    for count, (points, since) in enumerate(sales):
        scenario = scenario.when(earn(f"s-{count}", points), at=START + timedelta(days=since))
    moment = midnight(START + timedelta(days=number))
    found = tier(scenario.state, moment, policy)
    while (change := found.next_change_at) is not None:
        between = tier(scenario.state, change - timedelta(microseconds=1), policy)
        assert between == found
        after = tier(scenario.state, change, policy)
        fall = RANKS[found.tier] - RANKS[after.tier]
        assert fall <= 1
        assert (fall == 1) == (found.valid_until == change)
        found = after


def test_a_period_ends_at_midnight_of_the_business() -> None:
    shop = Policy(tiers=LEVELS, time_zone="America/New_York")
    sold = datetime(2027, 1, 1, 3, tzinfo=UTC)  # still the old year in New York
    account = member(shop).when(earn("s-1", 100), at=sold).state
    ends = datetime(2028, 1, 1, tzinfo=ZoneInfo("America/New_York"))
    assert tier(account, ends - timedelta(seconds=1), shop).tier == "silver"
    assert tier(account, ends, shop).tier is None
