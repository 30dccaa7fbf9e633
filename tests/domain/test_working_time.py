"""Working time: rules T1 and T10 (time adds up; zones, hours, closed and added days)."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from random import Random

import msgspec
import pytest
from hypothesis import given

from crmcore.domain.value import CRMError
from crmcore.domain.working_time import (
    Hours,
    InvalidWorkingTime,
    NoDeadline,
    SpecialDay,
    WorkingCalendar,
    add,
    between,
    reached,
)
from tests.domain.calendars import (
    ALWAYS_WEEK,
    CLOSED,
    DAY,
    HOUR,
    INSTANTS,
    MINUTE,
    NEVER_WEEK,
    TICK,
    WORK,
    any_special,
    any_week,
    calendar,
    calendars,
)
from tests.plain import working_minutes

OFFICE = calendar()
ZERO = timedelta()


def berlin(day: int, hour: int, minute: int = 0, month: int = 3) -> datetime:
    """Return an instant of winter time in 2026."""
    return datetime(2026, month, day, hour, minute, tzinfo=timezone(HOUR))


def test_work_is_counted_inside_the_hours() -> None:
    tuesday, friday, monday = berlin(3, 11), berlin(6, 16), berlin(9, 10)
    assert between(OFFICE, tuesday, berlin(3, 14)) == 2 * HOUR
    assert between(OFFICE, friday, monday) == 2 * HOUR
    assert between(OFFICE, berlin(3, 17), berlin(4, 9)) == ZERO
    assert between(OFFICE, monday, friday) == ZERO


def test_what_takes_so_long_is_done_by_then() -> None:
    assert add(OFFICE, berlin(3, 11), 2 * HOUR) == berlin(3, 14)
    assert add(OFFICE, berlin(6, 16), HOUR) == berlin(6, 17)
    assert add(OFFICE, berlin(6, 16), HOUR + TICK) == berlin(9, 9) + TICK
    assert add(OFFICE, berlin(7, 16), ZERO) == berlin(7, 16)
    assert reached(OFFICE, berlin(3, 11), berlin(3, 14), 2 * HOUR) == berlin(3, 14)
    assert reached(OFFICE, berlin(3, 11), berlin(3, 14) - TICK, 2 * HOUR) is None


def test_regression_9_a_closed_day_that_is_skipped_keeps_no_time_of_day() -> None:
    saturday = berlin(7, 15, 30)
    assert add(OFFICE, saturday, HOUR) == berlin(9, 10)
    closed = calendar(special={date(2026, 3, 9): CLOSED})
    assert add(closed, saturday, HOUR) == berlin(10, 10)
    assert add(closed, berlin(6, 16, 30), HOUR) == berlin(10, 9, 30)


def test_t10_a_saturday_is_worked_with_hours_of_its_own() -> None:
    shanghai = calendar(
        special={
            date(2026, 2, 14): ((9 * 60, 15 * 60),),
            date(2026, 2, 16): CLOSED,
            date(2026, 2, 17): ((10 * 60, 11 * 60),),
        },
        zone="Asia/Shanghai",
    )
    friday = datetime(2026, 2, 13, 16, tzinfo=timezone(8 * HOUR))
    assert add(shanghai, friday, 7 * HOUR) == datetime(2026, 2, 14, 7, tzinfo=UTC)
    assert between(shanghai, friday, friday + 4 * DAY) == 8 * HOUR


@pytest.mark.parametrize(
    ("zone", "day", "hours", "counted"),
    [
        ("Europe/Berlin", date(2026, 3, 29), (0, 360), 5 * HOUR),
        ("Europe/Berlin", date(2026, 10, 25), (0, 360), 7 * HOUR),
        ("Europe/Berlin", date(2026, 3, 29), (150, 240), HOUR),
        ("Europe/Berlin", date(2026, 3, 29), (120, 180), ZERO),
        ("Europe/Berlin", date(2026, 3, 29), (60, 150), HOUR),
        ("Europe/Berlin", date(2026, 10, 25), (135, 165), HOUR),
        ("Europe/Berlin", date(2026, 10, 25), (60, 150), 2 * HOUR),
        ("America/New_York", date(2026, 3, 8), (60, 240), 2 * HOUR),
        ("Australia/Lord_Howe", date(2026, 4, 5), (0, 360), 6.5 * HOUR),
        ("Australia/Lord_Howe", date(2026, 10, 4), (0, 360), 5.5 * HOUR),
        ("America/Sao_Paulo", date(2018, 11, 4), (0, 120), HOUR),
        ("America/Sao_Paulo", date(2018, 2, 17), (0, 1440), 25 * HOUR),
        ("America/St_Johns", date(2010, 11, 6), (0, 1440), 25 * HOUR - MINUTE),
        ("America/St_Johns", date(2010, 11, 7), (0, 1440), 24 * HOUR + MINUTE),
        ("Pacific/Apia", date(2011, 12, 30), (0, 1440), ZERO),
        ("Asia/Shanghai", date(2026, 3, 29), (0, 360), 6 * HOUR),
    ],
)
def test_t10_a_day_on_which_clocks_change_is_as_long_as_it_is(
    zone: str, day: date, hours: tuple[int, int], counted: timedelta
) -> None:
    one_day = calendar(NEVER_WEEK, {day: (hours,)}, zone)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    assert between(one_day, noon - 2 * DAY, noon + 2 * DAY) == counted


CHANGES = {
    "Europe/Berlin": (date(2026, 3, 29), date(2026, 10, 25)),
    "America/New_York": (date(2026, 3, 8), date(2026, 11, 1)),
    "Asia/Shanghai": (date(1991, 4, 14), date(1991, 9, 15), date(2026, 2, 17)),
    "Australia/Lord_Howe": (date(2026, 4, 5), date(2026, 10, 4)),
    "America/Sao_Paulo": (date(2018, 11, 4), date(2018, 2, 18)),
    "America/St_Johns": (date(2010, 3, 14), date(2010, 11, 7)),
    "Pacific/Apia": (date(2011, 12, 30), date(2012, 4, 1)),
}


@pytest.mark.parametrize("zone", CHANGES)
def test_t10_who_counts_minute_by_minute_counts_the_same(zone: str) -> None:
    random, worked, ended = Random(f"minutes of {zone}"), 0, 0  # noqa: S311 - the same ones
    for _ in range(300):
        day = random.choice(CHANGES[zone])
        week, special = any_week(random), any_special(random, day)
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        since = begin + random.randint(-1_440, 1_440) * MINUTE
        count = random.randint(0, 2_160)
        minutes = working_minutes(week, special, zone, since, count)
        known = calendar(week, special, zone)
        assert between(known, since, since + count * MINUTE) == len(minutes) * MINUTE
        if minutes:
            number = random.randrange(len(minutes))
            found = add(known, since, (number + 1) * MINUTE)
            assert found == minutes[number] + MINUTE
            assert add(known, since, number * MINUTE + TICK) == minutes[number] + TICK
            ended += 1
        worked += len(minutes)
    assert ended > 200
    assert worked > 30_000


@given(calendars(), INSTANTS, INSTANTS)
def test_t1_no_more_is_worked_than_time_passes(
    known: WorkingCalendar, one: datetime, two: datetime
) -> None:
    since, until = sorted((one, two))
    assert ZERO <= between(known, since, until) <= until - since
    assert between(known, until, since) == ZERO
    assert between(calendar(ALWAYS_WEEK), since, until) == until - since


@given(calendars(), INSTANTS, WORK, WORK)
def test_t1_working_time_adds_up(
    known: WorkingCalendar, since: datetime, first: timedelta, then: timedelta
) -> None:
    middle, until = since + first, since + first + then
    parts = between(known, since, middle) + between(known, middle, until)
    assert parts == between(known, since, until)


@given(calendars(), INSTANTS, WORK)
def test_t1_what_is_added_is_counted_and_no_sooner(
    known: WorkingCalendar, since: datetime, work: timedelta
) -> None:
    found = add(known, since, work)
    assert isinstance(found, datetime)
    assert between(known, since, found) == work
    assert found == since or between(known, since, found - TICK) == work - TICK


@given(calendars(), INSTANTS, WORK, WORK, WORK)
def test_t1_more_work_or_a_later_beginning_never_ends_sooner(
    known: WorkingCalendar, since: datetime, work: timedelta, more: timedelta, later: timedelta
) -> None:
    found, longer = add(known, since, work), add(known, since, work + more)
    delayed = add(known, since + later, work)
    assert isinstance(found, datetime)
    assert isinstance(longer, datetime)
    assert isinstance(delayed, datetime)
    assert found <= longer
    assert found <= delayed


def test_t10_without_working_time_there_is_no_deadline() -> None:
    since, horizon = berlin(7, 15), timedelta(days=3_660)
    never, one_hour = calendar(NEVER_WEEK), calendar(NEVER_WEEK, {date(2026, 3, 9): ((0, 60),)})
    assert add(never, since, TICK) == NoDeadline(searched_until=since + horizon)
    assert add(one_hour, since, HOUR) == berlin(9, 1)
    assert add(one_hour, since, HOUR + TICK) == NoDeadline(searched_until=since + horizon)
    assert add(one_hour, berlin(9, 1) - horizon, HOUR) == berlin(9, 1)
    too_early = berlin(9, 1) - horizon - TICK
    assert add(one_hour, too_early, HOUR) == NoDeadline(searched_until=too_early + horizon)


def test_t10_nobody_looks_beyond_the_end_of_time() -> None:
    last = datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert add(calendar(ALWAYS_WEEK), last - HOUR, HOUR) == last
    assert add(calendar(ALWAYS_WEEK), last, HOUR) == NoDeadline(searched_until=last)
    late = datetime.max.replace(tzinfo=timezone(-HOUR))
    early = datetime.min.replace(tzinfo=timezone(HOUR))
    assert add(calendar(ALWAYS_WEEK), late, TICK) == NoDeadline(searched_until=last)
    assert add(OFFICE, early, ZERO) == datetime(2, 1, 1, tzinfo=UTC)
    assert add(calendar(ALWAYS_WEEK), early, HOUR) == datetime(2, 1, 1, 1, tzinfo=UTC)


NINE_TO_TWELVE = Hours(opens=time(9), closes=time(12))
ELEVEN_TO_MIDNIGHT = Hours(opens=time(11), closes=time())
TWELVE_TO_ONE = Hours(opens=time(12), closes=time(13))
WEEK = ((NINE_TO_TWELVE,),) * 7
NEW_YEAR = SpecialDay(on=date(2026, 1, 1))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"week": WEEK[:6]}, "^a week has seven days$"),
        ({"week": (*WEEK, WEEK[0])}, "^a week has seven days$"),
        (
            {"week": (*WEEK[:6], (NINE_TO_TWELVE, ELEVEN_TO_MIDNIGHT))},
            "^the hours of a day follow each other without overlap$",
        ),
        (
            {"week": (*WEEK[:6], (TWELVE_TO_ONE, NINE_TO_TWELVE))},
            "^the hours of a day follow each other without overlap$",
        ),
        (
            {"week": (*WEEK[:6], (ELEVEN_TO_MIDNIGHT, TWELVE_TO_ONE))},
            "^the hours of a day follow each other without overlap$",
        ),
        ({"special": (SpecialDay(on=date(2026, 1, 1), hours=(NINE_TO_TWELVE,) * 2),)}, "overlap"),
        (
            {"special": (NEW_YEAR, NEW_YEAR)},
            "^special days are in the order of their dates, each once$",
        ),
        ({"special": (NEW_YEAR, SpecialDay(on=date(2025, 1, 1)))}, "in the order"),
        ({"time_zone": "Mars/Olympus"}, "^there is no time zone 'Mars/Olympus'"),
    ],
)
def test_t10_a_calendar_is_in_order(wrong: dict[str, object], why: str) -> None:
    right: dict[str, object] = {"name": "office", "version": 1, "time_zone": "UTC", "week": WEEK}
    made = msgspec.convert(right, WorkingCalendar)
    assert between(made, berlin(1, 0), berlin(2, 0)) == 3 * HOUR
    with pytest.raises(InvalidWorkingTime, match=why) as caught:
        WorkingCalendar(**(right | wrong))  # type: ignore[arg-type] # what is not as declared
    assert isinstance(caught.value, CRMError)


def test_t10_hours_go_forward_in_the_calendars_own_zone() -> None:
    assert calendar(ALWAYS_WEEK).week[0] == (Hours(opens=time(), closes=time()),)
    for opens, closes in ((time(9), time(9)), (time(9), time(8))):
        with pytest.raises(
            InvalidWorkingTime, match=r"^hours open before they close: 09:00:00 to 0[89]:00:00$"
        ):
            Hours(opens=opens, closes=closes)
    with pytest.raises(InvalidWorkingTime, match=r"^hours are times of the calendar's own zone$"):
        Hours(opens=time(9, tzinfo=UTC), closes=time(10))
    with pytest.raises(InvalidWorkingTime, match=r"^hours are times of the calendar's own zone$"):
        Hours(opens=time(9), closes=time(10, tzinfo=UTC))


@given(calendars())
def test_a_calendar_is_data_with_a_name_and_a_version(known: WorkingCalendar) -> None:
    assert known.label == "office@1"
    assert msgspec.json.decode(msgspec.json.encode(known), type=WorkingCalendar) == known


def test_a_file_with_hours_that_overlap_is_refused_where_it_is_read() -> None:
    text = msgspec.json.encode(OFFICE).replace(b'"13:00:00"', b'"11:00:00"')
    with pytest.raises(msgspec.ValidationError, match="without overlap"):
        msgspec.json.decode(text, type=WorkingCalendar)
