"""What raises a limit, what holds a customer, and who may let it pass: CR2, CR7, CR8 and CR13."""

from datetime import date

import pytest

from crmcore.domain import customer
from crmcore.domain.customer import (
    AcceptOrder,
    ApproveLimit,
    Deliver,
    GrantTemporaryLimit,
    LowerLimit,
    PlaceHold,
    PledgeSecurity,
    Policy,
    RejectLimit,
    ReleaseAutomaticHold,
    ReleaseHold,
    ReleaseSecurity,
    RequestLimit,
    RevokeLimit,
    Terms,
    WithdrawRequest,
)
from crmcore.domain.customer.acceptance import (
    CashOnly,
    OnHold,
    Overdue,
    OverLimit,
    automatic_holds,
    is_over_limit,
)
from crmcore.domain.customer.credit import (
    AlreadyOver,
    CreditInvestigated,
    CreditLimitApproved,
    CreditLimitLowered,
    CreditLimitRejected,
    CreditLimitRequested,
    CreditLimitWithdrawn,
    HoldPlaced,
    HoldReleased,
    LimitRevoked,
    NotAuthorised,
    StaleRequest,
)
from crmcore.domain.customer.limits import (
    EndsBeforeStart,
    SecurityPledged,
    SecurityReleased,
    TemporaryLimitGranted,
)
from crmcore.domain.customer.orders import OrderAccepted
from crmcore.domain.customer.policy import Band
from crmcore.domain.customer.profile import CustomerRegistered, TermsChanged
from crmcore.domain.customer.receivables import InvoiceIssued
from crmcore.domain.customer.releases import AutomaticHoldReleased
from crmcore.domain.customer.sales import NotPositive
from crmcore.domain.money import CurrencyMismatch, Money
from crmcore.testing import Scenario, given

TODAY, FROM, TO = date(2026, 3, 2), date(2026, 3, 10), date(2026, 3, 31)
MANAGER = ["general_manager"]
REGISTERED = CustomerRegistered(code="c-1", name="Ann Ltd.", kind="organisation")


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


def limited(cents: int = 1_000, until: date | None = None) -> CreditLimitApproved:
    return CreditLimitApproved(request="r-1", amount=usd(cents), approved_by="gus", until=until)


KNOWN = given(customer.decider(Policy()), REGISTERED, limited(), at=TODAY)
FEBRUARY_1 = date(2026, 2, 1)
LATE = InvoiceIssued(invoice="i-1", amount=usd(100), due_on=FEBRUARY_1, order=None)


def raised(cents: int, starts_on: date = FROM, ends_on: date = TO) -> TemporaryLimitGranted:
    return TemporaryLimitGranted(
        amount=usd(cents), starts_on=starts_on, ends_on=ends_on, approved_by="gus"
    )


def pledged(cents: int, ends_on: date | None = TO, name: str = "s-1") -> SecurityPledged:
    return SecurityPledged(
        security=name, kind="insurance", amount=usd(cents), ends_on=ends_on, approved_by="gus"
    )


def limit_on(scenario: Scenario, day: date) -> object:
    return customer.books(scenario.state, day).limit


def order(cents: int) -> AcceptOrder:
    return AcceptOrder(order="o-1", amount=usd(cents))


# What raises the limit


def test_cr2_a_limit_is_raised_for_a_while_without_another_fact() -> None:
    grant = GrantTemporaryLimit(amount=usd(500), starts_on=FROM, ends_on=TO)
    more = KNOWN.when(grant, at=TODAY, by="gus", roles=MANAGER).then(raised(500))
    days = (date(2026, 3, 9), FROM, TO, date(2026, 4, 1))
    assert [limit_on(more, day) for day in days] == [usd(1_000), usd(1_500), usd(1_500), usd(1_000)]
    more.when(order(1_500), at=TO).then(
        OrderAccepted(order="o-1", amount=usd(1_500), exposure=usd(1_500), limit=usd(1_500))
    )
    beyond = OverLimit(exposure=usd(1_500), limit=usd(1_000))
    more.when(order(1_500), at=date(2026, 4, 1)).rejected(beyond)


