"""A PostgreSQL database: its URL, schema and connections; each failure is one sentence."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from logging import getLogger
from math import inf
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from crmcore.application.journal import (
    Conflict,
    Forbidden,
    SchemaMissing,
    SchemaTooNew,
    SchemaTooOld,
    StoreError,
    StoreFull,
    TimedOut,
    Unreachable,
)
from crmcore.infrastructure.parameters import register

if TYPE_CHECKING:  # psycopg is imported late: without libpq the import fails, and many need none
    from psycopg import Connection

    from crmcore.infrastructure.patience import Patient

CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_S = 60
SILENCE_MAX_S = 30
CONNECTIONS_MAX = 10
MIGRATION_LOCK = 7_236_510_274
UNRELEASED = {1, 2}

Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any] | None

# A network that swallows everything is noticed within SILENCE_MAX_S seconds.
_SETTINGS = {
    "application_name": "crmcore",
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives_idle": SILENCE_MAX_S // 2,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": SILENCE_MAX_S * 1000,
}
# An acknowledged fact is on the disk, a seal sees what was committed before it, and no statement is
# planned twice: to plan a join takes longer than to carry it out.
_SESSION = f"""
SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off' AND current_setting('fsync') = 'on';
SET default_transaction_isolation = 'read committed';
SET timezone = 'UTC';
SET plan_cache_mode = 'force_generic_plan';
SELECT set_config('statement_timeout', '{STATEMENT_TIMEOUT_S}s', false)
    WHERE current_setting('statement_timeout') = '0';
SELECT setting::integer FROM pg_settings WHERE name = 'statement_timeout'"""  # noqa: S608 - our own numbers


class Lender(Protocol):
    """What lends connections: a pool, or a transaction that has one."""

    def getconn(self) -> "Connection[Any]":
        """Lend a connection."""
        ...

    def putconn(self, conn: Any, /) -> None:  # noqa: ANN401 - of the lender's own kind
        """Take it back."""
        ...

    def drain(self) -> None:
        """Lend new connections from now on."""
        ...


class Database:
    """A pool of connections; what goes wrong on them comes out as an error of ours."""

    def __init__(self, pool: Lender) -> None:
        self._pool = pool

    @contextmanager
    def connection(self) -> "Iterator[Connection[Any]]":
        """Lend a connection that commits every statement by itself."""
        try:
            with translated():
                connection = self._pool.getconn()
                try:
                    yield connection
                finally:
                    self._pool.putconn(connection)
        except Unreachable:
            self._pool.drain()  # where one connection broke, the others did too
            raise

    @contextmanager
    def transaction(self) -> "Iterator[Connection[Any]]":
        """Lend a connection in a transaction, which commits unless something is raised."""
        with self.connection() as connection, connection.transaction():
            yield connection

    def query(self, sql: str, parameters: Parameters = None) -> list[tuple[Any, ...]]:
        """Return the rows of one statement, carried out in a transaction of its own."""
        with self.connection() as connection:
            return connection.execute(sql.encode(), parameters, prepare=True).fetchall()


def migrations() -> list[tuple[int, str]]:
    """Return the numbered SQL files that make the schema, oldest first."""
    found = (files("crmcore.infrastructure") / "sql").iterdir()
    named = sorted((f.name, f.read_text("utf-8")) for f in found if f.name[:4].isdecimal())
    return [(int(name[:4]), sql) for name, sql in named]


def migrate(url: str, *, roles: bool = False) -> tuple[int, int]:
    """Bring the schema up to date in one transaction; return the version before and after.

    `roles` makes the groups of sql/roles.sql too, and gives each its rights.
    """
    with connect(url) as connection, translated(), connection.transaction():
        # Whoever waits for the lock sees what was done before it, whatever the server's default.
        connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
        before = _version(connection)
        _refuse_foreign(before)
        for version, sql in migrations():
            if version > before:
                connection.execute(sql.encode())
                connection.execute("INSERT INTO crm.schema_version VALUES (%s)", [version])
        if roles:
            connection.execute(_roles().encode())
        return before, _latest()


def migration_script(*, roles: bool = False) -> str:
    """Return the SQL by which `migrate` makes the schema in an empty database."""
    parts = [
        f"{sql.rstrip()}\n\nINSERT INTO crm.schema_version VALUES ({version});\n"
        for version, sql in migrations()
    ]
    return "\n".join(["BEGIN;\n", *parts, *([_roles()] if roles else []), "COMMIT;\n"])


def check_schema(url: str) -> None:
    """Raise SchemaMissing, SchemaTooNew or SchemaTooOld unless this release reads the schema."""
    with connect(url) as connection, translated():
        version = _version(connection)
        name = connection.info.dbname
    _refuse_foreign(version)
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
def database(url: str) -> Iterator[Database]:
    """Keep connections open for as long as the context lasts."""
    check_schema(url)
    from psycopg_pool import ConnectionPool

    from crmcore.infrastructure.patience import Patient

    opened: ConnectionPool[Patient] = ConnectionPool(
        conninfo(url),
        kwargs={"autocommit": True},
        connection_class=Patient,
        timeout=CONNECT_TIMEOUT_S,
        configure=set_up,
        min_size=1,
        max_size=CONNECTIONS_MAX,
        num_workers=1,
        open=False,
    )
    with opened:
        yield Database(opened)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours, without the rows that the server adds to its own."""
    psycopg = _psycopg()
    try:
        yield
    except psycopg.Error as error:
        raise _ours(error) from None


