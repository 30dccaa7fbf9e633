"""Points are put on hold for a redemption, and captured, released, or free again by themselves."""

from datetime import timedelta
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from crmcore.domain import lots
from crmcore.domain.act import Act
from crmcore.domain.lots import Hold, Lapse, Lots, Points
from crmcore.domain.loyalty.account import Account, EndedHold, Redemption, forgone, latest
from crmcore.domain.loyalty.policy import Policy
from crmcore.domain.loyalty.spending import RedemptionReused, allocated, require_bounds
from crmcore.domain.money import Money
from crmcore.domain.value import Instant, Ref, Rejection, Value, found, require

# Commands


class Reserve(Value, tag="loyalty.reserve"):
    """Put points on hold for a redemption to come."""

    redemption: Ref
    reward: Ref
    points: Points
    order: Money | None = None


class Capture(Value, tag="loyalty.capture"):
    """Spend points that are on hold, all of them or a part; the rest is free again."""

    redemption: Ref
    points: Points


class Release(Value, tag="loyalty.release"):
    """End a hold; nothing was spent."""

    redemption: Ref


Command: TypeAlias = Reserve | Capture | Release


# Events


class PointsHeld(Value, tag="loyalty.points_held"):
    """Points of these lots are on hold until an instant."""

    redemption: Ref
    reward: Ref
    points: Points
    allocations: Lots
    until: Instant


class HoldCaptured(Value, tag="loyalty.hold_captured"):
    """Points on hold were spent; the others are free again, but for those that have lapsed."""

    redemption: Ref
    reward: Ref
    points: Points
    allocations: Lots
    restored: Lots
    forfeited: Lots


class HoldReleased(Value, tag="loyalty.hold_released"):
    """Points on hold are free again, but for those that have lapsed."""

    redemption: Ref
    restored: Lots
    forfeited: Lots


class HoldLapsed(Value, tag="loyalty.hold_lapsed"):
    """A hold had ended by itself, which is written down before something else happens."""

    redemption: Ref
    restored: Lots
    forfeited: Lots


Event: TypeAlias = PointsHeld | HoldCaptured | HoldReleased | HoldLapsed


# Rejections


class HoldGone(Rejection):
    """What is captured or released is on hold."""

    redemption: str


class TooMuchCaptured(Rejection):
    """Nobody captures more than is on hold."""

    held: int


Reason: TypeAlias = HoldGone | TooMuchCaptured


def decide(command: Command, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return what happens to points on hold, where those that lapsed are none (rules.md L10)."""
    hold = next((one for one in account.holds if one.redemption == command.redemption), None)
    match command:
        case Reserve():
            return _reserve(command, hold, account, act, policy)
        case Capture():
            return _capture(command, hold, account, act)
        case Release(redemption=name):
            if EndedHold(redemption=name, how="released") in account.ended_holds:
                return ()
            open_one = found(hold, HoldGone(redemption=name))
            restored, forfeited = lots.split(open_one.lots, act.effective_at)
            return (HoldReleased(redemption=name, restored=restored, forfeited=forfeited),)
        case _:
            assert_never(command)


def evolve(account: Account, event: Event) -> Account:
    """Return the account after points were held, captured, or free again."""
    match event:
        case PointsHeld(redemption=name, reward=reward, allocations=taken, until=until):
            hold = Hold(redemption=name, reward=reward, lots=taken, until=until)
            left = lots.less(account.lots, taken)
            return replace(account, lots=left, holds=(*account.holds, hold))
        case HoldCaptured(redemption=name, reward=reward, points=points, allocations=taken):
            made = Redemption(name=name, reward=reward, points=points, left=taken)
            after = _ended(account, event)
            return replace(after, redemptions=latest(account.redemptions, made))
        case HoldReleased(redemption=name):
            ended = EndedHold(redemption=name, how="released")
            return replace(_ended(account, event), ended_holds=latest(account.ended_holds, ended))
        case HoldLapsed(redemption=name):
            ended = EndedHold(redemption=name, how="lapsed")
            return replace(_ended(account, event), ended_holds=latest(account.ended_holds, ended))
        case _:
            assert_never(event)


def lapsed(step: Lapse) -> HoldLapsed:
    """Return the fact of a hold that ended by itself."""
    return HoldLapsed(redemption=step.redemption, restored=step.restored, forfeited=step.forfeited)


def released(account: Account, act: Act) -> tuple[HoldReleased, ...]:
    """Return that all holds end, where the account does."""
    return tuple(
        HoldReleased(redemption=hold.redemption, restored=restored, forfeited=forfeited)
        for hold in account.holds
        for restored, forfeited in [lots.split(hold.lots, act.effective_at)]
    )


def _ended(account: Account, event: HoldCaptured | HoldReleased | HoldLapsed) -> Account:
    holds = tuple(hold for hold in account.holds if hold.redemption != event.redemption)
    after = replace(account, lots=lots.more(account.lots, event.restored), holds=holds)
    return forgone(after, event.forfeited)


def _reserve(
    command: Reserve, hold: Hold | None, account: Account, act: Act, policy: Policy
) -> tuple[Event, ...]:
    name, reward, points = command.redemption, command.reward, command.points
    if hold is not None:
        same = (hold.reward, lots.total(hold.lots)) == (reward, points)
        require(same, RedemptionReused(redemption=name))
        return ()
    ended = any(one.redemption == name for one in account.ended_holds)
    require(not ended and account.redemption(name) is None, RedemptionReused(redemption=name))
    require_bounds(points, command.order, policy)
    taken = allocated(account, points, act)
    until = act.effective_at + timedelta(hours=policy.hold_hours)
    if not policy.holds_outlive_lots:
        until = min(until, *(lot.expires_at for lot in taken))
    return (
        PointsHeld(redemption=name, reward=reward, points=points, allocations=taken, until=until),
    )


def _capture(command: Capture, hold: Hold | None, account: Account, act: Act) -> tuple[Event, ...]:
    name, points = command.redemption, command.points
    if hold is None:
        made = account.redemption(name)
        require(made is not None and made.points == points, HoldGone(redemption=name))
        return ()
    held = lots.total(hold.lots)
    require(points <= held, TooMuchCaptured(held=held))
    taken = lots.take(lots.first_expiring(hold.lots), points)
    restored, forfeited = lots.split(lots.less(hold.lots, taken), act.effective_at)
    return (
        HoldCaptured(
            redemption=name,
            reward=hold.reward,
            points=points,
            allocations=taken,
            restored=restored,
            forfeited=forfeited,
        ),
    )
