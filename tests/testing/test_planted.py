"""Every planted bug is found in 500 histories, and shown with the fewest commands that show it."""

import pytest

from crmcore.testing import check, samples
from crmcore.testing.contracts import laws_for
from crmcore.testing.shortening import shortened
from tests.testing.planted import CUSTOMER, DEALS, LOYALTY, PLANTED, TICKETS, Planted
from tests.testing.planted_credit import PLANTED_CREDIT
from tests.testing.planted_deals import PLANTED_DEALS
from tests.testing.planted_loyalty import PLANTED_LOYALTY
from tests.testing.planted_people import PLANTED_PEOPLE
from tests.testing.planted_policy import PLANTED_POLICY

ALL = (
    *PLANTED,
    *PLANTED_CREDIT,
    *PLANTED_DEALS,
    *PLANTED_LOYALTY,
    *PLANTED_PEOPLE,
    *PLANTED_POLICY,
)

RULES = {rules.kind: rules for rules in (LOYALTY, CUSTOMER, DEALS, TICKETS)}


@pytest.mark.parametrize("bug", ALL, ids=lambda bug: bug.what)
def test_a_planted_bug_is_found_with_the_fewest_commands(bug: Planted) -> None:
    laws = {law.name: law for law in laws_for(bug.rules)}
    found: list[int] = []
    for history in samples(bug.rules, 500):
        broken = {violation.law for violation in check(bug.rules, history, laws)}
        found += [len(shortened(history, laws[law]).steps) for law in broken]
        if bug.commands in found:
            break
    assert min(found, default=0) == bug.commands


@pytest.mark.parametrize("kind", RULES)
def test_without_a_bug_every_law_holds(kind: str) -> None:
    laws = laws_for(RULES[kind])
    found = [v for history in samples(RULES[kind], 50) for v in check(RULES[kind], history, laws)]
    assert found == []
