"""SQL that a sharded PostgreSQL can run too: whoever writes waits for nobody and trusts no clock.

Every string of infrastructure/ that is no docstring is looked at, and every statement of its SQL
files. What is forbidden is forbidden everywhere, but for the places that `EXCEPTIONS` name.
"""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection
from psycopg.sql import SQL, Identifier, Placeholder

from crmcore import CRM
from crmcore.domain.lead import CaptureLead
from crmcore.domain.opportunity import NameCustomer
from crmcore.domain.recorded import Fact
from crmcore.infrastructure.rows import row

FOLDER = Path(__file__).resolve().parents[2] / "infrastructure"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEAD, ADA, BEN = UUID(int=1), UUID(int=2), UUID(int=3)

FORBIDDEN = {
    "table lock": r"\block\s+(table\b|only\b|crm\.)",
    "row lock": r"\bfor\s+(no\s+key\s+|key\s+)?(update|share)\b",
    "advisory lock": r"advisory",
    "notify": r"(\b|pg_)notify\b",
    "transaction id": r"\bxid8?\b|\btxid_|pg_(current_)?(xact|snapshot)|\bx(min|max)\b",
    "server clock": r"\bnow\s*\(|(clock|statement|transaction)_timestamp|timeofday"
    r"|\bcurrent_(timestamp|date|time)\b|\blocaltime(stamp)?\b|'(now|today)'",
    "serial": r"\b(small|big)?serial[248]?\b|\bas\s+identity\b",
}
# What is not on the path of a writer may do what sharded stores cannot, once for each log:
EXCEPTIONS = {
    ("row lock", "sealing._HEAD"),  # who seals holds the head: there is one order
    ("notify", "sealing._PLACE"),  # one for each seal, never for each write
    ("row lock", "checkpoints.PostgresWork.__init__"),  # a consumer holds its own place
    ("table lock", "views.PostgresViews.replace"),  # of answers, against a second rebuild
    ("advisory lock", "database.migrate"),  # against a second migration
    # says when a person migrated; nothing is computed from it
    ("server clock", "0003_log.sql: CREATE TABLE IF NOT EXISTS crm.schema_version"),
    # batches are numbered by each log, and each shard is a log of its own
    ("key without stream", "0003_log.sql: CREATE UNIQUE INDEX facts_batch ON crm.facts"),
}
# Who appends comes through here.
WRITE_PATH = ("writing.", "appending.", "postgres._READ", "postgres._DONE", "0003_log.sql: ")

KEYS = re.compile(
    r"(\w+)[^,(]*\b(?:primary\s+key|unique)\b(?!\s*\()|\b(?:primary\s+key|unique)\s*\(([^)]*)\)"
    r"|\bexclude\b[^(]*\(([^)]*)\)",
    re.IGNORECASE,
)
FACTS = re.compile(
    r"(?:create\s+table\s+(?:if\s+not\s+exists\s+)?|alter\s+table\s+)crm\.facts\b(.*)"
    r"|create\s+(unique)\s+index.*\bon\s+crm\.facts\s*\w*\s*(?:using\s+\w+\s*)?\(([^)]*)\)",
    re.IGNORECASE | re.DOTALL,
)
SENDS = {"execute", "executemany", "copy"}  # by psycopg, as their first argument
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Piece(NamedTuple):
    """A text, and where it stands: in which constant or function, or in which statement."""

    where: str
    text: str


def sources() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.py"))}


def scripts() -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in sorted((FOLDER / "sql").glob("*.sql"))}


# What is said


def strings(file: str, source: str) -> Iterator[Piece]:
    """Yield every string of a module that is no docstring."""
    for where, node in named(ast.parse(source), file.removesuffix(".py")):
        docstrings = {id(inner.value) for inner in ast.walk(node) if isinstance(inner, ast.Expr)}
        for inner in ast.walk(node):
            if isinstance(inner, ast.Constant) and id(inner) not in docstrings:
                if isinstance(inner.value, bytes):
                    yield Piece(where, inner.value.decode("latin-1"))
                elif isinstance(inner.value, str):
                    yield Piece(where, inner.value)


