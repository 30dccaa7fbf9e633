"""The eventsourcing library on our log: its own test cases, its own tools, and what we add.

What cannot hold by design is overridden here with its reason, which the decision lists too
(docs/adr/0021-eventsourcing-beside-the-log.md).
"""

import gc
import importlib
import os
import re
import threading
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from pathlib import Path
from threading import Event, Thread, Timer
from time import monotonic
from typing import Any, ClassVar
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.application import Application, ProcessingEvent
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, DomainEventProtocol, event
from eventsourcing.persistence import (
    DatabaseError,
    DataError,
    InfrastructureFactory,
    InfrastructureFactoryError,
    IntegrityError,
    Notification,
    OperationalError,
    ProgrammingError,
    StoredEvent,
    Tracking,
)
from eventsourcing.system import (
    NewMultiThreadedRunner,
    ProcessApplication,
    Runner,
    SingleThreadedRunner,
    System,
)
from eventsourcing.tests import application as applications
from eventsourcing.tests import persistence as recorders
from eventsourcing.tests import projection as projections
from eventsourcing.utils import Environment
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from crmcore import CRM
from crmcore.domain import customer
from crmcore.infrastructure.database import Database, database, migrate
from crmcore.infrastructure.postgres import PostgresJournal
from crmcore.infrastructure.recorder import (
    POLL_S,
    PostgresAggregateRecorder,
    PostgresFactory,
    PostgresRecorder,
)

ADA = UUID(int=1)
ROOT = Path(__file__).resolve().parents[2]
MODULE = "crmcore.infrastructure.recorder"


