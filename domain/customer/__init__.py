"""A customer: who they are, what credit they have, what they buy, order, owe and pay.

One aggregate, so that the credit check is atomic with the acceptance of an order. Each concept has
a file of its own with its commands, events, rejections and state; here they meet.
"""

from functools import partial
from typing import TypeAlias

from msgspec import UNSET
from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.customer import (
    access,
    credit,
    follow_ups,
    merging,
    orders,
    ownership,
    profile,
    receivables,
    sales,
    verified,
)
from crmcore.domain.customer.access import DenyAccess, GrantAccess, Grants, RevokeAccess
from crmcore.domain.customer.card import (
    BankAccount,
    Contact,
    Registration,
    Revenue,
    Site,
    Terms,
)
from crmcore.domain.customer.credit import (
    ApproveLimit,
    Credit,
    LowerLimit,
    OverrideGrade,
    PlaceHold,
    Policy,
    RecordInvestigation,
    RejectLimit,
    ReleaseHold,
    RequestLimit,
    WithdrawRequest,
)
from crmcore.domain.customer.follow_ups import CompleteFollowUp, FollowUps, PlanFollowUp
from crmcore.domain.customer.merging import (
    Absorb,
    Held,
    MarkNotDuplicate,
    MergeInto,
    Merges,
    Separate,
    Unmerge,
)
from crmcore.domain.customer.orders import (
    AcceptOrder,
    CancelOrder,
    Orders,
)
from crmcore.domain.customer.ownership import (
    AssignOwner,
    ClaimFromPool,
    Ownership,
    RecycleToPool,
    ReleaseToPool,
    TransferOwner,
)
from crmcore.domain.customer.ownership import Policy as OwnershipPolicy
from crmcore.domain.customer.profile import (
    Blacklist,
    ChangeBankAccounts,
    ChangeContacts,
    ChangeIdentity,
    ChangeRegistration,
    ChangeSites,
    ChangeTerms,
    Deactivate,
    LogInteraction,
    NotActive,
    NotRegistered,
    Profile,
    Reactivate,
    Register,
)
from crmcore.domain.customer.receivables import (
    DisputeInvoice,
    InvoiceIssued,
    Invoices,
    IssueCreditNote,
    IssueInvoice,
    ReceivePayment,
    ResolveDispute,
)
from crmcore.domain.customer.sales import (
    Purchases,
    RecordPurchase,
    ReturnPurchase,
)
from crmcore.domain.customer.tax_id import TaxId
from crmcore.domain.customer.verified import GiveUpTaxId, VerifyTaxId
from crmcore.domain.decider import Decider
from crmcore.domain.money import CurrencyMismatch, Money, one_currency
from crmcore.domain.value import Value, require

__all__ = [
    "Absorb",
    "AcceptOrder",
    "ApproveLimit",
    "AssignOwner",
    "BankAccount",
    "Blacklist",
    "CancelOrder",
    "ChangeBankAccounts",
    "ChangeContacts",
    "ChangeIdentity",
    "ChangeRegistration",
    "ChangeSites",
    "ChangeTerms",
    "ClaimFromPool",
    "Command",
    "CompleteFollowUp",
    "Contact",
    "Customer",
    "Deactivate",
    "DenyAccess",
    "DisputeInvoice",
    "Event",
    "GiveUpTaxId",
    "GrantAccess",
    "Held",
    "IssueCreditNote",
    "IssueInvoice",
    "LogInteraction",
    "LowerLimit",
    "MarkNotDuplicate",
    "MergeInto",
    "OverrideGrade",
    "OwnershipPolicy",
    "PlaceHold",
    "PlanFollowUp",
    "Policy",
    "Reactivate",
    "Reason",
    "ReceivePayment",
    "RecordInvestigation",
    "RecordPurchase",
    "RecycleToPool",
    "Register",
    "Registration",
    "RejectLimit",
    "ReleaseHold",
    "ReleaseToPool",
    "RequestLimit",
    "ResolveDispute",
    "ReturnPurchase",
    "Revenue",
    "RevokeAccess",
    "Separate",
    "Site",
    "TaxId",
    "Terms",
    "TransferOwner",
    "Unmerge",
    "VerifyTaxId",
    "WithdrawRequest",
    "access",
    "credit",
    "decide",
    "decider",
    "evolve",
    "follow_ups",
    "merging",
    "orders",
    "ownership",
    "profile",
    "receivables",
    "sales",
    "verified",
]

