"""What an account may do, and what is around its points: rules L17, L18, L19 and L20."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmcore.domain import loyalty
from crmcore.domain.lots import Lot
from crmcore.domain.loyalty import (
    Adjust,
    BuyMembership,
    CancelMembership,
    ClawBack,
    Close,
    Enrol,
    IssueBenefit,
    NameReferrer,
    PointsExpired,
    Policy,
    QualifyReferral,
    RecordExpiry,
    RefundMembership,
    RegisterReferral,
    Release,
    RenewMembership,
    Reserve,
    Resume,
    ReverseRedemption,
    ReverseReferral,
    RewardReferral,
    Suspend,
    TransferOut,
    next_change_at,
)
from crmcore.domain.loyalty.allowed import ACTIVITIES
from crmcore.domain.loyalty.benefits import BenefitIssued, BenefitRepeated, NotDue
from crmcore.domain.loyalty.holds import HoldReleased
from crmcore.domain.loyalty.lineage import (
    AlreadyReferred,
    ReferralCycle,
    ReferrerNamed,
    SelfReferral,
)
from crmcore.domain.loyalty.membership import (
    MembershipBought,
    MembershipCancelled,
    MembershipLapsed,
    MembershipOverlap,
    MembershipRefunded,
    MembershipRenewed,
    MembershipReused,
    NegativePrice,
    RefundLate,
    UnknownMembership,
)
from crmcore.domain.loyalty.referrals import (
    NotQualified,
    ReferralLapsed,
    ReferralQualified,
    ReferralRegistered,
    ReferralReversed,
    ReferralRewarded,
    ReversalLate,
    UnknownReferral,
)
from crmcore.domain.loyalty.standing import (
    AccountClosed,
    AccountResumed,
    AccountSuspended,
    Closed,
    Suspended,
)
from tests.domain.members import (
    ANN,
    BOB,
    CAT,
    MANAGER,
    earn,
    member,
    midnight,
    redeem,
    usd,
    violations,
)
from tests.plain import later

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
RICH = member(at=MARCH).when(earn("s-1", 100))
DAY = timedelta(days=1)


# Status


def test_l17_a_suspended_account_earns_and_does_not_spend() -> None:
    suspended = RICH.when(Suspend(reason="odd"))
    suspended.then(AccountSuspended(reason="odd"))
    suspended.when(Suspend(reason="odd")).nothing()
    suspended.when(redeem(1)).rejected(Suspended(activity="spend"))
    suspended.when(IssueBenefit(kind="birthday", date_of=MARCH)).rejected(
        Suspended(activity="benefit")
    )
    assert suspended.when(earn("s-2", 1)).state.usable(midnight(MARCH)) == 101
    assert suspended.when(ClawBack(source="s-1", refunded=usd(100))).events
    resumed = suspended.when(Resume(reason="fine"))
    resumed.then(AccountResumed(reason="fine"))
    resumed.when(Resume(reason="fine")).nothing()
    assert resumed.when(redeem(1)).events


def test_l17_what_a_closed_account_has_is_forfeited_after_a_grace() -> None:
    closed = RICH.when(Close(reason="asked for"))
    closed.then(AccountClosed(forfeits_at=midnight(date(2026, 3, 31)), reason="asked for"))
    closed.when(Close(reason="asked for")).nothing()
    closed.when(earn("s-2", 1)).rejected(Closed(activity="earn"))
    closed.when(redeem(1)).rejected(Closed(activity="spend"))
    closed.when(Suspend(reason="")).rejected(Closed(activity="suspend"))
    assert closed.state.usable(midnight(date(2026, 3, 30))) == 100
    assert closed.state.usable(midnight(date(2026, 3, 31))) == 0
    assert next_change_at(closed.state, midnight(MARCH)) == midnight(date(2026, 3, 31))
    back = closed.when(Resume(reason="stays"), at=date(2026, 3, 30))
    assert back.state.usable(midnight(date(2026, 12, 1))) == 100
    closed.when(Resume(reason="late"), at=date(2026, 3, 31)).rejected(Closed(activity="resume"))
    swept = closed.when(RecordExpiry(), at=date(2026, 3, 31))
    [fact] = swept.steps[-1].events
    assert isinstance(fact, PointsExpired)
    assert sum(lot.points for lot in fact.allocations) == 100
    closed.when(RecordExpiry(), at=date(2026, 3, 30)).nothing()


def test_closing_ends_the_holds() -> None:
    held = RICH.when(Reserve(redemption="r-1", reward="mug", points=30))
    released, closed = held.when(Close(reason="")).steps[-1].events
    assert isinstance(released, HoldReleased)
    assert isinstance(closed, AccountClosed)


def test_l17_the_matrix_of_what_a_status_allows_is_in_the_policy() -> None:
    strict = member(Policy(suspended_may=("spend",), closed_may=("earn",)), at=MARCH)
    suspended = strict.when(earn("s-1", 100)).when(Suspend(reason=""))
    assert suspended.when(redeem(1)).events
    suspended.when(earn("s-2", 1)).rejected(Suspended(activity="earn"))
    assert strict.when(Close(reason="")).when(earn("s-2", 1)).events


def test_l17_every_command_is_an_activity_or_changes_the_status() -> None:
    commands = set(get_args(loyalty.decider(Policy()).commands))
    assert commands - set(ACTIVITIES) == {Enrol, Suspend, Resume, Close}
    assert set(ACTIVITIES.values()) == {
        "earn", "spend", "give_back", "take_back", "correct", "benefit",
    }  # fmt: skip


GIVES_BACK = (ReverseRedemption(redemption="r-1", points=5), Release(redemption="h-1"))
SPENDS = (redeem(1, "r-2"), TransferOut(transfer="t-1", customer=BOB, points=1))


@pytest.mark.parametrize("end", [Suspend(reason=""), Close(reason="")], ids=["suspend", "close"])
def test_l17_points_come_back_in_every_status_and_are_spent_in_one(
    end: loyalty.Command,
) -> None:
    busy = RICH.when(redeem(10), Reserve(redemption="h-1", reward="mug", points=5))
    ended = busy.when(end)
    for command in SPENDS:
        assert busy.when(command).events
        no = ended.when(command).steps[-1].rejected
        assert isinstance(no, Suspended | Closed)
    assert ended.when(*GIVES_BACK).state.usable(midnight(MARCH)) == 95
    fix = Adjust(adjustment="a-1", points=1, reason="", requested_by="ben")
    assert busy.when(fix, by="gus", roles=MANAGER).events


def test_l17_in_every_history_what_is_forfeited_is_not_spent() -> None:
    assert violations("what_is_forfeited_is_not_spent") == []


# Referrals


def test_a_referral_is_registered_qualified_and_rewarded() -> None:
    account = member(at=MARCH).when(RegisterReferral(referee=BOB))
    lapses_at = midnight(date(2026, 8, 28))
    account.then(ReferralRegistered(referee=BOB, lapses_at=lapses_at))
    account.when(RegisterReferral(referee=BOB)).nothing()
    account.when(RewardReferral(referee=BOB)).rejected(NotQualified(status="pending"))
    account.when(ReverseReferral(referee=BOB)).rejected(NotQualified(status="pending"))
    bought = account.when(QualifyReferral(referee=BOB, source="b-1"))
    until = midnight(date(2026, 5, 30))
    bought.then(ReferralQualified(referee=BOB, source="b-1", reversible_until=until))
    bought.when(QualifyReferral(referee=BOB, source="b-2")).nothing()
    rewarded = bought.when(RewardReferral(referee=BOB))
    lot = Lot(number=1, points=500, vests_at=midnight(MARCH), expires_at=midnight(date(2027, 3, 1)))
    rewarded.then(ReferralRewarded(referee=BOB, lot=lot))
    rewarded.when(RewardReferral(referee=BOB)).nothing()
    rewarded.when(RegisterReferral(referee=BOB)).nothing()


def test_l18_a_pending_referral_lapses() -> None:
    account = member(at=MARCH).when(RegisterReferral(referee=BOB))
    late = account.when(QualifyReferral(referee=BOB, source="b-1"), at=date(2026, 8, 28))
    late.rejected(ReferralLapsed(lapses_at=midnight(date(2026, 8, 28))))
    again = account.when(RegisterReferral(referee=BOB), at=date(2026, 8, 28))
    assert again.when(QualifyReferral(referee=BOB, source="b-1"), at=date(2026, 8, 29)).events


def test_l18_nobody_refers_themselves_or_those_who_referred_them() -> None:
    me = member(at=MARCH)
    me.when(RegisterReferral(referee=ANN)).rejected(SelfReferral(customer=ANN))
    me.when(NameReferrer(referrer=ANN)).rejected(SelfReferral(customer=ANN))
    circle = NameReferrer(referrer=BOB, lineage=(CAT, ANN))
    me.when(circle).rejected(ReferralCycle(lineage=(BOB, CAT, ANN)))
    brought = me.when(NameReferrer(referrer=BOB, lineage=(CAT,)))
    brought.then(ReferrerNamed(referrer=BOB, lineage=(CAT,)))
    brought.when(NameReferrer(referrer=BOB)).nothing()
    brought.when(NameReferrer(referrer=CAT)).rejected(AlreadyReferred(referrers=(BOB, CAT)))
    for ancestor in (BOB, CAT):
        no = brought.when(RegisterReferral(referee=ancestor))
        no.rejected(ReferralCycle(lineage=(BOB, CAT)))
    bringer = me.when(RegisterReferral(referee=BOB))
    bringer.when(NameReferrer(referrer=BOB)).rejected(ReferralCycle(lineage=(BOB,)))


def test_l18_a_refund_in_time_takes_the_reward_back() -> None:
    rewarded = member(at=MARCH).when(
        RegisterReferral(referee=BOB),
        QualifyReferral(referee=BOB, source="b-1"),
        RewardReferral(referee=BOB),
        redeem(200),
    )
    reversed_one = rewarded.when(ReverseReferral(referee=BOB), at=date(2026, 5, 29))
    [fact] = reversed_one.steps[-1].events
    assert isinstance(fact, ReferralReversed)
    assert (sum(lot.points for lot in fact.taken), fact.owed, fact.waived) == (300, 200, 0)
    reversed_one.when(ReverseReferral(referee=BOB)).nothing()
    reversed_one.when(RewardReferral(referee=BOB)).rejected(NotQualified(status="reversed"))
    late = rewarded.when(ReverseReferral(referee=BOB), at=date(2026, 5, 30))
    late.rejected(ReversalLate(until=midnight(date(2026, 5, 30))))
    rewarded.when(ReverseReferral(referee=CAT)).rejected(UnknownReferral(referee=CAT))


def test_l18_who_let_a_reward_lapse_owes_none_of_it() -> None:
    soon = Policy(lifetime_months=1)
    rewarded = member(soon, at=MARCH).when(
        RegisterReferral(referee=BOB),
        QualifyReferral(referee=BOB, source="b-1"),
        RewardReferral(referee=BOB),
    )
    for account in (rewarded, rewarded.when(RecordExpiry(), at=APRIL)):
        assert account.when(ReverseReferral(referee=BOB), at=APRIL).state.owed == 0
    unrewarded = member(at=MARCH).when(
        RegisterReferral(referee=BOB), QualifyReferral(referee=BOB, source="b-1")
    )
    [fact] = unrewarded.when(ReverseReferral(referee=BOB)).steps[-1].events
    assert (fact.taken, fact.owed) == ((), 0)


def test_l18_what_waits_for_a_reward_is_remembered_and_of_others_the_latest() -> None:
    many = [UUID(int=1_000 + number) for number in range(120)]
    account = member(at=MARCH).when(RegisterReferral(referee=BOB))
    for other in many:
        account = account.when(
            RegisterReferral(referee=other),
            QualifyReferral(referee=other, source="x"),
            RewardReferral(referee=other),
        )
    known = {referral.referee for referral in account.state.referrals}
    assert BOB in known
    assert len(known) == 101
    assert account.when(QualifyReferral(referee=BOB, source="x")).events


def test_l18_in_every_history_a_referral_is_rewarded_once() -> None:
    assert violations("a_referral_is_rewarded_once") == []


# Benefits


def birthday(born: date) -> IssueBenefit:
    return IssueBenefit(kind="birthday", date_of=born)


def test_a_birthday_brings_points_from_its_day_on_for_a_while() -> None:
    born = date(1990, 3, 1)
    account = member(at=MARCH).when(birthday(born))
    lot = Lot(number=1, points=100, vests_at=midnight(MARCH), expires_at=midnight(date(2027, 3, 1)))
    account.then(BenefitIssued(kind="birthday", due_on=MARCH, issued_on=MARCH, lot=lot))
    assert member().when(birthday(born), at=date(2026, 3, 30)).events
    early, late = date(2026, 2, 28), date(2026, 3, 31)
    member().when(birthday(born), at=early).rejected(NotDue(due_on=MARCH))
    member().when(birthday(born), at=late).rejected(NotDue(due_on=date(2027, 3, 1)))
    member().when(birthday(date(2026, 12, 24)), at=MARCH).rejected(
        NotDue(due_on=date(2026, 12, 24))
    )


def test_l19_a_birthday_comes_once_in_twelve_months_whatever_date_is_told() -> None:
    account = member(at=MARCH).when(birthday(date(1990, 3, 1)))
    no = BenefitRepeated(next_on=date(2027, 3, 1))
    account.when(birthday(date(1990, 3, 1)), at=date(2026, 3, 2)).rejected(no)
    account.when(birthday(date(1990, 12, 9)), at=date(2026, 12, 9)).rejected(no)
    account.when(birthday(date(1990, 2, 20)), at=date(2027, 2, 20)).rejected(no)
    assert account.when(birthday(date(1990, 3, 1)), at=date(2027, 3, 1)).events
    assert account.when(IssueBenefit(kind="anniversary", date_of=date(2020, 3, 1))).events


@pytest.mark.parametrize(
    ("policy", "day"),
    [(Policy(), date(2027, 2, 28)), (Policy(leap_day="1 Mar"), date(2027, 3, 1))],
)
def test_l19_who_was_born_on_29_february_has_a_birthday_every_year(
    policy: Policy, day: date
) -> None:
    born = date(1996, 2, 29)
    [fact] = member(policy).when(birthday(born), at=day).steps[-1].events
    assert fact.due_on == day
    early = day - timedelta(days=1)
    member(policy).when(birthday(born), at=early).rejected(NotDue(due_on=day))
    [leap] = member(policy).when(birthday(born), at=date(2028, 2, 29)).steps[-1].events
    assert leap.due_on == date(2028, 2, 29)


BORN = st.dates(date(1960, 1, 1), date(2000, 12, 31))


@given(st.lists(st.tuples(st.integers(0, 60), BORN), max_size=25))
def test_l19_between_two_birthdays_are_twelve_months(asked: list[tuple[int, date]]) -> None:
    scenario, today, issued = member(), date(2026, 1, 1), list[date]()
    for days, born in asked:
        today += timedelta(days=days)
        step = scenario.when(birthday(born), at=today).steps[-1]
        if step.events:
            issued.append(today)
            scenario = scenario.given(*step.events)
    assert all(later(a, 12) <= b for a, b in pairwise(issued))


def test_l19_in_every_history_a_benefit_comes_once_a_year() -> None:
    assert violations("a_benefit_comes_once_a_year") == []


# Memberships


def buy(name: str, starts_on: date | None = None) -> BuyMembership:
    return BuyMembership(membership=name, price=usd(3_650), starts_on=starts_on)


NEXT_MARCH = date(2027, 3, 1)
PAID = member(at=MARCH).when(buy("m-1"))


def test_a_period_begins_when_it_is_bought() -> None:
    PAID.then(
        MembershipBought(
            membership="m-1", price=usd(3_650), since=midnight(MARCH), until=midnight(NEXT_MARCH)
        )
    )
    PAID.when(buy("m-1")).nothing()
    other = BuyMembership(membership="m-1", price=usd(1))
    PAID.when(other).rejected(MembershipReused(membership="m-1"))
    negative = BuyMembership(membership="m-2", price=usd(-1))
    PAID.when(negative).rejected(NegativePrice(price=usd(-1)))


def test_l20_buying_during_a_period_extends_it() -> None:
    [fact] = PAID.when(buy("m-2"), at=date(2026, 9, 1)).steps[-1].events
    assert (fact.since, fact.until) == (midnight(NEXT_MARCH), midnight(date(2028, 3, 1)))
    [other] = PAID.when(buy("m-2"), at=date(2027, 5, 1)).steps[-1].events
    assert other.since == midnight(date(2027, 5, 1))


def test_l20_periods_do_not_overlap() -> None:
    PAID.when(buy("m-2", date(2027, 2, 28))).rejected(MembershipOverlap(until=midnight(NEXT_MARCH)))
    [fact] = PAID.when(buy("m-2", NEXT_MARCH)).steps[-1].events
    assert fact.since == midnight(NEXT_MARCH)


def test_l20_a_period_is_renewed_without_a_gap_also_a_little_late() -> None:
    renew = RenewMembership(membership="m-2", price=usd(3_650))
    PAID.when(renew, at=date(2027, 3, 30)).then(
        MembershipRenewed(
            membership="m-2", price=usd(3_650), since=midnight(NEXT_MARCH),
            until=midnight(date(2028, 3, 1)),
        )
    )  # fmt: skip
    late = PAID.when(renew, at=date(2027, 3, 31))
    late.rejected(MembershipLapsed(until=midnight(NEXT_MARCH)))
    member().when(renew).rejected(MembershipLapsed(until=None))


def test_l20_who_cancels_stays_to_the_end_or_gets_a_part_back() -> None:
    cancel = CancelMembership(membership="m-1")
    ended = PAID.when(cancel)
    ended.then(MembershipCancelled(membership="m-1", until=midnight(NEXT_MARCH), refund=usd(0)))
    ended.when(cancel).nothing()
    ended.when(RefundMembership(membership="m-1")).rejected(UnknownMembership(membership="m-1"))
    PAID.when(cancel, at=NEXT_MARCH).rejected(UnknownMembership(membership="m-1"))
    fair = member(Policy(membership_cancel="pro_rata"), at=MARCH).when(buy("m-1"))
    noon = datetime(2026, 3, 11, 12, tzinfo=UTC)
    [fact] = fair.when(cancel, at=noon).steps[-1].events
    assert (fact.until, fact.refund) == (midnight(date(2026, 3, 12)), usd(3_540))
    ahead = fair.when(buy("m-2"))
    [whole] = ahead.when(CancelMembership(membership="m-2"), at=noon).steps[-1].events
    assert (whole.until, whole.refund) == (midnight(NEXT_MARCH), usd(3_650))


def test_l20_a_refund_soon_after_takes_the_benefits_off() -> None:
    refund = RefundMembership(membership="m-1")
    used = PAID.when(birthday(date(1990, 3, 1)))
    back = used.when(refund, at=date(2026, 3, 14))
    back.then(
        MembershipRefunded(membership="m-1", until=midnight(date(2026, 3, 14)), refund=usd(3_550))
    )
    back.when(refund).nothing()
    used.when(refund, at=date(2026, 3, 15)).rejected(RefundLate(until=midnight(date(2026, 3, 15))))
    PAID.when(RefundMembership(membership="m-9")).rejected(UnknownMembership(membership="m-9"))
    kind = Policy(membership_refund_takes_back_benefits=False)
    kept = member(kind, at=MARCH).when(buy("m-1"), birthday(date(1990, 3, 1)))
    [fact] = kept.when(refund).steps[-1].events
    assert fact.refund == usd(3_650)
    again = back.when(buy("m-2"))
    assert again.steps[-1].events[0].since == midnight(date(2026, 3, 14))


ORDERS = st.lists(
    st.tuples(st.sampled_from(["buy", "renew", "cancel", "refund"]), st.integers(0, 300)),
    max_size=12,
)


@given(ORDERS, st.sampled_from(["end_of_period", "pro_rata"]))
def test_l20_no_day_is_paid_for_twice(orders: list[tuple[str, int]], cancel: str) -> None:
    policy = Policy(membership_cancel="pro_rata" if cancel == "pro_rata" else "end_of_period")
    scenario, today = member(policy), date(2026, 1, 1)
    for number, (what, days) in enumerate(orders):
        today += timedelta(days=days)
        name = f"m-{number}"
        made = scenario.state.memberships
        if what == "buy":
            command: loyalty.Command = buy(name)
        elif what == "renew":
            command = RenewMembership(membership=name, price=usd(100))
        else:
            last = made[-1].name if made else "none"
            end = CancelMembership if what == "cancel" else RefundMembership
            command = end(membership=last)
        step = scenario.when(command, at=today).steps[-1]
        scenario = scenario.given(*step.events)
    paid = sorted((one.since, one.until) for one in scenario.state.memberships)
    assert all(a[1] <= b[0] for a, b in pairwise(paid))


def test_l20_in_every_history_paid_periods_do_not_overlap() -> None:
    assert violations("paid_periods_do_not_overlap") == []
