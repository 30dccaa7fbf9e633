"""Money on account: received, cleared, allocated to invoices, and sometimes taken back."""

from datetime import date
from typing import Literal, TypeAlias, assert_never

from msgspec.structs import replace

from crmcore.domain.customer.exchange import Conversion, ExchangeRate, booked, conversion
from crmcore.domain.customer.exposure import Invoice, Invoices, Payment, Payments, Share
from crmcore.domain.customer.receivables import (
    NameTaken,
    PaymentReceived,
    TooMuchPaid,
    UnknownInvoice,
    left_after,
    reduced,
)
from crmcore.domain.customer.sales import REMEMBERED_MAX, NotPositive
from crmcore.domain.money import Money
from crmcore.domain.value import Note, Ref, Rejection, Value, found, require

Instrument: TypeAlias = Literal["transfer", "cash", "card", "cheque", "bill"]

# Commands


class ReceiveOnAccount(Value, tag="customer.receive_on_account"):
    """Take money for no invoice in particular; a cheque or a bill counts when it clears."""

    payment: Ref
    amount: Money
    instrument: Instrument = "transfer"
    clears_on: date | None = None
    rate: ExchangeRate | None = None


class CreditAccount(Value, tag="customer.credit_account"):
    """Give the customer credit for no invoice in particular, such as for goods that came back."""

    payment: Ref
    amount: Money
    reason: Note


class AllocatePayment(Value, tag="customer.allocate_payment"):
    """Settle an invoice with a payment or a credit, wholly or in part."""

    payment: Ref
    invoice: Ref
    amount: Money


class ReversePayment(Value, tag="customer.reverse_payment"):
    """Take a payment back, such as a cheque that bounced; what it settled is owed again."""

    payment: Ref
    reason: Note
    bounced: bool = False


Command: TypeAlias = ReceiveOnAccount | CreditAccount | AllocatePayment | ReversePayment


# Events


class MoneyReceived(Value, tag="customer.money_received", omit_defaults=True):
    """Money came in for no invoice in particular; it is there when it clears."""

    payment: Ref
    amount: Money
    instrument: Instrument
    received_on: date
    clears_on: date
    conversion: Conversion | None = None


class AccountCredited(Value, tag="customer.account_credited"):
    """The customer was given credit for no invoice in particular."""

    payment: Ref
    amount: Money
    credited_on: date
    reason: Note


class PaymentAllocated(Value, tag="customer.payment_allocated"):
    """A payment settles an invoice, which leaves this much of the invoice open."""

    payment: Ref
    invoice: Ref
    amount: Money
    left: Money


class Restored(Value):
    """What of an invoice is owed again, and when it was due."""

    invoice: Ref
    amount: Money
    due_on: date


class PaymentReversed(Value, tag="customer.payment_reversed"):
    """A payment was taken back, and what it settled is owed again (rules.md CR10)."""

    payment: Ref
    amount: Money
    restored: tuple[Restored, ...]
    bounced: bool
    reason: Note


Event: TypeAlias = MoneyReceived | AccountCredited | PaymentAllocated | PaymentReversed


# Rejections


class UnknownPayment(Rejection):
    """The payment is there, among the latest, and was not taken back."""

    payment: str


class TooMuchAllocated(Rejection):
    """A payment settles no more than it comes to."""

    left: Money


Reason: TypeAlias = (
    NotPositive | NameTaken | UnknownInvoice | TooMuchPaid | UnknownPayment | TooMuchAllocated
)


def decide(
    command: Command, payments: Payments, invoices: Invoices, day: date
) -> tuple[Event, ...]:
    """Return what happens to the money on account."""
    name = command.payment
    match command:
        case ReceiveOnAccount(instrument=instrument, clears_on=clears_on):
            amount = booked(command.amount, command.rate)
            _require_new(name, amount, payments)
            received = MoneyReceived(
                payment=name,
                amount=amount,
                instrument=instrument,
                received_on=day,
                clears_on=max(clears_on or day, day),
                conversion=conversion(command.amount, command.rate),
            )
            return (received,)
        case CreditAccount(amount=amount, reason=reason):
            _require_new(name, amount, payments)
            return (AccountCredited(payment=name, amount=amount, credited_on=day, reason=reason),)
        case AllocatePayment(invoice=invoice, amount=amount):
            payment = found(_on_account(payments, name), UnknownPayment(payment=name))
            left = left_after(invoices, invoice, amount)
            require(amount <= payment.left, TooMuchAllocated(left=payment.left))
            allocated = PaymentAllocated(payment=name, invoice=invoice, amount=amount, left=left)
            return (allocated,)
        case ReversePayment():
            return _reverse(command, payments)
        case _:
            assert_never(command)


