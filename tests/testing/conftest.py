"""A CRM over a store of its own, for tests in which Hypothesis draws."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from crmcore import CRM
from crmcore.infrastructure.database import CONNECTIONS_MAX
from crmcore.infrastructure.postgres import PostgresJournal


@pytest.fixture
def crm(postgres_url: str) -> Iterator[CRM]:
    """A CRM that has all its connections.

    The pool makes a connection in the background and takes chance to help, which Hypothesis warns
    of if it happens while it draws.
    """
    CRM.migrate(postgres_url)
    with CRM.open(postgres_url) as crm:
        assert isinstance(crm.journal, PostgresJournal)
        with ExitStack() as stack:
            for _ in range(CONNECTIONS_MAX):
                stack.enter_context(crm.journal.database.connection())
        yield crm
