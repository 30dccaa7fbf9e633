"""What an account may do by its status: each command is an activity, and the policy lists them."""

from collections.abc import Mapping

from crmcore.domain.loyalty.absorbing import Absorb, HandOver
from crmcore.domain.loyalty.account import Account
from crmcore.domain.loyalty.adjusting import Adjust, ExtendExpiry
from crmcore.domain.loyalty.benefits import IssueBenefit
from crmcore.domain.loyalty.clawback import ClawBack
from crmcore.domain.loyalty.earning import Earn
from crmcore.domain.loyalty.holds import Capture, Release, Reserve
from crmcore.domain.loyalty.lineage import NameReferrer
from crmcore.domain.loyalty.membership import (
    BuyMembership,
    CancelMembership,
    RefundMembership,
    RenewMembership,
)
from crmcore.domain.loyalty.policy import Activity, Policy
from crmcore.domain.loyalty.referrals import (
    QualifyReferral,
    RegisterReferral,
    ReverseReferral,
    RewardReferral,
)
from crmcore.domain.loyalty.spending import RecordExpiry, Redeem, ReverseRedemption
from crmcore.domain.loyalty.standing import Closed, Suspended
from crmcore.domain.loyalty.tiers import GrantTier
from crmcore.domain.loyalty.transfers import (
    ConfirmTransfer,
    ReturnTransfer,
    TransferIn,
    TransferOut,
)
from crmcore.domain.value import require

# Commands that are none change the status themselves.
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
    HandOver: "correct",
    TransferIn: "benefit",
    NameReferrer: "benefit",
    RegisterReferral: "benefit",
    QualifyReferral: "benefit",
    RewardReferral: "benefit",
    IssueBenefit: "benefit",
    BuyMembership: "benefit",
    RenewMembership: "benefit",
}


def require_allowed(command: object, account: Account, policy: Policy) -> None:
    """Reject what an account in its status may not do: the matrix is in the policy (L17)."""
    activity = ACTIVITIES.get(type(command))
    if activity is None:
        return
    if account.status == "suspended":
        require(activity in policy.suspended_may, Suspended(activity=activity))
    if account.status == "closed":
        require(activity in policy.closed_may, Closed(activity=activity))
