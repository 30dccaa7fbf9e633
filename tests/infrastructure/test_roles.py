"""Who may do what (audit.md, Security): each group does its work and nothing else."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection, sql
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from crmcore import CRM
from crmcore.application.journal import Forbidden, NotSettled, StoreError
from crmcore.cli import app
from crmcore.domain import customer
from crmcore.infrastructure.database import migration_script
from crmcore.infrastructure.embedded import server

Login: TypeAlias = Callable[[str], str]
Connected: TypeAlias = Callable[[str], Connection[Any]]

DENIED = "42501"  # insufficient_privilege
ADA, BEN, CLO = UUID(int=1), UUID(int=2), UUID(int=3)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
LOGINS = {
    "writer": ["crm_writer"],
    "projector": ["crm_projector"],
    "sealer": ["crm_sealer"],
    "auditor": ["crm_auditor"],
    "application": ["crm_writer", "crm_projector", "crm_sealer"],
    "owner": ["crm_owner"],
    "stranger": [],
}
GROUPS = ("writer", "projector", "sealer", "auditor")

# What each group may do, in all: SELECT, INSERT, UPDATE, DELETE by their first letters; an INSERT,
# an UPDATE or the sealer's look at facts is one of columns.
MAY = {
    "writer": {
        "facts": "SI", "commands": "SI", "tail": "SI", "sealed": "S", "seals": "S", "head": "S",
        "schema_version": "S", "states": "SIUD",
    },
    "projector": {
        "facts": "S", "commands": "S", "tail": "S", "sealed": "S", "seals": "S", "head": "S",
        "schema_version": "S", "checkpoints": "SIUD", "parked": "SIUD", "answers": "SIUD",
    },
    "sealer": {
        "facts": "S", "tail": "SD", "sealed": "SI", "seals": "SI", "head": "SU",
        "schema_version": "S", "tree": "SI",
    },
    "auditor": {
        "facts": "S", "commands": "S", "tail": "S", "sealed": "S", "seals": "S", "head": "S",
        "schema_version": "S", "checkpoints": "S", "parked": "S", "answers": "S",
        "states": "S", "tree": "S",
    },
    "stranger": {},
}  # fmt: skip

ALTERATIONS = {
    f"{verb} {table}": statement.format(table=f"crm.{table}", key=key)
    for table, key in (
        ("facts", "batch"), ("commands", "batch"), ("sealed", "last"), ("seals", "position"),
    )
    for verb, statement in (
        ("changes", "UPDATE {table} SET {key} = {key}"),
        ("deletes", "DELETE FROM {table}"),
        ("empties", "TRUNCATE {table}"),
    )
}  # fmt: skip
# Ways around, for those who have every right.
DETOURS = {
    "changes by an upsert": "INSERT INTO crm.commands VALUES (gen_random_uuid(), '', 1, 1)"
    " ON CONFLICT (command_id) DO UPDATE SET digest = ''",
    "changes by a merge": "MERGE INTO crm.facts AS f USING crm.tail AS t ON f.batch = t.batch"
    " WHEN MATCHED THEN UPDATE SET actor = 'eve'",
    "empties through a key": "TRUNCATE crm.facts, crm.tail CASCADE",
}

DEFINITIONS = {
    "makes a table": "CREATE TABLE crm.x ()",
    "makes a function": "CREATE FUNCTION crm.x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "replaces the guard": "CREATE OR REPLACE FUNCTION crm.refuse() RETURNS trigger LANGUAGE plpgsql"
    " AS 'BEGIN RETURN NEW; END'",
    "drops the guard": "DROP FUNCTION crm.refuse() CASCADE",
    "drops a guard's trigger": "DROP TRIGGER append_only ON crm.facts",
    "disables a trigger": "ALTER TABLE crm.facts DISABLE TRIGGER append_only",
    "disables all triggers": "ALTER TABLE crm.facts DISABLE TRIGGER ALL",
    "adds a trigger": "CREATE TRIGGER x BEFORE INSERT ON crm.facts"
    " FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "adds a rule": "CREATE RULE x AS ON INSERT TO crm.facts DO INSTEAD NOTHING",
    "adds a column": "ALTER TABLE crm.facts ADD COLUMN x int",
    "drops a limit": "ALTER TABLE crm.facts DROP CONSTRAINT facts_payload_check",
    "drops the facts": "DROP TABLE crm.facts CASCADE",
    "drops the schema": "DROP SCHEMA crm CASCADE",
    "takes the facts over": "ALTER TABLE crm.facts OWNER TO CURRENT_USER",
    "turns the numbers back": "ALTER SEQUENCE crm.batches RESTART",
    "is the owner for a while": "SET ROLE crm_owner",
    "becomes an owner": "GRANT crm_owner TO CURRENT_USER",
    "acts as a replica": "SET session_replication_role = replica",
    "shuts everybody out": "LOCK TABLE crm.facts IN ACCESS EXCLUSIVE MODE",
    "runs a program": "COPY crm.schema_version TO PROGRAM 'true'",
    "reads a file": "COPY crm.commands FROM '/etc/passwd'",
}

APPENDS = {
    "appends": "INSERT INTO crm.facts (batch) VALUES (1)",
    "appends by COPY": "COPY crm.facts (batch) FROM STDIN",
    "records a command": "INSERT INTO crm.commands (batch) VALUES (1)",
    "adds to the tail": "INSERT INTO crm.tail (batch) VALUES (1)",
    "takes a number": "SELECT nextval('crm.batches')",
}
SEALS = {
    "orders": "INSERT INTO crm.sealed (last) VALUES (9)",
    "seals": "INSERT INTO crm.seals (position) VALUES (9)",
    "takes from the tail": "DELETE FROM crm.tail",
    "moves the head back": "UPDATE crm.head SET position = 0",
    "holds the head": "SELECT position FROM crm.head FOR UPDATE",
    "grows the tree": "INSERT INTO crm.tree (level) VALUES (1)",
}
PROJECTS = {
    "answers": "DELETE FROM crm.answers",
    "locks the answers": "LOCK TABLE crm.answers IN SHARE ROW EXCLUSIVE MODE",
    "checks in": "INSERT INTO crm.checkpoints VALUES ('x', 1)",
    "checks out": "DELETE FROM crm.checkpoints",
    "parks": "UPDATE crm.parked SET reason = ''",
}
NOBODY_DOES = {
    "sets the numbers back": "SELECT setval('crm.batches', 1)",
    "cuts the tree": "DELETE FROM crm.tree",
    "changes the tree": "UPDATE crm.tree SET hash = ''",
    "has a second head": "INSERT INTO crm.head (position) VALUES (0)",
    "beheads": "DELETE FROM crm.head",
    "says the schema is newer": "INSERT INTO crm.schema_version VALUES (99)",
    "holds facts": "SELECT batch FROM crm.facts FOR SHARE",
    "is granted more": "GRANT UPDATE ON crm.head TO CURRENT_USER;"
    " UPDATE crm.head SET only_one = true",
}
OF_ONE = {
    "writer": SEALS | PROJECTS | {"reads answers": "SELECT FROM crm.answers"},
    "projector": APPENDS | SEALS,
    "sealer": APPENDS | PROJECTS | {
        "reads what facts say": "SELECT payload FROM crm.facts",
        "reads whole facts": "SELECT * FROM crm.facts",
        "reads commands": "SELECT FROM crm.commands",
        "makes a second head": "UPDATE crm.head SET only_one = false",
    },
    "auditor": APPENDS | SEALS | PROJECTS,
    "stranger": APPENDS | SEALS | PROJECTS | {
        f"reads {table}": f"SELECT FROM crm.{table}" for table in MAY["auditor"]
    },
}  # fmt: skip
_RIGHTS = """
SELECT relname, string_agg(left(wanted, 1), '' ORDER BY n)
FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES',
    'TRIGGER']) WITH ORDINALITY AS w (wanted, n)
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'crm') AND relkind = 'r'
    AND CASE WHEN wanted IN ('DELETE', 'TRUNCATE', 'TRIGGER')
        THEN has_table_privilege(pg_class.oid, wanted)
        ELSE has_any_column_privilege(pg_class.oid, wanted) END
