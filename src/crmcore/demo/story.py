"""What the demonstration shows: files in, two dates, one customer's reasons, a late fact."""

import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from uuid import UUID

from rich.console import Console
from rich.rule import Rule
from rich.table import Table

from crmcore import printing
from crmcore.application.ids import command_id
from crmcore.application.verification import Progress
from crmcore.crm import CRM
from crmcore.demo.shop import write_files
from crmcore.domain.bounds import MIGRATION
from crmcore.domain.customer import RecordPurchase
from crmcore.domain.money import Money
from crmcore.domain.value import Value
from crmcore.intake import import_files, load_mapping
from crmcore.projections.projection import Answer
from crmcore.projections.summary import Summary
from crmcore.telling import customer_id

BEFORE, AFTER = date(2024, 6, 30), date(2025, 12, 31)
ON_ACCOUNT, AT_THE_TILL = "shop:K0060", "shop:K0004"
LATE = command_id("demo", "late slip", "customer.record_purchase")

Bar = Callable[[str], AbstractContextManager[Progress]]


class Story(Value):
    """What the demonstration found: summaries, a card, and an answer before and after."""

    store: str
    summaries: tuple[Summary, ...]
    card: printing.Card
    late: tuple[Answer, ...]


def tell(out: Console, directory: Path, store: str | None, bar: Bar) -> Story:
    """Make the files, import them, and print what can be asked; a second time says the same."""
    _chapter(out, "A shop's files of three years, written by a generator, read like anybody's")
    paths = write_files(directory / "files")
    place = store or str(directory / "store")
    with CRM.open(place) as crm:
        for name, path in paths.items():
            with bar(path.name) as progress:
                done = import_files(crm, load_mapping(name), [path], progress=progress)
            out.print(f"[dim]crmcore import {name} {path}[/]")
            printing.report(out, done)
        return _ask(out, crm, place)


def _ask(out: Console, crm: CRM, store: str) -> Story:
    known = _before_the_late_fact(crm)
    summaries = tuple(crm.summary(as_of=day, known_at=known) for day in (BEFORE, AFTER))
    for day, found in zip((BEFORE, AFTER), summaries, strict=True):
        _chapter(out, f"The business as of {day}")
        printing.summary(out, found)
    _chapter(out, f"One customer as of {AFTER}, with the reasons")
    card = printing.card(crm, customer_id(ON_ACCOUNT), AFTER, known)
    printing.show(out, crm, card)
    _chapter(out, "A late fact: a slip of 2025-11-20 is found, and recorded today")
    late = _late(out, crm, customer_id(AT_THE_TILL), known)
    _chapter(out, "What to try next")
    for line in _next(store):
        out.print(line, highlight=False, markup=False)
    return Story(store=store, summaries=summaries, card=card, late=late)


def _before_the_late_fact(crm: CRM) -> int:
    """Return the log position before the late fact, also when the story was told before."""
    late = _position_of_the_late_fact(crm)
    return crm.position() if late is None else late - 1


def _position_of_the_late_fact(crm: CRM) -> int | None:
    facts = crm.history(customer_id(AT_THE_TILL))
    return next((fact.position for fact in facts if fact.command_id == LATE), None)


def _late(out: Console, crm: CRM, customer: UUID, known: int) -> tuple[Answer, ...]:
    slip = RecordPurchase(purchase="slip", amount=Money(minor=189_000, currency="EUR"))
    act = crm.act(
        "demo",
        because="slip found",
        roles=[MIGRATION],  # the story is of a day that is longer ago each day
        effective_at=date(2025, 11, 20),
        command_id=LATE,
    )
    crm.do(slip, to=customer, act=act)
    position = _position_of_the_late_fact(crm)
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for column in ("asked", "stage", "ABC", "RFM"):
        table.add_column(column)
    stages: list[Answer] = []
    for what, at in (("as it was known before", known), ("as it is known now", position)):
        stage = crm.lifecycle(customer, as_of=AFTER, known_at=at)
        tiers = crm.value(customer, as_of=AFTER, known_at=at)
        assert stage is not None
        assert tiers is not None
        stages.append(stage)
        table.add_row(
            f"{AFTER}, {what} (position {at})", stage.answer, tiers.abc.answer, tiers.rfm.answer
        )
    out.print(table)
    out.print(
        "Nothing was overwritten: the first line is what every report of that day said, and it "
        "says so still."
    )
    return tuple(stages)


def _next(place: str) -> list[str]:
    store = f"--store {shlex.quote(place)}"
    return [
        f"  crmcore show {AT_THE_TILL} {store} --as-of 2024-12-31",
        f"  crmcore history {ON_ACCOUNT} {store}",
        f"  crmcore summary {store} --as-of 2025-06-30 --json",
        f"  crmcore rebuild {store}",
        "  crmcore import MAPPING FILE...   (your own: docs/how-to/import-your-files.md)",
        "  (from a checkout: .venv/bin/crmcore)",
    ]


def _chapter(out: Console, title: str) -> None:
    out.print()
    out.print(Rule(f"[bold]{title}[/]", align="left", style="dim"))
