"""How fast purchases are imported and projections rebuilt, beside the eventsourcing library.

Both write the same purchases to the same durable server in the same run, in turn, several rounds.

    python3 dev.py bench import_and_rebuild [FILE] [--rounds N]

FILE is a CDNOW file; without one it is looked for in ../shared/data, else made-up purchases serve.
Ours validates, decides and records every purchase with its envelope, command id and digest, and
rebuilds four answers for each customer. The library records an aggregate's event and projects a
count of purchases for each customer, with its JSON transcoder and its default, safe insert.
"""

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.sql import SQL, Identifier

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench._servers import database, library_environment
from crmcore import CRM
from crmcore.application.ids import aggregate_id
from crmcore.domain.bounds import MIGRATION
from crmcore.domain.customer import RecordPurchase, Register
from crmcore.domain.money import parse_money
from crmcore.infrastructure.embedded import server
from crmcore.intake import import_files, load_mapping

FOUND = Path(__file__).resolve().parents[2] / "shared" / "data" / "CDNOW_sample.txt"
SINGLY = 1_000
BATCH = 500


class Sale(NamedTuple):
    """A purchase of the file."""

    customer: UUID
    code: str
    day: date
    amount: str


class Shopper(Aggregate):
    """The library's aggregate for the same purchases."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.bought = 0

    class Bought(Aggregate.Event):
        """A purchase."""

        day: str
        minor: int
        currency: str

    @event(Bought)
    def buy(self, day: str, minor: int, currency: str) -> None:  # noqa: ARG002 - the event's
        """Record a purchase."""
        self.bought += 1


class Shop(Application[UUID]):
    """The library's application."""


class Counts(PostgresTrackingRecorder):
    """The library's materialised view: how many purchases each customer made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the library's
        super().__init__(*args, **kwargs)
        self.sql_create_statements.append(
            SQL("CREATE TABLE IF NOT EXISTS {}.counts (id uuid PRIMARY KEY, n bigint)").format(
                Identifier(self.datastore.schema)
            )
        )

    def count(self, customer: UUID, tracking: Tracking) -> None:
        """Count a purchase, with the position in the same transaction."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "INSERT INTO counts VALUES (%s, 1) ON CONFLICT (id) DO UPDATE SET n = counts.n + 1",
                [customer],
            )


class CountPurchases(Projection[Counts]):
    """The library's projection."""

    name = "counts"

    @singledispatchmethod
    def process_event(self, domain_event: object, tracking: Tracking) -> None:  # noqa: ARG002 - the library's
        """Pass over other events."""
        self.view.insert_tracking(tracking)

    @process_event.register
    def _(self, domain_event: Shopper.Bought, tracking: Tracking) -> None:
        self.view.count(domain_event.originator_id, tracking)


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    sales = _sales(arguments.file)
    print(
        f"{platform.machine()}, Python {platform.python_version()}, "
        f"eventsourcing {version('eventsourcing')}, psycopg {version('psycopg')}; "
        f"{len(sales)} purchases, {arguments.rounds} rounds"
    )
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="crmcore-bench-") as folder:
        Path(folder).chmod(0o711)
        with server(Path(folder) / "store") as url:
            with psycopg.connect(url) as connection:
                print(f"PostgreSQL {connection.info.parameter_status('server_version')}, durable")
            for _ in range(arguments.rounds):
                for name, rate in _round(url, sales, arguments.file):
                    rates.setdefault(name, []).append(rate)
            _until_stopped(url)
    for name, found in rates.items():
        spread = f"{min(found):,.0f} to {max(found):,.0f}"
        print(f"{name:58} {median(found):>10,.0f} facts/s   ({spread})")
    middle = {name: median(found) for name, found in rates.items()}
    ours_in, ours_one, ours_out, es_one, es_many, es_out = middle.values()
    print(f"import, against one get and save each: {ours_in / es_one:.1f} times")
    print(f"import, against the library's save of {BATCH} events: {ours_in / es_many:.1f} times")
    print(f"one command a transaction, against one save each: {ours_one / es_one:.1f} times")
    print(f"rebuild of four answers, against its runner's one count: {ours_out / es_out:.1f} times")


