"""The account beside the credit grade: rules.md 3.2 (status, exposure, age), CR7, CR10 and CR11."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given as generated
from hypothesis import strategies as st

from crmcore.domain.customer import Policy, Terms
from crmcore.domain.customer.credit import (
    CreditInvestigated,
    CreditLimitApproved,
    CreditLimitLowered,
    HoldPlaced,
)
from crmcore.domain.customer.limits import TemporaryLimitGranted
from crmcore.domain.customer.orders import DeliveryRecorded, OrderAccepted
from crmcore.domain.customer.payments import (
    MoneyReceived,
    PaymentAllocated,
    PaymentReversed,
    Restored,
)
from crmcore.domain.customer.profile import Blacklisted, TermsChanged
from crmcore.domain.customer.receivables import InvoiceDisputed, InvoiceWrittenOff
from crmcore.domain.customer.releases import AutomaticHoldReleased
from crmcore.domain.customer.reminders import Reminded, ReminderSent
from crmcore.projections import credit
from crmcore.projections.account import account
from crmcore.testing import History, histories
from tests.projections.history import REGISTERED, Dated, asked, history, invoiced, paid, start, usd
from tests.testing.planted import CUSTOMER

DAY = date(2025, 1, 1)
CREDIT = credit.credit(credit.Policy())
APPROVED = CreditLimitApproved(request="r-1", amount=usd(1_000), approved_by="gus", until=None)
OPENING: tuple[Dated, ...] = ((DAY, REGISTERED), (DAY, APPROVED))


def told(today: date, *dated: Dated) -> dict[str, str]:
    answer = asked(CREDIT, history(*OPENING, *dated), today)
    assert answer is not None
    return dict(answer.details[2:])


def grade(today: date, *dated: Dated) -> tuple[str, str]:
    answer = asked(CREDIT, history(*OPENING, *dated), today)
    assert answer is not None
    return answer.answer, answer.rule


def received(name: str, cents: int, clears_on: date) -> MoneyReceived:
    return MoneyReceived(
        payment=name,
        amount=usd(cents),
        instrument="cheque",
        received_on=DAY,
        clears_on=clears_on,
    )


def allocated(name: str, invoice: str, cents: int, left: int = 0) -> PaymentAllocated:
    return PaymentAllocated(payment=name, invoice=invoice, amount=usd(cents), left=usd(left))


def bounced(name: str, invoice: str, cents: int, due_on: date) -> PaymentReversed:
    again = (Restored(invoice=invoice, amount=usd(cents), due_on=due_on),)
    return PaymentReversed(payment=name, amount=usd(cents), restored=again, bounced=True, reason="")


def test_every_bucket_of_the_exposure_is_told() -> None:
    order = OrderAccepted(order="o-1", amount=usd(100), exposure=usd(100), limit=usd(1_000))
    delivery = DeliveryRecorded(order="o-1", delivery="d-1", amount=usd(60))
    trade = (
        order,
        delivery,
        invoiced("i-1", date(2025, 2, 1), 500),
        received("p-1", 90, date(2025, 1, 20)),
        allocated("p-1", "i-1", 70, left=430),
        received("p-2", 30, DAY),
    )
    assert told(DAY, *((DAY, event) for event in trade)) == {
        "status": "ok",
        "limit": "10.00 USD",
        "exposure": "5.70 USD",
        "headroom": "4.30 USD",
        "ordered": "0.40 USD",
        "delivered": "0.60 USD",
        "invoiced": "4.30 USD",
        "uncleared": "0.70 USD",
        "unapplied": "-0.30 USD",
        "not due": "4.30 USD",
        "account changes at": "2025-01-20T00:00:00+00:00",
    }


def test_cr11_open_amounts_are_told_by_age() -> None:
    ends = [("a", 0), ("b", 30), ("c", 31), ("d", 61), ("e", 91), ("f", 5)]
    today = date(2025, 6, 1)
    trade = [invoiced(name, today - timedelta(days=late), 10) for name, late in ends]
    quarrel = InvoiceDisputed(invoice="f", reason="broken")
    ages = told(today, *((DAY, event) for event in (*trade, quarrel)))
    wanted = {
        "not due": "0.10 USD",
        "1 to 30 days late": "0.10 USD",
        "31 to 60 days late": "0.10 USD",
        "61 to 90 days late": "0.10 USD",
        "more than 90 days late": "0.10 USD",
        "disputed": "0.10 USD",
    }
    assert wanted.items() <= ages.items()


def test_cr10_the_account_changes_when_a_cheque_clears() -> None:
    cheque = ((DAY, invoiced("i-1", date(2025, 3, 1), 500)),
              (DAY, received("p-1", 500, date(2025, 1, 20))))  # fmt: skip
    before, after = told(date(2025, 1, 19), *cheque), told(date(2025, 1, 20), *cheque)
    assert (before["exposure"], before["account changes at"]) == (
        "5.00 USD",
        "2025-01-20T00:00:00+00:00",
    )
    assert (after["exposure"], after["account changes at"]) == (
        "0.00 USD",
        "2025-03-02T00:00:00+00:00",
    )


@pytest.mark.parametrize(
    ("events", "states"),
    [
        ([], None),
        ([Blacklisted(reason="")], "blacklisted"),
        ([HoldPlaced(hold="h-1", reason="")], "manual_hold"),
        ([TermsChanged(terms=Terms(customer_class="D"))], "class_d_hold"),
        ([invoiced("i-1", date(2024, 12, 1))], "overdue_hold, warning"),
        ([invoiced("i-1", date(2025, 2, 1)), CreditLimitLowered(amount=usd(999))], "over_limit"),
        ([CreditInvestigated(score=1, findings="", valid_until=date(2024, 12, 31))],
         "investigation_due"),
        ([invoiced("i-1", date(2025, 2, 1), 799)], None),
        ([invoiced("i-1", date(2025, 2, 1), 800)], "warning"),
        ([CreditLimitLowered(amount=usd(0))], "cash_only"),
        ([invoiced("i-1", date(2024, 12, 1), 900), HoldPlaced(hold="h-1", reason=""),
          CreditLimitLowered(amount=usd(5))], "manual_hold, overdue_hold, over_limit"),
    ],
)  # fmt: skip
def test_the_states_of_an_account_are_listed_worst_first(
    events: list[Any], states: str | None
) -> None:
    assert told(DAY, *((DAY, event) for event in events)).get("states") == states


def test_a_hold_that_was_released_is_told_again_after_its_date() -> None:
    release = AutomaticHoldReleased(
        kind="overdue", ends_on=date(2025, 1, 31), released_by="gus", reason=""
    )
    late = ((DAY, invoiced("i-1", date(2024, 11, 1), 10)), (DAY, release))
    before = told(date(2025, 1, 30), *late)
    assert ("states" in before, before["status"]) == (False, "ok")
    assert told(date(2025, 2, 1), *late)["states"] == "overdue_hold"


def test_the_level_of_reminders_is_told() -> None:
    item = Reminded(invoice="i-1", overdue=usd(10), level=2)
    sent = ReminderSent(reminder="m", sent_on=DAY, invoices=(item,), level=2)
    owing = ((DAY, invoiced("i-1", date(2024, 12, 31), 10)), (DAY, sent))
    assert told(DAY, *owing)["reminder level"] == "2"


def test_a_limit_that_is_raised_for_a_while_is_told_with_its_end() -> None:
    more = TemporaryLimitGranted(
        amount=usd(5), starts_on=date(2025, 1, 5), ends_on=date(2025, 1, 9), approved_by="gus"
    )
    answers = [told(day, (DAY, more)) for day in (DAY, date(2025, 1, 5), date(2025, 1, 10))]
    assert [(one["limit"], one.get("account changes at")) for one in answers] == [
        ("10.00 USD", "2025-01-05T00:00:00+00:00"),
        ("10.05 USD", "2025-01-10T00:00:00+00:00"),
        ("10.00 USD", None),
    ]


# The grade


def test_who_had_something_written_off_has_grade_d_for_two_years() -> None:
    written_off = InvoiceWrittenOff(
        invoice="i-1", amount=usd(400), left=usd(600), approved_by="gus", reason=""
    )
    lost = ((DAY, invoiced("i-1", date(2025, 2, 1))), (DAY, written_off))
    assert grade(date(2026, 12, 31), *lost) == ("D", "written off in 24 months, D")
    assert grade(date(2027, 1, 1), *lost)[0] == "C"
    answer = asked(CREDIT, history(*OPENING, *lost), date(2026, 12, 31))
    assert answer is not None
    assert answer.next_change_at == start(date(2027, 1, 1))


def test_what_was_written_off_whole_is_not_paid() -> None:
    whole = InvoiceWrittenOff(
        invoice="i-1", amount=usd(1_000), left=usd(0), approved_by="gus", reason=""
    )
    lost = ((DAY, invoiced("i-1", date(2025, 2, 1))), (DAY, whole))
    assert grade(date(2027, 1, 1), *lost)[0] == "unrated"


def test_a_cheque_that_bounced_leaves_the_invoice_late_from_its_due_day() -> None:
    settled = (
        (DAY, invoiced("i-1", date(2025, 2, 1))),
        (DAY, received("p-1", 1_000, date(2025, 1, 20))),
        (DAY, allocated("p-1", "i-1", 1_000)),
    )
    assert grade(date(2025, 3, 3), *settled)[0] == "B"
    back = (date(2025, 1, 25), bounced("p-1", "i-1", 1_000, date(2025, 2, 1)))
    assert grade(date(2025, 2, 1), *settled, back)[0] == "unrated"
    # In terms 0, average 0, longest 30 of 90 days: 666. Tenure: 61 of 1095 days, so 55.
    # (9990 + 550) / 85 = 124.
    assert grade(date(2025, 3, 3), *settled, back) == ("C", "the score is 124 of 1000")


def test_a_cheque_pays_on_the_day_on_which_it_clears() -> None:
    # In terms 0 and 28 days late: average 2 of 30 days: 66, longest 62 of 90: 688.
    late = (
        (DAY, invoiced("i-1", date(2025, 2, 1))),
        (DAY, received("p-1", 1_000, date(2025, 3, 1))),
        (DAY, allocated("p-1", "i-1", 1_000)),
    )
    # Tenure: 0. (0 + 20 x 66 + 15 x 688 + 0) / 85 = 136.
    assert grade(DAY, *late) == ("C", "the score is 136 of 1000")


def test_who_bounced_twice_in_a_year_is_not_better_than_c() -> None:
    good = [
        event
        for n in range(5)
        for event in ((DAY, invoiced(f"g-{n}", date(2025, 2, 1))), (DAY, paid(f"g-{n}")))
    ]
    twice = [
        event
        for name, day in (("a", date(2025, 1, 5)), ("b", date(2025, 1, 8)))
        for event in (
            (DAY, invoiced(f"i-{name}", date(2025, 12, 31))),
            (DAY, received(name, 1_000, DAY)),
            (DAY, allocated(name, f"i-{name}", 1_000)),
            (day, bounced(name, f"i-{name}", 1_000, date(2025, 12, 31))),
        )
    ]
    assert grade(date(2025, 1, 7), *good, *twice)[0] == "B"
    rule = "payments bounced twice in 12 months, C at best"
    assert grade(date(2025, 1, 8), *good, *twice) == ("C", rule)
    assert grade(date(2026, 1, 4), *good, *twice) == ("C", rule)
    assert grade(date(2026, 1, 5), *good, *twice)[1] != rule


def test_a_payment_of_a_part_that_is_taken_back_leaves_the_whole_open() -> None:
    part = PaymentReversed(
        payment="p-1",
        amount=usd(400),
        restored=(Restored(invoice="i-1", amount=usd(400), due_on=date(2025, 2, 1)),),
        bounced=False,
        reason="",
    )
    owing = ((DAY, invoiced("i-1", date(2025, 2, 1))),)
    taken = (
        (DAY, received("p-1", 400, DAY)),
        (DAY, allocated("p-1", "i-1", 400, left=600)),
        (DAY, part),
    )
    day = date(2025, 3, 3)
    assert grade(day, *owing, *taken) == grade(day, *owing)
    assert told(day, *owing, *taken)["invoiced"] == "10.00 USD"


def test_cr3_an_order_beyond_the_horizon_counts_from_its_day_on() -> None:
    near = credit.credit(credit.Policy(acceptance=Policy(horizon_days=10)))
    for deliver_on, changes in (
        (date(2025, 1, 31), "2025-01-21T00:00:00+00:00"),
        (date(1, 1, 1), None),
    ):
        far = OrderAccepted(
            order="o-1", amount=usd(5), exposure=usd(0), limit=usd(9), deliver_on=deliver_on
        )
        answer = asked(near, history(*OPENING, (DAY, far)), DAY)
        assert answer is not None
        assert dict(answer.details).get("account changes at") == changes


# As time passes

POLICY = Policy()


@generated(histories(CUSTOMER), st.integers(0, 400))
def test_x12_the_account_is_the_same_until_it_says_that_it_changes(
    life: History, days: int
) -> None:
    state = life.state
    at = life.steps[-1].at if life.steps else start(DAY)
    *now, last = account(state, at, POLICY)
    name, value = last
    changes = datetime.fromisoformat(value) if name == "account changes at" else None
    lines = now if changes else [*now, last]
    later = at + timedelta(days=days)
    then = [line for line in account(state, later, POLICY) if line[0] != "account changes at"]
    if changes is None or later < changes:
        assert then == lines
    elif changes - timedelta(days=1) <= later < changes + timedelta(days=1):
        assert then != lines
