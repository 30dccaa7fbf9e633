"""The short form of the fault campaign; `campaign.py --long` does ten times as much."""

from collections.abc import Iterator

import pytest

from crmcore.infrastructure.embedded import server
from tests.faults.campaign import FAULTS, SEED
from tests.faults.setting import Setting
from tests.folders import passing_folder


@pytest.fixture(scope="module")
def setting() -> Iterator[Setting]:
    """A durable server of our own, whatever server the other tests use."""
    with passing_folder() as folder, server(folder) as url:
        yield Setting(url, SEED, long=False)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_log_keeps_its_promises_when(fault: str, setting: Setting) -> None:
    result = FAULTS[fault](setting)
    if result.skipped:
        pytest.skip(result.skipped)
    assert result.passed, (
        f"seed {SEED}: expected {result.expected}; measured {dict(result.measured)}"
    )
