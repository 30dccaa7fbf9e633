"""What holds of every history of our four aggregates and of processes, told from facts alone.

The laws share no helper with the rules that they watch over: so a mistake in one is none in the
other. Each is asked of generated histories, and of what an application has recorded.
"""

from collections.abc import Mapping
from typing import Any

from crmcore.domain import adoption as adoptions
from crmcore.domain import customer as customers
from crmcore.domain import identity as identities
from crmcore.domain import loyalty as accounts
from crmcore.domain import opportunity as opportunities
from crmcore.domain import portfolio as portfolios
from crmcore.domain import security as attempts
from crmcore.domain import ticket as tickets
from crmcore.testing.laws import Law
from crmcore.testing.living import kinds
from crmcore.testing.rulebook import (
    adoption,
    customer,
    grouping,
    identity,
    loyalty,
    opportunity,
    ownership,
    portfolio,
    security,
    ticket,
)
from crmcore.testing.steps import AnyDecider

RULEBOOK: Mapping[str, tuple[Law, ...]] = {
    "customer": (*customer.LAWS, *grouping.LAWS, *ownership.LAWS),
    "opportunity": opportunity.LAWS,
    "ticket": ticket.LAWS,
    "loyalty": loyalty.LAWS,
    "identity": identity.LAWS,
    "portfolio": portfolio.LAWS,
    "policies": adoption.LAWS,
    "security": security.LAWS,
}
"""The laws of each kind of aggregate, and of the processes between them."""

_EVENTS: Mapping[str, Any] = {
    "customer": customers.Event,
    "opportunity": opportunities.Event,
    "ticket": tickets.Event,
    "loyalty": accounts.Event,
    "identity": identities.Event,
    "portfolio": portfolios.Event,
    "policies": adoptions.Event,
    "security": attempts.Event,
}


def laws_of(decider: AnyDecider) -> tuple[Law, ...]:
    """Return the laws of the rulebook that a decider is under: whose facts are among ours."""
    ours = set(kinds(_EVENTS[decider.kind])) if decider.kind in _EVENTS else set[type]()
    return RULEBOOK[decider.kind] if ours and ours.issuperset(kinds(decider.events)) else ()
