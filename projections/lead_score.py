"""How interested a lead is: points for what somebody did, which fade, with their reasons."""

from bisect import bisect_left
from datetime import date, datetime
from fractions import Fraction
from functools import partial
from typing import Any

from msgspec.structs import replace

from crmcore.domain.calendar import add_days, day_of, start_of, zone
from crmcore.domain.opportunity import Policy
from crmcore.domain.opportunity.state import REMEMBERED_MAX
from crmcore.domain.recorded import Recorded
from crmcore.domain.scoring import HALVINGS_MAX, LeadScored, Score
from crmcore.domain.value import Value
from crmcore.projections.projection import Details, Projection, Verdict


class Interest(Value):
    """What counts for a lead, each with the position of its fact."""

    scores: tuple[tuple[Score, int], ...] = ()


def lead_score(policy: Policy) -> Projection[Interest]:
    """Return the score of a lead under a policy (rules.md O16)."""
    return Projection(
        question="lead score",
        initial=Interest(),
        apply=apply,
        judge=partial(judge, policy=policy),
        next_look=partial(next_look, policy=policy),
        details=partial(details, policy=policy),
    )


def apply(known: Interest, fact: Recorded[Any]) -> Interest:
    """Return what counts after a fact, the latest that are remembered."""
    if not isinstance(fact.event, LeadScored):
        return known
    scored = (fact.event.score, fact.position)
    return replace(known, scores=(*known.scores, scored)[-REMEMBERED_MAX:])


def judge(known: Interest, at: datetime, policy: Policy) -> Verdict | None:
    """Return the score in whole points, at most the highest that there is."""
    if not known.scores:
        return None
    today = day_of(at, zone(policy.time_zone))
    counts = tuple(position for score, position in known.scores if score.worth(today))
    rule = f"points for what was done, which fade, up to {policy.score_max}"
    return Verdict(answer=str(points(known, today, policy)), rule=rule, because=counts)


def next_look(known: Interest, at: datetime, policy: Policy) -> datetime | None:
    """Return the first later day on which the score is lower."""
    where = zone(policy.time_zone)
    today = day_of(at, where)
    now = points(known, today, policy)
    if now == 0:
        return None
    gone = max(add_days(s.scored_on, HALVINGS_MAX * s.half_life_days) for s, _ in known.scores)
    days = range(today.toordinal() + 1, gone.toordinal() + 1)
    fallen = bisect_left(
        days, 1, key=lambda day: points(known, date.fromordinal(day), policy) < now
    )
    return start_of(date.fromordinal(days[fallen]), where) if fallen < len(days) else None


def details(known: Interest, at: datetime, policy: Policy) -> Details:
    """Return what counts: each behaviour with its day, its points, and what is left of them."""
    today = day_of(at, zone(policy.time_zone))
    return tuple(
        (f"{score.behaviour} on {score.scored_on}", f"{int(left)} of {score.points} are left")
        for score, _ in known.scores
        if (left := score.worth(today))
    )


def points(known: Interest, on: date, policy: Policy) -> int:
    """Return the score of a day."""
    total = sum((score.worth(on) for score, _ in known.scores), Fraction(0))
    return min(policy.score_max, int(total))
