"""The command line of audits: what people type, and what they are told."""

import json
import re
import stat
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from crmcore import CRM
from crmcore.cli import app
from crmcore.domain import customer

CARDS = "code,name,kind,since,payment_days\nK1,Ada,person,2025-01-01,\nK2,Ben,person,2025-02-01,\n"


@pytest.fixture
def store(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with two customers, and a folder with its key and a signed checkpoint."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CRMCORE_SIGNING_KEY", raising=False)
    Path("cards.csv").write_text(CARDS)
    for words in ("migrate", "import shop_customers cards.csv"):
        done(f"{words} --store {postgres_url}")
    Path("public.key").write_text(done("keygen shop.example.com/crm -o crm.key").stdout)
    done(f"checkpoint -o crm.checkpoint --key-file crm.key --first --store {postgres_url}")
    return postgres_url


def run(words: str, **environment: str) -> Result:
    return CliRunner().invoke(app, words.split(), env=environment)


def done(words: str) -> Result:
    result = run(words)
    assert result.exit_code == 0, result.output
    return result


def said(result: Result) -> str:
    return " ".join(result.output.replace("│", " ").split())


def public() -> str:
    return Path("public.key").read_text().strip()


@pytest.mark.parametrize("command", ["keygen", "checkpoint", "prove", "check-proof"])
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    assert re.search(rf"Example:\s+crmcore {command}", done(f"{command} --help").stdout)


def test_a_key_is_for_its_owner_only_and_never_written_over(store: str) -> None:
    assert store
    assert stat.S_IMODE(Path("crm.key").stat().st_mode) == 0o600
    assert Path("crm.key").read_text().startswith("PRIVATE+KEY+shop.example.com/crm+")
    assert public().startswith("shop.example.com/crm+")
    assert "PRIVATE" not in public()
    again = run("keygen shop.example.com/crm -o crm.key")
    assert (again.exit_code, said(again)) == (1, "crmcore: crm.key: File exists")
    assert re.fullmatch(
        r"other\+[0-9a-f]{8}\+\S+",
        json.loads(done("keygen other -o other.key --json").stdout)["key"],
    )


def test_a_checkpoint_goes_on_from_the_one_that_it_replaces(store: str) -> None:
    before = Path("crm.checkpoint").read_text()
    with CRM.open(store) as crm:
        talk = customer.LogInteraction(channel="chat", summary="hi")
        crm.do(talk, to=next(crm.feed()).stream.id, act=crm.act("ann"))
    written = done(f"checkpoint -o crm.checkpoint --key-file crm.key --store {store} --json")
    found = json.loads(written.stdout)
    assert (found["origin"], found["size"]) == ("shop.example.com/crm", 3)
    after = Path("crm.checkpoint").read_text()
    assert after.splitlines()[:3] == [found["origin"], "3", found["root"]]
    Path("before").write_text(before)
    both = f"--checkpoint before --checkpoint crm.checkpoint --key {public()}"
    verified = done(f"verify --store {store} {both}")
    assert "it holds what was signed in 2 checkpoints (by the key given)" in said(verified)


def test_the_key_may_come_from_the_environment(store: str) -> None:
    key = Path("crm.key").read_text()
    result = run(f"checkpoint -o crm.checkpoint --store {store}", CRMCORE_SIGNING_KEY=key)
    assert result.exit_code == 0, result.output
    assert "shop.example.com/crm: 2 facts, root" in said(result)


def test_a_new_file_has_to_say_what_it_goes_on_from(store: str) -> None:
    sign = f"checkpoint --key-file crm.key --store {store}"
    result = run(f"{sign} -o new")
    assert (result.exit_code, Path("new").exists()) == (2, False)
    assert "give --extends, or --first if nothing was ever signed" in said(result)
    done(f"{sign} -o new --extends crm.checkpoint")
    assert Path("new").read_text() == Path("crm.checkpoint").read_text()
    both = run(f"{sign} -o new --extends crm.checkpoint")
    assert (both.exit_code, "what was signed last is in new" in said(both)) == (2, True)


