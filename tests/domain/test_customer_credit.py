"""How much a customer may owe: rules CR1, CR2, CR7 and CR8."""

from datetime import UTC, date, datetime

import pytest

from crmcore.domain import customer
from crmcore.domain.customer import (
    AcceptOrder,
    ApproveLimit,
    LowerLimit,
    OverrideGrade,
    PlaceHold,
    Policy,
    RecordInvestigation,
    RejectLimit,
    ReleaseHold,
    RequestLimit,
    WithdrawRequest,
)
from crmcore.domain.customer.credit import (
    CreditInvestigated,
    CreditLimitApproved,
    CreditLimitLowered,
    CreditLimitRejected,
    CreditLimitRequested,
    CreditLimitWithdrawn,
    GradeOverridden,
    HoldPlaced,
    HoldReleased,
    InvestigationDue,
    Limit,
    LimitNotLower,
    NegativeLimit,
    NotAuthorised,
    RequestOpen,
    SelfApproval,
    StaleRequest,
    TooMuchApproved,
    UntilPast,
)
from crmcore.domain.customer.orders import CashOnly, OnHold, OrderAccepted
from crmcore.domain.customer.profile import CustomerRegistered
from crmcore.domain.money import CurrencyMismatch, Money
from tests.spec import TODAY, Spec

CUSTOMER = customer.decider(Policy())
KNOWN = Spec(CUSTOMER, CustomerRegistered(code="c-1", name="Ann Ltd.", kind="organisation"))
MANAGER = ["general_manager"]

# Today is 2026-03-02.
INVESTIGATED = CreditInvestigated(score=70, findings="", valid_until=date(2026, 12, 31))


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


REQUESTED = CreditLimitRequested(
    request="r-1", amount=usd(1_000), requested_by="ann", lapses_on=date(2026, 4, 1)
)
ASKED = KNOWN.given(INVESTIGATED, REQUESTED)


def approved(amount: Limit, until: date | None = None) -> CreditLimitApproved:
    return CreditLimitApproved(request="r-1", amount=amount, approved_by="gus", until=until)


def approve(cents: int) -> ApproveLimit:
    return ApproveLimit(request="r-1", amount=usd(cents))


# Investigation


def test_an_investigation_holds_for_twelve_months() -> None:
    assert KNOWN.when(RecordInvestigation(score=70, findings="sound")) == (
        CreditInvestigated(score=70, findings="sound", valid_until=date(2027, 3, 2)),
    )


def test_the_latest_investigation_counts() -> None:
    again = CreditInvestigated(score=20, findings="", valid_until=date(2027, 3, 2))
    credit = KNOWN.given(INVESTIGATED, again).state.credit
    assert (credit.investigation_score, credit.investigated_until) == (20, date(2027, 3, 2))


# A request and its decision


def test_a_limit_is_asked_for_and_the_request_lapses_after_thirty_days() -> None:
    request = RequestLimit(request="r-1", amount=usd(1_000))
    assert KNOWN.given(INVESTIGATED).when(request) == (REQUESTED,)


def test_a_request_lapses_on_a_day_of_the_business() -> None:
    shanghai = Spec(customer.decider(Policy(time_zone="Asia/Shanghai")), *KNOWN.past)
    (requested,) = shanghai.when(
        RequestLimit(request="r-1", amount=usd(1)), on=datetime(2026, 3, 2, 20, tzinfo=UTC)
    )
    assert isinstance(requested, CreditLimitRequested)
    assert requested.lapses_on == date(2026, 4, 2)


def test_one_request_is_open_at_a_time_until_it_lapses() -> None:
    again = RequestLimit(request="r-2", amount=usd(1))
    ASKED.rejects(again, RequestOpen(request="r-1"), on=date(2026, 4, 1))
    assert ASKED.when(again, on=date(2026, 4, 2)) != ()


def test_the_general_manager_approves_what_was_asked_for_or_less() -> None:
    until = ApproveLimit(request="r-1", amount=usd(900), until=date(2026, 6, 30))
    assert ASKED.when(until, by="gus", roles=MANAGER) == (approved(usd(900), date(2026, 6, 30)),)
    after = ASKED.given(approved(usd(900))).state.credit
    assert (after.limit, after.limit_until, after.open_request) == (usd(900), None, None)


def test_cr8_nobody_else_decides() -> None:
    refusal = NotAuthorised(role="general_manager", by="bob")
    ASKED.rejects(approve(900), refusal, by="bob", roles=["sales_manager"])
    ASKED.rejects(RejectLimit(request="r-1", reason=""), refusal, by="bob")


