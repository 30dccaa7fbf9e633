"""Orders that are delivered, change, close and come back: rules CR3, CR4, CR6 and CR9."""

from datetime import date

import pytest

from crmcore.domain import customer
from crmcore.domain.customer import (
    AcceptOrder,
    CancelOrder,
    ChangeOrder,
    CloseOrder,
    Deliver,
    IssueInvoice,
    Policy,
    ReleaseOrder,
    ReopenOrder,
)
from crmcore.domain.customer.acceptance import CashOnly, OnHold, OverLimit, exposure_of
from crmcore.domain.customer.credit import (
    AlreadyOver,
    CreditInvestigated,
    CreditLimitApproved,
    HoldPlaced,
    NotAuthorised,
)
from crmcore.domain.customer.exposure import Exposure
from crmcore.domain.customer.orders import (
    BelowDone,
    DeliveryRecorded,
    NotClosed,
    OrderAccepted,
    OrderCancelled,
    OrderChanged,
    OrderClosed,
    OrderReopened,
    TooMuchDelivered,
    UnknownOrder,
)
from crmcore.domain.customer.policy import SubLimit
from crmcore.domain.customer.profile import Blacklisted, CustomerRegistered, NotActive
from crmcore.domain.customer.receivables import InvoiceIssued, NameTaken
from crmcore.domain.customer.releases import OverLimitReleased
from crmcore.domain.customer.sales import REMEMBERED_MAX, NotPositive
from crmcore.domain.money import CurrencyMismatch, Money
from crmcore.testing import Scenario, given

TODAY, LATER = date(2026, 3, 2), date(2026, 3, 31)
MANAGER = ["general_manager"]
REGISTERED = CustomerRegistered(code="c-1", name="Ann Ltd.", kind="organisation")


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


def limited(cents: int = 1_000) -> CreditLimitApproved:
    return CreditLimitApproved(request="r-1", amount=usd(cents), approved_by="gus", until=None)


def under(policy: Policy) -> Scenario:
    return given(customer.decider(policy), REGISTERED, limited(), at=TODAY)


KNOWN = under(Policy())


def accepted(name: str, cents: int, exposure: int | None = None) -> OrderAccepted:
    owed = usd(cents if exposure is None else exposure)
    return OrderAccepted(order=name, amount=usd(cents), exposure=owed, limit=usd(1_000))


def delivered(cents: int, name: str = "o-1", delivery: str = "d-1") -> DeliveryRecorded:
    return DeliveryRecorded(order=name, delivery=delivery, amount=usd(cents))


def deliver(cents: int, name: str = "o-1", delivery: str = "d-1") -> Deliver:
    return Deliver(order=name, delivery=delivery, amount=usd(cents))


def invoiced(cents: int, name: str = "i-1", order: str = "o-1") -> InvoiceIssued:
    return InvoiceIssued(invoice=name, amount=usd(cents), due_on=date(2026, 5, 1), order=order)


def exposed(scenario: Scenario, policy: Policy | None = None) -> Exposure:
    return exposure_of(customer.books(scenario.state, TODAY), policy or Policy())


def change(cents: int) -> ChangeOrder:
    return ChangeOrder(order="o-1", amount=usd(cents))


# Delivered, then invoiced


def test_cr3_what_is_delivered_is_owed_until_it_is_invoiced() -> None:
    ordered = KNOWN.given(accepted("o-1", 100))
    partly = ordered.when(deliver(60)).then(delivered(60))
    assert exposed(partly) == Exposure(ordered=40, delivered=60)
    billed = partly.given(invoiced(50))
    assert exposed(billed) == Exposure(ordered=40, delivered=10, invoiced=50)


def test_cr4_what_is_invoiced_before_it_is_delivered_counts_once() -> None:
    prepaid = KNOWN.given(accepted("o-1", 100), invoiced(70))
    assert exposed(prepaid) == Exposure(ordered=30, invoiced=70)
    after = prepaid.when(deliver(80)).then(delivered(80))
    assert exposed(after) == Exposure(ordered=20, delivered=10, invoiced=70)


def test_regression_8_a_delivery_is_not_counted_on_top_of_its_order() -> None:
    ordered = KNOWN.given(accepted("o-1", 60))
    assert exposed(ordered.when(deliver(60))).total(Policy().counted) == 60


