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
from crmcore.domain.customer.acceptance import CashOnly, OnHold
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
from crmcore.domain.customer.orders import OrderAccepted
from crmcore.domain.customer.profile import CustomerRegistered
from crmcore.domain.money import CurrencyMismatch, Money
from crmcore.testing import given

CUSTOMER = customer.decider(Policy())
TODAY = date(2026, 3, 2)
REGISTERED = CustomerRegistered(code="c-1", name="Ann Ltd.", kind="organisation")
KNOWN = given(CUSTOMER, REGISTERED, at=TODAY)
MANAGER = ["general_manager"]
INVESTIGATED = CreditInvestigated(score=70, findings="", valid_until=date(2026, 12, 31))


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


REQUESTED = CreditLimitRequested(
    request="r-1", amount=usd(1_000), requested_by="ann", lapses_on=date(2026, 4, 1)
)
ASKED = KNOWN.given(INVESTIGATED, REQUESTED)


def approved(amount: Limit, until: date | None = None) -> CreditLimitApproved:
    return CreditLimitApproved(request="r-1", amount=amount, approved_by="gus", until=until)


def approve(amount: Limit, until: date | None = None) -> ApproveLimit:
    return ApproveLimit(request="r-1", amount=amount, until=until)


# Investigation


def test_an_investigation_holds_for_twelve_months() -> None:
    KNOWN.when(RecordInvestigation(score=70, findings="sound"), at=TODAY).then(
        CreditInvestigated(score=70, findings="sound", valid_until=date(2027, 3, 2)),
    )


def test_the_latest_investigation_counts() -> None:
    again = CreditInvestigated(score=20, findings="", valid_until=date(2027, 3, 2))
    credit = KNOWN.given(INVESTIGATED, again).state.credit
    assert (credit.investigation_score, credit.investigated_until) == (20, date(2027, 3, 2))


# A request and its decision


def test_a_limit_is_asked_for_and_the_request_lapses_after_thirty_days() -> None:
    ask = RequestLimit(request="r-1", amount=usd(1_000))
    KNOWN.given(INVESTIGATED).when(ask, at=TODAY, by="ann").then(
        CreditLimitRequested(
            request="r-1", amount=usd(1_000), requested_by="ann", lapses_on=date(2026, 4, 1)
        ),
    )


def test_a_request_lapses_on_a_day_of_the_business() -> None:
    shanghai = given(customer.decider(Policy(time_zone="Asia/Shanghai")), REGISTERED)
    ask = RequestLimit(request="r-1", amount=usd(1))
    shanghai.when(ask, at=datetime(2026, 3, 2, 20, tzinfo=UTC), by="ann").then(
        CreditLimitRequested(
            request="r-1", amount=usd(1), requested_by="ann", lapses_on=date(2026, 4, 2)
        ),
    )


def test_one_request_is_open_at_a_time_until_it_lapses() -> None:
    again = RequestLimit(request="r-2", amount=usd(1))
    ASKED.when(again, at=date(2026, 4, 1)).rejected(RequestOpen(request="r-1"))
    ASKED.when(again, at=date(2026, 4, 2), by="ann").then(
        CreditLimitRequested(
            request="r-2", amount=usd(1), requested_by="ann", lapses_on=date(2026, 5, 2)
        ),
    )


def test_the_general_manager_approves_what_was_asked_for_or_less() -> None:
    ASKED.when(approve(usd(1_000)), by="gus", roles=MANAGER).then(approved(usd(1_000)))
    less = approve(usd(900), until=date(2026, 6, 30))
    ASKED.when(less, by="gus", roles=MANAGER).then(approved(usd(900), date(2026, 6, 30)))
    after = ASKED.given(approved(usd(900))).state.credit
    assert (after.limit, after.limit_until, after.open_request) == (usd(900), None, None)


def test_cr8_nobody_else_decides() -> None:
    refusal = NotAuthorised(role="general_manager", by="bob")
    ASKED.when(approve(usd(900)), by="bob", roles=["sales_manager"]).rejected(refusal)
    ASKED.when(RejectLimit(request="r-1", reason=""), by="bob").rejected(refusal)


def test_cr8_nobody_approves_a_request_of_their_own() -> None:
    ASKED.when(approve(usd(900)), by="ann", roles=MANAGER).rejected(SelfApproval(by="ann"))


