"""Loyalty: rules L1, L2, L3, L4, L5, L6, L9, L11, L12 and L14, and what must never come back."""

from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import get_args
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from crmcore import testing
from crmcore.domain import loyalty
from crmcore.domain.act import Act
from crmcore.domain.lots import Lot
from crmcore.domain.loyalty import (
    Account,
    AlreadyEnrolled,
    BelowMinimum,
    Earn,
    Enrol,
    Enrolled,
    Insufficient,
    NotEnrolled,
    PointsEarned,
    PointsExpired,
    PointsRedeemed,
    Policy,
    RecordExpiry,
    Redeem,
    RedemptionReused,
    RedemptionReversed,
    ReverseRedemption,
    SourceReused,
    TooMuchReversed,
    UnknownRedemption,
)
from crmcore.domain.money import Money
from crmcore.testing import History, Step, histories, take, vacuous
from tests.plain import later

ANN, BOB = UUID(int=10), UUID(int=11)
LOYALTY = loyalty.decider(Policy())
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
JANUARY, MARCH, MAY = date(2026, 1, 1), date(2026, 3, 1), date(2026, 5, 1)
TODAY, NEW_YEAR = date(2026, 3, 2), date(2027, 1, 1)
ENROLLED = Enrolled(customer=ANN)


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def lot(number: int, points: int, vests: date, expires: date) -> Lot:
    return Lot(number=number, points=points, vests_at=midnight(vests), expires_at=midnight(expires))


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


def earn(source: str, cents: int) -> Earn:
    return Earn(source=source, amount=usd(cents))


def redeem(points: int, name: str = "r-1", reward: str = "mug") -> Redeem:
    return Redeem(redemption=name, reward=reward, points=points)


def reverse(points: int, name: str = "r-1") -> ReverseRedemption:
    return ReverseRedemption(redemption=name, points=points)


# 100 points that lapse at new year, 50 that lapse in the March after it.
SALES = (
    PointsEarned(source="s-1", amount=usd(10_000), lot=lot(1, 100, JANUARY, NEW_YEAR)),
    PointsEarned(source="s-2", amount=usd(5_000), lot=lot(2, 50, MARCH, date(2027, 3, 1))),
)
MEMBER = testing.given(LOYALTY, ENROLLED, at=TODAY)
RICH = MEMBER.given(*SALES)


def test_a_customer_enrols() -> None:
    testing.given(LOYALTY).when(Enrol(customer=ANN)).then(Enrolled(customer=ANN))


def test_enrolling_again_changes_nothing() -> None:
    MEMBER.when(Enrol(customer=ANN)).nothing()


def test_an_account_belongs_to_one_customer() -> None:
    MEMBER.when(Enrol(customer=BOB)).rejected(AlreadyEnrolled(customer=ANN))
    assert LOYALTY.customer(UUID(int=1), MEMBER.state) == ANN


def test_nothing_happens_before_enrolment() -> None:
    testing.given(LOYALTY).when(earn("s-1", 100)).rejected(NotEnrolled())


def test_a_sale_earns_a_lot_that_lapses_after_a_year() -> None:
    MEMBER.when(earn("s-1", 10_099), at=JANUARY).then(
        PointsEarned(source="s-1", amount=usd(10_099), lot=lot(1, 100, JANUARY, NEW_YEAR)),
    )


def test_a_lot_lapses_at_the_start_of_a_day_in_the_business_time_zone() -> None:
    shanghai = testing.given(loyalty.decider(Policy(time_zone="Asia/Shanghai")), ENROLLED)
    shanghai.when(earn("s-1", 100), at=datetime(2026, 2, 28, 20, tzinfo=UTC)).then(
        PointsEarned(
            source="s-1",
            amount=usd(100),
            lot=Lot(
                number=1,
                points=1,
                vests_at=datetime(2026, 2, 28, 20, tzinfo=UTC),
                expires_at=datetime(2027, 2, 28, 16, tzinfo=UTC),
            ),
        ),
    )


def test_a_sale_too_small_for_a_point_earns_nothing() -> None:
    MEMBER.when(earn("s-1", 99)).nothing()
    MEMBER.when(earn("s-1", -500)).nothing()


def test_a_sale_earns_once() -> None:
    RICH.when(earn("s-1", 10_000)).nothing()
    RICH.when(earn("s-1", 20_000)).rejected(SourceReused(source="s-1", amount=usd(10_000)))


