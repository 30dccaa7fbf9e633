"""Three public data sets in one CRM: the figures their makers state, and what follows from them."""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from crmcore import CRM
from crmcore.application.ids import aggregate_id
from crmcore.domain import customer, opportunity
from crmcore.domain.recorded import Recorded
from crmcore.intake import Report, import_files, load_mapping
from crmcore.projections.lifecycle import Policy
from crmcore.projections.summary import Receivables, Total
from tests.plain import buyer_stage

FILES = (
    ("cdnow", "CDNOW_sample.txt"),
    ("accounts", "accounts.csv"),
    ("pipeline", "sales_pipeline.csv"),
    ("receivables", "ar.csv"),
)


@pytest.fixture(scope="module")
def crm() -> Iterator[CRM]:
    with CRM.in_memory() as crm:
        yield crm


@pytest.fixture(scope="module")
def imports(crm: CRM, data: Path) -> list[Report]:
    return [import_files(crm, load_mapping(mapping), [data / file]) for mapping, file in FILES]


@pytest.fixture(scope="module")
def full(crm: CRM, imports: list[Report]) -> CRM:
    assert len(imports) == 4
    return crm


# The raw files, read by nothing of ours.


@pytest.fixture(scope="module")
def purchases(data: Path) -> dict[str, list[tuple[date, int]]]:
    """Days and cents by customer, in the order of the file."""
    found = defaultdict(list)
    for line in (data / "CDNOW_sample.txt").read_text("ascii").splitlines():
        _, name, day, _, dollars = line.split()
        found[name].append((date.fromisoformat(day), int(dollars.replace(".", ""))))
    return dict(found)


