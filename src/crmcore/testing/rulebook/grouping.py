"""What holds of every history of a customer in a group (rules.md CR14)."""

from collections.abc import Iterator
from fractions import Fraction
from uuid import UUID

from crmcore.domain.customer import group, orders
from crmcore.domain.money import Money
from crmcore.testing.laws import law
from crmcore.testing.living import History
from crmcore.testing.rulebook.books import followed, numbers
from crmcore.testing.steps import AnyDecider


@law
def an_order_is_within_the_limit_of_the_group(
    decider: AnyDecider, history: History
) -> Iterator[str]:
    """What a group owes with an order stays within its parent's limit, or was released (CR14)."""
    most = Fraction(100 + numbers(decider).tolerance_percent, 100)
    parent: UUID | None = None
    members = set[UUID]()
    for event, day, ledger in followed(decider, history, after=True):
        match event:
            case group.GroupJoined():
                parent = event.parent
            case group.GroupLeft():
                parent = None
            case group.MemberAdmitted(member=member):
                members.add(member)
            case group.MemberLeft(member=member):
                members.discard(member)
            case orders.OrderAccepted() | orders.OrderChanged() | orders.OrderReopened():
                checked = event.group
                if event.exposure is None or (checked is None and not parent and not members):
                    continue
                if checked is None or checked.parent != parent:
                    yield f"{event!r} was not asked of the group"
                elif not ledger.covers(event.order, day) and checked.limit != "unlimited":
                    limit = checked.limit.minor if isinstance(checked.limit, Money) else -1
                    if limit < 0 or checked.exposure.minor > round(limit * most):
                        yield f"{event!r} is beyond the limit of the group"
            case _:
                pass


LAWS = (an_order_is_within_the_limit_of_the_group,)
