"""What users install: it is built, looked at and run in an application of theirs."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("domain", "application", "infrastructure", "projections")
APPLICATION = """
from datetime import date
from uuid import UUID

import crmcore
import domain
from crmcore import CRM
from crmcore.domain import customer

assert domain.WHOSE == "the application's"
ada = UUID("6c84fb90-12c4-11e1-840d-7b25c5ee775a")
with CRM.in_memory() as crm:
    command = customer.Register(code="a1", name="Ada", kind="person")
    receipt = crm.do(command, to=ada, act=crm.act("ann"))
assert [fact.version for fact in receipt.facts] == [1]
print(crmcore.__file__)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels: one from the source archive that lies beside it, one from the tree."""
    folder = tmp_path_factory.mktemp("built")
    build = ["-m", "build", "--no-isolation", "--outdir"]
    run(*build, folder / "from-archive", ROOT)
    run(*build, folder / "from-tree", "--wheel", ROOT)
    return folder


def test_the_wheel_holds_the_whole_library_and_nothing_else(built: Path) -> None:
    expected = {"crmcore/py.typed"} | {
        f"crmcore/{path.relative_to(base)}"
        for base, folder in [
            (ROOT / "src" / "crmcore", ROOT / "src" / "crmcore"),
            *((ROOT, ROOT / layer) for layer in LAYERS),
        ]
        for path in folder.rglob("*")
        if path.suffix in {".py", ".sql", ".toml"}
    }
    held = names(wheel(built / "from-tree"))
    assert {name for name in held if ".dist-info/" not in name} == expected
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in held)
    assert "crmcore/infrastructure/sql/0003_log.sql" in held
    assert "crmcore/intake/mappings/accounts.toml" in held


def test_the_source_archive_builds_the_same_wheel(built: Path) -> None:
    assert names(wheel(built / "from-archive")) == names(wheel(built / "from-tree"))


def test_an_application_with_a_domain_of_its_own_can_embed_the_library(
    built: Path, tmp_path: Path
) -> None:
    libraries = tmp_path / "libraries"
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    run(*install, libraries, wheel(built / "from-archive"))
    (tmp_path / "domain").mkdir()
    (tmp_path / "domain" / "__init__.py").write_text('WHOSE = "the application\'s"\n')
    (tmp_path / "main.py").write_text(APPLICATION)
    said = run(tmp_path / "main.py", libraries=libraries)
    assert Path(said.strip()) == libraries / "crmcore" / "__init__.py"


def wheel(folder: Path) -> Path:
    return next(folder.glob("*.whl"))


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def run(*arguments: str | Path, libraries: Path | None = None) -> str:
    """Run Python away from the repository; return what it says, or fail with it."""
    environment = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    if libraries:
        environment["PYTHONPATH"] = str(libraries)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd="/",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
