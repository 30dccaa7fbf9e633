"""Whether a log still is what signed checkpoints say it was, and the next one of them."""

from collections.abc import Iterable, Iterator, Mapping

from crmcore.application.merkle import TILE_LEVELS, Nodes, NotProved, Range
from crmcore.application.notes import Checkpoint
from crmcore.application.verification import Problem


class Forked(NotProved):
    """The log does not go on from the checkpoint that was signed last."""


def next_checkpoint(origin: str, size: int, nodes: Nodes, last: Checkpoint | None) -> Checkpoint:
    """Return the checkpoint of so many facts; raise Forked unless it goes on from the last one.

    Of the tree that is kept it takes what the last root vouches for, the rest from the facts.
    """
    if last is not None and last.size > size:
        raise Forked(f"{last.size} facts were signed, and the log ends at position {size}")
    tree = Range() if last is None else Range(last.size, nodes)
    if last is not None and tree.root() != last.root:
        raise Forked(f"the first {last.size} facts are not those that were signed")
    for index in range(tree.size, size):
        tree.append(nodes(0, index))
    return Checkpoint(origin=origin, size=size, root=tree.root())


class TreeCheck:
    """Makes the tree anew from its leaves, and compares it with what is known of it."""

    def __init__(
        self, checkpoints: Iterable[Checkpoint], kept: Mapping[tuple[int, int], bytes]
    ) -> None:
        self._tree = Range()
        self._waiting = sorted(checkpoints, key=lambda one: one.size, reverse=True)
        self._kept = dict(kept)
        self._held = 0
        self._astray: int | None = None

    def begin(self) -> Iterator[Problem]:
        """Yield what is wrong with checkpoints of an empty log."""
        yield from self._compared()

    def add(self, leaf: bytes) -> Iterator[Problem]:
        """Add a leaf; yield what shows at its position."""
        completed = self._tree.append(leaf)
        for height in range(1, (len(completed) - 1) // TILE_LEVELS + 1):
            levels = height * TILE_LEVELS
            number = (self._tree.size >> levels) - 1
            kept = self._kept.pop((height, number), completed[levels])
            if kept != completed[levels] and self._astray is None:
                self._astray = first = (number << levels) + 1
                what = f"the facts from here to {self._tree.size} are not those of the tree"
                yield Problem(what=what, position=first)
        if self._waiting and self._waiting[-1].size == self._tree.size:
            yield from self._compared()

    def end(self) -> Iterator[Problem]:
        """Yield what is missing at the end."""
        size = self._tree.size
        if self._kept:
            what = "the log has been longer: the tree that is kept of it goes on"
            yield Problem(what=what, position=size + 1)
        for one in reversed(self._waiting):
            what = f"the log ends before position {one.size} of the checkpoint of {one.origin}: "
            what += "it was cut back, or restored to an earlier time"
            yield Problem(what=what, position=size + 1)

    def _compared(self) -> Iterator[Problem]:
        """Yield which checkpoints of this size are over other facts, from where on at least."""
        size, root = self._tree.size, self._tree.root()
        while self._waiting and self._waiting[-1].size == size:
            one = self._waiting.pop()
            if one.root == root:
                self._held = size
                continue
            first = max(self._held + 1, self._astray or 1)
            what = f"the facts from here to {size} are not those of the checkpoint of {one.origin}"
            yield Problem(what=what, position=first)