@pytest.fixture(scope="module")
def deals(data: Path) -> list[dict[str, str]]:
    with (data / "sales_pipeline.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def invoices(data: Path) -> list[dict[str, str]]:
    with (data / "ar.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def american(text: str) -> date:
    month, day, year = text.split("/")
    return date(int(year), int(month), int(day))


def stage_of(bought: list[tuple[date, int]], today: date) -> str | None:
    if min(day for day, _ in bought) > today:
        return None
    days = {day for day, cents in bought if cents > 0 and day <= today}
    return buyer_stage(days, today) if days else "prospect"


# Figures of the makers


def test_every_row_goes_in(imports: list[Report]) -> None:
    assert [report.rows for report in imports] == [6_919, 85, 8_800, 2_466]
    assert [report.errors for report in imports] == [(), (), (), ()]


def test_a_second_import_adds_no_fact(full: CRM, data: Path) -> None:
    before = full.position()
    again = [import_files(full, load_mapping(mapping), [data / file]) for mapping, file in FILES]
    assert [report.facts for report in again] == [0, 0, 0, 0]
    assert [report.commands - report.repeated for report in again] == [0, 0, 0, 0]
    assert [report.errors for report in again] == [(), (), (), ()]
    assert full.position() == before == 31_111


def test_the_summary_states_the_figures_of_the_makers(full: CRM) -> None:
    summary = full.summary()
    assert summary.customers == 2_357 + 85 + 100
    assert summary.currency == "USD"
    assert summary.other_currencies == {}
    assert summary.purchases == Total(count=6_919, amount="244091.94")
    assert summary.returned == Total(count=0, amount="0.00")
    assert summary.opportunities == {
        "won": Total(count=4_238, amount="10005534.00"),
        "lost": Total(count=2_473, amount="0.00"),
        "open": Total(count=1_589 + 500, amount="0.00"),
    }
    assert summary.receivables == Receivables(
        invoices=2_466, amount="147703.18", disputed=561, paid_late=877
    )
    assert summary.tickets == {}
    assert summary.loyalty == {"accounts": 0, "points": 0}


def test_the_summary_of_the_last_day_of_each_set_counts_its_customers(full: CRM) -> None:
    music = full.summary(as_of=date(1998, 6, 30))
    assert (music.customers, music.purchases) == (2_357, Total(count=6_919, amount="244091.94"))
    invoiced = full.summary(as_of=date(2014, 1, 9))
    assert invoiced.customers == 2_357 + 100
    assert invoiced.receivables.paid_late == 877
    assert full.summary(as_of=date(1996, 12, 31)).facts == 0


def days_of(log: list[Recorded[object]], *kinds: type) -> tuple[date, date]:
    days = sorted(fact.effective_at.date() for fact in log if isinstance(fact.event, kinds))
    return days[0], days[-1]


def test_the_facts_lie_on_the_days_of_the_makers(full: CRM) -> None:
    log = list(full.journal.log(through=full.position()))
    assert days_of(log, customer.sales.PurchaseRecorded) == (date(1997, 1, 1), date(1998, 6, 30))
    assert days_of(log, opportunity.OpportunityOpened) == (date(2016, 10, 20), date(2017, 12, 27))
    closed = days_of(log, opportunity.OpportunityWon, opportunity.OpportunityLost)
    assert closed == (date(2017, 3, 1), date(2017, 12, 31))
    assert days_of(log, customer.receivables.InvoiceIssued)[0] == date(2012, 1, 3)
    assert days_of(log, customer.receivables.PaymentReceived)[1] == date(2014, 1, 9)


def test_what_has_no_amount_or_no_account_is_kept(full: CRM) -> None:
    events = [(fact.event, fact.customer) for fact in full.journal.log(through=full.position())]
    bought = [e for e, _ in events if isinstance(e, customer.sales.PurchaseRecorded)]
    assert sum(event.amount.minor == 0 for event in bought) == 8
    opened = [(e, c) for e, c in events if isinstance(e, opportunity.OpportunityOpened)]
    assert Counter(event.stage for event, owner in opened if owner is None) == {
        "engaging": 1_088,
        "prospecting": 337,
    }
    assert {event.product for event, _ in opened} == {
        "GTK 500", "GTX Basic", "GTX Plus Basic", "GTX Plus Pro", "GTX Pro",
        "MG Advanced", "MG Special",
    }  # fmt: skip


def test_the_latest_payment_came_45_days_late(full: CRM) -> None:
    due: dict[tuple[object, str], date] = {}
    late: list[int] = []
    for fact in full.journal.log(through=full.position()):
        match fact.event:
            case customer.receivables.InvoiceIssued(invoice=name, due_on=due_on):
                due[fact.customer, name] = due_on
            case customer.receivables.PaymentReceived(invoice=name):
                late.append((fact.effective_at.date() - due[fact.customer, name]).days)
            case _:
                pass
    assert (len(late), max(late)) == (2_466, 45)


# Customers of the music shop


@pytest.mark.parametrize(
    ("name", "today", "stage"),
    [
        # Bought on 1997-01-01, 01-18, 08-02 and 12-12. The last two lie within 12 months until
        # 1998-08-02; six months after the last one is 1998-06-12, eighteen are 1999-06-12.
        ("0001", date(1997, 1, 17), "new"),
        ("0001", date(1997, 12, 31), "active"),
        ("0001", date(1998, 6, 30), "inactive"),
        ("0001", date(1999, 6, 30), "lost"),
        # Bought once, on 1997-01-01: six months later is 1997-07-01, eighteen are 1998-07-01.
        ("0003", date(1997, 6, 30), "new"),
        ("0003", date(1997, 7, 1), "inactive"),
        ("0003", date(1998, 7, 1), "lost"),
        # Bought on 1997-01-03, and twice on 1998-04-11, which is one day within 12 months: too few
        # to be active, and too late to be new. Six months later is 1998-10-11.
        ("0051", date(1998, 4, 10), "inactive"),
        ("0051", date(1998, 6, 30), "reactivated"),
        ("0051", date(1998, 10, 11), "inactive"),
        # Bought on 1997-01-31, 1997-12-31 and 1998-06-30. Six months after the first are over on
        # 1997-07-31. The first leaves the 12 months on 1998-01-31, and six months after the second
        # are over on 1998-06-30, the last day of a shorter month: the day of the third purchase.
        # Six months after that one are over on 1998-12-30.
        ("0763", date(1997, 7, 30), "new"),
        ("0763", date(1997, 7, 31), "inactive"),
        ("0763", date(1998, 1, 30), "active"),
        ("0763", date(1998, 1, 31), "reactivated"),
        ("0763", date(1998, 6, 30), "active"),
        ("0763", date(1998, 12, 30), "inactive"),
        # Took something for 0.00 on 1997-01-05, and nothing else ever.
        ("0087", date(1997, 1, 4), None),
        ("0087", date(1997, 1, 5), "prospect"),
        ("0087", date(1998, 12, 31), "prospect"),
    ],
)
def test_a_customer_of_the_music_shop_has_the_stage_that_we_calculated_by_hand(
    full: CRM,
    purchases: dict[str, list[tuple[date, int]]],
    name: str,
    today: date,
    stage: str | None,
) -> None:
    said = full.lifecycle(aggregate_id("customer", "cdnow", name), as_of=today)
    assert (said.answer if said else None) == stage
    assert stage_of(purchases[name], today) == stage


def test_an_answer_says_since_when_it_holds_and_when_it_ends(full: CRM) -> None:
    ann = aggregate_id("customer", "cdnow", "0001")
    active = full.lifecycle(ann, as_of=date(1997, 12, 31))
    assert active is not None
    # Inactive from 1997-07-18, and back on 08-02.
    assert active.since == datetime(1997, 8, 2, tzinfo=UTC)
    assert active.next_change_at == datetime(1998, 6, 12, tzinfo=UTC)
    lost = full.lifecycle(ann, as_of=date(1999, 6, 30))
    assert lost is not None
    assert lost.since == datetime(1999, 6, 12, tzinfo=UTC)
    assert lost.next_change_at is None


@pytest.mark.parametrize(
    ("today", "counts"),
    [
        (date(1997, 12, 31), {"prospect": 8, "active": 619, "inactive": 1_730}),
        (
            date(1998, 6, 30),
            {"prospect": 8, "active": 385, "reactivated": 130, "inactive": 1_834},
        ),
        (date(1998, 12, 31), {"prospect": 8, "inactive": 812, "lost": 1_537}),
    ],
)
def test_all_customers_of_the_music_shop_have_the_stage_of_the_sentences(
    full: CRM, purchases: dict[str, list[tuple[date, int]]], today: date, counts: dict[str, int]
) -> None:
    assert Counter(stage_of(bought, today) for bought in purchases.values()) == counts
    summary = full.summary(as_of=today)
    assert {stage: n for stage, n in summary.lifecycle.items() if n} == counts
    cents = sum(c for bought in purchases.values() for day, c in bought if day <= today)
    assert summary.purchases.amount == f"{cents // 100}.{cents % 100:02}"


MONTH_ENDS = [
    (date(1997, 6, 30), date(1997, 12, 31)),
    (date(1997, 12, 31), date(1998, 6, 30)),
    (date(1998, 6, 30), date(1998, 12, 31)),
]


@pytest.mark.parametrize("days", MONTH_ENDS, ids=str)
def test_customers_of_the_music_shop_go_from_stage_to_stage_as_the_sentences_say(
    full: CRM, purchases: dict[str, list[tuple[date, int]]], days: tuple[date, date]
) -> None:
    earlier, later = days
    by_hand = Counter(
        (stage_of(bought, earlier), stage_of(bought, later)) for bought in purchases.values()
    )
    found = full.transitions("lifecycle", earlier, later)
    names = {(one.before, one.after): one.customers for one in found if one.before or one.after}
    assert names == {moved: number for moved, number in by_hand.items() if moved != (None, None)}
    assert sum(by_hand.values()) == len(purchases) == 2_357


def test_who_bought_again_is_who_did_in_the_file(
    full: CRM, purchases: dict[str, list[tuple[date, int]]]
) -> None:
    before, since, until = date(1997, 1, 1), date(1997, 7, 1), date(1998, 1, 1)
    days = [
        {day for day, cents in bought if cents and day < until} for bought in purchases.values()
    ]
    first = [one for one in days if any(day < since for day in one)]
    again = [one for one in first if any(day >= since for day in one)]
    found = full.buying(before, since, until)
    assert (found.before, found.retained) == (len(first), len(again))
    assert found.ever == sum(bool(one) for one in days)
    assert found.again == sum(len(one) > 1 for one in days)


def test_under_the_same_policies_no_customer_of_the_files_moves(full: CRM) -> None:
    found = full.what_if(full.policies, as_of=date(1998, 6, 30))
    assert not any(found.moves.values())
    shorter = replace(full.policies, lifecycle=Policy(inactive_after_months=3))
    moved = full.what_if(shorter, as_of=date(1998, 6, 30)).moves["lifecycle"]
    assert len(moved) > 100
    assert {move.after.answer for move in moved} == {"inactive"}


# Deals and invoices in the middle of their time


def test_the_pipeline_of_a_past_day_is_the_one_of_the_file(
    full: CRM, deals: list[dict[str, str]]
) -> None:
    today = date(2017, 6, 30)
    found: Counter[str] = Counter()
    dollars: Counter[str] = Counter()
    for row in deals:
        if row["engage_date"] and american(row["engage_date"]) > today:
            continue
        closed = bool(row["close_date"]) and american(row["close_date"]) <= today
        outcome = row["deal_stage"].lower() if closed else "open"
        found[outcome] += 1
        dollars[outcome] += int(row["close_value"]) if closed else 0
    assert found == {"won": 1_785, "lost": 894, "open": 2_186}
    assert dollars == {"won": 4_220_783, "lost": 0, "open": 0}
    assert full.summary(as_of=today).opportunities == {
        "won": Total(count=1_785, amount="4220783.00"),
        "lost": Total(count=894, amount="0.00"),
        "open": Total(count=2_186, amount="0.00"),
    }


def test_the_invoices_of_a_past_day_are_those_of_the_file(
    full: CRM, invoices: list[dict[str, str]]
) -> None:
    today = date(2013, 6, 30)
    issued = [row for row in invoices if american(row["InvoiceDate"]) <= today]
    paid = [row for row in issued if american(row["SettledDate"]) <= today]
    late = [row for row in paid if american(row["SettledDate"]) > american(row["DueDate"])]
    disputed = [row for row in issued if row["Disputed"] == "Yes"]
    assert (len(issued), len(disputed), len(late)) == (1_930, 439, 679)
    assert sum(round(float(row["InvoiceAmount"]) * 100) for row in issued) == 11_544_459
    assert full.summary(as_of=today).receivables == Receivables(
        invoices=1_930, amount="115444.59", disputed=439, paid_late=679
    )


def test_a_customer_owes_what_the_file_leaves_open(
    full: CRM, invoices: list[dict[str, str]]
) -> None:
    today = date(2013, 6, 30)
    left: dict[str, int] = defaultdict(int)
    for row in invoices:
        if american(row["InvoiceDate"]) <= today < american(row["SettledDate"]):
            left[row["customerID"]] += round(float(row["InvoiceAmount"]) * 100)
    assert len(left) > 50
    for name, cents in left.items():
        known = full.customer(aggregate_id("customer", "receivables", name), as_of=today)
        assert sum(invoice.left.minor for invoice in known.invoices) == cents
