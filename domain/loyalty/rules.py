"""The rules of loyalty accounts: each concept decides for itself, and here they meet.

All of them share the lots of one account, so that each decision sees every point once.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeAlias, get_args

from crmcore.domain import lots
from crmcore.domain.act import Act
from crmcore.domain.decider import Decider
from crmcore.domain.loyalty import (
    absorbing,
    adjusting,
    benefits,
    clawback,
    earning,
    holds,
    lineage,
    membership,
    referrals,
    spending,
    standing,
    tiers,
    transfers,
)
from crmcore.domain.loyalty.absorbing import Absorb
from crmcore.domain.loyalty.account import Account
from crmcore.domain.loyalty.allowed import require_allowed
from crmcore.domain.loyalty.benefits import BenefitIssued, IssueBenefit
from crmcore.domain.loyalty.clawback import ClawBack, PointsClawedBack
from crmcore.domain.loyalty.earning import Earn, PointsEarned
from crmcore.domain.loyalty.lineage import NameReferrer, ReferrerNamed
from crmcore.domain.loyalty.membership import (
    MembershipBought,
    MembershipCancelled,
    MembershipRefunded,
    MembershipRenewed,
)
from crmcore.domain.loyalty.policy import Policy
from crmcore.domain.loyalty.referrals import (
    ReferralQualified,
    ReferralRegistered,
    ReferralReversed,
    ReferralRewarded,
    ReverseReferral,
)
from crmcore.domain.loyalty.standing import Close, Enrol, Enrolled, NotEnrolled, Resume, Suspend
from crmcore.domain.loyalty.tiers import GrantTier, TierGranted
from crmcore.domain.money import CurrencyMismatch
from crmcore.domain.value import require

Command: TypeAlias = (
    earning.Command | spending.Command | Enrol | holds.Command | clawback.Command
    | adjusting.Command | transfers.Command | absorbing.Command | Suspend | Resume | Close
    | GrantTier | NameReferrer | referrals.Command | IssueBenefit | membership.Command
)  # fmt: skip
Event: TypeAlias = (
    earning.Event | spending.Event | standing.Event | holds.Event | clawback.Event
    | adjusting.Event | transfers.Event | absorbing.Event | TierGranted | ReferrerNamed
    | referrals.Event | BenefitIssued | membership.Event
)  # fmt: skip
Reason: TypeAlias = (
    standing.Reason | earning.Reason | spending.Reason | holds.Reason | clawback.Reason
    | adjusting.Reason | transfers.Reason | absorbing.Reason | tiers.Reason | lineage.Reason
    | referrals.Reason | benefits.Reason | membership.Reason | CurrencyMismatch
)  # fmt: skip

Spending: TypeAlias = (
    spending.Command | holds.Command | clawback.Command | adjusting.Command | transfers.Command
    | absorbing.Command | standing.Command | ReverseReferral
)  # fmt: skip
Owing: TypeAlias = ClawBack | ReverseReferral | Absorb

# The part that each fact is of: one look for every fact of a long history.
_EVOLVE: Mapping[type, Callable[[Account, Any], Account]] = {
    kind: part
    for part, events in (
        (earning.evolve, earning.Event),
        (spending.evolve, spending.Event),
        (holds.evolve, holds.Event),
        (clawback.evolve, clawback.Event),
        (transfers.evolve, transfers.Event),
        (adjusting.evolve, adjusting.Event),
        (standing.evolve, standing.Event),
        (absorbing.evolve, absorbing.Event),
        (lineage.evolve, ReferrerNamed),
        (benefits.evolve, BenefitIssued),
        (tiers.evolve, TierGranted),
        (membership.evolve, membership.Event),
        (referrals.evolve, referrals.Event),
    )
    for kind in get_args(events) or (events,)
}


def decide(command: Command, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return what happens when this command meets this account."""
    require(account.customer is not None or isinstance(command, Enrol), NotEnrolled())
    require_allowed(command, account, policy)
    if isinstance(command, Earn):
        return earning.decide(command, account, act, policy)
    if isinstance(command, Spending):
        return _at_its_instant(command, account, act, policy)
    if isinstance(command, membership.Command):
        return membership.decide(command, account, act, policy)
    if isinstance(command, NameReferrer):
        return lineage.decide(command, account)
    if isinstance(command, IssueBenefit):
        return benefits.decide(command, account, act, policy)
    if isinstance(command, GrantTier):
        return tiers.decide(command, account, act, policy)
    return referrals.decide(command, account, act, policy)


