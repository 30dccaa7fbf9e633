"""A CRM over each store."""

from collections.abc import Iterator

import pytest

from crmcore import CRM
from tests.application.acting import NOW, in_memory


@pytest.fixture(params=["memory", "postgres"])
def crm(request: pytest.FixtureRequest) -> Iterator[CRM]:
    if request.param == "memory":
        yield in_memory()
        return
    url = request.getfixturevalue("postgres_url")
    CRM.migrate(url)
    with CRM.open(url, clock=lambda: NOW) as opened:
        yield opened
