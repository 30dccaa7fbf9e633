"""Answers on a terminal."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from crmcore.application.consumer import Delivered
from crmcore.application.evidence import Proven
from crmcore.application.handle import Receipt
from crmcore.application.notes import Checkpoint
from crmcore.application.verification import Verification
from crmcore.crm import CRM, Known, NotFound, Rebuilt, When
from crmcore.domain.calendar import zone
from crmcore.domain.recorded import Recorded, Stream
from crmcore.domain.value import Value
from crmcore.intake import Report
from crmcore.policies import Policies, stamp
from crmcore.policy_files import Change
from crmcore.projections.projection import Answer, Facts
from crmcore.projections.summary import Counts, Summary
from crmcore.telling import day_text, sentence, who_and_why
from crmcore.terminal import table_of

if TYPE_CHECKING:
    from crmcore.testing.auditing import Judgement
    from crmcore.testing.trying import Trial

ERRORS_SHOWN_MAX = 20
REASONS_SHOWN_MAX = 8


class Reason(Value):
    """A fact behind an answer."""

    position: int
    effective_at: datetime
    what: str
    who: str


class Explained(Value):
    """An answer with the facts behind it."""

    answer: Answer
    facts: tuple[Reason, ...]


class Card(Value):
    """What is known about a customer, and what that means."""

    customer: UUID
    code: str
    name: str
    status: str
    as_of: datetime
    position: int
    facts: int
    answers: tuple[Explained, ...]


def card(crm: CRM, customer: UUID, as_of: When, known_at: Known) -> Card:
    """Return a customer's card; raise NotFound if nothing was known or in effect."""
    at, position = crm.instant(as_of), crm.position(known_at)
    facts = crm.history(customer, as_of=at, known_at=position)
    if not facts:
        raise NotFound(f"nothing was known about the customer {customer}")
    known = crm.customer(customer, as_of=at, known_at=position).profile
    tiers = crm.value(customer, as_of=at, known_at=position)
    answers = [
        crm.lifecycle(customer, as_of=at, known_at=position),
        crm.credit(customer, as_of=at, known_at=position),
        *((tiers.abc, tiers.rfm) if tiers else ()),
    ]
    return Card(
        customer=customer,
        code=known.code,
        name=known.name,
        status=known.status,
        as_of=at,
        position=position,
        facts=len(facts),
        answers=tuple(_explained(said, facts) for said in answers if said is not None),
    )


def show(out: Console, crm: CRM, found: Card) -> None:
    """Print a customer's card: the answers first, the facts behind them once, below."""
    where = zone(crm.policies.time_zone)
    out.print(
        f"[bold]{escape(found.name)}[/]  {escape(found.code)}  {found.status}  "
        f"[dim]as of {day_text(found.as_of, where)}, known up to position {found.position}[/]"
    )
    table = table_of("question", "answer", "since", "until", "rule and figures")
    for said in (item.answer for item in found.answers):
        figures = ", ".join(f"{name} {text}" for name, text in said.details)
        table.add_row(
            said.question,
            f"[bold]{escape(said.answer)}[/]",
            day_text(said.since, where),
            "-" if said.next_change_at is None else day_text(said.next_change_at, where),
            "\n".join([escape(said.rule), f"[dim]{escape(figures)}[/]"]),
        )
    out.print(table)
    reasons(out, crm, found)


def reasons(out: Console, crm: CRM, found: Card) -> None:
    """Print the latest facts behind a card's answers, each with the questions that it answers."""
    behind: dict[int, Reason] = {}
    questions: dict[int, list[str]] = {}
    for item in found.answers:
        for fact in item.facts:
            behind[fact.position] = fact
            questions.setdefault(fact.position, []).append(item.answer.question)
    ordered = sorted(behind.values(), key=lambda fact: (fact.effective_at, fact.position))
    table = table_of("because", "in effect", "what, and on whose word", "answers")
    where = zone(crm.policies.time_zone)
    for fact in ordered[-REASONS_SHOWN_MAX:]:
        answers = ", ".join(questions[fact.position])
        day = day_text(fact.effective_at, where)
        table.add_row(f"#{fact.position}", day, _told(fact.what, fact.who), answers)
    if behind:
        out.print(table)
    if len(ordered) > REASONS_SHOWN_MAX:
        out.print(f"[dim]and {len(ordered) - REASONS_SHOWN_MAX} facts before: see history[/]")


def history(out: Console, crm: CRM, facts: Facts) -> None:
    """Print facts, one a line."""
    where = zone(crm.policies.time_zone)
    table = table_of("#", "in effect", "recorded", "what, and on whose word")
    for fact in facts:
        table.add_row(
            str(fact.position),
            day_text(fact.effective_at, where),
            fact.recorded_at.astimezone(where).isoformat(" ", "seconds")[:19],
            _told(sentence(fact.event), who_and_why(fact)),
        )
    out.print(table)


