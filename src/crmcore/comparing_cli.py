"""The command line of comparisons: of all days so far, of two days, of two sets of policies."""

from datetime import date
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.console import Console
from rich.markup import escape

from crmcore.comparing import OWN, QUESTIONS, Moved, Question, WhatIf
from crmcore.crm import CRM, DEFAULT_STORE
from crmcore.domain.calendar import zone
from crmcore.domain.value import Value
from crmcore.policy_files import load
from crmcore.projections.spells import Spell
from crmcore.telling import customer_id, day_text
from crmcore.terminal import (
    AsOf,
    Json,
    KnownAt,
    Store,
    answering,
    known,
    out,
    print_answer,
    table_of,
    when,
)

MOVES_SHOWN_MAX = 40
CAUSES = {"policies": "other policies", "time": "time passed"}

Asked: TypeAlias = Annotated[
    str, typer.Option("--question", "-q", help=f"One of {', '.join(QUESTIONS)}.")
]


class Told(Value):
    """What was said of a customer: the spells of each question."""

    lifecycle: tuple[Spell, ...]
    credit: tuple[Spell, ...]


def timeline(
    customer: Annotated[str, typer.Argument(help="A customer's id, or SOURCE:KEY of an import.")],
    store: Store = DEFAULT_STORE,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    as_json: Json = False,
) -> None:
    """Show what was answered from when to when, each by the policies of then, and what brought it.

    Example: crmcore timeline cdnow:0001 --as-of 1999-12-31
    """
    with answering(), CRM.open(store, create=False) as crm:
        asked, position = customer_id(customer), crm.position(known(known_at))
        told = Told(
            **{
                question: crm.timeline(asked, question, as_of=when(as_of), known_at=position)
                for question in OWN
            }
        )
        print_answer(told, as_json, lambda: _print_timeline(out, told, crm.policies.time_zone))


def transitions(
    earlier: Annotated[str, typer.Argument(help="A day, such as 2025-12-31.")],
    later: Annotated[str, typer.Argument(help="Another day.")],
    question: Asked = "lifecycle",
    store: Store = DEFAULT_STORE,
    known_at: KnownAt = None,
    as_json: Json = False,
) -> None:
    """Count how many customers went from which answer to which between two days.

    Example: crmcore transitions 1997-12-31 1998-06-30
    """
    days = (_day(earlier, "EARLIER"), _day(later, "LATER"))
    with answering(), CRM.open(store, create=False) as crm:
        found = crm.transitions(_question(question), *days, known_at=known(known_at))
        print_answer(found, as_json, lambda: _print_matrix(out, found))


def what_if(
    file: Annotated[Path, typer.Argument(help="A TOML file, such as `show` prints.")],
    store: Store = DEFAULT_STORE,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    as_json: Json = False,
) -> None:
    """Show who would be answered otherwise under the numbers of a file, and by which rule.

    Example: crmcore policy what-if policies.toml --as-of 2025-12-31
    """
    with answering(), CRM.open(store, create=False) as crm:
        found = crm.what_if(load(file), as_of=when(as_of), known_at=known(known_at))
        print_answer(found, as_json, lambda: _print_what_if(out, found))


def _day(text: str, argument: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text[:40]!r} is no date such as 2025-12-31", param_hint=argument
        ) from None


def _question(text: str) -> Question:
    for question in QUESTIONS:
        if text == question:
            return question
    raise typer.BadParameter(f"it is one of {', '.join(QUESTIONS)}", param_hint="--question")


def _print_timeline(out: Console, told: Told, time_zone: str) -> None:
    """Print the spells of each question, the earliest first."""
    where = zone(time_zone)
    lines = table_of("question", "answer", "since", "until", "brought by", "rule")
    for question, found in (("lifecycle", told.lifecycle), ("credit", told.credit)):
        for one in found:
            facts = ", ".join(f"#{position}" for position in one.facts)
            lines.add_row(
                question,
                f"[bold]{escape(one.answer)}[/]",
                day_text(one.since, where),
                day_text(one.until, where) if one.until else "-",
                CAUSES.get(one.cause, facts),
                escape(one.rule),
            )
    out.print(lines if told.lifecycle else "nothing was known")


def _print_matrix(out: Console, found: tuple[Moved, ...]) -> None:
    """Print a matrix: a row for each answer before, a column for each one after."""
    names = sorted({one.after or "" for one in found})
    lines = table_of("from / to", *(name or "(none)" for name in names), "all")
    for before in sorted({one.before or "" for one in found}):
        numbers = {one.after or "": one.customers for one in found if (one.before or "") == before}
        cells = (str(numbers[name]) if name in numbers else "-" for name in names)
        lines.add_row(before or "(none)", *cells, str(sum(numbers.values())))
    totals = (sum(o.customers for o in found if (o.after or "") == name) for name in names)
    lines.add_row("all", *map(str, totals), str(sum(one.customers for one in found)))
    out.print(lines if found else "there are no customers")


def _print_what_if(out: Console, found: WhatIf) -> None:
    """Print how many would move, and the first of them with what is said of them."""
    out.print(
        f"{escape(found.policies)} against {escape(found.instead)}, {found.customers} customers"
    )
    for question, moves in found.moves.items():
        out.print(f"[bold]{question}[/]: {len(moves)} would be answered otherwise")
        lines = table_of("customer", "before", "instead", "by the rule")
        for move in moves[:MOVES_SHOWN_MAX]:
            answers = (move.before.answer, move.after.answer, move.after.rule)
            lines.add_row(str(move.customer), *map(escape, answers))
        if moves:
            out.print(lines)
        if len(moves) > MOVES_SHOWN_MAX:
            out.print(f"[dim]and {len(moves) - MOVES_SHOWN_MAX} more: see --json[/]")
