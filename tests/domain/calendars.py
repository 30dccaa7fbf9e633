"""What tests of working time and clocks share: calendars, also those that are made by chance."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from hypothesis import strategies as st

from crmcore.domain.working_time import Hours, Shifts, SpecialDay, WorkingCalendar
from tests.plain import Minutes

TICK, MINUTE, HOUR, DAY = (
    timedelta(microseconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
END_OF_DAY = 24 * 60
CLOSED: Minutes = ()
MORNING_AND_AFTERNOON: Minutes = ((9 * 60, 12 * 60), (13 * 60, 17 * 60))
OFFICE_WEEK = (*[MORNING_AND_AFTERNOON] * 5, CLOSED, CLOSED)
ALWAYS_WEEK: Sequence[Minutes] = (((0, END_OF_DAY),),) * 7
NEVER_WEEK: Sequence[Minutes] = (CLOSED,) * 7


def shifts(minutes: Minutes) -> Shifts:
    """Return hours of these minutes of a day."""
    return tuple(
        Hours(opens=time(*divmod(opens, 60)), closes=time(*divmod(closes % END_OF_DAY, 60)))
        for opens, closes in minutes
    )


def calendar(
    week: Sequence[Minutes] = OFFICE_WEEK,
    special: Mapping[date, Minutes] | None = None,
    zone: str = "Europe/Berlin",
) -> WorkingCalendar:
    """Return a calendar of these minutes."""
    return WorkingCalendar(
        name="office",
        version=1,
        time_zone=zone,
        week=tuple(map(shifts, week)),
        special=tuple(
            SpecialDay(on=day, hours=shifts(minutes))
            for day, minutes in sorted((special or {}).items())
        ),
    )


def any_minutes(random: Random, most: int = 3) -> Minutes:
    """Return hours by chance: none, a few, some that touch each other or the ends of the day."""
    cuts = sorted(random.choices(range(0, END_OF_DAY + 1, 15), k=2 * random.randint(0, most)))
    pairs = zip(cuts[::2], cuts[1::2], strict=True)
    return tuple((opens, closes) for opens, closes in pairs if opens < closes)


def any_week(random: Random) -> Sequence[Minutes]:
    """Return a week by chance."""
    return tuple(any_minutes(random) for _ in range(7))


def any_special(random: Random, around: date) -> dict[date, Minutes]:
    """Return closed, added and other days by chance, near a date."""
    days = random.sample(range(-3, 4), random.randint(0, 3))
    return {around + day * DAY: any_minutes(random) for day in days}


ZONES = ("Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe")
RANDOMS = st.integers(0, 2**32).map(Random)
INSTANTS = st.timedeltas(timedelta(), timedelta(days=3_650)).map(
    lambda since: datetime(2018, 1, 1, tzinfo=UTC) + since
)
WORK = st.timedeltas(timedelta(), timedelta(days=3))


@st.composite
def calendars(draw: st.DrawFn) -> WorkingCalendar:
    """Return calendars with some work in each week."""
    random, zone = draw(RANDOMS), draw(st.sampled_from(ZONES))
    week = (MORNING_AND_AFTERNOON, *any_week(random)[1:])
    around = draw(st.dates(date(2018, 1, 1), date(2027, 12, 31)))
    return calendar(week, any_special(random, around), zone)
