"""Older forms of events are read in today's, and what cannot be is named."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from crmcore.domain import ticket
from crmcore.domain.customer.profile import CustomerRegistered
from crmcore.domain.decider import Decider
from crmcore.domain.value import Value
from crmcore.infrastructure.codec import Codec
from crmcore.policies import Policies, deciders
from crmcore.projections.lifecycle import Policy, lifecycle
from crmcore.testing import facts_on, older_forms, said_on

GOLDEN = Path(__file__).resolve().parents[1] / "infrastructure" / "golden"


class Paid(Value, tag="till.paid"):
    cents: int


class Closed(Value, tag="till.closed"):
    pass


TILL: Decider[Any, Any, Any] = Decider(
    kind="till",
    initial=0,
    decide=lambda *_: (),
    evolve=lambda total, event: total + event.cents if isinstance(event, Paid) else total,
    customer=lambda *_: None,
    commands=Closed,
    events=Paid | Closed,
    rejections=ticket.NotOpened,
    threads=lambda _: (),
)
UPCASTERS = {("till.paid", 1): lambda form: {"type": "till.paid", "cents": form["units"] * 100}}
STORED = {
    ("till.paid", 1): b'{"type":"till.paid","units":3}',
    ("till.paid", 2): b'{"type":"till.paid","cents":300}',
    ("till.closed", 1): b'{"type":"till.closed"}',
}


@pytest.mark.parametrize("decider", deciders(Policies()), ids=lambda decider: decider.kind)
def test_ours_are_read_and_applied(decider: Decider[Any, Any, Any]) -> None:
    tags = Codec(decider.events, {}).classes
    stored: dict[tuple[str, int], bytes] = {}
    for path in GOLDEN.glob("*.json"):
        name, _, version = path.stem.rpartition(".v")
        if name in tags:
            stored[name, int(version)] = path.read_bytes()
    assert len(stored) >= len(tags)
    assert older_forms(decider, stored) == []


def test_an_older_form_is_read_in_the_form_of_today() -> None:
    assert older_forms(TILL, STORED, UPCASTERS) == []


def without(key: tuple[str, int]) -> Mapping[tuple[str, int], bytes]:
    return {name: payload for name, payload in STORED.items() if name != key}


@pytest.mark.parametrize(
    ("rules", "stored", "upcasters", "said"),
    [
        (TILL, without(("till.paid", 1)), UPCASTERS, "there is no till.paid of version 1"),
        (
            TILL,
            STORED,
            {("till.paid", 1): lambda form: form},
            "till.paid of version 1 cannot be read",
        ),
        (
            replace(TILL, evolve=lambda total, event: total + event.cents),
            STORED,
            UPCASTERS,
            "till.closed of version 1 cannot be applied: AttributeError",
        ),
    ],
)
def test_what_is_wrong_with_a_form_is_said(
    rules: Decider[Any, Any, Any],
    stored: Mapping[tuple[str, int], bytes],
    upcasters: Any,  # noqa: ANN401 - good or bad ones
    said: str,
) -> None:
    [violation] = older_forms(rules, stored, upcasters)
    assert violation.what.startswith(said)


def test_facts_on_days_are_what_a_projection_is_asked_of() -> None:
    registered = CustomerRegistered(code="c-1", name="Ann", kind="person")
    facts = facts_on((date(2026, 3, 1), registered))
    stages = lifecycle(Policy())
    assert said_on(stages, facts, date(2026, 2, 28)) is None
    answer = said_on(stages, facts, date(2026, 3, 1))
    assert answer is not None
    assert answer.answer == "prospect"
