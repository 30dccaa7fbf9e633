"""What a customer owes: invoices, disputes, payments for one, credit notes, write-offs."""

from datetime import date
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.customer.ageing import open_parts
from crmcore.domain.customer.credit import NotAuthorised, require_authority
from crmcore.domain.customer.exchange import Conversion, ExchangeRate, booked, conversion, valued
from crmcore.domain.customer.exposure import Invoice, Invoices, Part
from crmcore.domain.customer.policy import Policy
from crmcore.domain.customer.sales import REMEMBERED_MAX, NotPositive
from crmcore.domain.money import Money, one_currency
from crmcore.domain.value import Note, Ref, Rejection, Value, found, require

# Commands


class IssueInvoice(Value, tag="customer.issue_invoice"):
    """Ask for money, for an order or without one; due by the customer's terms unless stated."""

    invoice: Ref
    amount: Money
    due_on: date | None = None
    order: Ref | None = None
    rate: ExchangeRate | None = None


class RevalueInvoice(Value, tag="customer.revalue_invoice"):
    """Value what is open of an invoice in another currency by today's rate."""

    invoice: Ref
    rate: ExchangeRate


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
    credit_note: Ref | None = None


class WriteOff(Value, tag="customer.write_off"):
    """Give up part of an invoice, or the whole."""

    invoice: Ref
    amount: Money
    reason: Note


Command: TypeAlias = (
    IssueInvoice
    | DisputeInvoice
    | ResolveDispute
    | ReceivePayment
    | IssueCreditNote
    | WriteOff
    | RevalueInvoice
)


# Events


class InvoiceIssued(Value, tag="customer.invoice_issued", omit_defaults=True):
    """An invoice, for an order or without one; one that is due in parts says when each is."""

    invoice: Ref
    amount: Money
    due_on: date
    order: Ref | None
    parts: tuple[Part, ...] = ()
    conversion: Conversion | None = None


class InvoiceRevalued(Value, tag="customer.invoice_revalued"):
    """What is open of an invoice in another currency is worth this much now (rules.md CR15)."""

    invoice: Ref
    before: Money
    left: Money
    rate: ExchangeRate


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


class CreditNoteIssued(Value, tag="customer.credit_note_issued", omit_defaults=True):
    """Part of an invoice was taken back, which leaves this much open."""

    invoice: Ref
    amount: Money
    left: Money
    reason: Note
    credit_note: Ref | None = None


class InvoiceWrittenOff(Value, tag="customer.invoice_written_off"):
    """Part of an invoice was given up, which leaves this much open."""

    invoice: Ref
    amount: Money
    left: Money
    approved_by: str
    reason: Note


Reduced: TypeAlias = PaymentReceived | CreditNoteIssued | InvoiceWrittenOff
Event: TypeAlias = InvoiceIssued | InvoiceDisputed | DisputeResolved | InvoiceRevalued | Reduced


# Rejections


class NameTaken(Rejection):
    """What is named from outside has a name of its own, under which one thing is said (X4)."""

    name: str


class UnknownInvoice(Rejection):
    """The invoice is open."""

    invoice: str


class TooMuchPaid(Rejection):
    """Nobody pays more than is open."""

    left: Money


class NotConverted(Rejection):
    """What is revalued was agreed in another currency."""

    invoice: str


class NotDisputed(Rejection):
    """A dispute that ends is there."""

    invoice: str


Reason: TypeAlias = (
    NotPositive | NameTaken | UnknownInvoice | TooMuchPaid | NotDisputed | NotAuthorised
    | NotConverted
)  # fmt: skip


def decide(
    command: Command, invoices: Invoices, parts: tuple[Part, ...], act: Act, policy: Policy
) -> tuple[Event, ...]:
    """Return what happens to the invoices; a new one is due in these parts."""
    match command:
        case ReceivePayment(payment=payment, invoice=name, amount=amount):
            left = left_after(invoices, name, amount)
            return (PaymentReceived(payment=payment, invoice=name, amount=amount, left=left),)
        case IssueInvoice():
            return _issue(command, invoices, parts)
        case RevalueInvoice(invoice=name, rate=rate):
            return _revalue(open_invoice(invoices, name), rate)
        case DisputeInvoice(invoice=name, reason=reason):
            disputed = open_invoice(invoices, name).disputed
            return () if disputed else (InvoiceDisputed(invoice=name, reason=reason),)
        case ResolveDispute(invoice=name, outcome=outcome):
            require(open_invoice(invoices, name).disputed, NotDisputed(invoice=name))
            return (DisputeResolved(invoice=name, outcome=outcome),)
        case IssueCreditNote(invoice=name, amount=amount, reason=reason, credit_note=note):
            left = left_after(invoices, name, amount)
            issued = CreditNoteIssued(
                invoice=name, amount=amount, left=left, reason=reason, credit_note=note
            )
            return (issued,)
        case WriteOff(invoice=name, amount=amount, reason=reason):
            require_authority(act, amount, policy)
            left = left_after(invoices, name, amount)
            written_off = InvoiceWrittenOff(
                invoice=name, amount=amount, left=left, approved_by=act.by, reason=reason
            )
            return (written_off,)
        case _:
            assert_never(command)


