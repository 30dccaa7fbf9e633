"""When the periods end in which points qualify for a tier, and until when a tier is kept."""

from datetime import date, datetime, timedelta
from typing import assert_never

from crmcore.domain.calendar import LAST_DAY, add_days, add_months, day_of, start_of, zone
from crmcore.domain.loyalty.account import Account
from crmcore.domain.loyalty.policy import Policy

YEAR_MONTHS = 12
MOMENT = timedelta(microseconds=1)


class Periods:
    """When the periods of an account end, under a policy."""

    def __init__(self, account: Account, policy: Policy) -> None:
        self.policy, self.where = policy, zone(policy.time_zone)
        first = account.first_earned_at
        self._first = day_of(first, self.where) if first else None
        self.end = start_of(LAST_DAY, self.where)

    def period_end(self, at: datetime, more: int = 0) -> datetime:
        """Return the end of the period of an instant, or of a period so many later."""
        day = day_of(at, self.where)
        match self.policy.tier_window:
            case "calendar_year":
                return self._start(add_months(date(day.year, 1, 1), YEAR_MONTHS * (1 + more)))
            case "anniversary":
                first = self._first or day
                years = day.year - first.year
                has_been = add_months(first, YEAR_MONTHS * years) <= day
                return self._start(add_months(first, YEAR_MONTHS * (years + has_been + more)))
            case "rolling":
                return self._start(add_months(day, self.policy.tier_window_months))
            case "lifetime":
                return self.end
            case _:
                assert_never(self.policy.tier_window)

    def kept_until(self, left_at: datetime) -> datetime:
        """Return until when a tier is kept whose points were there until an instant."""
        if self.policy.tier_window == "rolling":
            return self._grace(self.period_end(left_at))
        return self._grace(self.period_end(left_at - MOMENT, more=1))

    def landed_until(self, lost_at: datetime) -> datetime:
        """Return until when the next lower tier is kept by whoever lost one."""
        return self._grace(self.period_end(lost_at))

    def _grace(self, instant: datetime) -> datetime:
        return self._start(add_days(day_of(instant, self.where), self.policy.tier_grace_days))

    def _start(self, day: date) -> datetime:
        return start_of(day, self.where)
