"""What is told of an account: in which currency, what an order meets, and when it changes."""

from datetime import date, timedelta
from typing import Any

import pytest

from crmcore.domain.customer import Policy
from crmcore.domain.customer.credit import (
    CreditInvestigated,
    CreditLimitApproved,
    HoldPlaced,
    Limit,
)
from crmcore.domain.customer.limits import SecurityPledged
from crmcore.domain.customer.orders import OrderAccepted
from crmcore.domain.customer.payments import MoneyReceived, PaymentAllocated
from crmcore.domain.customer.receivables import InvoiceDisputed
from crmcore.domain.customer.releases import AutomaticHoldReleased
from crmcore.domain.money import Money
from crmcore.projections import credit
from tests.projections.history import REGISTERED, Dated, asked, eur, history, invoiced, usd

DAY, DUE = date(2025, 1, 1), date(2025, 3, 1)
PLAIN = Policy()


def limit(amount: Limit, until: date | None = None) -> Dated:
    approved = CreditLimitApproved(request="r-1", amount=amount, approved_by="gus", until=until)
    return (DAY, approved)


def told(today: date, *dated: Dated, policy: Policy = PLAIN) -> dict[str, str]:
    projection = credit.credit(credit.Policy(acceptance=policy))
    answer = asked(projection, history((DAY, REGISTERED), *dated), today)
    assert answer is not None
    return dict(answer.details[2:])


def received(amount: Money, clears_on: date) -> MoneyReceived:
    return MoneyReceived(
        payment="p-1", amount=amount, instrument="cheque", received_on=DAY, clears_on=clears_on
    )


def order(amount: Money, deliver_on: date | None = None) -> OrderAccepted:
    return OrderAccepted(
        order="o-1", amount=amount, exposure=amount, limit=amount, deliver_on=deliver_on
    )


def ordered_in(amount: Money) -> list[Any]:
    return [order(amount)]


def invoiced_in(amount: Money) -> list[Any]:
    return [invoiced("i-1", DUE, amount.minor, amount.currency)]


def left_in(amount: Money) -> list[Any]:
    return [received(amount, DAY)]


def uncleared_in(amount: Money) -> list[Any]:
    settled = PaymentAllocated(
        payment="p-1", invoice="i-1", amount=amount, left=Money(minor=0, currency=amount.currency)
    )
    return [*invoiced_in(amount), received(amount, date(2025, 1, 20)), settled]


@pytest.mark.parametrize(
    ("open_in", "exposure"),
    [(ordered_in, "0.30"), (invoiced_in, "0.30"), (left_in, "-0.30"), (uncleared_in, "0.30")],
)
def test_what_is_open_is_told_in_its_currency_where_the_limit_has_none(
    open_in: Any,  # noqa: ANN401 - one of the functions above
    exposure: str,
) -> None:
    events = [(DAY, event) for event in open_in(eur(30))]
    answer = told(DAY, limit("unlimited"), *events)
    assert (answer["status"], answer["exposure"]) == ("ok", f"{exposure} EUR")
    assert ("states" in answer, "headroom" in answer) == (False, False)


def test_where_nothing_is_open_and_no_limit_has_a_currency_there_is_no_exposure() -> None:
    assert told(DAY, limit("unlimited")) == {"status": "ok", "limit": "unlimited"}
    assert told(DAY) == {"status": "CashOnly", "limit": "none", "states": "cash_only"}


def test_an_order_of_the_last_cent_is_within_the_limit_and_the_next_is_over_it() -> None:
    nearly, whole = invoiced("i-1", DUE, 999), invoiced("i-1", DUE, 1_000)
    answers = [told(DAY, limit(usd(1_000)), (DAY, event)) for event in (nearly, whole)]
    assert [(one["status"], one.get("headroom")) for one in answers] == [
        ("ok", "0.01 USD"), ("OverLimit", None),
    ]  # fmt: skip
    assert [one["states"] for one in answers] == ["warning", "warning"]


def test_a_hold_of_deliveries_is_a_hold_of_the_account() -> None:
    hold = HoldPlaced(hold="h-1", reason="", scope="delivery")
    assert told(DAY, limit(usd(1_000)), (DAY, hold))["states"] == "manual_hold"


# On which day it changes


def changes(today: date, *dated: Dated, policy: Policy = PLAIN) -> str | None:
    """The day of its next change, as it is told."""
    said = told(today, *dated, policy=policy).get("account changes at")
    return said and said.removesuffix("T00:00:00+00:00")


def test_an_account_changes_whenever_an_invoice_comes_of_another_age() -> None:
    owing = (limit("unlimited"), (DAY, invoiced("i-1", DUE)))
    days = [DUE + timedelta(days=late) for late in (1, 31, 61, 91)]
    assert [changes(day - timedelta(days=1), *owing) for day in days] == [str(day) for day in days]
    assert changes(days[-1], *owing) is None


def test_an_account_changes_when_what_is_overdue_stops_orders_and_then_holds_it() -> None:
    patient = Policy(overdue_grace_days=5, overdue_hold_days=10)
    owing = (limit("unlimited"), (DAY, invoiced("i-1", DUE)))
    grace, hold = DUE + timedelta(days=6), DUE + timedelta(days=11)
    assert changes(DUE + timedelta(days=1), *owing, policy=patient) == str(grace)
    assert changes(grace, *owing, policy=patient) == str(hold)
    answers = [told(day, *owing, policy=patient) for day in (grace, hold)]
    assert [one.get("states") for one in answers] == [None, "overdue_hold"]


def test_a_disputed_invoice_comes_of_no_other_age() -> None:
    disputed = InvoiceDisputed(invoice="i-1", reason="broken")
    quarrel = ((DAY, invoiced("i-1", DUE)), (DAY, disputed))
    assert changes(DAY, limit("unlimited"), *quarrel) is None


LAST, AFTER = date(2025, 1, 31), "2025-02-01"


@pytest.mark.parametrize(
    "dated",
    [
        [limit(usd(1_000), LAST)],
        [(DAY, CreditInvestigated(score=50, findings="", valid_until=LAST))],
        [limit(usd(1_000)), (DAY, HoldPlaced(hold="h-1", reason="", ends_on=LAST))],
        [
            limit(usd(1_000)),
            (DAY, SecurityPledged(
                security="s-1", kind="deposit", amount=usd(5), ends_on=LAST, approved_by="gus"
            )),
        ],
        [
            limit("unlimited"),
            (DAY, invoiced("i-1", date(2024, 6, 1))),
            (DAY, AutomaticHoldReleased(
                kind="overdue", ends_on=LAST, released_by="gus", reason=""
            )),
        ],
    ],
    ids=["limit", "investigation", "hold", "security", "release"],
)  # fmt: skip
def test_an_account_changes_when_what_holds_for_a_while_is_over(dated: list[Dated]) -> None:
    assert changes(DAY, *dated) == AFTER
    assert changes(LAST, *dated) == AFTER


def test_an_order_counts_from_the_day_on_which_it_is_near_enough() -> None:
    near, far = Policy(horizon_days=10), (DAY, order(usd(5), date(2025, 2, 10)))
    assert changes(DAY, limit(usd(10)), far, policy=near) == "2025-01-31"
    for policy, one in ((near, order(usd(5))), (PLAIN, order(usd(5), date(2025, 2, 10)))):
        answer = told(DAY, limit(usd(10)), (DAY, one), policy=policy)
        assert (answer["exposure"], "account changes at" in answer) == ("0.05 USD", False)
