"""How deals end, go on, and turn out to be one: rules O1, O6, O12 and O15."""

from datetime import date
from uuid import UUID

from hypothesis import given
from msgspec.structs import replace

from crmcore.domain import opportunity
from crmcore.domain.customer.exchange import ExchangeRate
from crmcore.domain.lead import CaptureLead, ReasonRequired
from crmcore.domain.money import Money
from crmcore.domain.opportunity import (
    Absorb,
    AlreadyClosed,
    AmendmentReversed,
    AmendWon,
    CurrencyFrozen,
    CustomerKnown,
    GiveEvidence,
    Held,
    LinkOrder,
    LinkQuote,
    MarkLost,
    MarkWon,
    MergedAway,
    MergeInto,
    NegativeAmount,
    NotOpened,
    NotWon,
    Open,
    OpportunityAbsorbed,
    OpportunityLost,
    OpportunityMerged,
    OpportunityReopened,
    OpportunityWon,
    Reopen,
    Revalue,
    ReviseLines,
    Stale,
    WonAmended,
    WonBooked,
    WorthItsLines,
)
from crmcore.domain.opportunity.state import Line
from crmcore.testing import History
from tests.domain.deals import ANN, BOB, DEAL, NEW, RULES, TALK, TODAY, eur, lives, usd

WON = DEAL.when(MarkWon(amount=usd(800)))
RATE = ExchangeRate(numerator=9, denominator=10, currency="EUR", source="ECB", quoted_on=TODAY)


def test_a_deal_is_lost_to_somebody() -> None:
    lost = MarkLost(reason="too dear", competitor="Desks & Co", notes="they give 20 % off")
    DEAL.when(lost).then(
        OpportunityLost(
            reason="too dear",
            stage="prospecting",
            closed_on=TODAY,
            competitor="Desks & Co",
            notes="they give 20 % off",
        )
    )


def test_what_was_won_is_amended_for_a_reason() -> None:
    amended = WON.when(AmendWon(amount=usd(750), reason="a desk too few"))
    amended.then(WonAmended(before=usd(800), amount=usd(750), reason="a desk too few"))
    assert (amended.state.won, amended.state.phase) == (usd(750), "won")
    amended.when(AmendWon(amount=usd(750), reason="again")).nothing()
    WON.when(AmendWon(amount=usd(1), reason="")).rejected(ReasonRequired())
    WON.when(AmendWon(amount=usd(-1), reason="x")).rejected(NegativeAmount())
    WON.when(AmendWon(amount=eur(1), reason="x")).rejected(CurrencyFrozen(currency="USD"))
    DEAL.when(AmendWon(amount=usd(1), reason="x")).rejected(NotWon())


def test_o6_reopening_takes_back_what_was_amended_first() -> None:
    amended = WON.when(AmendWon(amount=usd(750), reason="a desk too few"))
    again = amended.when(Reopen(reason="not paid"))
    assert [type(event) for event in again.events] == [AmendmentReversed, OpportunityReopened]
    assert again.events[0] == AmendmentReversed(amount=usd(800))
    assert again.state == replace(DEAL.state, frozen="USD")
    back = amended.when(AmendWon(amount=usd(800), reason="no, it was there"))
    assert [type(event) for event in back.when(Reopen(reason="x")).events] == [OpportunityReopened]


def test_o12_the_rate_of_a_deal_that_is_won_is_in_the_fact() -> None:
    won = DEAL.when(MarkWon(amount=usd(800), rate=RATE)).then(
        OpportunityWon(amount=usd(800), order=None, closed_on=TODAY),
        WonBooked(amount=eur(720), rate=RATE),
    )
    assert (won.state.won, won.state.booked) == (usd(800), eur(720))
    amended = won.when(AmendWon(amount=usd(700), reason="a desk too few")).then(
        WonAmended(before=usd(800), amount=usd(700), reason="a desk too few"),
        WonBooked(amount=eur(630), rate=RATE),
    )
    again = amended.when(Reopen(reason="not paid")).state
    assert (again.booked, again.rate, again.won) == (None, None, None)


CLOSING = lives(
    RULES,
    Open | MarkWon | MarkLost | AmendWon | Reopen,
    WonAmended | AmendmentReversed | OpportunityReopened,
    reason=["a reason"],
    rate=[None, RATE],
)


@given(CLOSING)
def test_o6_of_a_deal_that_was_amended_the_first_amount_is_taken_back(history: History) -> None:
    first: Money | None = None
    now: Money | None = None
    for event in history.events:
        match event:
            case OpportunityWon(amount=amount):
                first = now = amount
            case WonAmended(before=before, amount=amount):
                assert before == now != amount
                now = amount
            case AmendmentReversed(amount=amount):
                assert amount == first != now
                now = amount
            case OpportunityReopened():
                assert now == first
                first = now = None
            case _:
                pass
    assert (history.state.won, history.state.won_at_first) == (now, first)


