"""A customer: who they are, what credit they have, what they buy, order, owe and pay.

One aggregate, so that the credit check is atomic with the acceptance of an order. Each concept has
a file of its own with its commands, events, rejections and state; here they meet.
"""

from functools import partial
from typing import TypeAlias

from msgspec import UNSET
from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.customer import credit, orders, profile, receivables, sales
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
from crmcore.domain.customer.orders import (
    AcceptOrder,
    CancelOrder,
    Orders,
)
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
from crmcore.domain.decider import Decider
from crmcore.domain.money import CurrencyMismatch, Money, one_currency
from crmcore.domain.value import Value, require

__all__ = [
    "AcceptOrder",
    "ApproveLimit",
    "BankAccount",
    "Blacklist",
    "CancelOrder",
    "ChangeBankAccounts",
    "ChangeContacts",
    "ChangeIdentity",
    "ChangeRegistration",
    "ChangeSites",
    "ChangeTerms",
    "Command",
    "Contact",
    "Customer",
    "Deactivate",
    "DisputeInvoice",
    "Event",
    "IssueCreditNote",
    "IssueInvoice",
    "LogInteraction",
    "LowerLimit",
    "OverrideGrade",
    "PlaceHold",
    "Policy",
    "Reactivate",
    "Reason",
    "ReceivePayment",
    "RecordInvestigation",
    "RecordPurchase",
    "Register",
    "Registration",
    "RejectLimit",
    "ReleaseHold",
    "RequestLimit",
    "ResolveDispute",
    "ReturnPurchase",
    "Revenue",
    "Site",
    "Terms",
    "WithdrawRequest",
    "credit",
    "decide",
    "decider",
    "evolve",
    "orders",
    "profile",
    "receivables",
    "sales",
]

Command: TypeAlias = (
    sales.Command | orders.Command | receivables.Command | credit.Command | profile.Command
)
Event: TypeAlias = sales.Event | orders.Event | receivables.Event | credit.Event | profile.Event
Reason: TypeAlias = (
    sales.Reason | orders.Reason | receivables.Reason | credit.Reason | profile.Reason
    | CurrencyMismatch
)  # fmt: skip


class Customer(Value):
    """The customer so far."""

    profile: Profile = Profile()
    credit: Credit = Credit()
    purchases: Purchases = ()
    orders: Orders = ()
    invoices: Invoices = ()


def decide(command: Command, customer: Customer, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return what happens when this command meets this customer."""
    require(customer.profile.is_registered or isinstance(command, Register), NotRegistered())
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
    return replace(customer, profile=profile.evolve(customer.profile, event))


def decider(policy: Policy) -> Decider[Command, Customer, Event]:
    """Return the customer rules under this policy."""
    return Decider(
        kind="customer",
        initial=Customer(),
        decide=partial(decide, policy=policy),
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
        case profile.InteractionLogged():
            return ()
        case _:
            if isinstance(event, receivables.Event):
                return (f"invoice {event.invoice}",)
            return ("limit",) if isinstance(event, credit.Event) else (type(event).__name__,)


def _require_one_currency(amount: Money, customer: Customer) -> None:
    """Exposure is one sum: what is open is in one currency (rules.md X5, CR15)."""
    for order in customer.orders:
        one_currency(amount, order.left)
    for invoice in customer.invoices:
        if invoice.is_open:
            one_currency(amount, invoice.left)
