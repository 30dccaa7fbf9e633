"""Several streams at once: how they may lie in one log, and how a log may be delivered.

What fails becomes simple: few steps, acts in the order of time, everything delivered at once.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from crmcore.domain.recorded import Recorded
from crmcore.testing.deriving import Overrides
from crmcore.testing.generating import histories
from crmcore.testing.living import AnyDecider, History
from crmcore.testing.recording import Log, Streams, log_of, named, turns
from crmcore.testing.rehearsing import CLOCK

STEPS = 12
CRASHES = 6


def streams(
    *,
    steps: int = STEPS,
    overrides: Overrides | None = None,
    weights: Mapping[type, int] | None = None,
    clock: Sequence[timedelta] = CLOCK,
    roles: Collection[str] = (),
    known: Mapping[str, Sequence[Any]] | None = None,
    **deciders: AnyDecider,
) -> SearchStrategy[Streams]:
    """Return a strategy for histories of these deciders, by your names for their aggregates.

    Their clocks start at one instant, and the others refer to those that are customers. All but the
    deciders goes to `histories`, for each of them.
    """
    ids = named(deciders)
    customers = [ids[name] for name, decider in deciders.items() if decider.kind == "customer"]
    known = {"customer": customers, **(known or {})}
    lives: dict[int, SearchStrategy[History]] = {}
    for decider in deciders.values():
        # The same decider is rehearsed once.
        if id(decider) not in lives:
            lives[id(decider)] = histories(
                decider,
                steps=steps,
                overrides=overrides,
                weights=weights,
                clock=clock,
                roles=roles,
                known=known,
            )
    drawn = {name: lives[id(decider)] for name, decider in deciders.items()}
    return st.fixed_dictionaries(drawn)


def interleavings(streams: Streams, *, ways: int = 2) -> SearchStrategy[list[Log]]:
    """Return a strategy for logs of the same streams: the first in the order of time, others not.

    Each stream keeps its own order, and each act its facts.
    """
    in_time = turns(streams)
    others = [st.permutations(in_time)] * (ways - 1)
    return st.tuples(*others).map(
        lambda orders: [log_of(streams, order) for order in (in_time, *orders)]
    )


def deliveries(log: Log) -> SearchStrategy[list[tuple[Recorded[Any], ...]]]:
    """Return a strategy for deliveries of a log at least once, in batches of any size.

    Whoever delivers goes on where it was, or after a crash where it had been; nothing is lost.
    """

    @st.composite
    def delivery(draw: Callable[..., Any]) -> list[tuple[Recorded[Any], ...]]:
        places = st.integers(0, len(log))
        crashes = draw(st.lists(st.tuples(places, places), max_size=CRASHES))
        at, batches = 0, list[tuple[Recorded[Any], ...]]()
        for size, back in crashes:
            end = min(at + size, len(log))
            batches.append(log[at:end])
            at = max(0, end - back)
        return [batch for batch in (*batches, log[at:]) if batch]

    return delivery()