Command: TypeAlias = (
    sales.Command | orders.Command | receivables.Command | credit.Command | profile.Command
    | ownership.Command | access.Command | follow_ups.Command | verified.Command
    | merging.Command
)  # fmt: skip
Event: TypeAlias = (
    sales.Event | orders.Event | receivables.Event | credit.Event | profile.Event
    | ownership.Event | access.Event | follow_ups.Event | verified.Event | merging.Event
)  # fmt: skip
Reason: TypeAlias = (
    sales.Reason | orders.Reason | receivables.Reason | credit.Reason | profile.Reason
    | ownership.Reason | access.Reason | follow_ups.Reason | verified.Reason | merging.Reason
    | CurrencyMismatch
)  # fmt: skip


class Customer(Value):
    """The customer so far."""

    profile: Profile = Profile()
    credit: Credit = Credit()
    purchases: Purchases = ()
    orders: Orders = ()
    invoices: Invoices = ()
    ownership: Ownership = Ownership()
    grants: Grants = ()
    follow_ups: FollowUps = ()
    tax_id: TaxId | None = None
    merges: Merges = Merges()


STANDARD = OwnershipPolicy()


def decide(
    command: Command,
    customer: Customer,
    act: Act,
    policy: Policy,
    owning: OwnershipPolicy = STANDARD,
) -> tuple[Event, ...]:
    """Return what happens when this command meets this customer."""
    require(customer.profile.is_registered or isinstance(command, Register), NotRegistered())
    merging.require_own(customer.merges, command)
    if isinstance(command, ownership.Command | access.Command | follow_ups.Command):
        return _decide_on_care(command, customer, act, owning)
    if isinstance(command, verified.Command | merging.Command):
        return _decide_on_identity(command, customer, act)
    if isinstance(command, ChangeRegistration):
        known = customer.profile.registration
        verified.require_registrable(command.registration, known, customer.tax_id)
    events = _decide(command, customer, act, policy)
    if isinstance(command, LogInteraction):
        return (*events, *ownership.followed_up(customer.ownership, act, owning))
    if any(map(_is_deal, events)):
        return (*events, *ownership.dealt(customer.ownership, act, owning))
    return events


def _decide_on_care(
    command: ownership.Command | access.Command | follow_ups.Command,
    customer: Customer,
    act: Act,
    owning: OwnershipPolicy,
) -> tuple[Event, ...]:
    """Return who looks after the customer from now on, or has done so."""
    if isinstance(command, access.Command):
        return access.decide(command, customer.grants, customer.ownership, act, owning)
    if isinstance(command, follow_ups.Command):
        events = follow_ups.decide(command, customer.follow_ups, act)
        done = isinstance(command, CompleteFollowUp)
        return (*events, *(ownership.followed_up(customer.ownership, act, owning) if done else ()))
    if isinstance(command, ClaimFromPool | AssignOwner):
        status = customer.profile.status
        require(status == "active", NotActive(status=status))
    bought = any(purchase.amount.minor > 0 for purchase in customer.purchases)
    won = bool(bought or customer.orders or customer.invoices)
    return ownership.decide(command, customer.ownership, act, owning, won=won)


def _decide_on_identity(
    command: verified.Command | merging.Command, customer: Customer, act: Act
) -> tuple[Event, ...]:
    """Return by which number the customer is known, and who stands for whom."""
    if isinstance(command, verified.Command):
        return verified.decide(command, customer.tax_id, act)
    held = Held(tax_id=customer.tax_id, owner=customer.ownership.owner)
    return merging.decide(command, customer.merges, held, *known_as(customer))


def known_as(customer: Customer) -> tuple[str, str]:
    """Return the name and the tax id by which a customer is known, verified or not."""
    said = customer.profile.registration.tax_id
    number = "" if said is UNSET else said
    return customer.profile.name, customer.tax_id.plain if customer.tax_id else number


def _is_deal(event: Event) -> bool:
    if isinstance(event, sales.PurchaseRecorded):
        return event.amount.minor > 0
    return isinstance(event, orders.OrderAccepted | InvoiceIssued)


