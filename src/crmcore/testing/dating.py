"""Facts on days, and what a projection says of them: examples for read models."""

from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from crmcore.domain.recorded import Recorded, Stream
from crmcore.projections.projection import Answer, Facts, Projection, answer, in_effect
from crmcore.testing.steps import ACTORS

SOMEBODY = UUID(int=10)
MUCH_LATER = datetime(2030, 1, 1, tzinfo=UTC)


def fact_on(
    day: date,
    event: Any,  # noqa: ANN401 - any event
    position: int = 1,
    *,
    stream: Stream = Stream(kind="customer", id=SOMEBODY),  # noqa: B008 - it never changes
    customer: UUID | None = SOMEBODY,
) -> Recorded[Any]:
    """Return a fact that took effect at the start of a day (UTC), as the log holds it.

    >>> from crmcore.domain.customer.profile import CustomerRegistered
    >>> registered = CustomerRegistered(code="c-1", name="Ann", kind="person")
    >>> fact_on(date(2026, 3, 1), registered).effective_at.isoformat()
    '2026-03-01T00:00:00+00:00'
    """
    return Recorded(
        stream=stream,
        version=position,
        event=event,
        effective_at=datetime.combine(day, time(), UTC),
        actor=ACTORS[0],
        reason="",
        command_id=UUID(int=position),
        correlation_id=UUID(int=position),
        causation_id=None,
        policy="default@1",
        customer=customer,
        recorded_at=MUCH_LATER,
        position=position,
    )


def facts_on(*dated: tuple[date, Any]) -> Facts:
    """Return facts of one customer in the order in which they were recorded."""
    return [fact_on(day, event, position) for position, (day, event) in enumerate(dated, 1)]


def said_on(
    projection: Projection[Any], facts: Facts, day: date, known: int | None = None
) -> Answer | None:
    """Return what a projection says at the end of a day, from the first `known` facts."""
    at = datetime.combine(day, time.max, UTC)
    return answer(projection, in_effect(facts[:known], at), at)