def test_cr2_a_security_raises_the_limit_while_it_holds() -> None:
    pledge = PledgeSecurity(security="s-1", kind="insurance", amount=usd(200), ends_on=TO)
    secured = KNOWN.when(pledge, at=TODAY, by="gus", roles=MANAGER).then(pledged(200))
    assert [limit_on(secured, day) for day in (TO, date(2026, 4, 1))] == [usd(1_200), usd(1_000)]
    secured.when(pledge, at=TODAY, by="gus", roles=MANAGER).nothing()
    more = secured.given(pledged(300, None), pledged(40, None, "s-2"))
    assert limit_on(more, date(2030, 1, 1)) == usd(1_340)
    back = more.when(ReleaseSecurity(security="s-1", reason="expired"))
    back.then(SecurityReleased(security="s-1", reason="expired"))
    assert limit_on(back, TODAY) == usd(1_040)
    back.when(ReleaseSecurity(security="s-1", reason="expired")).nothing()


def test_cr1_where_no_limit_was_decided_there_is_none_to_raise() -> None:
    nobody = given(customer.decider(Policy()), REGISTERED, raised(500, TODAY), pledged(5))
    assert limit_on(nobody, TODAY) is None
    unlimited = CreditLimitApproved(
        request="r-1", amount="unlimited", approved_by="gus", until=None
    )
    assert limit_on(nobody.given(unlimited), TODAY) == "unlimited"
    nothing = nobody.given(limited(0))
    assert limit_on(nothing, TODAY) == usd(505)


def test_what_raises_a_limit_is_some_money_for_a_while_to_come_by_who_may() -> None:
    grant = GrantTemporaryLimit(amount=usd(5), starts_on=FROM, ends_on=TO)
    nobody = NotAuthorised(role="general_manager", by="bob")
    KNOWN.when(grant, by="bob").rejected(nobody)
    nothing = GrantTemporaryLimit(amount=usd(0), starts_on=FROM, ends_on=TO)
    KNOWN.when(nothing, by="gus", roles=MANAGER).rejected(NotPositive(amount=usd(0)))
    turned = GrantTemporaryLimit(amount=usd(5), starts_on=TO, ends_on=FROM)
    KNOWN.when(turned, at=TODAY, by="gus", roles=MANAGER).rejected(
        EndsBeforeStart(starts_on=TO, ends_on=FROM)
    )
    past = date(2026, 3, 1)
    over = PledgeSecurity(security="s-1", kind="deposit", amount=usd(5), ends_on=past)
    KNOWN.when(over, at=TODAY, by="gus", roles=MANAGER).rejected(AlreadyOver(ends_on=past))


def test_cr15_a_limit_keeps_its_currency() -> None:
    euros = Money(minor=5, currency="EUR")
    mismatch = CurrencyMismatch(left="EUR", right="USD")
    for command in (
        RequestLimit(request="r-2", amount=euros),
        GrantTemporaryLimit(amount=euros, starts_on=FROM, ends_on=TO),
        PledgeSecurity(security="s-1", kind="deposit", amount=euros),
        LowerLimit(amount=euros),
    ):
        KNOWN.when(command, by="gus", roles=MANAGER).rejected(mismatch)
    again = KNOWN.given(LimitRevoked(revoked_by="gus", reason=""))
    again.when(RequestLimit(request="r-2", amount=euros)).rejected(mismatch)


def test_a_limit_is_taken_back_with_all_temporary_ones() -> None:
    more = KNOWN.given(raised(500), pledged(70))
    revoke = RevokeLimit(reason="insolvent")
    more.when(revoke, by="bob").rejected(NotAuthorised(role="general_manager", by="bob"))
    none = more.when(revoke, by="gus", roles=MANAGER)
    none.then(LimitRevoked(revoked_by="gus", reason="insolvent"))
    none.when(order(1), at=FROM).rejected(CashOnly())
    none.when(revoke, by="gus", roles=MANAGER).nothing()
    assert limit_on(none.given(limited(5)), FROM) == usd(75)


# Who decides


REQUESTED = CreditLimitRequested(
    request="r-2", amount=usd(2_000), requested_by="ann", lapses_on=date(2026, 4, 1)
)
INVESTIGATED = CreditInvestigated(score=70, findings="", valid_until=date(2026, 12, 31))


def approve(cents: int) -> ApproveLimit:
    return ApproveLimit(request="r-2", amount=usd(cents))


