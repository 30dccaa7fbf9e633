"""How far back an act may be dated, and up to which day the books are closed."""

from datetime import date, datetime, timedelta

from crmcore.domain.act import Act, BackdatedTooFar, BooksClosed, FutureDated
from crmcore.domain.calendar import day_of, end_of, start_of, zone
from crmcore.domain.value import Value, require

MIGRATION = "migration"
"""The role of who brings in the history of another system: it may be of any age."""

SKEW_MAX = timedelta(minutes=5)


class Bounds(Value):
    """Between which times an act takes effect (rules.md X1)."""

    max_backdate_days: int
    books_closed_through: date | None
    time_zone: str

    def require(self, act: Act, now: datetime) -> None:
        """Reject an act of the future, of too long ago, or of a day whose books are closed."""
        at, where = act.effective_at, zone(self.time_zone)
        require(at <= now + SKEW_MAX, FutureDated(effective_at=at, now=now))
        if MIGRATION in act.roles:
            return
        today = day_of(now, where)
        first = date.fromordinal(max(1, today.toordinal() - self.max_backdate_days))
        earliest = start_of(first, where)
        require(at >= earliest, BackdatedTooFar(effective_at=at, earliest=earliest))
        if (through := self.books_closed_through) is not None:
            require(at > end_of(through, where), BooksClosed(effective_at=at, through=through))
