"""One transaction that is rolled back in the end, whatever is done in it: for tests of a store."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any

from crmcore.application.journal import StoreError, TimedOut
from crmcore.infrastructure.database import STATEMENT_TIMEOUT_S, Database

if TYPE_CHECKING:
    from psycopg import Connection

# A check of the whole log asks for this; in the middle of a transaction it is too late to begin.
_BEGIN = b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SAVEPOINT lent"
# Whoever lends next keeps what was done before, in one round trip. The time that a seal may be idle
# holds up to the end of its transaction, and this one is long.
_NEXT = b"""
RELEASE lent; SET LOCAL idle_in_transaction_session_timeout TO DEFAULT; SAVEPOINT lent"""
_WITHIN = b"SAVEPOINT lent"
_WITHOUT = b"RELEASE lent"
_UNDO = b"ROLLBACK TO lent"


class _Undone:
    """Lends one connection as a pool would, to one thread at a time: what fails takes no other."""

    def __init__(self, connection: "Connection[Any]") -> None:
        self.is_over = False
        self._connection = connection
        self._lock = RLock()
        self._lent = 0

    def getconn(self) -> "Connection[Any]":
        """Lend the connection, to be given back by the same thread."""
        if not self._lock.acquire(timeout=STATEMENT_TIMEOUT_S):
            raise TimedOut("another thread keeps the only connection of a transaction")
        try:
            self._begin()
        except BaseException:
            self._lock.release()
            raise
        self._lent += 1
        return self._connection

    def putconn(self, conn: "Connection[Any]", /) -> None:
        """Keep what was done, unless a statement failed."""
        from psycopg.pq import TransactionStatus

        self._lent -= 1
        try:
            if conn.info.transaction_status == TransactionStatus.INERROR:
                conn.execute(_UNDO)
            if self._lent:
                conn.execute(_WITHOUT)
        finally:
            self._lock.release()

    def drain(self) -> None:
        """Do nothing: there is no other connection."""

    def _begin(self) -> None:
        """Begin what can be undone alone."""
        if self.is_over:
            raise StoreError("what was done here was rolled back, and nothing is done any more")
        if self._lent:
            self._connection.execute(_WITHIN)
        else:
            self._connection.execute(_NEXT)


@contextmanager
def rolled_back(database: Database) -> Iterator[Database]:
    """Lend a database in which all is there that is in this one, and nothing that is done stays."""
    with database.connection() as connection, connection.transaction(force_rollback=True):
        connection.execute(_BEGIN)
        undone = _Undone(connection)
        try:
            yield Database(undone)
        finally:
            undone.is_over = True
