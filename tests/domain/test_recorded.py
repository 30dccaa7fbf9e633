"""Slots: one fixed hash divides the log, and a customer's facts stay together."""

from collections import Counter
from datetime import UTC, datetime
from random import Random
from uuid import UUID

import pytest

from crmcore import CRM
from crmcore.domain import customer, lead, loyalty, opportunity, ticket
from crmcore.domain.recorded import SLOTS, Stream, slot_of
from crmcore.domain.value import Value

ANN, DEAL, TICKET, ACCOUNT = (UUID(int=n) for n in (10, 20, 30, 40))
IDS = 100_000
RANDOM = Random(2026)  # noqa: S311 - the same ids every time


def slots(*past: tuple[Value, UUID]) -> dict[Stream, list[int]]:
    """The slots of the facts that these commands lead to, by their streams."""
    crm = CRM.in_memory(clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    found: dict[Stream, list[int]] = {}
    for fact in crm.do_all(past, act=crm.act("ann")).facts:
        found.setdefault(fact.stream, []).append(fact.slot)
    return found


@pytest.mark.parametrize(
    ("name", "slot"),
    [
        ("00000000-0000-0000-0000-000000000000", 1979),
        ("00000000-0000-0000-0000-000000000001", 1321),
        ("6ba7b810-9dad-11d1-80b4-00c04fd430c8", 468),
    ],
)
def test_the_slot_of_an_id_is_the_end_of_its_sha_256(name: str, slot: int) -> None:
    assert slot_of(UUID(name)) == slot


@pytest.mark.parametrize(
    "ids",
    [
        [UUID(int=n) for n in range(IDS)],
        [UUID(int=RANDOM.getrandbits(128), version=4) for _ in range(IDS)],
    ],
    ids=["counted", "drawn"],
)
def test_ids_spread_evenly_over_all_slots(ids: list[UUID]) -> None:
    counts = Counter(slot_of(one) for one in ids)
    mean, variance = IDS / SLOTS, IDS / SLOTS * (1 - 1 / SLOTS)
    assert counts.keys() == set(range(SLOTS))
    assert max(abs(count - mean) for count in counts.values()) < 5 * variance**0.5
    chi_squared, degrees = sum((n - mean) ** 2 / mean for n in counts.values()), SLOTS - 1
    assert abs(chi_squared - degrees) < 5 * (2 * degrees) ** 0.5


def test_the_facts_of_a_customer_share_its_slot_in_all_four_aggregates() -> None:
    asked = ticket.Open(
        customer=ANN, subject="it rattles", kind="request", channel="phone", category="repair"
    )
    found = slots(
        (customer.Register(code="c-1", name="Ann", kind="person"), ANN),
        (opportunity.Open(title="desk", customer=ANN), DEAL),
        (asked, TICKET),
        (loyalty.Enrol(customer=ANN), ACCOUNT),
    )
    assert {stream.kind for stream in found} == {"customer", "opportunity", "ticket", "loyalty"}
    assert list(found.values()) == [[3967], [3967], [3967], [3967]]


def test_what_belongs_to_nobody_has_the_slot_of_its_own_id_until_its_customer_is_named() -> None:
    found = slots(
        (lead.CaptureLead(title="desk", source="fair"), DEAL),
        (opportunity.NameCustomer(customer=ANN), DEAL),
    )
    assert list(found.values()) == [[slot_of(DEAL), slot_of(ANN)]]
    assert slot_of(DEAL) != slot_of(ANN)
