"""Keeps who tried what they may not, beside what they tried it on and never in it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from crmcore.application.handle import Outcome, Request, Task
from crmcore.application.ids import aggregate_id, refused_id
from crmcore.domain.act import Act
from crmcore.domain.bounds import MIGRATION
from crmcore.domain.recorded import Stream
from crmcore.domain.security import Attempt, RecordAttempt, details_of, is_denial
from crmcore.domain.value import Rejected
from crmcore.in_force import InForce

KIND = "security"


def attempts_at(target: Stream) -> Stream:
    """Return the stream of what was refused of a stream."""
    return Stream(kind=KIND, id=aggregate_id(KIND, target.kind, str(target.id)))


def refusals(
    requests: Sequence[Request],
    outcomes: Sequence[Outcome],
    rules: Callable[[], InForce],
    clock: Callable[[], datetime],
) -> list[Request]:
    """Return what is to be asked so that refused attempts are kept, each once."""
    return [
        _kept(request, outcome, rules(), clock())
        for request, outcome in zip(requests, outcomes, strict=True)
        if isinstance(outcome, Rejected) and is_denial(outcome.rejection)
    ]


def _kept(request: Request, refused: Rejected, rules: InForce, now: datetime) -> Request:
    act, task = request.act, request.tasks[refused.place]
    attempt = Attempt(
        by=act.by,
        roles=tuple(sorted(act.roles)),
        command=_name(task.command),
        command_id=act.command_id,
        kind=task.stream.kind,
        to=task.stream.id,
        code=refused.code,
        details=details_of(refused),
    )
    command = RecordAttempt(attempt=attempt)
    return Request(
        act=Act(
            by=act.by,
            effective_at=now,
            command_id=refused_id(act.command_id),
            roles=frozenset({MIGRATION}),  # whatever day the books are closed through
            correlation_id=act.correlation_id,
            causation_id=act.command_id,
        ),
        tasks=(
            Task(
                decider=rules.by_command[RecordAttempt],
                stream=attempts_at(task.stream),
                command=command,
            ),
        ),
        policy=rules.stamp,
        bounds=rules.bounds,
    )


def _name(command: Any) -> str:  # noqa: ANN401 - any command
    return str(command.__struct_config__.tag)