def adopted(out: Console, policies: Policies, receipt: Receipt) -> None:
    """Print what came of an adoption."""
    for fact in receipt.facts:
        since = day_text(fact.event.in_force_from, zone(policies.time_zone))
        out.print(f"{escape(policies.stamp)} is in force from {since} on")
    if not receipt.facts:
        out.print(f"{escape(policies.stamp)} was adopted before")


def adoptions(out: Console, facts: Facts) -> None:
    """Print which policies were adopted, one a line."""
    table = table_of("#", "policies", "in force from", "recorded", "on whose word")
    for fact in facts:
        event = fact.event
        named = stamp(event.name, event.version, event.digest)
        since, recorded = event.in_force_from, fact.recorded_at
        table.add_row(
            str(fact.position),
            escape(named),
            since.isoformat(" ", "minutes"),
            recorded.isoformat(" ", "seconds")[:19],
            escape(who_and_why(fact)),
        )
    out.print(table)


def refused(out: Console, facts: Facts) -> None:
    """Print who tried what they may not, one attempt a line."""
    table = table_of("#", "recorded", "who", "tried", "refused by")
    for fact in facts:
        attempt = fact.event.attempt
        details = ", ".join(f"{one.name} {one.value}" for one in attempt.details)
        table.add_row(
            str(fact.position),
            fact.recorded_at.isoformat(" ", "seconds")[:19],
            escape(f"{attempt.by} ({', '.join(attempt.roles) or 'no role'})"),
            _told(attempt.command, f"{attempt.kind}:{attempt.to}"),
            _told(attempt.code, details),
        )
    out.print(table if facts else "nobody tried what they may not")


def changes(out: Console, found: Sequence[Change]) -> None:
    """Print the numbers in which policies differ, one a line."""
    table = table_of("number", "before", "after")
    for change in found:
        table.add_row(escape(change.key), *(_shown(one) for one in (change.before, change.after)))
    out.print(table if found else "they are the same")


def _shown(value: object) -> str:
    return "-" if value is None else escape(str(value))


def summary(out: Console, found: Summary) -> None:
    """Print the business on one page."""
    known = found.known_at.isoformat(" ", "seconds") if found.known_at else "nothing"
    out.print(
        f"[bold]{found.customers}[/] customers, [bold]{found.facts}[/] facts  "
        f"[dim]as of {found.as_of.date()}, known up to position {found.position} ({known})[/]"
    )
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name, counts in (
        ("lifecycle", found.lifecycle),
        ("credit", found.credit),
        ("ABC", found.abc),
        ("RFM", found.rfm),
        ("tickets", found.tickets),
        ("loyalty", found.loyalty),
    ):
        table.add_row(f"[dim]{name}[/]", _counts(counts))
    bought, owed = found.purchases, found.receivables
    table.add_row(
        "[dim]purchases[/]", f"{bought.count}, {bought.amount} {found.currency}; "
        f"returned {found.returned.count}, {found.returned.amount} {found.currency}"
    )  # fmt: skip
    deals = (f"{o} {t.count}, {t.amount}" for o, t in found.opportunities.items())
    table.add_row("[dim]opportunities[/]", "; ".join(deals) + f" {found.currency}")
    table.add_row(
        "[dim]receivables[/]",
        f"{owed.invoices} invoices, {owed.amount} {found.currency}; "
        f"{owed.disputed} disputed, {owed.paid_late} paid late",
    )
    for currency, lines in found.other_currencies.items():
        amounts = ", ".join(f"{line} {amount}" for line, amount in lines.items())
        table.add_row("[dim]not included[/]", f"{currency}: {amounts}")
    out.print(table)


def report(out: Console, done: Report) -> None:
    """Print what an import did."""
    out.print(
        f"[bold]{done.rows}[/] rows, {done.commands} commands "
        f"({done.repeated} carried out before), [bold]{done.facts}[/] new facts"
    )
    for error in done.errors[:ERRORS_SHOWN_MAX]:
        out.print(f"  {error.file} row {error.row}: {error.reason}", style="yellow", markup=False)
    if len(done.errors) > ERRORS_SHOWN_MAX:
        out.print(f"  and {len(done.errors) - ERRORS_SHOWN_MAX} more")


def fact(out: Console, found: Recorded[Any]) -> None:
    """Print a fact on one line."""
    what = escape(sentence(found.event))
    at = f"{found.position:>8}  {found.recorded_at:%Y-%m-%d %H:%M:%S}"
    out.print(f"{at}  [dim]{found.stream}[/]  {what}", soft_wrap=True)


def consumers(out: Console, found: Mapping[str, Delivered]) -> None:
    """Print how far consumers have come, and what waits for somebody."""
    table = table_of("consumer", "position", "of", "parked")
    for name, at in found.items():
        table.add_row(escape(name), f"{at.position}", f"{at.last}", f"{len(at.parked)}")
    out.print(table)
    for name, at in found.items():
        for parked in at.parked[:ERRORS_SHOWN_MAX]:
            why = escape(parked.reason)
            where = f"{parked.stream} since position {parked.position}"
            out.print(f"{escape(name)}: {where}: {why}", soft_wrap=True)


