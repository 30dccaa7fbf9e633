"""What a page of the documentation has its reader do: save files, change them, and type."""

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

BLOCK = re.compile(r'^```(\w+)(?: title="([\w.]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PROGRAMS = "".join(
    f'{name}() {{ "{sys.executable}" {arguments} "$@"; }}\n'
    for name, arguments in (
        ("crmcore", "-m crmcore"),
        ("pytest", "-m pytest -p no:cacheprovider"),
        ("python", ""),
    )
)


class Block(NamedTuple):
    """A fenced block: its language, the file that it is, and the line it begins in."""

    language: str
    file: str
    content: str
    line: int


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    for found in BLOCK.finditer(text):
        language, file, content = found.groups(default="")
        yield Block(language, file, content, text.count("\n", 0, found.start(3)))


def save(block: Block, folder: Path) -> None:
    """Save a file of the page, or change it as a block of differences says."""
    path = folder / block.file
    if block.language != "diff":
        path.write_text(block.content, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    before, after = (
        "".join(f"{line[1:]}\n" for line in block.content.splitlines() if line[:1] in kept)
        for kept in (" -", " +")
    )
    assert text.count(before) == 1, f"line {block.line}: this is not in {block.file} once"
    path.write_text(text.replace(before, after), encoding="utf-8")


def wrong_examples(text: str, name: str, folder: Path) -> str:
    """Return what is wrong with the examples of a page, which runs in this folder."""
    said, known = list[str](), dict[str, object]()
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    for block in blocks(text):
        if block.file:
            save(block, folder)
        elif block.language == "python":
            examples = parser.get_doctest(block.content, known, name, name, block.line)
            runner.run(examples, out=said.append, clear_globs=False)
            known = examples.globs
    return "".join(said) if runner.failures else ""


def typed(text: str, folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield what is typed, what the page says comes of it, and what does; in this folder."""
    before = Block("", "", "", 0)
    for block in blocks(text):
        if block.file:
            save(block, folder)
        elif (before.language, block.language) == ("sh", "text"):
            yield before.content, block.content, _run(before.content, folder)
        before = block


def _run(commands: str, folder: Path) -> str:
    environment = os.environ | {"COLUMNS": "100", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["/bin/sh", "-c", PROGRAMS + commands],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return "\n".join(line.rstrip() for line in f"{done.stdout}{done.stderr}".splitlines())
