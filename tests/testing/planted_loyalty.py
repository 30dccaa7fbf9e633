"""Bugs that are planted in the rules of loyalty accounts, as those in `planted` are."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from crmcore.domain import loyalty
from crmcore.domain.act import Act
from crmcore.domain.loyalty import clawback, membership
from crmcore.domain.loyalty.account import Merit
from tests.testing.planted import (
    LOYALTY,
    SPENDING,
    Planted,
    among,
    believing,
    changed,
    deciding,
    evolving,
)


def _takes_back_again(account: loyalty.Account, event: Any) -> loyalty.Account:  # noqa: ANN401 - any event
    after: loyalty.Account = LOYALTY.evolve(account, event)
    forgets = isinstance(event, clawback.PointsClawedBack)
    return replace(after, earned=account.earned) if forgets else after


def _owes_nothing(account: loyalty.Account, event: Any) -> loyalty.Account:  # noqa: ANN401 - any event
    after: loyalty.Account = LOYALTY.evolve(account, event)
    forgets = isinstance(event, clawback.PointsClawedBack)
    return replace(after, owed=account.owed, owed_since=account.owed_since) if forgets else after


def _settles_nothing(command: Any, account: loyalty.Account, act: Act) -> tuple[Any, ...]:  # noqa: ANN401 - any command
    free = replace(account, owed=0) if isinstance(command, loyalty.Redeem) else account
    events = LOYALTY.decide(command, free, act)
    if isinstance(command, loyalty.Absorb):
        return events
    return tuple(event for event in events if not isinstance(event, clawback.DeficitSettled))


def _captures_late(command: Any, account: loyalty.Account, act: Act) -> tuple[Any, ...]:  # noqa: ANN401 - any command
    if isinstance(command, loyalty.Capture):
        held = (replace(one, until=one.until.replace(year=9000)) for one in account.holds)
        account = replace(account, holds=tuple(held))
    return LOYALTY.decide(command, account, act)


def _sends_back_again(account: loyalty.Account, _: Act) -> loyalty.Account:
    open_still = (replace(one, status="in_transit") for one in account.transfers)
    return replace(account, transfers=tuple(open_still))


def _is_never_closed(account: loyalty.Account, _: Act) -> loyalty.Account:
    return replace(account, status="active", forfeits_at=None)


def _rewards_again(account: loyalty.Account, _: Act) -> loyalty.Account:
    bought = (
        replace(one, status="qualified") if one.status == "rewarded" else one
        for one in account.referrals
    )
    return replace(account, referrals=tuple(bought))


def _forgets_birthdays(account: loyalty.Account, _: Act) -> loyalty.Account:
    return replace(account, benefits=())


def _begins_at_once(account: loyalty.Account, event: Any) -> Any:  # noqa: ANN401 - any event
    if isinstance(event, membership.MembershipBought) and account.memberships:
        return replace(event, since=account.memberships[0].since)
    return event


def _lowers_what_qualifies(account: loyalty.Account, event: Any) -> loyalty.Account:  # noqa: ANN401 - any event
    after: loyalty.Account = LOYALTY.evolve(account, event)
    if isinstance(event, loyalty.PointsRedeemed):
        at = event.allocations[0].vests_at
        spent = Merit(points=-event.points, earned_at=at, since=at)
        return replace(after, merits=(*after.merits, spent))
    return after


# What happens to points, and what the programme gives: of all commands of an account, some.
REFUNDS = SPENDING | loyalty.ClawBack
POINTS = (
    SPENDING | loyalty.ClawBack | loyalty.Reserve | loyalty.Capture | loyalty.Release
    | loyalty.TransferOut | loyalty.ReturnTransfer | loyalty.ConfirmTransfer | loyalty.Close
)  # fmt: skip
PROGRAMME = (
    loyalty.Enrol | loyalty.Earn | loyalty.Redeem | loyalty.RegisterReferral
    | loyalty.QualifyReferral | loyalty.RewardReferral | loyalty.ReverseReferral
    | loyalty.IssueBenefit | loyalty.BuyMembership | loyalty.RenewMembership
    | loyalty.CancelMembership
)  # fmt: skip


PLANTED_LOYALTY: Sequence[Planted] = (
    Planted(
        "takes back what it took back",
        "L7",
        among(REFUNDS, evolving(LOYALTY, _takes_back_again)),
        4,
    ),
    Planted("forgets what is owed", "L8", among(REFUNDS, evolving(LOYALTY, _owes_nothing)), 4),
    Planted(
        "spends beside what is owed", "L8", among(REFUNDS, deciding(LOYALTY, _settles_nothing)), 6
    ),
    Planted(
        "captures what is on hold no more",
        "L10",
        among(POINTS, deciding(LOYALTY, _captures_late)),
        4,
    ),
    Planted(
        "gives a transfer back that had ended",
        "L13",
        among(POINTS, believing(LOYALTY, loyalty.ReturnTransfer, _sends_back_again)),
        5,
    ),
    Planted(
        "lets a redemption lower the tier",
        "L15",
        among(SPENDING, evolving(LOYALTY, _lowers_what_qualifies)),
        3,
    ),
    Planted(
        "spends what was forfeited",
        "L17",
        among(POINTS, believing(LOYALTY, loyalty.Redeem, _is_never_closed)),
        4,
    ),
    Planted(
        "rewards a referral again",
        "L18",
        among(PROGRAMME, believing(LOYALTY, loyalty.RewardReferral, _rewards_again)),
        5,
    ),
    Planted(
        "has a birthday whenever it is asked",
        "L19",
        among(PROGRAMME, believing(LOYALTY, loyalty.IssueBenefit, _forgets_birthdays)),
        3,
    ),
    Planted(
        "begins a period within another",
        "L20",
        among(PROGRAMME, changed(LOYALTY, _begins_at_once)),
        3,
    ),
)
