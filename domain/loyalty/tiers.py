"""A tier by the points that qualify: reached at once, kept to the end of the next period."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.calendar import LAST_DAY, add_days, add_months, day_of, start_of, zone
from crmcore.domain.loyalty.account import Account, Grant, latest
from crmcore.domain.loyalty.adjusting import require_manager
from crmcore.domain.loyalty.policy import Level, Policy
from crmcore.domain.value import Instant, Note, Ref, Rejection, Value, require

YEAR_MONTHS = 12
MOMENT = timedelta(microseconds=1)

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
    calendar = _Calendar(account, policy)
    levels = sorted(policy.tiers, key=lambda level: level.points)
    steps = _steps(account, calendar)
    held = _held(levels, steps, account, calendar)
    ends = sorted({instant for spans in held for span in spans for instant in span})
    now = _rank(held, at)
    since = next((end for end in reversed(ends) if end <= at and _is_start(held, end, now)), None)
    lower = (end for end in ends if at < end and _rank(held, end) < now)
    changes = (end for end in ends if at < end and _rank(held, end) != now)
    counts = (instant for instant, _ in steps if at < instant)
    qualifying = next((points for instant, points in reversed(steps) if instant <= at), 0)
    ahead = levels[now] if now < len(levels) else None
    change = min((*changes, *counts), default=calendar.end)
    until = next(lower, calendar.end)
    return Tier(
        tier=levels[now - 1].name if now else None,
        since=since if now else None,
        valid_until=until if now and until < calendar.end else None,
        qualifying=qualifying,
        next_tier=ahead.name if ahead else None,
        distance=max(0, ahead.points - qualifying) if ahead else None,
        next_change_at=change if change < calendar.end else None,
    )


class _Calendar:
    """When the periods of an account end, under a policy."""

    def __init__(self, account: Account, policy: Policy) -> None:
        self.policy, self.where = policy, zone(policy.time_zone)
        first = account.first_earned_at
        self._first = day_of(first, self.where) if first else None
        self.end = start_of(LAST_DAY, self.where)

    def period_end(self, at: datetime, more: int = 0) -> datetime:
        """Return the end of the period of an instant, or of a period so many later."""
        day = day_of(at, self.where)
        match self.policy.tier_window:
            case "calendar_year":
                return self._start(date(min(day.year, LAST_DAY.year - 3) + 1 + more, 1, 1))
            case "anniversary":
                first = self._first or day
                years = day.year - first.year
                has_been = add_months(first, YEAR_MONTHS * years) <= day
                return self._start(add_months(first, YEAR_MONTHS * (years + has_been + more)))
            case "rolling":
                return self._start(add_months(day, self.policy.tier_window_months * (1 + more)))
            case "lifetime":
                return self.end

    def kept_until(self, left_at: datetime) -> datetime:
        """Return until when a tier is kept whose points were there until an instant."""
        if left_at >= self.end:
            return self.end
        if self.policy.tier_window == "rolling":
            return self._grace(self.period_end(left_at))
        return self._grace(self.period_end(left_at - MOMENT, more=1))

    def landed_until(self, lost_at: datetime) -> datetime:
        """Return until when the next lower tier is kept by whoever lost one."""
        return self.end if lost_at >= self.end else self._grace(self.period_end(lost_at))

    def _grace(self, instant: datetime) -> datetime:
        days = self.policy.tier_grace_days
        if not days or instant >= self.end:
            return instant
        return self._start(add_days(day_of(instant, self.where), days))

    def _start(self, day: date) -> datetime:
        return start_of(day, self.where)


def _steps(account: Account, calendar: _Calendar) -> list[tuple[datetime, int]]:
    """Return the instants at which the qualifying points change, with the points from then on."""
    changes: dict[datetime, int] = {}
    for merit in account.merits:
        until = calendar.period_end(merit.earned_at)
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
    calendar: _Calendar,
) -> list[Spans]:
    """Return when each level, or a higher one, is held."""
    names = [level.name for level in levels]
    given = [(g.tier, Span(g.since, g.until)) for g in account.grants]
    if member := calendar.policy.membership_tier:
        given += [(member, Span(paid.since, paid.until)) for paid in account.memberships]
    held: list[Spans] = []
    earned: Spans = ()
    for rank in range(len(levels) - 1, -1, -1):
        landing = calendar.policy.soft_landing
        soft = [Span(s.until, calendar.landed_until(s.until)) for s in earned if landing]
        reached = _reached(levels[rank].points, steps, calendar)
        earned = _joined([*reached, *earned, *soft])
        granted = [span for name, span in given if name in names[rank:]]
        held.append(_joined([*earned, *granted]))
    return held[::-1]


def _reached(
    points: int, steps: Sequence[tuple[datetime, int]], calendar: _Calendar
) -> Iterable[Span]:
    """Yield the time from when so many points are there until the end of the next period."""
    for (since, there), (until, _) in pairwise([*steps, (calendar.end, 0)]):
        if there >= points:
            yield Span(since, calendar.kept_until(until))


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


def _is_start(held: Sequence[Spans], at: datetime, rank: int) -> bool:
    """Tell whether a rank begins at an instant."""
    return _rank(held, at) == rank != _rank(held, at - MOMENT)
