"""A tier by the points that qualify: reached at once, kept to the end of the next period."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.calendar import start_of, zone
from crmcore.domain.loyalty.account import Account, Grant, latest
from crmcore.domain.loyalty.adjusting import require_manager
from crmcore.domain.loyalty.periods import Periods
from crmcore.domain.loyalty.policy import Level, Policy
from crmcore.domain.value import Instant, Note, Ref, Rejection, Value, require

# Commands


class GrantTier(Value, tag="loyalty.grant_tier"):
    """Give a tier until the start of a day, by decision."""

    tier: Ref
    until: date
    kind: Literal["status_match", "manual", "paid"]
    reason: Note = ""


Command: TypeAlias = GrantTier


# Events


class TierGranted(Value, tag="loyalty.tier_granted"):
    """A tier was given for a while, whatever was earned."""

    tier: Ref
    since: Instant
    until: Instant
    kind: Literal["status_match", "manual", "paid"]
    reason: Note


Event: TypeAlias = TierGranted


# Rejections


class UnknownTier(Rejection):
    """A tier is one of the programme's."""

    tier: str
    tiers: tuple[str, ...]


class GrantOver(Rejection):
    """A tier is granted for a time to come."""

    until: Instant


Reason: TypeAlias = UnknownTier | GrantOver


class Tier(Value):
    """The tier at an instant: since when and how long, and how far it is to the next one."""

    tier: str | None
    since: Instant | None
    valid_until: Instant | None
    qualifying: int
    next_tier: str | None
    distance: int | None
    next_change_at: Instant | None


def decide(command: Command, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return that a tier is granted."""
    require_manager(act)
    names = tuple(level.name for level in policy.tiers)
    require(command.tier in names, UnknownTier(tier=command.tier, tiers=names))
    since, until = act.effective_at, start_of(command.until, zone(policy.time_zone))
    require(since < until, GrantOver(until=until))
    if Grant(tier=command.tier, since=since, until=until) in account.grants:
        return ()
    return (
        TierGranted(
            tier=command.tier, since=since, until=until, kind=command.kind, reason=command.reason
        ),
    )


def evolve(account: Account, event: Event) -> Account:
    """Return the account after a tier was granted."""
    grant = Grant(tier=event.tier, since=event.since, until=event.until)
    return replace(account, grants=latest(account.grants, grant))


class Span(NamedTuple):
    """The time from an instant until another one."""

    since: datetime
    until: datetime


Spans: TypeAlias = tuple[Span, ...]


def tier(account: Account, at: datetime, policy: Policy) -> Tier:
    """Return the tier at an instant by all that counts, and when that changes if nothing happens.

    More qualifying points never lead to less: a tier is held whenever its points are reached, and
    on to the end of the next period; who loses it by time alone goes down by one tier, where the
    landing is soft (rules.md L16).
    """
    periods = Periods(account, policy)
    levels = sorted(policy.tiers, key=lambda level: level.points)
    steps = _steps(account, periods)
    held = _held(levels, steps, account, periods)
    ends = sorted({instant for spans in held for span in spans for instant in span})
    now = _rank(held, at)
    since = next((end for end in reversed(ends) if end <= at), None)
    later = [end for end in ends if at < end]
    counts = (instant for instant, _ in steps if at < instant)
    qualifying = next((points for instant, points in reversed(steps) if instant <= at), 0)
    ahead = levels[now] if now < len(levels) else None
    change = min((*later, *counts), default=periods.end)
    until = next((end for end in later if _rank(held, end) < now), periods.end)
    return Tier(
        tier=levels[now - 1].name if now else None,
        since=since if now else None,
        valid_until=until if until < periods.end else None,
        qualifying=qualifying,
        next_tier=ahead.name if ahead else None,
        distance=max(0, ahead.points - qualifying) if ahead else None,
        next_change_at=change if change < periods.end else None,
    )


def _steps(account: Account, periods: Periods) -> list[tuple[datetime, int]]:
    """Return the instants at which the qualifying points change, with the points from then on."""
    changes: dict[datetime, int] = {}
    for merit in account.merits:
        until = periods.period_end(merit.earned_at)
        if merit.since < until:
            changes[merit.since] = changes.get(merit.since, 0) + merit.points
            changes[until] = changes.get(until, 0) - merit.points
    points = 0
    steps: list[tuple[datetime, int]] = []
    for instant in sorted(changes):
        points += changes[instant]
        steps.append((instant, points))
    return steps


def _held(
    levels: Sequence[Level],
    steps: Sequence[tuple[datetime, int]],
    account: Account,
    periods: Periods,
) -> list[Spans]:
    """Return when each level, or a higher one, is held; that of the highest is the first."""
    names = [level.name for level in levels]
    given = [(g.tier, Span(g.since, g.until)) for g in account.grants]
    if member := periods.policy.membership_tier:
        given += [(member, Span(paid.since, paid.until)) for paid in account.memberships]
    held: list[Spans] = []
    earned: Spans = ()
    for rank in range(len(levels) - 1, -1, -1):
        landing = periods.policy.soft_landing
        soft = [Span(s.until, periods.landed_until(s.until)) for s in earned if landing]
        reached = _reached(levels[rank].points, steps, periods)
        earned = _joined([*reached, *earned, *soft])
        granted = [span for name, span in given if name in names[rank:]]
        held.append(_joined([*earned, *granted]))
    return held


def _reached(
    points: int, steps: Sequence[tuple[datetime, int]], periods: Periods
) -> Iterable[Span]:
    """Yield the time from when so many points are there until the end of the next period."""
    for (since, there), (until, _) in pairwise([*steps, (periods.end, 0)]):
        if there >= points:
            yield Span(since, periods.kept_until(until))


def _joined(spans: Iterable[Span]) -> Spans:
    """Return spans in their order, those that touch as one."""
    joined: list[Span] = []
    for span in sorted(span for span in spans if span.since < span.until):
        if joined and span.since <= joined[-1].until:
            joined[-1] = Span(joined[-1].since, max(joined[-1].until, span.until))
        else:
            joined.append(span)
    return tuple(joined)


def _rank(held: Sequence[Spans], at: datetime) -> int:
    """Return how many levels are held at an instant."""
    return sum(any(span.since <= at < span.until for span in spans) for spans in held)
