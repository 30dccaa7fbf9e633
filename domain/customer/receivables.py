"""What a customer owes: invoices, disputes, payments, credit notes."""

from datetime import date
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from crmcore.domain.calendar import add_days
from crmcore.domain.customer.sales import REMEMBERED_MAX, NotPositive
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
    """What of an invoice is not yet paid; one that is paid stays for a while with nothing left."""

    name: str
    left: Money
    due_on: date
    disputed: bool = False

    @property
    def is_open(self) -> bool:
        """Whether something is left to pay."""
        return self.left.minor > 0


Invoices: TypeAlias = tuple[Invoice, ...]  # all that are open, and the latest paid ones


def owed(invoices: Invoices) -> int:
    """Return the open amount of all invoices, in minor units."""
    return sum(invoice.left.minor for invoice in invoices)


def overdue(invoices: Invoices, day: date, grace_days: int) -> Invoices:
    """Return the undisputed invoices that are overdue on a day by more than the grace."""
    due_before = add_days(day, -grace_days)
    return tuple(i for i in invoices if i.is_open and not i.disputed and i.due_on < due_before)


def decide(command: Command, invoices: Invoices, day: date, payment_days: int) -> tuple[Event, ...]:
    """Return what happens to the invoices; one that states no due day has so many days to pay."""
    match command:
        case ReceivePayment(payment=payment, invoice=name, amount=amount):
            left = _left(invoices, name, amount)
            return (PaymentReceived(payment=payment, invoice=name, amount=amount, left=left),)
        case IssueInvoice():
            return _issue(command, invoices, day, payment_days)
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
    """Return the invoices after a fact."""
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


def _issue(
    command: IssueInvoice, invoices: Invoices, day: date, payment_days: int
) -> tuple[Event, ...]:
    name, amount = command.invoice, command.amount
    require(amount.minor > 0, NotPositive(amount=amount))
    require(all(invoice.name != name for invoice in invoices), NameTaken(name=name))
    return (
        InvoiceIssued(
            invoice=name,
            amount=amount,
            due_on=command.due_on or add_days(day, payment_days),
            order=command.order,
        ),
    )


def _open(invoices: Invoices, name: str) -> Invoice:
    known = next((i for i in invoices if i.name == name and i.is_open), None)
    return found(known, UnknownInvoice(invoice=name))


def _left(invoices: Invoices, name: str, amount: Money) -> Money:
    """Return what stays open of an invoice after this much is paid or taken back."""
    require(amount.minor > 0, NotPositive(amount=amount))
    left = _open(invoices, name).left
    require(amount <= left, TooMuchPaid(left=left))
    return left - amount


def _reduced(invoices: Invoices, name: str, minor: int) -> Invoices:
    """Return the invoices after a payment; of the paid ones the latest REMEMBERED_MAX stay."""
    after = [
        replace(i, left=replace(i.left, minor=max(0, i.left.minor - minor)))
        if i.name == name
        else i
        for i in invoices
    ]
    paid = [invoice for invoice in after if not invoice.is_open]
    gone = {invoice.name for invoice in paid[:-REMEMBERED_MAX]}
    return tuple(invoice for invoice in after if invoice.name not in gone)
