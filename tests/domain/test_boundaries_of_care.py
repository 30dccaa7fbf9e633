"""Who looks after a customer at the very edge: C2 to C5, and what counts as a deal."""

from datetime import UTC, date, datetime

import pytest
from msgspec.structs import replace

from crmcore.domain import customer
from crmcore.domain.customer import (
    AssignOwner,
    ChangeIdentity,
    ClaimFromPool,
    CompleteFollowUp,
    GrantAccess,
    OwnershipPolicy,
    PlanFollowUp,
    Policy,
    RecycleToPool,
    ReleaseToPool,
    RevokeAccess,
    TransferOwner,
    access,
)
from crmcore.domain.customer.access import AccessDenied, AccessGranted, Grant, may
from crmcore.domain.customer.follow_ups import FollowUp, FollowUpDone, FollowUpPlanned, missed
from crmcore.domain.customer.ownership import (
    Cooldown,
    DealMade,
    FollowedUp,
    Former,
    OtherOwner,
    OwnerAssigned,
    RecycledToPool,
    ReleasedToPool,
    in_charge,
    owners,
    recycle_due,
    reminder_due,
)
from crmcore.domain.customer.profile import CustomerRegistered, Deactivated, NotActive
from crmcore.domain.customer.receivables import InvoiceIssued
from crmcore.domain.customer.sales import REMEMBERED_MAX, PurchaseRecorded
from crmcore.domain.money import Money
from crmcore.testing import given

OWNING, STRICT = OwnershipPolicy(), OwnershipPolicy(won_are_exempt=False)
CUSTOMER = customer.decider(Policy())
MANAGER = ["sales_manager"]
REGISTERED = CustomerRegistered(code="c-1", name="Ann Ltd.", kind="organisation")


def day(number: int, month: int = 1) -> datetime:
    return datetime(2026, month, number, tzinfo=UTC)


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


def assigned(owner: str, at: datetime, *, won: bool = False) -> OwnerAssigned:
    return OwnerAssigned(owner=owner, how="claimed", at=at, protected_until=None, won=won)


def released(owner: str, at: datetime) -> ReleasedToPool:
    return ReleasedToPool(owner=owner, reason="", at=at)


def bought(cents: int) -> PurchaseRecorded:
    return PurchaseRecorded(
        purchase="p", bought_on=date(2026, 1, 1), amount=usd(cents), quantity=None, product=None
    )


KNOWN = given(CUSTOMER, REGISTERED, at=day(1))
ANNS = KNOWN.given(assigned("ann", day(1)))
LAPSED = RecycledToPool(owner="ann", rule="no_follow_up", at=day(31))


# Who is in charge


def test_c2_owners_and_the_pool_follow_one_another() -> None:
    line = owners([REGISTERED, assigned("ann", day(2)), released("ann", day(5)),
                   assigned("ben", day(7)), replace(LAPSED, owner="ben", at=day(9))])  # fmt: skip
    told = [line.at(day(number)) for number in (1, 2, 4, 5, 6, 7, 8, 9, 10)]
    assert told == [None, "ann", "ann", None, None, "ben", "ben", None, None]


def test_c2_what_is_dated_before_the_latest_change_takes_effect_with_it() -> None:
    late = KNOWN.given(assigned("ann", day(5)))
    handed = late.when(TransferOwner(owner="ann", to="ben"), at=day(3))
    handed.then(replace(assigned("ben", day(5)), how="transferred"))


def test_who_is_assigned_without_protection_has_none() -> None:
    bens = replace(assigned("ben", day(1)), how="assigned")
    KNOWN.when(AssignOwner(owner="ben"), roles=MANAGER).then(bens)
    after = replace(assigned("ben", day(1, 2)), how="assigned")
    again = AssignOwner(owner="ben", lapsed="ann")
    ANNS.when(again, at=day(1, 2), roles=MANAGER).then(LAPSED, after)


