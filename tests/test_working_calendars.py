"""Working calendars of countries: rule T10 (closed dates and added working dates)."""

from datetime import UTC, date, datetime, time, timedelta

import chinese_calendar
import msgspec
import pytest

from crmcore.domain.working_time import Hours, InvalidWorkingTime, SpecialDay, WorkingCalendar, add
from crmcore.working_calendars import frozen

HOURS = (Hours(opens=time(9), closes=time(12)), Hours(opens=time(13), closes=time(18)))
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def china(*years: int) -> WorkingCalendar:
    return frozen("CN", years, hours=HOURS, time_zone="Asia/Shanghai")


@pytest.mark.parametrize("year", range(2018, 2027))
def test_t10_china_works_on_the_days_that_another_package_says(year: int) -> None:
    known = china(year)
    days = [date(year, 1, 1) + number * DAY for number in range(365 + (year % 4 == 0))]
    worked = [day for day in days if known.hours(day)]
    assert worked == [day for day in days if chinese_calendar.is_workday(day)]
    assert all(known.hours(day) == HOURS for day in worked)
    assert any(day.weekday() in (5, 6) for day in worked)


def test_t10_in_china_a_saturday_is_worked_for_the_spring_festival() -> None:
    friday = datetime(2026, 2, 13, 9, tzinfo=UTC)  # 17:00 in Shanghai
    assert add(china(2026), friday, 2 * HOUR) == datetime(2026, 2, 14, 2, tzinfo=UTC)
    assert add(china(2026), friday, 10 * HOUR) == datetime(2026, 2, 24, 2, tzinfo=UTC)


def test_a_part_of_a_country_has_holidays_of_its_own() -> None:
    bavaria = frozen(
        "DE", [2026], subdivision="BY", hours=HOURS, time_zone="Europe/Berlin", version=3
    )
    assert bavaria.label == "DE-BY@3"
    assert bavaria.week == (*[HOURS] * 5, (), ())
    assert SpecialDay(on=date(2026, 1, 6)) in bavaria.special
    germany = frozen("DE", [2026], hours=HOURS, time_zone="Europe/Berlin")
    assert [special.on for special in germany.special] == [
        date(2026, 1, 1),
        date(2026, 4, 3),
        date(2026, 4, 6),
        date(2026, 5, 1),
        date(2026, 5, 14),
        date(2026, 5, 25),
        date(2026, 12, 25),
    ]


def test_a_weekend_is_that_of_the_country() -> None:
    israel = frozen("IL", [2026], hours=HOURS, time_zone="Asia/Jerusalem")
    assert israel.week == (HOURS, HOURS, HOURS, HOURS, (), (), HOURS)


def test_what_was_frozen_is_data_of_its_years() -> None:
    known = china(2025, 2024, 2025)
    assert msgspec.json.decode(msgspec.json.encode(known), type=WorkingCalendar) == known
    assert {special.on.year for special in known.special} == {2024, 2025}
    assert known.hours(date(2026, 10, 1)) == HOURS


@pytest.mark.parametrize(
    ("country", "subdivision", "years", "why"),
    [
        ("XX", None, [2026], "Country XX not available"),
        ("DE", "QQ", [2026], "does not have subdivision QQ"),
        ("CN", None, [1949], "not known in all of these years"),
        ("CN", None, [2026, 2101], "not known in all of these years"),
        ("CN", None, [], "of 1 to 50 years"),
        ("CN", None, range(1975, 2026), "of 1 to 50 years"),
    ],
)
def test_holidays_that_nobody_knows_make_no_calendar(
    country: str, subdivision: str | None, years: list[int], why: str
) -> None:
    with pytest.raises(InvalidWorkingTime, match=why):
        frozen(country, years, hours=HOURS, time_zone="UTC", subdivision=subdivision)