def test_a_redemption_takes_what_lapses_first() -> None:
    RICH.when(redeem(120), at=MARCH).then(
        PointsRedeemed(
            redemption="r-1",
            reward="mug",
            points=120,
            allocations=(
                lot(1, 100, JANUARY, NEW_YEAR),
                lot(2, 20, MARCH, date(2027, 3, 1)),
            ),
        ),
    )


def test_nobody_redeems_more_than_is_usable() -> None:
    RICH.when(redeem(151), at=TODAY).rejected(Insufficient(available=150))
    RICH.when(redeem(101), at=date(2026, 2, 28)).rejected(Insufficient(available=100))
    RICH.when(redeem(51), at=NEW_YEAR).rejected(Insufficient(available=50))


def test_a_redemption_takes_at_least_the_minimum() -> None:
    strict = testing.given(loyalty.decider(Policy(points_min=10)), ENROLLED, *SALES, at=TODAY)
    strict.when(redeem(9)).rejected(BelowMinimum(points_min=10))
    strict.when(redeem(10)).then(
        PointsRedeemed(
            redemption="r-1",
            reward="mug",
            points=10,
            allocations=(lot(1, 10, JANUARY, NEW_YEAR),),
        ),
    )


def test_a_redemption_has_a_name_of_its_own() -> None:
    spent = RICH.when(redeem(30))
    spent.when(redeem(30)).nothing()
    spent.when(redeem(31)).rejected(RedemptionReused(redemption="r-1"))
    spent.when(redeem(30, reward="car")).rejected(RedemptionReused(redemption="r-1"))


def test_points_go_back_to_the_lots_that_lapse_last() -> None:
    back = RICH.when(redeem(120)).when(reverse(30))
    back.then(
        RedemptionReversed(
            redemption="r-1",
            restored=(
                lot(2, 20, MARCH, date(2027, 3, 1)),
                lot(1, 10, JANUARY, NEW_YEAR),
            ),
            forfeited=(),
        ),
    )
    assert back.state.usable(midnight(TODAY)) == 60


def test_points_of_a_lapsed_lot_are_forfeited() -> None:
    RICH.when(redeem(120)).when(reverse(120), at=NEW_YEAR).then(
        RedemptionReversed(
            redemption="r-1",
            restored=(lot(2, 20, MARCH, date(2027, 3, 1)),),
            forfeited=(lot(1, 100, JANUARY, NEW_YEAR),),
        ),
    )


def test_what_is_reversed_was_redeemed() -> None:
    RICH.when(reverse(1, "r-9")).rejected(UnknownRedemption(redemption="r-9"))


def test_nobody_gets_back_more_than_was_redeemed() -> None:
    RICH.when(redeem(120), reverse(30)).when(reverse(91)).rejected(TooMuchReversed(left=90))


def test_lapsed_lots_are_written_down_once() -> None:
    written = RICH.when(RecordExpiry(), at=NEW_YEAR)
    written.then(PointsExpired(allocations=(lot(1, 100, JANUARY, NEW_YEAR),)))
    written.when(RecordExpiry(), at=NEW_YEAR).nothing()


def test_the_account_remembers_the_latest_sales_and_redemptions() -> None:
    sales = [earn(f"s-{n}", 100) for n in range(101)]
    redemptions = [redeem(1, f"r-{n}") for n in range(101)]
    account = MEMBER.when(*sales, *redemptions).state
    assert [account.earned[0].source, account.earned[-1].source] == ["s-1", "s-100"]
    assert [account.redemptions[0].name, account.redemptions[-1].name] == ["r-1", "r-100"]


# What other systems got wrong.


def test_regression_1_a_redemption_takes_its_points_whatever_it_is_for() -> None:
    for reward in ("sales invoice", "sales order", "point of sale"):
        assert RICH.when(redeem(60, reward=reward)).state.usable(midnight(MARCH)) == 90


def test_regression_2_a_lot_is_never_overdrawn() -> None:
    spent = RICH.when(redeem(90, "r-1"), redeem(50, "r-2"))
    assert spent.state.lots == (lot(2, 10, MARCH, date(2027, 3, 1)),)
    spent.when(redeem(11, "r-3")).rejected(Insufficient(available=10))


def test_regression_3_points_of_a_cancelled_redemption_keep_their_expiry() -> None:
    back = RICH.when(redeem(150), reverse(150)).state
    assert sorted(back.lots, key=lambda lot: lot.number) == [
        lot(1, 100, JANUARY, NEW_YEAR),
        lot(2, 50, MARCH, date(2027, 3, 1)),
    ]
    assert back.usable(midnight(date(2027, 3, 1))) == 0