def test_only_an_active_customer_is_assigned_and_any_is_given_back() -> None:
    gone = Deactivated(reason="moved")
    KNOWN.given(gone).when(AssignOwner(owner="ben"), roles=MANAGER).rejected(
        NotActive(status="deactivated")
    )
    ANNS.given(gone).when(ReleaseToPool(owner="ann", reason="")).then(released("ann", day(1)))


def test_whose_time_is_up_is_named() -> None:
    ANNS.when(RecycleToPool(owner="ben"), at=day(2)).rejected(OtherOwner(owner="ann"))


def test_the_pool_is_left_by_nobody_and_reminded_of_to_nobody() -> None:
    pooled = ANNS.given(released("ann", day(5))).state.ownership
    assert (recycle_due(pooled, OWNING), reminder_due(pooled, OWNING)) == (None, None)
    assert in_charge(pooled, OWNING, day(6)) is None


def test_c4_a_follow_up_of_before_does_not_shorten_the_time() -> None:
    called = ANNS.given(FollowedUp(at=day(20)), FollowedUp(at=day(10)))
    assert recycle_due(called.state.ownership, OWNING) == (day(19, 2), "no_follow_up")


def test_c4_where_nobody_is_exempt_who_has_bought_needs_follow_up_and_no_other_deal() -> None:
    won = KNOWN.given(assigned("ann", day(1), won=True), FollowedUp(at=day(20, 6)))
    assert recycle_due(won.state.ownership, STRICT) == (day(20, 7), "no_follow_up")
    assert recycle_due(won.state.ownership, OWNING) is None


def test_c3_each_of_those_who_were_in_charge_waits() -> None:
    both = ANNS.given(released("ann", day(5)), assigned("ben", day(7)), released("ben", day(9)))
    both.when(ClaimFromPool(), at=day(11)).rejected(Cooldown(until=day(4, 2)))
    both.when(ClaimFromPool(), by="ben", at=day(4, 2)).rejected(Cooldown(until=day(8, 2)))
    again = both.given(assigned("ann", day(4, 2)), released("ann", day(5, 2)))
    assert again.state.ownership.former == (
        Former(owner="ben", until=day(9)),
        Former(owner="ann", until=day(5, 2)),
    )
    assert again.given(released("ann", day(6, 2))).state.ownership.former == (
        again.state.ownership.former
    )


def test_the_latest_hundred_who_were_in_charge_are_remembered() -> None:
    names = [f"user {number}" for number in range(REMEMBERED_MAX + 1)]
    facts = [fact for n in names for fact in (assigned(n, day(1)), released(n, day(1)))]
    former = KNOWN.given(*facts).state.ownership.former
    assert [one.owner for one in former] == names[1:]


def test_c3_how_long_to_wait_is_a_policy() -> None:
    eager = customer.decider(Policy(), OwnershipPolicy(new_wait_days=0, cooldown_days=0))
    free = given(eager, REGISTERED, assigned("ann", day(1)), released("ann", day(5)))
    free.when(ClaimFromPool(), at=day(5)).then(assigned("ann", day(5)))


# Deals

BUY = customer.RecordPurchase(purchase="p", amount=usd(1))
LIMIT = customer.credit.CreditLimitApproved(
    request="r", amount=usd(100), approved_by="gus", until=None
)


@pytest.mark.parametrize(
    "command",
    [
        BUY,
        customer.AcceptOrder(order="o", amount=usd(1)),
        customer.IssueInvoice(invoice="i", amount=usd(1)),
    ],
)
def test_c4_a_deal_is_a_purchase_an_order_or_an_invoice(command: customer.Command) -> None:
    dealt = ANNS.given(LIMIT).when(command)
    assert dealt.events[1:] == (DealMade(at=day(1)),)
    late = ANNS.given(LIMIT).when(command, at=day(31))
    assert [event for event in late.events if isinstance(event, DealMade)] == []


@pytest.mark.parametrize(
    "command",
    [
        replace(BUY, amount=usd(0)),
        ChangeIdentity(name="Bob Ltd."),
        ChangeIdentity(name="Ann Ltd."),
    ],
)
def test_c4_what_brings_nothing_is_no_deal(command: customer.Command) -> None:
    assert [event for event in ANNS.when(command).events if isinstance(event, DealMade)] == []
    assert not ANNS.when(command).state.ownership.won


