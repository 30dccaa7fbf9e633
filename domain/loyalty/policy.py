"""The numbers of the loyalty programme that the business may change."""

from datetime import date
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from crmcore.domain.act import Act
from crmcore.domain.calendar import day_of, zone
from crmcore.domain.lots import Points
from crmcore.domain.value import Ref, Value

Activity: TypeAlias = Literal["earn", "spend", "give_back", "take_back", "correct", "benefit"]
Percent: TypeAlias = Annotated[int, Meta(ge=0, le=100)]
Days: TypeAlias = Annotated[int, Meta(ge=0, le=3_650)]
Months: TypeAlias = Annotated[int, Meta(ge=1, le=1_200)]


class Campaign(Value):
    """More points for a while: a share of those of a sale, with bounds for each month."""

    name: Ref
    percent: Annotated[int, Meta(ge=1, le=10_000)]
    since: date | None = None
    until: date | None = None
    month_points_max: Points | None = None
    month_count_max: Annotated[int, Meta(ge=1, le=1_000)] | None = None

    def runs_on(self, day: date) -> bool:
        """Tell whether the campaign runs on a business day; its last day is the one before."""
        begun = self.since is None or self.since <= day
        return begun and (self.until is None or day < self.until)


class Level(Value):
    """A tier, and how many qualifying points lead to it."""

    name: Ref
    points: Points


class Policy(Value):
    """Numbers the business may change; facts carry outcomes, so replay never needs them."""

    minor_units_per_point: Annotated[int, Meta(ge=1)] = 100
    lifetime_months: Months = 12
    points_min: Points = 1
    time_zone: str = "UTC"
    vest_days: Days = 0
    campaigns: tuple[Campaign, ...] = ()
    stacking: Literal["sum", "best"] = "sum"
    month_points_max: Points | None = None
    redemption_points_max: Points = 100_000
    minor_units_paid_by_point: Annotated[int, Meta(ge=1)] = 1
    order_percent_max: Percent = 100
    hold_hours: Annotated[int, Meta(ge=1, le=8_760)] = 24
    holds_outlive_lots: bool = True
    reversal_grace_days: Days = 0
    on_shortfall: Literal["deficit", "clamp"] = "deficit"
    transfer_month_points_max: Annotated[int, Meta(ge=0, le=10**9)] = 1_000
    closing_grace_days: Days = 30
    suspended_may: tuple[Activity, ...] = ("earn", "give_back", "take_back", "correct")
    closed_may: tuple[Activity, ...] = ("give_back", "take_back")
    tiers: tuple[Level, ...] = (
        Level(name="silver", points=1_000),
        Level(name="gold", points=5_000),
        Level(name="platinum", points=20_000),
    )
    tier_window: Literal["calendar_year", "rolling", "anniversary", "lifetime"] = "calendar_year"
    tier_window_months: Months = 12
    tier_grace_days: Days = 0
    soft_landing: bool = True
    membership_tier: Ref | None = None
    membership_months: Months = 12
    membership_grace_days: Days = 30
    membership_cancel: Literal["end_of_period", "pro_rata"] = "end_of_period"
    membership_refund_days: Days = 14
    membership_refund_takes_back_benefits: bool = True
    referral_points: Points = 500
    referral_lapse_days: Annotated[int, Meta(ge=1, le=3_650)] = 180
    referral_reversal_days: Days = 90
    benefit_points: Points = 100
    benefit_days: Annotated[int, Meta(ge=1, le=365)] = 30
    leap_day: Literal["28 Feb", "1 Mar"] = "28 Feb"

    def day(self, act: Act) -> date:
        """Return the business day on which an act takes effect."""
        return day_of(act.effective_at, zone(self.time_zone))
