"""Whom somebody looks after: the quota and the capacity of C3."""

from collections import Counter
from datetime import UTC, date, datetime
from uuid import UUID

from hypothesis import given as generated

from crmcore.domain import portfolio
from crmcore.domain.portfolio import (
    Capacity,
    Claim,
    CustomerClaimed,
    CustomerLetGo,
    CustomerTaken,
    LetGo,
    Policy,
    PoolQuota,
    Take,
)
from crmcore.testing import History, contract, given, histories

FEW = portfolio.decider(Policy(claims_per_day=2, capacity=3))
MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)
ADA, BOB, CEM, DEE = (UUID(int=number) for number in (1, 2, 3, 4))

ROOM = portfolio.decider(Policy(claims_per_day=2, capacity=5))
TestPortfolio = contract(ROOM, examples=50)


def claim(customer: UUID) -> Claim:
    return Claim(user="ann", customer=customer)


def claimed(customer: UUID, on: date = MONDAY) -> CustomerClaimed:
    return CustomerClaimed(user="ann", customer=customer, claimed_on=on)


TWO = given(FEW, claimed(ADA), claimed(BOB), at=MONDAY)


def test_c3_nobody_claims_more_than_the_quota_of_a_day() -> None:
    given(FEW).when(claim(ADA), at=MONDAY).then(claimed(ADA)).when(claim(ADA)).nothing()
    TWO.when(claim(CEM)).rejected(PoolQuota(quota=2, day=MONDAY))
    TWO.when(claim(CEM), at=TUESDAY).then(claimed(CEM, TUESDAY))


def test_c3_each_day_has_a_quota_of_its_own() -> None:
    three = portfolio.decider(Policy(claims_per_day=3))
    customers = [UUID(int=number) for number in range(1, 8)]
    monday = given(three).when(*map(claim, customers[:3]), at=MONDAY)
    tuesday = monday.when(*map(claim, customers[3:6]), at=TUESDAY)
    assert tuesday.state.held == tuple(customers[:6])
    tuesday.when(claim(customers[6])).rejected(PoolQuota(quota=3, day=TUESDAY))
    single = given(portfolio.decider(Policy(claims_per_day=1))).when(claim(ADA), at=MONDAY)
    single.when(claim(BOB), at=TUESDAY).then(claimed(BOB, TUESDAY))


def test_each_user_has_a_stream_whose_name_never_changes() -> None:
    assert FEW.kind == "portfolio"
    assert portfolio.portfolio_id("ann") == UUID("77f1c017-02bb-598d-b9fd-08fc9450cc0e")


def test_regression_11_who_claims_releases_and_claims_again_has_claimed_twice() -> None:
    given(FEW).when(
        claim(ADA),
        LetGo(user="ann", customer=ADA),
        claim(BOB),
        LetGo(user="ann", customer=BOB),
        claim(CEM),
        at=MONDAY,
    ).rejected(PoolQuota(quota=2, day=MONDAY))


def test_c3_what_others_hand_over_is_no_claim_and_needs_room() -> None:
    three = TWO.when(Take(user="ann", customer=CEM)).then(CustomerTaken(user="ann", customer=CEM))
    three.when(Take(user="ann", customer=CEM)).nothing()
    three.when(Take(user="ann", customer=DEE)).rejected(Capacity(capacity=3))
    three.when(claim(DEE), at=TUESDAY).rejected(Capacity(capacity=3))


def test_who_is_let_go_is_not_held_any_more() -> None:
    go = LetGo(user="ann", customer=ADA)
    less = TWO.when(go).then(CustomerLetGo(user="ann", customer=ADA))
    less.when(go).nothing()
    assert less.state.held == (BOB,)
    assert FEW.threads(claimed(ADA)) == ("portfolio",)
    assert FEW.customer(ADA, less.state) is None


def test_c3_a_clock_that_is_a_little_behind_counts_on_the_day_that_has_begun() -> None:
    late = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    TWO.when(claim(CEM), at=late).rejected(PoolQuota(quota=2, day=MONDAY))


@generated(histories(ROOM, steps=20))
def test_c3_the_quota_counts_claims_and_not_what_is_held(history: History) -> None:
    per_day = Counter(
        event.claimed_on for event in history.events if isinstance(event, CustomerClaimed)
    )
    assert all(count <= 2 for count in per_day.values())
    for step in history.steps:
        if isinstance(step.rejected, PoolQuota):
            assert per_day[step.rejected.day] == 2