def test_nobody_gets_more_than_was_ordered() -> None:
    partly = KNOWN.given(accepted("o-1", 100), delivered(60))
    partly.when(deliver(41, delivery="d-2")).rejected(TooMuchDelivered(left=usd(40)))
    partly.when(deliver(0, delivery="d-2")).rejected(NotPositive(amount=usd(0)))
    partly.when(deliver(40, delivery="d-2")).then(delivered(40, delivery="d-2"))
    euros = Deliver(order="o-1", delivery="d-2", amount=Money(minor=1, currency="EUR"))
    partly.when(euros).rejected(CurrencyMismatch)
    KNOWN.when(deliver(1)).rejected(UnknownOrder(order="o-1"))


def test_what_was_invoiced_whole_is_still_delivered() -> None:
    billed = KNOWN.given(accepted("o-1", 100), invoiced(100))
    assert billed.state.orders == ()
    assert exposed(billed.when(deliver(100))) == Exposure(invoiced=100)


def test_a_blacklisted_customer_gets_no_delivery_but_an_order_can_be_cancelled() -> None:
    listed = KNOWN.given(accepted("o-1", 100), Blacklisted(reason="fraud"))
    listed.when(deliver(1)).rejected(NotActive(status="blacklisted"))
    cancelled = OrderCancelled(order="o-1", amount=usd(100), reason="fraud")
    listed.when(CancelOrder(order="o-1", reason="fraud")).then(cancelled)


def test_what_is_delivered_stays_owed_when_the_rest_is_cancelled() -> None:
    partly = KNOWN.given(accepted("o-1", 100), delivered(60))
    cancelled = partly.when(CancelOrder(order="o-1", reason="late"))
    cancelled.then(OrderCancelled(order="o-1", amount=usd(40), reason="late"))
    assert exposed(cancelled) == Exposure(delivered=60)
    cancelled.when(CancelOrder(order="o-1", reason="late")).nothing()
    cancelled.when(CloseOrder(order="o-1")).nothing()
    done = cancelled.when(IssueInvoice(invoice="i-1", amount=usd(60), order="o-1"))
    assert exposed(done) == Exposure(invoiced=60)
    assert done.state.orders == ()


# Changed, closed, reopened


def test_cr6_more_than_before_is_a_new_check_and_less_is_none() -> None:
    ordered = KNOWN.given(accepted("o-1", 600), accepted("o-2", 300))
    ordered.when(change(700)).then(
        OrderChanged(order="o-1", amount=usd(700), exposure=usd(1_000), limit=usd(1_000))
    )
    ordered.when(change(701)).rejected(OverLimit(exposure=usd(1_001), limit=usd(1_000)))
    ordered.when(change(600)).nothing()
    held = ordered.given(HoldPlaced(hold="h-1", reason=""))
    held.when(change(601)).rejected(OnHold(holds=("h-1",)))
    less = held.when(change(500)).then(OrderChanged(order="o-1", amount=usd(500)))
    assert exposed(less) == Exposure(ordered=800)


def test_an_order_stays_at_least_what_of_it_is_delivered_or_invoiced() -> None:
    partly = KNOWN.given(accepted("o-1", 600), delivered(300), invoiced(200))
    partly.when(change(299)).rejected(BelowDone(done=usd(300)))
    partly.when(change(0)).rejected(NotPositive(amount=usd(0)))
    least = partly.when(change(300)).then(OrderChanged(order="o-1", amount=usd(300)))
    assert exposed(least) == Exposure(delivered=100, invoiced=200)
    ahead = KNOWN.given(accepted("o-1", 600), invoiced(400))
    ahead.when(change(399)).rejected(BelowDone(done=usd(400)))


