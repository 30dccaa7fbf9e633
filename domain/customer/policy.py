"""The numbers of a customer's credit that the business may change."""

from datetime import date
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from crmcore.domain.act import Act, Role
from crmcore.domain.calendar import day_of, zone
from crmcore.domain.money import Money
from crmcore.domain.value import Value

Bucket: TypeAlias = Literal["ordered", "delivered", "invoiced", "uncleared", "unapplied"]
AutomaticHold: TypeAlias = Literal["overdue", "over_limit", "investigation", "class_d"]
Weekday: TypeAlias = Literal[
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"
]

BUCKETS: tuple[Bucket, ...] = ("ordered", "delivered", "invoiced", "uncleared", "unapplied")
AUTOMATIC: tuple[AutomaticHold, ...] = ("overdue", "over_limit", "investigation", "class_d")


class Band(Value):
    """A role that may grant credit, up to an amount."""

    role: Role
    up_to: Money


class SubLimit(Value):
    """The most that may be in one bucket of the exposure."""

    bucket: Bucket
    amount: Money


class Policy(Value):
    """Numbers the business may change; facts carry outcomes, so replay never needs them."""

    investigation_months: Annotated[int, Meta(ge=1, le=600)] = 12
    approval_days: Annotated[int, Meta(ge=1, le=3_650)] = 30
    overdue_grace_days: Annotated[int, Meta(ge=0, le=3_650)] = 0
    tolerance_percent: Annotated[int, Meta(ge=0, le=100)] = 0
    payment_days: Annotated[int, Meta(ge=0, le=3_650)] = 30
    time_zone: str = "UTC"
    bands: Annotated[tuple[Band, ...], Meta(max_length=20)] = ()
    counted: Annotated[tuple[Bucket, ...], Meta(max_length=5)] = BUCKETS
    sub_limits: Annotated[tuple[SubLimit, ...], Meta(max_length=20)] = ()
    horizon_days: Annotated[int, Meta(ge=0, le=3_650)] | None = None
    automatic_holds: Annotated[tuple[AutomaticHold, ...], Meta(max_length=4)] = AUTOMATIC
    delivery_holds: Annotated[tuple[AutomaticHold, ...], Meta(max_length=4)] = ()
    overdue_hold_days: Annotated[int, Meta(ge=0, le=3_650)] = 30
    free_weekdays: Annotated[tuple[Weekday, ...], Meta(max_length=7)] = ()
    holidays: Annotated[tuple[date, ...], Meta(max_length=1_000)] = ()
    reminder_interval_days: Annotated[int, Meta(ge=1, le=365)] = 14
    reminder_level_max: Annotated[int, Meta(ge=1, le=9)] = 3
    reminder_least_minor: Annotated[int, Meta(ge=0, le=10**12)] = 1

    def day(self, act: Act) -> date:
        """Return the business day on which an act takes effect."""
        return day_of(act.effective_at, zone(self.time_zone))