@pytest.mark.parametrize(
    ("command", "event"),
    [
        (approve(usd(1)), approved(usd(1))),
        (RejectLimit(request="r-1", reason=""), CreditLimitRejected(request="r-1", reason="")),
        (WithdrawRequest(request="r-1"), CreditLimitWithdrawn(request="r-1")),
    ],
)
def test_cr8_a_decision_answers_the_open_request_before_it_lapses(
    command: customer.Command, event: customer.Event
) -> None:
    stale = StaleRequest(request="r-1")
    ASKED.when(command, at=date(2026, 4, 1), by="gus", roles=MANAGER).then(event)
    ASKED.when(command, at=date(2026, 4, 2), by="gus", roles=MANAGER).rejected(stale)
    KNOWN.given(INVESTIGATED).when(command, by="gus", roles=MANAGER).rejected(stale)
    other = KNOWN.given(
        INVESTIGATED,
        CreditLimitRequested(
            request="r-2", amount=usd(1), requested_by="ann", lapses_on=date(2026, 4, 1)
        ),
    )
    other.when(command, by="gus", roles=MANAGER).rejected(stale)


def test_cr8_a_limit_rests_on_an_investigation_that_still_holds() -> None:
    never = KNOWN.given(REQUESTED).when(approve(usd(900)), by="gus", roles=MANAGER)
    never.rejected(InvestigationDue(valid_until=None))
    old = CreditInvestigated(score=70, findings="", valid_until=date(2026, 3, 2))
    aged = KNOWN.given(old, REQUESTED)
    in_time = aged.when(approve(usd(900)), at=date(2026, 3, 2), by="gus", roles=MANAGER)
    in_time.then(approved(usd(900)))
    late = aged.when(approve(usd(900)), at=date(2026, 3, 3), by="gus", roles=MANAGER)
    late.rejected(InvestigationDue(valid_until=date(2026, 3, 2)))


def test_a_limit_is_nothing_or_more() -> None:
    refusal = NegativeLimit(amount=usd(-1))
    KNOWN.when(RequestLimit(request="r-1", amount=usd(-1))).rejected(refusal)
    ASKED.when(approve(usd(-1)), by="gus", roles=MANAGER).rejected(refusal)
    KNOWN.given(approved(usd(5))).when(LowerLimit(amount=usd(-1))).rejected(refusal)


def test_what_is_granted_for_a_while_ends_on_a_day_to_come() -> None:
    yesterday = date(2026, 3, 1)
    lapsed = ASKED.when(approve(usd(1), until=yesterday), at=TODAY, by="gus", roles=MANAGER)
    lapsed.rejected(UntilPast(until=yesterday))
    override = OverrideGrade(grade="A", until=yesterday, reason="")
    overridden = KNOWN.when(override, at=TODAY, by="gus", roles=MANAGER)
    overridden.rejected(UntilPast(until=yesterday))
    today = ASKED.when(approve(usd(1), until=TODAY), at=TODAY, by="gus", roles=MANAGER)
    today.then(approved(usd(1), until=TODAY))


@pytest.mark.parametrize("amount", [usd(1_001), "unlimited"])
def test_cr8_nobody_is_granted_more_than_was_asked_for(amount: Limit) -> None:
    more = ASKED.when(approve(amount), by="gus", roles=MANAGER)
    more.rejected(TooMuchApproved(requested=usd(1_000)))


@pytest.mark.parametrize("amount", [usd(1_001), "unlimited"])
def test_cr8_who_asks_for_no_limit_at_all_may_be_granted_any(amount: Limit) -> None:
    boundless = KNOWN.given(
        INVESTIGATED,
        CreditLimitRequested(
            request="r-1", amount="unlimited", requested_by="ann", lapses_on=date(2026, 4, 1)
        ),
    )
    boundless.when(approve(amount), by="gus", roles=MANAGER).then(approved(amount))


def test_x5_a_limit_is_granted_in_the_currency_asked_for() -> None:
    euros = approve(Money(minor=1, currency="EUR"))
    refusal = CurrencyMismatch(left="EUR", right="USD")
    ASKED.when(euros, by="gus", roles=MANAGER).rejected(refusal)


def test_a_refusal_or_a_withdrawal_ends_the_request() -> None:
    refuse = RejectLimit(request="r-1", reason="too young")
    refused = ASKED.when(refuse, by="gus", roles=MANAGER)
    refused.then(CreditLimitRejected(request="r-1", reason="too young"))
    withdrawn = ASKED.when(WithdrawRequest(request="r-1"), by="bob")
    withdrawn.then(CreditLimitWithdrawn(request="r-1"))
    assert refused.state == withdrawn.state
    assert refused.state.credit.open_request is None


