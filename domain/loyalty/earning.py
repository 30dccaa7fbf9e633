"""A sale earns a lot of points, and campaigns may add to it within their bounds."""

from bisect import insort
from datetime import date
from typing import TypeAlias

from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.calendar import add_days, add_months, start_of, zone
from crmcore.domain.lots import Lot, Points
from crmcore.domain.loyalty.account import (
    MERITS_MAX,
    Account,
    Earned,
    Merit,
    Tally,
    latest,
    with_lots,
)
from crmcore.domain.loyalty.policy import Campaign, Policy
from crmcore.domain.money import CurrencyMismatch, Money, one_currency
from crmcore.domain.value import Ref, Rejection, Value, require

BASE = "base"

# Commands


class Earn(Value, tag="loyalty.earn"):
    """Credit a sale, once."""

    source: Ref
    amount: Money


Command: TypeAlias = Earn


# Events


class Share(Value):
    """What one rule gave of a lot, and for which month that counts against its bound."""

    rule: Ref
    points: Points
    month: date


class PointsEarned(Value, tag="loyalty.points_earned", repr_omit_defaults=True):
    """A sale earned a lot of points, by these rules where there is more than the plain one."""

    source: Ref
    amount: Money
    lot: Lot
    breakdown: tuple[Share, ...] = ()


Event: TypeAlias = PointsEarned


# Rejections


class SourceReused(Rejection):
    """A sale earns once."""

    source: str
    amount: Money


Reason: TypeAlias = SourceReused | CurrencyMismatch


def decide(command: Command, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Round down, so that splitting a sale never gains (rules.md L9, L12)."""
    if account.earned:
        one_currency(account.earned[-1].amount, command.amount)
    if before := account.sale(command.source):
        same = before.amount == command.amount
        require(same, SourceReused(source=before.source, amount=before.amount))
        return ()
    base = max(0, command.amount.minor // policy.minor_units_per_point)
    breakdown = _breakdown(base, account, act, policy)
    points = sum(share.points for share in breakdown) if breakdown else base
    if points < 1 or (_is_capped(policy) and not breakdown):
        return ()
    lot = new_lot(account, points, act, policy)
    return (
        PointsEarned(source=command.source, amount=command.amount, lot=lot, breakdown=breakdown),
    )


def evolve(account: Account, event: Event) -> Account:
    """Return the account after a sale earned."""
    lot, breakdown = event.lot, event.breakdown
    bonus = sum(share.points for share in breakdown if share.rule != BASE)
    sale = Earned(
        source=event.source,
        amount=event.amount,
        points=lot.points,
        lot=lot.number,
        qualifying=lot.points - bonus,
        at=lot.vests_at,
    )
    account = replace(account, earned=latest(account.earned, sale))
    if breakdown:
        account = replace(account, tallies=_tallied(account.tallies, breakdown))
    merit = Merit(points=lot.points - bonus, earned_at=lot.vests_at, since=lot.vests_at)
    return with_merit(with_lots(account, (lot,)), merit)


def with_merit(account: Account, merit: Merit) -> Account:
    """Return an account with points that qualify for a tier; of many the oldest count as one."""
    if not merit.points:
        return account
    merits = [*account.merits]
    insort(merits, merit, key=lambda one: one.earned_at)
    if len(merits) > MERITS_MAX:
        oldest, second, *rest = merits
        merits = [replace(second, points=oldest.points + second.points), *rest]
    first = min(account.first_earned_at or merit.earned_at, merit.earned_at)
    return replace(account, merits=tuple(merits), first_earned_at=first)


def new_lot(account: Account, points: int, act: Act, policy: Policy) -> Lot:
    """Return a new lot: it vests and lapses by the day of the act (rules.md L14)."""
    where, day = zone(policy.time_zone), policy.day(act)
    vests_at = max(act.effective_at, start_of(add_days(day, policy.vest_days), where))
    lapses_on = add_months(day, policy.lifetime_months)
    expires_at = start_of(lapses_on, where)
    return Lot(
        number=account.lots_ever + 1, points=points, vests_at=vests_at, expires_at=expires_at
    )


def _is_capped(policy: Policy) -> bool:
    return policy.month_points_max is not None


def _breakdown(base: int, account: Account, act: Act, policy: Policy) -> tuple[Share, ...]:
    """Return what each rule gives within its bounds, if other than the plain rule (L21)."""
    day = policy.day(act)
    month = day.replace(day=1)
    extra = [
        (campaign.name, _bonus(campaign, base, account, month))
        for campaign in policy.campaigns
        if campaign.runs_on(day)
    ]
    if policy.stacking == "best":
        extra = sorted(extra, key=lambda one: -one[1])[:1]
    extra = [(name, points) for name, points in extra if points]
    if not extra and not _is_capped(policy):
        return ()
    given = [(BASE, base), *extra]
    room = _room(policy.month_points_max, account, month)
    shares: list[Share] = []
    for rule, points in given:
        part = points if room is None else min(points, room)
        room = None if room is None else room - part
        if part > 0:
            shares.append(Share(rule=rule, points=part, month=month))
    return tuple(shares)


def _bonus(campaign: Campaign, base: int, account: Account, month: date) -> int:
    tally = next((t for t in account.tallies if (t.rule, t.month) == (campaign.name, month)), None)
    if tally and campaign.month_count_max is not None and tally.count >= campaign.month_count_max:
        return 0
    points = base * campaign.percent // 100
    if campaign.month_points_max is None:
        return points
    return max(0, min(points, campaign.month_points_max - (tally.points if tally else 0)))


def _room(most: int | None, account: Account, month: date) -> int | None:
    """Return how many points a month still has room for, None for any number."""
    if most is None:
        return None
    return max(0, most - sum(tally.points for tally in account.tallies if tally.month == month))


def _tallied(tallies: tuple[Tally, ...], shares: tuple[Share, ...]) -> tuple[Tally, ...]:
    for share in shares:
        key = (share.rule, share.month)
        before = next((t for t in tallies if (t.rule, t.month) == key), None)
        others = tuple(tally for tally in tallies if tally is not before)
        tally = Tally(
            rule=share.rule,
            month=share.month,
            points=(before.points if before else 0) + share.points,
            count=(before.count if before else 0) + 1,
        )
        tallies = latest(others, tally)
    return tallies
