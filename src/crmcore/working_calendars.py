"""Working calendars of countries: public holidays, and in China the days worked in their place.

They come from the `holidays` package, once: what you get is data that no later release changes.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

from crmcore.domain.working_time import InvalidWorkingTime, Shifts, SpecialDay, WorkingCalendar

if TYPE_CHECKING:
    from holidays import HolidayBase

YEARS_MAX = 50


def frozen(
    country: str,
    years: Iterable[int],
    *,
    hours: Shifts,
    time_zone: str,
    subdivision: str | None = None,
    version: int = 1,
) -> WorkingCalendar:
    """Return the calendar of a country, or a part of it, with the same hours on each working day.

    Outside these years there are weekends and no holidays. Holidays that are announced later come
    with a later release of the package: that is another version, made anew.
    """
    known = _holidays(country, subdivision, sorted(set(years)))
    week = tuple(() if weekday in known.weekend else hours for weekday in range(7))
    return WorkingCalendar(
        name=f"{country}-{subdivision}" if subdivision else country,
        version=version,
        time_zone=time_zone,
        week=week,
        special=tuple(
            SpecialDay(on=day, hours=hours if known.is_working_day(day) else ())
            for day in _days(known)
            if known.is_working_day(day) != bool(week[day.weekday()])
        ),
    )


def _holidays(country: str, subdivision: str | None, years: list[int]) -> "HolidayBase":
    """Return what the package knows of these years; InvalidWorkingTime if it does not."""
    from holidays import country_holidays

    if not 1 <= len(years) <= YEARS_MAX:
        raise InvalidWorkingTime(f"a calendar is of 1 to {YEARS_MAX} years")
    try:
        known = country_holidays(country, subdivision, years, expand=False)
    except NotImplementedError as error:
        raise InvalidWorkingTime(f"the holidays are not known: {error}") from error
    if years[0] < known.start_year or known.end_year < years[-1]:
        raise InvalidWorkingTime(f"the holidays of {country} are not known in all of these years")
    return known


def _days(known: "HolidayBase") -> Iterator[date]:
    for year in sorted(known.years):
        first, last = date(year, 1, 1), date(year, 12, 31)
        for number in range((last - first).days + 1):
            yield first + timedelta(days=number)
