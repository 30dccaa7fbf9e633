"""A customer: who they are, what credit they have, what they buy, order, owe and pay.

One aggregate, so that the credit check is atomic with the acceptance of an order. Each concept has
a file of its own with its commands, events, rejections and state; here they meet.
"""

from datetime import date
from functools import partial
from typing import Literal, TypeAlias

from msgspec import UNSET
from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.customer import (
    access,
    credit,
    evidence,
    follow_ups,
    limits,
    merging,
    orders,
    ownership,
    payments,
    profile,
    receivables,
    relationship,
    releases,
    reminders,
    sales,
    verified,
)
from crmcore.domain.customer.acceptance import Books
from crmcore.domain.customer.access import DenyAccess, GrantAccess, Grants, RevokeAccess
from crmcore.domain.customer.card import BankAccount, Contact, Registration, Revenue, Site, Terms
from crmcore.domain.customer.credit import (
    ApproveLimit,
    Credit,
    LimitRevoked,
    LowerLimit,
    OverrideGrade,
    PlaceHold,
    RecordInvestigation,
    RejectLimit,
    ReleaseHold,
    RequestLimit,
    RevokeLimit,
    WithdrawRequest,
)
from crmcore.domain.customer.evidence import Evidence, VerifyDatum
from crmcore.domain.customer.exchange import ExchangeRate, booked
from crmcore.domain.customer.exposure import Invoices, Orders, Part, Payments
from crmcore.domain.customer.follow_ups import CompleteFollowUp, FollowUps, PlanFollowUp
from crmcore.domain.customer.limits import (
    GrantTemporaryLimit,
    PledgeSecurity,
    Raises,
    ReleaseSecurity,
)
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
    ChangeOrder,
    CloseOrder,
    Deliver,
    ReopenOrder,
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
from crmcore.domain.customer.payments import (
    AllocatePayment,
    CreditAccount,
    ReceiveOnAccount,
    ReversePayment,
)
from crmcore.domain.customer.policy import Policy
from crmcore.domain.customer.profile import (
    Blacklist,
    ChangeBankAccounts,
    ChangeContacts,
    ChangeIdentity,
    ChangeRegistration,
    ChangeSites,
    ChangeTerms,
    Clear,
    Deactivate,
    LogInteraction,
    NotActive,
    NotRegistered,
    Profile,
    Reactivate,
    Register,
    Status,
)
from crmcore.domain.customer.receivables import (
    DisputeInvoice,
    InvoiceIssued,
    IssueCreditNote,
    IssueInvoice,
    PaymentReceived,
    ReceivePayment,
    ResolveDispute,
    RevalueInvoice,
    WriteOff,
)
from crmcore.domain.customer.relationship import (
    AnswerSurvey,
    GiveConsent,
    MakeReferral,
    Relationship,
    RespondToCampaign,
    TouchByCampaign,
    WithdrawConsent,
)
from crmcore.domain.customer.releases import ReleaseAutomaticHold, ReleaseOrder, Releases
from crmcore.domain.customer.reminders import RemindCustomer
from crmcore.domain.customer.sales import (
    Purchases,
    RecordPurchase,
    ReturnPurchase,
)
from crmcore.domain.customer.tax_id import TaxId
from crmcore.domain.customer.terms import CashBeforeDelivery, NetDays, PaymentTerms, parts_of
from crmcore.domain.customer.verified import GiveUpTaxId, VerifyTaxId
from crmcore.domain.decider import Decider
from crmcore.domain.money import CurrencyMismatch, Money, one_currency
from crmcore.domain.value import Value, require

