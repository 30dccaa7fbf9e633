"""A PostgreSQL database: its URL, schema and connections; each failure is one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from crmcore.application.journal import (
    Conflict,
    SchemaMissing,
    SchemaTooNew,
    StoreError,
    Unreachable,
)

if TYPE_CHECKING:  # psycopg is imported late: without libpq the import fails, and many need none
    from psycopg import Connection
    from psycopg_pool import ConnectionPool

CONNECT_TIMEOUT_S = 10
CONNECTIONS_MAX = 10
MIGRATION_LOCK = 7_236_510_274


def migrations() -> list[tuple[int, str]]:
    """Return the numbered SQL files that make the schema, oldest first."""
    found = (files("crmcore.infrastructure") / "sql").iterdir()
    named = sorted((f.name, f.read_text("utf-8")) for f in found if f.name.endswith(".sql"))
    return [(int(name[:4]), sql) for name, sql in named]


def migrate(url: str) -> tuple[int, int]:
    """Bring the schema up to date in one transaction; return the version before and after."""
    with connect(url) as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
        before = _version(connection)
        _refuse_newer(before)
        for version, sql in migrations():
            if version > before:
                connection.execute(sql.encode())
                connection.execute("INSERT INTO crm.schema_version VALUES (%s)", [version])
        return before, _latest()


def check_schema(url: str) -> None:
    """Raise SchemaMissing or SchemaTooNew unless the schema is the one that this release reads."""
    with connect(url) as connection:
        version = _version(connection)
        name = connection.info.dbname
    _refuse_newer(version)
    if version < _latest():
        has = f"crmcore schema version {version}" if version else "no crmcore schema"
        raise SchemaMissing(
            f"The database {name!r} has {has}, version {_latest()} is needed: "
            "run `crmcore migrate --store URL` or CRM.migrate(url)."
        )


@contextmanager
def connect(url: str) -> "Iterator[Connection[Any]]":
    """Open one connection; every libpq setting of the URL reaches the server."""
    psycopg = _psycopg()
    try:
        with psycopg.connect(conninfo(url), autocommit=True) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise Unreachable(f"PostgreSQL does not let us in: {_first_line(error)}") from None


@contextmanager
def pool(url: str) -> "Iterator[ConnectionPool[Connection[Any]]]":
    """Keep connections open for as long as the context lasts."""
    check_schema(url)
    from psycopg_pool import ConnectionPool

    opened = ConnectionPool(
        conninfo(url),
        kwargs={"autocommit": True},
        min_size=1,
        max_size=CONNECTIONS_MAX,
        num_workers=1,
        open=False,
    )
    with opened:
        yield opened


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours, without the rows that the server adds to its own."""
    psycopg = _psycopg()
    try:
        yield
    except (psycopg.errors.UniqueViolation, psycopg.errors.SerializationFailure) as error:
        raise Conflict(_first_line(error)) from None
    except psycopg.errors.DeadlockDetected as error:
        raise Conflict(_first_line(error)) from None
    except psycopg.OperationalError as error:
        raise Unreachable(f"PostgreSQL went away: {_first_line(error)}") from None
    except psycopg.Error as error:
        raise StoreError(f"PostgreSQL refused: {_first_line(error)}") from None


def conninfo(url: str) -> str:
    """Return the connection string of a URL; raise Unreachable if it is none."""
    psycopg = _psycopg()
    try:
        given = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise Unreachable("The store is neither a directory nor a PostgreSQL URL.") from None
    settings = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "crmcore"} | given
    return str(psycopg.conninfo.make_conninfo(**settings))


def _psycopg() -> Any:  # noqa: ANN401 - a module
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError as error:
        raise StoreError(
            "psycopg finds no libpq: install `crmcore[postgres]` to use PostgreSQL."
        ) from error
    return psycopg


def _version(connection: "Connection[Any]") -> int:
    there = connection.execute("SELECT to_regclass('crm.schema_version')").fetchone()
    if there is None or there[0] is None:
        return 0
    newest = connection.execute("SELECT coalesce(max(version), 0) FROM crm.schema_version")
    row = newest.fetchone()
    assert row is not None
    return int(row[0])


def _latest() -> int:
    return migrations()[-1][0]


def _refuse_newer(version: int) -> None:
    if version > _latest():
        raise SchemaTooNew(
            f"The database has crmcore schema version {version}, this crmcore knows {_latest()}: "
            "install a newer crmcore."
        )


def _first_line(error: Exception) -> str:
    """Return what happened without the rows and the hints that follow it."""
    diagnosis = getattr(error, "diag", None)
    text = (diagnosis and diagnosis.message_primary) or str(error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__
