"""A thread that seals in the background, if the application starts one; any number is fine.

Without one, whoever reads seals first. With one, readers find the order made, and followers are
woken as soon as there is something new.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from logging import getLogger
from threading import Event, Thread
from types import TracebackType
from typing import Self

from crmcore.application.journal import Conflict, Journal, StoreError

INTERVAL_S = 0.05
RETRY_S = 1.0
CLOSE_EVERY = timedelta(minutes=1)

_log = getLogger("crmcore")


class Sealer:
    """Seals every `interval_s` seconds from entering to leaving, and once more when it leaves.

    Once a minute it also closes the time that has passed, so that logins which may only read can
    ask what was known then although nothing has happened since.
    """

    def __init__(
        self, journal: Journal, clock: Callable[[], datetime], interval_s: float = INTERVAL_S
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._interval_s = interval_s
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="crmcore sealer", daemon=True)

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, after what is appended by now is sealed."""
        self._stopping.set()
        self._thread.join()

    def wait(self) -> None:
        """Return when somebody else's thread, or a signal, ends the sealing."""
        self._thread.join()

    def _run(self) -> None:
        closed_at = self._clock()
        while not self._stopping.wait(self._interval_s):
            now = self._clock()
            if self._done(self._journal.seal, now) and now - closed_at >= CLOSE_EVERY:
                closed_at = now
                self._done(self._journal.position, now)
        self._done(self._journal.seal, self._clock())

    def _done(self, work: Callable[[datetime], int], now: datetime) -> bool:
        """Do a piece of work, and tell that it worked; or say what kept it, and wait a little."""
        try:
            work(now)
        except (StoreError, Conflict) as error:
            _log.warning("the sealer tries again: %s", error)
            self._stopping.wait(RETRY_S)
            return False
        return True
