"""What the tutorial shows of the command line is what comes of it, but for how often."""

import re
from pathlib import Path

from tests.pages import typed

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "tutorial" / "prove-your-own-rules.md"
KINDS = re.compile(r"\b[A-Z][a-z]\w+(?=\()|\.\w+\(")
MINUTES = re.compile(r" \(\d+:\d\d:\d\d\)")  # what pytest adds to many seconds
VARIES = re.compile(r"hash \w+|\d+%?|[ ]{2,}")


def test_what_is_typed_leads_to_what_is_shown(folder: Path) -> None:
    commands = []
    for command, shown, said in typed(PAGE.read_text(encoding="utf-8"), folder.parent):
        assert told(said) == told(shown), command
        commands.append(command.split()[0])
    assert [commands.count(name) for name in ("pytest", "python", "crmcore")] == [2, 1, 7]


def told(text: str) -> list[str]:
    """Return what a text tells: the kinds in its examples, else all but numbers, in any order.

    How often something occurs, and which kind of customer registers, varies with the version of
    Hypothesis.
    """
    lines = MINUTES.sub("", text).splitlines()
    examples = [KINDS.findall(line) for line in lines if line.startswith("    ")]
    others = [line for line in lines if not line.startswith(("    ", "from "))]
    return [*map(" ".join, examples), *sorted(VARIES.sub("#", line.strip()) for line in others)]
