"""Three years of a made-up shop as CSV files, the same ones every time."""

import csv
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from random import Random

from crmcore.domain.value import Value

SEED = 20260101
START, END = date(2023, 1, 1), date(2025, 12, 31)
CUSTOMERS = 320
PLACES = ("Harbour", "Hill", "Market", "Mill", "North", "Park", "River", "Station", "Tower", "West")
TRADES = ("Bakery", "Garage", "Hotel", "School", "Clinic", "Studio", "Theatre", "Vineyard")
SUBJECTS = ("late parcel", "broken lid", "wrong size", "how to clean")
PRODUCTS = {"filter": 1290, "kettle": 4900, "grinder": 12900, "roaster": 189000, "beans": 1850}
"""Prices in cents."""

Row = Sequence[object]


class Buyer(Value):
    """How a customer of the shop behaves."""

    code: str
    name: str
    kind: str
    since: date
    days_between: int
    until: date
    on_account: bool
    pays_late_days: int


def write_files(folder: Path) -> dict[str, Path]:
    """Write the files and return their paths by the mapping that reads each; two read the till."""
    folder.mkdir(parents=True, exist_ok=True)
    random = Random(SEED)  # noqa: S311 - the same files every time
    buyers = [_buyer(random, number) for number in range(1, CUSTOMERS + 1)]
    sales = [row for buyer in buyers if not buyer.on_account for row in _sales(random, buyer)]
    invoices = [row for buyer in buyers if buyer.on_account for row in _invoices(random, buyer)]
    tables: dict[str, tuple[str, Iterable[Row]]] = {
        "shop_customers": ("code,name,kind,since,payment_days", _cards(buyers)),
        "shop_sales": ("sale,customer,day,product,quantity,amount", [*sales, *_slips()]),
        "shop_invoices": ("invoice,customer,issued,due,amount,paid,disputed", invoices),
        "shop_limits": ("customer,investigated,score,limit,decided", _limits(random, buyers)),
        "shop_deals": ("deal,customer,title,opened,closed,outcome,amount", _deals(random, buyers)),
        "shop_tickets": (
            "ticket,customer,opened,subject,kind,answered,csat",
            _tickets(random, buyers),
        ),
    }
    paths = {name: _write(folder / f"{name}.csv", *table) for name, table in tables.items()}
    return paths | {"shop_members": paths["shop_sales"]}


def _write(path: Path, header: str, rows: Iterable[Row]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return path


def _buyer(random: Random, number: int) -> Buyer:
    """A fifth buys on account; a third stops buying some day."""
    on_account = number % 5 == 0
    name = f"{random.choice(PLACES)} {random.choice(TRADES)}" if on_account else f"Guest {number}"
    since = START + timedelta(days=random.randrange(0, 900))
    stays = random.randrange(3) > 0
    return Buyer(
        code=f"K{number:04}",
        name=name,
        kind="organisation" if on_account else "person",
        since=since,
        days_between=random.choice((20, 45, 90, 160, 400)),
        until=END if stays else since + timedelta(days=random.randrange(1, 500)),
        on_account=on_account,
        pays_late_days=random.choice((0, 0, 0, 4, 18, 70)) if on_account else 0,
    )


def _cards(buyers: Iterable[Buyer]) -> list[Row]:
    return [(b.code, b.name, b.kind, b.since, 30 if b.on_account else "") for b in buyers]


def _days(random: Random, buyer: Buyer) -> list[date]:
    """The days on which a customer buys."""
    days, day = [], buyer.since + timedelta(days=random.randrange(0, 30))
    while day <= min(buyer.until, END):
        days.append(day)
        day += timedelta(days=random.randrange(buyer.days_between // 2, buyer.days_between * 2))
    return days


def _sales(random: Random, buyer: Buyer) -> list[Row]:
    rows: list[Row] = []
    for nth, day in enumerate(_days(random, buyer), 1):
        product = random.choice(sorted(PRODUCTS))
        quantity = random.randrange(1, 4) if product != "roaster" else 1
        amount = f"{PRODUCTS[product] * quantity / 100:.2f}"
        rows.append((f"{buyer.code}-{nth}", buyer.code, day, product, quantity, amount))
    return rows


def _slips() -> list[Row]:
    """Rows that no importer should let in."""
    return [
        ("S-1", "K0001", "2024-02-30", "kettle", 1, "49.00"),
        ("S-2", "K0002", "2024-03-01", "kettle", 1, "4.9.00"),
        ("S-3", "K0003", "2024-03-02", "teapot", 1, "39.00"),
    ]


def _invoices(random: Random, buyer: Buyer) -> list[Row]:
    rows: list[Row] = []
    for nth, day in enumerate(_days(random, buyer), 1):
        amount = f"{random.randrange(20_000, 400_000) / 100:.2f}"
        due = day + timedelta(days=30)
        paid = due + timedelta(days=random.randrange(-20, 1) + buyer.pays_late_days)
        disputed = "yes" if random.randrange(20) == 0 else "no"
        settled = paid if paid <= END else ""
        rows.append((f"R-{buyer.code}-{nth}", buyer.code, day, due, amount, settled, disputed))
    return rows


def _limits(random: Random, buyers: Iterable[Buyer]) -> list[Row]:
    rows: list[Row] = []
    for buyer in buyers:
        if buyer.on_account and random.randrange(5) > 0:
            day = max(buyer.since, date(2025, 1, 15)) + timedelta(days=random.randrange(0, 90))
            score = random.randrange(35, 98)
            rows.append((buyer.code, day, score, f"{score * 150}.00", day + timedelta(days=3)))
    return rows


def _deals(random: Random, buyers: Iterable[Buyer]) -> list[Row]:
    rows: list[Row] = []
    for buyer in buyers:
        opened = buyer.since + timedelta(days=random.randrange(0, 200))
        closed = opened + timedelta(days=random.randrange(10, 120))
        outcome = random.choice(("won", "won", "lost", "open"))
        if random.randrange(4) or opened > END:
            continue
        if closed > END:
            outcome = "open"
        title = f"{random.choice(('bar', 'kitchen', 'lounge'))} for {buyer.name}"
        amount = f"{random.randrange(5, 90) * 100}.00"
        day = "" if outcome == "open" else closed
        rows.append((f"D-{buyer.code}", buyer.code, title, opened, day, outcome, amount))
    return rows


def _tickets(random: Random, buyers: Iterable[Buyer]) -> list[Row]:
    rows: list[Row] = []
    for buyer in buyers:
        for nth in range(random.choice((0, 0, 0, 1, 2))):
            opened = buyer.since + timedelta(days=random.randrange(10, 400))
            if opened > END:
                continue
            answered = opened + timedelta(days=random.randrange(0, 6))
            subject = random.choice(SUBJECTS)
            kind = "complaint" if subject == "broken lid" else "request"
            csat = random.choice(("", "", "5", "4", "2"))
            ticket = f"T-{buyer.code}-{nth}"
            rows.append((ticket, buyer.code, opened, subject, kind, min(answered, END), csat))
    return rows
