"""The rules of loyalty accounts: each concept decides for itself, and here they meet.

All of them share the lots of one account, so that each decision sees every point once.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TypeAlias

from crmcore.domain import lots
from crmcore.domain.act import Act
from crmcore.domain.decider import Decider
from crmcore.domain.loyalty import (
    adjusting,
    benefits,
    clawback,
    earning,
    holds,
    membership,
    referrals,
    spending,
    standing,
    tiers,
    transfers,
)
from crmcore.domain.loyalty.account import Account
from crmcore.domain.loyalty.adjusting import Adjust, ExtendExpiry
from crmcore.domain.loyalty.benefits import BenefitIssued, IssueBenefit
from crmcore.domain.loyalty.clawback import ClawBack, PointsClawedBack
from crmcore.domain.loyalty.earning import Earn, PointsEarned
from crmcore.domain.loyalty.holds import Capture, Release, Reserve
from crmcore.domain.loyalty.membership import (
    BuyMembership,
    CancelMembership,
    MembershipBought,
    MembershipCancelled,
    MembershipRefunded,
    MembershipRenewed,
    RefundMembership,
    RenewMembership,
)
from crmcore.domain.loyalty.policy import Activity, Policy
from crmcore.domain.loyalty.referrals import (
    NameReferrer,
    QualifyReferral,
    ReferralQualified,
    ReferralRegistered,
    ReferralReversed,
    ReferralRewarded,
    ReferrerNamed,
    RegisterReferral,
    ReverseReferral,
    RewardReferral,
)
from crmcore.domain.loyalty.spending import RecordExpiry, Redeem, ReverseRedemption
from crmcore.domain.loyalty.standing import Close, Enrol, Enrolled, NotEnrolled, Resume, Suspend
from crmcore.domain.loyalty.tiers import GrantTier, TierGranted
from crmcore.domain.loyalty.transfers import (
    Absorb,
    ConfirmTransfer,
    ReturnTransfer,
    TransferIn,
    TransferOut,
)
from crmcore.domain.money import CurrencyMismatch
from crmcore.domain.value import require

Command: TypeAlias = (
    Earn | Redeem | ReverseRedemption | RecordExpiry | Enrol
    | holds.Command | clawback.Command | adjusting.Command | transfers.Command
    | Suspend | Resume | Close | tiers.Command | referrals.Command | benefits.Command
    | membership.Command
)  # fmt: skip
Event: TypeAlias = (
    earning.Event | spending.Event | standing.Event | holds.Event | clawback.Event
    | adjusting.Event | transfers.Event | tiers.Event | referrals.Event | benefits.Event
    | membership.Event
)  # fmt: skip
Reason: TypeAlias = (
    standing.Reason | earning.Reason | spending.Reason | holds.Reason | clawback.Reason
    | adjusting.Reason | transfers.Reason | tiers.Reason | referrals.Reason | benefits.Reason
    | membership.Reason | CurrencyMismatch
)  # fmt: skip

Spending: TypeAlias = (
    spending.Command | holds.Command | clawback.Command | adjusting.Command | transfers.Command
    | standing.Command | ReverseReferral
)  # fmt: skip

# What each command does: by its status an account may do it or not (rules.md L17).
ACTIVITIES: Mapping[type, Activity] = {
    Earn: "earn",
    Redeem: "spend",
    Reserve: "spend",
    Capture: "spend",
    TransferOut: "spend",
    ReverseRedemption: "give_back",
    Release: "give_back",
    ConfirmTransfer: "give_back",
    ReturnTransfer: "give_back",
    ClawBack: "take_back",
    RecordExpiry: "take_back",
    ReverseReferral: "take_back",
    CancelMembership: "take_back",
    RefundMembership: "take_back",
    Adjust: "correct",
    ExtendExpiry: "correct",
    GrantTier: "correct",
    Absorb: "correct",
    TransferIn: "benefit",
    NameReferrer: "benefit",
    RegisterReferral: "benefit",
    QualifyReferral: "benefit",
    RewardReferral: "benefit",
    IssueBenefit: "benefit",
    BuyMembership: "benefit",
    RenewMembership: "benefit",
}


def decide(command: Command, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return what happens when this command meets this account."""
    require(account.customer is not None or isinstance(command, Enrol), NotEnrolled())
    if activity := ACTIVITIES.get(type(command)):
        standing.require_allowed(activity, account, policy)
    match command:
        case Earn():
            return earning.decide(command, account, act, policy)
        case GrantTier():
            return tiers.decide(command, account, act, policy)
        case IssueBenefit():
            return benefits.decide(command, account, act, policy)
        case BuyMembership() | RenewMembership() | CancelMembership() | RefundMembership():
            return membership.decide(command, account, act, policy)
        case NameReferrer() | RegisterReferral() | QualifyReferral() | RewardReferral():
            return referrals.decide(command, account, act, policy)
        case _:
            return _at_its_instant(command, account, act, policy)


def evolve(account: Account, event: Event) -> Account:
    """Return the account after a fact. No rules here: what happened, happened."""
    if isinstance(event, earning.Event):
        return earning.evolve(account, event)
    if isinstance(event, spending.Event):
        return spending.evolve(account, event)
    if isinstance(event, holds.Event):
        return holds.evolve(account, event)
    if isinstance(event, clawback.Event):
        return clawback.evolve(account, event)
    if isinstance(event, transfers.Event):
        return transfers.evolve(account, event)
    if isinstance(event, adjusting.Event):
        return adjusting.evolve(account, event)
    if isinstance(event, referrals.Event):
        return referrals.evolve(account, event)
    if isinstance(event, benefits.Event):
        return benefits.evolve(account, event)
    if isinstance(event, membership.Event):
        return membership.evolve(account, event)
    if isinstance(event, tiers.Event):
        return tiers.evolve(account, event)
    return standing.evolve(account, event)


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
    by_itself = tuple(_fact(step) for step in lots.due(account.recorded, at))
    now = _after(account, by_itself)
    events = _decided(command, now, act, policy)
    if not events:
        return ()
    step = lots.settlement(_after(now, events).recorded, at)
    return (*by_itself, *events, *([clawback.settled(step)] if step else []))


def _decided(command: Spending, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    match command:
        case Redeem() | ReverseRedemption() | RecordExpiry():
            return spending.decide(command, account, act, policy)
        case Reserve() | Capture() | Release():
            return holds.decide(command, account, act, policy)
        case ClawBack():
            return clawback.decide(command, account, act, policy)
        case Adjust() | ExtendExpiry():
            return adjusting.decide(command, account, act, policy)
        case TransferOut() | ConfirmTransfer() | ReturnTransfer() | TransferIn() | Absorb():
            return transfers.decide(command, account, act, policy)
        case ReverseReferral():
            return referrals.decide(command, account, act, policy)
        case _:
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