def test_cr8_nobody_approves_a_request_of_their_own() -> None:
    ASKED.rejects(approve(900), SelfApproval(by="ann"), by="ann", roles=MANAGER)


@pytest.mark.parametrize(
    "command",
    [approve(1), RejectLimit(request="r-1", reason=""), WithdrawRequest(request="r-1")],
)
def test_cr8_a_decision_answers_the_open_request_before_it_lapses(
    command: customer.Command,
) -> None:
    stale = StaleRequest(request="r-1")
    assert ASKED.when(command, by="gus", roles=MANAGER, on=date(2026, 4, 1)) != ()
    ASKED.rejects(command, stale, by="gus", roles=MANAGER, on=date(2026, 4, 2))
    KNOWN.given(INVESTIGATED).rejects(command, stale, by="gus", roles=MANAGER)
    other = KNOWN.given(
        INVESTIGATED,
        CreditLimitRequested(
            request="r-2", amount=usd(1), requested_by="ann", lapses_on=date(2026, 4, 1)
        ),
    )
    other.rejects(command, stale, by="gus", roles=MANAGER)


def test_cr8_a_limit_rests_on_an_investigation_that_still_holds() -> None:
    KNOWN.given(REQUESTED).rejects(
        approve(900), InvestigationDue(valid_until=None), by="gus", roles=MANAGER
    )
    old = CreditInvestigated(score=70, findings="", valid_until=date(2026, 3, 2))
    aged = KNOWN.given(old, REQUESTED)
    assert aged.when(approve(900), by="gus", roles=MANAGER, on=date(2026, 3, 2)) != ()
    aged.rejects(
        approve(900),
        InvestigationDue(valid_until=date(2026, 3, 2)),
        by="gus",
        roles=MANAGER,
        on=date(2026, 3, 3),
    )


def test_a_limit_is_nothing_or_more() -> None:
    refusal = NegativeLimit(amount=usd(-1))
    KNOWN.rejects(RequestLimit(request="r-1", amount=usd(-1)), refusal)
    ASKED.rejects(approve(-1), refusal, by="gus", roles=MANAGER)
    KNOWN.given(approved(usd(5))).rejects(LowerLimit(amount=usd(-1)), refusal)


def test_what_is_granted_for_a_while_ends_on_a_day_to_come() -> None:
    refusal, yesterday = UntilPast(until=date(2026, 3, 1)), date(2026, 3, 1)
    lapsed = ApproveLimit(request="r-1", amount=usd(1), until=yesterday)
    ASKED.rejects(lapsed, refusal, by="gus", roles=MANAGER)
    override = OverrideGrade(grade="A", until=yesterday, reason="")
    KNOWN.rejects(override, refusal, by="gus", roles=MANAGER)
    today = ApproveLimit(request="r-1", amount=usd(1), until=TODAY)
    assert ASKED.when(today, by="gus", roles=MANAGER) != ()


@pytest.mark.parametrize("amount", [usd(1_001), "unlimited"])
def test_cr8_nobody_is_granted_more_than_was_asked_for(amount: Limit) -> None:
    more = ApproveLimit(request="r-1", amount=amount)
    ASKED.rejects(more, TooMuchApproved(requested=usd(1_000)), by="gus", roles=MANAGER)


@pytest.mark.parametrize("amount", [usd(1_001), "unlimited"])
def test_cr8_who_asks_for_no_limit_at_all_may_be_granted_any(amount: Limit) -> None:
    boundless = KNOWN.given(
        INVESTIGATED,
        CreditLimitRequested(
            request="r-1", amount="unlimited", requested_by="ann", lapses_on=date(2026, 4, 1)
        ),
    )
    grant = ApproveLimit(request="r-1", amount=amount)
    assert boundless.when(grant, by="gus", roles=MANAGER) == (approved(amount),)


def test_x5_a_limit_is_granted_in_the_currency_asked_for() -> None:
    euros = ApproveLimit(request="r-1", amount=Money(minor=1, currency="EUR"))
    ASKED.rejects(euros, CurrencyMismatch, by="gus", roles=MANAGER)