def test_regression_4_lapsed_points_are_not_spent_though_no_job_has_run() -> None:
    RICH.when(redeem(1), at=date(2027, 3, 1)).rejected(Insufficient(available=0))


def test_regression_5_points_that_were_spent_do_not_lapse_as_well() -> None:
    spent = MEMBER.when(earn("s-1", 100), redeem(1), at=JANUARY)
    spent.when(RecordExpiry(), at=NEW_YEAR).nothing()
    assert spent.state.usable(midnight(NEW_YEAR)) == 0


# Every history keeps the rules.

CALM = loyalty.decider(Policy(minor_units_per_point=1, points_min=2))


GAPS = st.sampled_from([timedelta(days=days) for days in (0, 1, 9, 170)])
PLAIN = (Enrol, Earn, Redeem, ReverseRedemption, RecordExpiry)
OTHERS = {kind: 0 for kind in get_args(CALM.commands) if kind not in PLAIN}
SMALL = {"minor": range(1, 41), "points": range(1, 41), "order": (None,)}
HISTORIES = histories(CALM, overrides=SMALL, weights=OTHERS)


class Coin:
    """One point, as the model sees it."""

    def __init__(self, lot: int, vests: datetime, expires: datetime) -> None:
        self.lot, self.vests, self.expires, self.place = lot, vests, expires, "account"


class Model:
    """Every single point and where it is; knows nothing of lots that are split or merged."""

    def __init__(self) -> None:
        self.coins: list[Coin] = []

    def usable(self, at: datetime) -> list[Coin]:
        here = [c for c in self.coins if c.place == "account" and c.vests <= at < c.expires]
        return sorted(here, key=lambda c: (c.expires, c.vests, c.lot))

    def spent(self, name: str) -> list[Coin]:
        return [coin for coin in self.coins if coin.place == name]

    def follow(self, step: Step) -> None:
        match step.command:
            case Earn(amount=amount) if step.events:
                lapses = midnight(later(step.at.date(), 12))
                number = len({coin.lot for coin in self.coins}) + 1
                self.coins += [Coin(number, step.at, lapses) for _ in range(amount.minor)]
            case Redeem(redemption=name, points=points) if step.events:
                for coin in self.usable(step.at)[:points]:
                    coin.place = name
            case ReverseRedemption(redemption=name, points=points) if step.events:
                back = sorted(self.spent(name), key=lambda c: (c.expires, c.vests, c.lot))
                for coin in back[-points:]:
                    coin.place = "account" if coin.expires > step.at else "forfeited"
            case RecordExpiry():
                for coin in self.coins:
                    if coin.place == "account" and coin.expires <= step.at:
                        coin.place = "expired"
            case _:
                pass


def act(at: datetime) -> Act:
    return Act(by="ann", effective_at=at, command_id=UUID(int=1))


def counted(coins: list[Coin]) -> list[tuple[int, int]]:
    return [(number, len(list(same))) for number, same in groupby(coins, lambda c: c.lot)]


def moments(history: History) -> list[datetime]:
    ends = [lot.expires_at for step in history.steps for lot in step.after.lots]
    return sorted({START, *(step.at for step in history.steps), *ends})


@given(HISTORIES)
def test_l1_no_lot_is_overdrawn_or_overfilled(history: History) -> None:
    issued = {e.lot.number: e.lot.points for e in history.events if isinstance(e, PointsEarned)}
    for step in history.steps:
        for held in step.after.lots:
            assert 0 < held.points <= issued[held.number]


@given(HISTORIES)
def test_l2_points_issued_are_points_left_spent_lapsed_or_forfeited(history: History) -> None:
    balance = 0
    for event in history.events:
        match event:
            case PointsEarned(lot=earned):
                balance += earned.points
            case PointsRedeemed(points=points):
                balance -= points
            case RedemptionReversed(restored=restored):
                balance += sum(part.points for part in restored)
            case PointsExpired(allocations=gone):
                balance -= sum(part.points for part in gone)
            case _:
                pass
    assert sum(held.points for held in CALM.fold(history.events).lots) == balance


@given(HISTORIES, GAPS, st.integers(1, 40))
def test_l3_recording_expiry_changes_no_answer(
    history: History, gap: timedelta, points: int
) -> None:
    account = CALM.fold(history.events)
    at = max(moments(history)[-1] - timedelta(days=300), START) + gap
    swept = take(CALM, account, RecordExpiry(), act(at)).after
    for moment in (at, *(at + timedelta(days=days) for days in (1, 30, 200, 366))):
        assert swept.usable(moment) == account.usable(moment)
        without = take(CALM, account, redeem(points, "r-new"), act(moment))
        with_job = take(CALM, swept, redeem(points, "r-new"), act(moment))
        assert (with_job.events, with_job.rejected) == (without.events, without.rejected)