def _round(url: str, sales: list[Sale], file: Path | None) -> Iterator[tuple[str, float]]:
    with database(url) as ours:
        CRM.migrate(ours)
        with CRM.open(ours) as crm:
            facts, seconds = _timed(lambda: _import(crm, sales, file))
            yield "crmcore import, file to facts, 500 rows a transaction", facts / seconds
            _, seconds = _timed(lambda: _singly(crm, sales[:SINGLY]))
            yield "crmcore do, one command a transaction, with read and fold", SINGLY / seconds
            rebuilt, seconds = _timed(crm.rebuild)
            yield (
                "crmcore rebuild, lifecycle, credit, ABC and RFM, written",
                rebuilt.facts / seconds,
            )
    with database(url) as theirs:
        environment = library_environment(theirs)
        with Shop(environment) as shop:
            _, seconds = _timed(lambda: _save_singly(shop, sales[:SINGLY]))
            yield "eventsourcing save, one a transaction, with get and fold", SINGLY / seconds
            facts, seconds = _timed(lambda: _save_many(shop, sales))
            yield "eventsourcing save, 500 events a transaction, no get", facts / seconds
            last = shop.recorder.max_notification_id()
        assert last is not None
        _, seconds = _timed(lambda: _project(environment, last))
        yield "eventsourcing ProjectionRunner, one count, written", last / seconds


def _import(crm: CRM, sales: list[Sale], file: Path | None) -> int:
    if file is not None:
        return import_files(crm, load_mapping("cdnow"), [file]).facts
    before = crm.journal.position()
    for start in range(0, len(sales), BATCH):
        crm.carry_out(
            [
                (
                    crm.act("bench", roles=[MIGRATION], effective_at=s.day),
                    [(c, s.customer) for c in _commands(s)],
                )
                for s in sales[start : start + BATCH]
            ]
        )
    return crm.journal.position() - before


def _singly(crm: CRM, sales: list[Sale]) -> None:
    for sale in sales:
        _, purchase = _commands(sale)
        crm.do(
            purchase,
            to=sale.customer,
            act=crm.act("bench", roles=[MIGRATION], effective_at=sale.day),
        )


def _commands(sale: Sale) -> tuple[Register, RecordPurchase]:
    return (
        Register(code=f"cdnow:{sale.code}", name=f"Customer {sale.code}", kind="person"),
        RecordPurchase(purchase=uuid4().hex, amount=parse_money(sale.amount, "USD")),
    )


def _save_singly(shop: Shop, sales: list[Sale]) -> None:
    """Save each purchase of a customer that is loaded before, as a request would."""
    ids: dict[UUID, UUID] = {}
    for sale in sales:
        if sale.customer not in ids:
            shopper = Shopper(sale.code)
            ids[sale.customer] = shopper.id
        else:
            loaded: object = shop.repository.get(ids[sale.customer])
            assert isinstance(loaded, Shopper)
            shopper = loaded
        shopper.buy(sale.day.isoformat(), parse_money(sale.amount, "USD").minor, "USD")
        shop.save(shopper)


def _save_many(shop: Shop, sales: list[Sale]) -> int:
    """Save the purchases of customers that stay in memory, many in a transaction."""
    shoppers: dict[UUID, Shopper] = {}
    touched: dict[UUID, Shopper] = {}
    saved = pending = 0
    for sale in sales:
        new = sale.customer not in shoppers
        if new:
            shoppers[sale.customer] = Shopper(sale.code)
        shopper = shoppers[sale.customer]
        shopper.buy(sale.day.isoformat(), parse_money(sale.amount, "USD").minor, "USD")
        touched[sale.customer] = shopper
        pending += 1 + new
        if pending >= BATCH:
            shop.save(*touched.values())
            saved, pending, touched = saved + pending, 0, {}
    shop.save(*touched.values())
    return saved + pending


def _project(environment: dict[str, str], last: int) -> None:
    with ProjectionRunner(
        application_class=Shop,
        projection_class=CountPurchases,
        view_class=Counts,
        env=environment,
    ) as runner:
        runner.wait(last, timeout=600)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = perf_counter()
    result = work()
    return result, perf_counter() - start


def _sales(file: Path | None) -> list[Sale]:
    if file is None:
        random = Random(1)  # noqa: S311 - the same purchases every time
        codes = [f"{random.randrange(2_357):04}" for _ in range(6_919)]
        days = [date.fromordinal(729_000 + n // 14) for n in range(6_919)]
        return [
            Sale(aggregate_id("customer", "cdnow", code), code, day, f"{random.randrange(99)}.99")
            for code, day in zip(codes, days, strict=True)
        ]
    rows = [line.split() for line in file.read_text().splitlines() if line.strip()]
    return [
        Sale(aggregate_id("customer", "cdnow", code), code, date.fromisoformat(day), amount)
        for _, code, day, _, amount in rows
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Import and rebuild, beside the library.")
    parser.add_argument("file", nargs="?", type=Path, default=FOUND if FOUND.exists() else None)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def _until_stopped(url: str) -> None:
    """See to it that nothing of ours is connected any more."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'bench_%'"
        ).fetchone()
    if row and row[0]:
        sys.exit("a connection was left open")


if __name__ == "__main__":
    main()
