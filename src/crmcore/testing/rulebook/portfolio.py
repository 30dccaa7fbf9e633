"""What holds of every history of whom somebody looks after."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from uuid import UUID

from crmcore.domain import portfolio
from crmcore.testing.laws import law
from crmcore.testing.living import History, policy_of
from crmcore.testing.steps import AnyDecider


@law
def nobody_claims_more_than_the_quota(decider: AnyDecider, history: History) -> Iterator[str]:
    """Claims count on their day, whatever becomes of the customers (rules.md C3)."""
    quota = (policy_of(decider) or portfolio.Policy()).claims_per_day
    claims = Counter[date]()
    for event in history.events:
        if isinstance(event, portfolio.CustomerClaimed):
            claims[event.claimed_on] += 1
            if claims[event.claimed_on] > quota:
                yield f"{event!r} is the claim {claims[event.claimed_on]} of the day"


@law
def nobody_looks_after_too_many(decider: AnyDecider, history: History) -> Iterator[str]:
    """Nobody looks after more customers than the capacity, and each is held once (rules.md C3)."""
    capacity = (policy_of(decider) or portfolio.Policy()).capacity
    held = set[UUID]()
    for event in history.events:
        is_in = event.customer in held
        if isinstance(event, portfolio.CustomerLetGo):
            held.discard(event.customer)
        else:
            held.add(event.customer)
        if is_in is not isinstance(event, portfolio.CustomerLetGo) or len(held) > capacity:
            yield f"{event!r} with {len(held)} held"


LAWS = (nobody_claims_more_than_the_quota, nobody_looks_after_too_many)
