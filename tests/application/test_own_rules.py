"""An application's own rules decide in the place of ours, and lead to the same kinds of facts."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from crmcore import CRM, InvalidPolicy, Money, Policies
from crmcore.domain import loyalty
from crmcore.domain.act import Act

OURS = loyalty.decider(loyalty.Policy())
ACCOUNT, ADA = UUID(int=1), UUID(int=7)
SALE = loyalty.Earn(source="s-1", amount=Money(minor=500, currency="USD"))
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def twice(command: Any, account: loyalty.Account, act: Act) -> tuple[Any, ...]:  # noqa: ANN401 - any command
    match OURS.decide(command, account, act):
        case (loyalty.PointsEarned(lot=lot) as earned,):
            return (replace(earned, lot=replace(lot, points=2 * lot.points)),)
        case events:
            return events


def test_rules_of_ones_own_decide_in_the_place_of_ours() -> None:
    crm = CRM.in_memory(clock=lambda: NOW, rules=[replace(OURS, decide=twice)])
    crm.do(loyalty.Enrol(customer=ADA), to=ACCOUNT, act=crm.act("ann"))
    crm.do(SALE, to=ACCOUNT, act=crm.act("ann"))
    assert crm.loyalty(ACCOUNT).usable(NOW) == 10
    assert [one.kind for one in crm.deciders] == [one.kind for one in CRM.in_memory().deciders]


def test_another_crm_has_the_same_rules_but_for_what_is_given() -> None:
    own = replace(OURS, decide=twice)
    crm = CRM.in_memory(rules=[own])
    assert own in crm.another(policies=Policies(version=2)).deciders
    assert own not in crm.another(rules=()).deciders


@pytest.mark.parametrize(
    "rules",
    [replace(OURS, kind="bonus"), replace(OURS, events=loyalty.Enrolled | loyalty.PointsEarned)],
)
def test_rules_that_lead_to_other_facts_are_refused(rules: Any) -> None:  # noqa: ANN401 - a decider
    with pytest.raises(InvalidPolicy, match="lead to facts that cannot be stored"):
        CRM.in_memory(rules=[rules])