@contextmanager
def transient() -> Iterator[None]:
    """Turn those of the driver's errors into ours that are no fault of the statement."""
    psycopg = _psycopg()
    try:
        yield
    except psycopg.OperationalError as error:
        raise _ours(error) from None


def conninfo(url: str) -> str:
    """Return the connection string of a URL; raise Unreachable if it is none."""
    psycopg = _psycopg()
    try:
        given = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise Unreachable("The store is neither a directory nor a PostgreSQL URL.") from None
    return str(psycopg.conninfo.make_conninfo(**_SETTINGS | given))


def set_up(connection: "Patient") -> None:
    """Make a new connection one of ours, in the time that it has to connect."""
    asked = connection.info.get_parameters()
    connection.answer_s_max = float(asked["connect_timeout"]) or inf
    said = connection.execute(_SESSION.encode())
    while said.nextset():
        pass
    [(statement_ms,)] = said.fetchall()
    register(connection)
    connection.answer_s_max = (statement_ms + int(asked["tcp_user_timeout"])) / 1000


def _ours(error: Any) -> StoreError | Conflict:  # noqa: ANN401 - psycopg.Error, imported late
    """Return what an SQLSTATE (PostgreSQL, appendix A) means to who called."""
    psycopg, said = _psycopg(), _first_line(error)
    match error.sqlstate:
        case "23505" | "40001" | "40P01":  # unique_violation, serialization_failure, deadlock
            return Conflict(said)
        case "53100" | "53200" | "53400":  # disk_full, out_of_memory, configuration_limit_exceeded
            return StoreFull(f"PostgreSQL has no room left: {said}")
        case "57014" | "55P03":  # query_canceled (its time was up), lock_not_available
            return TimedOut(f"PostgreSQL took too long: {said}")
        case "42501":  # insufficient_privilege
            return Forbidden(f"PostgreSQL does not allow it: {said}")
    if isinstance(error, psycopg.OperationalError):
        return Unreachable(f"PostgreSQL went away: {said}")
    return StoreError(f"PostgreSQL refused: {said}")


@cache
def _psycopg() -> Any:  # noqa: ANN401 - a module
    """Return psycopg, and leave the level of its logger, which importing it sets, to the host."""
    logger = getLogger("psycopg")
    level = logger.level
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError as error:
        raise StoreError(
            "psycopg finds no libpq: install `crmcore[postgres]` to use PostgreSQL."
        ) from error
    if logger.level != level:
        logger.setLevel(level)
    return psycopg


def _roles() -> str:
    return (files("crmcore.infrastructure") / "sql" / "roles.sql").read_text("utf-8")


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


def _refuse_foreign(version: int) -> None:
    if version in UNRELEASED:
        raise SchemaTooOld(
            "The store was made before the first release, in a form that is not kept: "
            "make a new one and import its files again."
        )
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