def named(tree: ast.Module | ast.ClassDef, name: str) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the statements of a module with the dotted name of what each of them makes."""
    for node in tree.body:
        match node:
            case ast.ClassDef():
                yield from named(node, f"{name}.{node.name}")
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield f"{name}.{node.name}", node
            case ast.Assign(targets=[ast.Name(id=target)]):
                yield f"{name}.{target}", node
            case _:
                yield f"{name}.", node


def statements(file: str, script: str) -> Iterator[Piece]:
    """Yield the statements of an SQL file, each under its first words."""
    for statement in re.sub(r"--.*", "", script).split(";\n"):
        text = statement.strip()
        yield Piece(f"{file}: {text.partition('(')[0].strip()}", text)


def forbidden(piece: Piece) -> list[str]:
    """Return what a text says that it must not, wherever it stands."""
    return [
        what for what, form in FORBIDDEN.items() if re.search(form, piece.text, re.IGNORECASE)
    ] + ["key without stream"] * (not keys_name_the_stream(piece.text))


def keys_name_the_stream(statement: str) -> bool:
    """Tell whether every key of the facts, if this makes any, has the column to distribute by."""
    found = FACTS.search(statement)
    if found is None:
        return True
    body, unique, indexed = found.groups()
    keys = [indexed] if unique else ["".join(key) for key in KEYS.findall(body)]
    return all(re.search(r"\bstream\b", key) for key in keys)


# What is sent


def unsteady(files: dict[str, str]) -> list[str]:
    """Return the calls that send SQL which is put together when the program runs."""
    functions = [
        (file, node)
        for file, source in files.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    taken = {
        (home(file, function.name), function.name): names.index("sql") - ("self" in names)
        for file, function in functions
        if "sql" in (names := [argument.arg for argument in function.args.args])
    }
    return [
        f"{file}:{call.lineno}: {ast.unparse(call)}"
        for file, function in functions
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
        and (sql := sent(call, file, taken)) is not None
        and not steady(sql, function)
    ]


def home(file: str, name: str) -> str:
    """Return the file that a function is called in, if it is not called in all of them."""
    return file if name.startswith("_") else ""


def sent(call: ast.Call, file: str, taken: dict[tuple[str, str], int]) -> ast.expr | None:
    """Return the SQL that a call sends, if it sends any."""
    match call.func:
        case ast.Attribute(value=ast.Name(id="shutil")):
            return None
        case ast.Attribute(attr=name) | ast.Name(id=name):
            index = 0 if name in SENDS else taken.get((home(file, name), name))
            return None if index is None or index >= len(call.args) else call.args[index]
        case _:
            return None


def steady(sql: ast.expr, function: Function) -> bool:
    """Tell whether SQL is made of constants; an argument `sql` is looked at where it is given."""
    match sql:
        case ast.Constant():
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name) if CONSTANT.fullmatch(name):
            return True
        case ast.Name(id="sql"):
            return True
        case ast.Name(id=name):
            values = assigned(name, function)
            return bool(values) and all(steady(value, function) for value in values)
        case ast.JoinedStr(values=parts):
            return all(
                steady(part.value if isinstance(part, ast.FormattedValue) else part, function)
                for part in parts
            )
        case ast.IfExp(body=one, orelse=other):
            return steady(one, function) and steady(other, function)
        case ast.Call(func=ast.Attribute(value=text, attr="encode"), args=[]):
            return steady(text, function)
        case ast.Call(func=ast.Name(), args=[], keywords=[]):
            return True  # reads a file of ours
        case _:
            return False


def assigned(name: str, function: Function) -> list[ast.expr]:
    return [
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    ]


# The library


def every_piece() -> list[Piece]:
    return [
        *chain.from_iterable(strings(file, source) for file, source in sources().items()),
        *chain.from_iterable(statements(file, script) for file, script in scripts().items()),
    ]


def test_sql_says_what_a_sharded_store_can_do_but_for_named_exceptions() -> None:
    said = {(what, piece.where) for piece in every_piece() for what in forbidden(piece)}
    assert said == EXCEPTIONS


def test_no_exception_is_on_the_path_of_a_writer() -> None:
    on_it = {where for _, where in EXCEPTIONS if where.startswith(WRITE_PATH)}
    assert on_it == {
        "0003_log.sql: CREATE TABLE IF NOT EXISTS crm.schema_version",
        "0003_log.sql: CREATE UNIQUE INDEX facts_batch ON crm.facts",
    }


def test_the_path_of_a_writer_is_where_it_is_looked_for() -> None:
    places = {piece.where for piece in every_piece()}
    missing = [part for part in WRITE_PATH if not any(place.startswith(part) for place in places)]
    assert missing == []
    appends = [piece for piece in every_piece() if "INTO crm.facts" in piece.text]
    assert {piece.where for piece in appends} == {"writing._WRITE"}


def test_no_value_is_formatted_into_sql() -> None:
    assert unsteady(sources()) == []


def test_every_key_of_the_facts_has_the_column_they_are_distributed_by(postgres_url: str) -> None:
    CRM.migrate(postgres_url)
    with psycopg.connect(postgres_url) as connection:
        keys = connection.execute(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = 'crm.facts'::regclass AND indisunique"
        ).fetchall()
    assert [key.partition(" btree ")[2] for (key,) in keys] == [
        "(kind, stream, version)",
        "(batch, ordinal)",
    ]


# The teeth: what is planted is found

PLANTED_SQL = {
    "LOCK TABLE crm.facts IN EXCLUSIVE MODE": "table lock",
    "LOCK crm.facts": "table lock",
    "SELECT FROM crm.facts FOR UPDATE": "row lock",
    "SELECT FROM crm.facts FOR NO KEY UPDATE": "row lock",
    "SELECT FROM crm.facts FOR KEY SHARE": "row lock",
    "SELECT pg_advisory_lock(1)": "advisory lock",
    "SELECT pg_try_advisory_xact_lock(1)": "advisory lock",
    "NOTIFY appended": "notify",
    "SELECT pg_notify('appended', '')": "notify",
    "SELECT pg_current_xact_id()": "transaction id",
    "SELECT txid_current()": "transaction id",
    "SELECT pg_snapshot_xmin(pg_current_snapshot())": "transaction id",
    "SELECT xmin FROM crm.facts": "transaction id",
    "ALTER TABLE crm.facts ADD COLUMN x xid8": "transaction id",
    "SELECT now()": "server clock",
    "SELECT clock_timestamp()": "server clock",
    "SELECT current_timestamp": "server clock",
    "SELECT 'now'::timestamptz": "server clock",
    "ALTER TABLE crm.facts ADD COLUMN x bigserial": "serial",
    "CREATE TABLE x (n bigint GENERATED ALWAYS AS IDENTITY)": "serial",
    "ALTER TABLE crm.facts ADD UNIQUE (command_id)": "key without stream",
    "ALTER TABLE crm.facts ADD PRIMARY KEY (slot, kind, version)": "key without stream",
    "CREATE TABLE crm.facts (position bigint PRIMARY KEY, stream uuid)": "key without stream",
    "CREATE TABLE crm.facts (stream uuid, n int, UNIQUE (n))": "key without stream",
    "CREATE UNIQUE INDEX ON crm.facts (batch, ordinal)": "key without stream",
    "CREATE UNIQUE INDEX x ON crm.facts USING btree (batch)": "key without stream",
}
PLANTED_PYTHON = {
    "an f-string": "db.query(f'SELECT FROM crm.facts WHERE actor = {actor}')",
    "an f-string that is encoded": "db.query(f'SELECT {actor}'.encode())",
    "an operator": "db.query('SELECT %s' % actor)",
    "a sum": "db.query('SELECT ' + actor)",
    "a method": "db.query('SELECT {}'.format(actor))",
    "a join": "connection.execute(' '.join(parts))",
    "a variable": "said = f'SELECT {actor}'\n    connection.execute(said)",
    "an argument": "connection.execute(actor)",
    "a copy": "cursor.copy(f'COPY {actor} FROM STDIN')",
}


@pytest.mark.parametrize("bad", PLANTED_SQL)
def test_bad_sql_is_found(bad: str) -> None:
    assert PLANTED_SQL[bad] in forbidden(Piece("", bad))
    in_a_file = statements("x.sql", f"-- SELECT;\n{bad};\nSELECT 1;\n")
    assert PLANTED_SQL[bad] in forbidden(next(in_a_file))
    in_a_module = strings("x.py", f'"""A docstring."""\nBAD = """{bad}"""')
    assert PLANTED_SQL[bad] in forbidden(next(in_a_module))


@pytest.mark.parametrize("bad", PLANTED_PYTHON)
def test_values_that_are_formatted_in_are_found(bad: str) -> None:
    wrapper = "def query(self, sql, parameters=None):\n    connection.execute(sql)\n"
    source = f"{wrapper}def ask(db, actor):\n    {PLANTED_PYTHON[bad]}\n"
    assert [problem.partition(": ")[0][:5] for problem in unsteady({"x.py": source})] == ["x.py:"]


# Why the slot is no part of the key


def test_with_the_slot_in_the_key_two_writers_would_take_one_version(postgres_url: str) -> None:
    CRM.migrate(postgres_url)
    rivals = [naming(LEAD, customer) for customer in (ADA, BEN)]
    assert {(fact.stream.id, fact.version) for fact in rivals} == {(LEAD, 2)}
    assert [fact.slot for fact in rivals] == [1565, 3228]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE scratch (LIKE crm.facts)")
        connection.execute("ALTER TABLE scratch ADD PRIMARY KEY (slot, kind, stream, version)")
        for fact in rivals:
            insert(connection, "scratch", fact)
        assert connection.execute("SELECT count(*) FROM scratch").fetchone() == (2,)
        insert(connection, "crm.facts", rivals[0])
        with pytest.raises(psycopg.errors.UniqueViolation, match="facts_pkey"):
            insert(connection, "crm.facts", rivals[1])


def naming(lead: UUID, customer: UUID) -> Fact[Any]:
    """Return the fact that somebody records who found a lead and names its customer."""
    crm = CRM.in_memory()
    crm.do(CaptureLead(title="kettles", source="fair"), to=lead, act=crm.act("ann"))
    return crm.do(NameCustomer(customer=customer), to=lead, act=crm.act("ann")).facts[0]


def insert(connection: Connection[Any], table: str, fact: Fact[Any]) -> None:
    values = {"batch": 1, "ordinal": 0, "digest": bytes(32)} | row(fact, NOW)._asdict()
    form = "INSERT INTO {} ({}) VALUES ({})"
    columns = SQL(", ").join(map(Identifier, values))
    places = SQL(", ").join(map(Placeholder, values))
    into = Identifier(*table.split("."))
    connection.execute(SQL(form).format(into, columns, places), values)
