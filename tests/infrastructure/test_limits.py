"""What is too much is refused: by the library before the store, and by PostgreSQL once more."""

import ast
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from psycopg import Connection

from crmcore import CRM, InvalidCommand
from crmcore.application.journal import FACTS_MAX, PAYLOAD_BYTES_MAX
from crmcore.domain import customer
from crmcore.domain.customer.card import Registration, Site
from crmcore.domain.value import Value
from crmcore.infrastructure.database import migrations

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "limits.md"
FOLDERS = {
    "domain": ROOT / "domain",
    "projections": ROOT / "projections",
    "application": ROOT / "application",
    "infrastructure": ROOT / "infrastructure",
    "intake": ROOT / "src" / "crmcore" / "intake",
    "": ROOT / "src" / "crmcore",
}
LIMIT = re.compile(r"[A-Z_]*_MAX(_[A-Z]+)?|[A-Z_]+_TIMEOUT_S|SLOTS")
TABLE = re.compile(
    r"^CREATE TABLE (?:IF NOT EXISTS )?(crm\.\w+) \($(.+?)^\)", re.MULTILINE | re.DOTALL
)
CHECK = re.compile(r"^    (\w+) +(?:(varchar\(\d+\))|.*?CHECK \((.+)\),?$)", re.MULTILINE)

ADA = UUID(int=1)
WIDE = "\N{MUSICAL SYMBOL G CLEF}"  # four bytes in UTF-8
TALK = customer.LogInteraction(channel="chat", summary="hello")


@pytest.fixture
def crm(postgres_url: str) -> Iterator[CRM]:
    CRM.migrate(postgres_url)
    with closing(CRM.open(postgres_url)) as crm:
        crm.do(customer.Register(code="a", name="Ada", kind="person"), to=ADA, act=crm.act("ann"))
        yield crm


def lines_of_business(*lengths: int) -> customer.ChangeRegistration:
    lines = tuple("x" * length for length in lengths)
    return customer.ChangeRegistration(registration=Registration(business_lines=lines))


# By the library

