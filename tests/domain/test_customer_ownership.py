"""Who is in charge of a customer, and who else may: C2, C4, C5, and of C3 the waits."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given as generated
from hypothesis import strategies as st
from msgspec.structs import replace

from crmcore.domain import customer
from crmcore.domain.customer import (
    AssignOwner,
    ClaimFromPool,
    CompleteFollowUp,
    DenyAccess,
    GrantAccess,
    LogInteraction,
    OwnershipPolicy,
    PlanFollowUp,
    Policy,
    RecycleToPool,
    Register,
    ReleaseToPool,
    RevokeAccess,
    TransferOwner,
    access,
    follow_ups,
    ownership,
    profile,
    sales,
)
from crmcore.domain.customer.access import (
    AccessDenied,
    AccessGranted,
    AccessRevoked,
    LapsedBefore,
    NotInCharge,
    may,
)
from crmcore.domain.customer.follow_ups import (
    FollowUpDone,
    FollowUpNameTaken,
    FollowUpPlanned,
    UnknownFollowUp,
    missed,
)
from crmcore.domain.customer.ownership import (
    Cooldown,
    DealMade,
    FollowedUp,
    NewlyPooled,
    NotDue,
    NotInPool,
    NotOwner,
    NotSalesManager,
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
from crmcore.domain.money import Money
from crmcore.testing import History, given, histories

OWNING = OwnershipPolicy()
CUSTOMER = customer.decider(Policy())
CARE = replace(  # with little else, so that most of a history is about who is in charge
    CUSTOMER,
    commands=Register | sales.RecordPurchase | LogInteraction | ownership.Command | access.Command
    | follow_ups.Command,
    events=CustomerRegistered | sales.PurchaseRecorded | profile.InteractionLogged
    | ownership.Event | access.Event | follow_ups.Event,
    rejections=ownership.Reason | access.Reason | follow_ups.Reason,
)  # fmt: skip
MANAGER = ["sales_manager"]
REGISTERED = CustomerRegistered(code="c-1", name="Ann Ltd.", kind="organisation")


def day(number: int, month: int = 1) -> datetime:
    return datetime(2026, month, number, tzinfo=UTC)


def assigned(owner: str, at: datetime, *, won: bool = False) -> OwnerAssigned:
    return OwnerAssigned(owner=owner, how="claimed", at=at, protected_until=None, won=won)


KNOWN = given(CUSTOMER, REGISTERED, at=day(1))
ANNS = KNOWN.given(assigned("ann", day(1)))
POOLED = ANNS.given(ReleasedToPool(owner="ann", reason="", at=day(5)))
BUY = sales.RecordPurchase(purchase="p", amount=Money(minor=1, currency="USD"))
CALL = LogInteraction(channel="phone", summary="hello")


# One owner or the pool


def test_whoever_claims_from_the_pool_is_in_charge() -> None:
    claimed = KNOWN.when(ClaimFromPool(), at=day(2)).then(assigned("ann", day(2)))
    assert claimed.state.ownership.owner == "ann"
    claimed.when(ClaimFromPool(), by="ben").rejected(NotInPool(owner="ann"))


def test_a_manager_assigns_and_protects() -> None:
    assign = AssignOwner(owner="ben", protected_until=date(2026, 6, 1))
    KNOWN.when(assign).rejected(NotSalesManager(role="sales_manager", by="ann"))
    bens = KNOWN.when(assign, roles=MANAGER).then(
        OwnerAssigned(owner="ben", how="assigned", at=day(1), protected_until=day(1, 6), won=False),
    )
    assert recycle_due(bens.state.ownership, OWNING) == (day(1, 6), "no_follow_up")


def test_only_an_active_customer_is_claimed() -> None:
    gone = KNOWN.given(Deactivated(reason="moved"))
    gone.when(ClaimFromPool()).rejected(NotActive(status="deactivated"))


def test_a_customer_is_handed_over_by_who_is_in_charge_or_a_manager() -> None:
    to_ben = TransferOwner(owner="ann", to="ben")
    ANNS.when(to_ben, by="cem").rejected(NotOwner(owner="ann"))
    for by, roles in (("ann", []), ("cem", MANAGER)):
        bens = ANNS.when(to_ben, by=by, roles=roles, at=day(3)).then(
            replace(assigned("ben", day(3)), how="transferred")
        )
        bens.when(to_ben, by="ben").rejected(OtherOwner(owner="ben"))
    ANNS.when(TransferOwner(owner="ann", to="ann")).nothing()


def test_a_customer_is_given_back_by_who_is_in_charge() -> None:
    ANNS.when(ReleaseToPool(owner="ben", reason="")).rejected(OtherOwner(owner="ann"))
    ANNS.when(ReleaseToPool(owner="ann", reason=""), by="ben").rejected(NotOwner(owner="ann"))
    free = ANNS.when(ReleaseToPool(owner="ann", reason="ill"), at=day(2)).then(
        ReleasedToPool(owner="ann", reason="ill", at=day(2))
    )
    assert free.state.ownership.owner is None


HISTORIES = histories(CARE, steps=20)


@generated(HISTORIES, st.integers(0, 400))
def test_c2_at_every_instant_there_is_one_owner_or_the_pool(history: History, days: int) -> None:
    at = day(1) + timedelta(days=days)
    said: str | None = None
    for event in history.events:
        if isinstance(event, OwnerAssigned) and event.at <= at:
            said = event.owner
        if isinstance(event, ReleasedToPool | RecycledToPool) and event.at <= at:
            said = None
    line = owners(history.events)
    assert line.at(at) == said
    assert line.at(datetime.max.replace(tzinfo=UTC)) == history.state.ownership.owner


# The waits


def test_c3_the_newly_pooled_is_left_alone_for_a_day_whatever_is_edited() -> None:
    POOLED.when(ClaimFromPool(), by="ben", at=day(5)).rejected(NewlyPooled(until=day(6)))
    edited = POOLED.when(customer.ChangeIdentity(name="Bob Ltd."), at=day(6))
    edited.when(ClaimFromPool(), by="ben").then(assigned("ben", day(6)))


def test_c3_who_had_it_waits_longer() -> None:
    late = day(3, 2)
    POOLED.when(ClaimFromPool(), at=day(6)).rejected(Cooldown(until=day(4, 2)))
    POOLED.when(ClaimFromPool(), at=late).rejected(Cooldown(until=day(4, 2)))
    POOLED.when(ClaimFromPool(), at=day(4, 2)).then(assigned("ann", day(4, 2)))


# The time that is up


def test_c4_without_follow_up_it_goes_back_though_nobody_records_it() -> None:
    owned = ANNS.state.ownership
    assert recycle_due(owned, OWNING) == (day(31), "no_follow_up")
    assert reminder_due(owned, OWNING) == day(28)
    assert in_charge(owned, OWNING, day(30)) == "ann"
    assert in_charge(owned, OWNING, day(31)) is None
    lapsed = RecycledToPool(owner="ann", rule="no_follow_up", at=day(31))
    ANNS.when(ClaimFromPool(), by="ben", at=day(1, 2)).rejected(OtherOwner(owner="ann"))
    ANNS.when(ClaimFromPool(lapsed="ann"), by="ben", at=day(1, 2)).then(
        lapsed, assigned("ben", day(1, 2))
    )
    ANNS.when(RecycleToPool(owner="ann"), at=day(1, 2)).then(lapsed)
    ANNS.when(RecycleToPool(owner="ann"), at=day(30)).rejected(NotDue(due=day(31)))
    KNOWN.when(RecycleToPool(owner="ann")).rejected(OtherOwner(owner=None))


def test_c4_a_follow_up_moves_it_and_one_that_comes_too_late_does_not() -> None:
    called = ANNS.when(CALL, at=day(20))
    logged = profile.InteractionLogged(channel="phone", summary="hello")
    called.then(logged, FollowedUp(at=day(20)))
    assert recycle_due(called.state.ownership, OWNING) == (day(19, 2), "no_follow_up")
    ANNS.when(CALL, at=day(31)).then(logged)


def test_c4_without_a_deal_it_goes_back_all_the_same() -> None:
    called = ANNS.given(FollowedUp(at=day(20, 6)))
    assert recycle_due(called.state.ownership, OWNING) == (day(30, 6), "no_deal")


def test_c4_who_has_bought_stays_unless_the_policy_says_otherwise() -> None:
    bought = ANNS.when(BUY, at=day(2))
    assert bought.events[-1] == DealMade(at=day(2))
    assert recycle_due(bought.state.ownership, OWNING) is None
    strict = OwnershipPolicy(won_are_exempt=False)
    assert recycle_due(bought.state.ownership, strict) == (day(31), "no_follow_up")
    assert bought.when(replace(BUY, purchase="q")).events[1:] == ()
    bought.when(RecycleToPool(owner="ann"), at=day(1, 12)).rejected(NotDue(due=None))
    had_bought = KNOWN.when(BUY).when(ClaimFromPool())
    had_bought.then(assigned("ann", day(1), won=True))


def test_c4_a_deal_of_before_is_not_of_who_is_in_charge_now() -> None:
    bens = POOLED.given(assigned("ben", day(9)))
    assert [type(event) for event in bens.when(BUY, at=day(3)).events] == [sales.PurchaseRecorded]


@generated(HISTORIES, st.integers(0, 500))
def test_c4_recording_that_the_time_is_up_changes_no_answer(history: History, days: int) -> None:
    known = history.state.ownership
    end = max([step.at for step in history.steps], default=day(1))
    at = known.as_of(end + timedelta(days=days))
    due = recycle_due(known, OWNING)
    if due is None or known.owner is None or due[0] > at:
        return
    [recorded] = given(CARE, *history.events).when(RecycleToPool(owner=known.owner), at=at).events
    after = ownership.evolve(known, recorded)
    asked = at + timedelta(days=3)
    assert in_charge(known, OWNING, asked) == in_charge(after, OWNING, asked) is None
    assert owners([*history.events, recorded]).at(due[0]) is None


# Follow-ups


def test_a_follow_up_is_planned_and_done_once() -> None:
    plan = PlanFollowUp(follow_up="f", due_on=date(2026, 1, 9), what="call back")
    planned = ANNS.when(plan).then(
        FollowUpPlanned(follow_up="f", due_on=date(2026, 1, 9), what="call back", planned_by="ann")
    )
    assert [one.name for one in missed(planned.state.follow_ups, date(2026, 1, 10))] == ["f"]
    assert missed(planned.state.follow_ups, date(2026, 1, 9)) == ()
    planned.when(plan).rejected(FollowUpNameTaken(follow_up="f"))
    finish = CompleteFollowUp(follow_up="f", outcome="called")
    done = planned.when(finish, at=day(3)).then(
        FollowUpDone(follow_up="f", outcome="called"), FollowedUp(at=day(3))
    )
    assert missed(done.state.follow_ups, date(2026, 2, 1)) == ()
    done.when(finish).rejected(UnknownFollowUp(follow_up="f"))
    ANNS.when(finish).rejected(UnknownFollowUp(follow_up="f"))


# Access


def granted(who: str, level: access.Level, until: datetime | None) -> AccessGranted:
    return AccessGranted(
        who=who, level=level, until=until, at=day(1), granted_by="ann", authority="owner"
    )


def seen(scenario: object, who: str, what: access.Level, at: datetime) -> bool:
    state = getattr(scenario, "state", None)
    assert isinstance(state, customer.Customer)
    return may(state.grants, state.ownership, OWNING, who, what, at)


def test_c5_a_grant_lapses_by_itself() -> None:
    grant = GrantAccess(who="ben", level="read", until=date(2026, 1, 9))
    let_in = ANNS.when(grant).then(granted("ben", "read", day(9)))
    let_in.when(grant).nothing()
    assert seen(let_in, "ben", "read", day(8))
    assert not seen(let_in, "ben", "read", day(9))
    assert not seen(let_in, "ben", "write", day(8))
    ANNS.when(grant, at=day(9)).rejected(LapsedBefore(until=day(9)))


def test_c5_who_may_write_may_read_and_who_is_in_charge_may_both() -> None:
    writer = ANNS.given(granted("ben", "write", None))
    assert seen(writer, "ben", "read", day(3))
    assert seen(ANNS, "ann", "write", day(3))
    assert not seen(ANNS, "ann", "read", day(31))


def test_c5_who_is_denied_may_not_whatever_is_granted() -> None:
    deny = DenyAccess(who="ben", until=date(2026, 1, 5))
    denied = AccessDenied(
        who="ben", until=day(5), at=day(1), denied_by="cem", authority="sales_manager"
    )
    away = ANNS.given(granted("ben", "write", None)).when(deny, by="cem", roles=MANAGER)
    away.then(denied).when(deny).nothing()
    assert not seen(away, "ben", "read", day(4))
    assert seen(away, "ben", "read", day(5))
    for_good = ANNS.when(DenyAccess(who="ann"))
    assert not seen(for_good, "ann", "read", day(2))


def test_c5_revoking_ends_what_was_granted_and_denied() -> None:
    revoke = RevokeAccess(who="ben")
    let_in = ANNS.given(granted("ben", "write", None), granted("cem", "read", None))
    revoked = let_in.when(revoke, at=day(2)).then(
        AccessRevoked(who="ben", at=day(2), revoked_by="ann", authority="owner")
    )
    assert not seen(revoked, "ben", "read", day(2))
    assert seen(revoked, "cem", "read", day(2))
    revoked.when(revoke).nothing()


def test_c5_only_those_in_charge_let_others_in() -> None:
    grant = GrantAccess(who="ben", level="read")
    ANNS.when(grant, by="ben").rejected(NotInCharge(by="ben", role="sales_manager"))
    ANNS.when(grant, at=day(31)).rejected(NotInCharge(by="ann", role="sales_manager"))


@generated(HISTORIES, st.sampled_from(["ann", "ben", "cem"]), st.integers(0, 60))
def test_c5_who_may_is_who_was_granted_it_and_not_denied(
    history: History, who: str, days: int
) -> None:
    at = max([step.at for step in history.steps], default=day(1)) + timedelta(days=days)
    lasting: dict[str, datetime | None] = {}
    for event in history.events:
        if isinstance(event, AccessGranted | AccessDenied) and event.who == who:
            lasting[getattr(event, "level", "none")] = event.until
        if isinstance(event, AccessRevoked) and event.who == who:
            lasting.clear()
    levels = {level for level, until in lasting.items() if until is None or at < until}
    owned = in_charge(history.state.ownership, OWNING, at) == who
    wanted = "none" not in levels and (owned or bool(levels))
    state = history.state
    assert may(state.grants, state.ownership, OWNING, who, "read", at) == wanted
    may_write = "none" not in levels and (owned or "write" in levels)
    assert may(state.grants, state.ownership, OWNING, who, "write", at) == may_write


@pytest.mark.parametrize("kind", [FollowedUp, DealMade])
def test_x8_what_is_said_of_nobodys_customer_changes_no_owner(kind: type) -> None:
    assert KNOWN.given(kind(at=day(1))).state.ownership.owner is None
    assert not KNOWN.given(kind(at=day(1))).state.ownership.won
