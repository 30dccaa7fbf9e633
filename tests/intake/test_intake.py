"""Files in: good rows become facts once, however often they are read; others are named with why."""

import csv
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest

from crmcore import CRM, Money, NotFound
from crmcore.application.ids import aggregate_id
from crmcore.domain.customer.sales import PurchaseRecorded
from crmcore.intake import (
    InvalidFile,
    Mapping,
    Report,
    RowError,
    import_files,
    load_mapping,
    ready_mappings,
)

SHOP = """
source = "shop"
about = "till"

[fields]
customer = { column = "who", type = "customer" }
who = { column = "who" }
day = { column = "day", type = "date" }
what = { column = "what", optional = true, replace = { Mugg = "Mug" }, known = ["Mug", "Cup"] }
pieces = { column = "pieces", type = "integer", default = "1" }
amount = { column = "amount", type = "decimal", currency = "EUR" }

[[commands]]
command = "customer.register"
to = "customer"
on = "day"
once = true
give = { code = "shop:{who}", name = "Guest {who}", kind = "person" }

[[commands]]
command = "customer.record_purchase"
to = "customer"
on = "day"
give = { purchase = "{row}", amount = "{amount}", quantity = "{pieces}", product = "{what}" }
"""
HEADER = "who,day,what,pieces,amount"
GOOD = ("ada,2026-01-05,Mug,2,10.00", "ben,2026-01-04,,,0", "ada,2026-01-02,Mugg,1,5.5")

Files = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Files:
    def write(*rows: str, name: str = "till.csv", header: str = HEADER) -> Path:
        path = tmp_path / name
        path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def shop(tmp_path: Path) -> Mapping:
    return mapping(tmp_path, SHOP)


def mapping(folder: Path, text: str) -> Mapping:
    path = folder / "mapping.toml"
    path.write_text(text, encoding="utf-8")
    return load_mapping(str(path))


def shopper(key: str) -> UUID:
    return aggregate_id("customer", "shop", key)


def read(crm: CRM, rules: Mapping, *paths: Path) -> Report:
    return import_files(crm, rules, paths)


def purchases(crm: CRM, key: str) -> list[tuple[date, int, int | None, str | None]]:
    events = [(f.effective_at.date(), f.event) for f in crm.history(shopper(key))]
    return [
        (day, event.amount.minor, event.quantity, event.product)
        for day, event in events
        if isinstance(event, PurchaseRecorded)
    ]


def test_rows_become_commands_in_the_order_of_their_days(written: Files, shop: Mapping) -> None:
    crm = CRM.in_memory()
    report = read(crm, shop, written(*GOOD))
    assert report == Report(rows=3, commands=5, repeated=0, facts=5, errors=())
    assert purchases(crm, "ada") == [
        (date(2026, 1, 2), 550, 1, "Mug"),
        (date(2026, 1, 5), 1_000, 2, "Mug"),
    ]
    assert purchases(crm, "ben") == [(date(2026, 1, 4), 0, 1, None)]
    assert [f.effective_at.day for f in crm.feed()] == [2, 2, 4, 4, 5]


def test_a_customer_is_registered_on_the_day_of_its_first_row(
    written: Files, shop: Mapping
) -> None:
    crm = CRM.in_memory()
    read(crm, shop, written(*GOOD))
    assert crm.customer(shopper("ada"), as_of=date(2026, 1, 2)).profile.name == "Guest ada"
    with pytest.raises(NotFound):
        crm.customer(shopper("ada"), as_of=date(2026, 1, 1))


def test_a_fact_says_from_which_row_it_came(written: Files, shop: Mapping) -> None:
    crm = CRM.in_memory()
    read(crm, shop, written(*GOOD))
    last = crm.history(shopper("ada"))[-1]
    assert (last.actor, last.reason) == ("import", "till, till.csv row 1")


def test_a_file_read_again_changes_nothing_also_under_another_name_and_in_another_order(
    written: Files, shop: Mapping
) -> None:
    crm = CRM.in_memory()
    read(crm, shop, written(*GOOD))
    again = read(crm, shop, written(*reversed(GOOD), name="copy.csv"))
    assert (again.commands, again.repeated, again.facts) == (5, 5, 0)


def test_a_longer_file_adds_what_is_new(written: Files, shop: Mapping) -> None:
    crm = CRM.in_memory()
    read(crm, shop, written(*GOOD))
    more = read(crm, shop, written(*GOOD, "ada,2026-01-09,Cup,1,3.00"))
    assert (more.repeated, more.facts) == (5, 1)


def test_equal_rows_of_a_file_without_a_key_are_each_counted(written: Files, shop: Mapping) -> None:
    crm = CRM.in_memory()
    assert read(crm, shop, written(GOOD[0], GOOD[0])).facts == 3
    assert len(purchases(crm, "ada")) == 2
    assert read(crm, shop, written(GOOD[0], GOOD[0])).facts == 0


