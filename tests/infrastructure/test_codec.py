"""Events as stored bytes: names and versions for ever, in a closed registry (X2)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmcore.domain.value import Value
from crmcore.infrastructure.codec import CODEC, Codec, Event, Unreadable

GOLDEN = Path(__file__).with_name("golden")


def golden() -> dict[tuple[str, int], bytes]:
    """The golden payloads by stored name and schema version: `NAME.vN.json`."""
    found = {}
    for path in GOLDEN.glob("*.json"):
        name, version = path.stem.rsplit(".v", 1)
        found[name, int(version)] = path.read_bytes()
    return found


def test_every_stored_version_has_a_golden_payload_that_can_be_read() -> None:
    wanted = {
        (name, version)
        for name, newest in CODEC.versions.items()
        for version in range(1, newest + 1)
    }
    assert golden().keys() == wanted
    for (name, version), payload in golden().items():
        assert type(CODEC.load(name, version, payload)) is CODEC.classes[name]


def test_the_newest_version_is_written_as_its_golden_payload_says() -> None:
    for name, newest in CODEC.versions.items():
        payload = golden()[name, newest]
        assert CODEC.dump(CODEC.load(name, newest, payload)) == (name, newest, payload)


def test_the_golden_payloads_are_json_objects_tagged_with_their_name() -> None:
    for (name, _), payload in golden().items():
        assert msgspec.json.decode(payload)["type"] == name


def test_stored_names_begin_with_the_kind_of_their_stream() -> None:
    kinds = {
        "customer",
        "opportunity",
        "ticket",
        "loyalty",
        "policies",
        "security",
        "identity",
        "portfolio",
    }
    assert {name.partition(".")[0] for name in CODEC.classes} == kinds
    assert len(CODEC.classes) == len(get_args(Event))


@settings(max_examples=20)
@given(st.text(), st.integers(-1, 3), st.binary())
def test_no_stored_name_or_payload_does_more_than_fail(
    name: str, version: int, payload: bytes
) -> None:
    with pytest.raises(Unreadable):
        CODEC.load(name, version, payload)


class Paid(Value, tag="test.paid"):
    """An event in its third form: the amount in minor units, and a currency."""

    minor: int
    currency: str


class Closed(Value, tag="test.closed"):
    """An event in its first form."""


def to_minor(form: Mapping[str, Any]) -> Mapping[str, Any]:
    rest = {key: value for key, value in form.items() if key != "amount"}
    return rest | {"minor": form["amount"] * 100}


def with_currency(form: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**form, "currency": "EUR"}


UPCASTERS: Mapping[tuple[str, int], Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    ("test.paid", 1): to_minor,
    ("test.paid", 2): with_currency,
}


@pytest.mark.parametrize(
    ("version", "payload"),
    [
        (1, b'{"type":"test.paid","amount":5}'),
        (2, b'{"type":"test.paid","minor":500}'),
        (3, b'{"type":"test.paid","minor":500,"currency":"EUR"}'),
    ],
)
def test_an_older_version_is_read_in_todays_form(version: int, payload: bytes) -> None:
    codec = Codec(Paid | Closed, UPCASTERS)
    assert codec.load("test.paid", version, payload) == Paid(minor=500, currency="EUR")


def test_what_is_written_has_the_newest_version() -> None:
    codec = Codec(Paid | Closed, UPCASTERS)
    assert codec.dump(Paid(minor=1, currency="EUR"))[:2] == ("test.paid", 3)
    assert codec.dump(Closed())[:2] == ("test.closed", 1)


@pytest.mark.parametrize(
    ("name", "version", "payload", "why"),
    [
        ("test.paid", 4, b"{}", "test.paid has the schema versions 1 to 3, not 4"),
        ("test.paid", 0, b"{}", "test.paid has the schema versions 1 to 3, not 0"),
        ("test.paid", 1, b'{"type":"test.paid"}', "its payload is no test.paid: 'amount'"),
        ("test.paid", 1, b"[1]", "its payload is no test.paid: "),
        ("test.closed", 1, b'{"type":"test.paid","minor":1,"currency":"EUR"}',
         "its payload is no test.closed"),
        ("os.system", 1, b"{}", "there is no event named 'os.system'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(name: str, version: int, payload: bytes, why: str) -> None:
    with pytest.raises(Unreadable) as caught:
        Codec(Paid | Closed, UPCASTERS).load(name, version, payload)
    assert str(caught.value).startswith(why)


@pytest.mark.parametrize(
    "upcasters",
    [{("test.paid", 2): with_currency}, {("test.gone", 1): with_currency}],
    ids=["a version is left out", "there is no such event"],
)
def test_a_registry_with_a_gap_is_none(
    upcasters: Mapping[tuple[str, int], Callable[[Mapping[str, Any]], Mapping[str, Any]]],
) -> None:
    with pytest.raises(AssertionError):
        Codec(Paid | Closed, upcasters)
