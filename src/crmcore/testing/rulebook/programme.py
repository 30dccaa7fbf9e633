"""What holds of every history of a loyalty account: of tiers, referrals, benefits and periods."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from itertools import pairwise
from uuid import UUID

from crmcore.domain import loyalty
from crmcore.domain.loyalty import benefits, clawback, lineage, membership, referrals, standing
from crmcore.testing.laws import law
from crmcore.testing.living import History
from crmcore.testing.rulebook.ledger import spent_by
from crmcore.testing.steps import AnyDecider


@law
def what_qualifies_falls_by_clawback_only(_: AnyDecider, history: History) -> Iterator[str]:
    """Points that qualify are those of sales without what was taken back (rules.md L15)."""
    left, extra = Counter[str](), 0
    for event in history.events:
        match event:
            case loyalty.PointsEarned(source=source, lot=lot, breakdown=shares):
                bonus = sum(share.points for share in shares if share.rule != "base")
                left[source] = lot.points - bonus
            case clawback.PointsClawedBack(source=source, qualifying=points):
                left[source] -= points
                if left[source] < 0:
                    yield f"{event!r} takes back more than had qualified"
            case loyalty.absorbing.AccountAbsorbed(merits=merits):
                extra += sum(merit.points for merit in merits)
            case loyalty.absorbing.AccountHandedOver(merits=merits):
                extra -= sum(merit.points for merit in merits)
            case _:
                pass
    if (said := sum(merit.points for merit in history.state.merits)) != left.total() + extra:
        yield f"by its facts {left.total() + extra} points qualify, and not {said}"


@law
def what_is_forfeited_is_not_spent(_: AnyDecider, history: History) -> Iterator[str]:
    """Nothing of a closed account is spent once it is forfeited (rules.md L17)."""
    forfeits_at: datetime | None = None
    for step in history.steps:
        for event in step.events:
            match event:
                case standing.AccountClosed():
                    forfeits_at = event.forfeits_at
                case standing.AccountResumed():
                    forfeits_at = None
                case _:
                    if forfeits_at and forfeits_at <= step.at and spent_by(event):
                        yield f"{event!r} spends what was forfeited at {forfeits_at}"


@law
def a_referral_is_rewarded_once(_: AnyDecider, history: History) -> Iterator[str]:
    """Somebody else is brought along, and that is rewarded once, after buying (rules.md L18)."""
    status: dict[UUID, str] = {}
    me: UUID | None = None
    for event in history.events:
        match event:
            case standing.Enrolled(customer=customer):
                me = customer
            case lineage.ReferrerNamed(referrer=referrer, lineage=others):
                if me in (referrer, *others) or "referrer" in status.values():
                    yield f"{event!r} is a circle, or a second one"
                status[referrer] = "referrer"
            case referrals.ReferralRegistered(referee=referee):
                if referee == me or status.get(referee) == "referrer":
                    yield f"{event!r} is a circle"
                status[referee] = "pending"
            case referrals.ReferralQualified(referee=referee):
                status[referee] = "qualified"
            case referrals.ReferralRewarded(referee=referee):
                if status.get(referee) != "qualified":
                    yield f"{event!r} when it was {status.get(referee)}"
                status[referee] = "rewarded"
            case referrals.ReferralReversed(referee=referee):
                if status.get(referee) not in ("qualified", "rewarded"):
                    yield f"{event!r} when it was {status.get(referee)}"
                status[referee] = "reversed"
            case _:
                pass


@law
def a_benefit_comes_once_a_year(_: AnyDecider, history: History) -> Iterator[str]:
    """Between two benefits of a kind are twelve months (rules.md L19)."""
    issued = [event for event in history.events if isinstance(event, benefits.BenefitIssued)]
    for kind in ("birthday", "anniversary"):
        days = [event.issued_on for event in issued if event.kind == kind]
        for before, after in pairwise(days):
            if (after.year - 1, after.month, after.day) < (before.year, before.month, before.day):
                leap = (before.month, before.day) == (2, 29)
                if not leap or after != date(before.year + 1, 2, 28):
                    yield f"a {kind} on {before}, and again on {after}"


@law
def paid_periods_do_not_overlap(_: AnyDecider, history: History) -> Iterator[str]:
    """A paid period begins when the ones before are over, and its price goes back once (L20)."""
    periods: dict[str, tuple[datetime, datetime]] = {}
    paid = Counter[str]()
    for event in history.events:
        match event:
            case membership.MembershipBought() | membership.MembershipRenewed():
                if any(event.since < until for _, until in periods.values()):
                    yield f"{event!r} begins before another one is over"
                periods[event.membership] = (event.since, event.until)
                paid[event.membership] = event.price.minor
            case membership.MembershipCancelled() | membership.MembershipRefunded():
                since = periods[event.membership][0]
                periods[event.membership] = (since, event.until)
                paid[event.membership] -= event.refund.minor
                if paid[event.membership] < 0 or event.until < since:
                    yield f"{event!r} gives back more than was paid"
            case _:
                pass


LAWS = (
    what_qualifies_falls_by_clawback_only,
    what_is_forfeited_is_not_spent,
    a_referral_is_rewarded_once,
    a_benefit_comes_once_a_year,
    paid_periods_do_not_overlap,
)