def evolve(
    payments: Payments, invoices: Invoices, event: Event | PaymentReceived
) -> tuple[Payments, Invoices]:
    """Return the payments and the invoices after a fact."""
    match event:
        case PaymentReceived(payment=name, invoice=invoice, amount=amount):
            share = _share(invoices, invoice, amount.minor)
            paid = Payment(name=name, amount=amount, shares=share)
            return (_remembered((*payments, paid)) if share else payments), invoices
        case MoneyReceived(payment=name, amount=amount, received_on=day, clears_on=clears_on):
            new = Payment(name=name, amount=amount, received_on=day, clears_on=clears_on)
            return _remembered((*payments, new)), invoices
        case AccountCredited(payment=name, amount=amount, credited_on=day):
            new = Payment(name=name, amount=amount, received_on=day, clears_on=day)
            return _remembered((*payments, new)), invoices
        case PaymentAllocated(payment=name, invoice=invoice, amount=amount):
            share = _share(invoices, invoice, amount.minor)
            after = tuple(_with(p, share) if _is_named(p, name) else p for p in payments)
            return _remembered(after), reduced(invoices, invoice, amount.minor)
        case PaymentReversed():
            kept = tuple(p for p in payments if not _is_reversed(p, event))
            for one in event.restored:
                invoices = _owed_again(invoices, one)
            return kept, invoices
        case _:
            assert_never(event)


def _require_new(name: str, amount: Money, payments: Payments) -> None:
    require(amount.minor > 0, NotPositive(amount=amount))
    require(all(payment.name != name for payment in payments), NameTaken(name=name))


def require_not_on_account(payments: Payments, name: str) -> None:
    """Reject the name of a payment on account for a payment of one invoice."""
    require(_on_account(payments, name) is None, NameTaken(name=name))


def _is_named(payment: Payment, name: str) -> bool:
    """Tell whether a payment on account has this name."""
    return payment.name == name and payment.clears_on is not None


def _on_account(payments: Payments, name: str) -> Payment | None:
    return next((payment for payment in payments if _is_named(payment, name)), None)


def _reverse(command: ReversePayment, payments: Payments) -> tuple[Event, ...]:
    """Take back all that was paid under a name, and let what it settled be owed again."""
    known = [payment for payment in payments if payment.name == command.payment]
    first = found(next(iter(known), None), UnknownPayment(payment=command.payment))
    currency = first.amount.currency
    restored = tuple(
        Restored(
            invoice=share.invoice,
            amount=Money(minor=share.minor, currency=currency),
            due_on=share.due_on,
        )
        for payment in known
        for share in payment.shares
    )
    return (
        PaymentReversed(
            payment=command.payment,
            amount=Money(minor=sum(p.amount.minor for p in known), currency=currency),
            restored=restored,
            bounced=command.bounced,
            reason=command.reason,
        ),
    )


def _is_reversed(payment: Payment, event: PaymentReversed) -> bool:
    """Tell whether a payment is among what was taken back: on account, or for one of its invoices.

    Another payment of the name that takes effect before, and was recorded after, is none of it.
    """
    if payment.name != event.payment:
        return False
    again = {one.invoice for one in event.restored}
    return payment.clears_on is not None or any(share.invoice in again for share in payment.shares)


def _share(invoices: Invoices, name: str, minor: int) -> tuple[Share, ...]:
    due = next((one.due_on for one in reversed(invoices) if one.name == name), None)
    return () if due is None else (Share(invoice=name, minor=minor, due_on=due),)


def _with(payment: Payment, more: tuple[Share, ...]) -> Payment:
    """Return a payment that settles more; of one invoice it has one share."""
    shares = {share.invoice: share for share in payment.shares}
    for share in more:
        before = shares[share.invoice].minor if share.invoice in shares else 0
        shares[share.invoice] = replace(share, minor=before + share.minor)
    return replace(payment, shares=tuple(shares.values()))


def _owed_again(invoices: Invoices, one: Restored) -> Invoices:
    """Return the invoices with this much owed again, due when it was due (rules.md CR10)."""
    if all(invoice.name != one.invoice for invoice in invoices):
        return (*invoices, Invoice(name=one.invoice, left=one.amount, due_on=one.due_on))
    return tuple(
        replace(i, left=replace(i.left, minor=i.left.minor + one.amount.minor))
        if i.name == one.invoice
        else i
        for i in invoices
    )


def _remembered(payments: Payments) -> Payments:
    """Return the payments without the oldest of those that are done.

    A payment is done when nothing of it is left, and it has cleared by the latest day known.
    """
    if len(payments) <= REMEMBERED_MAX:
        return payments
    # One for a single invoice is done: it settles that wholly, and has no day on which it clears.
    if not any(p.clears_on for p in payments):
        return payments[-REMEMBERED_MAX:]
    today = max((p.received_on for p in payments if p.received_on), default=date.min)
    done = [n for n, p in enumerate(payments) if p.clears_on is None or _is_done(p, today)]
    for place in reversed(done[:-REMEMBERED_MAX]):
        payments = (*payments[:place], *payments[place + 1 :])
    return payments


def _is_done(payment: Payment, today: date) -> bool:
    return payment.left.minor <= 0 and payment.has_cleared(today)
