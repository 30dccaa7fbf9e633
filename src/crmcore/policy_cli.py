"""The command line of policies: see what is in force, try a file, adopt it, compare."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.markup import escape

from crmcore import printing
from crmcore.comparing_cli import what_if
from crmcore.crm import CRM, DEFAULT_STORE
from crmcore.domain.value import Value
from crmcore.policies import Policies
from crmcore.policy_files import differences, load, toml
from crmcore.terminal import AsOf, Json, Store, answering, out, print_answer, when

SHIPPED = "shipped"

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="See, check, compare and adopt the numbers that the business goes by.",
)

SomeStore: TypeAlias = Annotated[
    str | None,
    typer.Option("--store", "-s", help="A PostgreSQL URL, or an embedded server's directory."),
]
File: TypeAlias = Annotated[Path, typer.Argument(help="A TOML file, such as `show` prints.")]
Named: TypeAlias = Annotated[
    str, typer.Argument(help="A TOML file, `shipped`, or what facts call adopted policies.")
]


class Checked(Value):
    """What a file states: its name and version, and what facts would call it."""

    name: str
    version: int
    digest: str
    stamp: str


@app.command()
def show(
    named: Annotated[
        str | None, typer.Argument(help="`shipped`, a file, or what facts call adopted policies.")
    ] = None,
    store: SomeStore = None,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Print policies as a TOML file: what ships, or what is in force in a store.

    Example: crmcore policy show > policies.toml
    """
    with answering():
        if named is not None or store is None:
            found = _policies(named or SHIPPED, store)
        else:
            with CRM.open(store, create=False) as crm:
                found = crm.policies_on(when(as_of))
        print_answer(found, as_json, lambda: typer.echo(toml(found), nl=False))


@app.command()
def check(file: File, as_json: Json = False) -> None:
    """Say whether a file can be adopted: every number within its bounds, none contradicting.

    Example: crmcore policy check policies.toml
    """
    with answering():
        found = load(file)
        said = Checked(
            name=found.name, version=found.version, digest=found.digest, stamp=found.stamp
        )
        print_answer(said, as_json, lambda: out.print(f"{escape(said.stamp)} can be adopted"))


@app.command()
def adopt(
    file: File,
    by: Annotated[str, typer.Option("--by", help="On whose word.")],
    role: Annotated[
        list[str], typer.Option("--role", help="What they are, such as general_manager.")
    ],
    because: Annotated[str, typer.Option("--because", help="Why.")] = "",
    since: Annotated[
        str | None, typer.Option("--from", help="The day from which they are in force.")
    ] = None,
    store: Store = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Adopt the policies of a file, from now or a later day on.

    Example: crmcore policy adopt policies.toml --by bea --role general_manager --from 2027-01-01
    """
    with answering(), CRM.open(store, create=False) as crm:
        found = load(file)
        act = crm.act(by, because=because, roles=role)
        receipt = crm.adopt(found, act=act, in_force_from=when(since, "--from"))
        print_answer(receipt, as_json, lambda: printing.adopted(out, found, receipt))


@app.command("list")
def list_(store: Store = DEFAULT_STORE, as_json: Json = False) -> None:
    """List what was adopted: which policies, in force from when, on whose word, and why.

    Example: crmcore policy list --store postgresql://localhost/crm
    """
    with answering(), CRM.open(store, create=False) as crm:
        facts = crm.adoptions()
        print_answer(facts, as_json, lambda: printing.adoptions(out, facts))


@app.command()
def diff(before: Named, after: Named, store: SomeStore = None, as_json: Json = False) -> None:
    """Show the numbers in which two sets of policies differ.

    Example: crmcore policy diff shipped policies.toml
    """
    with answering():
        found = differences(_policies(before, store), _policies(after, store))
        print_answer(found, as_json, lambda: printing.changes(out, found))


app.command("what-if")(what_if)


def _policies(named: str, store: str | None) -> Policies:
    """Return what ships, those of a file, or those that a store knows by this name."""
    if named == SHIPPED:
        return Policies()
    if store is None or named.endswith(".toml"):
        return load(Path(named))
    with CRM.open(store, create=False) as crm:
        return crm.policies_named(named)
