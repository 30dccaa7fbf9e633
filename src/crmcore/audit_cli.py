"""The command line of audits: sign what the log is, prove a customer's history, check a proof."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.markup import escape

from crmcore import printing
from crmcore.application.notes import unsigned
from crmcore.crm import CRM, DEFAULT_STORE
from crmcore.infrastructure.bundles import BUNDLE_BYTES_MAX
from crmcore.intake import InvalidFile
from crmcore.telling import customer_id
from crmcore.terminal import Json, Store, answering, out, print_answer

KEY_VARIABLE = "CRMCORE_SIGNING_KEY"

app = typer.Typer(rich_markup_mode="rich")

Out: TypeAlias = Annotated[Path, typer.Option("--out", "-o", help="The file to write.")]
PublicKey: TypeAlias = Annotated[
    str, typer.Option("--key", help="The public key, as `crmcore keygen` prints it.")
]


@app.command()
def keygen(
    name: Annotated[str, typer.Argument(help="What the log is called for ever, with no spaces.")],
    file: Out,
    as_json: Json = False,
) -> None:
    """Make the key that signs for a log: the private one into a new file, the public one printed.

    Keep the file where the database's administrators cannot read it.

    Example: crmcore keygen shop.example.com/crm -o crm.key
    """
    with answering():
        private, public = CRM.new_key(name)
        _write_new(file, private)
        print_answer({"key": public}, as_json, lambda: typer.echo(public))


@app.command()
def checkpoint(
    file: Out,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help=f"The private key, else {KEY_VARIABLE}.")
    ] = None,
    extends: Annotated[
        Path | None, typer.Option("--extends", help="What was signed last, where --out is new.")
    ] = None,
    first: Annotated[
        bool, typer.Option("--first", help="Nothing was signed before with this key.")
    ] = False,
    store: Store = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Sign what the log is now; the exit status is 1 if it does not go on from what was signed.

    What was signed last is in the file that is written, or in another one. Keep it outside of the
    database: it shows later that nothing before it was altered.

    Example: crmcore checkpoint -o crm.checkpoint --key-file crm.key
    """
    with answering(), _alone(file):
        last, key = _last(file, extends, first=first), _signing_key(key_file)
        with CRM.open(store, create=False) as crm:
            note = crm.checkpoint(key, extends=last)
        _replace(file, note.encode())
        found = unsigned(note)
        print_answer(found, as_json, lambda: printing.checkpoint(out, found))


@app.command()
def prove(
    customer: Annotated[str, typer.Argument(help="A customer's id, or SOURCE:KEY of an import.")],
    checkpoint: Annotated[Path, typer.Option("--checkpoint", help="A signed checkpoint.")],
    file: Out,
    store: Store = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Write a file with all facts of a customer, which proves itself without the database.

    Example: crmcore prove shop:K1 --checkpoint crm.checkpoint -o K1.proof
    """
    with answering():
        note = read(checkpoint)
        with CRM.open(store, create=False) as crm:
            proof = crm.prove(customer_id(customer), checkpoint=note)
        _replace(file, proof)
        said = {"file": str(file), "bytes": len(proof)}
        words = f"{len(proof)} bytes in {escape(str(file))}"
        print_answer(said, as_json, lambda: out.print(words, soft_wrap=True))


@app.command("check-proof")
def check_proof(
    file: Annotated[Path, typer.Argument(help="What `crmcore prove` wrote.")],
    key: PublicKey,
    as_json: Json = False,
) -> None:
    """Check a proof, without a store; the exit status is 0 only if all of it is as it was signed.

    Example: crmcore check-proof K1.proof --key shop.example.com/crm+0ba95c44+ASi...
    """
    with answering():
        found = CRM.check_proof(_bytes(file), key=key)
        print_answer(found, as_json, lambda: printing.proven(out, found))


def read(file: Path) -> str:
    """Return what a file says; raise InvalidFile if it cannot be read."""
    try:
        return _bytes(file).decode()
    except UnicodeDecodeError:
        raise InvalidFile(f"{file}: this is no text") from None


def _last(file: Path, extends: Path | None, *, first: bool) -> str | None:
    """Return what was signed last, None if somebody says that nothing was."""
    if file.exists():
        if extends is not None:
            raise typer.BadParameter(f"what was signed last is in {file}", param_hint="--extends")
        return read(file)
    if extends is None and not first:
        wanted = f"there is no {file} yet: give --extends, or --first if nothing was ever signed"
        raise typer.BadParameter(wanted, param_hint="--out")
    return None if extends is None else read(extends)


def _signing_key(file: Path | None) -> str:
    if file is not None:
        return read(file)
    if key := os.environ.get(KEY_VARIABLE):
        return key
    raise typer.BadParameter(f"give it, or set {KEY_VARIABLE}", param_hint="--key-file")


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Let nobody else sign into the same folder meanwhile."""
    import fcntl

    try:
        folder = os.open(file.absolute().parent, os.O_RDONLY)
    except OSError as error:
        raise InvalidFile(f"{file}: {error.strerror}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            found = opened.read(BUNDLE_BYTES_MAX + 1)
    except OSError as error:
        raise InvalidFile(f"{file}: {error.strerror}") from None
    if len(found) > BUNDLE_BYTES_MAX:
        raise InvalidFile(f"{file} has more than {BUNDLE_BYTES_MAX} bytes")
    return found


def _write_new(file: Path, text: str) -> None:
    """Write a file that nobody else may read; raise InvalidFile if there is one already."""
    try:
        number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InvalidFile(f"{file}: {error.strerror}") from None
    with os.fdopen(number, "w") as opened:
        opened.write(f"{text}\n")


def _replace(file: Path, content: bytes) -> None:
    """Put all of a file in the place of another, or leave that as it is."""
    beside = file.with_name(f"{file.name}.new")
    try:
        with beside.open("wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        beside.replace(file)
    except OSError as error:
        raise InvalidFile(f"{file}: {error.strerror}") from None
