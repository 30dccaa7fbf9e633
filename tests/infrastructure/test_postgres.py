"""PostgreSQL: what can be wrong is one clear sentence each; stored bytes stay what they are."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import get_args
from uuid import UUID

import msgspec
import psycopg
import psycopg.conninfo
import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from hypothesis import given, settings
from hypothesis import strategies as st

from crmcore import CRM, CorruptFact, SchemaMissing, SchemaTooNew, StoreError, Unreachable
from crmcore.domain import customer
from crmcore.infrastructure import codec
from crmcore.infrastructure.database import conninfo, migrate, pool
from crmcore.infrastructure.recorder import PostgresRecorder

GOLDEN = Path(__file__).with_name("golden")
ADA = UUID(int=1)


@pytest.fixture
def url(postgres_url: str) -> str:
    assert migrate(postgres_url) == (0, 1)
    return postgres_url


@pytest.fixture
def recorder(url: str) -> Iterator[PostgresRecorder]:
    with pool(url) as connections:
        yield PostgresRecorder(connections)


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
        "has no crmcore schema, version 1 is needed: run `crmcore migrate --store URL` or "
        "CRM.migrate(url)."
    )


def test_a_schema_of_a_newer_release_is_left_alone(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO crm.schema_version VALUES (99)")
    wanted = "schema version 99, this crmcore knows 1: install a newer crmcore."
    assert refusal(url).startswith("SchemaTooNew: The database has crmcore ")
    assert refusal(url).endswith(wanted)
    with pytest.raises(SchemaTooNew):
        CRM.migrate(url)


def test_migrating_twice_changes_nothing(url: str) -> None:
    assert CRM.migrate(url) == (1, 1)
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


def test_a_server_that_ends_meanwhile_is_unreachable(url: str) -> None:
    with closing(CRM.open(url)) as crm:
        assert crm.journal.position() == 0  # so there is a connection
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        with pytest.raises(Unreachable, match="PostgreSQL went away"):
            crm.do(
                customer.Register(code="a", name="Ada", kind="person"),
                to=ADA,
                act=crm.act("ann"),
            )
        assert crm.journal.position() == 0


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
            connection.execute(b"UPDATE crm.facts SET " + change.encode())
        with pytest.raises(CorruptFact) as caught:
            crm.customer(ADA)
    assert caught.value.position == 1
    assert why in str(caught.value)


def test_a_log_of_more_than_a_page_is_read_whole(recorder: PostgresRecorder, url: str) -> None:
    name, payload = codec.dump(customer.profile.InteractionLogged(channel="chat", summary="hi"))
    events = [StoredEvent(f"customer:{ADA}", n, name, payload) for n in range(1, 5_002)]
    assert list(recorder.insert_events(events)) == list(range(1, 5_002))
    with closing(CRM.open(url)) as crm:
        assert [f.position for f in crm.journal.log()] == list(range(1, 5_002))
        assert [f.position for f in crm.journal.log(after=4_999)] == [5_000, 5_001]


def test_the_librarys_tools_read_the_log(recorder: PostgresRecorder) -> None:
    stream, bare = f"customer:{ADA}", UUID(int=2)
    events = [StoredEvent(stream, n, f"n{n}", b"{}") for n in (1, 2, 3)]
    assert recorder.max_notification_id() is None
    assert list(recorder.insert_events(events)) == [1, 2, 3]
    assert list(recorder.insert_events([StoredEvent(bare, 1, "n1", b"")])) == [4]
    assert recorder.max_notification_id() == 4
    with pytest.raises(IntegrityError):
        recorder.insert_events(events[:1])
    assert recorder.select_events(stream) == events
    assert recorder.select_events(stream, gt=1, lte=2) == events[1:2]
    assert recorder.select_events(stream, desc=True, limit=1) == events[2:]
    assert recorder.select_events(bare) == [StoredEvent(bare, 1, "n1", b"")]
    assert [n.id for n in recorder.select_notifications(None, 10)] == [1, 2, 3, 4]
    assert [n.id for n in recorder.select_notifications(2, 10, 3)] == [2, 3]
    follow = recorder.select_notifications(2, 10, topics=["n1"], inclusive_of_start=False)
    assert [n.originator_id for n in follow] == [bare]


def test_a_subscription_goes_on_with_what_is_recorded_later(recorder: PostgresRecorder) -> None:
    stream = f"customer:{ADA}"
    recorder.insert_events([StoredEvent(stream, 1, "n1", b"{}")])
    with recorder.subscribe(gt=0) as subscription:
        assert next(subscription).id == 1
        recorder.insert_events([StoredEvent(stream, n, "n2", b"{}") for n in (2, 3)])
        assert [n.id for n in islice(subscription, 2)] == [2, 3]
        subscription.stop()
        assert list(subscription) == []


def test_every_event_has_a_golden_payload_that_is_read_and_written_unchanged() -> None:
    golden = {path.stem: path.read_bytes() for path in GOLDEN.glob("*.json")}
    assert sorted(golden) == sorted(codec.CLASSES)
    for name, payload in golden.items():
        event = codec.load(1, name, payload)
        assert type(event) is codec.CLASSES[name]
        assert codec.dump(event) == (name, payload)


def test_stored_names_begin_with_the_kind_of_their_stream() -> None:
    kinds = {"customer", "opportunity", "ticket", "loyalty"}
    assert {name.partition(".")[0] for name in codec.CLASSES} == kinds
    assert len(codec.CLASSES) == len(get_args(codec.Event))


@settings(max_examples=20)
@given(st.text(), st.binary())
def test_no_stored_name_or_payload_does_more_than_fail(name: str, payload: bytes) -> None:
    with pytest.raises(CorruptFact):
        codec.load(7, name, payload)


def test_the_golden_payloads_are_json_objects_tagged_with_their_name() -> None:
    for path in GOLDEN.glob("*.json"):
        assert msgspec.json.decode(path.read_bytes())["type"] == path.stem


def test_an_instant_is_stored_to_the_microsecond(url: str) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    with closing(CRM.open(url)) as crm:
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
