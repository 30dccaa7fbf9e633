"""Points that are held, taken back, corrected and moved: rules L7, L8, L10, L13, L21 and L22."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import get_args
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crmcore import testing
from crmcore.domain import loyalty
from crmcore.domain.lots import Lot
from crmcore.domain.loyalty import (
    Absorb,
    Account,
    Adjust,
    Campaign,
    Capture,
    ClawBack,
    ConfirmTransfer,
    Earn,
    Enrolled,
    ExtendExpiry,
    HandOver,
    Insufficient,
    Liability,
    PointsEarned,
    PointsExpired,
    Policy,
    RecordExpiry,
    Redeem,
    RedemptionReused,
    Release,
    Reserve,
    ReturnTransfer,
    ReverseRedemption,
    TransferIn,
    TransferOut,
    liability,
    next_change_at,
)
from crmcore.domain.loyalty.absorbing import AccountHandedOver
from crmcore.domain.loyalty.account import MERITS_MAX, REMEMBERED_MAX
from crmcore.domain.loyalty.adjusting import (
    AdjustmentReused,
    ExpiryExtended,
    NotAuthorised,
    NotLater,
    PointsGranted,
    PointsWithdrawn,
    SelfApproval,
    UnknownLot,
)
from crmcore.domain.loyalty.clawback import (
    DeficitSettled,
    PointsClawedBack,
    TooMuchRefunded,
    UnknownSource,
)
from crmcore.domain.loyalty.earning import Share
from crmcore.domain.loyalty.holds import (
    HoldCaptured,
    HoldGone,
    HoldLapsed,
    HoldReleased,
    PointsHeld,
    TooMuchCaptured,
)
from crmcore.domain.loyalty.spending import CapReached
from crmcore.domain.loyalty.transfers import NotTransferable, TransferReused, UnknownTransfer
from tests.domain.members import (
    ANN,
    BOB,
    MANAGER,
    earn,
    lived,
    member,
    midnight,
    redeem,
    usd,
    violations,
)
from tests.plain import later

NEW_YEAR, SPRING = date(2026, 1, 1), date(2026, 3, 1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def reserve(points: int, name: str = "r-1") -> Reserve:
    return Reserve(redemption=name, reward="mug", points=points)


def refund(points: int, source: str = "s-1") -> ClawBack:
    """What was refunded of a sale so far, by the points that a dollar each is worth."""
    return ClawBack(source=source, refunded=usd(100 * points))


def adjust(points: int, name: str = "a-1") -> Adjust:
    return Adjust(adjustment=name, points=points, reason="goodwill", requested_by="ben")


def lot(number: int, points: int, since: date = NEW_YEAR, until: date = date(2027, 1, 1)) -> Lot:
    return Lot(number=number, points=points, vests_at=midnight(since), expires_at=midnight(until))


RICH = member().when(earn("s-1", 100))
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


# Vesting


def test_points_are_usable_when_they_have_vested() -> None:
    account = member(Policy(vest_days=14)).when(earn("s-1", 100)).state
    assert account.usable(midnight(date(2026, 1, 14))) == 0
    assert account.usable(midnight(date(2026, 1, 15))) == 100
    assert next_change_at(account, midnight(NEW_YEAR)) == midnight(date(2026, 1, 15))


# Holds


def test_points_are_held_and_captured_and_the_rest_is_free() -> None:
    held = RICH.when(reserve(60))
    held.then(
        PointsHeld(
            redemption="r-1", reward="mug", points=60, allocations=(lot(1, 60),),
            until=midnight(date(2026, 1, 2)),
        )
    )  # fmt: skip
    held.when(redeem(41, "r-2")).rejected(Insufficient(available=40))
    captured = held.when(Capture(redemption="r-1", points=50))
    captured.then(
        HoldCaptured(
            redemption="r-1", reward="mug", points=50, allocations=(lot(1, 50),),
            restored=(lot(1, 10),), forfeited=(),
        )
    )  # fmt: skip
    assert captured.state.usable(NOON) == 50
    captured.when(Capture(redemption="r-1", points=50)).nothing()
    captured.when(Capture(redemption="r-1", points=49)).rejected(HoldGone(redemption="r-1"))
    back = captured.when(ReverseRedemption(redemption="r-1", points=50))
    assert back.state.usable(NOON) == 100


def test_nobody_captures_more_than_is_on_hold() -> None:
    held = RICH.when(reserve(60))
    held.when(Capture(redemption="r-1", points=61)).rejected(TooMuchCaptured(held=60))
    held.when(Capture(redemption="r-9", points=1)).rejected(HoldGone(redemption="r-9"))


def test_released_points_are_free() -> None:
    released = RICH.when(reserve(60)).when(Release(redemption="r-1"))
    released.then(HoldReleased(redemption="r-1", restored=(lot(1, 60),), forfeited=()))
    assert released.state.usable(NOON) == 100
    released.when(Release(redemption="r-1")).nothing()
    released.when(Release(redemption="r-2")).rejected(HoldGone(redemption="r-2"))
    released.when(reserve(60)).rejected(RedemptionReused(redemption="r-1"))
    released.when(redeem(60)).rejected(RedemptionReused(redemption="r-1"))


def test_the_same_hold_again_changes_nothing() -> None:
    held = RICH.when(reserve(60))
    held.when(reserve(60)).nothing()
    held.when(reserve(61)).rejected(RedemptionReused(redemption="r-1"))
    held.when(redeem(60)).rejected(RedemptionReused(redemption="r-1"))
    RICH.when(redeem(60)).when(reserve(60)).rejected(RedemptionReused(redemption="r-1"))


def test_l10_a_hold_lapses_by_itself_and_is_not_captured_then() -> None:
    held, tomorrow = RICH.when(reserve(60)), date(2026, 1, 2)
    assert held.state.usable(midnight(tomorrow) - HOUR) == 40
    assert held.state.usable(midnight(tomorrow)) == 100
    assert next_change_at(held.state, NOON) == midnight(tomorrow)
    late = held.when(Capture(redemption="r-1", points=60), at=tomorrow)
    late.rejected(HoldGone(redemption="r-1"))
    held.when(redeem(90, "r-2"), at=tomorrow).then(
        HoldLapsed(redemption="r-1", restored=(lot(1, 60),), forfeited=()),
        loyalty.PointsRedeemed(
            redemption="r-2", reward="mug", points=90, allocations=(lot(1, 90),)
        ),
    )


def test_l10_points_on_hold_do_not_lapse_before_the_hold_does() -> None:
    eve = datetime(2026, 12, 31, 12, tzinfo=UTC)
    held = RICH.when(reserve(60), at=eve)
    captured = held.when(Capture(redemption="r-1", points=50), at=date(2027, 1, 1))
    [fact] = captured.steps[-1].events
    assert isinstance(fact, HoldCaptured)
    assert (fact.restored, fact.forfeited) == ((), (lot(1, 10),))
    assert captured.state.usable(midnight(date(2027, 1, 1))) == 0
    strict = member(Policy(holds_outlive_lots=False)).when(earn("s-1", 100))
    short = strict.when(reserve(60), at=eve)
    assert short.state.holds[0].until == midnight(date(2027, 1, 1))


def test_l10_a_hold_ends_once_and_never_after_it_lapsed() -> None:
    assert violations("a_hold_ends_once_and_in_time") == []


# What a refund takes back


def test_a_refund_takes_from_the_lot_of_its_sale_first() -> None:
    both = RICH.when(earn("s-2", 50), at=date(2025, 12, 1))
    both.when(refund(30, "s-1"), at=NEW_YEAR).then(
        PointsClawedBack(
            source="s-1", refunded=usd(3_000), points=30, qualifying=30, taken=(lot(1, 30),),
            lapsed=0, owed=0, waived=0, at=midnight(NEW_YEAR),
        )
    )  # fmt: skip


def test_what_a_refund_does_not_find_is_owed_and_settled_by_the_next_sale() -> None:
    owing = RICH.when(redeem(80)).when(refund(100))
    [fact] = owing.steps[-1].events
    assert isinstance(fact, PointsClawedBack)
    assert (fact.taken, fact.owed, fact.waived) == ((lot(1, 20),), 80, 0)
    assert owing.state.owed == 80
    richer = owing.when(earn("s-2", 100), at=SPRING)
    assert richer.state.usable(midnight(SPRING)) == 20
    spent = richer.when(redeem(20, "r-2"), at=SPRING)
    settled, redeemed = spent.steps[-1].events
    assert settled == DeficitSettled(
        allocations=(lot(2, 80, SPRING, date(2027, 3, 1)),), left=0, at=midnight(SPRING)
    )
    assert isinstance(redeemed, loyalty.PointsRedeemed)
    assert (spent.state.owed, spent.state.usable(midnight(SPRING))) == (0, 0)


def test_what_a_refund_does_not_find_may_be_waived() -> None:
    kind = member(Policy(on_shortfall="clamp")).when(earn("s-1", 100), redeem(80))
    [fact] = kind.when(refund(100)).steps[-1].events
    assert isinstance(fact, PointsClawedBack)
    assert (fact.owed, fact.waived) == (0, 80)


def test_nobody_owes_points_that_lapsed_unspent_whether_that_is_written_down_or_not() -> None:
    over = date(2027, 2, 1)
    for account in (RICH, RICH.when(RecordExpiry(), at=over)):
        refunded = account.when(refund(100), at=over)
        assert refunded.state.owed == 0
        assert refunded.when(earn("s-2", 10), at=over).state.usable(midnight(over)) == 10


def test_what_is_refunded_is_known_and_no_more_than_was_paid() -> None:
    RICH.when(refund(1, "s-9")).rejected(UnknownSource(source="s-9"))
    RICH.when(refund(101)).rejected(TooMuchRefunded(paid=usd(10_000)))
    half = RICH.when(refund(50))
    half.when(refund(50)).nothing()
    half.when(refund(40)).nothing()


@given(st.integers(1, 10_000), st.lists(st.integers(0, 3_000), min_size=1, max_size=12))
def test_l7_refunds_in_parts_take_back_exactly_the_share_that_is_refunded(
    minor: int, parts: list[int]
) -> None:
    shop = member(Policy(minor_units_per_point=7))
    scenario = shop.when(Earn(source="s-1", amount=usd(minor)))
    earned, refunded = minor // 7, 0
    for part in parts:
        refunded = min(minor, refunded + part)
        if earned == 0:
            return
        scenario = scenario.when(ClawBack(source="s-1", refunded=usd(refunded)))
        there = scenario.state.usable(midnight(NEW_YEAR))
        assert there == earned - (earned * refunded + minor - 1) // minor
        assert scenario.state.owed == 0


def test_l7_a_refund_takes_its_share_in_every_history() -> None:
    assert violations("a_refund_takes_its_share") == []


def test_regression_6_refunds_in_parts_are_not_rounded_one_by_one() -> None:
    shop = member(Policy(minor_units_per_point=300)).when(Earn(source="s-1", amount=usd(1_000)))
    parts = [ClawBack(source="s-1", refunded=usd(cents)) for cents in (100, 200, 300)]
    assert shop.when(*parts).state.usable(NOON) == 2
    whole = shop.when(ClawBack(source="s-1", refunded=usd(1_000)))
    assert (whole.state.usable(NOON), whole.state.owed) == (0, 0)


def test_regression_7_what_is_owed_is_settled_when_a_hold_lapses() -> None:
    owing = RICH.when(reserve(60)).when(refund(100))
    assert (owing.state.owed, owing.state.usable(NOON)) == (60, 0)
    lapsed = owing.state.pool(midnight(date(2026, 1, 2)))
    assert (lapsed.owed, lapsed.lots) == (0, ())


def test_l8_a_released_hold_settles_what_is_owed_at_once() -> None:
    owing = RICH.when(reserve(60)).when(refund(80)).when(Release(redemption="r-1"))
    released, settled = owing.steps[-1].events
    assert isinstance(released, HoldReleased)
    assert settled == DeficitSettled(allocations=(lot(1, 40),), left=0, at=midnight(NEW_YEAR))
    assert (owing.state.owed, owing.state.usable(NOON)) == (0, 20)


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 40)), min_size=1, max_size=6),
    st.integers(0, 60),
    st.integers(0, 30),
)
def test_l8_points_are_never_free_and_owed_at_the_same_instant(
    sales: list[tuple[int, int]], held: int, waits: int
) -> None:
    """Points one by one: a refund of the first sale is owed, and then whatever vests pays it."""
    shop = member(Policy(vest_days=waits, hold_hours=240)).when(earn("s-0", 60))
    start = NEW_YEAR + timedelta(days=waits)
    if held:
        shop = shop.when(reserve(held), at=start)
    shop = shop.when(refund(60, "s-0"), at=start)
    for number, (points, days) in enumerate(sales):
        shop = shop.when(earn(f"s-{number + 1}", points), at=start + timedelta(days=days))
    for days in range(90):
        at = midnight(start) + days * DAY
        vested = sum(
            points for points, sold in sales if sold + waits <= days
        )  # fmt: skip
        back = held if days >= 10 else 0
        pool = shop.state.pool(at)
        free = shop.state.usable(at)
        assert (free, pool.owed) == (max(0, vested + back - held), max(0, held - vested - back))


def test_l8_in_every_history_nothing_is_free_and_owed_at_once() -> None:
    assert violations("nobody_spends_what_is_owed", "nothing_is_free_and_owed_at_once") == []


HARD = Policy(minor_units_per_point=1, vest_days=14, hold_hours=200, time_zone="Europe/Berlin")


def test_l8_what_happens_by_itself_is_the_same_whether_it_is_written_down_or_not() -> None:
    rules = loyalty.decider(HARD)
    for history in lived(HARD):
        for step in history.steps:
            notes = [e for e in step.events if isinstance(e, HoldLapsed | DeficitSettled)]
            lead = [e for e in step.events[: len(notes)] if e in notes]
            written = step.before
            for event in lead:
                written = rules.evolve(written, event)
            for days in (0, 1, 30, 400):
                at = step.at + days * DAY
                assert written.usable(at) == step.before.usable(at)
                assert written.pool(at).owed == step.before.pool(at).owed


def test_l11_in_every_history_the_balance_is_what_the_facts_say() -> None:
    assert violations("points_are_what_the_facts_say") == []
    assert violations("points_are_what_the_facts_say", "no_lot_is_overdrawn", policy=HARD) == []


# Corrections


def test_points_are_corrected_by_a_manager_other_than_who_asked() -> None:
    more = RICH.when(adjust(30), by="gus", roles=MANAGER)
    more.then(
        PointsGranted(
            adjustment="a-1", lot=lot(2, 30), reason="goodwill", requested_by="ben",
            approved_by="gus",
        )
    )  # fmt: skip
    more.when(adjust(30), by="gus", roles=MANAGER).nothing()
    more.when(adjust(31), by="gus", roles=MANAGER).rejected(
        AdjustmentReused(adjustment="a-1", points=30)
    )
    RICH.when(adjust(30), by="gus").rejected(NotAuthorised(role="points_manager", by="gus"))
    RICH.when(adjust(30), by="ben", roles=MANAGER).rejected(SelfApproval(by="ben"))
    RICH.when(adjust(0), by="gus", roles=MANAGER).nothing()


def test_no_more_is_withdrawn_than_is_usable() -> None:
    less = RICH.when(adjust(-30), by="gus", roles=MANAGER)
    less.then(
        PointsWithdrawn(
            adjustment="a-1", allocations=(lot(1, 30),), reason="goodwill", requested_by="ben",
            approved_by="gus",
        )
    )  # fmt: skip
    less.when(adjust(-30), by="gus", roles=MANAGER).nothing()
    RICH.when(adjust(-101), by="gus", roles=MANAGER).rejected(Insufficient(available=100))


def test_an_extended_lot_lives_on_as_another_one() -> None:
    extend = ExtendExpiry(lot_number=1, until=date(2027, 7, 1), reason="goodwill")
    spent = RICH.when(redeem(40))
    longer = spent.when(extend, by="gus", roles=MANAGER)
    longer.then(
        ExpiryExtended(
            allocations=(lot(1, 60),), lot=lot(2, 60, until=date(2027, 7, 1)), reason="goodwill",
            approved_by="gus",
        )
    )  # fmt: skip
    assert longer.state.usable(midnight(date(2027, 6, 30))) == 60
    back = longer.when(ReverseRedemption(redemption="r-1", points=40))
    assert back.state.usable(midnight(date(2026, 12, 31))) == 100
    assert back.state.usable(midnight(date(2027, 1, 1))) == 60


def test_an_extension_is_of_a_usable_lot_and_ends_later() -> None:
    early = ExtendExpiry(lot_number=1, until=date(2027, 1, 1), reason="")
    RICH.when(early, roles=MANAGER).rejected(NotLater(expires_at=midnight(date(2027, 1, 1))))
    none = ExtendExpiry(lot_number=7, until=date(2028, 1, 1), reason="")
    RICH.when(none, roles=MANAGER).rejected(UnknownLot(lot_number=7))
    gone = ExtendExpiry(lot_number=1, until=date(2028, 1, 1), reason="")
    RICH.when(gone, roles=MANAGER, at=date(2027, 1, 1)).rejected(UnknownLot(lot_number=1))


def test_points_of_lapsed_lots_come_back_for_a_grace_where_there_is_one() -> None:
    kind = member(Policy(reversal_grace_days=10)).when(earn("s-1", 100), redeem(80))
    back = kind.when(ReverseRedemption(redemption="r-1", points=80), at=date(2027, 2, 1)).state
    assert back.usable(midnight(date(2027, 2, 10))) == 80
    assert back.usable(midnight(date(2027, 2, 11))) == 0


# Transfers


def send(points: int, name: str = "t-1") -> TransferOut:
    return TransferOut(transfer=name, customer=BOB, points=points)


def test_l13_points_move_in_two_phases_and_keep_their_expiry() -> None:
    sent = RICH.when(send(60))
    [fact] = sent.steps[-1].events
    there = testing.given(loyalty.decider(Policy()), Enrolled(customer=BOB), at=NEW_YEAR)
    take = TransferIn(transfer="t-1", customer=ANN, lots=fact.allocations)
    arrived = there.when(earn("s-1", 1)).when(take)
    assert arrived.state.usable(midnight(date(2026, 12, 31))) == 61
    assert arrived.state.usable(midnight(date(2027, 1, 1))) == 0
    arrived.when(take).nothing()
    other = TransferIn(transfer="t-1", customer=ANN, lots=(lot(1, 61),))
    arrived.when(other).rejected(TransferReused(transfer="t-1"))
    done = sent.when(ConfirmTransfer(transfer="t-1"))
    done.when(ConfirmTransfer(transfer="t-1")).nothing()
    done.when(ReturnTransfer(transfer="t-1")).rejected(UnknownTransfer(transfer="t-1"))
    assert done.state.usable(NOON) == 40


def test_l13_what_did_not_arrive_comes_back_to_its_lots() -> None:
    back = RICH.when(send(60)).when(ReturnTransfer(transfer="t-1"))
    assert back.state.lots == (lot(1, 100),)
    back.when(ReturnTransfer(transfer="t-1")).nothing()
    back.when(ConfirmTransfer(transfer="t-1")).rejected(UnknownTransfer(transfer="t-1"))
    late = RICH.when(send(60)).when(ReturnTransfer(transfer="t-1"), at=date(2027, 1, 1))
    assert late.state.usable(midnight(date(2027, 1, 1))) == 0
    RICH.when(ConfirmTransfer(transfer="t-9")).rejected(UnknownTransfer(transfer="t-9"))


def test_l13_nobody_sends_points_to_themselves_or_more_than_a_month_allows() -> None:
    mine = TransferOut(transfer="t-1", customer=ANN, points=1)
    RICH.when(mine).rejected(NotTransferable(customer=ANN))
    own = TransferIn(transfer="t-1", customer=ANN, lots=(lot(1, 1),))
    RICH.when(own).rejected(NotTransferable(customer=ANN))
    strict = member(Policy(transfer_month_points_max=50)).when(earn("s-1", 100))
    sent = strict.when(send(30))
    sent.when(send(30)).nothing()
    sent.when(send(31)).rejected(TransferReused(transfer="t-1"))
    sent.when(send(21, "t-2")).rejected(CapReached(cap="transfers", left=20))
    assert sent.when(send(50, "t-2"), at=date(2026, 2, 1)).events


def test_l13_in_every_history_a_transfer_keeps_its_points() -> None:
    assert violations("a_transfer_keeps_its_points", "points_are_conserved") == []


def test_an_absorbed_account_brings_its_lots_and_what_it_owes() -> None:
    absorb = Absorb(customer=BOB, lots=(lot(1, 50, until=date(2026, 6, 1)),), owed=20)
    both = RICH.when(absorb)
    assert both.state.usable(NOON) == 130
    assert both.state.usable(midnight(date(2026, 6, 1))) == 100
    both.when(absorb).nothing()
    own = Absorb(customer=ANN, lots=())
    RICH.when(own).rejected(NotTransferable(customer=ANN))


def test_m3_an_account_that_is_handed_over_keeps_nothing_but_what_has_lapsed() -> None:
    held = RICH.when(Reserve(redemption="h", reward="mug", points=30))
    over = HandOver(customer=BOB)
    gone = held.when(over)
    released, handed = gone.events
    assert isinstance(released, HoldReleased)
    assert isinstance(handed, AccountHandedOver)
    assert sum(one.points for one in handed.lots) == 100
    assert {one.expires_at for one in handed.lots} == {one.expires_at for one in RICH.state.lots}
    assert sum(merit.points for merit in handed.merits) == 100
    assert (gone.state.lots, gone.state.holds, gone.state.merits) == ((), (), ())
    gone.when(over).nothing()
    RICH.when(HandOver(customer=ANN)).rejected(NotTransferable(customer=ANN))


def test_m3_what_is_owed_goes_over_and_is_settled_there() -> None:
    poor = RICH.when(Redeem(redemption="r", reward="mug", points=100))
    poor = poor.when(ClawBack(source="s-1", refunded=poor.state.earned[0].amount))
    assert poor.state.owed == 100
    [handed] = poor.when(HandOver(customer=BOB)).events
    assert isinstance(handed, AccountHandedOver)
    assert (handed.lots, handed.owed) == ((), 100)
    absorb = Absorb(customer=BOB, lots=handed.lots, owed=handed.owed, handover=UUID(int=1))
    assert RICH.when(absorb).state.usable(NOON) == 0


def test_m3_each_handover_comes_in_once() -> None:
    first = Absorb(customer=BOB, lots=(lot(1, 50),), handover=UUID(int=1))
    both = RICH.when(first)
    both.when(first).nothing()
    again = both.when(replace(first, handover=UUID(int=2)))
    assert again.state.usable(NOON) == 200


def test_m3_in_every_history_what_is_handed_over_is_conserved() -> None:
    assert violations("points_are_conserved", "what_qualifies_falls_by_clawback_only") == []


# Bounds


MAY = Campaign(
    name="may", percent=50, since=date(2026, 5, 1), until=date(2026, 6, 1),
    month_points_max=60, month_count_max=2,
)  # fmt: skip
TEN = Campaign(name="ten", percent=10)


def test_l21_a_campaign_gives_more_within_its_bounds() -> None:
    shop = member(Policy(campaigns=(MAY,)))
    [plain] = shop.when(earn("s-1", 100), at=date(2026, 4, 30)).steps[-1].events
    assert (plain.lot.points, plain.breakdown) == (100, ())
    scenario, given_points = shop, []
    for number in range(4):
        scenario = scenario.when(earn(f"s-{number}", 100), at=date(2026, 5, 31))
        [event] = scenario.steps[-1].events
        given_points.append(event.lot.points)
    assert given_points == [150, 110, 100, 100]
    first = scenario.when(earn("s-9", 100), at=date(2026, 6, 1)).steps[-1].events
    assert first[0].lot.points == 100
    counted = member(Policy(campaigns=(replaced(month_points_max=None),)))
    sales = [earn(f"s-{number}", 10) for number in range(3)]
    lots = counted.when(*sales, at=date(2026, 5, 2)).state.lots
    assert [one.points for one in lots] == [15, 15, 10]


def replaced(month_points_max: int | None) -> Campaign:
    return Campaign(name="may", percent=50, month_points_max=month_points_max, month_count_max=2)


@pytest.mark.parametrize(("stacking", "points"), [("sum", 160), ("best", 150)])
def test_l21_campaigns_add_up_or_the_best_counts(stacking: str, points: int) -> None:
    many = Policy(campaigns=(TEN, MAY), stacking="best" if stacking == "best" else "sum")
    [event] = member(many).when(earn("s-1", 100), at=date(2026, 5, 1)).steps[-1].events
    assert event.lot.points == points


def test_l21_a_month_has_room_for_so_many_points_of_an_account() -> None:
    strict = member(Policy(month_points_max=120, campaigns=(TEN,)))
    month = date(2026, 1, 1)
    once = strict.when(earn("s-1", 100))
    [event] = once.steps[-1].events
    assert event.breakdown == (
        Share(rule="base", points=100, month=month), Share(rule="ten", points=10, month=month),
    )  # fmt: skip
    twice = once.when(earn("s-2", 100))
    assert twice.state.usable(NOON) == 120
    assert once.when(send(50), earn("s-2", 5)).state.usable(NOON) == 65
    twice.when(earn("s-3", 100)).nothing()
    assert twice.when(earn("s-3", 100), at=date(2026, 2, 1)).state.lots[-1].points == 110


def test_l21_a_redemption_has_a_most_and_pays_a_part_of_an_order() -> None:
    strict = member(Policy(redemption_points_max=50, order_percent_max=20)).when(earn("s-1", 100))
    strict.when(redeem(51)).rejected(CapReached(cap="redemption", left=50))
    order = Redeem(redemption="r-1", reward="order", points=41, order=usd(200))
    strict.when(order).rejected(CapReached(cap="order", left=40))
    held = Reserve(redemption="r-1", reward="order", points=41, order=usd(200))
    strict.when(held).rejected(CapReached(cap="order", left=40))
    small = Redeem(redemption="r-1", reward="order", points=40, order=usd(200))
    assert strict.when(small).state.usable(NOON) == 60
    credit = Redeem(redemption="r-1", reward="order", points=1, order=usd(-200))
    strict.when(credit).rejected(CapReached(cap="order", left=0))


@given(st.lists(st.integers(1, 90), min_size=1, max_size=8), st.integers(1, 100))
def test_l21_no_month_gives_more_than_its_bound(sales: list[int], most: int) -> None:
    policy = Policy(month_points_max=most, campaigns=(TEN, MAY))
    commands = [earn(f"s-{number}", points) for number, points in enumerate(sales)]
    total = (
        member(policy).when(*commands, at=date(2026, 5, 9)).state.usable(midnight(date(2026, 5, 9)))
    )
    assert min(most, sum(sales)) <= total <= most or total == sum(sales)


# The whole


def test_l22_the_liability_is_usable_vesting_held_and_sent_without_what_is_owed() -> None:
    waiting = member(Policy(vest_days=14)).when(earn("s-1", 10)).state
    busy = RICH.when(reserve(30), send(20, "t-1")).state
    owing = RICH.when(redeem(100), refund(25)).state
    assert liability([waiting, busy, owing], NOON) == Liability(
        usable=50, vesting=10, held=30, in_transit=20, owed=25
    )
    assert liability([waiting, busy, owing], NOON).points == 85
    assert liability([owing], NOON).in_minor_units(2) == -50


@given(st.integers(0, 400))
def test_l22_the_sum_over_accounts_is_the_sum_over_events(days: int) -> None:
    """Points that no fact took and no day let lapse are what the business stands for."""
    policy = Policy(minor_units_per_point=1, on_shortfall="deficit", vest_days=3)
    for history in lived(policy)[:25]:
        if not history.steps:
            continue
        at = history.steps[-1].at + timedelta(days=days)
        said = liability([history.state], at)
        ledger = testing.rulebook.ledger.Ledger()
        for event in history.events:
            ledger.enter(event)
        assert said.usable == ledger.usable(at)
        forfeited = history.state.forfeits_at is not None and history.state.forfeits_at <= at
        if not forfeited and not ledger.held and not said.in_transit:
            ahead = [one for one in ledger.lots.values() if at < one.vests_at < one.expires_at]
            vesting = sum(ledger.free[one.number] for one in ahead)
            assert said.vesting == vesting
            assert said.points == ledger.usable(at) + vesting - said.owed


# Days and zones


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Shanghai"]
ENDS = st.sampled_from(
    [date(2024, 2, 29), date(2025, 2, 28), date(2023, 8, 31), date(2024, 1, 31), date(2025, 12, 31)]
)


@given(ENDS, st.sampled_from(ZONES), st.integers(0, 23), st.sampled_from([1, 6, 12, 18]))
def test_l3_points_lapse_at_the_start_of_the_day_in_every_zone_and_month(
    day: date, zone: str, hour: int, months: int
) -> None:
    where = ZoneInfo(zone)
    sold = datetime(day.year, day.month, day.day, hour, tzinfo=where)
    shop = member(Policy(time_zone=zone, lifetime_months=months))
    account = shop.when(earn("s-1", 5), at=sold).state
    last = later(day, months)
    lapses = datetime(last.year, last.month, last.day, tzinfo=where)
    assert account.usable(lapses - timedelta(microseconds=1)) == 5
    assert account.usable(lapses) == 0


@given(ENDS, st.sampled_from(ZONES), st.integers(0, 40))
def test_l14_points_vest_at_the_start_of_a_day_whenever_they_were_earned(
    day: date, zone: str, waits: int
) -> None:
    where = ZoneInfo(zone)
    sold = datetime(day.year, day.month, day.day, 13, tzinfo=where)
    account = member(Policy(time_zone=zone, vest_days=waits)).when(earn("s-1", 5), at=sold).state
    first = day + timedelta(days=waits)
    vests = datetime(first.year, first.month, first.day, tzinfo=where) if waits else sold
    assert account.usable(vests - timedelta(microseconds=1)) == 0
    assert account.usable(vests) == 5


def test_what_an_account_remembers_is_bounded() -> None:
    rules = loyalty.decider(Policy(minor_units_per_point=1))
    account: Account = rules.fold([Enrolled(customer=ANN)])
    for number in range(3 * MERITS_MAX):
        at = midnight(NEW_YEAR) + timedelta(hours=number)
        one = Lot(number=number + 1, points=1, vests_at=at, expires_at=at + DAY)
        for event in (
            PointsEarned(source=f"s-{number}", amount=usd(1), lot=one),
            PointsHeld(
                redemption=f"r-{number}", reward="mug", points=1, allocations=(one,), until=at
            ),
            HoldLapsed(redemption=f"r-{number}", restored=(one,), forfeited=()),
            PointsExpired(allocations=(one,)),
        ):
            account = rules.evolve(account, event)
    sizes = [len(getattr(account, name)) for name in ("earned", "ended_holds", "lots", "holds")]
    assert sizes == [REMEMBERED_MAX, REMEMBERED_MAX, 0, 0]
    assert len(account.merits) == MERITS_MAX
    assert sum(merit.points for merit in account.merits) == 3 * MERITS_MAX


def test_every_fact_of_an_account_can_be_applied_to_every_account() -> None:
    rules = loyalty.decider(Policy())
    golden = Path(__file__).parents[1] / "infrastructure" / "golden"
    stored = [path.read_bytes() for path in golden.glob("loyalty.*.json")]
    events = [msgspec.json.decode(one, type=rules.events) for one in stored]
    assert {type(event) for event in events} == set(get_args(rules.events))
    for account in (rules.initial, *(history.state for history in lived()[:40])):
        for event in events:
            assert isinstance(rules.evolve(account, event), Account)
