"""What the deals of all come to: the weighted pipeline, the forecast of a period, the win rate."""

from collections.abc import Callable, Iterable
from datetime import date, datetime, tzinfo
from fractions import Fraction
from typing import TypeAlias

from crmcore.domain.calendar import day_of
from crmcore.domain.money import Money
from crmcore.domain.opportunity import Opportunity
from crmcore.domain.value import Value
from crmcore.projections.deals import Deal, Deals

WHOLE_PERCENT, WHOLE_PERMILLE = 100, 1_000


class Row(Value):
    """So many deals of one kind in one currency: what they are worth, and by their chances."""

    what: str
    deals: int
    amount: Money
    weighted: Money


Rows: TypeAlias = tuple[Row, ...]


class Pipeline(Value):
    """Deals by stage, by place in the forecast, and in all; each sum is the same (rules.md O7).

    `unvalued` counts those of which nobody has said what they are worth.
    """

    by_stage: Rows
    by_category: Rows
    total: Rows
    unvalued: int


class WinRate(Value):
    """What became of the deals that closed in a period; None where none did."""

    won: int
    lost: int
    won_permille: int | None
    cycle_days: int | None


def weighted_pipeline(deals: Deals) -> Pipeline:
    """Return what open deals come to."""
    return _pipeline(deal.state for deal in deals.values() if deal.state.phase == "open")


def forecast(deals: Deals, starts_on: date, ends_on: date) -> Pipeline:
    """Return what is expected of a period that ends before a day (rules.md O7, O8).

    These are open deals that are expected to close in it, and those that were won in it.
    """

    def is_in(known: Opportunity) -> bool:
        days = {"open": known.expected_close, "won": known.closed_on}
        day = days.get(known.phase)
        return day is not None and starts_on <= day < ends_on

    return _pipeline(deal.state for deal in deals.values() if is_in(deal.state))


def win_rate(deals: Deals, starts_on: date, ends_on: date, where: tzinfo) -> WinRate:
    """Return how many deals of a period were won, and in how many days on average.

    The cycle of a deal lasts from the day on which it was opened to that on which it was won.
    """
    closed = [
        deal
        for deal in deals.values()
        if deal.state.closed_on is not None and starts_on <= deal.state.closed_on < ends_on
    ]
    cycles = [_cycle(deal, where) for deal in closed if deal.state.phase == "won"]
    return WinRate(
        won=len(cycles),
        lost=len(closed) - len(cycles),
        won_permille=len(cycles) * WHOLE_PERMILLE // len(closed) if closed else None,
        cycle_days=round(Fraction(sum(cycles), len(cycles))) if cycles else None,
    )


def _cycle(deal: Deal, where: tzinfo) -> int:
    opened: datetime = deal.places[0][0]
    assert deal.state.closed_on is not None
    return (deal.state.closed_on - day_of(opened, where)).days


def _pipeline(states: Iterable[Opportunity]) -> Pipeline:
    every = list(states)
    valued = [(known, amount) for known in every if (amount := known.won or known.amount)]
    return Pipeline(
        by_stage=_rows(valued, lambda known: known.stage),
        by_category=_rows(valued, lambda known: known.forecast),
        total=_rows(valued, lambda _: "total"),
        unvalued=len(every) - len(valued),
    )


def _rows(valued: Iterable[tuple[Opportunity, Money]], kind: Callable[[Opportunity], str]) -> Rows:
    """Return the sums of each kind and currency, each deal rounded by itself (rules.md O7)."""
    rows: dict[tuple[str, str], Row] = {}
    for known, amount in valued:
        what, nothing = kind(known), Money(minor=0, currency=amount.currency)
        key = (what, amount.currency)
        row = rows.get(key, Row(what=what, deals=0, amount=nothing, weighted=nothing))
        share = Fraction(known.probability_percent, WHOLE_PERCENT)
        rows[key] = Row(
            what=what,
            deals=row.deals + 1,
            amount=row.amount + amount,
            weighted=row.weighted + amount.times(share),
        )
    return tuple(rows[key] for key in sorted(rows))
