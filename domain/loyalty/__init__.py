"""A loyalty account: points are earned, held, spent, given back and taken back, and they lapse.

Each concept has a file of its own with its commands, events and rejections; they meet in `rules`.
"""

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
from crmcore.domain.loyalty.absorbing import Absorb, HandOver
from crmcore.domain.loyalty.account import REMEMBERED_MAX, Account, Earned, Redemption
from crmcore.domain.loyalty.adjusting import Adjust, ExtendExpiry
from crmcore.domain.loyalty.benefits import IssueBenefit
from crmcore.domain.loyalty.clawback import ClawBack
from crmcore.domain.loyalty.earning import Earn, PointsEarned, SourceReused
from crmcore.domain.loyalty.holds import Capture, Release, Reserve
from crmcore.domain.loyalty.liability import Liability, liability, next_change_at
from crmcore.domain.loyalty.lineage import NameReferrer
from crmcore.domain.loyalty.membership import (
    BuyMembership,
    CancelMembership,
    RefundMembership,
    RenewMembership,
)
from crmcore.domain.loyalty.policy import Campaign, Level, Policy
from crmcore.domain.loyalty.referrals import (
    QualifyReferral,
    RegisterReferral,
    ReverseReferral,
    RewardReferral,
)
from crmcore.domain.loyalty.rules import Command, Event, Reason, decide, decider, evolve
from crmcore.domain.loyalty.spending import (
    BelowMinimum,
    Insufficient,
    PointsExpired,
    PointsRedeemed,
    RecordExpiry,
    Redeem,
    RedemptionReused,
    RedemptionReversed,
    ReverseRedemption,
    TooMuchReversed,
    UnknownRedemption,
)
from crmcore.domain.loyalty.standing import (
    AlreadyEnrolled,
    Close,
    Enrol,
    Enrolled,
    NotEnrolled,
    Resume,
    Suspend,
)
from crmcore.domain.loyalty.tiers import GrantTier, Tier, tier
from crmcore.domain.loyalty.transfers import (
    ConfirmTransfer,
    ReturnTransfer,
    TransferIn,
    TransferOut,
)

__all__ = [
    "REMEMBERED_MAX",
    "Absorb",
    "Account",
    "Adjust",
    "AlreadyEnrolled",
    "BelowMinimum",
    "BuyMembership",
    "Campaign",
    "CancelMembership",
    "Capture",
    "ClawBack",
    "Close",
    "Command",
    "ConfirmTransfer",
    "Earn",
    "Earned",
    "Enrol",
    "Enrolled",
    "Event",
    "ExtendExpiry",
    "GrantTier",
    "HandOver",
    "Insufficient",
    "IssueBenefit",
    "Level",
    "Liability",
    "NameReferrer",
    "NotEnrolled",
    "PointsEarned",
    "PointsExpired",
    "PointsRedeemed",
    "Policy",
    "QualifyReferral",
    "Reason",
    "RecordExpiry",
    "Redeem",
    "Redemption",
    "RedemptionReused",
    "RedemptionReversed",
    "RefundMembership",
    "RegisterReferral",
    "Release",
    "RenewMembership",
    "Reserve",
    "Resume",
    "ReturnTransfer",
    "ReverseRedemption",
    "ReverseReferral",
    "RewardReferral",
    "SourceReused",
    "Suspend",
    "Tier",
    "TooMuchReversed",
    "TransferIn",
    "TransferOut",
    "UnknownRedemption",
    "absorbing",
    "adjusting",
    "benefits",
    "clawback",
    "decide",
    "decider",
    "earning",
    "evolve",
    "holds",
    "liability",
    "lineage",
    "membership",
    "next_change_at",
    "referrals",
    "spending",
    "standing",
    "tier",
    "tiers",
    "transfers",
]
