"""What the page about proofs has people type leads to what it shows, but for keys and hashes."""

import re
from pathlib import Path

from tests.pages import typed

PAGE = Path(__file__).resolve().parents[1] / "docs" / "how-to" / "prove-a-history.md"
VARIES = re.compile(r"[0-9a-f]{64}|[0-9a-f]{8}-[0-9a-f-]{27}|\+\S{50,}|\d+ bytes")


def test_what_is_typed_leads_to_what_is_shown(folder: Path) -> None:
    commands = []
    for command, shown, said in typed(PAGE.read_text(encoding="utf-8"), folder.parent):
        assert VARIES.sub("#", said) == VARIES.sub("#", shown.rstrip()), command
        commands.append(command.split()[1])
    assert commands == [
        "import", "keygen", "checkpoint", "checkpoint", "verify", "prove", "check-proof",
        "'s/Ada/Eve/'",
    ]  # fmt: skip
