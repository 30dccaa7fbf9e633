"""What all deals come to: rules O7 and O8."""

from datetime import UTC, date
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from crmcore.domain.money import Money
from crmcore.domain.opportunity import (
    MarkLost,
    MarkWon,
    Open,
    Opportunity,
    OverrideForecast,
    OverrideProbability,
    PutOnHold,
    Reopen,
)
from crmcore.projections.deals import Deal, Deals, deals_of
from crmcore.projections.pipeline import (
    Pipeline,
    Row,
    WinRate,
    forecast,
    weighted_pipeline,
    win_rate,
)
from crmcore.projections.projection import Facts
from tests.domain.deals import eur, to, usd
from tests.projections.history import end
from tests.projections.test_deals import facts_of, march

APRIL = (date(2026, 4, 1), date(2026, 5, 1))


def cents(minor: int) -> Money:
    return Money(minor=minor, currency="USD")


def opened(worth: Money | None, close: date | None = date(2026, 4, 10)) -> Open:
    return Open(title="desks", amount=worth, expected_close=close)


def facts(*deals: Facts) -> Facts:
    return [fact for deal in deals for fact in deal]


FACTS = facts(
    facts_of((march(2), opened(cents(1_005))), deal=UUID(int=1)),
    facts_of((march(2), opened(usd(50))), (march(3), to("negotiation")), deal=UUID(int=2)),
    facts_of(
        (march(2), opened(usd(20))),
        (march(3), OverrideForecast(forecast="best_case")),
        (march(3), OverrideProbability(probability_percent=33)),
        deal=UUID(int=3),
    ),
    facts_of((march(2), opened(eur(7), date(2026, 5, 1))), deal=UUID(int=4)),
    facts_of((march(2), opened(None)), deal=UUID(int=5)),
    facts_of((march(2), opened(usd(3))), (march(4), PutOnHold(reason="x")), deal=UUID(int=6)),
    facts_of(
        (march(2), opened(usd(100))),
        (march(20), to("proposal")),
        (date(2026, 4, 2), MarkWon(amount=usd(90))),
        deal=UUID(int=7),
    ),
    facts_of((march(10), opened(usd(8))), (date(2026, 4, 3), MarkLost(reason="no")),
             deal=UUID(int=8)),
    facts_of((march(2), opened(usd(8), None)), (march(13), MarkWon(amount=usd(8))),
             deal=UUID(int=9)),
)  # fmt: skip


def on(day: date) -> Deals:
    return deals_of(FACTS, end(day))


def row(what: str, deals: int, amount: Money, weighted: Money) -> Row:
    return Row(what=what, deals=deals, amount=amount, weighted=weighted)


def test_o7_the_weighted_pipeline_adds_up_by_stage_and_by_place() -> None:
    assert weighted_pipeline(on(date(2026, 4, 5))) == Pipeline(
        by_stage=(
            row("negotiation", 1, usd(50), usd(40)),
            row("prospecting", 1, eur(7), Money(minor=70, currency="EUR")),
            row("prospecting", 3, cents(3_305), cents(100 + 660 + 30)),
        ),
        by_category=(
            row("best_case", 1, usd(20), cents(660)),
            row("commit", 1, usd(50), usd(40)),
            row("omitted", 1, usd(3), cents(30)),
            row("pipeline", 1, eur(7), Money(minor=70, currency="EUR")),
            row("pipeline", 1, cents(1_005), cents(100)),
        ),
        total=(
            row("total", 1, eur(7), Money(minor=70, currency="EUR")),
            row("total", 4, cents(8_305), cents(4_790)),
        ),
        unvalued=1,
    )


def test_o7_closed_counts_only_what_was_won_in_the_period() -> None:
    assert forecast(on(date(2026, 4, 5)), *APRIL) == Pipeline(
        by_stage=(
            row("negotiation", 1, usd(50), usd(40)),
            row("proposal", 1, usd(90), usd(90)),
            row("prospecting", 3, cents(3_305), cents(790)),
        ),
        by_category=(
            row("best_case", 1, usd(20), cents(660)),
            row("closed", 1, usd(90), usd(90)),
            row("commit", 1, usd(50), usd(40)),
            row("omitted", 1, usd(3), cents(30)),
            row("pipeline", 1, cents(1_005), cents(100)),
        ),
        total=(row("total", 5, cents(17_305), cents(13_790)),),
        unvalued=1,
    )


