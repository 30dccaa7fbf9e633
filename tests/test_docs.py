"""The documentation is true: examples run, links lead somewhere, and tables are the code's."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from crmcore.application.views import Row
from crmcore.intake.mapping import CommandRule, FieldRule, Layout, Mapping
from crmcore.projections.projection import Answer
from crmcore.projections.summary import Receivables, Summary, Total
from tests.pages import wrong_examples

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
ADRS = sorted((DOCS / "adr").glob("[0-9]*.md"))
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
RULES = {"X": 12, "C": 5, "M": 4, "CR": 15, "O": 16, "T": 16, "L": 22, "4.": 12}
HEADINGS = ["Context", "Options", "Decision", "Consequences", "Confirmation"]
STATUS = r"Status: (proposed|accepted|superseded by \d{4})      Date: \d{4}-\d\d-\d\d"


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_examples_say_what_the_library_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # files change faster than their times
    before = set(sys.modules)
    wrong = wrong_examples(page.read_text(encoding="utf-8"), name(page), tmp_path)
    for module in set(sys.modules) - before:
        if (tmp_path / f"{module}.py").exists():
            del sys.modules[module]
    assert not wrong, wrong


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_what_is_generated_is_what_the_code_says() -> None:
    command = [sys.executable, str(DOCS / "generate.py"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_the_scope_says_of_every_rule_once_what_became_of_it() -> None:
    rows = re.findall(
        r"^\| ((?:[A-Z]+|4\.)\d+) \| [^|]+ \| (\w+) \| ([^|]+) \|",
        (DOCS / "explanation" / "scope.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    wanted = [f"{kind}{number}" for kind, most in RULES.items() for number in range(1, most + 1)]
    assert [rule for rule, _, _ in rows] == wanted
    assert {state for _, state, _ in rows} <= {"done", "partly", "later"}
    assert [rule for rule, state, why in rows if state != "done" and why == "-"] == []


def test_decisions_are_numbered_without_gaps_and_listed() -> None:
    index = (DOCS / "adr" / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d{4}) \| \[(.+)\]\((.+)\) \| (.+) \|$", index, re.MULTILINE)
    assert [int(path.name[:4]) for path in ADRS] == list(range(1, len(ADRS) + 1))
    said = []
    for path in ADRS:
        title, _, status = path.read_text(encoding="utf-8").splitlines()[:3]
        number, _, words = title.removeprefix("# ").partition(". ")
        said.append((number, words, path.name, status.removeprefix("Status: ").split("  ")[0]))
    assert listed == said


@pytest.mark.parametrize("path", ADRS, ids=name)
def test_a_decision_has_the_form_of_a_decision(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.fullmatch(STATUS, text.splitlines()[2])
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert len(text.splitlines()) <= 30


@pytest.mark.parametrize("path", ADRS, ids=name)
def test_a_decision_is_kept_true_by_something_that_is_there(path: Path) -> None:
    confirmation = path.read_text(encoding="utf-8").partition("## Confirmation\n")[2]
    named = re.findall(r"`([\w./-]*/[\w./-]*)`", confirmation)
    tests = re.findall(r"`(test_\w+)`", confirmation)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
    sources = "".join((ROOT / path).read_text() for path in named if path.endswith(".py"))
    assert [test for test in tests if f"def {test}(" not in sources] == []


@pytest.mark.parametrize(
    ("page", "fields"),
    [
        ("projections.md", Answer.__struct_fields__),
        ("summary.md", Summary.__struct_fields__),
        ("summary.md", Receivables.__struct_fields__),
        ("summary.md", Total.__struct_fields__),
        ("summary.md", Row.__struct_fields__),
        ("mapping.md", (*Mapping.model_fields, *Layout.model_fields)),
        ("mapping.md", (*FieldRule.model_fields, *CommandRule.model_fields)),
    ],
)
def test_the_reference_names_every_field(page: str, fields: tuple[str, ...]) -> None:
    text = (DOCS / "reference" / page).read_text(encoding="utf-8")
    assert [field for field in fields if not re.search(rf"\W{field}\W", text)] == []


PROVED = ("X", "C", "M", "CR", "O", "T", "L")
WITHOUT_A_PROPERTY = {"T12", "T15"}  # merged tickets, entitlements: none yet


def test_every_numbered_rule_has_a_property_that_is_named_after_it() -> None:
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    numbers = {f"{kind}{n}" for kind in PROVED for n in range(1, RULES[kind] + 1)}
    without = {
        number
        for number in numbers
        if not any(name.startswith(f"test_{number.lower()}_") for name in defined)
    }
    assert without == WITHOUT_A_PROPERTY


def test_the_changelog_lists_every_stored_name() -> None:
    from crmcore.infrastructure.codec import CODEC

    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(\w+\.\w+)`", changelog)) >= set(CODEC.classes)
