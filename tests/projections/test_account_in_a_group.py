"""The account of a customer in a group: what it tells, and until when (rules.md CR14)."""

from datetime import date
from uuid import UUID

from crmcore.domain.customer import Customer, Policy
from crmcore.domain.customer.beside import Account, Beside, GroupBooks
from crmcore.domain.customer.credit import Credit
from crmcore.domain.customer.exposure import Order
from crmcore.domain.money import Money
from crmcore.projections.account import account
from tests.projections.history import eur, start, usd

DAY, LAST = date(2025, 1, 10), date(2025, 3, 31)
OWN = Customer(orders=(Order(name="o", amount=usd(100)),), credit=Credit(limit=usd(500)))


def told(others: Money, until: date | None = None) -> dict[str, str]:
    """What is told of a customer whose group owes this much, within a limit up to a day."""
    group = GroupBooks(
        parent=UUID(int=4),
        credit=Credit(limit=usd(300), limit_until=until),
        others=Account(orders=(Order(name="x", amount=others),)),
    )
    known = Customer(orders=OWN.orders, credit=OWN.credit, beside=Beside(group=group))
    return dict(account(known, start(DAY), Policy()))


def test_cr14_what_the_group_owes_is_told_with_its_limit() -> None:
    said = told(usd(120))
    assert (said["group limit"], said["group exposure"]) == (str(usd(300)), str(usd(220)))
    assert "account changes at" not in said


def test_cr14_the_account_changes_when_the_limit_of_the_group_lapses() -> None:
    said = told(usd(120), LAST)
    assert said["account changes at"] == start(date(2025, 4, 1)).isoformat()


def test_cr14_a_group_that_owes_in_several_currencies_has_no_sum() -> None:
    said = told(eur(120))
    assert "group exposure" not in said
    assert said["status"] != "ok"