def test_regression_8_closing_and_reopening_does_not_evade_the_limit() -> None:
    full = KNOWN.given(accepted("o-1", 900))
    closed = full.when(CloseOrder(order="o-1")).then(OrderClosed(order="o-1", amount=usd(900)))
    assert exposed(closed) == Exposure()
    swapped = closed.when(AcceptOrder(order="o-2", amount=usd(200)))
    reopen = ReopenOrder(order="o-1")
    swapped.when(reopen).rejected(OverLimit(exposure=usd(1_100), limit=usd(1_000)))
    again = closed.when(reopen)
    again.then(OrderReopened(order="o-1", amount=usd(900), exposure=usd(900), limit=usd(1_000)))
    assert exposed(again) == Exposure(ordered=900)
    again.when(reopen).rejected(NotClosed(order="o-1"))


def test_cr6_a_reopened_order_meets_holds_and_the_state_of_the_customer() -> None:
    closed = KNOWN.given(accepted("o-1", 900), OrderClosed(order="o-1", amount=usd(900)))
    held = closed.given(HoldPlaced(hold="h-1", reason=""))
    held.when(ReopenOrder(order="o-1")).rejected(OnHold(holds=("h-1",)))
    listed = closed.given(Blacklisted(reason="fraud"))
    listed.when(ReopenOrder(order="o-1")).rejected(NotActive(status="blacklisted"))
    KNOWN.when(ReopenOrder(order="o-1")).rejected(NotClosed(order="o-1"))


def test_a_reopened_order_is_what_it_was_in_part() -> None:
    past = KNOWN.given(accepted("o-1", 900), delivered(100), invoiced(40))
    reopened = past.when(CloseOrder(order="o-1"), ReopenOrder(order="o-1"))
    assert exposed(reopened) == exposed(past) == Exposure(ordered=800, delivered=60, invoiced=40)


def test_an_order_that_changed_after_it_was_cut_has_nothing_to_reopen() -> None:
    cut = KNOWN.given(accepted("o-1", 900), delivered(100))
    changed = cut.when(CloseOrder(order="o-1"), change(300))
    changed.when(ReopenOrder(order="o-1")).rejected(NotClosed(order="o-1"))


def test_the_latest_hundred_closed_orders_are_remembered() -> None:
    names = [f"o-{n}" for n in range(REMEMBERED_MAX + 1)]
    closing = [e for n in names for e in (accepted(n, 1), OrderClosed(order=n, amount=usd(1)))]
    many = KNOWN.given(*closing)
    assert len(many.state.closed_orders) == REMEMBERED_MAX == 100
    many.when(ReopenOrder(order="o-0")).rejected(NotClosed(order="o-0"))
    many.when(AcceptOrder(order="o-1", amount=usd(2))).rejected(NameTaken(name="o-1"))
    many.when(ReopenOrder(order="o-1")).then(
        OrderReopened(order="o-1", amount=usd(1), exposure=usd(1), limit=usd(1_000))
    )


# A release of one order


def release(cents: int, ends_on: date = LATER) -> ReleaseOrder:
    return ReleaseOrder(order="o-1", amount=usd(cents), ends_on=ends_on, reason="a fair")


def released(cents: int) -> OverLimitReleased:
    return OverLimitReleased(
        order="o-1", amount=usd(cents), ends_on=LATER, released_by="gus", reason="a fair"
    )


def test_cr9_one_order_passes_above_the_limit_once() -> None:
    free = KNOWN.when(release(1_500), by="gus", roles=MANAGER).then(released(1_500))
    passed = free.when(AcceptOrder(order="o-1", amount=usd(1_400)), at=LATER)
    passed.then(
        OrderAccepted(
            order="o-1",
            amount=usd(1_400),
            exposure=usd(1_400),
            limit=usd(1_000),
            released=usd(1_500),
            release_ends_on=LATER,
        )
    )
    beyond = OverLimit(exposure=usd(1_400), limit=usd(1_000))
    cut = passed.when(CancelOrder(order="o-1", reason=""), at=LATER)
    cut.when(ReopenOrder(order="o-1"), at=LATER).rejected(beyond)


def test_cr9_an_increase_beyond_the_release_is_checked() -> None:
    passed = KNOWN.given(released(1_500)).when(AcceptOrder(order="o-1", amount=usd(1_400)))
    passed.when(change(1_500)).then(
        OrderChanged(order="o-1", amount=usd(1_500), exposure=usd(1_500), limit=usd(1_000))
    )
    beyond = OverLimit(exposure=usd(1_501), limit=usd(1_000))
    passed.when(change(1_501)).rejected(beyond)
    late = OverLimit(exposure=usd(1_500), limit=usd(1_000))
    passed.when(change(1_500), at=date(2026, 4, 1)).rejected(late)