@pytest.fixture(scope="module")
def databases(server_url: str) -> Iterator[list[str]]:
    """Two databases, which these tests use one after the other: making one takes longer."""
    names = [f"test_{uuid4().hex}" for _ in range(2)]
    with psycopg.connect(server_url, autocommit=True) as connection:
        for name in names:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    yield [urlsplit(server_url)._replace(path=f"/{name}").geturl() for name in names]
    with psycopg.connect(server_url, autocommit=True) as connection:
        for name in names:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def emptied(url: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS crm CASCADE")
        connection.execute("DROP TABLE IF EXISTS counters, names")
    migrate(url)
    return url


@pytest.fixture
def url(databases: list[str]) -> str:
    return emptied(databases[0])


@pytest.fixture
def other_url(databases: list[str]) -> str:
    """A log for an application that follows another."""
    return emptied(databases[1])


@pytest.fixture(autouse=True)
def store(
    request: pytest.FixtureRequest, url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """A log of its own for each test, which applications find by their environment."""
    monkeypatch.setenv("PERSISTENCE_MODULE", MODULE)
    monkeypatch.setenv("CRMCORE_STORE", url)
    with database(url) as opened:
        if request.instance is not None:
            request.instance.store = opened
        yield opened


@pytest.fixture
def recorder(store: Database) -> PostgresRecorder:
    return PostgresRecorder(store)


# The library's own cases.


class TestApplicationRecorder(recorders.ApplicationRecorderTestCase[PostgresRecorder]):
    store: Database

    def create_recorder(self) -> PostgresRecorder:
        return PostgresRecorder(self.store)

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestApplicationRecorderOfNamedStreams(TestApplicationRecorder):
    def new_originator_id(self) -> str:
        return f"customer:{uuid4()}"


class TestAggregateRecorder(recorders.AggregateRecorderTestCase):
    store: Database

    def create_recorder(self) -> PostgresAggregateRecorder:
        return PostgresAggregateRecorder(self.store)


class TestTrackingRecorder(recorders.TrackingRecorderTestCase):
    store: Database

    def create_recorder(self) -> PostgresRecorder:
        return PostgresRecorder(self.store)


class TestProcessRecorder(recorders.ProcessRecorderTestCase):
    store: Database

    def create_recorder(self) -> PostgresRecorder:
        return PostgresRecorder(self.store)


class TestNonInterleaving(recorders.NonInterleavingNotificationIDsBaseCase):
    store: Database

    def create_recorder(self) -> PostgresRecorder:
        return PostgresRecorder(self.store)


class View(PostgresRecorder):
    pass


class TestFactory(recorders.InfrastructureFactoryTestCase[PostgresFactory]):
    def setUp(self) -> None:
        self.env = Environment(env=os.environ)
        super().setUp()

    def expected_factory_class(self) -> type[PostgresFactory]:
        return PostgresFactory

    def expected_aggregate_recorder_class(self) -> type[PostgresAggregateRecorder]:
        return PostgresAggregateRecorder

    def expected_application_recorder_class(self) -> type[PostgresRecorder]:
        return PostgresRecorder

    def expected_tracking_recorder_class(self) -> type[PostgresRecorder]:
        return PostgresRecorder

    def tracking_recorder_subclass(self) -> type[PostgresRecorder]:
        return View

    def expected_process_recorder_class(self) -> type[PostgresRecorder]:
        return PostgresRecorder


@pytest.mark.filterwarnings("always:'log' is deprecated:DeprecationWarning")  # one case asks for it
class TestApplication(applications.ApplicationTestCase):
    pass


class TestExampleApplication(applications.ExampleApplicationTestCase):
    expected_factory_topic = f"{MODULE}:PostgresFactory"

    def test_example_application(self) -> None:
        # By design: the log holds facts, and a snapshot is none (docs/adr/0010-no-snapshots.md).
        with pytest.raises(InfrastructureFactoryError, match="the log keeps no snapshots"):
            super().test_example_application()


class Counters(PostgresRecorder, projections.EventCountersView):
    """A view with a table of its own, written in the transaction that tracks."""

    def __init__(self, database: Database, name: str = "") -> None:
        super().__init__(database, name)
        with database.connection() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS counters (name text PRIMARY KEY, n bigint)"
            )

    def get_created_event_counter(self) -> int:
        return self._count("created")

    def get_subsequent_event_counter(self) -> int:
        return self._count("subsequent")

    def incr_created_event_counter(self, tracking: Tracking) -> None:
        self._increment("created", tracking)

    def incr_subsequent_event_counter(self, tracking: Tracking) -> None:
        self._increment("subsequent", tracking)

    def _count(self, name: str) -> int:
        rows = self._database.query("SELECT n FROM counters WHERE name = %s", [name])
        return int(rows[0][0]) if rows else 0

    def _increment(self, name: str, tracking: Tracking) -> None:
        with self.tracked(tracking) as connection:
            connection.execute(
                "INSERT INTO counters AS c VALUES (%s, 1)"
                " ON CONFLICT (name) DO UPDATE SET n = c.n + 1",
                [name],
            )


class TestView(projections.EventCountersViewTestCase):
    store: Database

    def construct_event_counters_view(self) -> Counters:
        return Counters(self.store)


class TestProjection(projections.AggregateEventCountersProjectionTestCase):
    view_class = Counters


class TestTaggedDecisions(projections.TaggedDecisionCountersProjectionTestCase):
    # By design: our appends depend on a stream's version, not on what carries a tag.
    view_class = Counters
    env: ClassVar[dict[str, str]] = {}

    def test_event_counters_projection(self) -> None:
        with pytest.raises(InfrastructureFactoryError, match="Found 0 infrastructure factory"):
            super().test_event_counters_projection()

    def test_run_forever_raises_projection_error(self) -> None:
        with pytest.raises(InfrastructureFactoryError, match="Found 0 infrastructure factory"):
            super().test_run_forever_raises_projection_error()


class TestEventSourcedProjection(projections.EventSourcedProjectionTestCase):
    env: ClassVar[dict[str, str]] = {}

    @pytest.fixture(autouse=True)
    def _two_stores(self, other_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COUNTERS_CRMCORE_STORE", other_url)


# The library's tools, end to end.


def test_the_librarys_example_runs_without_snapshots() -> None:
    with applications.BankAccounts(env={"IS_SNAPSHOTTING_ENABLED": "n"}) as app:
        account = app.open_account("Alice", "alice@example.com")
        for amount in ("10.00", "25.00", "30.00"):
            app.credit_account(account, Decimal(amount))
        assert app.get_balance(account) == Decimal("65.00")
        assert len(app.notification_log["1,10"].items) == 4
        with pytest.raises(applications.BankAccounts.AccountNotFoundError):
            app.get_account(uuid4())
    with applications.BankAccounts(env={"IS_SNAPSHOTTING_ENABLED": "n"}) as again:
        assert again.get_balance(account) == Decimal("65.00")


def test_the_documented_projection_follows_what_the_crm_records(
    url: str, store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "how-to" / "embed.md").read_text(encoding="utf-8")
    named = re.compile(r'^```python title="(.+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
    [(file, program)] = named.findall(page)
    (tmp_path / file).write_text(program, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    follow = importlib.import_module(file.removesuffix(".py"))
    with CRM.open(url) as crm:
        ada = customer.Register(code="a", name="Ada", kind="person")
        crm.do(ada, to=ADA, act=crm.act("ann"))
        crm.do(customer.LogInteraction(channel="chat", summary="hi"), to=ADA, act=crm.act("ann"))
        with follow.runner() as runner:
            runner.wait(1, timeout=10)
            eve = customer.Register(code="e", name="Eve", kind="person")
            crm.do(eve, to=UUID(int=2), act=crm.act("ann"))
            runner.wait(3, timeout=10)
    with follow.runner() as again:
        again.wait(3)
    assert store.query("SELECT name FROM names") == [("Ada",), ("Eve",)]


class Order(Aggregate):
    @event("Placed")
    def __init__(self, amount: int) -> None:
        self.amount = amount


class Total(Aggregate):
    @staticmethod
    def create_id() -> UUID:
        return UUID(int=7)

    @event("Opened")
    def __init__(self) -> None:
        self.amount = 0

    @event("Added")
    def add(self, amount: int) -> None:
        self.amount += amount


class Shop(Application[UUID]):
    def place(self, amount: int) -> int:
        return self.save(Order(amount))[-1].notification.id


class Totals(ProcessApplication[UUID]):
    @singledispatchmethod
    def policy(
        self,
        domain_event: DomainEventProtocol[UUID],
        processing_event: ProcessingEvent[UUID],
    ) -> None:
        total = self.total()
        total.add(domain_event.amount)  # type: ignore[attr-defined] # the library makes the class
        processing_event.collect_events(total)

    def total(self) -> Total:
        known = self.recorder.select_events(Total.create_id(), limit=1)
        total: Total = self.repository.get(Total.create_id()) if known else Total()
        return total


@pytest.mark.parametrize("runner_class", [SingleThreadedRunner, NewMultiThreadedRunner])
def test_a_system_of_two_applications_follows_across_two_logs(
    runner_class: type[Runner[UUID]], other_url: str
) -> None:
    env = {"TOTALS_CRMCORE_STORE": other_url}
    with runner_class(System(pipes=[[Shop, Totals]]), env=env) as runner:
        shop, totals = runner.get(Shop), runner.get(Totals)
        last = [shop.place(amount) for amount in (10, 20, 12)][-1]
        totals.recorder.wait(shop.name, last, timeout=10)
        assert totals.total().amount == 42
        assert shop.recorder.max_notification_id() == 3
        assert totals.recorder.max_tracking_id(shop.name) == 3


# What we promise beyond that.


def events(count: int, *, first: int = 1, of: UUID | str = ADA) -> list[StoredEvent]:
    return [StoredEvent(of, n, f"n{n % 10}", b"{}") for n in range(first, first + count)]


def problems(store: Database) -> list[str]:
    return [problem.what for problem in PostgresJournal(store).verify().problems]


def test_what_the_library_records_passes_the_audit(
    recorder: PostgresRecorder, store: Database
) -> None:
    recorder.insert_events([*events(3, first=0), *events(2, of=UUID(int=2))])
    recorder.insert_events([*events(150, first=3), *events(1, first=3, of=UUID(int=2))])
    found = PostgresJournal(store).verify()
    assert (found.facts, found.streams, found.problems) == (156, 2, ())
    rows = store.query("SELECT DISTINCT kind, actor, version - version FROM crm.facts")
    assert rows == [("", "eventsourcing", 0)]


def test_more_events_than_a_batch_holds_are_recorded_together(
    recorder: PostgresRecorder, store: Database
) -> None:
    many = events(10_001)
    assert recorder.insert_events(many) == list(range(1, 10_002))
    assert recorder.select_events(ADA) == many
    assert [n.id for n in recorder.select_notifications(9_990, 100)] == list(range(9_990, 10_002))
    with pytest.raises(IntegrityError):
        recorder.insert_events([*events(10_000, of=UUID(int=2)), many[-1]])
    assert recorder.max_notification_id() == 10_001
    assert recorder.select_events(UUID(int=2)) == []
    assert problems(store) == []


def test_a_stream_is_recorded_without_gaps(recorder: PostgresRecorder) -> None:
    for versions in ([2], [1, 3], [1, 2, 2], [-1], [1, 0]):
        with pytest.raises(IntegrityError, match="does not follow"):
            recorder.insert_events([StoredEvent(ADA, version, "n", b"") for version in versions])
    recorder.insert_events(events(1))
    with pytest.raises(IntegrityError, match=r"version 0 of .* does not follow 1"):
        recorder.insert_events(events(1, first=0))
    assert recorder.max_notification_id() == 1


def test_an_originator_that_would_come_back_changed_is_refused(recorder: PostgresRecorder) -> None:
    hexadecimal, braced = f"order:{ADA.hex}", f"order:{{{ADA}}}"
    for originator in ("order-17", str(ADA), f":{ADA}", hexadecimal, braced, f"\ud800:{ADA}"):
        with pytest.raises(DataError, match="an originator is a UUID or `kind:uuid`"):
            recorder.insert_events(events(1, of=originator))
        with pytest.raises(DataError):
            recorder.select_events(originator)
    assert recorder.max_notification_id() is None


def test_the_limits_of_the_log_are_the_librarys_errors(recorder: PostgresRecorder) -> None:
    for refused in (
        StoredEvent(ADA, 1, "n", bytes(65_537)),
        StoredEvent(ADA, 1, "n" * 201, b""),
        StoredEvent(ADA, 1, "n\x00", b""),
        StoredEvent(ADA, 1, "\ud800", b""),
        StoredEvent(f"{'k' * 101}:{ADA}", 1, "n", b""),
    ):
        with pytest.raises(DatabaseError):
            recorder.insert_events([refused])
        with pytest.raises(DatabaseError):
            recorder.insert_events([*events(1, of=UUID(int=2)), refused])
    assert recorder.max_notification_id() is None
    recorder.insert_events([StoredEvent(ADA, 1, "n" * 200, bytes(65_536))])


def test_events_and_tracking_are_recorded_together_or_not_at_all(
    recorder: PostgresRecorder,
) -> None:
    recorder.insert_events(events(1), tracking=Tracking("shop", 5))
    with pytest.raises(IntegrityError):
        recorder.insert_events(events(1, first=2), tracking=Tracking("shop", 5))
    with pytest.raises(IntegrityError):
        recorder.insert_events(events(1), tracking=Tracking("shop", 6))
    assert recorder.max_tracking_id("shop") == 5
    assert recorder.max_notification_id() == 1


def test_two_followers_in_one_store_do_not_take_each_others_place(store: Database) -> None:
    one, other = PostgresRecorder(store, "one"), PostgresRecorder(store, "other")
    one.insert_tracking(Tracking("shop", 5))
    assert (one.max_tracking_id("shop"), other.max_tracking_id("shop")) == (5, None)
    other.insert_tracking(Tracking("shop", 1))


def test_a_view_that_fails_has_not_seen_the_event(store: Database) -> None:
    view = Counters(store)
    view.incr_created_event_counter(Tracking("shop", 1))

    def forget_and_fail() -> None:
        with view.tracked(Tracking("shop", 2)) as connection:
            connection.execute("DELETE FROM counters")
            connection.execute("SELECT nothing FROM nowhere")

    with pytest.raises(DatabaseError, match="nowhere"):
        forget_and_fail()
    assert (view.get_created_event_counter(), view.max_tracking_id("shop")) == (1, 1)


def test_what_an_aggregate_recorder_records_gets_its_place_when_it_is_read(
    store: Database, recorder: PostgresRecorder
) -> None:
    PostgresAggregateRecorder(store).insert_events(events(2))
    assert store.query("SELECT position FROM crm.head") == [(0,)]
    assert [n.id for n in recorder.select_notifications(None, 10)] == [1, 2]


def test_topics_are_found_over_any_distance(recorder: PostgresRecorder) -> None:
    recorder.insert_events([StoredEvent(UUID(int=2), 1, "rare", b"")])
    recorder.insert_events(events(1_200))
    recorder.insert_events([StoredEvent(UUID(int=3), 1, "rare", b"")])
    found = recorder.select_notifications(None, 10, topics=["rare", "scarce"])
    assert [n.id for n in found] == [1, 1_202]
    assert [n.id for n in recorder.select_notifications(2, 1, topics=["rare"])] == [1_202]
    assert recorder.select_notifications(2, 10, 1_201, topics=["rare"]) == []
    with recorder.subscribe(topics=["rare"]) as subscription:
        assert [n.id for n in islice(subscription, 2)] == [1, 1_202]
    with recorder.subscribe(gt=700) as subscription:
        assert [n.id for n in islice(subscription, 502)] == list(range(701, 1_203))


def test_stopping_ends_an_iteration_that_waits(recorder: PostgresRecorder) -> None:
    for gt in (None, 99):
        subscription = recorder.subscribe(gt=gt)
        stopper = Timer(0.3, subscription.stop)
        stopper.start()
        assert list(subscription) == []
        stopper.join()


class Asked(PostgresRecorder):
    times = 0

    def max_notification_id(self) -> int | None:
        self.times += 1
        return super().max_notification_id()


def test_a_subscription_waits_without_asking_all_the_time(store: Database) -> None:
    recorder, started = Asked(store), monotonic()
    subscription = recorder.subscribe()
    Timer(0.55, subscription.stop).start()
    assert list(subscription) == []
    assert 1 <= recorder.times <= 1 + (monotonic() - started) / POLL_S


def test_who_may_not_seal_records_all_the_same(url: str, recorder: PostgresRecorder) -> None:
    migrate(url, roles=True)
    with database(make_conninfo(url, options="-c role=crm_writer")) as limited:
        writer = PostgresRecorder(limited)
        assert writer.insert_events(events(2)) is None  # their places come with somebody's seal
        assert writer.max_notification_id() is None
        with pytest.raises(ProgrammingError, match="does not allow it"):
            writer.insert_tracking(Tracking("shop", 1))
        assert recorder.max_notification_id() == 2
        assert writer.max_notification_id() == 2


def test_what_cannot_be_sealed_now_is_recorded_all_the_same(
    url: str, recorder: PostgresRecorder
) -> None:
    hasty = make_conninfo(url, options="-c statement_timeout=1500ms")
    with database(hasty) as limited, psycopg.connect(url) as other:
        other.execute("SELECT FROM crm.head FOR UPDATE")
        assert PostgresRecorder(limited).insert_events(events(2)) is None
        other.rollback()
    assert recorder.select_events(ADA) == events(2)
    assert recorder.max_notification_id() == 2


def made(env: Mapping[str, str]) -> InfrastructureFactory[Any]:
    return InfrastructureFactory.construct(Environment(env=env))


def test_what_is_wrong_with_a_store_is_the_librarys_error(url: str, store: Database) -> None:
    with pytest.raises(InfrastructureFactoryError, match="CRMCORE_STORE is to name the store"):
        made({"PERSISTENCE_MODULE": MODULE})
    elsewhere = made({"PERSISTENCE_MODULE": MODULE, "CRMCORE_STORE": f"{url}/x"})
    with pytest.raises(OperationalError):
        elsewhere.application_recorder()
    with store.connection() as connection:
        connection.execute("DROP SCHEMA crm CASCADE")
    with pytest.raises(ProgrammingError, match="crmcore migrate"):
        made({"PERSISTENCE_MODULE": MODULE, "CRMCORE_STORE": url}).process_recorder()


def test_a_recorder_class_of_another_store_is_refused() -> None:
    topic = "eventsourcing.popo:POPOApplicationRecorder"
    factory = made({**os.environ, "APPLICATION_RECORDER_TOPIC": topic})
    with pytest.raises(InfrastructureFactoryError, match="is no PostgresRecorder"):
        factory.application_recorder()


def test_a_store_may_be_a_directory(folder: Path) -> None:
    env = {"PERSISTENCE_MODULE": MODULE, "CRMCORE_STORE": str(folder)}
    with Shop(env=env) as shop:
        assert shop.place(10) == 1
    with CRM.open(folder) as crm:
        assert crm.verify().facts == 1


def test_closing_a_factory_gives_its_connections_back() -> None:
    gc.collect()  # what earlier tests left
    before = set(threading.enumerate())
    with made(os.environ) as factory:
        recorder = factory.application_recorder()
        assert recorder.max_notification_id() is None
        assert not set(threading.enumerate()) <= before
    assert set(threading.enumerate()) <= before
    with pytest.raises(OperationalError):
        recorder.max_notification_id()
    factory.close()


def test_a_recorder_outlives_its_factory_and_goes_with_its_connections() -> None:
    gc.collect()  # what earlier tests left
    before = set(threading.enumerate())
    recorder = made(os.environ).tracking_recorder(View)
    gc.collect()
    assert recorder.max_tracking_id("shop") is None
    del recorder
    gc.collect()
    assert set(threading.enumerate()) <= before


def test_writers_of_the_crm_and_of_the_library_share_one_order(
    recorder: PostgresRecorder, url: str, store: Database
) -> None:
    seen: list[Notification] = []
    done = Event()

    def follow() -> None:
        with recorder.subscribe() as subscription:
            seen.extend(islice(subscription, 60))
        done.set()

    follower = Thread(target=follow)
    follower.start()
    with CRM.open(url) as crm:
        for n in range(30):
            named = customer.Register(code=str(n), name="Ada", kind="person")
            crm.do(named, to=UUID(int=n), act=crm.act("ann"))
            recorder.insert_events(events(1, of=UUID(int=n)))
    assert done.wait(30)
    follower.join()
    assert [n.id for n in seen] == list(range(1, 61))
    assert problems(store) == []
