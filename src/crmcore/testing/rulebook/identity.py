"""What holds of every history of a tax id."""

from collections.abc import Iterator
from uuid import UUID

from crmcore.domain import identity
from crmcore.testing.laws import law
from crmcore.testing.living import History
from crmcore.testing.steps import AnyDecider


@law
def a_tax_id_is_one_customers(_: AnyDecider, history: History) -> Iterator[str]:
    """A tax id is reserved while it is nobody's, and given up by whose it is (rules.md C1)."""
    holder: UUID | None = None
    for event in history.events:
        reserves = isinstance(event, identity.IdentityReserved)
        if holder != (None if reserves else event.customer):
            yield f"{event!r}, and it was that of {holder}"
        holder = event.customer if reserves else None


LAWS = (a_tax_id_is_one_customers,)
