"""What was said under a name: once more the same is nothing new, anything else is refused (X4).

Orders, deliveries, invoices, payments, credit notes, requests and securities have names from
outside, and whoever names them may send them again. Of what was recorded under a name the latest
facts are kept.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from msgspec.structs import asdict

from crmcore.domain.customer.credit import CreditLimitRequested, RequestLimit
from crmcore.domain.customer.exchange import booked, conversion
from crmcore.domain.customer.limits import PledgeSecurity, SecurityPledged
from crmcore.domain.customer.orders import AcceptOrder, Deliver, DeliveryRecorded, OrderAccepted
from crmcore.domain.customer.payments import (
    AccountCredited,
    CreditAccount,
    MoneyReceived,
    PaymentReversed,
    ReceiveOnAccount,
    ReversePayment,
)
from crmcore.domain.customer.receivables import (
    CreditNoteIssued,
    InvoiceIssued,
    IssueCreditNote,
    IssueInvoice,
    NameTaken,
    PaymentReceived,
    ReceivePayment,
)
from crmcore.domain.customer.sales import REMEMBERED_MAX
from crmcore.domain.value import require

Event: TypeAlias = (
    OrderAccepted | DeliveryRecorded | InvoiceIssued | PaymentReceived | MoneyReceived
    | CreditNoteIssued | AccountCredited | PaymentReversed | CreditLimitRequested | SecurityPledged
)  # fmt: skip
Said: TypeAlias = tuple[Event, ...]  # the latest REMEMBERED_MAX

# What each command leads to, and the fields that name it.
_NAMED: Mapping[type, tuple[type, tuple[str, ...]]] = {
    AcceptOrder: (OrderAccepted, ("order",)),
    Deliver: (DeliveryRecorded, ("order", "delivery")),
    IssueInvoice: (InvoiceIssued, ("invoice",)),
    ReceivePayment: (PaymentReceived, ("invoice", "payment")),
    IssueCreditNote: (CreditNoteIssued, ("invoice", "credit_note")),
    ReceiveOnAccount: (MoneyReceived, ("payment",)),
    CreditAccount: (AccountCredited, ("payment",)),
    ReversePayment: (PaymentReversed, ("payment",)),
    RequestLimit: (CreditLimitRequested, ("request",)),
    PledgeSecurity: (SecurityPledged, ("security",)),
}


def is_repeated(command: object, said: Said) -> bool:
    """Tell whether this was said before; reject what was said otherwise under the same name."""
    kind, names = _NAMED.get(type(command), (None, ()))
    name = [getattr(command, field) for field in names]
    there = (e for e in said if type(e) is kind and [getattr(e, f) for f in names] == name)
    before = next(there, None)
    if before is not None:
        require(_is_same(command, before), NameTaken(name=name[-1]))
    return before is not None


def evolve(said: Said, event: Event) -> Said:
    """Return what was said after a fact; one without a name is not kept."""
    if isinstance(event, CreditNoteIssued) and event.credit_note is None:
        return said
    return (*said[1 - REMEMBERED_MAX :], event)


def _is_same(command: Any, event: Any) -> bool:  # noqa: ANN401 - of a customer
    """Tell whether a fact holds all that a command says; a day that it leaves open is no matter."""
    told = asdict(command)
    if "rate" in told:
        rate = told.pop("rate")
        told |= {"amount": booked(command.amount, rate)}
        told |= {"conversion": conversion(command.amount, rate)}
    for usual in ("due_on", "clears_on"):
        if told.get(usual) is None:
            told.pop(usual, None)
    if "clears_on" in told:
        told["clears_on"] = max(command.clears_on, event.received_on)
    return all(getattr(event, name) == value for name, value in told.items())
