"""Value tiers: rules.md 3.3 (a) and (b), by hand, and under frozen cut-offs day by day."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crmcore.domain.customer.sales import PurchaseRecorded, PurchaseReturned
from crmcore.projections.projection import Answer, Facts, Projection
from crmcore.projections.value_tiers import SEGMENTS, CutOffs, Policy, abc, cut_offs, rfm
from tests.plain import changes, later, since
from tests.projections.history import (
    REGISTERED,
    Dated,
    asked,
    bought,
    end,
    fact,
    history,
    returned,
    start,
)

POLICY = Policy()
TODAY = date(2025, 12, 31)
MAY = date(2025, 5, 1)
CUTS = CutOffs(
    day=TODAY,
    currency="USD",
    customers=5,
    a_minor=3_000,
    b_minor=1_500,
    recency=(1, 31, 62, 92),
    frequency=(1, 2, 3, 4),
    money=(1_000, 2_000, 3_000, 4_000),
)
ABC, RFM = abc(CUTS, POLICY), rfm(CUTS, POLICY)


def said(projection: Projection[Any], facts: Facts, today: date = TODAY) -> Answer:
    answer = asked(projection, facts, today)
    assert answer is not None
    return answer


def spent(*cents: int) -> list[Facts]:
    """One customer for each amount, who spent it in May."""
    return [history((MAY, bought("p-1", amount))) for amount in cents]


def divided(*cents: int) -> tuple[int, int]:
    cuts = cut_offs(spent(*cents), end(TODAY), POLICY)
    return cuts.a_minor, cuts.b_minor


# Classes by revenue


def test_a_is_the_smallest_set_that_brings_80_percent_and_b_reaches_95() -> None:
    assert divided(5_000, 3_000, 1_500, 500) == (3_000, 1_500)
    assert divided(500, 5_000, 1_500, 3_000) == (3_000, 1_500)


def test_the_customer_who_crosses_the_share_is_in_the_class() -> None:
    assert divided(7_000, 2_000, 1_000) == (2_000, 1_000)
    assert divided(9_900, 100) == (9_900, 9_900)


def test_equal_revenues_are_in_one_class() -> None:
    cuts = cut_offs(spent(4_000, 2_000, 2_000, 2_000), end(TODAY), POLICY)
    assert (cuts.a_minor, cuts.b_minor) == (2_000, 2_000)
    classes = [said(abc(cuts, POLICY), facts).answer for facts in spent(4_000, 2_000, 1_999)]
    assert classes == ["A", "A", "C"]


@pytest.mark.parametrize(
    ("cents", "tier", "rule"),
    [
        (3_000, "A", "revenue of 12 months is 30.00 USD or more: the top 80 percent"),
        (2_999, "B", "revenue of 12 months is 15.00 USD or more: up to 95 percent"),
        (1_499, "C", "some revenue in 12 months, below class B"),
        (0, "D", "no revenue in 12 months"),
    ],
)
def test_a_class_depends_on_a_customers_own_revenue(cents: int, tier: str, rule: str) -> None:
    answer = said(ABC, history((MAY, REGISTERED), (MAY, bought("p-1", cents))))
    assert (answer.answer, answer.rule) == (tier, rule)
    assert answer.because == ((2,) if cents else ())


def test_revenue_is_net_of_what_came_back_and_of_twelve_months() -> None:
    facts = history(
        (date(2025, 1, 31), bought("p-1", 2_000)),
        (MAY, bought("p-2", 2_000)),
        (date(2025, 6, 1), returned("p-2", 600)),
    )
    before = said(ABC, facts, date(2025, 5, 31))
    assert (before.answer, before.since) == ("A", datetime(2025, 5, 1, tzinfo=UTC))
    answer = said(ABC, facts, date(2026, 1, 30))
    assert answer.answer == "A"
    assert answer.next_change_at == datetime(2026, 1, 31, tzinfo=UTC)
    assert said(ABC, facts, date(2026, 1, 31)).answer == "C"
    assert said(ABC, facts, date(2026, 5, 1)).answer == "D"


def test_without_revenue_nobody_is_better_than_d_until_somebody_buys() -> None:
    assert cut_offs([], end(TODAY), POLICY) == CutOffs(
        day=TODAY,
        currency="XXX",
        customers=0,
        a_minor=0,
        b_minor=0,
        recency=(),
        frequency=(),
        money=(),
    )
    quiet = cut_offs([history((MAY, bought("p-1", 0)))], end(TODAY), POLICY)
    assert (quiet.customers, quiet.a_minor, quiet.recency) == (1, 0, ())
    assert said(abc(quiet, POLICY), history((MAY, bought("p-1", 0)))).answer == "D"


def test_x5_only_the_main_currency_is_counted() -> None:
    euros = bought("e-1", 90_000, "EUR")
    facts = history((MAY, euros), (MAY, bought("p-1", 2_000)))
    answer = said(ABC, facts)
    assert (answer.answer, answer.because) == ("B", (2,))
    assert answer.details == (
        ("revenue of 12 months", "20.00 USD"),
        ("money of 24 months", "20.00 USD"),
        ("purchase days", "1"),
        ("last purchase", "244 days ago"),
    )
    dollars_mostly = [*spent(1, 1), history((MAY, euros))]
    assert cut_offs(dollars_mostly, end(TODAY), POLICY).currency == "USD"
    assert cut_offs([facts], end(TODAY), POLICY).currency == "EUR"


# Segments by recency, frequency and money

# Five customers: the first bought on five days, the last on one; each bought later than the next.
BUYERS = [
    history(*((date(2025, 12 - n, 30 - day), bought(f"p-{day}")) for day in reversed(range(5 - n))))
    for n in range(5)
]


def test_quintiles_divide_the_buyers_of_the_window() -> None:
    assert cut_offs(BUYERS, end(TODAY), POLICY) == CutOffs(
        day=TODAY,
        currency="USD",
        customers=5,
        a_minor=3_000,
        b_minor=1_000,
        recency=(1, 31, 62, 92),
        frequency=(1, 2, 3, 4),
        money=(1_000, 2_000, 3_000, 4_000),
    )


@pytest.mark.parametrize(
    ("number", "segment", "rule"),
    [
        (0, "champion", "recency 5, frequency 5, money 5 of 5"),
        (1, "loyal", "recency 4, frequency 4, money 4 of 5"),
        (2, "need attention", "recency 3, frequency 3, money 3 of 5"),
        (3, "hibernating", "recency 2, frequency 2, money 2 of 5"),
        (4, "lost", "recency 1, frequency 1, money 1 of 5"),
    ],
)
def test_a_segment_follows_from_three_scores(number: int, segment: str, rule: str) -> None:
    answer = said(RFM, BUYERS[number])
    assert (answer.answer, answer.rule) == (segment, rule)


def test_who_bought_nothing_in_the_window_has_no_segment() -> None:
    facts = history((MAY, REGISTERED))
    answer = said(RFM, facts)
    assert (answer.answer, answer.rule) == ("none", "no purchase in 24 months")
    assert answer.details[-1] == ("last purchase", "-")
    old = history((date(2023, 12, 31), bought("p-1")))
    assert said(RFM, old, date(2025, 12, 30)).answer == "lost"
    assert said(RFM, old, date(2025, 12, 31)).answer == "none"


def test_equal_values_score_equally() -> None:
    alike = [*spent(1_000, 1_000, 1_000, 1_000), *spent(2_000)]
    cuts = cut_offs(alike, end(TODAY), POLICY)
    assert (cuts.recency, cuts.frequency) == ((244,) * 4, (1,) * 4)
    assert cuts.money == (1_000, 1_000, 1_000, 1_000)
    rules = [said(rfm(cuts, POLICY), facts).rule for facts in alike]
    assert rules[:4] == ["recency 5, frequency 1, money 1 of 5"] * 4
    assert rules[4] == "recency 5, frequency 1, money 5 of 5"


@pytest.mark.parametrize("recency", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("frequency", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("money", [1, 2, 3, 4, 5])
def test_the_segment_map_is_total(recency: int, frequency: int, money: int) -> None:
    last = TODAY - timedelta(days={5: 1, 4: 2, 3: 32, 2: 63, 1: 93}[recency])
    rest = money * 1_000 - frequency + 1
    facts = history(
        *((last - timedelta(days=n), bought(f"p-{n}", 1)) for n in range(frequency - 1, 0, -1)),
        (last, bought("p-0", rest)),
    )
    answer = said(RFM, facts)
    assert answer.rule == f"recency {recency}, frequency {frequency}, money {money} of 5"
    assert answer.answer in {segment for row in SEGMENTS for segment in row}


def test_the_segments_are_the_policys() -> None:
    coarse = Policy(segments=(("old",) * 5,) * 3 + (("fresh",) * 5,) * 2)
    segments = [said(rfm(CUTS, coarse), buyer).answer for buyer in BUYERS]
    assert segments == ["fresh", "fresh", "old", "old", "old"]


# Properties under frozen cut-offs

GAPS = st.sampled_from([0, 1, 5, 30, 31, 60, 92, 200, 364, 365, 366, 731])
SLOT = st.none() | st.tuples(GAPS, st.sampled_from([0, 1_000, 1_000, 2_500]), st.booleans())


@st.composite
def lives(draw: st.DrawFn) -> tuple[Facts, date]:
    """A customer's purchases, some of them returned, and a day on or after one of them."""
    day = date(2023, 1, 31)
    dated: list[Dated] = [(day, REGISTERED)]
    for gap, cents, comes_back in filter(None, draw(st.lists(SLOT, min_size=8, max_size=8))):
        day += timedelta(days=gap)
        dated.append((day, bought(f"p-{len(dated)}", cents)))
        if comes_back and cents:
            day += timedelta(days=7)
            dated.append((day, returned(f"p-{len(dated) - 1}", 1_000)))
    today = draw(st.sampled_from(dated))[0] + timedelta(days=draw(GAPS))
    return history(*dated), today


