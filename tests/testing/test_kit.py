"""What the kit offers, and who it burdens with Hypothesis: nobody but who asks for it."""

import subprocess
import sys

import pytest

import crmcore.testing


def test_everything_it_lists_is_there() -> None:
    offered = {name: getattr(crmcore.testing, name) for name in crmcore.testing.__all__}
    assert all(callable(each) for name, each in offered.items() if not name.endswith("LAWS"))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = getattr(crmcore.testing, "nonsense")  # noqa: B009 - a type checker knows


@pytest.mark.parametrize(
    "program",
    [
        "import crmcore",
        "import crmcore.testing",
        "import crmcore.testing.concurrency",
        "from crmcore.testing import given, check, explore",
    ],
)
def test_hypothesis_is_imported_by_who_asks_for_values(program: str) -> None:
    said = f"{program}\nimport sys\nassert 'hypothesis' not in sys.modules"
    subprocess.run([sys.executable, "-c", said], check=True)
