"""The public mistakes of rules.md, section 4, as deciders: what a kit for testing has to find.

Ours have the mistake put in, where they do what it is about; for the rest there is a small decider.
"""

from collections.abc import Sequence

from tests.testing.mistakes import (
    accounts,
    clocks,
    credit,
    customers,
    deals,
    holds,
    points,
    segments,
)
from tests.testing.mistakes.port import Mistake

MISTAKES: Sequence[Mistake] = sorted(
    (
        *accounts.MISTAKES,
        *points.MISTAKES,
        *holds.MISTAKES,
        *credit.MISTAKES,
        *clocks.MISTAKES,
        *deals.MISTAKES,
        *customers.MISTAKES,
        *segments.MISTAKES,
    ),
    key=lambda mistake: mistake.number,
)
"""All of them, in the order of their list."""