def test_cr9_a_release_is_for_one_order_up_to_an_amount_until_a_day() -> None:
    free = KNOWN.given(released(1_500))
    other = AcceptOrder(order="o-2", amount=usd(1_400))
    free.when(other).rejected(OverLimit(exposure=usd(1_400), limit=usd(1_000)))
    more = AcceptOrder(order="o-1", amount=usd(1_501))
    free.when(more).rejected(OverLimit(exposure=usd(1_501), limit=usd(1_000)))
    order = AcceptOrder(order="o-1", amount=usd(1_400))
    late = free.when(order, at=date(2026, 4, 1))
    late.rejected(OverLimit(exposure=usd(1_400), limit=usd(1_000)))
    held = free.given(HoldPlaced(hold="h-1", reason=""))
    held.when(order).rejected(OnHold(holds=("h-1",)))
    nothing = given(customer.decider(Policy()), REGISTERED, released(1_500))
    nothing.when(order).rejected(CashOnly())


def test_cr9_a_release_passes_over_what_is_on_hold_by_itself() -> None:
    old = CreditInvestigated(score=70, findings="", valid_until=date(2026, 3, 1))
    stale = KNOWN.given(old)
    order = AcceptOrder(order="o-1", amount=usd(10))
    stale.when(order, at=TODAY).rejected(OnHold(holds=("investigation",)))
    assert len(stale.given(released(10)).when(order, at=TODAY).state.orders) == 1


@pytest.mark.parametrize("cents", [0, -1])
def test_a_release_is_given_by_a_manager_for_some_money_and_for_a_while(cents: int) -> None:
    nobody = NotAuthorised(role="general_manager", by="bob")
    KNOWN.when(release(5), by="bob").rejected(nobody)
    nothing = NotPositive(amount=usd(cents))
    KNOWN.when(release(cents), by="gus", roles=MANAGER).rejected(nothing)
    over = release(5, ends_on=date(2026, 3, 1))
    past = KNOWN.when(over, at=TODAY, by="gus", roles=MANAGER)
    past.rejected(AlreadyOver(ends_on=date(2026, 3, 1)))


def test_the_latest_release_of_an_order_counts() -> None:
    less = KNOWN.given(released(1_500), released(1_200))
    assert [one.amount for one in less.state.releases.orders] == [usd(1_200)]


# What counts


def test_cr3_what_is_to_be_delivered_beyond_the_horizon_does_not_count_yet() -> None:
    near = Policy(horizon_days=30)
    far = AcceptOrder(order="o-1", amount=usd(5_000), deliver_on=date(2026, 4, 2))
    ordered = under(near).when(far, at=TODAY)
    ordered.then(
        OrderAccepted(
            order="o-1",
            amount=usd(5_000),
            exposure=usd(0),
            limit=usd(1_000),
            deliver_on=date(2026, 4, 2),
        )
    )
    assert exposed(ordered, near) == Exposure()
    next_day = customer.books(ordered.state, date(2026, 3, 3))
    assert exposure_of(next_day, near) == Exposure(ordered=5_000)


def test_cr3_a_bucket_that_does_not_count_is_left_out() -> None:
    goods = Policy(counted=("delivered", "invoiced"))
    ordered = under(goods).given(accepted("o-1", 900), delivered(100))
    ordered.when(AcceptOrder(order="o-2", amount=usd(5_000))).then(
        OrderAccepted(order="o-2", amount=usd(5_000), exposure=usd(100), limit=usd(1_000))
    )


def test_cr3_a_bucket_may_have_a_limit_of_its_own() -> None:
    few = Policy(sub_limits=(SubLimit(bucket="ordered", amount=usd(500)),))
    ordered = under(few).given(accepted("o-1", 400))
    beyond = OverLimit(exposure=usd(501), limit=usd(500))
    ordered.when(AcceptOrder(order="o-2", amount=usd(101))).rejected(beyond)
    ordered.when(AcceptOrder(order="o-2", amount=usd(100))).then(accepted("o-2", 100, 500))