def evolve(invoices: Invoices, event: Event) -> Invoices:
    """Return the invoices after a fact."""
    match event:
        case PaymentReceived(invoice=name, amount=amount):
            return reduced(invoices, name, amount.minor)
        case InvoiceIssued(invoice=name, amount=amount, due_on=due_on, parts=parts):
            new = Invoice(name=name, left=amount, due_on=due_on, parts=parts)
            said = event.conversion
            return (*invoices, replace(new, rate=said.rate) if said else new)
        case InvoiceRevalued(invoice=name):
            return tuple(_revalued(i, event) if i.name == name else i for i in invoices)
        case InvoiceDisputed(invoice=name) | DisputeResolved(invoice=name):
            disputed = isinstance(event, InvoiceDisputed)
            return tuple(replace(i, disputed=disputed) if i.name == name else i for i in invoices)
        case CreditNoteIssued(invoice=name, amount=amount):
            return reduced(invoices, name, amount.minor)
        case InvoiceWrittenOff(invoice=name, amount=amount):
            return reduced(invoices, name, amount.minor)
        case _:
            assert_never(event)


def _issue(command: IssueInvoice, invoices: Invoices, parts: tuple[Part, ...]) -> tuple[Event, ...]:
    name, amount = command.invoice, booked(command.amount, command.rate)
    require(amount.minor > 0, NotPositive(amount=amount))
    require(all(invoice.name != name for invoice in invoices), NameTaken(name=name))
    return (
        InvoiceIssued(
            invoice=name,
            amount=amount,
            due_on=command.due_on or parts[0].due_on,
            order=command.order,
            parts=() if command.due_on or len(parts) == 1 else parts,
            conversion=conversion(command.amount, command.rate),
        ),
    )


def _revalue(invoice: Invoice, rate: ExchangeRate) -> tuple[Event, ...]:
    """Value what is open by another rate than the one it was valued by before."""
    old = found(invoice.rate, NotConverted(invoice=invoice.name))
    one_currency(invoice.left, replace(invoice.left, currency=rate.currency))
    left = valued(invoice.left, Fraction(rate.factor, old.factor))
    left = replace(left, minor=max(1, left.minor))  # what is open stays open until it is settled
    revalued = InvoiceRevalued(invoice=invoice.name, before=invoice.left, left=left, rate=rate)
    return (revalued,) if rate != old else ()


def _revalued(invoice: Invoice, event: InvoiceRevalued) -> Invoice:
    """Return an invoice with another value; each part that is open has its share of it."""
    after = replace(invoice, left=event.left, rate=event.rate)
    if not invoice.parts:
        return after
    parts, whole = list(open_parts(invoice)), max(1, invoice.left.minor)
    reached = [event.left.minor * minor // whole for minor in accumulate(p.minor for p in parts)]
    shares = (more - less for less, more in pairwise([0, *reached]))
    valued = (replace(p, minor=minor) for p, minor in zip(parts, shares, strict=True))
    return replace(after, parts=tuple(valued))


def open_invoice(invoices: Invoices, name: str) -> Invoice:
    """Return an open invoice by its name, or reject."""
    known = next((i for i in invoices if i.name == name and i.is_open), None)
    return found(known, UnknownInvoice(invoice=name))


def left_after(invoices: Invoices, name: str, amount: Money) -> Money:
    """Return what stays open of an invoice after this much is paid or taken back."""
    require(amount.minor > 0, NotPositive(amount=amount))
    left = open_invoice(invoices, name).left
    require(amount <= left, TooMuchPaid(left=left))
    return left - amount


def reduced(invoices: Invoices, name: str, minor: int) -> Invoices:
    """Return the invoices after a payment; of the settled the latest REMEMBERED_MAX stay."""
    after = tuple([_less(i, minor) if i.name == name else i for i in invoices])
    if len(after) <= REMEMBERED_MAX:
        return after
    paid = [place for place, invoice in enumerate(after) if invoice.left.minor <= 0]
    for place in reversed(paid[:-REMEMBERED_MAX]):
        after = (*after[:place], *after[place + 1 :])
    return after


def _less(invoice: Invoice, minor: int) -> Invoice:
    left = max(0, invoice.left.minor - minor)
    return replace(invoice, left=replace(invoice.left, minor=left))