def _decide(
    command: sales.Command | orders.Command | receivables.Command | credit.Command
    | profile.Command,
    customer: Customer,
    act: Act,
    policy: Policy,
) -> tuple[Event, ...]:  # fmt: skip
    day = policy.day(act)
    if isinstance(command, sales.Command):
        return sales.decide(command, customer.purchases, day)
    if isinstance(command, AcceptOrder | IssueInvoice):
        _require_one_currency(command.amount, customer)
    if isinstance(command, IssueInvoice) and command.order is not None:
        orders.require_open(customer.orders, command.order)
    if isinstance(command, receivables.Command):
        agreed = customer.profile.terms.payment_days
        payment_days = policy.payment_days if agreed is UNSET else agreed
        return receivables.decide(command, customer.invoices, day, payment_days)
    if isinstance(command, orders.Command):
        status = customer.profile.status
        require(status == "active", NotActive(status=status))
        open_now = (customer.orders, customer.invoices)
        return orders.decide(command, *open_now, customer.credit, day, policy)
    if isinstance(command, credit.Command):
        return credit.decide(command, customer.credit, act, policy)
    return profile.decide(command, customer.profile)


def evolve(customer: Customer, event: Event) -> Customer:
    """Return the customer after a fact. No rules here: what happened, happened."""
    if isinstance(event, sales.Event):
        return replace(customer, purchases=sales.evolve(customer.purchases, event))
    if isinstance(event, InvoiceIssued):
        customer = replace(customer, orders=orders.evolve(customer.orders, event))
    if isinstance(event, receivables.Event):
        return replace(customer, invoices=receivables.evolve(customer.invoices, event))
    if isinstance(event, orders.Event):
        return replace(customer, orders=orders.evolve(customer.orders, event))
    if isinstance(event, credit.Event):
        return replace(customer, credit=credit.evolve(customer.credit, event))
    if isinstance(event, ownership.Event):
        return replace(customer, ownership=ownership.evolve(customer.ownership, event))
    if isinstance(event, access.Event):
        return replace(customer, grants=access.evolve(customer.grants, event))
    if isinstance(event, follow_ups.Event):
        return replace(customer, follow_ups=follow_ups.evolve(customer.follow_ups, event))
    if isinstance(event, verified.Event):
        return replace(customer, tax_id=verified.evolve(customer.tax_id, event))
    if isinstance(event, merging.Event):
        return replace(customer, merges=merging.evolve(customer.merges, event))
    return replace(customer, profile=profile.evolve(customer.profile, event))


def decider(
    policy: Policy, owning: OwnershipPolicy = STANDARD
) -> Decider[Command, Customer, Event]:
    """Return the customer rules under these policies: of credit, and of who looks after whom."""
    return Decider(
        kind="customer",
        initial=Customer(),
        decide=partial(decide, policy=policy, owning=owning),
        evolve=evolve,
        customer=lambda own_id, _: own_id,
        commands=Command,
        events=Event,
        rejections=Reason,
        threads=_threads,
    )


def _threads(event: Event) -> tuple[str, ...]:
    """Return what an event belongs to: an invoice, an order, the limit, a section of the card."""
    match event:
        case sales.PurchaseRecorded(purchase=name) | sales.PurchaseReturned(purchase=name):
            return (f"purchase {name}",)
        case InvoiceIssued(invoice=name, order=order):
            return (f"invoice {name}",) if order is None else (f"invoice {name}", f"order {order}")
        case orders.OrderAccepted(order=name) | orders.OrderCancelled(order=name):
            return (f"order {name}",)
        case credit.HoldPlaced(hold=name) | credit.HoldReleased(hold=name):
            return (f"hold {name}",)
        case credit.CreditInvestigated() | credit.GradeOverridden():
            return (type(event).__name__,)
        case profile.Deactivated() | profile.Blacklisted() | profile.Reactivated():
            return ("standing",)
        case profile.CustomerRegistered() | profile.IdentityChanged():
            return ("name",)
        case profile.InteractionLogged() | ownership.FollowedUp() | ownership.DealMade():
            return ()  # of these the latest counts, in whatever order they are recorded
        case follow_ups.FollowUpPlanned(follow_up=name) | follow_ups.FollowUpDone(follow_up=name):
            return (f"follow-up {name}",)
        case _:
            if isinstance(event, receivables.Event):
                return (f"invoice {event.invoice}",)
            if isinstance(event, verified.Event | merging.Event):
                return ("tax id",) if isinstance(event, verified.Event) else ("merges",)
            if isinstance(event, ownership.Event | access.Event):
                return ("owner",) if isinstance(event, ownership.Event) else ("access",)
            return ("limit",) if isinstance(event, credit.Event) else (type(event).__name__,)


def _require_one_currency(amount: Money, customer: Customer) -> None:
    """Exposure is one sum: what is open is in one currency (rules.md X5, CR15)."""
    for order in customer.orders:
        one_currency(amount, order.left)
    for invoice in customer.invoices:
        if invoice.is_open:
            one_currency(amount, invoice.left)