@pytest.mark.parametrize(
    ("before", "won"),
    [
        (bought(1), True),
        (bought(0), False),
        (
            customer.orders.OrderAccepted(
                order="o", amount=usd(1), exposure=usd(1), limit=usd(100)
            ),
            True,
        ),
        (InvoiceIssued(invoice="i", amount=usd(1), due_on=date(2026, 2, 1), order=None), True),
    ],
)
def test_c4_who_takes_charge_finds_whether_the_customer_has_bought(
    before: customer.Event, *, won: bool
) -> None:
    KNOWN.given(before).when(ClaimFromPool()).then(assigned("ann", day(1), won=won))


# Follow-ups


def planned(name: str, due_on: date) -> FollowUpPlanned:
    return FollowUpPlanned(follow_up=name, due_on=due_on, what="call", planned_by="ann")


def finished(name: str) -> FollowUpDone:
    return FollowUpDone(follow_up=name, outcome="called")


def test_the_follow_up_that_is_named_is_done_and_no_other() -> None:
    ninth, tenth = date(2026, 1, 9), date(2026, 1, 10)
    two = KNOWN.given(planned("f", ninth), planned("g", tenth))
    assert [one.name for one in missed(two.state.follow_ups, date(2026, 1, 11))] == ["f", "g"]
    third = two.when(PlanFollowUp(follow_up="h", due_on=tenth, what="call"))
    third.then(planned("h", tenth))
    done = two.when(CompleteFollowUp(follow_up="g", outcome="called")).then(finished("g"))
    assert done.state.follow_ups == (
        FollowUp(name="f", due_on=ninth),
        FollowUp(name="g", due_on=tenth, done=True),
    )
    done.when(PlanFollowUp(follow_up="g", due_on=tenth, what="call")).rejected(
        customer.follow_ups.FollowUpNameTaken(follow_up="g")
    )


def test_open_follow_ups_are_remembered_and_the_latest_hundred_done() -> None:
    due = date(2026, 1, 9)
    names = [f"f-{number}" for number in range(REMEMBERED_MAX + 1)]
    known = KNOWN.given(
        planned("open", due),
        *(planned(name, due) for name in names),
        *(finished(name) for name in names),
    )
    assert [one.name for one in known.state.follow_ups] == ["open", *names[1:]]
    assert [one.name for one in known.state.follow_ups if not one.done] == ["open"]


# Access


def granted(who: str, level: access.Level, until: datetime | None) -> AccessGranted:
    return AccessGranted(
        who=who, level=level, until=until, at=day(1), granted_by="ann", authority="owner"
    )


def test_c5_a_grant_takes_the_place_of_the_one_of_its_level_for_the_same_user() -> None:
    let_in = ANNS.given(
        granted("ben", "read", day(9)),
        granted("cem", "read", day(9)),
        granted("ben", "write", day(5)),
        granted("ben", "read", day(3)),
    )
    assert let_in.state.grants == (
        Grant(who="cem", level="read", until=day(9)),
        Grant(who="ben", level="write", until=day(5)),
        Grant(who="ben", level="read", until=day(3)),
    )
    away = let_in.given(
        AccessDenied(who="cem", until=None, at=day(1), denied_by="ann", authority="owner")
    ).state
    asked = [
        may(state.grants, state.ownership, OWNING, "cem", "read", day(2))
        for state in (let_in.state, away)
    ]
    assert asked == [True, False]


def test_c5_what_has_lapsed_is_forgotten_and_cannot_be_revoked() -> None:
    let_in = ANNS.given(granted("ben", "read", day(9)))
    let_in.when(RevokeAccess(who="ben"), at=day(9)).nothing()
    other = let_in.when(GrantAccess(who="cem", level="read"), at=day(9))
    assert [grant.who for grant in other.state.grants] == ["cem"]