def evolve(account: Account, event: Event) -> Account:
    """Return the account after a fact. No rules here: what happened, happened."""
    return _EVOLVE[type(event)](account, event)


def decider(policy: Policy) -> Decider[Command, Account, Event]:
    """Return the loyalty rules under this policy."""
    return Decider(
        kind="loyalty",
        initial=Account(),
        decide=partial(decide, policy=policy),
        evolve=evolve,
        customer=lambda _, account: account.customer,
        commands=Command,
        events=Event,
        rejections=Reason,
        threads=_threads,
    )


def _at_its_instant(
    command: Spending, account: Account, act: Act, policy: Policy
) -> tuple[Event, ...]:
    """Decide on the points as they are at the instant of the act, and say how they came to be so.

    What has happened by itself is recorded before what was asked for, and what becomes free by that
    settles what is owed: so points are never free and owed at once (rules.md L8).
    """
    at = act.effective_at
    by_itself = tuple(_fact(step) for step in lots.due(account.recorded, account.lives_until(at)))
    now = _after(account, by_itself)
    events = _decided(command, now, act, policy)
    if not events:
        return events
    if not now.owed and not isinstance(command, Owing):  # nothing is owed that could be settled
        return (*by_itself, *events)
    then = _after(now, events)
    step = None if then.is_forfeited(at) else lots.settlement(then.recorded, at)
    return (*by_itself, *events, *([clawback.settled(step)] if step else []))


def _decided(command: Spending, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    if isinstance(command, spending.Command):
        return spending.decide(command, account, act, policy)
    if isinstance(command, holds.Command):
        return holds.decide(command, account, act, policy)
    if isinstance(command, ClawBack):
        return clawback.decide(command, account, act, policy)
    if isinstance(command, adjusting.Command):
        return adjusting.decide(command, account, act, policy)
    if isinstance(command, transfers.Command):
        return transfers.decide(command, account, act, policy)
    if isinstance(command, absorbing.Command):
        return absorbing.decide(command, account, act)
    if isinstance(command, ReverseReferral):
        return referrals.decide(command, account, act, policy)
    return standing.decide(command, account, act, policy)


def _fact(step: lots.Step) -> Event:
    return holds.lapsed(step) if isinstance(step, lots.Lapse) else clawback.settled(step)


def _after(account: Account, events: Iterable[Event]) -> Account:
    for event in events:
        account = evolve(account, event)
    return account


def _threads(event: Event) -> tuple[str, ...]:
    """Return what an event belongs to; what is earned may be dated back (rules.md L14).

    All that spends points, or stops that, is one thread: each such decision sees those before it.
    """
    match event:
        case PointsEarned(source=source):
            return (f"sale {source}",)
        case PointsClawedBack(source=source):
            return ("spending", f"sale {source}")
        case Enrolled() | TierGranted():
            return ()
        case ReferrerNamed():
            return ("referrer",)
        case ReferralRegistered() | ReferralQualified() | ReferralRewarded():
            return (f"referral {event.referee}",)
        case ReferralReversed(referee=referee):
            return ("spending", f"referral {referee}")
        case BenefitIssued(kind=kind):
            return ("membership", f"benefit {kind}")
        case MembershipBought() | MembershipRenewed():
            return ("membership",)
        case MembershipCancelled() | MembershipRefunded():
            return ("membership",)
        case _:
            return ("spending",)
