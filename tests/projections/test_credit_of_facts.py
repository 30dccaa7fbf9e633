"""What a single fact does to the credit grade, and which fact is named for it."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from crmcore.domain.customer.credit import CreditInvestigated, CreditLimitApproved, GradeOverridden
from crmcore.domain.customer.payments import (
    AccountCredited,
    MoneyReceived,
    PaymentAllocated,
    PaymentReversed,
    Restored,
)
from crmcore.domain.customer.receivables import InvoiceWrittenOff
from crmcore.projections.credit import Policy, credit
from crmcore.projections.projection import Answer
from tests.projections.history import REGISTERED, Dated, asked, history, invoiced, paid, usd

CREDIT = credit(Policy())
OLD, DAY, DUE = date(2020, 1, 1), date(2025, 1, 1), date(2025, 2, 1)
MARCH = date(2025, 3, 1)


def said(today: date, *dated: Dated, policy: Policy | None = None) -> Answer:
    """The answer where the customer's registration is the first fact."""
    projection = credit(policy) if policy else CREDIT
    answer = asked(projection, history((OLD, REGISTERED), *dated), today)
    assert answer is not None
    return answer


def score(answer: Answer) -> str:
    return dict(answer.details)["score"]


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def received(name: str, clears_on: date) -> MoneyReceived:
    return MoneyReceived(
        payment=name, amount=usd(1_000), instrument="cheque", received_on=DAY, clears_on=clears_on
    )


def allocated(name: str, invoice: str) -> PaymentAllocated:
    return PaymentAllocated(payment=name, invoice=invoice, amount=usd(1_000), left=usd(0))


def reversed_one(
    name: str, invoice: str, *, bounced: bool = True, cents: int = 1_000, due_on: date = DUE
) -> PaymentReversed:
    again = (Restored(invoice=invoice, amount=usd(cents), due_on=due_on),)
    return PaymentReversed(
        payment=name, amount=usd(cents), restored=again, bounced=bounced, reason=""
    )


def settled(name: str, due_on: date = DUE) -> tuple[Dated, ...]:
    """An invoice that a cheque has paid before it is due: three facts."""
    return (
        (DAY, invoiced(f"i-{name}", due_on)),
        (DAY, received(f"p-{name}", DAY)),
        (DAY, allocated(f"p-{name}", f"i-{name}")),
    )


# Money


def test_of_several_cheques_the_one_that_pays_the_invoice_says_when() -> None:
    late, soon = received("late", date(2025, 4, 1)), received("soon", DAY)
    dated = ((DAY, late), (DAY, soon), (DAY, invoiced("i-1", DUE)), (DAY, allocated("soon", "i-1")))
    assert score(said(DAY, *dated)) == "1000 of 1000"


def test_credit_that_was_given_settles_on_the_day_on_which_it_is_allocated() -> None:
    credit_note = AccountCredited(payment="c-1", amount=usd(1_000), credited_on=DAY, reason="")
    dated = ((DAY, invoiced("i-1", DUE)), (DAY, credit_note), (DUE, allocated("c-1", "i-1")))
    assert (said(DUE, *dated).because, score(said(DUE, *dated))) == ((2,), "1000 of 1000")


def test_money_that_nobody_knows_of_is_there_when_it_is_allocated() -> None:
    dated = ((DAY, invoiced("i-1", DUE)), (DUE, allocated("unknown", "i-1")))
    assert score(said(DUE, *dated)) == "1000 of 1000"


def written_off(invoice: str) -> InvoiceWrittenOff:
    return InvoiceWrittenOff(
        invoice=invoice, amount=usd(1_000), left=usd(0), approved_by="gus", reason=""
    )


def test_what_is_written_off_is_named_and_leaves_what_is_overdue_beside_it() -> None:
    lost = ((DAY, invoiced("i-1", DUE)), (DAY, invoiced("i-2", DUE)), (DAY, written_off("i-1")))
    answer = said(MARCH, *lost)
    assert (answer.answer, answer.because) == ("D", (4,))
    assert said(date(2027, 1, 1), *lost).because == (3,)


def test_a_write_off_is_forgotten_on_a_day_that_is_told() -> None:
    lost = ((DAY, invoiced("i-1", DUE)), (DAY, written_off("i-1")))
    assert said(MARCH, *lost).next_change_at == midnight(date(2027, 1, 1))


# Money that is taken back


def test_what_a_cheque_had_paid_is_the_same_invoice_again_and_late_beside_the_others() -> None:
    other = (DAY, invoiced("i-b", DUE))
    bounced = (DAY, reversed_one("p-a", "i-a", cents=400))
    answer = said(MARCH, *settled("a"), other, bounced)
    assert (answer.answer, answer.because) == ("C", (2, 5))


def test_a_part_that_is_taken_back_makes_no_second_invoice() -> None:
    part = (DAY, reversed_one("p-1", "i-1", bounced=False, cents=400))
    assert said(MARCH, (DAY, invoiced("i-1", DUE)), part).because == (2,)


