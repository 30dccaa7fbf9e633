"""Rules in plain Python, as their sentences read: a second opinion that uses nothing of ours."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


def later(day: date, months: int) -> date:
    """The same day of a later month, or the last one it has."""
    month = day.month - 1 + months
    for number in (day.day, 30, 29, 28):
        try:
            return date(day.year + month // 12, month % 12 + 1, min(number, day.day))
        except ValueError:
            continue
    raise AssertionError(day)


def buyer_stage(bought: Collection[date], today: date) -> str:
    """The stage of a customer who bought on these days by today (rules.md 3.1)."""
    days = sorted(bought)
    if later(days[-1], 18) <= today:
        return "lost"
    if later(days[-1], 6) <= today:
        return "inactive"
    if len([day for day in set(days) if later(day, 12) > today]) >= 2:
        return "active"
    return "new" if today < later(days[0], 6) else "reactivated"


def since(ask: Callable[[date], str | None], today: date) -> date:
    """The first of the days up to today on which the answer was the same as today's."""
    day = today
    while ask(day - DAY) == ask(today):
        day -= DAY
    return day


def changes(ask: Callable[[date], str | None], today: date, days: int) -> date | None:
    """The first of the days after today on which the answer is another one."""
    ahead = (today + n * DAY for n in range(1, days + 1))
    return next((day for day in ahead if ask(day) != ask(today)), None)


Minutes = tuple[tuple[int, int], ...]  # from one minute of a day up to another, one after another


def working_minutes(
    week: Sequence[Minutes], special: Mapping[date, Minutes], zone: str, since: datetime, count: int
) -> list[datetime]:
    """Those of so many minutes at which the clocks on the wall show working time (rules.md T10)."""
    where, found = ZoneInfo(zone), list[datetime]()
    for number in range(count):
        at = since + timedelta(minutes=number)
        wall = at.astimezone(where)
        minute = wall.hour * 60 + wall.minute
        hours = special.get(wall.date(), week[wall.weekday()])
        if any(opens <= minute < closes for opens, closes in hours):
            found.append(at)
    return found