@given(HISTORIES)
def test_l4_a_redemption_takes_the_points_that_lapse_first(history: History) -> None:
    model = Model()
    for step in history.steps:
        match step.command:
            case Redeem(points=points) if step.events:
                (redeemed,) = step.events
                assert isinstance(redeemed, PointsRedeemed)
                expected = counted(model.usable(step.at)[:points])
                assert [(part.number, part.points) for part in redeemed.allocations] == expected
            case _:
                pass
        model.follow(step)


@given(HISTORIES)
def test_l5_what_is_allocated_is_what_was_accepted(history: History) -> None:
    for step in history.steps:
        for event in step.events:
            if isinstance(event, PointsRedeemed):
                assert isinstance(step.command, Redeem)
                assert sum(part.points for part in event.allocations) == step.command.points
                assert event.points == step.command.points


@given(HISTORIES)
def test_l6_reversal_returns_points_to_the_same_lots_with_the_same_expiry(history: History) -> None:
    model = Model()
    lots = {e.lot.number: e.lot for e in history.events if isinstance(e, PointsEarned)}
    for step in history.steps:
        for event in step.events:
            if isinstance(event, RedemptionReversed):
                assert isinstance(step.command, ReverseRedemption)
                back = (*event.restored, *event.forfeited)
                assert sum(part.points for part in back) == step.command.points
                assert step.command.points <= len(model.spent(event.redemption))
                for part in back:
                    assert part.expires_at == lots[part.number].expires_at
                    assert part.vests_at == lots[part.number].vests_at
        model.follow(step)


@given(HISTORIES, st.integers(2, 40), GAPS)
def test_l6_nobody_launders_points_by_redeeming_and_reversing(
    history: History, points: int, gap: timedelta
) -> None:
    account = CALM.fold(history.events)
    at = history.steps[-1].act.effective_at if history.steps else START
    spent = take(CALM, account, redeem(points, "r-new"), act(at)).after
    back = take(CALM, spent, reverse(points, "r-new"), act(at + gap)).after
    for days in (0, 1, 100, 195, 360, 400, 1000):
        moment = at + gap + timedelta(days=days)
        assert back.usable(moment) <= account.usable(moment)
        assert spent == account or back.usable(moment) == account.usable(moment)


@given(HISTORIES)
def test_l9_the_same_sale_or_redemption_again_changes_nothing(history: History) -> None:
    for step in history.steps:
        if step.events and isinstance(step.command, Earn | Redeem):
            again = take(CALM, step.after, step.command, act(step.at))
            assert (again.events, again.rejected) == ((), None)


@given(HISTORIES)
def test_l11_the_balance_is_every_point_where_it_is(history: History) -> None:
    model = Model()
    for step in history.steps:
        model.follow(step)
        for moment in (
            step.at,
            *(step.at + timedelta(days=days) for days in (1, 180, 366)),
        ):
            assert step.after.usable(moment) == len(model.usable(moment)) >= 0
        match step.command:
            case Redeem(redemption=name, points=points) if name not in {
                made.name for made in step.before.redemptions
            }:
                available = step.before.usable(step.at)
                accepted = step.before.customer is not None and 2 <= points <= available
                assert bool(step.events) == accepted
            case _:
                pass


@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=20))
def test_l12_splitting_a_sale_never_gains(parts: list[int]) -> None:
    whole = MEMBER.when(earn("s-1", sum(parts))).state
    split = MEMBER.when(*(earn(f"s-{n}", part) for n, part in enumerate(parts))).state
    held = sum(one.points for one in split.lots)
    assert held <= sum(one.points for one in whole.lots) == sum(parts) // 100


@given(st.integers(0, 1_000))
def test_l14_a_backdated_sale_lapses_by_its_own_date(days: int) -> None:
    sold = midnight(MAY) - timedelta(days=days)
    account = MEMBER.when(earn("s-1", 500), at=sold).state
    assert account.usable(midnight(MAY)) == (5 if days < 365 else 0)


@given(HISTORIES, HISTORIES)
def test_any_fact_can_be_applied_to_any_account(history: History, other: History) -> None:
    for account in (CALM.initial, CALM.fold(history.events)):
        for event in other.events:
            assert isinstance(CALM.evolve(account, event), Account)


def test_every_event_and_every_rejection_occurs() -> None:
    assert vacuous(CALM) == []
