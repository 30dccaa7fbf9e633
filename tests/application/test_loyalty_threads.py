"""Facts of an account may be dated back; the state that decides is the state that answers."""

from datetime import timedelta
from random import Random
from uuid import UUID

import pytest

from crmcore import Stream
from crmcore.domain import loyalty
from crmcore.domain.loyalty import Account
from tests.application.acting import ADA, NOW, in_memory
from tests.domain.members import ASKED, BASICS, MANAGER

ACCOUNT = UUID(int=9)
DAY = timedelta(days=1)


def unordered(account: Account) -> object:
    """What is there, without the order of things that have none."""
    return (
        account.status,
        account.owed,
        frozenset(account.lots),
        frozenset(account.holds),
        frozenset(account.transfers),
        frozenset(account.referrals),
        frozenset(account.memberships),
        frozenset(account.merits),
        {sale.source: sale for sale in account.earned},
        {made.name: made for made in account.redemptions},
        [account.usable(NOW + days * DAY) for days in (0, 1, 30, 200, 400)],
    )


@pytest.mark.parametrize("seed", range(12))
def test_o13_in_every_account_the_state_that_decides_is_the_state_that_answers(seed: int) -> None:
    crm, random = in_memory(), Random(seed)  # noqa: S311 - the same every time
    start = NOW - 80 * DAY
    enrol = loyalty.Enrol(customer=ADA)
    crm.do(enrol, to=ACCOUNT, act=crm.act("ann", effective_at=start))
    today = start
    for _ in range(60):
        today = min(NOW, today + random.choice((0, 0, 1, 3)) * DAY)
        dated = max(start, today - random.choice((0, 0, 0, 1, 9, 30)) * DAY)
        ask = random.choice(random.choice((ASKED, BASICS)))
        command = ask(random, crm.loyalty(ACCOUNT))
        act = crm.act("gus", roles=list(MANAGER), effective_at=dated)
        crm.carry_out([(act, [(command, ACCOUNT)])])
    facts = crm.stream(Stream(kind="loyalty", id=ACCOUNT))
    rules = next(one for one in crm.deciders if one.kind == "loyalty")
    decided = rules.fold(fact.event for fact in facts)
    assert unordered(crm.loyalty(ACCOUNT)) == unordered(decided)
    assert facts
