"""Several streams in one log: each keeps its order, and nothing is lost on the way to a reader."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from msgspec import Meta

from crmcore.domain import customer, loyalty, opportunity
from crmcore.domain.act import Act
from crmcore.domain.calendar import zone
from crmcore.domain.customer.profile import CustomerRegistered
from crmcore.domain.money import Money
from crmcore.domain.recorded import Recorded, Stream
from crmcore.domain.value import Value
from crmcore.policies import Policies, checked
from crmcore.projections import credit, value_tiers
from crmcore.testing import (
    History,
    Log,
    deliveries,
    interleavings,
    log_of,
    policies,
    streams,
    what_if,
)
from crmcore.testing.contracts import PATIENT
from crmcore.testing.living import live
from crmcore.testing.recording import Streams, in_streams, stream_by_stream
from crmcore.testing.steps import START, AnyDecider, Turn

CUSTOMER = customer.decider(customer.Policy())
LOYALTY = loyalty.decider(loyalty.Policy())
ANN, BOB, CARD = UUID(int=1_001), UUID(int=1_002), UUID(int=1_004)
WORLDS = streams(
    ann=CUSTOMER,
    bob=CUSTOMER,
    deal=opportunity.decider(opportunity.Policy()),
    card=LOYALTY,
    steps=8,
)
FEW = settings(max_examples=10, suppress_health_check=PATIENT)


def usd(minor: int) -> Money:
    return Money(minor=minor, currency="USD")


def lived(decider: AnyDecider, *asked: tuple[int, Any]) -> History:
    """A history of commands on days."""
    roles = frozenset({"general_manager"})
    turns = [
        Turn(
            command,
            Act(
                by="ann",
                because="she said so",
                effective_at=START + timedelta(days=day),
                command_id=UUID(int=number),
                roles=roles,
            ),
        )
        for number, (day, command) in enumerate(asked, 1)
    ]
    return History(decider=decider, steps=tuple(live(decider, turns)))


def bought(purchase: str, minor: int = 5_000) -> customer.RecordPurchase:
    return customer.RecordPurchase(purchase=purchase, amount=usd(minor))


REGISTER = customer.Register(code="c-1", name="Ann", kind="person")
TRADE: Streams = {
    "ann": lived(
        CUSTOMER, (0, REGISTER), (2, bought("p-1")), (2, bought("p-1")), (4, bought("p-2"))
    ),
    "card": lived(
        LOYALTY,
        (1, loyalty.Enrol(customer=ANN)),
        (2, loyalty.Earn(source="p-1", amount=usd(5_000))),
        (3, loyalty.Redeem(redemption="r-1", reward="mug", points=20)),
    ),
}
LOG = log_of(TRADE)


# A log of histories.


def test_a_log_of_streams_is_in_the_order_of_time() -> None:
    days = [(fact.effective_at - START).days for fact in LOG]
    assert days == [0, 1, 2, 2, 3, 4]
    assert [fact.stream.kind for fact in LOG] == [
        "customer", "loyalty", "customer", "loyalty", "loyalty", "customer",
    ]  # fmt: skip
    assert LOG[0] == Recorded(
        stream=Stream(kind="customer", id=ANN),
        version=1,
        event=CustomerRegistered(code="c-1", name="Ann", kind="person"),
        effective_at=START,
        actor="ann",
        reason="she said so",
        command_id=UUID(int=(1_001 << 64) + 1),
        correlation_id=UUID(int=(1_001 << 64) + 1),
        causation_id=None,
        policy="default@1",
        customer=ANN,
        recorded_at=START,
        position=1,
    )


def test_a_log_may_be_recorded_in_another_order() -> None:
    late = log_of(TRADE, ["card", "card", "ann", "ann", "card", "ann"], policy="mine@2")
    assert [fact.stream.kind for fact in late][:3] == ["loyalty", "loyalty", "customer"]
    assert [(fact.recorded_at - START).days for fact in late] == [1, 2, 2, 2, 3, 4]
    assert {fact.policy for fact in late} == {"mine@2"}
    with pytest.raises(ValueError, match="names each stream once for each"):
        log_of(TRADE, ["ann", "card"])


def test_a_log_can_be_read_stream_by_stream() -> None:
    assert [fact.stream.kind for fact in stream_by_stream(LOG)] == ["loyalty"] * 3 + [
        "customer"
    ] * 3
    assert stream_by_stream(()) == log_of({}) == ()


@FEW
@given(WORLDS, st.data())
def test_a_world_may_be_recorded_in_any_order_and_delivered_in_any_way(
    world: Streams, data: st.DataObject
) -> None:
    logs = data.draw(interleavings(world, ways=3))
    assert len(logs) == 3
    for log in logs:
        require_a_log(log, world)
    require_delivered(logs[1], data.draw(deliveries(logs[1])))


def require_a_log(log: Log, world: Streams) -> None:
    recorded_at = START
    for position, fact in enumerate(log, 1):
        assert fact.position == position
        assert fact.recorded_at >= max(recorded_at, fact.effective_at)
        recorded_at = fact.recorded_at
        if fact.stream.kind == "customer":
            assert fact.customer == fact.stream.id
    lives = {Stream(kind=life.decider.kind, id=UUID(int=number)): life
             for number, life in enumerate(world.values(), 1_001)}  # fmt: skip
    found = in_streams(log)
    for stream, life in lives.items():
        facts = found.get(stream, [])
        assert tuple(fact.event for fact in facts) == life.events
        assert [fact.version for fact in facts] == [*range(1, len(facts) + 1)]
        if facts:
            assert facts[-1].customer == life.decider.customer(stream.id, life.state)


def require_delivered(log: Log, batches: Sequence[Log]) -> None:
    """Each batch goes on at most where the last one ended, and the last is the end."""
    reached = 0
    for batch in batches:
        first, last = batch[0].position, batch[-1].position
        assert batch == log[first - 1 : last]
        assert first <= reached + 1
        reached = last
    assert reached == len(log)


def test_others_refer_to_the_customers() -> None:
    owners = set[UUID | None]()

    @settings(max_examples=30, suppress_health_check=PATIENT)
    @given(streams(ann=LOYALTY, card=LOYALTY, drawn={"known": {"customer": [ANN, BOB]}}, steps=3))
    def look(world: Streams) -> None:
        owners.update(history.state.customer for history in world.values())

    look()
    assert {ANN, BOB} <= owners


# What fails becomes simple.


def test_the_simplest_interleaving_is_the_order_of_time() -> None:
    assert find(interleavings(TRADE), lambda _: True) == [LOG, LOG]
    assert find(interleavings(TRADE), lambda logs: logs[0] != logs[1])[0] == LOG


def test_the_simplest_delivery_is_one_batch() -> None:
    assert find(deliveries(LOG), lambda _: True) == [LOG]
    assert find(deliveries(()), lambda _: True) == []


def test_some_is_delivered_again_and_all_of_it_in_order() -> None:
    again = find(deliveries(LOG), lambda batches: sum(map(len, batches)) > len(LOG))
    assert again == [LOG[:1], LOG]


# Policies.


@settings(max_examples=40)
@given(policies(Policies))
def test_policies_can_be(some: Policies) -> None:
    assert checked(some) == some
    zone(some.time_zone)
    assert {some.loyalty.time_zone, some.credit.acceptance.time_zone} == {"UTC"}


def test_the_simplest_policies_are_those_by_default() -> None:
    assert find(policies(credit.Policy), lambda _: True) == credit.Policy()
    found = find(policies(loyalty.Policy), lambda some: some.lifetime_months > 20)
    assert found == loyalty.Policy(lifetime_months=21)
    far = find(policies(loyalty.Policy), lambda some: some.time_zone != "UTC")
    assert far == loyalty.Policy(time_zone="Europe/Berlin")


@settings(max_examples=40)
@given(policies(Policies, overrides={"a_percent": st.just(97), "a_score": st.just(300)}))
def test_what_is_fixed_stays_and_the_rest_fits(some: Policies) -> None:
    assert some.value_tiers.a_percent == 97 <= some.value_tiers.b_percent
    assert some.credit.a_score == 300 >= some.credit.b_score
    assert checked(some) == some


@settings(max_examples=40)
@given(policies(value_tiers.Policy), policies(credit.Policy))
def test_a_part_is_consistent_on_its_own(tiers: value_tiers.Policy, grades: credit.Policy) -> None:
    assert tiers.a_percent <= tiers.b_percent
    assert grades.a_score >= grades.b_score


class Fee(Value):
    """A policy of an application's own, without defaults."""

    percent: Annotated[int, Meta(ge=0, le=90)]
    step: Annotated[int, Meta(ge=10, le=100, multiple_of=10)]
    time_zone: str
    part: loyalty.Policy


def test_policies_of_an_application_need_no_defaults() -> None:
    assert find(policies(Fee), lambda _: True) == Fee(
        percent=0, step=10, time_zone="UTC", part=loyalty.Policy()
    )
    assert find(policies(Fee), lambda some: some.percent > 80).percent == 81


# What if.


def test_the_same_commands_lead_to_something_else_under_another_policy() -> None:
    dear = loyalty.decider(loyalty.Policy(minor_units_per_point=1_000))
    told = what_if(dear, TRADE["card"])
    assert told.steps[2].rejected == loyalty.Insufficient(available=5)
    assert what_if(LOYALTY, TRADE["card"]) == TRADE["card"]
