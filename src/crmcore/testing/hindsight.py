"""What would have come of the same commands: under other rules, or under the same once more."""

from collections.abc import Iterator

from crmcore.testing.laws import Law
from crmcore.testing.living import History, live
from crmcore.testing.steps import AnyDecider, Turn


def what_if(decider: AnyDecider, history: History) -> History:
    """Return what the same commands lead to under other rules, or under the same."""
    turns = [Turn(step.command, step.act) for step in history.steps]
    return History(decider=decider, steps=tuple(live(decider, turns)))


def decided_alike(decider: AnyDecider) -> Law:
    """Return the law that these rules decide each command of a history as it was decided."""

    def alike(_: AnyDecider, history: History) -> Iterator[str]:
        for was, would_be in zip(history.steps, what_if(decider, history).steps, strict=True):
            if (was.events, was.rejected) != (would_be.events, would_be.rejected):
                led, leads = was.rejected or was.events, would_be.rejected or would_be.events
                yield f"{was.command!r} led to {led!r}, and would lead to {leads!r}"

    return Law("decided_alike", "The same rules decide the same.", alike)
