"""PostgreSQL: what can be wrong is one clear sentence each; stored bytes stay what they are."""

import socket
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from time import monotonic
from uuid import UUID

import psycopg
import psycopg.conninfo
import pytest

from crmcore import CRM, CorruptFact, SchemaMissing, SchemaTooNew, SchemaTooOld, StoreError
from crmcore.domain import customer
from crmcore.infrastructure.database import UNRELEASED, conninfo, migrate, set_up
from crmcore.infrastructure.patience import Patient
from tests.faults.proxy import Proxy

ADA = UUID(int=1)


@pytest.fixture
def url(postgres_url: str) -> str:
    assert migrate(postgres_url) == (0, 5)
    return postgres_url


def refusal(store: str) -> str:
    with pytest.raises(StoreError) as caught, closing(CRM.open(store)):
        pass
    text = str(caught.value)
    assert "\n" not in text
    assert "secret" not in text
    return f"{type(caught.value).__name__}: {text}"


def test_a_database_without_the_schema_says_how_to_make_it(postgres_url: str) -> None:
    said = refusal(postgres_url)
    assert said.startswith("SchemaMissing: The database 'test_")
    assert said.endswith(
        "has no crmcore schema, version 5 is needed: run `crmcore migrate --store URL` or "
        "CRM.migrate(url)."
    )


def test_a_schema_of_a_newer_release_is_left_alone(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO crm.schema_version VALUES (99)")
    wanted = "schema version 99, this crmcore knows 5: install a newer crmcore."
    assert refusal(url).startswith("SchemaTooNew: The database has crmcore ")
    assert refusal(url).endswith(wanted)
    with pytest.raises(SchemaTooNew):
        CRM.migrate(url)


@pytest.mark.parametrize("version", sorted(UNRELEASED))
def test_a_schema_of_before_the_first_release_is_left_alone(
    postgres_url: str, version: int
) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE SCHEMA crm")
        connection.execute("CREATE TABLE crm.schema_version (version integer)")
        connection.execute("INSERT INTO crm.schema_version VALUES (%s)", [version])
    assert refusal(postgres_url).startswith("SchemaTooOld: The store was made before the first ")
    with pytest.raises(SchemaTooOld):
        CRM.migrate(postgres_url)


def test_migrating_twice_changes_nothing(url: str) -> None:
    assert CRM.migrate(url) == (5, 5)
    with closing(CRM.open(url)) as crm:
        assert crm.journal.position() == 0


def test_a_server_that_is_down_is_named_in_one_sentence() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = refusal(f"postgresql://ann:secret@127.0.0.1:{port}/crm")
    assert said.startswith("Unreachable: PostgreSQL does not let us in: ")
    assert f'"127.0.0.1", port {port} failed' in said


@pytest.mark.parametrize(
    "store", ["postgresql://ann:secret@[::1/crm", "mysql://ann:secret@host/crm", "postgres:/crm"]
)
def test_a_wrong_url_is_no_directory(store: str) -> None:
    said = refusal(store)
    assert said.startswith("Unreachable: The store is neither a directory nor a PostgreSQL URL")


def test_a_database_that_is_not_there_is_named(postgres_url: str) -> None:
    said = refusal(postgres_url.replace("/test_", "/nix_"))
    assert said.startswith("Unreachable: PostgreSQL does not let us in: ")
    assert "does not exist" in said


def test_every_setting_of_a_url_reaches_the_server(url: str) -> None:
    joined = "&" if "?" in url else "?"
    asked = conninfo(
        f"{url}{joined}sslmode=verify-full&sslrootcert=/ca.pem&options=-cwork_mem%3D5MB"
    )
    found = psycopg.conninfo.conninfo_to_dict(asked)
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", "/ca.pem")
    assert found["application_name"] == "crmcore"
    named = f"{url}{joined}application_name=shop&options=-cwork_mem%3D5MB"
    with psycopg.connect(conninfo(named)) as connection:
        row = connection.execute(
            "SELECT current_setting('application_name'), current_setting('work_mem')"
        ).fetchone()
    assert row == ("shop", "5MB")


def test_a_server_that_lacks_tls_refuses_a_client_that_demands_it() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        store = f"postgresql://127.0.0.1:{port}/crm?sslmode=require&connect_timeout=2"
        program = (
            f"from crmcore import CRM\ntry: CRM.open({store!r})\nexcept Exception as e: print(e)"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
        ) as client:
            connection, _ = listener.accept()
            with connection:
                asked_for_tls = connection.recv(8)
                connection.sendall(b"N")
            said = client.communicate()[0]
    assert asked_for_tls == b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
    assert "server does not support SSL, but SSL was required" in said


def test_a_refused_row_is_not_repeated_in_the_error(url: str) -> None:
    with closing(CRM.open(url)) as crm:
        with psycopg.connect(url) as connection:
            connection.execute(
                "ALTER TABLE crm.facts ADD CONSTRAINT no_ada CHECK (payload NOT LIKE '%Lovelace%')"
            )
        with pytest.raises(StoreError) as caught:
            crm.do(
                customer.Register(code="a", name="Lovelace", kind="person"),
                to=ADA,
                act=crm.act("ann"),
            )
    assert "no_ada" in str(caught.value)
    assert "Lovelace" not in str(caught.value)
    assert "Lovelace" not in repr(caught.value.__cause__)


def test_a_connection_that_ends_meanwhile_is_replaced(url: str) -> None:
    with closing(CRM.open(url)) as crm:
        assert crm.journal.position() == 0  # so there is a connection
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        register = customer.Register(code="a", name="Ada", kind="person")
        assert len(crm.do(register, to=ADA, act=crm.act("ann")).facts) == 1
        assert crm.position() == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("name = 'os.system'", "there is no event named 'os.system'"),
        ("payload = '{'", "its payload is no customer.registered: "),
        ("name = 'customer.deactivated'", "its payload is no customer.deactivated"),
        ("payload = convert_to('{\"type\":\"customer.registered\",\"code\":\"a\"}', 'UTF8')",
         "Object missing required field `name`"),
    ],
)  # fmt: skip
def test_a_stored_fact_that_cannot_be_one_is_named_by_its_position(
    url: str, change: str, why: str
) -> None:
    with closing(CRM.open(url)) as crm:
        crm.do(customer.Register(code="a", name="Ada", kind="person"), to=ADA, act=crm.act("ann"))
        with psycopg.connect(url) as connection:
            connection.execute("ALTER TABLE crm.facts DISABLE TRIGGER ALL")
            connection.execute(b"UPDATE crm.facts SET " + change.encode())
        with pytest.raises(CorruptFact) as caught:
            crm.customer(ADA)
    assert caught.value.position == 1
    assert why in str(caught.value)


