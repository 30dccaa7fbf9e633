"""What every bench needs of a server: a database of its own, and the library's way to name it."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import psycopg
from psycopg.sql import SQL, Identifier


@contextmanager
def database(url: str, *, like: str = "template1") -> Iterator[str]:
    """Yield the URL of a new database, a copy of another, which is dropped in the end."""
    name = f"bench_{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        new, copied = Identifier(name), Identifier(like)
        connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(new, copied))
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(new))


def library_environment(url: str) -> dict[str, str]:
    """Return the eventsourcing library's names for what a URL says."""
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path.lstrip("/"),
        "POSTGRES_HOST": asked["host"][0],
        "POSTGRES_PORT": asked["port"][0],
        "POSTGRES_USER": parts.username or "",
        "POSTGRES_PASSWORD": "none",
    }