__all__ = [
    "Absorb",
    "AcceptOrder",
    "AllocatePayment",
    "AnswerSurvey",
    "ApproveLimit",
    "AssignOwner",
    "BankAccount",
    "Blacklist",
    "CancelOrder",
    "ChangeBankAccounts",
    "ChangeContacts",
    "ChangeIdentity",
    "ChangeOrder",
    "ChangeRegistration",
    "ChangeSites",
    "ChangeTerms",
    "ClaimFromPool",
    "Clear",
    "CloseOrder",
    "Command",
    "CompleteFollowUp",
    "Contact",
    "CreditAccount",
    "Customer",
    "Deactivate",
    "Deliver",
    "DenyAccess",
    "DisputeInvoice",
    "Event",
    "ExchangeRate",
    "GiveConsent",
    "GiveUpTaxId",
    "GrantAccess",
    "GrantTemporaryLimit",
    "Held",
    "IssueCreditNote",
    "IssueInvoice",
    "LogInteraction",
    "LowerLimit",
    "MakeReferral",
    "MarkNotDuplicate",
    "MergeInto",
    "OverrideGrade",
    "OwnershipPolicy",
    "PlaceHold",
    "PlanFollowUp",
    "PledgeSecurity",
    "Policy",
    "Reactivate",
    "Reason",
    "ReceiveOnAccount",
    "ReceivePayment",
    "RecordInvestigation",
    "RecordPurchase",
    "RecycleToPool",
    "Register",
    "Registration",
    "RejectLimit",
    "ReleaseAutomaticHold",
    "ReleaseHold",
    "ReleaseOrder",
    "ReleaseSecurity",
    "ReleaseToPool",
    "RemindCustomer",
    "ReopenOrder",
    "RequestLimit",
    "ResolveDispute",
    "RespondToCampaign",
    "ReturnPurchase",
    "RevalueInvoice",
    "Revenue",
    "ReversePayment",
    "RevokeAccess",
    "RevokeLimit",
    "Separate",
    "Site",
    "TaxId",
    "Terms",
    "TouchByCampaign",
    "TransferOwner",
    "Unmerge",
    "VerifyDatum",
    "VerifyTaxId",
    "WithdrawConsent",
    "WithdrawRequest",
    "WriteOff",
    "access",
    "books",
    "credit",
    "decide",
    "decider",
    "evidence",
    "evolve",
    "follow_ups",
    "limits",
    "merging",
    "orders",
    "ownership",
    "payments",
    "profile",
    "receivables",
    "relationship",
    "releases",
    "reminders",
    "sales",
    "verified",
]

Command: TypeAlias = (
    sales.Command | orders.Command | receivables.Command | payments.Command | reminders.Command
    | credit.Command | limits.Command | releases.Command | profile.Command
    | ownership.Command | access.Command | follow_ups.Command | verified.Command
    | merging.Command | relationship.Command | evidence.Command
)  # fmt: skip
Event: TypeAlias = (
    sales.Event | orders.Event | receivables.Event | payments.Event | reminders.Event
    | credit.Event | limits.Event | releases.Event | profile.Event
    | ownership.Event | access.Event | follow_ups.Event | verified.Event | merging.Event
    | relationship.Event | evidence.Event
)  # fmt: skip
Reason: TypeAlias = (
    sales.Reason | orders.Reason | receivables.Reason | payments.Reason
    | credit.Reason | limits.Reason | releases.Reason | profile.Reason
    | ownership.Reason | access.Reason | follow_ups.Reason | verified.Reason | merging.Reason
    | relationship.Reason | evidence.Reason | CurrencyMismatch
)  # fmt: skip


class Customer(Value):
    """The customer so far."""

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

    @property
    def status(self) -> Status | Literal["merged"]:
        """Whether it is active, deactivated, blacklisted, or another customer stands for it."""
        return self.profile.status if self.merges.survivor is None else "merged"


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
    if isinstance(command, relationship.Command):
        return relationship.decide(command, customer.relationship)
    if isinstance(command, VerifyDatum):
        return evidence.decide(command, customer.evidence, customer.profile, act)
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


def known_as(customer: Customer) -> tuple[str, str | None]:
    """Return the name and the tax id by which a customer is known, verified or not."""
    said = customer.profile.registration.tax_id
    number = None if said is UNSET else said
    return customer.profile.name, customer.tax_id.plain if customer.tax_id else number


def _is_deal(event: Event) -> bool:
    if isinstance(event, sales.PurchaseRecorded):
        return event.amount.minor > 0
    return isinstance(event, orders.OrderAccepted | InvoiceIssued)


