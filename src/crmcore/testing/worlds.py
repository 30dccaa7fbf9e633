"""Several streams at once: how they may lie in one log, and how a log may be delivered.

What fails becomes simple: few steps, acts in the order of time, everything delivered at once.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from crmcore.domain.recorded import Recorded
from crmcore.testing.generating import histories
from crmcore.testing.living import History
from crmcore.testing.playing import Drawn
from crmcore.testing.recording import Log, Streams, log_of, named, turns
from crmcore.testing.steps import AnyDecider

STEPS = 12
CRASHES = 6


def streams(
    *, steps: int = STEPS, drawn: Drawn | None = None, **deciders: AnyDecider
) -> SearchStrategy[Streams]:
    """Return a strategy for histories of these deciders, by your names for their aggregates.

    Their clocks start at one instant, and the others refer to those that are customers. `drawn`
    says how each of them is made.
    """
    ids = named(deciders)
    customers = [ids[name] for name, decider in deciders.items() if decider.kind == "customer"]
    said = Drawn(**(drawn or {}))
    said["known"] = {"customer": customers, **said.get("known", {})}
    lives: dict[int, SearchStrategy[History]] = {}
    for decider in deciders.values():
        if id(decider) not in lives:  # the same decider is rehearsed once
            lives[id(decider)] = histories(decider, steps=steps, **said)
    return st.fixed_dictionaries({name: lives[id(one)] for name, one in deciders.items()})


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
