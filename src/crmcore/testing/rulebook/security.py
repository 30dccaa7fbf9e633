"""What holds of every history of refused attempts."""

from collections.abc import Iterator

from crmcore.domain.security import REMEMBERED_MAX, AttemptRefused, RecordAttempt
from crmcore.testing.laws import invariant, law
from crmcore.testing.living import History
from crmcore.testing.steps import AnyDecider, Step


@law
def an_attempt_is_kept_once(_: AnyDecider, history: History) -> Iterator[str]:
    """What was tried under a command id is kept once, while it is remembered (rules.md X4)."""
    kept = [e.attempt.command_id for e in history.events if isinstance(e, AttemptRefused)]
    for number, one in enumerate(kept):
        if one in kept[max(0, number - REMEMBERED_MAX) : number]:
            yield f"{one} is kept twice"


@invariant("step")
def what_is_kept_is_what_was_tried(step: Step) -> bool:
    """An attempt is kept as it was (rules.md X7)."""
    if not isinstance(step.command, RecordAttempt):
        return True
    kept = [event.attempt for event in step.events if isinstance(event, AttemptRefused)]
    return kept in ([], [step.command.attempt])


LAWS = (an_attempt_is_kept_once, what_is_kept_is_what_was_tried)
