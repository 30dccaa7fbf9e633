"""The demonstration tells its story on a real embedded server, twice the same."""

import json
from pathlib import Path

from typer.testing import CliRunner

from crmcore import CRM
from crmcore.cli import app
from crmcore.demo.shop import write_files
from tests.folders import passing_folder


def test_the_files_are_the_same_every_time(tmp_path: Path) -> None:
    first = {k: p.read_bytes() for k, p in write_files(tmp_path / "a").items()}
    second = {k: p.read_bytes() for k, p in write_files(tmp_path / "b").items()}
    assert first == second
    assert first["shop_customers"].count(b"\n") == 321


def test_the_demo_tells_the_same_story_twice() -> None:
    with passing_folder("store") as store:
        first, second = (CliRunner().invoke(app, ["demo", str(store.parent)]) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    assert "320 rows, 384 commands (0 carried out before), 384 new facts" in first.stdout
    assert "320 rows, 384 commands (384 carried out before), 0 new facts" in second.stdout
    story = "The business as of 2024-06-30"
    assert first.stdout.partition(story)[2] == second.stdout.partition(story)[2] != ""
    assert "as it was known before" in first.stdout


def test_the_story_is_one_json_value_for_programs(postgres_url: str, tmp_path: Path) -> None:
    CRM.migrate(postgres_url)
    told = CliRunner().invoke(app, ["demo", str(tmp_path), "--store", postgres_url, "--json"])
    assert told.exit_code == 0, told.output
    story = json.loads(told.stdout)
    assert [summary["customers"] for summary in story["summaries"]] == [182, 320]
    assert story["card"]["code"] == "shop:K0060"
    assert [answer["answer"] for answer in story["late"]] == ["inactive", "reactivated"]