# The limit


def order(cents: int) -> AcceptOrder:
    return AcceptOrder(order="o-1", amount=usd(cents))


def test_cr1_no_decision_a_limit_of_nothing_and_no_limit_are_three_different_things() -> None:
    KNOWN.when(order(1)).rejected(CashOnly())
    KNOWN.given(approved(usd(0))).when(order(1)).rejected(CashOnly())
    KNOWN.given(approved("unlimited")).when(order(10**12)).then(
        OrderAccepted(order="o-1", amount=usd(10**12), exposure=usd(10**12), limit="unlimited"),
    )
    assert KNOWN.state.credit.limit_on(TODAY) is None
    assert KNOWN.given(approved(usd(0))).state.credit.limit_on(TODAY) == usd(0)


def test_cr2_a_limit_lapses_by_itself() -> None:
    lapsing = KNOWN.given(approved(usd(500), until=date(2026, 3, 31)))
    lapsing.when(order(500), at=date(2026, 3, 31)).then(
        OrderAccepted(order="o-1", amount=usd(500), exposure=usd(500), limit=usd(500)),
    )
    lapsing.when(order(500), at=date(2026, 4, 1)).rejected(CashOnly())


def test_cr7_a_limit_is_lowered_also_below_what_is_owed() -> None:
    owing = KNOWN.given(
        approved(usd(500), until=date(2026, 3, 31)),
        OrderAccepted(order="o-1", amount=usd(400), exposure=usd(400), limit=usd(500)),
    )
    lowered = owing.when(LowerLimit(amount=usd(399))).then(CreditLimitLowered(amount=usd(399)))
    credit = lowered.state.credit
    assert (credit.limit, credit.limit_until) == (usd(399), date(2026, 3, 31))


def test_cr7_even_what_was_unlimited_is_lowered_to_nothing() -> None:
    boundless = KNOWN.given(approved("unlimited"))
    boundless.when(LowerLimit(amount=usd(0))).then(CreditLimitLowered(amount=usd(0)))


def test_lowering_never_raises_a_limit() -> None:
    limited = KNOWN.given(approved(usd(500), until=date(2026, 3, 31)))
    limited.when(LowerLimit(amount=usd(500))).rejected(LimitNotLower(limit=usd(500)))
    lapsed = limited.when(LowerLimit(amount=usd(1)), at=date(2026, 4, 1))
    lapsed.rejected(LimitNotLower(limit=None))
    KNOWN.when(LowerLimit(amount=usd(0))).rejected(LimitNotLower(limit=None))
    euros = LowerLimit(amount=Money(minor=1, currency="EUR"))
    limited.when(euros).rejected(CurrencyMismatch(left="EUR", right="USD"))


# Holds and the grade


def test_a_hold_is_placed_and_released_once() -> None:
    place, release = PlaceHold(hold="h-1", reason="a"), ReleaseHold(hold="h-1", reason="b")
    held = KNOWN.when(place).then(HoldPlaced(hold="h-1", reason="a"))
    held.when(place).nothing()
    held.when(release).then(HoldReleased(hold="h-1", reason="b")).when(release).nothing()


def test_every_hold_has_to_be_released() -> None:
    held = KNOWN.given(
        approved(usd(500)), HoldPlaced(hold="h-2", reason=""), HoldPlaced(hold="h-1", reason="")
    )
    held.when(order(1)).rejected(OnHold(holds=("h-1", "h-2")))
    half = held.given(HoldReleased(hold="h-1", reason=""))
    half.when(order(1)).rejected(OnHold(holds=("h-2",)))
    half.given(HoldReleased(hold="h-2", reason="")).when(order(1)).then(
        OrderAccepted(order="o-1", amount=usd(1), exposure=usd(1), limit=usd(500)),
    )


def test_the_general_manager_sets_a_grade_for_a_while() -> None:
    override = OverrideGrade(grade="A", until=date(2026, 6, 30), reason="a bank stands in")
    overridden = GradeOverridden(grade="A", until=date(2026, 6, 30), reason="a bank stands in")
    graded = KNOWN.when(override, by="gus", roles=MANAGER).then(overridden)
    assert graded.state.credit.override == overridden
    refusal = NotAuthorised(role="general_manager", by="ann")
    KNOWN.when(override, by="ann").rejected(refusal)