def test_cr8_a_role_grants_up_to_its_band() -> None:
    bands = Policy(bands=(Band(role="sales_manager", up_to=usd(500)),))
    asked = given(customer.decider(bands), REGISTERED, INVESTIGATED, REQUESTED)
    asked.when(approve(500), by="bob", roles=["sales_manager"]).then(
        CreditLimitApproved(request="r-2", amount=usd(500), approved_by="bob", until=None)
    )
    beyond = NotAuthorised(role="general_manager", by="bob")
    asked.when(approve(501), by="bob", roles=["sales_manager"]).rejected(beyond)
    asked.when(approve(500), by="bob", roles=["clerk"]).rejected(beyond)
    boundless = ApproveLimit(request="r-2", amount="unlimited")
    asked.when(boundless, by="bob", roles=["sales_manager"]).rejected(beyond)
    euros = ApproveLimit(request="r-2", amount=Money(minor=5, currency="EUR"))
    asked.when(euros, by="bob", roles=["sales_manager"]).rejected(beyond)
    refuse = RejectLimit(request="r-2", reason="")
    asked.when(refuse, by="bob", roles=["sales_manager"]).rejected(beyond)


@pytest.mark.parametrize(
    "event",
    [
        CreditLimitLowered(amount=usd(10)),
        LimitRevoked(revoked_by="gus", reason=""),
        raised(5),
        pledged(5),
        SecurityReleased(security="s-9", reason=""),
    ],
)
def test_cr8_a_request_is_stale_once_the_limit_has_changed(event: customer.Event) -> None:
    asked = KNOWN.given(INVESTIGATED, REQUESTED)
    changed = asked.given(event)
    stale = StaleRequest(request="r-2")
    changed.when(approve(5), by="gus", roles=MANAGER).rejected(stale)
    refuse = RejectLimit(request="r-2", reason="")
    changed.when(refuse, by="gus", roles=MANAGER).then(
        CreditLimitRejected(request="r-2", reason="")
    )
    changed.when(WithdrawRequest(request="r-2")).then(CreditLimitWithdrawn(request="r-2"))
    investigated = asked.given(INVESTIGATED)
    assert investigated.when(approve(5), by="gus", roles=MANAGER).state.credit.limit == usd(5)


# What holds by itself


def held(scenario: Scenario, day: date, policy: Policy | None = None) -> tuple[str, ...]:
    return automatic_holds(customer.books(scenario.state, day), policy or Policy())


def release(kind: str, ends_on: date) -> AutomaticHoldReleased:
    return AutomaticHoldReleased(
        kind=kind,  # type: ignore[arg-type]  # the tests name those that there are
        ends_on=ends_on,
        released_by="gus",
        reason="a promise",
    )


def test_cr13_overdue_debt_holds_after_thirty_days() -> None:
    owing = KNOWN.given(LATE)
    days = (date(2026, 3, 3), date(2026, 3, 4))
    assert [held(owing, day) for day in days] == [(), ("overdue",)]
    owing.when(order(1), at=days[1]).rejected(Overdue(invoice="i-1", due_on=FEBRUARY_1))


def test_cr13_a_release_holds_off_until_its_date_only() -> None:
    command = ReleaseAutomaticHold(kind="overdue", ends_on=TO, reason="a promise")
    owing = KNOWN.given(LATE)
    nobody = NotAuthorised(role="general_manager", by="bob")
    owing.when(command, by="bob").rejected(nobody)
    free = owing.when(command, at=TODAY, by="gus", roles=MANAGER).then(release("overdue", TO))
    assert [held(free, day) for day in (TO, date(2026, 4, 1))] == [(), ("overdue",)]
    assert len(free.when(order(1), at=TO).state.orders) == 1
    late = free.when(order(1), at=date(2026, 4, 1))
    late.rejected(Overdue(invoice="i-1", due_on=FEBRUARY_1))
    shorter = free.given(release("overdue", FROM))
    assert held(shorter, date(2026, 3, 11)) == ("overdue",)
    over = ReleaseAutomaticHold(kind="overdue", ends_on=date(2026, 3, 1), reason="")
    past = owing.when(over, at=TODAY, by="gus", roles=MANAGER)
    past.rejected(AlreadyOver(ends_on=date(2026, 3, 1)))


