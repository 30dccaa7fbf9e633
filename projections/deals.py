"""What a deal went through: its stages one after the other, and whether it is on its way."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

from msgspec.structs import replace

from crmcore.domain import opportunity
from crmcore.domain.calendar import add_days, day_of, start_of, zone
from crmcore.domain.lead import LIVE
from crmcore.domain.opportunity import Opportunity, Policy
from crmcore.domain.recorded import Recorded
from crmcore.domain.timeline import Interval, tiled
from crmcore.domain.value import Value
from crmcore.projections.projection import Details, Projection, Verdict, in_effect


class Deal(Value):
    """An opportunity, the stages that it was in since when, and how often its day was put off.

    What it ended in is the last of its stages: won, lost or merged.
    """

    state: Opportunity = Opportunity()
    places: tuple[tuple[datetime, str], ...] = ()
    pushes: int = 0
    days_pushed: int = 0
    moved: int = 0
    scheduled: int = 0
    latest: int = 0


Deals: TypeAlias = dict[UUID, Deal]


def deals_of(facts: Iterable[Recorded[Any]], as_of: datetime) -> Deals:
    """Return every opportunity as it was at an instant, by its id."""
    deals: Deals = {}
    for fact in in_effect((f for f in facts if f.stream.kind == "opportunity"), as_of):
        deals[fact.stream.id] = apply(deals.get(fact.stream.id, Deal()), fact)
    return deals


def apply(deal: Deal, fact: Recorded[Any]) -> Deal:
    """Return the deal after a fact, in the order in which facts take effect."""
    before, event = deal.state, fact.event
    known = replace(deal, state=opportunity.evolve(before, event), latest=fact.position)
    if place := _place(event, known.state):
        places = (*deal.places, (fact.effective_at, place))
        known = replace(known, places=places, moved=fact.position)
    if known.state.expected_close == before.expected_close:
        return known
    return replace(_pushed(known, before.expected_close), scheduled=fact.position)


def stages_of(deal: Deal, as_of: datetime) -> tuple[Interval[str], ...]:
    """Return the stages of a deal, which tile the time since it was opened (rules.md O4)."""
    intervals = tiled("", deal.places).intervals()[1:]
    return tuple(replace(one, until=one.until or as_of) for one in intervals)


def time_in_stage(deal: Deal, as_of: datetime) -> dict[str, timedelta]:
    """Return how long a deal was in each stage; together that is its age (rules.md O4)."""
    spent: dict[str, timedelta] = {}
    for one in stages_of(deal, as_of):
        assert one.since is not None
        assert one.until is not None
        spent[one.what] = spent.get(one.what, timedelta()) + (one.until - one.since)
    return spent


def outlook(policy: Policy) -> Projection[Deal]:
    """Return what there is to say of a deal: whether it slipped, rots, rests or has ended."""
    return Projection(
        question="outlook",
        initial=Deal(),
        apply=apply,
        judge=partial(judge, policy=policy),
        next_look=partial(next_look, policy=policy),
        details=partial(details, policy=policy),
    )


def judge(deal: Deal, at: datetime, policy: Policy) -> Verdict | None:
    """Return where a deal is: past its day it has slipped, too long in a stage it rots (O9)."""
    known = deal.state
    if known.phase == "new":
        return None
    if known.phase != "open":
        return Verdict(answer=known.phase, rule="this is its phase", because=(deal.latest,))
    if known.is_on_hold:
        return Verdict(answer="on hold", rule="somebody put it on hold", because=(deal.latest,))
    slipped, rotting = (end is not None and end <= at for end in _ends(deal, policy))
    if slipped:
        answer = "slipped and rotting" if rotting else "slipped"
        rule = f"it is open, and was expected to close on {known.expected_close}"
        return Verdict(answer=answer, rule=rule, because=(deal.scheduled,))
    if rotting:
        rule = f"it is in {known.stage} for longer than that stage allows"
        return Verdict(answer="rotting", rule=rule, because=(deal.moved,))
    return Verdict(answer="on track", rule="it is open, and not late", because=(deal.moved,))


def next_look(deal: Deal, at: datetime, policy: Policy) -> datetime | None:
    """Return when a deal that is open slips or begins to rot."""
    if deal.state.phase != "open" or deal.state.is_on_hold:
        return None
    return min((end for end in _ends(deal, policy) if end is not None and end > at), default=None)


def details(deal: Deal, at: datetime, policy: Policy) -> Details:
    """Return the figures behind the outlook, and what is to be done next."""
    known = deal.state
    figures = [("next action", next_action(deal, at, policy))]
    if known.pipeline:
        figures += [
            ("stage", known.stage),
            *((f"time in {stage}", str(time)) for stage, time in time_in_stage(deal, at).items()),
            ("probability", f"{known.probability_percent} %"),
            ("forecast", known.forecast),
            ("went back", str(known.regressions)),
            ("put off", f"{deal.pushes} times, {deal.days_pushed} days"),
        ]
    return tuple(figures)


def next_action(deal: Deal, at: datetime, policy: Policy) -> str:
    """Return what brings a deal on."""
    known = deal.state
    if known.phase in LIVE:
        return "open it" if known.phase == "qualified" else "qualify it"
    if known.phase != "open":
        return "none"
    if known.is_on_hold:
        return "resume it"
    slips = _ends(deal, policy)[0]
    if slips is not None and slips <= at:
        return "reschedule it"
    stages = policy.stages(known.pipeline)
    names = [stage.name for stage in stages]
    later = stages[names.index(known.stage) + 1 :] if known.stage in names else ()
    if not later:
        return "win or lose it"
    unmet = [name for name in later[0].criteria if name not in known.met]
    return f"meet {', '.join(unmet)}" if unmet else f"move it to {later[0].name}"


def _place(event: object, after: Opportunity) -> str | None:
    """Return where a fact brings a deal, None if it stays where it is."""
    match event:
        case opportunity.StagePassed(stage=stage):
            return stage
        case (
            opportunity.OpportunityOpened()
            | opportunity.StageChanged()
            | opportunity.PipelineMigrated()
            | opportunity.OpportunityReopened()
        ):
            return after.stage
        case opportunity.OpportunityWon() | opportunity.OpportunityLost():
            return after.phase
        case opportunity.OpportunityMerged() if after.pipeline:
            return after.phase
        case _:
            return None


def _pushed(deal: Deal, before: date | None) -> Deal:
    now = deal.state.expected_close
    if before is None or now is None or now <= before:
        return deal
    days = deal.days_pushed + (now - before).days
    return replace(deal, pushes=deal.pushes + 1, days_pushed=days)


def _ends(deal: Deal, policy: Policy) -> tuple[datetime | None, datetime | None]:
    """Return when a deal slips, and when it begins to rot, if it does."""
    known, where = deal.state, zone(policy.time_zone)
    stages = policy.stages(known.pipeline)
    days_max = next((stage.days_max for stage in stages if stage.name == known.stage), None)
    slips = rots = None
    if known.expected_close is not None:
        slips = start_of(add_days(known.expected_close, 1), where)
    if days_max is not None:
        since = tiled("", deal.places).changes[-1][0]
        rots = start_of(add_days(day_of(since, where), days_max + 1), where)
    return slips, rots