def test_o8_a_forecast_of_a_past_day_can_be_made_again() -> None:
    before = forecast(on(date(2026, 4, 1)), *APRIL)
    assert [(r.what, r.deals) for r in before.by_category] == [
        ("best_case", 2),
        ("commit", 1),
        ("omitted", 1),
        ("pipeline", 2),
    ]
    until = [fact for fact in FACTS if fact.effective_at <= end(date(2026, 4, 1))]
    assert forecast(deals_of(until, end(date(2026, 12, 31))), *APRIL) == before


def test_a_period_ends_before_its_last_day() -> None:
    won = forecast(on(date(2026, 4, 5)), date(2026, 3, 13), date(2026, 4, 2))
    assert won.total == (row("total", 1, usd(8), usd(8)),)
    assert forecast(on(date(2026, 4, 5)), date(2026, 3, 14), date(2026, 4, 2)).total == ()


def test_how_many_deals_are_won_and_how_fast() -> None:
    spring = (march(1), date(2026, 5, 1))
    assert win_rate(on(date(2026, 4, 5)), *spring, UTC) == WinRate(
        won=2, lost=1, won_permille=666, cycle_days=21
    )
    assert win_rate(on(date(2026, 4, 5)), *APRIL, UTC) == WinRate(
        won=1, lost=1, won_permille=500, cycle_days=31
    )
    lost = win_rate(on(date(2026, 4, 5)), date(2026, 4, 3), date(2026, 4, 4), UTC)
    assert lost == WinRate(won=0, lost=1, won_permille=0, cycle_days=None)
    nothing = WinRate(won=0, lost=0, won_permille=None, cycle_days=None)
    assert win_rate(on(march(5)), *spring, UTC) == nothing


def test_a_deal_that_is_reopened_is_no_win_any_more() -> None:
    again = facts_of(
        (march(2), opened(usd(8))),
        (march(5), MarkWon(amount=usd(8))),
        (march(7), Reopen(reason="not paid")),
    )
    period = (march(1), date(2026, 4, 1))
    assert win_rate(deals_of(again, end(march(6))), *period, UTC).won == 1
    assert win_rate(deals_of(again, end(march(7))), *period, UTC).won == 0


DEALS = st.builds(
    Opportunity,
    phase=st.sampled_from(["open", "won", "lost", "lead", "merged"]),
    stage=st.sampled_from(["a", "b"]),
    stage_percent=st.integers(1, 99),
    stage_forecast=st.sampled_from(["pipeline", "best_case", "commit"]),
    override_forecast=st.sampled_from([None, "omitted", "commit"]),
    override_percent=st.none() | st.integers(1, 99),
    is_on_hold=st.booleans(),
    amount=st.none()
    | st.builds(Money, minor=st.integers(0, 999), currency=st.sampled_from(["USD", "EUR"])),
)


@given(st.lists(DEALS, max_size=8))
def test_o7_categories_and_stages_come_to_the_same_total(states: list[Opportunity]) -> None:
    said = weighted_pipeline({UUID(int=n): Deal(state=state) for n, state in enumerate(states)})
    valued = [s for s in states if s.phase == "open" and s.amount]
    for currency in ("USD", "EUR"):
        expected = sum(
            round(s.amount.minor * s.probability_percent / 100)
            for s in valued
            if s.amount and s.amount.currency == currency
        )
        for rows in (said.by_stage, said.by_category, said.total):
            mine = [row for row in rows if row.weighted.currency == currency]
            assert sum(row.weighted.minor for row in mine) == expected
            assert sum(row.deals for row in mine) == sum(
                s.amount is not None and s.amount.currency == currency for s in valued
            )
    assert said.unvalued == sum(s.phase == "open" and s.amount is None for s in states)