def checkpoint(out: Console, found: Checkpoint) -> None:
    """Print what was signed."""
    root = found.root.hex()
    out.print(f"{escape(found.origin)}: {found.size} facts, root {root}", soft_wrap=True)


def held(out: Console, checkpoints: int, key: str | None) -> None:
    """Print that a log holds what was signed, and whether anybody looked at who signed it."""
    who = "nobody looked at who signed it: give --key" if key is None else "by the key given"
    out.print(f"it holds what was signed in {checkpoints} checkpoints ({who})", soft_wrap=True)


def proven(out: Console, found: Proven) -> None:
    """Print what a bundle proves."""
    what = f"{found.facts} facts in {len(found.streams)} streams"
    out.print(f"[green]proved[/]: {what} of the customer {found.customer}", soft_wrap=True)
    out.print(f"among the first {found.size} of {escape(found.origin)}", soft_wrap=True)
    for stream in found.streams:
        out.print(f"{stream}", soft_wrap=True)


def verification(
    out: Console,
    found: Verification,
    judged: "Judgement | None" = None,
    astray: Sequence[Stream] | None = None,
) -> None:
    """Print what a check of the log found, and what the laws say of it."""
    for problem in found.problems[:ERRORS_SHOWN_MAX]:
        where = "" if problem.position is None else f"position {problem.position}: "
        stream = "" if problem.stream is None else f" ({problem.stream}, version {problem.version})"
        out.print(f"[red]{where}{escape(problem.what)}{stream}[/]", soft_wrap=True)
    if len(found.problems) > ERRORS_SHOWN_MAX:
        out.print(f"and {len(found.problems) - ERRORS_SHOWN_MAX} more: see --json")
    verdict = (
        f"[red]{len(found.problems)} problems[/]" if found.problems else "[green]all is well[/]"
    )
    out.print(f"{found.facts} facts in {found.streams} streams, {found.seals} seals: {verdict}")
    out.print(f"position {found.position}, hash {found.hash}", soft_wrap=True)
    for wrong in astray or ():
        out.print(f"[red]{wrong}: its stored state is not what its facts lead to[/]")
    if astray == []:
        out.print("every stored state is what its facts lead to")
    if judged is not None:
        _judgement(out, judged)


def _judgement(out: Console, judged: "Judgement") -> None:
    for breach in judged.breaches[:ERRORS_SHOWN_MAX]:
        who = breach.stream or "the log"
        where = f"{who}, positions {breach.first} to {breach.last}: "
        out.print(f"[red]{where}{breach.law}[/]: {escape(breach.what)}", soft_wrap=True)
    if len(judged.breaches) > ERRORS_SHOWN_MAX:
        out.print(f"and {len(judged.breaches) - ERRORS_SHOWN_MAX} more: see --json")
    broken = len(judged.breaches)
    verdict = f"[red]{broken} breaches[/]" if broken else "[green]every law holds[/]"
    out.print(f"{judged.laws} laws asked of {judged.streams} streams: {verdict}")


def trial(out: Console, tried: "Trial") -> None:
    """Print what came of trying rules."""
    for broken in tried.broken:
        out.print(f"[red]{broken.law}[/]: {escape(broken.what)}", soft_wrap=True)
        out.print(escape(broken.script), soft_wrap=True)
        out.print()
    if not tried.broken:  # else it ended early, and how often something occurred says nothing
        table = Table("declared", "in so many histories", box=None)
        for name, number in sorted(tried.occurs.items(), key=lambda item: -item[1]):
            table.add_row(name, "[red]never[/]" if name in tried.never else str(number))
        out.print(table)
    share = f"{tried.accepted / tried.commands:.0%}" if tried.commands else "none"
    out.print(f"{tried.histories} histories, {tried.commands} commands, {share} accepted")
    if tried.never:
        out.print(f"[yellow]no way was found to {', '.join(tried.never)}[/]", soft_wrap=True)
    verdict = f"[red]{len(tried.broken)} broken[/]" if tried.broken else "[green]all hold[/]"
    out.print(f"{len(tried.laws)} laws: {verdict}")


def rebuilt(out: Console, done: Rebuilt) -> None:
    """Print what a rebuild did."""
    rows = done.answers
    out.print(
        f"{done.facts} facts read, {done.customers} customers answered: {rows.added} answers new, "
        f"{rows.changed} changed, {rows.removed} gone, {rows.unchanged} as before"
    )


def _explained(said: Answer, facts: Facts) -> Explained:
    behind = {fact.position: fact for fact in facts}
    found = [behind[position] for position in said.because if position in behind]
    return Explained(answer=said, facts=tuple(_as_reason(fact) for fact in found))


def _as_reason(fact: Recorded[Any]) -> Reason:
    return Reason(
        position=fact.position,
        effective_at=fact.effective_at,
        what=sentence(fact.event),
        who=who_and_why(fact),
    )


def _told(what: str, who: str) -> str:
    return f"{escape(what)}\n[dim]{escape(who)}[/]"


def _counts(counts: Counts) -> str:
    return "  ".join(f"{name} [bold]{count}[/]" for name, count in counts.items() if count) or "-"
