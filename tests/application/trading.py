"""What tests of trade on account ask of a CRM, and how they are told no."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from crmcore import CRM, Rejected
from crmcore.domain import customer
from crmcore.domain.value import Value
from tests.application.acting import usd

GUS = "gus"  # the general manager


def do(crm: CRM, command: Value, to: UUID, by: str = "ann") -> Sequence[Any]:
    roles = ("general_manager",) if by == GUS else ()
    receipt = crm.do(command, to=to, act=crm.act(by, roles=roles))
    return [fact.event for fact in receipt.facts]


def refused(crm: CRM, command: Value, to: UUID, by: str = "ann") -> object:
    with pytest.raises(Rejected) as no:
        do(crm, command, to, by)
    return no.value.rejection


def met(crm: CRM, command: Value, who: UUID) -> tuple[str, Any]:
    """Return what refuses a command, or "ok" and the first of its facts."""
    try:
        return "ok", do(crm, command, who)[0]
    except Rejected as no:
        return no.code, None


def order(cents: int, name: str = "o") -> customer.AcceptOrder:
    return customer.AcceptOrder(order=name, amount=usd(cents))


def details(crm: CRM, who: UUID) -> dict[str, str]:
    said = crm.credit(who)
    assert said is not None
    return dict(said.details)