def test_a_refusal_or_a_withdrawal_ends_the_request() -> None:
    rejected = CreditLimitRejected(request="r-1", reason="too young")
    refuse = RejectLimit(request="r-1", reason="too young")
    assert ASKED.when(refuse, by="gus", roles=MANAGER) == (rejected,)
    withdrawn = CreditLimitWithdrawn(request="r-1")
    assert ASKED.when(WithdrawRequest(request="r-1"), by="bob") == (withdrawn,)
    assert ASKED.given(rejected).state == ASKED.given(withdrawn).state
    assert ASKED.given(rejected).state.credit.open_request is None


# The limit


def order(cents: int) -> AcceptOrder:
    return AcceptOrder(order="o-1", amount=usd(cents))


def test_cr1_no_decision_a_limit_of_nothing_and_no_limit_are_three_different_things() -> None:
    KNOWN.rejects(order(1), CashOnly())
    KNOWN.given(approved(usd(0))).rejects(order(1), CashOnly())
    assert KNOWN.given(approved("unlimited")).when(order(10**12)) == (
        OrderAccepted(order="o-1", amount=usd(10**12), exposure=usd(10**12), limit="unlimited"),
    )
    assert KNOWN.state.credit.limit_on(TODAY) is None
    assert KNOWN.given(approved(usd(0))).state.credit.limit_on(TODAY) == usd(0)


def test_cr2_a_limit_lapses_by_itself() -> None:
    lapsing = KNOWN.given(approved(usd(500), until=date(2026, 3, 31)))
    assert lapsing.when(order(500), on=date(2026, 3, 31)) != ()
    lapsing.rejects(order(500), CashOnly(), on=date(2026, 4, 1))


def test_cr7_a_limit_is_lowered_also_below_what_is_owed() -> None:
    owing = KNOWN.given(
        approved(usd(500), until=date(2026, 3, 31)),
        OrderAccepted(order="o-1", amount=usd(400), exposure=usd(400), limit=usd(500)),
    )
    lowered = CreditLimitLowered(amount=usd(399))
    assert owing.when(LowerLimit(amount=usd(399))) == (lowered,)
    credit = owing.given(lowered).state.credit
    assert (credit.limit, credit.limit_until) == (usd(399), date(2026, 3, 31))


def test_cr7_even_what_was_unlimited_is_lowered_to_nothing() -> None:
    boundless = KNOWN.given(approved("unlimited"))
    assert boundless.when(LowerLimit(amount=usd(0))) == (CreditLimitLowered(amount=usd(0)),)


def test_lowering_never_raises_a_limit() -> None:
    limited = KNOWN.given(approved(usd(500), until=date(2026, 3, 31)))
    limited.rejects(LowerLimit(amount=usd(500)), LimitNotLower(limit=usd(500)))
    limited.rejects(LowerLimit(amount=usd(1)), LimitNotLower(limit=None), on=date(2026, 4, 1))
    KNOWN.rejects(LowerLimit(amount=usd(0)), LimitNotLower(limit=None))
    limited.rejects(LowerLimit(amount=Money(minor=1, currency="EUR")), CurrencyMismatch)


# Holds and the grade


def test_a_hold_is_placed_and_released_once() -> None:
    placed, released = HoldPlaced(hold="h-1", reason="a"), HoldReleased(hold="h-1", reason="b")
    held = KNOWN.given(placed)
    assert KNOWN.when(PlaceHold(hold="h-1", reason="a")) == (placed,)
    assert held.when(PlaceHold(hold="h-1", reason="a")) == ()
    assert held.when(ReleaseHold(hold="h-1", reason="b")) == (released,)
    assert held.given(released).when(ReleaseHold(hold="h-1", reason="b")) == ()


def test_every_hold_has_to_be_released() -> None:
    held = KNOWN.given(
        approved(usd(500)), HoldPlaced(hold="h-2", reason=""), HoldPlaced(hold="h-1", reason="")
    )
    held.rejects(order(1), OnHold(holds=("h-1", "h-2")))
    half = held.given(HoldReleased(hold="h-1", reason=""))
    half.rejects(order(1), OnHold(holds=("h-2",)))
    assert half.given(HoldReleased(hold="h-2", reason="")).when(order(1)) != ()


def test_the_general_manager_sets_a_grade_for_a_while() -> None:
    override = OverrideGrade(grade="A", until=date(2026, 6, 30), reason="a bank stands in")
    overridden = GradeOverridden(grade="A", until=date(2026, 6, 30), reason="a bank stands in")
    assert KNOWN.when(override, by="gus", roles=MANAGER) == (overridden,)
    KNOWN.rejects(override, NotAuthorised(role="general_manager", by="ann"))
    assert KNOWN.given(overridden).state.credit.override == overridden
