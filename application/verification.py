"""What a check of the whole log finds: nothing, or exactly where something is not as it was."""

from collections.abc import Callable
from typing import TypeAlias

from crmcore.domain.recorded import Stream
from crmcore.domain.value import Value

Progress: TypeAlias = Callable[[int, int], None]

PROBLEMS_MAX = 1_000


class Problem(Value):
    """One thing that is wrong: what, and where, as far as that is known."""

    what: str
    position: int | None = None
    stream: Stream | None = None
    version: int | None = None


class Verification(Value):
    """How much was checked, and all that is wrong with it (PROBLEMS_MAX of them at most).

    `hash` is that of the last seal: kept elsewhere, it shows later whether the log up to `position`
    is still the same.
    """

    facts: int
    streams: int
    seals: int
    position: int
    hash: str
    problems: tuple[Problem, ...]
