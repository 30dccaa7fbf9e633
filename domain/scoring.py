"""The score of a lead: points for what somebody did, which fade."""

from datetime import date
from fractions import Fraction
from typing import Annotated, TypeAlias

from msgspec import Meta

from crmcore.domain.calendar import add_days
from crmcore.domain.lead import LIVE, NotALead, Phase
from crmcore.domain.value import Ref, Rejection, Value, found, require

HALVINGS_MAX = 32

Points: TypeAlias = Annotated[int, Meta(ge=1, le=1_000)]
Days: TypeAlias = Annotated[int, Meta(ge=1, le=3_650)]


class Behaviour(Value):
    """What somebody may do, its points, and for how many days the same again counts for nothing."""

    name: Ref
    points: Points
    window_days: Days = 1


BEHAVIOURS = (
    Behaviour(name="page visited", points=2),
    Behaviour(name="email answered", points=10, window_days=7),
    Behaviour(name="event attended", points=20, window_days=30),
    Behaviour(name="demonstration asked for", points=40, window_days=30),
)


# Command


class ScoreLead(Value, tag="opportunity.score_lead"):
    """Say that somebody did what counts, such as visiting a page."""

    behaviour: Ref


# Event


class Score(Value):
    """Points that halve in so many days, again and again; the same counts again from a day on."""

    behaviour: Ref
    points: Points
    half_life_days: Days
    scored_on: date
    counts_again_on: date

    def worth(self, on: date) -> Fraction:
        """Return what is left: half of it each half-life, along a straight line in between."""
        halvings, days = divmod(max(0, (on - self.scored_on).days), self.half_life_days)
        if halvings >= HALVINGS_MAX:
            return Fraction(0)
        return Fraction(self.points, 1 << halvings) * (1 - Fraction(days, 2 * self.half_life_days))


class LeadScored(Value, tag="opportunity.lead_scored"):
    """Somebody did what counts."""

    score: Score


# Rejection


class UnknownBehaviour(Rejection):
    """What counts for a lead is in the policy."""

    behaviours: tuple[str, ...]


class Scoring(Value):
    """What counts for a lead, and in how many days its points halve (rules.md O16)."""

    behaviours: tuple[Behaviour, ...]
    half_life_days: int


def decide(
    command: ScoreLead, phase: Phase, scores: tuple[Score, ...], today: date, policy: Scoring
) -> tuple[LeadScored, ...]:
    """Return the points of a live lead; the same counts once in its window (rules.md O16)."""
    require(phase in LIVE, NotALead(phase=phase))
    known = {one.name: one for one in policy.behaviours}
    behaviour = found(known.get(command.behaviour), UnknownBehaviour(behaviours=tuple(known)))
    before = [one for one in scores if one.behaviour == behaviour.name]
    if any(today < one.counts_again_on for one in before):
        return ()
    score = Score(
        behaviour=behaviour.name,
        points=behaviour.points,
        half_life_days=policy.half_life_days,
        scored_on=today,
        counts_again_on=add_days(today, behaviour.window_days),
    )
    return (LeadScored(score=score),)