GROUP BY relname"""

PROBES = {
    f"{who} {what}": (who, statement)
    for who in (*GROUPS, "stranger")
    for what, statement in (ALTERATIONS | DEFINITIONS | NOBODY_DOES | OF_ONE[who]).items()
}


@pytest.fixture(scope="module")
def login(server_url: str) -> Iterator[Login]:
    """Return the URL of each login on a database with two sealed facts and one that waits.

    The groups stay on the server: they are shared by all of its databases.
    """
    tag = uuid4().hex
    database = sql.Identifier(f"test_{tag}")
    logins = {who: sql.Identifier(f"{who}_{tag}") for who in LOGINS}

    def url(who: str) -> str:
        user = {} if who == "superuser" else {"user": f"{who}_{tag}", "password": "x"}
        return make_conninfo(server_url, dbname=f"test_{tag}", **user)

    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(database))
        CRM.migrate(url("superuser"), roles=True)
        for who, groups in LOGINS.items():
            make = sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'")
            connection.execute(make.format(logins[who]))
            for group in groups:
                member = sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), logins[who])
                connection.execute(member)
        with closing(CRM.open(url("superuser"))) as crm:
            register(crm, ADA)
            register(crm, BEN)
            crm.position()
            register(crm, uuid4())
        yield url
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))
        for name in logins.values():
            connection.execute(sql.SQL("DROP ROLE {}").format(name))


def register(crm: CRM, who: UUID) -> None:
    command = customer.Register(code=str(who), name="Ada", kind="person")
    crm.do(command, to=who, act=crm.act("ann"))


@pytest.fixture(scope="module")
def connected(login: Login) -> Iterator[Connected]:
    """Return a connection of each login, the same one every time."""
    with ExitStack() as stack:
        connect = partial(psycopg.connect, autocommit=True)
        yield cache(lambda who: stack.enter_context(connect(login(who))))


def refusal(connection: Connection[Any], *statements: str) -> str | None:
    """Return the SQLSTATE by which the last of these is refused; keep nothing of them."""
    with connection.transaction(force_rollback=True):
        for statement in statements[:-1]:
            connection.execute(statement.encode())
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statements[-1].encode())
    return caught.value.sqlstate


# What nobody does


@pytest.mark.parametrize("probe", PROBES)
def test_a_login_does_no_more_than_its_group_may(connected: Connected, probe: str) -> None:
    who, statement = PROBES[probe]
    assert refusal(connected(who), statement) == DENIED


@pytest.mark.parametrize("mode", ["origin", "replica", "local"])
@pytest.mark.parametrize("what", ALTERATIONS | DETOURS)
def test_what_is_recorded_stays_even_for_a_superuser(
    connected: Connected, what: str, mode: str
) -> None:
    as_mode = f"SET session_replication_role = {mode}"
    assert refusal(connected("superuser"), as_mode, (ALTERATIONS | DETOURS)[what]) == DENIED


@pytest.mark.parametrize("what", ALTERATIONS | DETOURS)
def test_what_is_recorded_stays_even_for_its_owner(connected: Connected, what: str) -> None:
    statement = (ALTERATIONS | DETOURS)[what]
    assert refusal(connected("owner"), statement) == DENIED
    assert refusal(connected("owner"), "SET ROLE crm_owner", statement) == DENIED


@pytest.mark.parametrize("who", MAY)
def test_a_group_has_these_rights_and_no_other(connected: Connected, who: str) -> None:
    assert dict(connected(who).execute(_RIGHTS.encode()).fetchall()) == MAY[who]


def test_a_column_that_is_not_the_writers_is_not_chosen_by_it(connected: Connected) -> None:
    superuser = connected("superuser")
    add = "ALTER TABLE crm.facts ADD COLUMN checked boolean NOT NULL DEFAULT false"
    as_writer = "SET ROLE crm_writer"
    choose = "INSERT INTO crm.facts (batch, checked) VALUES (1, true)"
    assert refusal(superuser, add, as_writer, choose) == DENIED
    leave_out = "INSERT INTO crm.facts (batch) VALUES (1)"
    assert refusal(superuser, add, as_writer, leave_out) == "23502"  # as before: a value is missing


def test_the_groups_cannot_log_in_and_have_no_powers(connected: Connected) -> None:
    groups = ["crm_auditor", "crm_owner", "crm_projector", "crm_sealer", "crm_writer"]
    found = connected("stranger").execute(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND NOT (rolcanlogin OR rolsuper"
        " OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls) ORDER BY rolname",
        [groups],
    )
    assert [name for (name,) in found] == groups


# What each does


def test_each_login_does_its_work(login: Login) -> None:
    with (
        closing(CRM.open(login("writer"))) as writer,
        closing(CRM.open(login("sealer"))) as sealer,
        closing(CRM.open(login("auditor"))) as auditor,
        closing(CRM.open(login("projector"))) as projector,
    ):
        sealer.position()
        register(writer, CLO)
        waiting = writer.position()
        assert writer.history(CLO) == []  # nobody has sealed it, and the writer may not
        sealed = sealer.position()
        assert sealed == waiting + 1 == writer.position() == auditor.position()
        assert [fact.position for fact in writer.history(CLO)] == [sealed]
        assert [fact.position for fact in auditor.history(CLO, known_at=sealed)] == [sealed]
        assert auditor.history(CLO, known_at=waiting) == []
        assert auditor.verify().problems == ()
        private, public = CRM.new_key("log")
        note = auditor.checkpoint(private)
        assert sealer.checkpoint(private, extends=note) == note
        assert auditor.verify(checkpoints=[note], key=public).problems == ()
        assert CRM.check_proof(auditor.prove(CLO, checkpoint=note), key=public).size == sealed
        assert projector.rebuild().facts == sealed
        assert projector.rebuild().answers.added == 0
        assert [row.customer for row in auditor.answers(CLO)][:1] == [CLO]


def test_a_writers_batches_of_every_size_go_in(login: Login) -> None:
    with closing(CRM.open(login("writer"))) as writer:
        for batch in (2, 1_500):  # in one transaction and in several
            requests = [
                (writer.act("ann"), [(customer.Register(code=str(n), name="A", kind="person"), n)])
                for n in (uuid4() for _ in range(batch))
            ]
            assert not [o for o in writer.carry_out(requests) if isinstance(o, Exception)]


def test_a_background_sealer_needs_no_more_than_its_group(login: Login) -> None:
    with closing(CRM.open(login("writer"))) as writer, closing(CRM.open(login("sealer"))) as crm:
        register(writer, uuid4())
        before = writer.position()
        with crm.sealing(interval_s=60):
            pass
        assert writer.position() > before


def test_a_follower_keeps_its_place_with_the_projectors_rights(login: Login) -> None:
    seen: list[UUID] = []
    with closing(CRM.open(login("projector"))) as crm:
        mail = crm.consumer("mail")
        for position in (1, 2):
            delivered = mail.deliver(lambda fact, _: seen.append(fact.stream.id), limit=1)
            assert delivered.position == position == mail.progress().position
    assert seen == [ADA, BEN]


def test_what_was_known_at_an_instant_is_settled_by_a_sealer(login: Login) -> None:
    with (
        closing(CRM.open(login("auditor"))) as auditor,
        closing(CRM.open(login("sealer"))) as sealer,
    ):
        position, now = sealer.position(), datetime.now(UTC)
        with pytest.raises(NotSettled, match="this login may not seal"):
            auditor.position(now)
        assert auditor.position(LONG_AGO) == 0
        assert sealer.position(now) == position == auditor.position(now)


def test_an_application_that_writes_seals_and_rebuilds_has_one_login(login: Login) -> None:
    with closing(CRM.open(login("application"))) as crm:
        new = uuid4()
        register(crm, new)
        assert len(crm.history(new)) == 1
        assert crm.rebuild().facts == crm.position()
        assert crm.position(datetime.now(UTC)) == crm.position()


ATTEMPTS: dict[str, Callable[[CRM], object]] = {
    "projector appends": lambda crm: register(crm, uuid4()),
    "sealer appends": lambda crm: register(crm, uuid4()),
    "auditor appends": lambda crm: register(crm, uuid4()),
    "writer rebuilds": lambda crm: crm.rebuild(),
    "auditor rebuilds": lambda crm: crm.rebuild(),
    "sealer reads": lambda crm: crm.history(ADA),
    "sealer verifies": lambda crm: crm.verify(),
    "writer reads answers": lambda crm: crm.answers(ADA),
    "stranger comes in": lambda crm: crm.position(),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_what_a_login_may_not_is_forbidden_in_one_sentence(login: Login, attempt: str) -> None:
    who = attempt.partition(" ")[0]
    with pytest.raises(Forbidden) as caught, closing(CRM.open(login(who))) as crm:
        ATTEMPTS[attempt](crm)
    assert str(caught.value).startswith("PostgreSQL does not allow it: permission denied for ")
    assert "\n" not in str(caught.value)


def test_what_a_writer_slips_in_among_the_sealed_is_found(postgres_url: str) -> None:
    CRM.migrate(postgres_url, roles=True)
    with closing(CRM.open(postgres_url)) as crm:
        register(crm, ADA)
        crm.position()
        with psycopg.connect(postgres_url) as connection:
            connection.execute("CREATE TEMP TABLE f AS TABLE crm.facts")
            connection.execute("UPDATE f SET stream = gen_random_uuid(), ordinal = 1")
            connection.execute("GRANT SELECT ON f TO crm_writer; SET ROLE crm_writer")
            connection.execute("INSERT INTO crm.facts SELECT * FROM f")
        what = {problem.what for problem in crm.verify().problems}
    assert "there are not 1 facts from here on" in what
    assert "the fact, or the one before it, is not what was written" in what


# How the schema and the groups are made

# What there is in the schema, whose it is, and who may do what with it.
_CATALOG = {
    "columns": """
        SELECT attrelid::regclass::text, attnum, attname, format_type(atttypid, atttypmod),
            attnotnull, pg_get_expr(adbin, adrelid), attcollation, attacl::text
        FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
            LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
        WHERE relnamespace = 'crm'::regnamespace AND attnum > 0""",
    "relations": """
        SELECT oid::regclass::text, relkind, relowner::regrole::text, reloptions, relacl::text,
            relpersistence, relrowsecurity, pg_get_indexdef(oid)
        FROM pg_class WHERE relnamespace = 'crm'::regnamespace""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'crm'::regnamespace""",
    "triggers": """
        SELECT tgrelid::regclass::text, pg_get_triggerdef(t.oid), tgenabled
        FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = tgrelid
        WHERE relnamespace = 'crm'::regnamespace AND NOT tgisinternal""",
    "functions": """
        SELECT pg_get_functiondef(oid), proowner::regrole::text, proacl::text
        FROM pg_proc WHERE pronamespace = 'crm'::regnamespace""",
    "schema": """
        SELECT nspowner::regrole::text, nspacl::text FROM pg_namespace WHERE nspname = 'crm'""",
    "sequences": """
        SELECT seqrelid::regclass::text, seqstart, seqincrement, seqcache, seqcycle
        FROM pg_sequence JOIN pg_class AS c ON c.oid = seqrelid
        WHERE relnamespace = 'crm'::regnamespace""",
    "version": "SELECT version FROM crm.schema_version",
    "head": "SELECT position, hash, closed_at FROM crm.head",
}
_THERE = "SELECT count(*) FROM pg_class WHERE relnamespace = 'crm'::regnamespace"


@pytest.fixture
def second_url(server_url: str) -> Iterator[str]:
    """The URL of another empty database on the same server."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield make_conninfo(server_url, dbname=name)
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
        connection.execute(drop.format(sql.Identifier(name)))


