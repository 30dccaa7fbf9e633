"""A connection that does not wait for ever for an answer.

PostgreSQL ends a statement in its time, and the system notices a network that acknowledges nothing.
A proxy or a frozen server acknowledges what it never answers: only a clock of our own helps.
"""

from collections.abc import Generator
from time import monotonic
from typing import Any, TypeAlias, TypeVar

from psycopg import Connection, OperationalError
from psycopg.pq import TransactionStatus

Ended = TypeVar("Ended")
Steps: TypeAlias = Generator[Any, Any, Ended]


class Patient(Connection[Any]):
    """Waits for `answer_s_max` seconds at most while the server owes an answer."""

    answer_s_max = float("inf")

    def wait(self, gen: Steps[Ended], *args: Any, **settings: Any) -> Ended:  # noqa: ANN401 - psycopg's own
        """Carry steps of the protocol out; close the connection when it takes too long."""
        return super().wait(self._bounded(gen), *args, **settings)

    def _bounded(self, steps: Steps[Ended]) -> Steps[Ended]:
        deadline = monotonic() + self.answer_s_max
        try:
            wanted = next(steps)
            while True:
                ready = yield wanted
                if not ready and monotonic() > deadline and self._is_owed_an_answer:
                    self.pgconn.finish()
                    raise OperationalError(f"no answer in {self.answer_s_max:.0f} s")
                wanted = steps.send(ready)
        except StopIteration as end:
            ended: Ended = end.value
            return ended

    @property
    def _is_owed_an_answer(self) -> bool:
        return self.pgconn.transaction_status == TransactionStatus.ACTIVE
