"""Tests on a store that stays as it is: what is done in one is rolled back."""

from collections.abc import Iterator
from contextlib import contextmanager

from crmcore.crm import CRM
from crmcore.infrastructure.checkpoints import MemoryCheckpoints, PostgresCheckpoints
from crmcore.infrastructure.memory import MemoryJournal
from crmcore.infrastructure.postgres import PostgresJournal
from crmcore.infrastructure.undone import rolled_back
from crmcore.infrastructure.views import MemoryViews, PostgresViews


@contextmanager
def rollback(crm: CRM) -> Iterator[CRM]:
    """Yield a CRM over the same store; when the context ends nothing was done.

    On PostgreSQL all of it is one transaction on one connection: threads take turns, no other
    process sees anything, and whoever else seals meanwhile waits; a follower polls, since nobody
    wakes it. Of a CRM in memory another one is yielded, which is empty too.

    >>> from uuid import UUID
    >>> from crmcore import CRM
    >>> from crmcore.domain import opportunity
    >>> crm = CRM.in_memory()
    >>> with rollback(crm) as trial:
    ...     _ = trial.do(opportunity.Open(title="bar"), to=UUID(int=1), act=trial.act("ann"))
    ...     trial.position()
    1
    >>> crm.position()
    0
    """
    match crm.journal:
        case PostgresJournal(database=opened):
            with rolled_back(opened) as database:
                yield crm.another(
                    journal=PostgresJournal(database),
                    views=PostgresViews(database),
                    checkpoints=PostgresCheckpoints(database),
                )
        case MemoryJournal() if crm.position() == 0:
            yield crm.another(
                journal=MemoryJournal(), views=MemoryViews(), checkpoints=MemoryCheckpoints()
            )
        case _:
            raise TypeError("only PostgreSQL can roll back, and of memory only what is empty")
