"""What is remembered of a customer, all concepts together, and what decides about trade."""

from datetime import date
from typing import Literal

from msgspec import UNSET

from crmcore.domain.customer.acceptance import Books
from crmcore.domain.customer.access import Grants
from crmcore.domain.customer.beside import Beside, GroupBooks
from crmcore.domain.customer.credit import Credit
from crmcore.domain.customer.evidence import Evidence
from crmcore.domain.customer.exposure import Invoices, Orders, Payments
from crmcore.domain.customer.follow_ups import FollowUps
from crmcore.domain.customer.group import Membership
from crmcore.domain.customer.limits import Raises
from crmcore.domain.customer.merging import Merges
from crmcore.domain.customer.ownership import Ownership
from crmcore.domain.customer.profile import Profile, Status
from crmcore.domain.customer.relationship import Relationship
from crmcore.domain.customer.releases import Releases
from crmcore.domain.customer.said import Said
from crmcore.domain.customer.sales import Purchases
from crmcore.domain.customer.tax_id import TaxId
from crmcore.domain.customer.terms import CashBeforeDelivery
from crmcore.domain.value import Value


class Customer(Value):
    """The customer so far; `beside` is what its rules are told when they decide, and no fact."""

    profile: Profile = Profile()
    credit: Credit = Credit()
    purchases: Purchases = ()
    orders: Orders = ()  # those that are open
    invoices: Invoices = ()
    ownership: Ownership = Ownership()
    grants: Grants = ()
    follow_ups: FollowUps = ()
    tax_id: TaxId | None = None
    merges: Merges = Merges()
    payments: Payments = ()
    closed_orders: Orders = ()  # the latest of the others
    raises: Raises = Raises()
    releases: Releases = Releases()
    relationship: Relationship = Relationship()
    evidence: Evidence = ()
    said: Said = ()
    group: Membership = Membership()
    beside: Beside = Beside()

    @property
    def status(self) -> Status | Literal["merged"]:
        """Whether it is active, deactivated, blacklisted, or another customer stands for it."""
        return self.profile.status if self.merges.survivor is None else "merged"


def known_as(customer: Customer) -> tuple[str, str | None]:
    """Return the name and the tax id by which a customer is known, verified or not."""
    said = customer.profile.registration.tax_id
    number = None if said is UNSET else said
    return customer.profile.name, customer.tax_id.plain if customer.tax_id else number


def books(customer: Customer, day: date) -> Books:
    """Return what decides on a day about what is sold on account."""
    terms = customer.profile.terms
    return Books(
        day=day,
        orders=customer.orders,
        invoices=customer.invoices,
        payments=customer.payments,
        credit=customer.credit,
        raises=customer.raises,
        releases=customer.releases,
        customer_class=None if terms.customer_class is UNSET else terms.customer_class,
        is_cash_only=isinstance(terms.payment, CashBeforeDelivery),
        same=customer.beside.same,
        group=_group(customer),
    )


def _group(customer: Customer) -> GroupBooks | None:
    """Return the group of a customer; where nobody told it, what its own facts say of it."""
    known = customer.group
    if customer.beside.group is not None or known.is_none:
        return customer.beside.group
    if known.parent is not None:
        return GroupBooks(parent=known.parent)
    return GroupBooks(credit=customer.credit, raises=customer.raises)
