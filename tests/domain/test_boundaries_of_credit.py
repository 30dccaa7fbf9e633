"""What a customer may owe at the very edge: limits, holds and releases (CR1 to CR3, CR9, CR13)."""

from datetime import date

import pytest

from crmcore.domain import customer
from crmcore.domain.customer import (
    AcceptOrder,
    ChangeOrder,
    Deliver,
    GrantTemporaryLimit,
    PlaceHold,
    PledgeSecurity,
    Policy,
    ReleaseAutomaticHold,
    ReleaseOrder,
    RequestLimit,
)
from crmcore.domain.customer.acceptance import OnHold, Overdue, OverLimit, automatic_holds
from crmcore.domain.customer.credit import (
    CreditLimitApproved,
    CreditLimitLowered,
    CreditLimitRequested,
    HoldPlaced,
    Limit,
    LimitRevoked,
)
from crmcore.domain.customer.exposure import Order
from crmcore.domain.customer.limits import SecurityPledged, TemporaryLimitGranted, limit_on
from crmcore.domain.customer.orders import (
    DeliveryRecorded,
    OrderAccepted,
    OrderCancelled,
    OrderChanged,
)
from crmcore.domain.customer.policy import AutomaticHold, SubLimit
from crmcore.domain.customer.profile import CustomerRegistered
from crmcore.domain.customer.receivables import InvoiceIssued
from crmcore.domain.customer.releases import AutomaticHoldReleased, OverLimitReleased
from crmcore.domain.customer.sales import REMEMBERED_MAX
from crmcore.domain.money import CurrencyMismatch, Money
from crmcore.testing import Scenario, given

TODAY, LATER = date(2026, 3, 2), date(2026, 3, 31)
MANAGER = ["general_manager"]
REGISTERED = CustomerRegistered(code="c-1", name="Ann Ltd.", kind="organisation")


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


def eur(cents: int) -> Money:
    return Money(minor=cents, currency="EUR")


def limited(amount: Limit, until: date | None = None) -> CreditLimitApproved:
    return CreditLimitApproved(request="r-1", amount=amount, approved_by="gus", until=until)


def under(policy: Policy, *facts: customer.Event) -> Scenario:
    return given(customer.decider(policy), REGISTERED, *facts, at=TODAY)


NEW = under(Policy())
KNOWN = NEW.given(limited(usd(1_000)))


def limit(scenario: Scenario, day: date = TODAY) -> Limit | None:
    return limit_on(scenario.state.credit, scenario.state.raises, day)


def raised(cents: int) -> TemporaryLimitGranted:
    return TemporaryLimitGranted(
        amount=usd(cents), starts_on=TODAY, ends_on=LATER, approved_by="gus"
    )


def pledged(amount: Money, name: str = "s-1") -> SecurityPledged:
    return SecurityPledged(
        security=name, kind="deposit", amount=amount, ends_on=None, approved_by="gus"
    )


def accepted(name: str, cents: int) -> OrderAccepted:
    return OrderAccepted(order=name, amount=usd(cents), exposure=usd(cents), limit=usd(1_000))


def invoice(name: str, cents: int, due_on: date = LATER) -> InvoiceIssued:
    return InvoiceIssued(invoice=name, amount=usd(cents), due_on=due_on, order=None)


# The limit, and what raises it


def test_cr15_the_currency_of_the_first_limit_is_that_of_every_other() -> None:
    ask = RequestLimit(request="r-2", amount=eur(5))
    mismatch = CurrencyMismatch(left="EUR", right="USD")
    KNOWN.when(ask).rejected(mismatch)
    NEW.given(limited("unlimited")).when(ask).then(
        CreditLimitRequested(
            request="r-2", amount=eur(5), requested_by="ann", lapses_on=date(2026, 4, 1)
        )
    )
    lowered = NEW.given(limited("unlimited"), CreditLimitLowered(amount=usd(9)))
    lowered.when(ask).rejected(mismatch)
    KNOWN.given(limited("unlimited")).when(ask).rejected(mismatch)
    boundless = RequestLimit(request="r-2", amount="unlimited")
    assert KNOWN.when(boundless).state.credit.open_request.amount == "unlimited"