BOMBS: dict[str, Sequence[Value]] = {
    "a text of 201 characters": [customer.ChangeIdentity(name="x" * 201)],
    "a note of 4,001 characters": [customer.LogInteraction(channel="chat", summary="x" * 4_001)],
    "51 sites": [customer.ChangeSites(sites=(Site(name="x", address="y"),) * 51)],
    "sites of 80,000 bytes": [
        customer.ChangeSites(sites=(Site(name=WIDE * 200, address=WIDE * 200),) * 50)
    ],
    "100,000 lines of business": [lines_of_business(*[1] * 100_000)],
    "101 facts": [TALK] * 101,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_is_too_much_is_refused_before_the_store(crm: CRM, bomb: str) -> None:
    before = crm.position()
    with pytest.raises(InvalidCommand) as caught:
        crm.do_all([(command, ADA) for command in BOMBS[bomb]], act=crm.act("ann"))
    assert len(str(caught.value)) < 300
    assert crm.position() == before


@pytest.mark.parametrize(
    ("by", "because", "role"), [("x" * 201, "", "a"), ("a", "x" * 4_001, "a"), ("a", "", "x" * 41)]
)
def test_an_act_has_bounds_too(crm: CRM, by: str, because: str, role: str) -> None:
    with pytest.raises(InvalidCommand):
        crm.do(TALK, to=ADA, act=crm.act(by, because=because, roles={role}))
    assert crm.position() == 1


def test_a_payload_fits_to_the_byte(crm: CRM) -> None:
    full = [200] * 322
    crm.do(lines_of_business(*full, 1), to=ADA, act=crm.act("ann"))
    last = PAYLOAD_BYTES_MAX - len(msgspec.json.encode(crm.history(ADA)[-1].event)) + 1
    assert 1 <= last < 200
    with pytest.raises(InvalidCommand, match="RegistrationChanged is 65537 bytes, 65536 at most"):
        crm.do(lines_of_business(*full, last + 1), to=ADA, act=crm.act("ann"))
    crm.do(lines_of_business(*full, last), to=ADA, act=crm.act("ann"))
    assert len(msgspec.json.encode(crm.history(ADA)[-1].event)) == 65_536
    assert crm.verify().problems == ()


def test_whatever_the_library_lets_through_fits_into_the_columns(crm: CRM) -> None:
    act = crm.act(WIDE * 200, because=WIDE * 4_000)
    facts = crm.do_all([(TALK, ADA)] * FACTS_MAX, act=act).facts
    assert len(facts) == 100
    assert len(crm.history(ADA)) == 101


# By PostgreSQL

ROWS: dict[str, dict[str, str]] = {
    "facts": {
        "batch": "1", "ordinal": "0", "kind": "'customer'", "stream": "gen_random_uuid()",
        "version": "1", "slot": "0", "name": "'a'", "schema_version": "1", "effective_at": "now()",
        "written_at": "now()", "actor": "'ann'", "reason": "''", "command_id": "gen_random_uuid()",
        "correlation_id": "gen_random_uuid()", "policy": "''", "payload": "''",
        "digest": "sha256('')",
    },
    "commands": {
        "command_id": "gen_random_uuid()", "digest": "sha256('')", "batch": "1", "facts": "1"
    },
    "sealed": {"last": "9", "facts": "1", "batch": "9", "recorded_at": "now()"},
    "seals": {"position": "9", "sealed_at": "now()", "hash": "sha256('')"},
    "tree": {"level": "1", "number": "9", "hash": "sha256('')"},
    "head": {"only_one": "true", "position": "0", "hash": "sha256('')", "closed_at": "now()"},
    "checkpoints": {"consumer": "'x'", "position": "0"},
    "parked": {
        "consumer": "'there'", "kind": "'a'", "stream": "gen_random_uuid()", "position": "1",
        "reason": "''",
    },
}  # fmt: skip
EDGES: dict[tuple[str, str], tuple[str, str]] = {
    ("facts", "kind"): ("repeat('k', 100)", "repeat('k', 101)"),
    ("facts", "name"): ("repeat('ü', 200)", "repeat('ü', 201)"),
    ("facts", "actor"): ("repeat('ü', 200)", "repeat('ü', 201)"),
    ("facts", "reason"): ("repeat('x', 4000)", "repeat('x', 4001)"),
    ("facts", "policy"): ("repeat('x', 120)", "repeat('x', 121)"),
    ("facts", "payload"): ("repeat('x', 65536)::bytea", "repeat('x', 65537)::bytea"),
    ("commands", "facts"): ("100", "101"),
    ("sealed", "facts"): ("1", "0"),
    ("seals", "hash"): ("sha256('')", "sha512('')"),
    ("tree", "hash"): ("sha256('')", "sha512('')"),
    ("head", "only_one"): ("true", "false"),
    ("checkpoints", "consumer"): ("repeat('x', 200)", "repeat('x', 201)"),
    ("checkpoints", "position"): ("0", "-1"),
    ("parked", "reason"): ("repeat('x', 2000)", "repeat('x', 2001)"),
}


def test_postgresql_takes_what_is_on_an_edge_and_refuses_what_is_past_it(
    postgres_url: str,
) -> None:
    CRM.migrate(postgres_url)
    with psycopg.connect(postgres_url) as connection:
        said = {
            edge: [insertion(connection, *edge, value) for value in values]
            for edge, values in EDGES.items()
        }
    lengths = {edge for edge in EDGES if checks()["crm.{}.{}".format(*edge)].startswith("varchar")}
    assert said == {
        edge: ["taken", "StringDataRightTruncation" if edge in lengths else "CheckViolation"]
        for edge in EDGES
    }


def insertion(connection: Connection[Any], table: str, column: str, value: str) -> str:
    """Return what becomes of a row with this value, which is taken back in any case."""
    row = ROWS[table] | {column: value}
    insert = f"INSERT INTO crm.{table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"  # noqa: S608 - the rows above
    try:
        connection.execute("DELETE FROM crm.head; INSERT INTO crm.checkpoints VALUES ('there', 0)")
        connection.execute(insert.encode())
    except psycopg.Error as error:
        return type(error).__name__
    finally:
        connection.rollback()
    return "taken"


def test_every_limit_of_the_tables_has_its_edge() -> None:
    assert {f"crm.{table}.{column}" for table, column in EDGES} == set(checks())


# The page


def test_the_page_says_what_the_code_says() -> None:
    rows = re.findall(r"^\| .+ \| ([\d,]+)(?: [\w ]+)? \| `([\w.]+)` \|$", page(), re.MULTILINE)
    assert {name: text for text, name in rows} == {name: shown(name) for _, name in rows}
    named = {name for _, name in rows if LIMIT.fullmatch(name.rpartition(".")[2])}
    found = set(constants())
    assert (named - found, found - named) == (set(), set())


def test_the_page_lists_what_postgresql_refuses() -> None:
    rows = re.findall(r"^\| `(crm\.\w+\.\w+)` \| `(.+)` \|$", page(), re.MULTILINE)
    assert dict(rows) == checks()


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def constants() -> Iterator[str]:
    """Yield the dotted name of every constant of the library that is a limit by its name."""
    for package, folder in FOLDERS.items():
        for path in folder.rglob("*.py") if package else folder.glob("*.py"):
            parts = [package, *path.relative_to(folder).with_suffix("").parts]
            module = ".".join(part for part in parts if part and part != "__init__")
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                for target in node.targets if isinstance(node, ast.Assign) else ():
                    if isinstance(target, ast.Name) and LIMIT.fullmatch(target.id):
                        yield f"{module}.{target.id}"


def shown(name: str) -> str:
    """Return a limit as the page writes its number."""
    module, _, attribute = name.rpartition(".")
    limit = getattr(import_module(f"crmcore.{module}"), attribute)
    if isinstance(limit, timedelta):
        limit = limit // timedelta(minutes=1)
    elif not isinstance(limit, int | float):
        bounds = msgspec.inspect.type_info(limit)
        limit = getattr(bounds, "max_length", None) or getattr(bounds, "le", None)
    return f"{limit:,.0f}"


def checks() -> dict[str, str]:
    """Return the lengths and conditions of the tables, by column."""
    return {
        f"{table}.{column}": length or condition
        for _, script in migrations()
        for table, body in TABLE.findall(script)
        for column, length, condition in CHECK.findall(body)
    }
