"""Bugs that are planted in the rules of adopting policies, and of keeping refused attempts."""

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from crmcore.domain import adoption, security
from crmcore.domain.act import Act
from crmcore.domain.adoption import Adopted, PolicyAdopted, Stated
from crmcore.domain.security import AttemptRefused, Attempts, RecordAttempt
from tests.testing.planted import Planted, believing, changed, deciding, evolving


def read(text: str) -> Stated | None:
    """Any text is policies here, of a version that its length says; but for long ones."""
    if len(text) > 8:
        return None
    digest = sha256(text.encode()).hexdigest()
    return Stated(name="x", version=len(text), digest=digest)


ADOPTION = adoption.decider(adoption.Policy(), read)
SECURITY = security.decider()


def _anybody(command: Any, adopted: Adopted, act: Act) -> tuple[Any, ...]:  # noqa: ANN401 - any command
    return ADOPTION.decide(command, adopted, replace(act, roles=frozenset({"policy_admin"})))


def _forgets_versions(adopted: Adopted, event: PolicyAdopted) -> Adopted:
    return replace(ADOPTION.evolve(adopted, event), version=1)


PLANTED_POLICY: Sequence[Planted] = (
    Planted("lets anybody adopt", "X7", deciding(ADOPTION, _anybody), 1),
    Planted("forgets which version it was", "X3", evolving(ADOPTION, _forgets_versions), 2),
    Planted(
        "names other numbers", "X3",
        changed(ADOPTION, lambda _, event: replace(event, digest="0" * 64)), 1,
    ),
    Planted(
        "lets policies begin long ago", "X2",
        changed(
            ADOPTION,
            lambda _, e: replace(e, in_force_from=e.in_force_from - timedelta(days=3_650)),
        ), 1,
    ),
    Planted(
        "keeps an attempt twice", "X4",
        believing(SECURITY, RecordAttempt, lambda *_: Attempts()), 2,
    ),
    Planted(
        "keeps another attempt than was made", "X7",
        changed(
            SECURITY,
            lambda _, event: AttemptRefused(attempt=replace(event.attempt, by="somebody")),
        ), 1,
    ),
)  # fmt: skip