def plain_sales(facts: Facts, known: date, today: date) -> list[tuple[date, int]]:
    """Days and net cents from the facts of a day or before."""
    seen = [f for f in facts if f.effective_at.date() <= min(known, today)]
    back: Counter[str] = Counter()
    for event in (f.event for f in seen if isinstance(f.event, PurchaseReturned)):
        back[event.purchase] += event.amount.minor
    sold = [f for f in seen if isinstance(f.event, PurchaseRecorded)]
    net = [(f.effective_at.date(), f.event.amount.minor - back[f.event.purchase]) for f in sold]
    return [(day, cents) for day, cents in net if cents > 0]


def plain_class(facts: Facts, known: date, today: date) -> str | None:
    if facts[0].effective_at.date() > min(known, today):
        return None
    sales = plain_sales(facts, known, today)
    revenue = sum(cents for day, cents in sales if later(day, 12) > today)
    if revenue >= 3_000:
        return "A"
    if revenue >= 1_500:
        return "B"
    return "C" if revenue else "D"


def plain_segment(facts: Facts, known: date, today: date) -> str | None:
    if facts[0].effective_at.date() > min(known, today):
        return None
    sales = [s for s in plain_sales(facts, known, today) if later(s[0], 24) > today]
    if not sales:
        return "none"
    silent = (today - max(day for day, _ in sales)).days
    recency = len([cut for cut in (1, 31, 62, 92, 10**6) if silent <= cut])
    frequency = min(5, len({day for day, _ in sales}))
    money = min(5, -(-sum(cents for _, cents in sales) // 1_000))
    return SEGMENTS[recency - 1][-(-(frequency + money) // 2) - 1]


@pytest.mark.parametrize(("projection", "plain"), [(ABC, plain_class), (RFM, plain_segment)])
@given(life=lives())
def test_an_answer_is_that_of_the_sentences_from_since_until_its_next_change(
    life: tuple[Facts, date], projection: Projection[Any], plain: Any  # noqa: ANN401 - a function
) -> None:  # fmt: skip
    facts, today = life
    answer = said(projection, facts, today)
    assert answer.answer == plain(facts, today, today)
    began = since(lambda day: plain(facts, today, day), today)
    ends = changes(lambda day: plain(facts, today, day), today, days=800)
    assert answer.since == start(began)
    assert answer.next_change_at == (start(ends) if ends else None)


def scores(facts: Facts, today: date) -> tuple[int, ...]:
    digits = [int(char) for char in said(RFM, facts, today).rule if char.isdigit()]
    return tuple(digits[:3]) if len(digits) == 4 else (0, 0, 0)


@given(lives(), GAPS, st.sampled_from([1, 700, 5_000]))
def test_buying_more_never_lowers_a_class_or_a_score(
    life: tuple[Facts, date], ago: int, cents: int
) -> None:
    facts, today = life
    more = [*facts, fact(today - timedelta(days=ago), bought("more", cents), len(facts) + 1)]
    assert said(ABC, more, today).answer <= said(ABC, facts, today).answer
    before, after = scores(facts, today), scores(more, today)
    assert all(old <= new for old, new in zip(before, after, strict=True))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.sampled_from([80, 95]))
def test_a_class_brings_its_percent_and_not_without_its_least(
    revenues: list[int], percent: int
) -> None:
    a_minor, b_minor = divided(*revenues)
    least = a_minor if percent == 80 else b_minor
    with_it = sum(revenue for revenue in revenues if revenue >= least)
    without_it = sum(revenue for revenue in revenues if revenue > least)
    assert with_it * 100 >= sum(revenues) * percent
    assert without_it * 100 < sum(revenues) * percent or not any(revenues)


# What is at an edge


def test_the_questions_are_named_abc_and_rfm() -> None:
    facts = history((MAY, REGISTERED))
    assert (said(ABC, facts).question, said(RFM, facts).question) == ("abc", "rfm")


def test_who_bought_today_bought_no_days_ago() -> None:
    cuts = cut_offs([history((TODAY, bought("p-1")))], end(TODAY), POLICY)
    assert cuts.recency == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("a_minor", "b_minor", "tier"),
    [(1, 1, "A"), (0, 0, "A"), (9, 1, "B"), (9, 0, "B"), (9, 9, "C")],
)
def test_a_cent_of_revenue_is_revenue(a_minor: int, b_minor: int, tier: str) -> None:
    cuts = replace(CUTS, a_minor=a_minor, b_minor=b_minor)
    assert said(abc(cuts, POLICY), history((MAY, bought("p-1", 1)))).answer == tier


def test_a_class_is_so_because_of_the_purchases_of_its_window() -> None:
    facts = history(
        (date(2024, 12, 31), bought("p-1", 2_000)),
        (date(2025, 1, 1), bought("p-2", 3_000)),
        (MAY, bought("p-3", 100)),
    )
    answer = said(ABC, facts)
    assert (answer.answer, answer.because) == ("A", (2, 3))


def test_only_the_last_purchase_ages_past_a_quintile() -> None:
    sales = ABC.initial
    for one in history((MAY, bought("p-1")), (date(2025, 6, 1), bought("p-2"))):
        sales = ABC.apply(sales, one)
    assert ABC.next_look(sales, start(date(2025, 6, 1))) == start(date(2025, 6, 3))


def test_a_purchase_in_another_currency_changes_no_tier() -> None:
    sales = RFM.initial
    for one in history((MAY, bought("p-1", 100, "EUR"))):
        sales = RFM.apply(sales, one)
    assert RFM.next_look(sales, start(MAY)) is None


def test_of_currencies_with_as_many_sales_the_first_in_the_alphabet_counts() -> None:
    books = [history((MAY, bought("p-1", 1, currency))) for currency in ("USD", "EUR")]
    assert cut_offs(books, end(TODAY), POLICY).currency == "EUR"


def test_a_share_that_is_missed_by_a_hair_is_missed() -> None:
    # 2 of 3 cents are less than 67 percent.
    assert cut_offs(spent(2, 1), end(TODAY), Policy(a_percent=67)).a_minor == 1


def test_the_fifths_of_six_customers() -> None:
    cuts = cut_offs(spent(60, 50, 40, 30, 20, 10), end(TODAY), POLICY)
    assert cuts.money == (20, 30, 40, 50)
