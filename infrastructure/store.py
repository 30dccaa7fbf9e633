"""A store by its name: a PostgreSQL server's URL, or the directory of an embedded server."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crmcore.application.journal import SchemaMissing
from crmcore.infrastructure.database import Database, database, migrate
from crmcore.infrastructure.embedded import holds_data, server


@contextmanager
def opened(store: str, *, create: bool = True) -> Iterator[Database]:
    """Open a store; an embedded one is made and migrated, a server's schema is checked only.

    Unless `create` is set, a directory that holds no store is refused.
    """
    if not create and not is_url(store) and not holds_data(Path(store)):
        raise SchemaMissing(f"There is no store in {store!r}: an import or CRM.open makes one.")
    with _url(store) as url:
        if not is_url(store):
            migrate(url)
        with database(url) as opened_database:
            yield opened_database


def migrated(store: str, *, roles: bool = False) -> tuple[int, int]:
    """Bring the schema of a store up to date; return its version before and after."""
    with _url(store) as url:
        return migrate(url, roles=roles)


def is_url(store: str) -> bool:
    """Tell a server's URL or connection string from a directory, also where it is mistyped."""
    return "://" in store or re.match(r"postgres(ql)?:|\w+ *=", store) is not None


@contextmanager
def _url(store: str) -> Iterator[str]:
    if is_url(store):
        yield store
    else:
        with server(Path(store)) as url:
            yield url
