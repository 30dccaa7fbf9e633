"""What a customer owes: invoices, disputes, payments, credit notes."""

from datetime import date, timedelta
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from crmcore.domain.customer.sales import NotPositive
from crmcore.domain.money import Money
from crmcore.domain.value import Note, Ref, Rejection, Value, found, require

# Commands


class IssueInvoice(Value, tag="customer.issue_invoice"):
    """Ask for money, for an order or without one; due by the customer's terms unless stated."""

    invoice: Ref
    amount: Money
    due_on: date | None = None
    order: Ref | None = None


class DisputeInvoice(Value, tag="customer.dispute_invoice"):
    """Write down that the customer objects."""

    invoice: Ref
    reason: Note


class ResolveDispute(Value, tag="customer.resolve_dispute"):
    """End the objection."""

    invoice: Ref
    outcome: Note


class ReceivePayment(Value, tag="customer.receive_payment"):
    """Take money for an invoice."""

    payment: Ref
    invoice: Ref
    amount: Money


class IssueCreditNote(Value, tag="customer.issue_credit_note"):
    """Take back part of an invoice, such as for returned goods."""

    invoice: Ref
    amount: Money
    reason: Note


Command: TypeAlias = (
    IssueInvoice | DisputeInvoice | ResolveDispute | ReceivePayment | IssueCreditNote
)


# Events


class InvoiceIssued(Value, tag="customer.invoice_issued"):
    """An invoice, for an order or without one."""

    invoice: Ref
    amount: Money
    due_on: date
    order: Ref | None


class InvoiceDisputed(Value, tag="customer.invoice_disputed"):
    """The customer objects to an invoice."""

    invoice: Ref
    reason: Note


class DisputeResolved(Value, tag="customer.dispute_resolved"):
    """The objection ended."""

    invoice: Ref
    outcome: Note


class PaymentReceived(Value, tag="customer.payment_received"):
    """Money came in for an invoice, which leaves this much open."""

    payment: Ref
    invoice: Ref
    amount: Money
    left: Money


class CreditNoteIssued(Value, tag="customer.credit_note_issued"):
    """Part of an invoice was taken back, which leaves this much open."""

    invoice: Ref
    amount: Money
    left: Money
    reason: Note


Event: TypeAlias = (
    InvoiceIssued | InvoiceDisputed | DisputeResolved | PaymentReceived | CreditNoteIssued
)


# Rejections


class NameTaken(Rejection):
    """Orders and invoices have names of their own."""

    name: str


class UnknownInvoice(Rejection):
    """The invoice is open."""

    invoice: str


class TooMuchPaid(Rejection):
    """Nobody pays more than is open."""

    left: Money


class NotDisputed(Rejection):
    """A dispute that ends is there."""

    invoice: str


Reason: TypeAlias = NotPositive | NameTaken | UnknownInvoice | TooMuchPaid | NotDisputed


# State


class Invoice(Value):
    """What of an invoice is not yet paid."""

    name: str
    left: Money
    due_on: date
    disputed: bool = False


Invoices: TypeAlias = tuple[Invoice, ...]


def owed(invoices: Invoices) -> int:
    """Return the open amount of all invoices, in minor units."""
    return sum(invoice.left.minor for invoice in invoices)


def overdue(invoices: Invoices, day: date, grace_days: int) -> Invoices:
    """Return the undisputed invoices that are overdue on a day by more than the grace."""
    due_before = day - timedelta(days=grace_days)
    return tuple(i for i in invoices if not i.disputed and i.due_on < due_before)


def decide(command: Command, invoices: Invoices, due_on: date) -> tuple[Event, ...]:
    """Return what happens to the invoices; `due_on` holds where an invoice states no day."""
    match command:
        case ReceivePayment(payment=payment, invoice=name, amount=amount):
            left = _left(invoices, name, amount)
            return (PaymentReceived(payment=payment, invoice=name, amount=amount, left=left),)
        case IssueInvoice(invoice=name, amount=amount, order=order):
            require(amount.minor > 0, NotPositive(amount=amount))
            require(all(i.name != name for i in invoices), NameTaken(name=name))
            due = command.due_on or due_on
            return (InvoiceIssued(invoice=name, amount=amount, due_on=due, order=order),)
        case DisputeInvoice(invoice=name, reason=reason):
            disputed = _open(invoices, name).disputed
            return () if disputed else (InvoiceDisputed(invoice=name, reason=reason),)
        case ResolveDispute(invoice=name, outcome=outcome):
            require(_open(invoices, name).disputed, NotDisputed(invoice=name))
            return (DisputeResolved(invoice=name, outcome=outcome),)
        case IssueCreditNote(invoice=name, amount=amount, reason=reason):
            left = _left(invoices, name, amount)
            return (CreditNoteIssued(invoice=name, amount=amount, left=left, reason=reason),)
        case _:
            assert_never(command)


def evolve(invoices: Invoices, event: Event) -> Invoices:
    """Return the open invoices after a fact; one that is paid is no longer open."""
    match event:
        case PaymentReceived(invoice=name, amount=amount):
            return _reduced(invoices, name, amount.minor)
        case InvoiceIssued(invoice=name, amount=amount, due_on=due_on):
            return (*invoices, Invoice(name=name, left=amount, due_on=due_on))
        case InvoiceDisputed(invoice=name) | DisputeResolved(invoice=name):
            disputed = isinstance(event, InvoiceDisputed)
            return tuple(replace(i, disputed=disputed) if i.name == name else i for i in invoices)
        case CreditNoteIssued(invoice=name, amount=amount):
            return _reduced(invoices, name, amount.minor)
        case _:
            assert_never(event)


def _open(invoices: Invoices, name: str) -> Invoice:
    return found(next((i for i in invoices if i.name == name), None), UnknownInvoice(invoice=name))


def _left(invoices: Invoices, name: str, amount: Money) -> Money:
    """Return what stays open of an invoice after this much is paid or taken back."""
    require(amount.minor > 0, NotPositive(amount=amount))
    left = _open(invoices, name).left
    require(amount <= left, TooMuchPaid(left=left))
    return left - amount


def _reduced(invoices: Invoices, name: str, minor: int) -> Invoices:
    after = (
        replace(i, left=replace(i.left, minor=i.left.minor - minor)) if i.name == name else i
        for i in invoices
    )
    return tuple(invoice for invoice in after if invoice.left.minor > 0)