def catalog(url: str) -> dict[str, list[tuple[Any, ...]]]:
    with psycopg.connect(url) as connection:
        return {
            name: sorted(connection.execute(query.encode()).fetchall(), key=repr)
            for name, query in _CATALOG.items()
        }


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["migrate", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("roles", [False, True])
def test_the_script_makes_what_migrating_makes(
    postgres_url: str, second_url: str, *, roles: bool
) -> None:
    options = ["--roles"] if roles else []
    run("--store", postgres_url, *options)
    script = run("--sql", *options)
    assert script == migration_script(roles=roles)
    with psycopg.connect(second_url, autocommit=True) as connection:
        connection.execute(script.encode())
    made = catalog(postgres_url)
    assert made == catalog(second_url)
    assert min(map(len, made.values())) > 0
    assert {row[2] == "crm_owner" for row in made["relations"]} == {roles}
    with closing(CRM.open(second_url)) as crm:
        assert crm.verify().problems == ()


def test_the_script_changes_nothing_where_there_is_a_schema(postgres_url: str) -> None:
    CRM.migrate(postgres_url)
    before = catalog(postgres_url)
    with (
        pytest.raises(psycopg.errors.DuplicateTable),
        psycopg.connect(postgres_url, autocommit=True) as connection,
    ):
        connection.execute(migration_script(roles=True).encode())
    assert catalog(postgres_url) == before


def test_giving_the_roles_again_takes_back_what_was_added(postgres_url: str) -> None:
    CRM.migrate(postgres_url, roles=True)
    before = catalog(postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for more in (
            "GRANT ALL ON ALL TABLES IN SCHEMA crm TO crm_writer, PUBLIC",
            "GRANT UPDATE (actor) ON crm.facts TO crm_sealer",
            "GRANT ALL ON SCHEMA crm TO crm_auditor",
            "GRANT ALL ON SEQUENCE crm.batches TO crm_projector",
            "ALTER TABLE crm.answers OWNER TO CURRENT_USER",
        ):
            connection.execute(more.encode())
    assert catalog(postgres_url) != before
    assert CRM.migrate(postgres_url, roles=True) == (5, 5)
    assert catalog(postgres_url) == before


@pytest.mark.parametrize("options", ["", "-cdefault_transaction_isolation=serializable"])
def test_of_many_who_migrate_at_once_one_makes_the_schema(postgres_url: str, options: str) -> None:
    url = make_conninfo(postgres_url, options=options)
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: CRM.migrate(url, roles=True), range(4)))
    assert sorted(made) == [(0, 5), (5, 5), (5, 5), (5, 5)]
    assert catalog(postgres_url)["version"] == [(3,), (4,), (5,)]