def test_a_row_with_a_key_that_changed_is_named(tmp_path: Path, written: Files) -> None:
    rules = mapping(tmp_path, SHOP.replace('about = "till"', 'about = "till"\nkey = ["who"]'))
    crm = CRM.in_memory()
    assert read(crm, rules, written(GOOD[0])).errors == ()
    report = read(crm, rules, written("ada,2026-01-05,Mug,2,11.00"))
    [error] = report.errors
    assert (report.facts, error.row) == (0, 1)
    assert error.reason.startswith("customer.record_purchase: command id ")
    assert error.reason.endswith("was used for another command")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("ada,2026-02-30,Mug,1,1.00", "day: day is out of range for month"),
        ("ada,0001-01-01,Mug,1,1.00", "day: '0001-01-01' is not between 0002-01-01 and 9998-12-31"),
        ("ada,02.03.2026,Mug,1,1.00", "day: time data '02.03.2026' does not match format "),
        ("ada,2026-01-05,Teapot,1,1.00", "what: 'Teapot' is not known"),
        ("ada,2026-01-05,Mug,1.5,1.00", "pieces: '1.5' is not a whole number"),
        ("ada,2026-01-05,Mug,1,1e3", "amount: '1e3' is not an amount with up to 2 decimals"),
        ("ada,2026-01-05,Mug,1,1.005", "amount: '1.005' is not an amount with up to 2 decimals"),
        ("ada,2026-01-05,Mug,1,", "amount is empty"),
        (",2026-01-05,Mug,1,1.00", "who is empty"),
        ("ada,2026-01-05,Mug,1", "4 columns where the header has 5"),
        ("ada,2026-01-05,Mug,1,1.00,?", "6 columns where the header has 5"),
        ("ada,2026-01-05,Mug,-1,1.00",
         "customer.record_purchase: Expected `int` >= 0 - at `$.quantity`"),
        ("ada,2026-01-05,Mug,1,-1.00",
         "customer.record_purchase: An amount of money that changes hands is more than nothing."),
        ("ada,2999-01-05,Mug,1,1.00",
         "customer.record_purchase: A fact takes effect at the latest when it is recorded."),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_with_the_reason_and_the_good_rows_go_in(
    written: Files, shop: Mapping, row: str, reason: str
) -> None:
    crm = CRM.in_memory(clock=lambda: datetime(2026, 6, 1, tzinfo=UTC))
    report = read(crm, shop, written(GOOD[1], row, GOOD[2]))
    assert {(error.file, error.row) for error in report.errors} == {("till.csv", 2)}
    assert report.errors[-1].reason.startswith(reason)
    assert report.rows == 3
    assert purchases(crm, "ada") == [(date(2026, 1, 2), 550, 1, "Mug")]
    assert len(purchases(crm, "ben")) == 1


def test_a_file_that_cannot_be_read_changes_nothing(
    tmp_path: Path, written: Files, shop: Mapping
) -> None:
    crm = CRM.in_memory()
    good = written(*GOOD)
    bytes_of_no_text = tmp_path / "latin.csv"
    bytes_of_no_text.write_bytes(HEADER.encode() + b"\n\xe4da,2026-01-05,Mug,1,1.00\n")
    quoted = written('ada,2026-01-05,"Mug', name="quoted.csv")
    for bad, said in (
        (
            written(name="short.csv", header="who,day"),
            "short.csv: there is no column amount, pieces",
        ),
        (written(name="none.csv", header=""), "none.csv: there is no column"),
        (written(name="twice.csv", header=f"{HEADER},day"), "a column occurs twice in the header"),
        (bytes_of_no_text, "codec can't decode byte 0xe4"),
        (quoted, "unexpected end of data"),
        (tmp_path / "nix.csv", "nix.csv: No such file or directory"),
    ):
        with pytest.raises(InvalidFile, match=said):
            read(crm, shop, good, bad)
    assert crm.position() == 0


