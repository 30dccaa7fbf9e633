#!/usr/bin/env python3
"""One command from a fresh clone; it needs Python 3.11 and pip, nothing else.

    python3 dev.py demo [ARGUMENTS]              show the library at work
    python3 dev.py test [PYTEST ARGUMENTS]       run the tests; without arguments all of them
    python3 dev.py check [--no-tests]            do what must pass before a commit
    python3 dev.py mutate [MODULE...]            change the rules, and see whether tests notice
    python3 dev.py bench [NAME [ARGUMENTS]]      measure with bench/NAME.py, or list the names

The first run makes .venv in this folder and installs into it what pyproject.toml names, at the
versions in constraints.txt. Later runs use it again; it follows when one of these files changes.
"""

# This file must parse under an old Python too, so that it can say which one it needs.
from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "dev.json"  # says that the .venv is ours, and what is in it once it is complete
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = str(BIN / ("python.exe" if os.name == "nt" else "python"))
PIP_OLDEST = (22, 3)  # the first that installs into another environment than its own
QUIET = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
    "PIP_USER": "0",
    "PYTHONUNBUFFERED": "1",
}
WORKERS = str((os.cpu_count() or 1) + 1)  # one more than processors: some tests wait for a server
PYTEST = [PYTHON, "-m", "pytest", "-q", "-n", WORKERS, "--dist", "worksteal"]
RULES = ["tests/domain", "tests/projections", "tests/application"]
COVERAGE = [PYTHON, "-m", "coverage"]
MUTATION = [PYTHON, "-m", "tests.mutation"]
STATIC_CHECKS = {
    "format": [PYTHON, "-m", "ruff", "format", "--check"],
    "lint": [PYTHON, "-m", "ruff", "check"],
    "types (mypy)": [PYTHON, "-m", "mypy"],
    "types (basedpyright)": [PYTHON, "-m", "basedpyright", "--pythonpath", PYTHON],
    "layers": [str(BIN / "lint-imports")],
}
TESTS = {
    # Those first that watch no lines: they rehearse sooner, and what they found is kept.
    "tests of all but the rules": [*PYTEST, *(f"--ignore={folder}" for folder in RULES)],
    "tests of the rules": [*COVERAGE, "run", *PYTEST[1:], *RULES],
    "coverage": [*COVERAGE, "combine", "-q"],
    "coverage of the rules (100 %)": [*COVERAGE, "report", "--fail-under=100"],
}
MUTANTS = {"mutants": [*MUTATION, "--check"]}


def main(arguments: list[str]) -> int:
    """Carry out a command; return its exit status."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs an older one shall know
        print(f"Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}")
        return 2
    command, *rest = arguments or ["help"]
    if command == "demo":
        return prepare("cli", "embedded") or run([PYTHON, "-m", "crmcore", "demo", *rest])
    if command == "test":
        return prepare("test") or (run([*PYTEST, *rest]) if rest else check(TESTS))
    if command == "check" and rest in ([], ["--no-tests"]):
        return prepare("dev") or check(STATIC_CHECKS | ({} if rest else TESTS) | MUTANTS)
    if command == "mutate":
        return prepare("test") or run([*MUTATION, *rest])
    if command == "bench" and rest and (ROOT / "bench" / f"{rest[0]}.py").is_file():
        return prepare("test") or run([PYTHON, f"bench/{rest[0]}.py", *rest[1:]])
    print(__doc__)
    print("benchmarks:", *sorted(path.stem for path in (ROOT / "bench").glob("[!_]*.py")))
    return 0 if command in {"help", "-h", "--help"} or arguments == ["bench"] else 2


def run(command: list[str]) -> int:
    """Run a program in this folder; return its exit status."""
    try:
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    except KeyboardInterrupt:
        return 130


def check(steps: dict[str, list[str]]) -> int:
    """Run every step, then tell which failed."""
    failed = []
    for name, command in steps.items():
        print(f"\n== {name}", flush=True)
        if run(command):
            failed.append(name)
    print(f"\nfailed: {', '.join(failed)}" if failed else f"\nall {len(steps)} checks passed")
    return 1 if failed else 0


def prepare(*extras: str) -> int:
    """Have .venv hold the project with these extras; return 0 when it does."""
    inputs = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    python = [str(ROOT), sys.base_prefix, sys.version]
    wanted = {"python": python, "inputs": hashlib.sha256(inputs).hexdigest()}
    there = json.loads(STAMP.read_text() or "{}") if STAMP.is_file() else {}
    installed = there.pop("extras", [])
    if there == wanted and set(extras) <= set(installed):
        return 0
    if VENV.exists() and not STAMP.is_file():
        return fail(".venv was made by somebody else than this program: move it away")
    print(
        f"Setting up .venv with {', '.join(extras)}: this takes a minute the first time", flush=True
    )
    if (status := check_pip()) or (there.get("python") != python and (status := make_venv())):
        return status
    STAMP.write_text("")  # until all is installed: what is interrupted here is made anew
    names = ",".join(sorted({*extras, *installed}))
    if status := pip("--python", PYTHON, "install", "-c", "constraints.txt", "-e", f".[{names}]"):
        return status
    STAMP.write_text(json.dumps(wanted | {"extras": names.split(",")}))
    return 0


def make_venv() -> int:
    """Make an empty .venv; without pip in it, because Debian keeps what that takes elsewhere."""
    if VENV.exists():
        shutil.rmtree(VENV)
    VENV.mkdir()
    STAMP.touch()
    try:
        import venv
    except ImportError:
        return make_venv_without_venv()
    venv.EnvBuilder(symlinks=os.name != "nt").create(VENV)
    return 0


def make_venv_without_venv() -> int:
    """Make .venv with a virtualenv that is installed for this moment only."""
    with tempfile.TemporaryDirectory() as folder:
        if status := pip("install", "--target", folder, "virtualenv"):
            return status
        command = [sys.executable, "-m", "virtualenv", "--quiet", "--no-seed", str(VENV)]
        environment = os.environ | {"PYTHONPATH": folder}
        return subprocess.run(command, env=environment, check=False).returncode


def check_pip() -> int:
    """Return 0 if there is a pip that can do what we need."""
    command = [sys.executable, "-m", "pip", "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    if not said:
        return fail(f"{sys.executable} has no pip: install it (Debian: apt install python3-pip)")
    if tuple(int(part) for part in said[1].split(".")[:2]) < PIP_OLDEST:
        return fail(f"pip {said[1]} is too old: {sys.executable} -m pip install 'pip>=22.3'")
    return 0


def pip(*arguments: str) -> int:
    """Run pip and show that it moves; show all it said only if it fails."""
    command = [sys.executable, "-m", "pip", *arguments, "--no-input", "--progress-bar=off"]
    said = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | QUIET,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            said.append(line)
            show_progress(line)
    print(flush=True)
    if process.returncode:
        print("".join(said))
        return fail("pip could not install what is needed; its words are above")
    return 0


def show_progress(line: str) -> None:
    """Show the step that pip is at: in place on a terminal, else as a dot."""
    if not line.strip().startswith(("Collecting", "Downloading", "Building", "Installing")):
        return
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\033[K{' '.join(line.split())[:width]}", end="", flush=True)
    else:
        print(".", end="", flush=True)


def fail(sentence: str) -> int:
    """Say what is in the way; return the exit status that goes with it."""
    print(sentence, file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
