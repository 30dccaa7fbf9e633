"""Whose facts count for whom while customers are merged: M1, M2."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

import pytest
from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.customer.credit import HoldPlaced
from crmcore.domain.customer.merging import Absorbed, MergedInto, Unmerged
from crmcore.domain.customer.profile import CustomerRegistered, InteractionLogged
from crmcore.domain.money import Money
from crmcore.domain.recorded import Recorded, Stream
from crmcore.domain.value import Note, Ref, Value
from crmcore.projections.merging import carried, survivors, united
from crmcore.projections.projection import DisorderedLog, by_customer
from crmcore.testing import fact_on

ADA, BOB, CEM = (UUID(int=number) for number in (1, 2, 3))
DAY = date(2026, 3, 2)


def of(customer: UUID, event: Any, position: int = 1) -> Recorded[Any]:  # noqa: ANN401 - any event
    stream = Stream(kind="customer", id=customer)
    return fact_on(DAY, event, position, stream=stream, customer=customer)


MERGED = [
    of(ADA, MergedInto(surviving_customer=BOB), 1),
    of(BOB, Absorbed(absorbed_customer=ADA), 2),
]
KNOWN = CustomerRegistered(code="c", name="Ann", kind="person")
CALL = InteractionLogged(channel="phone", summary="")


class Shipped(Value, tag="customer.shipped"):
    parcel: Ref
    order: Annotated[str, Meta(max_length=100, extra={"ref": "order"})]
    label: Annotated[Ref, Meta(extra={"ref": "label"})]
    invoice: Ref | None
    note: Note
    cost: Money
    boxes: int


SHIPPED = Shipped(
    parcel="p", order="o", label="l", invoice="i", note="n",
    cost=Money(minor=1, currency="USD"), boxes=2,
)  # fmt: skip


def test_m1_both_have_to_say_who_stands_for_whom() -> None:
    assert survivors(MERGED) == {ADA: BOB}
    assert survivors(MERGED[:1]) == survivors(MERGED[1:]) == {}
    assert survivors([*MERGED, of(ADA, Unmerged(other_customer=BOB), 3)]) == {}
    assert survivors([*MERGED, of(BOB, Unmerged(other_customer=ADA), 3)]) == {}
    assert survivors([*MERGED, of(ADA, Unmerged(other_customer=CEM), 3)]) == {ADA: BOB}


def test_m2_what_was_done_counts_and_who_somebody_was_does_not() -> None:
    facts = [of(ADA, KNOWN, 1), of(ADA, CALL, 2), MERGED[0]]
    assert [fact.event for fact in carried(facts)] == [CALL]
    hold = HoldPlaced(hold="h-1", reason="")
    [held] = carried([of(ADA, hold)])
    assert held.event == replace(hold, hold=f"{ADA}/h-1")


def test_m2_who_is_not_merged_is_read_alone() -> None:
    own = [of(CEM, KNOWN, 5)]
    facts = {CEM: own, ADA: [of(ADA, KNOWN, 6), of(ADA, CALL, 7)]}
    assert united(facts, MERGED) == {CEM: own, BOB: [of(ADA, CALL, 7)]}
    log = [*MERGED, *own, *facts[ADA]]
    assert by_customer(log) == {CEM: own, BOB: [MERGED[1], of(ADA, CALL, 7)]}


def test_m2_names_of_the_absorbed_are_apart_from_all_others() -> None:
    [apart] = carried([of(ADA, SHIPPED)])
    assert apart.event.parcel == f"{ADA}/p"
    assert apart.event.label == f"{ADA}/l"
    assert apart.event.invoice == f"{ADA}/i"
    assert (apart.event.order, apart.event.note, apart.event.boxes) == ("o", "n", 2)
    [nameless] = carried([of(ADA, replace(SHIPPED, invoice=None))])
    assert nameless.event.invoice is None
    elsewhere = fact_on(DAY, SHIPPED, stream=Stream(kind="ticket", id=ADA), customer=ADA)
    assert carried([elsewhere]) == [elsewhere]


def test_m2_those_in_a_circle_are_themselves_and_a_stranger_gets_what_is_his() -> None:
    circle = [
        *MERGED,
        of(BOB, MergedInto(surviving_customer=ADA), 3),
        of(ADA, Absorbed(absorbed_customer=BOB), 4),
    ]
    customers = {ADA: [of(ADA, KNOWN, 5)], BOB: [of(BOB, KNOWN, 6)]}
    assert united(customers, circle) == customers
    assert united({ADA: [of(ADA, CALL, 5)]}, MERGED) == {BOB: [of(ADA, CALL, 5)]}


@pytest.mark.parametrize(("first", "second"), [(2, 1), (2, 2)])
def test_a_log_out_of_its_order_is_refused(first: int, second: int) -> None:
    log = [of(ADA, KNOWN, first), of(ADA, CALL, second)]
    with pytest.raises(DisorderedLog, match=f"position {second} after {first}"):
        by_customer(log)
