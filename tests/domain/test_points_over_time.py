"""What becomes of points as time goes by: held, sent, closed in, owed, and worth a tier."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from crmcore.domain import loyalty
from crmcore.domain.calendar import LAST_DAY
from crmcore.domain.lots import Lot
from crmcore.domain.loyalty import (
    Absorb,
    Capture,
    ClawBack,
    Close,
    ConfirmTransfer,
    Earn,
    NotEnrolled,
    PointsExpired,
    Policy,
    RecordExpiry,
    Redeem,
    Release,
    Reserve,
    ReturnTransfer,
    ReverseRedemption,
    TransferIn,
    TransferOut,
    liability,
    next_change_at,
)
from crmcore.domain.loyalty.absorbing import AccountAbsorbed
from crmcore.domain.loyalty.account import REMEMBERED_MAX, EndedHold
from crmcore.domain.loyalty.clawback import DeficitSettled, PointsClawedBack
from crmcore.domain.loyalty.holds import HoldGone, HoldLapsed
from crmcore.domain.loyalty.spending import CapReached
from crmcore.domain.loyalty.transfers import (
    PointsTransferredIn,
    TransferConfirmed,
    TransferReused,
    UnknownTransfer,
)
from crmcore.testing import given
from crmcore.testing.scenario import Scenario
from tests.domain.members import BOB, CAT, earn, member, midnight, redeem, usd

NEW_YEAR, NEXT_YEAR = date(2026, 1, 1), date(2027, 1, 1)
RICH = member().when(earn("s-1", 100))


def reserve(points: int, name: str = "r-1") -> Reserve:
    return Reserve(redemption=name, reward="mug", points=points)


def send(points: int, name: str = "t-1", to: UUID = BOB) -> TransferOut:
    return TransferOut(transfer=name, customer=to, points=points)


def lot(number: int, points: int, since: date = NEW_YEAR, until: date = NEXT_YEAR) -> Lot:
    return Lot(number=number, points=points, vests_at=midnight(since), expires_at=midnight(until))


def kinds(scenario: Scenario) -> list[type]:
    return [type(fact) for fact in scenario.events]


# Before anything else


def test_nothing_happens_to_an_account_that_nobody_opened() -> None:
    nobody = given(loyalty.decider(Policy()))
    for command in (earn("s-1", 100), Close(reason=""), send(1)):
        nobody.when(command).rejected(NotEnrolled())


# Holds


def test_all_that_is_on_hold_may_be_captured() -> None:
    captured = RICH.when(reserve(60)).when(Capture(redemption="r-1", points=60))
    assert captured.state.usable(midnight(NEW_YEAR)) == 40
    assert captured.state.redemptions[0].points == 60


def test_a_hold_that_lapsed_is_over_and_was_not_released() -> None:
    after = date(2026, 1, 3)
    lapsed = RICH.when(reserve(60)).when(redeem(10, "r-2"), at=after)
    assert kinds(lapsed)[0] is HoldLapsed
    assert lapsed.state.ended_holds == (EndedHold(redemption="r-1", how="lapsed"),)
    lapsed.when(Release(redemption="r-1")).rejected(HoldGone(redemption="r-1"))


def test_what_was_done_already_says_nothing_of_holds_that_lapsed_meanwhile() -> None:
    held = RICH.when(redeem(10, "r-2"), reserve(60))
    held.when(redeem(10, "r-2"), at=date(2026, 1, 3)).nothing()


# When an account changes next


def change(scenario: Scenario, at: date) -> datetime | None:
    found = next_change_at(scenario.state, midnight(at))
    assert found is None or isinstance(found, datetime)
    return found


def test_an_account_changes_next_when_points_vest_and_then_when_they_lapse() -> None:
    waiting = member(Policy(vest_days=14)).when(earn("s-1", 100))
    vests = date(2026, 1, 15)
    assert change(waiting, NEW_YEAR) == midnight(vests)
    for day in (vests, date(2026, 2, 1)):
        assert change(waiting, day) == midnight(NEXT_YEAR)
    assert change(waiting, NEXT_YEAR) is None


def test_points_that_a_hold_gave_back_lapse_though_that_is_not_written_down() -> None:
    held = RICH.when(reserve(100))
    assert change(held, NEW_YEAR) == midnight(date(2026, 1, 2))
    assert change(held, date(2026, 2, 1)) == midnight(NEXT_YEAR)


def test_points_that_are_on_their_way_lapse_there() -> None:
    sent = RICH.when(send(100))
    assert change(sent, NEW_YEAR) == midnight(NEXT_YEAR)
    assert change(sent.when(ConfirmTransfer(transfer="t-1")), NEW_YEAR) is None


def test_an_account_without_points_does_not_change_when_it_is_forfeited() -> None:
    assert change(member().when(Close(reason="")), NEW_YEAR) is None
    assert change(RICH.when(Close(reason="")), NEW_YEAR) == midnight(date(2026, 1, 31))


# What the business owes


def test_points_vest_at_an_instant_and_are_never_counted_twice() -> None:
    vests = datetime(2026, 1, 15, tzinfo=UTC)
    account = member(Policy(vest_days=14)).when(earn("s-1", 10)).state
    counts = [
        (found.usable, found.vesting)
        for at in (vests - timedelta(seconds=1), vests)
        for found in [liability([account], at)]
    ]
    assert counts == [(0, 10), (10, 0)]


def test_points_that_lapse_when_they_vest_are_owed_to_nobody() -> None:
    useless = member(Policy(vest_days=31, lifetime_months=1)).when(earn("s-1", 10)).state
    assert liability([useless], midnight(NEW_YEAR)).points == 0


def test_points_on_their_way_count_until_they_arrive_or_lapse() -> None:
    sent = RICH.when(send(60), send(20, "t-2")).when(ConfirmTransfer(transfer="t-1"))
    eve = datetime(2026, 12, 31, tzinfo=UTC)
    assert [liability([sent.state], at).in_transit for at in (eve, midnight(NEXT_YEAR))] == [20, 0]


# Closed accounts


def test_what_is_on_hold_when_an_account_is_forfeited_is_gone_as_well() -> None:
    policy = Policy(closed_may=("spend",), hold_hours=8_000)
    held = member(policy).when(earn("s-1", 100), Close(reason=""), reserve(30))
    days = [date(2026, 1, 30), date(2026, 1, 31)]
    assert [liability([held.state], midnight(day)).held for day in days] == [30, 0]


def test_what_vests_after_an_account_was_forfeited_settles_nothing_and_lapses_then() -> None:
    policy = Policy(vest_days=59)
    owing = (
        member(policy)
        .when(earn("s-1", 100))
        .when(redeem(100), at=date(2026, 3, 1))
        .when(ClawBack(source="s-1", refunded=usd(10_000)), earn("s-2", 70))
        .when(Close(reason=""))
    )
    vests = date(2026, 4, 29)
    assert owing.state.pool(midnight(date(2026, 3, 30))).owed == 100
    assert owing.state.pool(midnight(vests)).owed == 100
    owing.when(RecordExpiry(), at=vests - timedelta(days=1)).nothing()
    written = owing.when(RecordExpiry(), at=vests)
    written.then(PointsExpired(allocations=(lot(2, 70, vests, date(2027, 3, 1)),)))


def test_a_refund_on_a_forfeited_account_is_owed_and_not_settled_by_what_is_gone() -> None:
    closed = RICH.when(earn("s-2", 50)).when(Close(reason=""))
    refunded = closed.when(ClawBack(source="s-1", refunded=usd(3_000)), at=date(2026, 2, 1))
    assert kinds(refunded) == [PointsClawedBack]
    assert refunded.state.owed == 30


def test_what_an_absorbed_account_owes_is_settled_at_once() -> None:
    absorbed = RICH.when(Absorb(customer=BOB, lots=(), owed=20))
    assert kinds(absorbed) == [AccountAbsorbed, DeficitSettled]
    assert (absorbed.state.owed, absorbed.state.lots) == (0, (lot(1, 80),))
    spent = RICH.when(redeem(100)).when(Absorb(customer=BOB, lots=(), owed=20))
    back = spent.when(ReverseRedemption(redemption="r-1", points=30))
    assert (kinds(back)[1], back.state.owed) == (DeficitSettled, 0)


# Bounds of a redemption


def test_a_redemption_is_within_its_bounds_up_to_the_last_point() -> None:
    strict = member(Policy(redemption_points_max=50, minor_units_paid_by_point=2))
    rich = strict.when(earn("s-1", 100))
    assert rich.when(redeem(50)).state.usable(midnight(NEW_YEAR)) == 50
    paid = Redeem(redemption="r-1", reward="order", points=41, order=usd(80))
    rich.when(paid).rejected(CapReached(cap="order", left=40))
    for order in (0, -500):
        free = Redeem(redemption="r-1", reward="order", points=1, order=usd(order))
        RICH.when(free).rejected(CapReached(cap="order", left=0))


def test_only_what_has_lapsed_comes_back_for_a_grace_and_as_a_lot_of_its_own() -> None:
    kind = member(Policy(reversal_grace_days=10)).when(earn("s-1", 100), redeem(80))
    reverse = ReverseRedemption(redemption="r-1", points=80)
    [soon] = kind.when(reverse).events
    assert (soon.restored, soon.forfeited, soon.grace) == ((lot(1, 80),), (), None)
    [late] = kind.when(reverse, at=NEXT_YEAR).events
    assert late.grace == lot(2, 80, NEXT_YEAR, date(2027, 1, 11))


# Transfers


def take_in(points: int, sender: UUID = BOB) -> TransferIn:
    return TransferIn(transfer="t-1", customer=sender, lots=(lot(1, points),))


def test_a_transfer_is_the_same_if_direction_customer_and_points_are() -> None:
    reused = TransferReused(transfer="t-1")
    sent, arrived = RICH.when(send(60)), RICH.when(take_in(60))
    sent.when(send(60)).nothing()
    arrived.when(take_in(60)).nothing()
    for other in (send(59), send(60, to=CAT), take_in(60)):
        sent.when(other).rejected(reused)
    for other in (take_in(59), take_in(60, CAT), send(60)):
        arrived.when(other).rejected(reused)


def test_what_a_month_lets_go_counts_from_its_first_day_to_its_last() -> None:
    strict = member(Policy(transfer_month_points_max=50)).when(earn("s-1", 100))
    first = strict.when(send(30), at=date(2026, 1, 5))
    assert first.events[0].month == NEW_YEAR
    rest = first.when(send(20, "t-2"), at=date(2026, 1, 31))
    assert rest.state.usable(midnight(date(2026, 1, 31))) == 50
    rest.when(send(1, "t-3")).rejected(CapReached(cap="transfers", left=0))
    fresh = rest.when(send(50, "t-3"), at=date(2026, 2, 1))
    assert fresh.state.usable(midnight(date(2026, 2, 1))) == 0
    months = [(one.month, one.points, one.count) for one in fresh.state.sent]
    assert months == [(NEW_YEAR, 50, 2), (date(2026, 2, 1), 50, 1)]


def test_each_transfer_arrives_or_comes_back_for_itself() -> None:
    two = RICH.when(send(60), send(20, "t-2")).when(ConfirmTransfer(transfer="t-1"))
    back = two.when(ReturnTransfer(transfer="t-2"))
    assert back.state.usable(midnight(NEW_YEAR)) == 40
    assert [one.status for one in back.state.transfers] == ["confirmed", "returned"]


@pytest.mark.parametrize(("count", "first"), [(1, 1), (2, 1), (REMEMBERED_MAX, 1), (150, 51)])
def test_what_is_on_its_way_is_remembered_and_of_other_transfers_the_latest(
    count: int, first: int
) -> None:
    came = (
        PointsTransferredIn(transfer=f"t-{number}", customer=BOB, lots=(lot(number + 1, 1),))
        for number in range(1, count + 1)
    )
    account = RICH.when(send(60, "t-0")).given(*came)
    names = [one.name for one in account.state.transfers]
    assert names == ["t-0", *(f"t-{number}" for number in range(first, count + 1))]
    assert kinds(account.when(ConfirmTransfer(transfer="t-0"))) == [TransferConfirmed]
    account.when(ConfirmTransfer(transfer="t-9999")).rejected(UnknownTransfer(transfer="t-9999"))


def test_an_account_of_the_last_years_there_are_is_asked_like_any_other() -> None:
    sold = datetime(LAST_DAY.year - 3, 6, 1, tzinfo=UTC)
    account = member().when(Earn(source="s-1", amount=usd(100_000)), at=sold).state
    found = loyalty.tier(account, sold, Policy())
    assert (found.tier, found.valid_until, found.next_change_at) == (
        "silver",
        datetime(LAST_DAY.year - 1, 1, 1, tzinfo=UTC),
        datetime(LAST_DAY.year - 2, 1, 1, tzinfo=UTC),
    )
