"""The command line: the same verbs as the facade, for people and, with --json, for programs."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from crmcore import audit_cli, comparing_cli, policy_cli, printing
from crmcore.crm import CRM, DEFAULT_STORE, NotFound
from crmcore.domain.recorded import Stream
from crmcore.infrastructure.database import migration_script
from crmcore.intake import import_files, load_mapping, ready_mappings
from crmcore.telling import customer_id, stream_of
from crmcore.terminal import (
    SHOWN_MAX,
    AsOf,
    Json,
    KnownAt,
    Store,
    answering,
    err,
    known,
    out,
    print_answer,
    when,
)

if TYPE_CHECKING:
    from crmcore.testing.auditing import Judgement

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="An event-sourced CRM: what was known, when, by which rule, on whose word.",
)
app.add_typer(policy_cli.app, name="policy")
app.command()(comparing_cli.timeline)
app.command()(comparing_cli.transitions)
app.add_typer(audit_cli.app)

Laws: TypeAlias = Annotated[
    list[str] | None, typer.Option("--law", help="MODULE:NAME of a law of yours; may be repeated.")
]


@app.command(
    "import",
    help="Import files: each row becomes commands, by a mapping.\n\n"
    f"MAPPING is a TOML file or a ready one ({', '.join(ready_mappings())}).\n\n"
    "Importing a file again changes nothing; an import that was cut goes on where it stopped.\n\n"
    "Example: crmcore import cdnow CDNOW_sample.txt",
)
def import_(
    mapping: Annotated[str, typer.Argument(help="A mapping file, or the name of a ready one.")],
    files: Annotated[list[Path], typer.Argument(help="The files to read.")],
    store: Store = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Import files by a mapping; the exit status is 1 if any row did not go in."""
    with answering():
        rules = load_mapping(mapping)
        with CRM.open(store) as crm, _progress("importing") as progress:
            report = import_files(crm, rules, files, progress=progress)
        print_answer(report, as_json, lambda: printing.report(out, report))
        if report.errors:
            raise typer.Exit(1)


@app.command()
def show(
    customer: Annotated[str, typer.Argument(help="A customer's id, or SOURCE:KEY of an import.")],
    store: Store = DEFAULT_STORE,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    as_json: Json = False,
) -> None:
    """Show a customer's stage, credit and tiers, since when, why, and what changes next.

    Example: crmcore show cdnow:0001 --as-of 1997-12-31
    """
    with answering(), CRM.open(store, create=False) as crm:
        card = printing.card(crm, customer_id(customer), when(as_of), known(known_at))
        print_answer(card, as_json, lambda: printing.show(out, crm, card))


@app.command()
def history(
    stream: Annotated[
        str, typer.Argument(help="A customer as for `show`, or KIND:ID, KIND:SOURCE:KEY.")
    ],
    store: Store = DEFAULT_STORE,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    as_json: Json = False,
) -> None:
    """List facts: when they took effect, when they were recorded, who said so, and why.

    Example: crmcore history opportunity:pipeline:1C1I7A6R
    """
    with answering(), CRM.open(store, create=False) as crm:
        at, position, found = when(as_of), known(known_at), stream_of(stream)
        if found is not None:
            facts = crm.stream(found, as_of=at, known_at=position)
        else:
            facts = crm.history(customer_id(stream), as_of=at, known_at=position)
        if not facts:
            raise NotFound(f"nothing was known about {stream[:SHOWN_MAX]}")
        print_answer(facts, as_json, lambda: printing.history(out, crm, facts))


@app.command()
def summary(
    store: Store = DEFAULT_STORE,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    as_json: Json = False,
) -> None:
    """Count customers by stage, credit and tier, and add up what was bought, won and owed.

    Example: crmcore summary --as-of 1998-06-30 --json
    """
    with answering(), CRM.open(store, create=False) as crm:
        found = crm.summary(as_of=when(as_of), known_at=known(known_at))
        print_answer(found, as_json, lambda: printing.summary(out, found))


