"""What the tutorial shows of the command line is what comes of it, but for how often."""

import re
from pathlib import Path

from tests.pages import typed

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "tutorial" / "prove-your-own-rules.md"
VARIES = re.compile(r"hash \w+|\d+%?|[ ]{2,}")


def test_what_is_typed_leads_to_what_is_shown(folder: Path) -> None:
    commands = []
    for command, shown, said in typed(PAGE.read_text(encoding="utf-8"), folder.parent):
        assert told(said) == told(shown), command
        commands.append(command.split()[0])
    assert [commands.count(name) for name in ("pytest", "python", "crmcore")] == [2, 1, 7]


def told(text: str) -> list[str]:
    """Return what a text tells: examples as they are, else all but numbers, in any order.

    How often something occurred varies with the version of Hypothesis.
    """
    examples = [line for line in text.splitlines() if line.startswith(("    ", "from "))]
    return [*examples, *sorted(VARIES.sub("#", line.strip()) for line in text.splitlines())]