def _decide(
    command: sales.Command | orders.Command | receivables.Command | payments.Command
    | reminders.Command | credit.Command | limits.Command | releases.Command | profile.Command,
    customer: Customer,
    act: Act,
    policy: Policy,
) -> tuple[Event, ...]:  # fmt: skip
    day = policy.day(act)
    if isinstance(command, sales.Command):
        return sales.decide(command, customer.purchases, day)
    if isinstance(command, reminders.Command):
        return reminders.decide(command, customer.invoices, day, policy)
    if isinstance(command, orders.Command | receivables.Command | payments.Command):
        return _trade(command, customer, act, policy)
    if isinstance(command, limits.Command):
        return limits.decide(command, customer.raises, customer.credit, act, policy)
    if isinstance(command, releases.Command):
        return releases.decide(command, customer.credit, act, policy)
    if isinstance(command, credit.Command):
        return credit.decide(command, customer.credit, act, policy)
    return profile.decide(command, customer.profile)


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
    )


def _trade(
    command: orders.Command | receivables.Command | payments.Command,
    customer: Customer,
    act: Act,
    policy: Policy,
) -> tuple[Event, ...]:
    """Return what is ordered, invoiced or paid; all that is open is in one currency."""
    day = policy.day(act)
    if isinstance(command, AcceptOrder | IssueInvoice | ReceiveOnAccount):
        _require_one_currency(booked(command.amount, command.rate), customer, day)
    if isinstance(command, ChangeOrder | CreditAccount):
        _require_one_currency(command.amount, customer, day)
    if isinstance(command, IssueInvoice) and command.order is not None:
        orders.require_open(customer.orders, command.order)
    if isinstance(command, payments.Command):
        return payments.decide(command, customer.payments, customer.invoices, day)
    if isinstance(command, ReceivePayment):
        payments.require_not_on_account(customer.payments, command.payment)
    if isinstance(command, receivables.Command):
        parts: tuple[Part, ...] = ()
        if isinstance(command, IssueInvoice):
            amount = booked(command.amount, command.rate)
            parts = parts_of(max(1, amount.minor), _terms(customer, policy), day, policy)
        return receivables.decide(command, customer.invoices, parts, act, policy)
    if not isinstance(command, CancelOrder | CloseOrder):
        status = customer.profile.status
        require(status == "active", NotActive(status=status))
    return orders.decide(command, books(customer, day), customer.closed_orders, policy)


def _terms(customer: Customer, policy: Policy) -> PaymentTerms:
    """Return when the customer pays: as agreed, or as the policy says."""
    agreed = customer.profile.terms
    if agreed.payment is not UNSET:
        return agreed.payment
    days = agreed.payment_days
    return NetDays(days=policy.payment_days if days is UNSET else days)


def evolve(customer: Customer, event: Event) -> Customer:
    """Return the customer after a fact. No rules here: what happened, happened."""
    if isinstance(event, sales.Event):
        return replace(customer, purchases=sales.evolve(customer.purchases, event))
    if isinstance(event, InvoiceIssued | orders.Event):
        customer = _with_orders(customer, event)
    if isinstance(event, payments.Event | PaymentReceived):
        paid, owed = payments.evolve(customer.payments, customer.invoices, event)
        customer = replace(customer, payments=paid, invoices=owed)
    if isinstance(event, receivables.Event):
        return replace(customer, invoices=receivables.evolve(customer.invoices, event))
    if isinstance(event, reminders.Event):
        return replace(customer, invoices=reminders.evolve(customer.invoices, event))
    if isinstance(event, orders.Event | payments.Event):
        return customer
    if isinstance(event, limits.Event | LimitRevoked):
        changed = limits.evolve(customer.raises, event)
        customer = replace(customer, raises=changed, credit=credit.stale(customer.credit))
    if isinstance(event, releases.Event):
        return replace(customer, releases=releases.evolve(customer.releases, event))
    if isinstance(event, credit.Event):
        return replace(customer, credit=credit.evolve(customer.credit, event))
    if isinstance(event, limits.Event):
        return customer
    if isinstance(event, ownership.Event):
        return replace(customer, ownership=ownership.evolve(customer.ownership, event))
    if isinstance(event, access.Event):
        return replace(customer, grants=access.evolve(customer.grants, event))
    if isinstance(event, follow_ups.Event):
        return replace(customer, follow_ups=follow_ups.evolve(customer.follow_ups, event))
    if isinstance(event, verified.Event):
        return replace(customer, tax_id=verified.evolve(customer.tax_id, event))
    if isinstance(event, relationship.Event):
        return replace(customer, relationship=relationship.evolve(customer.relationship, event))
    if isinstance(event, evidence.Event):
        return replace(customer, evidence=evidence.evolve(customer.evidence, event))
    if isinstance(event, merging.Event):
        return replace(customer, merges=merging.evolve(customer.merges, event))
    found = evidence.evolve(customer.evidence, event)
    return replace(customer, profile=profile.evolve(customer.profile, event), evidence=found)


