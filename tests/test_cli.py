"""The command line, as people and programs use it."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from typer.testing import CliRunner, Result

from crmcore import CRM, Money, Recorded, Rejected
from crmcore.cli import app
from crmcore.domain import customer

TILL = "sale,customer,day,product,quantity,amount\n"
CARDS = "code,name,kind,since,payment_days\nK1,Ada,person,2025-01-01,\nK2,Ben,person,2025-02-01,\n"
ROWS = "S-1,K1,2025-01-05,kettle,1,49.00\nS-2,K1,2025-03-05,beans,2,37.00\n"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def answer(*arguments: object) -> object:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def store(postgres_url: str, tmp_path: Path) -> str:
    assert run("migrate", "--store", postgres_url).exit_code == 0
    (tmp_path / "cards.csv").write_text(CARDS)
    (tmp_path / "till.csv").write_text(TILL + ROWS)
    for mapping, name in (("shop_customers", "cards.csv"), ("shop_sales", "till.csv")):
        result = run("import", mapping, tmp_path / name, "--store", postgres_url)
        assert result.exit_code == 0, result.output
    return postgres_url


def test_every_command_explains_itself_with_an_example() -> None:
    assert run("--help").exit_code == 0
    for command in (
        "demo",
        "import",
        "show",
        "history",
        "summary",
        "rebuild",
        "migrate",
        "verify",
        "feed",
        "consumers",
        "security",
        "seal",
    ):
        said = run(command, "--help")
        assert said.exit_code == 0
        assert re.search(rf"Example:\s+crmcore {command}", said.stdout), command


def test_a_summary_is_one_json_object_of_decimal_strings(store: str) -> None:
    said = answer("summary", "--store", store, "--as-of", "2025-04-01")
    assert isinstance(said, dict)
    assert said["as_of"] == "2025-04-01T23:59:59.999999Z"
    assert (said["facts"], said["position"], said["customers"]) == (4, 4, 2)
    assert said["lifecycle"]["active"] == 1
    assert said["lifecycle"]["prospect"] == 1
    assert said["credit"] == {"A": 0, "B": 0, "C": 0, "D": 0, "unrated": 2}
    assert said["abc"] == {"A": 1, "B": 0, "C": 0, "D": 1}
    assert said["purchases"] == {"count": 2, "amount": "86.00"}
    assert said["opportunities"]["won"] == {"count": 0, "amount": "0.00"}
    assert said["receivables"] == {"invoices": 0, "amount": "0.00", "disputed": 0, "paid_late": 0}
    assert said["currency"] == "EUR"


def test_a_summary_of_an_earlier_position_knows_less(store: str) -> None:
    said = answer("summary", "--store", store, "--known-at", "2")
    assert isinstance(said, dict)
    assert (said["facts"], said["purchases"]["count"]) == (2, 0)


def test_a_customer_is_shown_with_the_facts_behind_each_answer(store: str) -> None:
    said = answer("show", "shop:K1", "--store", store, "--as-of", "2025-04-01")
    assert isinstance(said, dict)
    answers = {item["answer"]["question"]: item for item in said["answers"]}
    stage = answers["lifecycle"]
    assert (stage["answer"]["answer"], stage["answer"]["since"]) == (
        "active",
        "2025-03-05T00:00:00Z",
    )
    assert stage["answer"]["next_change_at"] == "2025-09-05T00:00:00Z"
    assert [fact["position"] for fact in stage["facts"]] == [3, 4]
    assert stage["facts"][0]["what"] == (
        "purchase recorded: purchase S-1, bought on 2025-01-05, amount 49.00 EUR, quantity 1, "
        "product kettle"
    )
    shown = run("show", said["customer"], "--store", store, "--as-of", "2025-04-01")
    assert shown.exit_code == 0
    assert "purchases on 2 days or more within 12 months" in " ".join(shown.stdout.split())


def test_a_history_lists_facts_with_who_and_why(store: str) -> None:
    said = answer("history", "shop:K1", "--store", store)
    assert isinstance(said, list)
    assert [fact["position"] for fact in said] == [1, 3, 4]
    assert said[0]["event"] == {
        "type": "customer.registered", "code": "shop:K1", "name": "Ada", "kind": "person",
    }  # fmt: skip
    assert (said[0]["actor"], said[0]["reason"]) == ("import", "customer list, cards.csv row 1")
    one = answer("history", "customer:shop:K1", "--store", store, "--as-of", "2025-01-05")
    assert isinstance(one, list)
    assert [fact["position"] for fact in one] == [1, 3]
    assert "purchase recorded" in run("history", "shop:K1", "--store", store).stdout


def test_a_rebuild_fills_the_table_that_hosts_may_join(store: str) -> None:
    said = answer("rebuild", "--store", store)
    assert isinstance(said, dict)
    assert said["answers"] == {"added": 8, "removed": 0, "changed": 0, "unchanged": 0}
    assert "8 as before" in " ".join(run("rebuild", "--store", store).stdout.split())


def test_rows_that_did_not_go_in_are_listed_and_the_status_says_so(
    store: str, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(TILL + "S-3,K1,2025-04-31,kettle,1,49.00\nS-4,K1,2025-04-30,beans,1,18.50\n")
    result = run("import", "shop_sales", bad, "--store", store)
    assert result.exit_code == 1
    assert "bad.csv row 1: day: day is out of range for month" in result.stdout
    assert "1 new facts" in result.stdout
    many = tmp_path / "many.csv"
    many.write_text(TILL + "S-5,K1,2025-04-31,kettle,1,49.00\n" * 25)
    result = run("import", "shop_sales", many, "--store", store)
    assert "and 5 more" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["show", "shop:nix"], 1, "nothing was known about the customer"),
        (["history", "ticket:shop:nix"], 1, "nothing was known about ticket:shop:nix"),
        (["summary", "--known-at", "99"], 1, "there is no position 99 yet: the log ends at 4"),
        (["summary", "--as-of", "2025-02-30"], 2, "'2025-02-30' is no date"),
        (["import", "nix", "x.csv"], 1, "there is no mapping 'nix'"),
        (["import", "shop_sales", "x.csv"], 1, "x.csv: No such file or directory"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence_and_a_status(
    store: str, arguments: list[str], status: int, said: str
) -> None:
    result = run(*arguments, "--store", store)
    assert result.exit_code == status
    assert said in " ".join(result.stderr.replace("│", " ").split())
    assert result.stdout == ""


def test_an_instant_with_a_zone_is_a_date_too(store: str) -> None:
    said = answer("summary", "--store", store, "--as-of", "2025-01-05T00:00:00+01:00")
    assert isinstance(said, dict)
    assert said["purchases"]["count"] == 0
    naive = run("summary", "--store", store, "--as-of", "2025-01-05T00:00:00")
    assert naive.exit_code == 1
    assert "an instant needs a time zone" in naive.stderr


def test_ids_are_uuids_in_json(store: str) -> None:
    said = answer("show", "shop:K2", "--store", store)
    assert isinstance(said, dict)
    assert str(UUID(said["customer"])) == said["customer"]


def test_the_program_runs_as_a_module_and_its_output_may_be_cut_off(store: str) -> None:
    program = [sys.executable, "-m", "crmcore", "history", "shop:K1", "--store", store, "--json"]
    done = subprocess.run(program, capture_output=True, check=True, text=True)
    assert json.loads(done.stdout)[0]["position"] == 1
    assert done.stderr == ""


def test_a_question_makes_no_store(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for verb in (["summary"], ["show", "a:b"], ["history", "a:b"], ["rebuild"]):
        for name in ("nix", "empty"):
            result = run(*verb, "--store", tmp_path / name)
            assert result.exit_code == 1
            assert "There is no store in" in " ".join(result.stderr.split())
    assert not (tmp_path / "nix").exists()
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_log_that_is_as_it_was_is_verified_and_one_that_is_not_is_not(store: str) -> None:
    said = answer("verify", "--store", store)
    assert isinstance(said, dict)
    assert (said["facts"], said["streams"], said["position"], said["problems"]) == (4, 2, 4, [])
    assert re.fullmatch(r"[0-9a-f]{64}", said["hash"])
    assert "4 facts in 2 streams, 1 seals: all is well" in run("verify", "--store", store).stdout
    with psycopg.connect(store) as intruder:
        intruder.execute("ALTER TABLE crm.facts DISABLE TRIGGER ALL")
        intruder.execute("UPDATE crm.facts SET actor = 'eve' WHERE version = 2")
    altered = run("verify", "--store", store)
    assert altered.exit_code == 1
    assert "position 3: the fact, or the one before it, is not what was written" in altered.stdout


def test_a_feed_prints_a_fact_a_line(store: str) -> None:
    lines = run("feed", "--store", store, "--after", 2).stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].split()[0] == "3"
    said = run("feed", "--store", store, "--json").stdout.splitlines()
    assert [json.loads(line)["position"] for line in said] == [1, 2, 3, 4]


def test_consumers_are_listed_with_what_they_set_aside(store: str) -> None:
    def fail_at_the_third(fact: Recorded[Any], _: object) -> None:
        if fact.position == 3:
            raise ValueError("no idea")

    with CRM.open(store) as crm:
        crm.consumer("mail").deliver(fail_at_the_third)
        talk = customer.LogInteraction(channel="chat", summary="hi")
        crm.do(talk, to=next(crm.feed()).stream.id, act=crm.act("ann"))
    said = answer("consumers", "--store", store)
    assert isinstance(said, dict)
    assert (said["mail"]["position"], said["mail"]["last"]) == (4, 5)
    assert said["mail"]["parked"][0]["reason"] == "ValueError: no idea"
    assert "since position 3: ValueError: no idea" in run("consumers", "--store", store).stdout


def test_a_process_that_seals_can_be_interrupted(store: str) -> None:
    assert answer("seal", "--store", store) == {"position": 4}
    program = [sys.executable, "-m", "crmcore", "seal", "--follow", "--store", store]
    with (
        CRM.open(store) as crm,
        subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as sealer,
    ):
        talk = customer.LogInteraction(channel="chat", summary="hi")
        crm.do(talk, to=next(crm.journal.log()).stream.id, act=crm.act("ann"))
        while crm.journal.position() < 5:
            crm.journal.wait(4, 0.1)
        sealer.send_signal(signal.SIGINT)
        assert sealer.communicate(timeout=60)[0] == "sealed up to 5\n"
    assert sealer.returncode == 0


def test_who_tried_what_they_may_not_is_listed(store: str) -> None:
    assert "nobody tried" in run("security", "--store", store).output
    with CRM.open(store) as crm:
        ada = next(crm.feed()).stream
        approve = customer.ApproveLimit(request="r-1", amount=Money(minor=5, currency="EUR"))
        with pytest.raises(Rejected):
            crm.do(approve, to=ada.id, act=crm.act("ben"))
    for arguments in ((), (str(ada.id),), (str(ada),)):
        said = " ".join(run("security", *arguments, "--store", store).output.split())
        assert "ben (no role)" in said
        assert "NotAuthorised" in said
    assert answer("security", "shop:K2", "--store", store) == []
    facts = answer("security", "--store", store)
    assert isinstance(facts, list)
    assert [one["event"]["attempt"]["command"] for one in facts] == ["customer.approve_limit"]
