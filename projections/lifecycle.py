"""The lifecycle stage: how far a relationship has come, and how long it has been silent."""

from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain import lead, opportunity
from crmcore.domain.calendar import add_months, day_of, start_of, zone
from crmcore.domain.customer import merging, profile
from crmcore.domain.recorded import Recorded
from crmcore.domain.value import Value
from crmcore.projections import sales
from crmcore.projections.projection import Details, Projection, Verdict
from crmcore.projections.sales import Sale, Sales

Months: TypeAlias = Annotated[int, Meta(ge=1, le=600)]
Phase: TypeAlias = Literal["lead", "qualified", "opportunity", "over"]

STAGES = (
    "prospect", "lead", "qualified", "opportunity",
    "new", "active", "reactivated", "inactive", "lost", "closed",
)  # fmt: skip


# Of a customer that was merged: in an account of all customers, who stands for it is counted.
GONE = "gone"


class Policy(Value):
    """The windows of rules.md 3.1, in calendar months."""

    new_window_months: Months = 6
    active_window_months: Months = 12
    active_days_min: Annotated[int, Meta(ge=1, le=1_000)] = 2
    inactive_after_months: Months = 6
    lost_after_months: Months = 18
    time_zone: str = "UTC"


class Deal(Value):
    """A lead or an opportunity of the customer, and the fact that brought it to its phase."""

    phase: Phase
    position: int


class Relationship(Value):
    """What the stage depends on."""

    registered: int | None = None
    merged: tuple[UUID, int] | None = None
    closed: int | None = None
    deals: tuple[tuple[UUID, Deal], ...] = ()
    sales: Sales = ()


def apply(before: Relationship, fact: Recorded[Any], policy: Policy) -> Relationship:
    """Return the relationship after a fact."""
    if phase := _phase(fact.event):
        deals = dict(before.deals) | {fact.stream.id: Deal(phase=phase, position=fact.position)}
        return replace(before, deals=tuple(deals.items()))
    match fact.event:
        case profile.CustomerRegistered():
            return replace(before, registered=fact.position)
        case merging.MergedInto(surviving_customer=other):
            return replace(before, merged=(other, fact.position))
        case merging.Unmerged(other_customer=other):
            ended = before.merged is not None and before.merged[0] == other
            return replace(before, merged=None) if ended else before
        case profile.Deactivated() | profile.Blacklisted():
            return replace(before, closed=fact.position)
        case profile.Reactivated() | profile.Cleared():
            return replace(before, closed=None)
        case _:
            bought = sales.apply(before.sales, fact, zone(policy.time_zone))
            return before if bought is before.sales else replace(before, sales=bought)


def judge(known: Relationship, at: datetime, policy: Policy) -> Verdict | None:
    """Return the first stage whose condition holds; the conditions cover every case."""
    if known.registered is None:
        return None
    if known.merged is not None:
        return _verdict(GONE, "another customer stands for this one", known.merged[1])
    if known.closed is not None:
        return _verdict("closed", "the customer was deactivated or blacklisted", known.closed)
    if known.sales:
        return _buyer(sales.days(known.sales), day_of(at, zone(policy.time_zone)), policy)
    for phase, rule in (
        ("opportunity", "no purchase yet, an opportunity is open"),
        ("qualified", "no purchase yet, a lead is qualified"),
        ("lead", "no purchase yet, a lead is open"),
    ):
        positions = [deal.position for _, deal in known.deals if deal.phase == phase]
        if positions:
            return _verdict(phase, rule, *positions)
    return _verdict("prospect", "known, and neither lead nor purchase yet", known.registered)


def next_look(known: Relationship, at: datetime, policy: Policy) -> datetime | None:
    """Return the first later day on which a window of the purchases ends."""
    if not known.sales or known.closed is not None or known.merged is not None:
        return None
    where = zone(policy.time_zone)
    today = day_of(at, where)
    later = [day for day in _ends(sales.days(known.sales), policy).values() if day > today]
    return start_of(min(later), where) if later else None


def details(known: Relationship, at: datetime, policy: Policy) -> Details:
    """Return how often the customer bought, and how long ago."""
    if not known.sales:
        return ()
    today, last = day_of(at, zone(policy.time_zone)), known.sales[-1].day
    return (
        ("purchase days", str(len(sales.days(known.sales)))),
        ("last purchase", f"{(today - last).days} days ago"),
    )


def lifecycle(policy: Policy) -> Projection[Relationship]:
    """Return the lifecycle projection under a policy."""
    return Projection(
        question="lifecycle",
        initial=Relationship(),
        apply=partial(apply, policy=policy),
        judge=partial(judge, policy=policy),
        next_look=partial(next_look, policy=policy),
        details=partial(details, policy=policy),
    )


def _buyer(bought: list[Sale], today: date, policy: Policy) -> Verdict:
    """Judge by the first, the last and the purchases between them (rules.md 3.1)."""
    first, last, ends = bought[0], bought[-1], _ends(bought, policy)
    if ends["lost"] <= today:
        silent = f"no purchase for {policy.lost_after_months} months"
        return _verdict("lost", silent, last.position)
    if ends["inactive"] <= today:
        silent = f"no purchase for {policy.inactive_after_months} months"
        return _verdict("inactive", silent, last.position)
    if today < ends.get("active", today):
        often = (
            f"purchases on {policy.active_days_min} days or more within "
            f"{policy.active_window_months} months"
        )
        return _verdict("active", often, *(s.position for s in bought[-policy.active_days_min :]))
    if today < ends["new"]:
        fresh = f"the first purchase was less than {policy.new_window_months} months ago"
        return _verdict("new", fresh, first.position)
    back = "bought again, and neither new nor active by these windows"
    return _verdict("reactivated", back, *(sale.position for sale in bought[-2:]))


def _ends(bought: list[Sale], policy: Policy) -> dict[str, date]:
    """Return the day on which each window ends: forward from the fact, never back (X6)."""
    first, last = bought[0].day, bought[-1].day
    ends = {
        "new": add_months(first, policy.new_window_months),
        "inactive": add_months(last, policy.inactive_after_months),
        "lost": add_months(last, policy.lost_after_months),
    }
    if len(bought) >= policy.active_days_min:
        oldest = bought[-policy.active_days_min].day
        ends["active"] = add_months(oldest, policy.active_window_months)
    return ends


def _phase(event: object) -> Phase | None:
    match event:
        case lead.LeadCaptured() | lead.LeadRecycled():
            return "lead"
        case lead.LeadQualified():
            return "qualified"
        case opportunity.OpportunityOpened() | opportunity.OpportunityReopened():
            return "opportunity"
        case opportunity.OpportunityWon() | opportunity.OpportunityLost() | lead.LeadDisqualified():
            return "over"
        case opportunity.OpportunityMerged():
            return "over"
        case _:
            return None


def _verdict(stage: str, rule: str, *because: int) -> Verdict:
    return Verdict(answer=stage, rule=rule, because=because)