def test_a_log_of_more_than_a_page_is_read_whole(url: str) -> None:
    talk = customer.LogInteraction(channel="chat", summary="hi")
    with closing(CRM.open(url)) as crm:
        crm.do(customer.Register(code="a", name="Ada", kind="person"), to=ADA, act=crm.act("ann"))
        for _ in range(5):
            crm.carry_out([(crm.act("ann"), [(talk, ADA)]) for _ in range(1_001)])
        assert [f.position for f in crm.feed()] == list(range(1, 5_007))
        assert [f.position for f in crm.feed(after=4_999)] == list(range(5_000, 5_007))
        assert crm.verify().problems == ()


def test_an_instant_is_stored_to_the_microsecond(url: str) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    with closing(CRM.open(url, clock=lambda: at)) as crm:
        act = crm.act("ann", effective_at=at)
        crm.do(customer.Register(code="a", name="Ada", kind="person"), to=ADA, act=act)
        [fact] = crm.history(ADA)
    assert fact.effective_at == at


def test_an_unmigrated_store_is_not_made_by_opening_it(postgres_url: str) -> None:
    with pytest.raises(SchemaMissing):
        CRM.open(postgres_url)
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute("SELECT to_regnamespace('crm')").fetchone()
    assert row == (None,)


def test_a_connection_whose_network_goes_dark_while_it_is_set_up_is_given_up(url: str) -> None:
    with Proxy(url) as proxy:
        reached = f"{proxy.url}?connect_timeout=2&tcp_user_timeout=60000"
        with Patient.connect(conninfo(reached), autocommit=True) as connection:
            proxy.dark = True
            started = monotonic()
            with pytest.raises(psycopg.OperationalError, match="no answer in 2 s"):
                set_up(connection)
            assert monotonic() - started < 30
