"""Value tiers: who brings the revenue (ABC), and how recently, often and much they buy (RFM)."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, TypeAlias

from msgspec import Meta

from crmcore.domain.calendar import add_days, add_months, day_of, start_of, zone
from crmcore.domain.money import Money
from crmcore.domain.recorded import Recorded
from crmcore.domain.value import Value
from crmcore.projections import sales
from crmcore.projections.projection import Details, Facts, Projection, Verdict
from crmcore.projections.sales import Sales

Percent: TypeAlias = Annotated[int, Meta(ge=1, le=100)]
Months: TypeAlias = Annotated[int, Meta(ge=1, le=600)]
Row: TypeAlias = Annotated[tuple[str, ...], Meta(min_length=5, max_length=5)]
Segments: TypeAlias = Annotated[tuple[Row, ...], Meta(min_length=5, max_length=5)]

CLASSES = ("A", "B", "C", "D")

# A row for each recency score from 1 (long ago) to 5 (just now), a column for each score of
# frequency and money together, from 1 to 5: every customer has a segment.
SEGMENTS = (
    ("lost", "lost", "hibernating", "at risk", "cannot lose"),
    ("lost", "hibernating", "hibernating", "at risk", "at risk"),
    ("about to sleep", "about to sleep", "need attention", "loyal", "loyal"),
    ("promising", "promising", "potential loyalist", "loyal", "loyal"),
    ("new", "new", "potential loyalist", "champion", "champion"),
)


class Policy(Value):
    """The windows and the shares of rules.md 3.3."""

    abc_window_months: Months = 12
    a_percent: Percent = 80
    b_percent: Percent = 95
    rfm_window_months: Months = 24
    segments: Segments = SEGMENTS
    time_zone: str = "UTC"


class CutOffs(Value):
    """Where the population of a day is divided; frozen, a customer's tier depends on itself alone.

    `a_minor` and `b_minor` are the least revenues of classes A and B. The quintiles divide days
    since the last purchase, purchase days and money, each at 20, 40, 60 and 80 percent.
    """

    day: date
    currency: str
    customers: int
    a_minor: int
    b_minor: int
    recency: tuple[int, ...]
    frequency: tuple[int, ...]
    money: tuple[int, ...]


class Measures(Value):
    """Recency in days, frequency in purchase days, money and revenue in minor units."""

    recency_days: int | None
    frequency: int
    money: int
    revenue: int
    because: tuple[int, ...]


def measure(bought: Sales, today: date, currency: str, policy: Policy) -> Measures:
    """Return what the tiers of a customer depend on; other currencies are left out."""
    counted = [sale for sale in bought if sale.currency == currency]
    window = [s for s in counted if add_months(s.day, policy.rfm_window_months) > today]
    year = [s for s in counted if add_months(s.day, policy.abc_window_months) > today]
    return Measures(
        recency_days=(today - window[-1].day).days if window else None,
        frequency=len(sales.days(tuple(window))),
        money=sum(sale.minor for sale in window),
        revenue=sum(sale.minor for sale in year),
        because=tuple(sale.position for sale in window),
    )


def cut_offs(population: Iterable[Facts], as_of: datetime, policy: Policy) -> CutOffs:
    """Return where a population is divided, each customer given by the facts in effect."""
    where = zone(policy.time_zone)
    today = day_of(as_of, where)
    books = [_bought(facts, policy) for facts in population]
    currency = _main_currency(books)
    all_measures = [measure(bought, today, currency, policy) for bought in books]
    buyers = [m for m in all_measures if m.recency_days is not None]
    revenues = sorted((m.revenue for m in all_measures if m.revenue > 0), reverse=True)
    return CutOffs(
        day=today,
        currency=currency,
        customers=len(books),
        a_minor=_least_of(revenues, policy.a_percent),
        b_minor=_least_of(revenues, policy.b_percent),
        recency=_quintiles([m.recency_days or 0 for m in buyers]),
        frequency=_quintiles([m.frequency for m in buyers]),
        money=_quintiles([m.money for m in buyers]),
    )


def abc(cuts: CutOffs, policy: Policy) -> Projection[Sales]:
    """Return the ABC projection under frozen cut-offs."""
    return _divided("abc", _judge_abc, cuts, policy)


def rfm(cuts: CutOffs, policy: Policy) -> Projection[Sales]:
    """Return the RFM projection under frozen cut-offs."""
    return _divided("rfm", _judge_rfm, cuts, policy)


def _divided(
    question: str, judge: Callable[..., Verdict], cuts: CutOffs, policy: Policy
) -> Projection[Sales]:
    return Projection(
        question=question,
        initial=(),
        apply=partial(_apply, policy=policy),
        judge=partial(judge, cuts=cuts, policy=policy),
        next_look=partial(_next_look, cuts=cuts, policy=policy),
        details=partial(_details, cuts=cuts, policy=policy),
    )


def _apply(bought: Sales, fact: Recorded[Any], policy: Policy) -> Sales:
    return sales.apply(bought, fact, zone(policy.time_zone))


def _judge_abc(bought: Sales, at: datetime, cuts: CutOffs, policy: Policy) -> Verdict:
    today = day_of(at, zone(policy.time_zone))
    revenue = measure(bought, today, cuts.currency, policy).revenue
    ladder = (("A", max(cuts.a_minor, 1)), ("B", max(cuts.b_minor, 1)), ("C", 1))
    tier, least = next(((t, least) for t, least in ladder if revenue >= least), ("D", 0))
    months = policy.abc_window_months
    bound = Money(minor=least, currency=cuts.currency)
    rule = {
        "A": f"revenue of {months} months is {bound} or more: the top {policy.a_percent} percent",
        "B": f"revenue of {months} months is {bound} or more: up to {policy.b_percent} percent",
        "C": f"some revenue in {months} months, below class B",
        "D": f"no revenue in {months} months",
    }[tier]
    counted = (s for s in bought if s.currency == cuts.currency)
    positions = tuple(s.position for s in counted if add_months(s.day, months) > today)
    return Verdict(answer=tier, rule=rule, because=positions)


def _judge_rfm(bought: Sales, at: datetime, cuts: CutOffs, policy: Policy) -> Verdict:
    found = measure(bought, day_of(at, zone(policy.time_zone)), cuts.currency, policy)
    if found.recency_days is None:
        months = policy.rfm_window_months
        return Verdict(answer="none", rule=f"no purchase in {months} months")
    recency = 6 - _score(found.recency_days, cuts.recency)
    frequency, money = _score(found.frequency, cuts.frequency), _score(found.money, cuts.money)
    segment = policy.segments[recency - 1][(frequency + money + 1) // 2 - 1]
    rule = f"recency {recency}, frequency {frequency}, money {money} of 5"
    return Verdict(answer=segment, rule=rule, because=found.because)


def _details(bought: Sales, at: datetime, cuts: CutOffs, policy: Policy) -> Details:
    found = measure(bought, day_of(at, zone(policy.time_zone)), cuts.currency, policy)
    revenue, money = (Money(minor=m, currency=cuts.currency) for m in (found.revenue, found.money))
    recency = "-" if found.recency_days is None else f"{found.recency_days} days ago"
    return (
        (f"revenue of {policy.abc_window_months} months", str(revenue)),
        (f"money of {policy.rfm_window_months} months", str(money)),
        ("purchase days", str(found.frequency)),
        ("last purchase", recency),
    )


def _next_look(bought: Sales, at: datetime, cuts: CutOffs, policy: Policy) -> datetime | None:
    """Return the first later day on which a purchase leaves a window or ages past a quintile."""
    where = zone(policy.time_zone)
    today = day_of(at, where)
    days = [sale.day for sale in bought if sale.currency == cuts.currency]
    ends = [add_months(day, policy.abc_window_months) for day in days]
    ends += [add_months(day, policy.rfm_window_months) for day in days]
    ends += [add_days(day, cut + 1) for day in days[-1:] for cut in cuts.recency]
    later = [day for day in ends if day > today]
    return start_of(min(later), where) if later else None


def _bought(facts: Facts, policy: Policy) -> Sales:
    bought: Sales = ()
    for fact in facts:
        bought = _apply(bought, fact, policy)
    return bought


def _main_currency(books: Iterable[Sales]) -> str:
    """Return the currency of most sales, of equal ones the first in the alphabet."""
    used = Counter(sale.currency for bought in books for sale in bought)
    return min(used, key=lambda currency: (-used[currency], currency), default="XXX")


def _least_of(revenues: Sequence[int], percent: int) -> int:
    """Return the least revenue of the smallest top group that brings this share of the total."""
    wanted, reached = sum(revenues) * percent, 0
    for revenue in revenues:
        reached += revenue * 100
        if reached >= wanted:
            return revenue
    return 0


def _quintiles(values: Sequence[int]) -> tuple[int, ...]:
    """Return the values up to which 20, 40, 60 and 80 percent of the population lie."""
    ranked = sorted(values)
    return tuple(ranked[(len(ranked) * n - 1) // 5] for n in (1, 2, 3, 4)) if ranked else ()


def _score(value: int, cuts: tuple[int, ...]) -> int:
    """Return 1 to 5: one more for each cut that lies below; equal values score equally."""
    return 1 + sum(cut < value for cut in cuts)