def test_an_invoice_that_was_forgotten_is_late_from_its_due_day_when_its_money_is_gone() -> None:
    later = ((date(2026, 3, 1), invoiced("i-2", date(2026, 4, 1))), (date(2026, 3, 2), paid("i-2")))
    back = (date(2026, 3, 3), reversed_one("p-a", "i-a"))
    answer = said(date(2026, 3, 3), *settled("a"), *later, back)
    assert (answer.answer, answer.because) == ("C", (5, 7))
    # In terms 1 of 2: 500, average and longest 0, full tenure: (20000 + 10000) / 85 = 352.
    assert answer.rule == "the score is 352 of 1000"


def cheques(*days: date, bounced: bool = True) -> list[Dated]:
    """Of each day a cheque that pays an invoice of a later year, and is taken back."""
    due_on, dated = date(2027, 12, 31), list[Dated]()
    for number, day in enumerate(days):
        invoice = f"i-{number}"
        back = reversed_one(f"p-{number}", invoice, bounced=bounced, due_on=due_on)
        dated += [*settled(str(number), due_on), (day, back)]
    return dated


GOOD = settled("good")
TWICE = "payments bounced twice in 12 months, C at best"


@pytest.mark.parametrize(
    ("days", "bounced", "rule"),
    [
        ([2], True, None),
        ([2, 3], True, TWICE),
        ([2, 3, 4], True, TWICE),
        ([2, 3], False, None),
    ],
)
def test_two_cheques_or_more_that_bounced_in_a_year_are_a_gate(
    days: list[int], bounced: bool, rule: str | None
) -> None:
    life = (*GOOD, *cheques(*(date(2025, 1, day) for day in days), bounced=bounced))
    found = said(MARCH, *life).rule
    assert found == (rule or "without an investigation that holds, B at best")


def test_cheques_that_bounced_a_year_apart_are_none_and_the_day_is_told() -> None:
    apart = cheques(date(2025, 1, 2), date(2026, 1, 2))
    assert said(date(2026, 1, 2), *GOOD, *apart).rule != TWICE
    near = cheques(date(2025, 1, 2), date(2025, 3, 1))
    answer = said(date(2025, 12, 1), *GOOD, *near)
    assert (answer.rule, answer.next_change_at) == (TWICE, midnight(date(2026, 1, 2)))


def test_a_c_by_the_score_is_not_explained_by_cheques_that_bounced() -> None:
    late = (DAY, invoiced("i-late", date(2025, 1, 2), 1_000_000))
    answer = said(MARCH, *cheques(date(2025, 1, 3), date(2025, 1, 4)), late)
    assert (answer.answer, answer.rule.partition(" is ")[0]) == ("C", "the score")


# Days


def test_who_owes_nothing_and_paid_nothing_is_told_why_there_is_no_grade() -> None:
    answer = said(DAY)
    assert (answer.answer, score(answer), answer.because) == ("unrated", "-", ())
    assert answer.rule == (
        "nothing that was due in 12 months is paid, nothing is overdue, and no investigation holds"
    )


def investigated(until: date) -> Dated:
    return (DAY, CreditInvestigated(score=100, findings="", valid_until=until))


def test_the_grade_changes_on_the_day_after_an_investigation_or_an_override_is_over() -> None:
    assert said(DAY, investigated(MARCH)).next_change_at == midnight(date(2025, 3, 2))
    override = GradeOverridden(grade="A", until=MARCH, reason="")
    assert said(DAY, (DAY, override)).next_change_at == midnight(date(2025, 3, 2))


def test_a_limit_has_no_part_in_the_grade() -> None:
    approved = CreditLimitApproved(request="r", amount=usd(5), approved_by="gus", until=MARCH)
    assert said(DAY, (DAY, approved)).next_change_at is None


def test_the_gate_of_what_is_long_overdue_falls_on_the_day_after_its_days() -> None:
    small: Any = (DAY, invoiced("small", DUE, 1))
    life = (*GOOD, investigated(date(2026, 1, 1)), small)
    patient = Policy(longest_late_days_max=3_650, average_late_days_max=3_650)
    before = said(date(2025, 5, 2), *life, policy=patient)
    after = said(date(2025, 5, 3), *life, policy=patient)
    assert before.rule != after.rule == "overdue for more than 90 days, C at best"
    assert before.next_change_at == midnight(date(2025, 5, 3))


def test_the_tenure_that_is_full_ends_what_time_alone_makes_better() -> None:
    """Nothing else is ahead: a score that tenure alone lifts over a threshold is seen coming."""
    only_tenure = Policy(
        paid_in_terms_weight=0, average_late_weight=0, longest_late_weight=0,
        investigation_weight=0, tenure_days_full=100, a_score=1_000, b_score=900,
    )  # fmt: skip
    young = history((DAY, REGISTERED), *settled("a", date(2027, 1, 1)))
    answer = asked(credit(only_tenure), young, DAY)
    assert answer is not None
    assert (answer.answer, answer.next_change_at) == ("C", midnight(date(2025, 4, 1)))