def test_a_migration_that_fails_leaves_nothing_behind(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA crm CREATE TABLE parked ()")  # in the way
        with pytest.raises(StoreError, match='relation "parked" already exists'):
            CRM.migrate(postgres_url, roles=True)
        assert connection.execute(_THERE).fetchone() == (1,)
        connection.execute("DROP TABLE crm.parked")
    assert CRM.migrate(postgres_url) == (0, 5)


@pytest.mark.parametrize("who", ["writer", "stranger"])
def test_who_may_not_migrate_is_told_so(login: Login, who: str) -> None:
    before = catalog(login("superuser"))
    with pytest.raises(Forbidden, match="PostgreSQL does not allow it: ") as caught:
        CRM.migrate(login(who), roles=True)
    assert "\n" not in str(caught.value)
    assert catalog(login("superuser")) == before


def test_a_login_that_may_make_roles_sets_up_a_whole_server(folder: Path) -> None:
    with server(folder, fast=True) as url:
        north, south = (
            make_conninfo(url, dbname=shop, user="admin") for shop in ("north", "south")
        )
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE ROLE admin LOGIN")
            connection.execute("CREATE DATABASE north OWNER admin")
            connection.execute("CREATE DATABASE south OWNER admin")
            with pytest.raises(Forbidden, match="permission denied to create role"):
                CRM.migrate(north, roles=True)
            assert CRM.migrate(north) == (0, 5)
            connection.execute("ALTER ROLE admin CREATEROLE")
        assert at_once_with_a_group(south, north, "crm_owner") == (0, 5)
        assert CRM.migrate(north, roles=True) == (5, 5)
        assert catalog(north) == catalog(south)
        with closing(CRM.open(north)) as crm:
            register(crm, ADA)
            assert crm.verify().problems == ()


def at_once_with_a_group(url: str, other_url: str, group: str) -> tuple[int, int]:
    """Migrate while another database's migration is about to make the same group."""
    waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')"
    with psycopg.connect(other_url) as other, ThreadPoolExecutor(1) as thread:
        other.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(group)))
        made = thread.submit(CRM.migrate, url, roles=True)
        with psycopg.connect(url, autocommit=True) as connection:
            while connection.execute(waits).fetchone() == (False,):
                assert not made.done()
        other.commit()
        return made.result()