def test_cr13_an_investigation_that_is_over_holds() -> None:
    looked = CreditInvestigated(score=70, findings="", valid_until=TO)
    fresh = KNOWN.given(looked)
    assert [held(fresh, day) for day in (TO, date(2026, 4, 1))] == [(), ("investigation",)]
    fresh.when(order(1), at=date(2026, 4, 1)).rejected(OnHold(holds=("investigation",)))
    free = fresh.given(release("investigation", date(2026, 4, 1)))
    assert len(free.when(order(1), at=date(2026, 4, 1)).state.orders) == 1


def test_cr13_a_customer_of_class_d_is_held() -> None:
    last = KNOWN.given(TermsChanged(terms=Terms(customer_class="D")))
    last.when(order(1)).rejected(OnHold(holds=("class_d",)))
    better = last.given(TermsChanged(terms=Terms(customer_class="C")))
    assert held(better, TODAY) == ()


def test_cr13_which_holds_come_by_themselves_is_a_policy() -> None:
    few = Policy(automatic_holds=("overdue",))
    rules = given(customer.decider(few), REGISTERED, limited())
    last = rules.given(TermsChanged(terms=Terms(customer_class="D")))
    assert held(last, TODAY, few) == ()
    assert len(last.when(order(1)).state.orders) == 1


def test_cr7_who_owes_more_than_the_lowered_limit_is_over_it() -> None:
    accepted = OrderAccepted(order="o-2", amount=usd(900), exposure=usd(900), limit=usd(1_000))
    owing = KNOWN.given(accepted)
    lowered = owing.given(CreditLimitLowered(amount=usd(899)))
    told = [is_over_limit(customer.books(s.state, TODAY), Policy()) for s in (owing, lowered)]
    assert told == [False, True]
    assert held(lowered, TODAY) == ("over_limit",)
    beyond = OverLimit(exposure=usd(901), limit=usd(899))
    lowered.when(order(1), at=TODAY).rejected(beyond)


# What people hold


def test_cr13_a_hold_that_somebody_placed_ends_with_its_day_or_its_release() -> None:
    place = PlaceHold(hold="h-1", reason="audit", ends_on=TO)
    placed = HoldPlaced(hold="h-1", reason="audit", ends_on=TO)
    on_hold = KNOWN.when(place, at=TODAY).then(placed)
    on_hold.when(place, at=TODAY).nothing()
    on_hold.when(order(1), at=TO).rejected(OnHold(holds=("h-1",)))
    assert len(on_hold.when(order(1), at=date(2026, 4, 1)).state.orders) == 1
    free = on_hold.when(ReleaseHold(hold="h-1", reason="done"))
    free.then(HoldReleased(hold="h-1", reason="done"))
    assert len(free.when(order(1), at=TODAY).state.orders) == 1
    longer = PlaceHold(hold="h-1", reason="audit")
    on_hold.when(longer, at=TODAY).then(HoldPlaced(hold="h-1", reason="audit"))
    over = PlaceHold(hold="h-2", reason="", ends_on=date(2026, 3, 1))
    KNOWN.when(over, at=TODAY).rejected(AlreadyOver(ends_on=date(2026, 3, 1)))


def test_cr13_a_hold_is_on_orders_or_on_deliveries() -> None:
    ordered = KNOWN.given(
        OrderAccepted(order="o-2", amount=usd(10), exposure=usd(10), limit=usd(1_000))
    )
    stopped = ordered.when(PlaceHold(hold="h-1", reason="", scope="delivery"))
    deliver = Deliver(order="o-2", delivery="d-1", amount=usd(10))
    stopped.when(deliver).rejected(OnHold(holds=("h-1",)))
    assert len(stopped.when(order(1)).state.orders) == 2
    orders_held = ordered.given(HoldPlaced(hold="h-1", reason=""))
    assert orders_held.when(deliver).state.orders[0].delivered == 10


def test_cr13_a_policy_lets_holds_that_come_by_themselves_stop_deliveries() -> None:
    strict = Policy(delivery_holds=("overdue", "over_limit"))
    accepted = OrderAccepted(order="o-2", amount=usd(10), exposure=usd(10), limit=usd(1_000))
    owing = given(customer.decider(strict), REGISTERED, limited(), accepted, LATE)
    deliver = Deliver(order="o-2", delivery="d-1", amount=usd(10))
    owing.when(deliver, at=date(2026, 3, 4)).rejected(OnHold(holds=("overdue",)))
    free = owing.given(release("overdue", TO))
    assert len(free.when(deliver, at=date(2026, 3, 4)).state.orders) == 1