@given(CLOSING)
def test_o1_a_deal_that_ended_has_one_outcome_until_it_is_reopened(history: History) -> None:
    for step in history.steps:
        deal = step.after
        assert (deal.phase == "won") == (deal.won is not None)
        assert (deal.phase == "lost") == (deal.lost_because is not None)
        assert (deal.phase in ("won", "lost")) == (deal.closed_on is not None)
        assert deal.booked is None or deal.phase == "won"


# Merged

OTHER = UUID(int=77)
HELD = Held(customer=ANN, amount=usd(900))
INTO = MergeInto(surviving_opportunity=OTHER, held=HELD)


def test_o15_an_opportunity_that_is_merged_away_takes_nothing_more() -> None:
    merged = DEAL.when(INTO).then(OpportunityMerged(surviving_opportunity=OTHER))
    deal = merged.state
    assert (deal.phase, deal.probability_percent, deal.forecast) == ("merged", 0, "omitted")
    merged.when(INTO).nothing()
    away = MergedAway(surviving_opportunity=OTHER)
    merged.when(Revalue(amount=usd(1))).rejected(away)
    merged.when(CaptureLead(title="a", source="b")).rejected(away)
    merged.when(replace(INTO, surviving_opportunity=UUID(int=78))).rejected(away)
    merged.when(Absorb(absorbed_opportunity=OTHER, held=Held())).rejected(away)


def test_who_merges_knows_what_is_brought_along() -> None:
    DEAL.when(replace(INTO, held=Held())).rejected(Stale(held=HELD))
    full = TALK.when(
        GiveEvidence(evidence=("budget",)), LinkQuote(quote="q-1"), LinkOrder(order="o-1")
    )
    held = Held(evidence=("budget",), quotes=("q-1",), orders=("o-1",))
    assert opportunity.held_by(full.state) == held
    assert full.when(replace(INTO, held=held)).state.merged_into == OTHER


def test_a_lead_is_merged_and_what_is_over_is_not() -> None:
    lead = NEW.when(CaptureLead(title="a", source="b"))
    assert lead.when(replace(INTO, held=Held())).state.phase == "merged"
    NEW.when(replace(INTO, held=Held())).rejected(NotOpened())
    closed = AlreadyClosed(outcome="won", closed_on=TODAY)
    WON.when(INTO).rejected(closed)
    WON.when(Absorb(absorbed_opportunity=OTHER, held=Held())).rejected(closed)


def test_o15_amounts_are_not_added_up_silently() -> None:
    both = Absorb(absorbed_opportunity=OTHER, held=HELD)
    merged = DEAL.when(both).then(
        OpportunityAbsorbed(absorbed_opportunity=OTHER, held=HELD, amount=usd(900))
    )
    merged.when(both).nothing()
    assert DEAL.when(replace(both, amount=usd(1_800))).state.amount == usd(1_800)
    DEAL.when(replace(both, amount=usd(-1))).rejected(NegativeAmount())
    again = DEAL.when(MarkLost(reason="no"), Reopen(reason="yes"))
    again.when(replace(both, amount=eur(1))).rejected(CurrencyFrozen(currency="USD"))
    lined = DEAL.when(ReviseLines(lines=(Line(line="1", price=usd(5)),)))
    assert lined.when(both).state.amount == usd(5)
    lined.when(replace(both, amount=usd(6))).rejected(WorthItsLines(lines=1))


def test_o15_what_goes_on_has_the_evidence_and_papers_of_both() -> None:
    survivor = TALK.when(GiveEvidence(evidence=("budget",)), LinkQuote(quote="q-1"))
    held = Held(customer=BOB, evidence=("lawyer", "budget"), quotes=("q-1", "q-2"), orders=("o-1",))
    deal = survivor.when(Absorb(absorbed_opportunity=OTHER, held=held)).state
    assert deal.evidence == ("budget", "lawyer")
    assert (deal.quotes, deal.orders) == (("q-1", "q-2"), ("o-1",))
    assert (deal.customer, deal.absorbed, deal.amount) == (BOB, (OTHER,), None)
    known = CustomerKnown(customer=ANN)
    DEAL.when(Absorb(absorbed_opportunity=OTHER, held=held)).rejected(known)


MERGING = lives(
    RULES,
    Open | Absorb | MergeInto | Revalue | MarkLost,
    OpportunityAbsorbed | OpportunityMerged,
    held=[Held(), HELD, Held(amount=usd(5), quotes=("q-1",))],
)


@given(MERGING)
def test_o15_a_merge_changes_an_amount_only_if_it_says_so(history: History) -> None:
    for step in history.steps:
        if isinstance(step.command, Absorb) and step.events:
            said = step.command.amount
            assert step.after.amount == (step.before.amount if said is None else said)
            assert set(step.after.evidence) >= {*step.before.evidence, *step.command.held.evidence}
        if step.before.phase == "merged":
            assert step.after == step.before


def test_o1_a_deal_closes_on_the_day_of_its_act() -> None:
    assert DEAL.when(MarkWon(amount=usd(1)), at=date(2026, 4, 1)).state.closed_on == date(
        2026, 4, 1
    )