def test_what_was_altered_is_not_signed_nor_proved_nor_verified(store: str) -> None:
    done(f"prove shop:K1 --checkpoint crm.checkpoint -o K1.proof --store {store}")
    signed, proof = Path("crm.checkpoint").read_text(), Path("K1.proof").read_bytes()
    with psycopg.connect(store) as intruder:
        for table in ("facts", "seals"):
            intruder.execute(f"ALTER TABLE crm.{table} DISABLE TRIGGER ALL".encode())
        intruder.execute("UPDATE crm.facts SET digest = sha256(digest)")
    for words, why in (
        ("checkpoint -o crm.checkpoint --key-file crm.key", "are not those that were signed"),
        ("prove shop:K1 --checkpoint crm.checkpoint -o K1.proof", "is not the one that was signed"),
        ("verify --checkpoint crm.checkpoint", "not those of the checkpoint of shop.example.com"),
    ):
        result = run(f"{words} --store {store}")
        assert (result.exit_code, why in said(result)) == (1, True), result.output
    assert (Path("crm.checkpoint").read_text(), Path("K1.proof").read_bytes()) == (signed, proof)
    assert sorted(path.name for path in Path().iterdir()) == [
        "K1.proof", "cards.csv", "crm.checkpoint", "crm.key", "public.key",
    ]  # fmt: skip


def test_a_proof_is_checked_without_a_store(store: str) -> None:
    made = done(f"prove shop:K1 --checkpoint crm.checkpoint -o K1.proof --store {store} --json")
    assert json.loads(made.stdout) == {"file": "K1.proof", "bytes": Path("K1.proof").stat().st_size}
    check = f"check-proof K1.proof --key {public()}"
    assert "proved: 1 facts in 1 streams of the customer" in said(done(check))
    found = json.loads(done(f"{check} --json").stdout)
    assert (found["origin"], found["size"], found["facts"]) == ("shop.example.com/crm", 2, 1)
    proof = Path("K1.proof").read_text()
    Path("K1.proof").write_text(proof.replace("Ada", "Eve"))
    altered = run(check)
    assert altered.exit_code == 1
    assert "the fact at position 1 is not the one that was signed" in said(altered)


@pytest.mark.parametrize(
    ("words", "status", "why"),
    [
        ("check-proof nix --key x", 1, "nix: No such file or directory"),
        ("check-proof cards.csv --key x", 1, "this is no key such as `crmcore keygen` makes"),
        ("check-proof cards.csv", 2, "Missing option '--key'"),
        ("keygen a+b -o new.key", 1, "is no name of a key"),
        ("keygen a -o nix/new.key", 1, "nix/new.key: No such file or directory"),
        ("checkpoint -o nix/new --first --key-file crm.key", 1, "nix/new: No such file"),
        ("checkpoint -o crm.checkpoint", 2, "give it, or set CRMCORE_SIGNING_KEY"),
        ("checkpoint -o crm.checkpoint --key-file cards.csv", 1, "this is no key such as"),
        ("checkpoint -o crm.checkpoint --key-file public.key", 1, "this is no private key such as"),
        ("checkpoint -o cards.csv --key-file crm.key", 1, "this is no signed note"),
        ("prove shop:nix --checkpoint crm.checkpoint -o x", 1, "nothing was known about the"),
        ("prove shop:K1 --checkpoint crm.checkpoint -o nix/x", 1, "nix/x: No such file"),
        ("verify --checkpoint cards.csv", 1, "this is no signed note"),
        ("verify --checkpoint nix", 1, "nix: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_a_status(
    store: str, words: str, status: int, why: str
) -> None:
    needs_store = not words.startswith(("check-proof", "keygen"))
    result = run(f"{words} --store {store}" if needs_store else words)
    assert (result.exit_code, why in said(result)) == (status, True), result.output
    assert result.stdout == ""


def test_an_empty_key_is_no_reason_to_look_away(store: str) -> None:
    words = ["verify", "--store", store, "--checkpoint", "crm.checkpoint", "--key", ""]
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, "this is no key" in said(result)) == (1, True)