def test_a_limit_that_was_taken_back_has_no_last_day_either() -> None:
    gone = NEW.given(limited(usd(5), until=LATER), LimitRevoked(revoked_by="gus", reason=""))
    assert (gone.state.credit.limit, gone.state.credit.limit_until) == (None, None)


def test_cr2_temporary_limits_add_up_and_a_security_stands_once() -> None:
    assert limit(KNOWN.given(raised(300), raised(40))) == usd(1_340)
    more = KNOWN.given(pledged(usd(300)), pledged(usd(7), "s-2"), pledged(usd(40)))
    assert limit(more) == usd(1_047)


def test_cr15_a_security_in_another_currency_raises_nothing() -> None:
    assert limit(NEW.given(pledged(eur(300)), limited(usd(1_000)))) == usd(1_000)


def test_the_latest_hundred_raises_and_releases_are_remembered() -> None:
    numbers = range(REMEMBERED_MAX + 1)
    many = KNOWN.given(
        *(raised(1) for _ in numbers),
        *(pledged(usd(1), f"s-{n}") for n in numbers),
        *(released(f"o-{n}", usd(5)) for n in numbers),
    ).state
    kept = (many.raises.temporary, many.raises.securities, many.releases.orders)
    assert [len(each) for each in kept] == [REMEMBERED_MAX] * 3 == [100] * 3
    assert (many.raises.securities[0].security, many.releases.orders[0].order) == ("s-1", "o-1")


def test_a_security_that_stands_is_pledged_once_however_much_was_said_since() -> None:
    since = [accepted(f"o-{n}", 1) for n in range(REMEMBERED_MAX)]
    pledge = PledgeSecurity(security="s-1", kind="deposit", amount=usd(5))
    KNOWN.given(pledged(usd(5)), *since).when(pledge, by="gus", roles=MANAGER).nothing()


def released(order: str, amount: Money) -> OverLimitReleased:
    return OverLimitReleased(
        order=order, amount=amount, ends_on=LATER, released_by="gus", reason=""
    )


@pytest.mark.parametrize(
    ("command", "event"),
    [
        (GrantTemporaryLimit(amount=usd(1), starts_on=TODAY, ends_on=TODAY),
         TemporaryLimitGranted(
             amount=usd(1), starts_on=TODAY, ends_on=TODAY, approved_by="gus")),
        (PledgeSecurity(security="s-1", kind="deposit", amount=usd(1)), pledged(usd(1))),
        (ReleaseOrder(order="o-1", amount=usd(1), ends_on=LATER, reason=""),
         released("o-1", usd(1))),
        (PlaceHold(hold="h-1", reason="", ends_on=TODAY),
         HoldPlaced(hold="h-1", reason="", ends_on=TODAY)),
    ],
)  # fmt: skip
def test_a_cent_is_some_money_and_a_day_is_a_while(
    command: customer.Command, event: customer.Event
) -> None:
    KNOWN.when(command, by="gus", roles=MANAGER).then(event)


def test_cr15_a_release_is_in_the_currency_of_the_limit() -> None:
    release = ReleaseOrder(order="o-1", amount=eur(1), ends_on=LATER, reason="")
    mismatch = CurrencyMismatch(left="EUR", right="USD")
    KNOWN.when(release, by="gus", roles=MANAGER).rejected(mismatch)


def test_a_sub_limit_is_met_by_its_own_bucket_alone() -> None:
    few = Policy(sub_limits=(SubLimit(bucket="ordered", amount=usd(500)),))
    owing = under(few, limited(usd(1_000)), invoice("i-1", 400))
    owing.when(AcceptOrder(order="o-1", amount=usd(300))).then(
        OrderAccepted(order="o-1", amount=usd(300), exposure=usd(700), limit=usd(1_000))
    )
    owing.when(AcceptOrder(order="o-1", amount=usd(501))).rejected(
        OverLimit(exposure=usd(501), limit=usd(500))
    )


def test_cr3_without_a_horizon_an_order_counts_whenever_it_is_delivered() -> None:
    far = AcceptOrder(order="o-1", amount=usd(900), deliver_on=date(2036, 1, 1))
    assert KNOWN.when(far).events[0].exposure == usd(900)


# Holds