def test_a_cut_import_goes_on_where_it_stopped(
    written: Files, shop: Mapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crmcore.intake.run.BATCH", 2)
    crm, path = CRM.in_memory(), written(*GOOD)

    class CutError(Exception):
        pass

    def cut(done: int, total: int) -> None:
        assert total == 5
        if done >= 4:
            raise CutError

    with pytest.raises(CutError):
        import_files(crm, shop, [path], progress=cut)
    assert crm.position() == 4
    report = read(crm, shop, path)
    assert (report.repeated, report.facts) == (4, 1)


def test_columns_at_fixed_places_are_cut_there(tmp_path: Path) -> None:
    text = SHOP.replace(
        "[fields]",
        '[file]\nformat = "fixed"\ncolumns = { who = [1, 3], day = [5, 14], what = [16, 18], '
        "pieces = [20, 21], amount = [22, 28] }\n\n[fields]",
    )
    rules = mapping(tmp_path, text)
    path = tmp_path / "till.txt"
    path.write_bytes(b"ada 2026-01-05 Mug  2  10.00\r\n\r\nben 2026-01-04\r\n")
    crm = CRM.in_memory()
    report = read(crm, rules, path)
    assert report.errors == (RowError(file="till.txt", row=2, reason="amount is empty"),)
    assert purchases(crm, "ada") == [(date(2026, 1, 5), 1_000, 2, "Mug")]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('type = "integer"', 'type = "number"', "fields.pieces.type: Input should be "),
        ('currency = "EUR"', 'currency = "euro"', "fields.amount.currency: String should match"),
        (', currency = "EUR"', "", "a decimal field is money and states its currency"),
        ('to = "customer"', 'to = "nobody"', "there is no field 'nobody'"),
        ('to = "customer"', 'to = "day"', "field 'day' is of another aggregate"),
        ('on = "day"', 'on = "who"', "field 'who' is no date"),
        ('source = "shop"', "source = shop", "mapping.toml: Invalid value (at line 2"),
        ('about = "till"', 'about = "till"\nfoo = 1', "foo: Extra inputs are not permitted"),
        ('about = "till"', 'about = "till"\nfile = { format = "fixed" }', "a fixed layout names"),
        ('about = "till"',
         'about = "till"\nfile = { format = "fixed", columns = { who = [3, 1] } }',
         "a column's first character comes before its last"),
        ("once = true", 'when = { pieces = ["1"] }', "no field lists what column 'pieces'"),
        ("customer.record_purchase", "customer.buy", "there is no command 'customer.buy'"),
        ("product = ", "thing = ", "customer.record_purchase: there is no thing"),
        ('"{what}"', '"{why}"', "customer.record_purchase: there is no why"),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_be_right_is_refused_before_anything_is_recorded(
    tmp_path: Path, written: Files, old: str, new: str, said: str
) -> None:
    crm = CRM.in_memory()
    assert old in SHOP
    with pytest.raises(InvalidFile) as caught:
        read(crm, mapping(tmp_path, SHOP.replace(old, new)), written(*GOOD))
    assert said in str(caught.value)
    assert crm.position() == 0


def test_a_mapping_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(InvalidFile, match="ready ones are accounts, cdnow, pipeline, receivables"):
        load_mapping("nix")


@pytest.mark.parametrize("name", ready_mappings())
def test_every_ready_mapping_fits_the_commands_there_are(name: str, tmp_path: Path) -> None:
    rules = load_mapping(name)
    path = tmp_path / "empty"
    with path.open("w", encoding="utf-8") as stream:
        if rules.file.format == "csv":
            csv.writer(stream).writerow(sorted(rules.columns()))
    assert read(CRM.in_memory(), rules, path).rows == 0


def test_nested_values_are_filled_and_left_out_where_empty(tmp_path: Path) -> None:
    rules = load_mapping("accounts")
    path = tmp_path / "accounts.csv"
    path.write_text(
        "account,sector,year_established,revenue,employees,office_location,subsidiary_of\n"
        "Inity,technolgy,1996,2403.58,8801,Philipines,\n"
    )
    crm = CRM.in_memory()
    assert read(crm, rules, path).errors == ()
    known = crm.customer(aggregate_id("customer", "pipeline", "Inity")).profile.registration
    assert known.founded_on == date(1996, 1, 1)
    assert known.business_lines == ("technology",)
    assert (known.country, known.employees) == ("Philippines", 8801)
    assert known.parent is not None
    assert not isinstance(known.annual_revenue, type(known.parent))
    assert str(getattr(known.annual_revenue, "amount", None)) == "2403580000.00 USD"


def test_a_command_may_stand_on_another_word_and_authority(tmp_path: Path) -> None:
    path = tmp_path / "limits.csv"
    path.write_text("customer,investigated,score,limit,decided\nK1,2026-01-05,70,5000,2026-01-08\n")
    crm = CRM.in_memory()
    who = shopper("K1")
    customers = tmp_path / "customers.csv"
    customers.write_text("code,name,kind,since,payment_days\nK1,Mill,organisation,2026-01-01,14\n")
    assert read(crm, load_mapping("shop_customers"), customers).facts == 2
    assert read(crm, load_mapping("shop_limits"), path).errors == ()
    assert crm.customer(who).credit.limit == Money(minor=500_000, currency="EUR")
    assert [f.actor for f in crm.history(who)] == [
        "import", "import", "credit desk", "credit desk", "general manager",
    ]  # fmt: skip
