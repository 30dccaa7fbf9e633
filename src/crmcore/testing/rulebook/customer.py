"""What holds of every history of a customer's account."""

from collections.abc import Iterator

from crmcore.domain.customer import credit
from crmcore.domain.money import Money
from crmcore.testing.laws import law
from crmcore.testing.living import History
from crmcore.testing.rulebook import account
from crmcore.testing.steps import AnyDecider


@law
def a_limit_takes_two_people(_: AnyDecider, history: History) -> Iterator[str]:
    """A limit is approved by another than who asked, and no more than that (rules.md CR8)."""
    asked: credit.CreditLimitRequested | None = None
    for event in history.events:
        if isinstance(event, credit.CreditLimitRequested):
            asked = event
        if isinstance(event, credit.CreditLimitApproved):
            if asked is None or asked.request != event.request:
                yield f"nobody asked for {event!r}"
            elif asked.requested_by == event.approved_by:
                yield f"{event.approved_by} approved a request of their own"
            elif isinstance(asked.amount, Money) and (
                not isinstance(event.amount, Money) or event.amount.minor > asked.amount.minor
            ):
                yield f"{event!r} grants more than {asked.amount}"


LAWS = (a_limit_takes_two_people, *account.LAWS)
