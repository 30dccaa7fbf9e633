"""What tests share: a real PostgreSQL, a database each, real data, examples that repeat."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql

from crmcore.infrastructure.embedded import server
from tests.folders import passing_folder

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

settings.register_profile(
    "crmcore",
    settings.get_profile("crmcore-ci"),
    max_examples=int(os.environ.get("CRMCORE_EXAMPLES", "100")),
)
settings.load_profile("crmcore")


LONG = ("test_tutorial", "test_demo", "test_docs", "test_shell", "test_mutation", "test_real_data")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules whose tests take long: so no process waits for the last of them."""
    items.sort(key=lambda item: Path(item.location[0]).stem not in LONG)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The server that DATABASE_URL names, or one that runs as long as these tests."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
    else:
        with passing_folder() as folder, server(folder, fast=True) as url:
            yield url


@pytest.fixture
def postgres_url(server_url: str) -> Iterator[str]:
    """The URL of an empty database."""
    name = f"test_{uuid4().hex}"
    database = sql.Identifier(name)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(database))
    yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for an embedded server, not made yet; it goes when the server has ended."""
    with passing_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the real data sets, which lie beside the repository."""
    if not DATA.is_dir():
        pytest.skip(f"the data sets are not there: {DATA}")
    return DATA
