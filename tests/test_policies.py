"""Policies as files and on the command line: what ships, what is checked, what differs (X3)."""

import json
import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from typer.testing import CliRunner, Result

from crmcore import CRM, InvalidPolicy, Policies
from crmcore.cli import app
from crmcore.domain import customer, loyalty, opportunity
from crmcore.domain.pipeline import Pipeline, Stage
from crmcore.policies import checked
from crmcore.policy_files import Change, differences, load, loads, toml
from crmcore.projections.credit import Policy as CreditPolicy
from crmcore.projections.value_tiers import Policy as ValuePolicy
from crmcore.testing import policies as any_policies

LEAD = Stage(name="lead", probability_percent=10, forecast="pipeline")
AUTUMN = Policies(
    name="autumn",
    version=2,
    books_closed_through=date(2026, 6, 30),
    customer=customer.Policy(payment_days=45),
)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["policy", *(str(argument) for argument in arguments)])


def answer(*arguments: object) -> object:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "autumn.toml"
    path.write_text(toml(AUTUMN))
    return path


@pytest.fixture
def store(postgres_url: str) -> str:
    CRM.migrate(postgres_url)
    return postgres_url


# Files


def test_what_ships_is_written_with_every_number_and_read_back() -> None:
    text = toml(Policies())
    assert loads(text) == Policies()
    assert loads("") == Policies()
    assert tomllib.loads(text)["customer"]["payment_days"] == 30
    assert "payment_days = 30  # 0 to 3650\n" in text
    assert "# books_closed_through is not set  # date\n" in text


def test_every_number_is_said_to_be_what_it_may_be() -> None:
    head = toml(Policies()).partition("[[opportunity.pipelines]]")[0]
    lines = [line for line in head.splitlines() if re.match(r"\w+ = ", line)]
    assert len(lines) > 8
    assert [line for line in lines if "  # " not in line] == []


@settings(max_examples=20)
@given(any_policies(Policies))
def test_x3_policies_go_into_a_file_and_come_back_the_same(drawn: Policies) -> None:
    policies = loads(toml(drawn))
    assert differences(drawn, policies) == []
    assert loads(toml(policies)) == policies
    assert policies.digest == loads(toml(drawn)).digest


@given(st.text(max_size=40))
def test_no_text_does_more_than_fail(text: str) -> None:
    said = ""
    try:
        loads(text)
    except InvalidPolicy as error:
        said = str(error)
    assert len(said) < 1_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[customer]\npayment_days = 4000",
         r"customer\.payment_days: .* less than or equal to 3650"),
        ("[customer]\npayment_days = -1", r"customer\.payment_days: .* greater than or equal to 0"),
        ("version = true", r"version: Input should be a valid integer"),
        ("version = 1.5", r"version: Input should be a valid integer"),
        ("name = ''", r"name: String should have at least 1 character"),
        ("weather = 'fine'", r"weather: Extra inputs are not permitted"),
        ("[customer]\ntime_zone = 'UTC'", r"customer\.time_zone: Extra inputs are not permitted"),
        ("books_closed_through = 0", r"books_closed_through: .* valid date"),
        ("[[opportunity.pipelines]]\nname = 'x'\nversion = 1\nstages = []",
         r"opportunity\.pipelines\.0\.stages: List should have at least 1 item"),
        ("time_zone = 'Mars/Base'", r"there is no time zone 'Mars/Base'"),
        ("[value_tiers]\na_percent = 96", r"class or grade A lies above B"),
        ("[credit]\na_score = 5", r"class or grade A lies above B"),
        ("a = 1\na = 2", r"no TOML: Cannot overwrite a value"),
        ("a =", r"no TOML: Invalid value"),
        ("[a]\n[a]", r"no TOML: Cannot declare"),
        ("\n".join(f"x{n} = 1" for n in range(9)), r"x4: .*; and 4 more$"),
    ],
)  # fmt: skip
def test_what_cannot_be_names_the_key_and_the_bound(text: str, said: str) -> None:
    with pytest.raises(InvalidPolicy, match=said):
        loads(text)


@pytest.mark.parametrize(
    ("pipelines", "said"),
    [
        ([Pipeline(name="a", version=1, stages=(LEAD, LEAD))], "two stages of a@1 are called lead"),
        ([Pipeline(name="a", version=1, stages=(LEAD,))] * 2, "two are called a@1"),
    ],
)
def test_names_of_stages_and_pipelines_are_their_own(pipelines: list[Pipeline], said: str) -> None:
    policies = Policies(opportunity=opportunity.Policy(pipelines=tuple(pipelines)))
    with pytest.raises(InvalidPolicy, match=said):
        checked(policies)
    with pytest.raises(InvalidPolicy, match=said):
        loads(toml(policies))


