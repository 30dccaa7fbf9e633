"""The security log: an attempt is kept once, as it was (X4, X7, X8)."""

from typing import Any
from uuid import UUID

from msgspec import defstruct
from msgspec.structs import replace

from crmcore.domain import security
from crmcore.domain.act import FutureDated
from crmcore.domain.customer.credit import NotAuthorised, SelfApproval
from crmcore.domain.security import (
    Attempt,
    AttemptRefused,
    AttemptReused,
    Detail,
    RecordAttempt,
    details_of,
    is_denial,
)
from crmcore.domain.value import Rejected, Rejection
from crmcore.testing import contract, given
from tests.application.acting import NOW

SECURITY = security.decider()
TestContract = contract(SECURITY)
ATTEMPT = Attempt(
    by="ben",
    roles=("sales",),
    command="customer.approve_limit",
    command_id=UUID(int=1),
    kind="customer",
    to=UUID(int=7),
    code="NotAuthorised",
    details=(Detail(name="role", value="general_manager"),),
)
KEPT = given(SECURITY).when(RecordAttempt(attempt=ATTEMPT))


class Crowded(Rejection):
    """Something has many facts."""

    names: tuple[str, ...]
    note: str


def test_an_attempt_is_kept() -> None:
    KEPT.then(AttemptRefused(attempt=ATTEMPT))


def test_x4_the_same_attempt_is_kept_once_and_another_under_its_id_is_none() -> None:
    KEPT.when(RecordAttempt(attempt=ATTEMPT)).then()
    other = replace(ATTEMPT, code="SelfApproval")
    KEPT.when(RecordAttempt(attempt=other)).rejected(AttemptReused(command_id=UUID(int=1)))
    another = replace(ATTEMPT, command_id=UUID(int=2))
    KEPT.when(RecordAttempt(attempt=another)).then(AttemptRefused(attempt=another))
    assert SECURITY.kind == "security"


def test_what_is_remembered_is_bounded() -> None:
    attempts = security.Attempts()
    for number in range(201):
        event = AttemptRefused(attempt=replace(ATTEMPT, command_id=UUID(int=number)))
        attempts = SECURITY.evolve(attempts, event)
    assert [attempt.command_id.int for attempt in attempts.latest] == list(range(101, 201))


def test_a_denial_is_about_who_asks() -> None:
    assert is_denial(NotAuthorised(role="general_manager", by="ben"))
    assert is_denial(SelfApproval(by="ben"))
    assert not is_denial(FutureDated(effective_at=NOW, now=NOW))


def test_the_facts_that_decided_are_kept_as_bounded_text() -> None:
    refused = Rejected(Crowded(names=("a", "b"), note="x" * 500))
    names, note = Detail(name="names", value="a, b"), Detail(name="note", value="x" * 200)
    assert details_of(refused) == (names, note)


def test_of_many_facts_and_long_names_so_much_is_kept_as_there_is_room_for() -> None:
    fields = [(f"fact_{number}".ljust(101, "x"), frozenset[str]) for number in range(21)]
    kind: Any = defstruct("Wordy", fields, bases=(Rejection,))
    said = details_of(Rejected(kind(**{name: frozenset({"a"}) for name, _ in fields})))
    assert [one.name for one in said] == [name[:100] for name, _ in fields[:20]]
    assert {one.value for one in said} == {"a"}