@app.command()
def rebuild(store: Store = DEFAULT_STORE, as_json: Json = False) -> None:
    """Answer all questions about all customers anew, and put that in the place of crm.answers.

    Example: crmcore rebuild --store postgresql://localhost/crm
    """
    with answering(), CRM.open(store, create=False) as crm:
        with _progress("rebuilding") as progress:
            rebuilt = crm.rebuild(progress=progress)
        print_answer(rebuilt, as_json, lambda: printing.rebuilt(out, rebuilt))


@app.command()
def migrate(
    store: Store = DEFAULT_STORE,
    roles: Annotated[
        bool, typer.Option("--roles", help="Make the group roles too, and give them their rights.")
    ] = False,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the SQL for an empty database, and do nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make crmcore's schema in a database, or bring it up to date.

    Example: crmcore migrate --store postgresql://localhost/crm
    """
    if sql:
        script = migration_script(roles=roles)
        print_answer(script, as_json, lambda: typer.echo(script, nl=False))
        return
    with answering():
        before, after = CRM.migrate(store, roles=roles)
        found = {"before": before, "after": after}
        print_answer(found, as_json, lambda: out.print(f"schema version {before} -> {after}"))


@app.command()
def verify(  # noqa: PLR0913, PLR0917 - options
    store: Store = DEFAULT_STORE,
    laws: Annotated[
        bool, typer.Option("--laws", help="Ask the laws of the testing kit of each stream, too.")
    ] = False,
    answers: Annotated[
        bool,
        typer.Option("--answers", help="Ask the laws of answers, too: minutes for many facts."),
    ] = False,
    law: Laws = None,
    states: Annotated[
        bool, typer.Option("--states", help="Compare stored states with the facts, too.")
    ] = False,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", help="What `checkpoint` signed; may be repeated."),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="The public key that checkpoints are signed with.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that nothing is missing, doubled, moved or altered; the exit status is 1 if it is.

    With --checkpoint it tells, too, whether the log still holds what was signed: no alteration by
    anybody escapes that. With --laws it tells whether what was recorded keeps the rules.

    Example: crmcore verify --store postgresql://localhost/crm
    """
    with answering():
        notes = [audit_cli.read(file) for file in checkpoint or ()]
        with CRM.open(store, create=False) as crm:
            with _progress("verifying") as progress:
                found = crm.verify(checkpoints=notes, key=key, progress=progress)
            judged = _judged(crm, law or (), answers) if laws or law or answers else None
            astray = crm.states_astray() if states else None
        more = {"laws": judged, "states_astray": astray}
        told = {name: part for name, part in more.items() if part is not None}
        answer = {"log": found, **told} if told else found
        print_answer(answer, as_json, lambda: printing.verification(out, found, judged, astray))
        if notes and not as_json and not found.problems:
            printing.held(out, len(notes), key)
        if found.problems or astray or (judged is not None and judged.breaches):
            raise typer.Exit(1)


def _judged(crm: CRM, laws: Sequence[str], answers: bool) -> "Judgement":
    from crmcore.testing.auditing import judge
    from crmcore.testing.targets import law_named

    own = [law_named(name) for name in laws]
    with _progress("judging") as progress:
        under = crm.policies if answers else None
        rules = (*crm.deciders, *crm.processes)
        return judge(crm.feed(), rules, laws=own, answers_under=under, progress=progress)


@app.command()
def check(
    decider: Annotated[
        str,
        typer.Argument(help="MODULE:NAME of a decider, or of what returns one; or one of ours."),
    ],
    examples: Annotated[int, typer.Option("--examples", min=1, help="How many histories.")] = 200,
    steps: Annotated[int, typer.Option("--steps", min=1, help="How long they are at most.")] = 30,
    seed: Annotated[int, typer.Option("--seed", help="Another number, other histories.")] = 0,
    law: Laws = None,
    role: Annotated[
        list[str] | None, typer.Option("--role", help="A role that those who act may hold.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Try rules on histories that nobody thought of; the exit status is 1 if a law is broken.

    What is broken is shown with the fewest commands that break it, as an example for a test.
    What is declared but never occurs is named. It needs the extra `testing`.

    Example: crmcore check myapp.rules:decider --examples 2000 --seed 7
    """
    from crmcore.testing.targets import decider_named, law_named

    try:
        from crmcore.testing.trying import attempt
    except ModuleNotFoundError as missing:
        err.print(f'crmcore: {missing}: install "crmcore[testing]"', style="red", markup=False)
        raise typer.Exit(2) from missing
    with answering():
        rules, own = decider_named(decider), [law_named(name) for name in law or ()]
        with _progress("trying") as progress:
            trial = attempt(
                rules,
                laws=own,
                examples=examples,
                steps=steps,
                seeded=seed,
                progress=progress,
                roles=tuple(role or ()),
            )
        print_answer(trial, as_json, lambda: printing.trial(out, trial))
        if trial.broken:
            raise typer.Exit(1)


@app.command()
def feed(
    after: Annotated[int, typer.Option("--after", min=0, help="Begin behind this position.")] = 0,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for what comes, until Ctrl-C.")
    ] = False,
    store: Store = DEFAULT_STORE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value a line.")] = False,
) -> None:
    """Print the facts in the order of the log, one a line.

    Example: crmcore feed --after 1000 --follow --json
    """
    with answering(), CRM.open(store, create=False) as crm, _until_interrupted():
        for fact in crm.feed(after=after, follow=follow):
            print_answer(fact, as_json, partial(printing.fact, out, fact))


@app.command()
def consumers(store: Store = DEFAULT_STORE, as_json: Json = False) -> None:
    """Show how far each consumer of the log has come, and what it had to set aside.

    Example: crmcore consumers --store postgresql://localhost/crm
    """
    with answering(), CRM.open(store, create=False) as crm:
        found = {one.name: one.progress() for one in crm.consumers()}
        print_answer(found, as_json, lambda: printing.consumers(out, found))


@app.command()
def security(
    stream: Annotated[
        str | None, typer.Argument(help="A customer as for `show`, or a stream as for `history`.")
    ] = None,
    store: Store = DEFAULT_STORE,
    known_at: KnownAt = None,
    as_json: Json = False,
) -> None:
    """List who tried what they may not, which rule refused it, and on what.

    Example: crmcore security --store postgresql://localhost/crm
    """
    with answering(), CRM.open(store, create=False) as crm:
        of = None if stream is None else stream_of(stream)
        if stream is not None and of is None:
            of = Stream(kind="customer", id=customer_id(stream))
        facts = crm.refused(of, known_at=known(known_at))
        print_answer(facts, as_json, lambda: printing.refused(out, facts))


@app.command()
def seal(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on sealing what comes, until Ctrl-C.")
    ] = False,
    store: Store = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Give all facts their place in the order: once, or as a process that does nothing else.

    Example: crmcore seal --follow --store postgresql://sealer@localhost/crm
    """
    with answering(), CRM.open(store, create=False) as crm:
        if follow:
            with _until_interrupted(), crm.sealing() as sealer:
                sealer.wait()
        position = crm.position()
        print_answer({"position": position}, as_json, lambda: out.print(f"sealed up to {position}"))


@app.command()
def react(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    store: Store = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Let facts act on other aggregates: a purchase earns points, a return takes them back.

    It may be stopped and started at any time, in any number of processes.

    Example: crmcore react --follow --store postgresql://localhost/crm
    """
    with answering(), CRM.open(store, create=False) as crm:
        if follow:
            with _until_interrupted():
                crm.reactions().run(stop=Event())
        found = crm.reactions().catch_up()
        print_answer(found, as_json, lambda: printing.consumers(out, {"reactions": found}))


@app.command()
def demo(
    directory: Annotated[Path, typer.Argument(help="Where to put the files and the store.")] = Path(
        "crmcore-demo"
    ),
    store: Annotated[
        str | None, typer.Option("--store", "-s", help="Another store than DIRECTORY/store.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make three years of a shop's files, import them, and ask what can be asked.

    Example: crmcore demo
    """
    from crmcore.demo.story import tell

    with answering():
        told = tell(Console(quiet=True) if as_json else out, directory, store, _progress)
        if as_json:
            print_answer(told, as_json, lambda: None)


@contextmanager
def _until_interrupted() -> Iterator[None]:
    """End without a word when somebody presses Ctrl-C, or a service is told to end."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.default_int_handler) for number in signals]
    try:
        yield
    except KeyboardInterrupt:
        err.print()
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on the terminal, or nothing where nobody looks."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
