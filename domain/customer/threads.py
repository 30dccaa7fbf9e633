"""What the facts of a customer belong to: those of one thing take effect in their order."""

from crmcore.domain.customer import (
    access,
    credit,
    evidence,
    follow_ups,
    group,
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
from crmcore.domain.customer.receivables import InvoiceIssued
from crmcore.domain.value import Value


def threads(event: Value) -> tuple[str, ...]:
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
            if isinstance(event, group.Event):
                return _of_group(event)
            if isinstance(event, ownership.Event | access.Event):
                return ("owner",) if isinstance(event, ownership.Event) else ("access",)
            is_limit = isinstance(event, credit.Event | limits.Event)
            return ("limit",) if is_limit else (type(event).__name__,)


def _of_group(event: group.Event) -> tuple[str, ...]:
    """Return what a fact of a group belongs to: orders of members to themselves."""
    if isinstance(event, group.MemberOrderNoted):
        return (f"order {event.order} of {event.member}",)
    return ("group",)