@pytest.mark.parametrize(
    "policies",
    [
        Policies(loyalty=loyalty.Policy(minor_units_per_point=10**5_000)),
        Policies(loyalty=loyalty.Policy(lifetime_months=0)),
        Policies(credit=CreditPolicy(a_score=500)),
        Policies(value_tiers=ValuePolicy(a_percent=96)),
        Policies(name="a\ud800"),
        Policies(time_zone="../etc/passwd"),
        Policies(max_backdate_days=-1),
    ],
)
def test_what_is_made_in_python_is_checked_too(policies: Policies) -> None:
    with pytest.raises(InvalidPolicy):
        CRM.in_memory(policies=policies)


def test_a_file_that_is_none_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'name = "caf\xe9"')
    (tmp_path / "large.toml").write_bytes(b"#" * 30_001)
    for name, said in (
        ("nowhere.toml", "cannot be read"),
        (".", "cannot be read"),
        ("latin.toml", "can't decode byte"),
        ("large.toml", "it has more than 30000 bytes"),
    ):
        with pytest.raises(InvalidPolicy, match=said):
            load(tmp_path / name)


def test_policies_differ_in_their_numbers_and_in_nothing_else() -> None:
    assert differences(Policies(), Policies()) == []
    assert differences(Policies(), AUTUMN) == [
        Change(key="name", before="default", after="autumn"),
        Change(key="version", before=1, after=2),
        Change(key="books_closed_through", before=None, after="2026-06-30"),
        Change(key="customer.payment_days", before=30, after=45),
    ]
    shorter = Policies(
        opportunity=opportunity.Policy(
            pipelines=(Pipeline(name="standard", version=1, stages=(LEAD,)),)
        )
    )
    found = {
        change.key: (change.before, change.after) for change in differences(Policies(), shorter)
    }
    assert found["opportunity.pipelines.1.stages.1.name"] == ("prospecting", "lead")
    assert found["opportunity.pipelines.1.stages.4.name"] == ("negotiation", None)


# The command line


def test_every_command_explains_itself_with_an_example() -> None:
    for command in ("show", "check", "adopt", "list", "diff", "what-if"):
        said = run(command, "--help")
        assert said.exit_code == 0
        assert re.search(rf"Example:\s+crmcore policy {command}", said.stdout), command


def test_what_ships_is_shown_without_a_store() -> None:
    assert run("show").stdout == run("show", "shipped").stdout == toml(Policies())
    assert answer("show") == json.loads(Policies().text)


def test_a_file_is_checked(file: Path, tmp_path: Path) -> None:
    assert run("check", file).stdout == f"{AUTUMN.stamp} can be adopted\n"
    assert answer("check", file) == {
        "name": "autumn", "version": 2, "digest": AUTUMN.digest, "stamp": AUTUMN.stamp,
    }  # fmt: skip
    bad = tmp_path / "bad.toml"
    bad.write_text("[customer]\npayment_days = 4000")
    said = run("check", bad)
    assert said.exit_code == 1
    assert "customer.payment_days: Input should be less than or equal to 3650" in " ".join(
        said.output.split()
    )


def test_x3_a_file_is_adopted_listed_and_in_force_from_its_day_on(store: str, file: Path) -> None:
    place = ("--store", store)
    boss = ("--by", "bea", "--role", "general_manager", "--because", "autumn", *place)
    assert answer("show", *place) == json.loads(Policies().text)
    assert answer("list", *place) == []
    said = run("adopt", file, "--from", "2099-01-01", *boss)
    assert said.output == f"{AUTUMN.stamp} is in force from 2099-01-01 on\n"
    again = run("adopt", file, "--from", "2099-01-01", *boss)
    assert again.output == f"{AUTUMN.stamp} was adopted before\n"
    assert "autumn@2" in run("list", *place).output
    assert loads(run("show", *place).stdout) == Policies()
    assert loads(run("show", "--as-of", "2099-01-01", *place).stdout) == AUTUMN
    for named in (AUTUMN.stamp, "autumn@2"):
        assert loads(run("show", named, *place).stdout) == AUTUMN
    assert run("show", "winter@9", *place).exit_code == 1
    [change] = [
        one for one in _changes(answer("diff", "shipped", AUTUMN.stamp, *place)) if "days" in one[0]
    ]
    assert change == ("customer.payment_days", 30, 45)


def test_who_may_not_adopt_is_told_so(store: str, file: Path) -> None:
    said = run("adopt", file, "--by", "ann", "--role", "sales", "--store", store)
    assert said.exit_code == 1
    assert "Policies are adopted by the general manager" in " ".join(said.output.split())


def test_two_files_are_compared(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(toml(replace(AUTUMN, version=3)))
    assert answer("diff", file, other) == [{"key": "version", "before": 2, "after": 3}]
    assert "version" in run("diff", file, other).output
    assert run("diff", file, file).output == "they are the same\n"


def _changes(found: object) -> list[tuple[str, object, object]]:
    assert isinstance(found, list)
    return [(one["key"], one["before"], one["after"]) for one in found]
