"""The command line of comparisons: `timeline`, `transitions` and `policy what-if`."""

import json
import re
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner, Result

from crmcore import CRM, Policies
from crmcore.cli import app
from crmcore.policy_files import toml
from crmcore.projections.lifecycle import Policy as LifecyclePolicy
from tests.application.acting import ADA, REGISTER, buy

BEN = UUID(int=8)
HASTY = Policies(version=2, lifecycle=LifecyclePolicy(inactive_after_months=1))


@pytest.fixture
def store(postgres_url: str) -> str:
    CRM.migrate(postgres_url)
    with CRM.open(postgres_url) as crm:
        for customer, day in ((ADA, 1), (BEN, 20)):
            on = date(2026, 10, day)
            crm.do(REGISTER, to=customer, act=crm.act("ann", effective_at=on))
            crm.do(buy(), to=customer, act=crm.act("ann", effective_at=on))
    return postgres_url


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hasty.toml"
    path.write_text(toml(HASTY), encoding="utf-8")
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def answer(*arguments: object) -> object:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("command", ["timeline", "transitions"])
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    assert re.search(rf"Example:\s+crmcore {command}", run(command, "--help").stdout)


def test_a_timeline_shows_what_brought_each_answer(store: str) -> None:
    asked = ("timeline", ADA, "--store", store, "--as-of", "2027-04-30")
    told = answer(*asked)
    assert isinstance(told, dict)
    assert [one["answer"] for one in told["lifecycle"]] == ["new", "inactive"]
    assert [one["cause"] for one in told["lifecycle"]] == ["fact", "time"]
    shown = run(*asked).stdout
    assert re.search(r"lifecycle +new +2026-10-01 +2027-04-01 +#1, #2", shown)
    assert re.search(r"lifecycle +inactive +2027-04-01 +- +time passed", shown)
    assert run("timeline", UUID(int=99), "--store", store).stdout == "nothing was known\n"


def test_a_matrix_has_all_customers(store: str) -> None:
    asked = ("transitions", "2026-10-10", "2027-04-10", "--store", store)
    assert answer(*asked) == [
        {"before": None, "after": "new", "customers": 1},
        {"before": "new", "after": "inactive", "customers": 1},
    ]
    lines = [line.split() for line in run(*asked).stdout.splitlines()]
    assert lines == [
        ["from", "/", "to", "inactive", "new", "all"],
        ["(none)", "-", "1", "1"],
        ["new", "1", "-", "1"],
        ["all", "1", "1", "2"],
    ]
    nobody = run("transitions", "2020-01-01", "2020-01-02", "--store", store)
    assert nobody.stdout == "there are no customers\n"


def test_who_would_move_is_shown_with_the_rule(store: str, file: Path) -> None:
    asked = ("policy", "what-if", file, "--store", store, "--as-of", "2026-11-10")
    found = answer(*asked)
    assert isinstance(found, dict)
    [move] = found["moves"]["lifecycle"]
    assert (move["customer"], move["after"]["answer"]) == (str(ADA), "inactive")
    shown = run(*asked).stdout
    assert "lifecycle: 1 would be answered otherwise" in shown
    assert re.search(r"new +inactive +no purchase for 1 months", shown)
    assert "credit: 0 would be answered otherwise" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ("transitions", "soon", "2026-01-01"),
        ("transitions", "2026-01-01", "2026-13-01"),
        ("transitions", "2026-01-01", "2026-02-01", "-q", "grade"),
    ],
)
def test_what_cannot_be_asked_is_said(arguments: tuple[str, ...], store: str) -> None:
    result = run(*arguments, "--store", store)
    assert result.exit_code == 2
    assert re.search("is no date|it is one of", result.stderr)
