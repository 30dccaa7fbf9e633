"""What holds of every history of adopted policies."""

from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from itertools import pairwise

from crmcore.domain.adoption import PolicyAdopted
from crmcore.testing.laws import invariant, law
from crmcore.testing.living import History
from crmcore.testing.steps import AnyDecider, Step

FIRST_VERSION = 2
DAY_MAX = timedelta(hours=26)  # in any zone, and where clocks change


@law
def versions_only_grow(_: AnyDecider, history: History) -> Iterator[str]:
    """Each adoption has a higher version than the one before; 1 is what ships (rules.md X3)."""
    versions = [event.version for event in history.events if isinstance(event, PolicyAdopted)]
    if versions and versions[0] < FIRST_VERSION:
        yield f"version {versions[0]} is adopted, and 1 is what ships"
    for one, other in pairwise(versions):
        if one >= other:
            yield f"version {other} is adopted after version {one}"


@law
def a_digest_is_that_of_its_text(_: AnyDecider, history: History) -> Iterator[str]:
    """Policies are called by the digest of their own text (rules.md X3)."""
    for event in history.events:
        if isinstance(event, PolicyAdopted):
            digest = sha256(event.policies.encode()).hexdigest()
            if event.digest != digest:
                yield f"{event.digest} is not the digest {digest} of what was adopted"


@invariant("step")
def nothing_is_adopted_for_days_that_are_gone(step: Step) -> bool:
    """Policies are in force from the day of their adoption at the earliest (rules.md X2)."""
    adopted = [event for event in step.events if isinstance(event, PolicyAdopted)]
    return all(event.in_force_from > step.at - DAY_MAX for event in adopted)


@invariant("step")
def nobody_else_adopts(step: Step) -> bool:
    """Policies are adopted by the general manager or who administers them (rules.md X7)."""
    known = step.command is not None  # what was recorded does not tell in which role
    return not (known and step.events) or bool(step.act.roles & {"general_manager", "policy_admin"})


LAWS = (
    versions_only_grow,
    a_digest_is_that_of_its_text,
    nothing_is_adopted_for_days_that_are_gone,
    nobody_else_adopts,
)
