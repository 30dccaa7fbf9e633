"""Who brings a customer along is rewarded once, after that customer has bought."""

from typing import TypeAlias, assert_never
from uuid import UUID

from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.calendar import add_days, start_of, zone
from crmcore.domain.lots import Lot, Lots, less
from crmcore.domain.loyalty.account import REMEMBERED_MAX, Account, Referral, with_lots
from crmcore.domain.loyalty.clawback import Count, from_lots, owing
from crmcore.domain.loyalty.earning import new_lot
from crmcore.domain.loyalty.lineage import ReferralCycle, SelfReferral
from crmcore.domain.loyalty.policy import Policy
from crmcore.domain.value import Instant, Ref, Rejection, Value, found, require

# Commands


class RegisterReferral(Value, tag="loyalty.register_referral"):
    """Say that this customer brought another one along."""

    referee: UUID


class QualifyReferral(Value, tag="loyalty.qualify_referral"):
    """Say that the one who was brought along has bought."""

    referee: UUID
    source: Ref


class RewardReferral(Value, tag="loyalty.reward_referral"):
    """Give the points for it, once."""

    referee: UUID


class ReverseReferral(Value, tag="loyalty.reverse_referral"):
    """Take the points back, because the purchase was refunded."""

    referee: UUID


Command: TypeAlias = RegisterReferral | QualifyReferral | RewardReferral | ReverseReferral


# Events


class ReferralRegistered(Value, tag="loyalty.referral_registered"):
    """This customer brought another one along; it lapses if nothing is bought."""

    referee: UUID
    lapses_at: Instant


class ReferralQualified(Value, tag="loyalty.referral_qualified"):
    """The one who was brought along has bought; it may be reversed until an instant."""

    referee: UUID
    source: Ref
    reversible_until: Instant


class ReferralRewarded(Value, tag="loyalty.referral_rewarded"):
    """Points were given for bringing somebody along."""

    referee: UUID
    lot: Lot


class ReferralReversed(Value, tag="loyalty.referral_reversed"):
    """The points for bringing somebody along were taken back, or are owed."""

    referee: UUID
    taken: Lots
    lapsed: Count
    owed: Count
    waived: Count
    at: Instant


Event: TypeAlias = ReferralRegistered | ReferralQualified | ReferralRewarded | ReferralReversed


# Rejections


class UnknownReferral(Rejection):
    """What qualifies, is rewarded or reversed was registered, among the latest."""

    referee: UUID


class ReferralLapsed(Rejection):
    """A referral qualifies before it lapses."""

    lapses_at: Instant


class NotQualified(Rejection):
    """A referral that qualified is rewarded or reversed."""

    status: str


class ReversalLate(Rejection):
    """A referral is reversed in time."""

    until: Instant | None


Reason: TypeAlias = (
    SelfReferral | ReferralCycle | UnknownReferral | ReferralLapsed | NotQualified | ReversalLate
)


def decide(command: Command, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return what becomes of a referral (rules.md L18)."""
    match command:
        case RegisterReferral(referee=referee):
            return _registered(referee, account, act, policy)
        case QualifyReferral(referee=referee, source=source):
            return _qualified(_found(account, referee), source, act, policy)
        case RewardReferral(referee=referee):
            referral = _found(account, referee)
            if referral.status == "rewarded":
                return ()
            require(referral.status == "qualified", NotQualified(status=referral.status))
            lot = new_lot(account, policy.referral_points, act, policy)
            return (ReferralRewarded(referee=referee, lot=lot),)
        case ReverseReferral(referee=referee):
            return _reversed(_found(account, referee), account, act, policy)
        case _:
            assert_never(command)


def evolve(account: Account, event: Event) -> Account:
    """Return the account after somebody was brought along."""
    match event:
        case ReferralRegistered(referee=referee, lapses_at=lapses_at):
            return _with(account, Referral(referee=referee, lapses_at=lapses_at))
        case ReferralQualified(referee=referee, source=source, reversible_until=until):
            qualified = {"status": "qualified", "source": source, "reversible_until": until}
            return _changed(account, referee, **qualified)
        case ReferralRewarded(referee=referee, lot=lot):
            rewarded = {"status": "rewarded", "lot": lot.number, "points": lot.points}
            return with_lots(_changed(account, referee, **rewarded), (lot,))
        case ReferralReversed(referee=referee, taken=taken, owed=owed, at=at):
            left = replace(account, lots=less(account.lots, taken))
            return owing(_changed(left, referee, status="reversed"), owed, at)
        case _:
            assert_never(event)


def _registered(referee: UUID, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    require(referee != account.customer, SelfReferral(customer=referee))
    require(referee not in account.referrers, ReferralCycle(lineage=account.referrers))
    known = _of(account, referee)
    has_lapsed = known and known.status == "pending" and known.lapses_at <= act.effective_at
    if known and not has_lapsed:
        return ()
    lapses_on = add_days(policy.day(act), policy.referral_lapse_days)
    lapses_at = start_of(lapses_on, zone(policy.time_zone))
    return (ReferralRegistered(referee=referee, lapses_at=lapses_at),)


def _qualified(referral: Referral, source: str, act: Act, policy: Policy) -> tuple[Event, ...]:
    if referral.status != "pending":
        return ()
    in_time = act.effective_at < referral.lapses_at
    require(in_time, ReferralLapsed(lapses_at=referral.lapses_at))
    ends_on = add_days(policy.day(act), policy.referral_reversal_days)
    until = start_of(ends_on, zone(policy.time_zone))
    return (ReferralQualified(referee=referral.referee, source=source, reversible_until=until),)


def _reversed(referral: Referral, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    until, at = referral.reversible_until, act.effective_at
    if referral.status == "reversed":
        return ()
    require(referral.status != "pending", NotQualified(status=referral.status))
    require(until is None or at < until, ReversalLate(until=until))
    gone = referral.lapsed
    taken, short = from_lots(account.pool(at), referral.lot, referral.points - gone, at)
    owed = short if policy.on_shortfall == "deficit" else 0
    return (
        ReferralReversed(
            referee=referral.referee,
            taken=taken,
            lapsed=gone,
            owed=owed,
            waived=short - owed,
            at=at,
        ),
    )


def _of(account: Account, referee: UUID) -> Referral | None:
    return next((one for one in account.referrals if one.referee == referee), None)


def _found(account: Account, referee: UUID) -> Referral:
    return found(_of(account, referee), UnknownReferral(referee=referee))


def _with(account: Account, referral: Referral) -> Account:
    """Return an account with a referral: those that wait for a reward, and the latest others."""
    others = [one for one in account.referrals if one.referee != referral.referee]
    over = [one.referee for one in others if one.status in ("rewarded", "reversed")]
    gone = set(over[: max(0, len(over) + 1 - REMEMBERED_MAX)])
    kept = (one for one in others if one.referee not in gone)
    return replace(account, referrals=(*kept, referral))


def _changed(account: Account, referee: UUID, **fields: object) -> Account:
    referrals = tuple(
        replace(one, **fields) if one.referee == referee else one for one in account.referrals
    )
    return replace(account, referrals=referrals)