def _with_orders(customer: Customer, event: orders.Event | InvoiceIssued) -> Customer:
    """Return the customer with the orders after a fact; a release that was used is gone."""
    if isinstance(event, InvoiceIssued) and event.order is None:
        return customer
    there, closed = orders.evolve(customer.orders, customer.closed_orders, event)
    customer = replace(customer, orders=there, closed_orders=closed)
    if isinstance(event, orders.Checked) and event.released is not None:
        left = releases.used(customer.releases, event.order)
        return replace(customer, releases=left)
    return customer


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
        case payments.PaymentAllocated(payment=name, invoice=invoice):
            return (f"payment {name}", f"invoice {invoice}")
        case payments.PaymentReversed(payment=name, restored=restored):
            return (f"payment {name}", *(f"invoice {one.invoice}" for one in restored))
        case payments.MoneyReceived(payment=name) | payments.AccountCredited(payment=name):
            return (f"payment {name}",)
        case reminders.ReminderSent(invoices=items):
            return tuple(f"invoice {item.invoice}" for item in items)
        case releases.OverLimitReleased(order=name):
            return (f"order {name}",)
        case releases.AutomaticHoldReleased(kind=kind):
            return (f"automatic hold {kind}",)
        case credit.HoldPlaced(hold=name) | credit.HoldReleased(hold=name):
            return (f"hold {name}",)
        case credit.CreditInvestigated() | credit.GradeOverridden():
            return (type(event).__name__,)
        case profile.Deactivated() | profile.Blacklisted():
            return ("standing",)
        case profile.Reactivated() | profile.Cleared():
            return ("standing",)
        case evidence.DatumVerified():
            return (evidence.thread_of(event),)
        case profile.CustomerRegistered() | profile.IdentityChanged():
            return ("name",)
        case profile.InteractionLogged() | ownership.FollowedUp() | ownership.DealMade():
            return ()  # of these the latest counts, in whatever order they are recorded
        case follow_ups.FollowUpPlanned(follow_up=name) | follow_ups.FollowUpDone(follow_up=name):
            return (f"follow-up {name}",)
        case _:
            if isinstance(event, receivables.Event):
                return (f"invoice {event.invoice}",)
            if isinstance(event, orders.Event):
                return (f"order {event.order}",)
            if isinstance(event, relationship.Event):
                return (relationship.thread_of(event),)
            if isinstance(event, verified.Event | merging.Event):
                return ("tax id",) if isinstance(event, verified.Event) else ("merges",)
            if isinstance(event, ownership.Event | access.Event):
                return ("owner",) if isinstance(event, ownership.Event) else ("access",)
            is_limit = isinstance(event, credit.Event | limits.Event)
            return ("limit",) if is_limit else (type(event).__name__,)


def _require_one_currency(amount: Money, customer: Customer, day: date) -> None:
    """Exposure is one sum: what is open is in one currency (rules.md X5, CR15)."""
    for order in customer.orders:
        one_currency(amount, order.amount)
    for invoice in customer.invoices:
        if invoice.is_open:
            one_currency(amount, invoice.left)
    for payment in customer.payments:
        if payment.left.minor or not payment.has_cleared(day):
            one_currency(amount, payment.amount)