def test_cr13_a_hold_that_is_placed_again_is_what_was_said_last() -> None:
    both = KNOWN.given(
        HoldPlaced(hold="h-1", reason=""), HoldPlaced(hold="h-1", reason="", scope="delivery")
    )
    assert len(both.when(AcceptOrder(order="o-1", amount=usd(1))).state.orders) == 1
    deliver = Deliver(order="o-1", delivery="d-1", amount=usd(1))
    both.given(accepted("o-1", 1)).when(deliver).rejected(OnHold(holds=("h-1",)))


def test_cr13_what_stops_orders_stops_no_delivery_unless_the_policy_says_so() -> None:
    late = KNOWN.given(accepted("o-1", 10), invoice("i-1", 100, date(2026, 1, 1)))
    late.when(AcceptOrder(order="o-2", amount=usd(1))).rejected(
        Overdue(invoice="i-1", due_on=date(2026, 1, 1))
    )
    late.when(Deliver(order="o-1", delivery="d-1", amount=usd(1))).then(
        DeliveryRecorded(order="o-1", delivery="d-1", amount=usd(1))
    )


def let_pass(kind: AutomaticHold, ends_on: date = LATER) -> AutomaticHoldReleased:
    return AutomaticHoldReleased(kind=kind, ends_on=ends_on, released_by="gus", reason="")


def test_cr13_a_release_is_of_the_hold_that_it_names() -> None:
    late = invoice("i-1", 2_000, date(2026, 1, 1))
    owing = KNOWN.given(late)

    def held(scenario: Scenario) -> tuple[str, ...]:
        return automatic_holds(customer.books(scenario.state, TODAY), Policy())

    assert held(owing) == ("overdue", "over_limit")
    assert held(owing.given(let_pass("over_limit"))) == ("overdue",)
    both = owing.given(let_pass("overdue"), let_pass("over_limit"))
    assert held(both) == ()
    shorter = both.given(let_pass("overdue", date(2026, 3, 1)))
    assert held(shorter) == ("overdue",)
    assert [release.kind for release in shorter.state.releases.holds] == ["over_limit", "overdue"]
    command = ReleaseAutomaticHold(kind="overdue", ends_on=TODAY, reason="")
    owing.when(command, by="gus", roles=MANAGER).then(let_pass("overdue", TODAY))


# Releases of orders


def test_cr9_the_release_of_one_order_is_used_by_no_other() -> None:
    both = KNOWN.given(released("o-1", usd(1_500)), released("o-2", usd(1_600)))
    first = both.when(AcceptOrder(order="o-1", amount=usd(1_400)))
    assert first.state.releases.orders == (released("o-2", usd(1_600)),)
    second = first.when(AcceptOrder(order="o-2", amount=usd(1_600)))
    assert second.state.releases.orders == ()
    assert [order.released for order in second.state.orders] == [1_500, 1_600]


def test_cr9_a_release_that_was_not_needed_yet_is_there_later() -> None:
    free = KNOWN.given(accepted("o-1", 100), released("o-1", usd(1_500)))
    less = free.when(
        Deliver(order="o-1", delivery="d-1", amount=usd(10)),
        ChangeOrder(order="o-1", amount=usd(50)),
    )
    less.when(ChangeOrder(order="o-1", amount=usd(1_400))).then(
        OrderChanged(
            order="o-1",
            amount=usd(1_400),
            exposure=usd(1_400),
            limit=usd(1_000),
            released=usd(1_500),
            release_ends_on=LATER,
        )
    )


def test_cr9_a_used_release_covers_the_order_to_the_end_of_its_last_day() -> None:
    passed = KNOWN.given(released("o-1", usd(1_500)))
    ordered = passed.when(AcceptOrder(order="o-1", amount=usd(1_400)))
    more = ordered.when(ChangeOrder(order="o-1", amount=usd(1_500)), at=LATER)
    more.then(OrderChanged(order="o-1", amount=usd(1_500), exposure=usd(1_500), limit=usd(1_000)))


def test_cr9_of_an_order_that_was_cut_no_release_is_left() -> None:
    passed = KNOWN.given(released("o-1", usd(1_500))).when(
        AcceptOrder(order="o-1", amount=usd(1_400)),
        Deliver(order="o-1", delivery="d-1", amount=usd(400)),
    )
    cut = passed.given(OrderCancelled(order="o-1", amount=usd(1_000), reason="late"))
    assert cut.state.orders == (Order(name="o-1", amount=usd(400), delivered=400, dropped=1_000),)
