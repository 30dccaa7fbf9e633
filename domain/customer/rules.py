"""The rules of customers: each concept decides for itself, and here they meet.

One aggregate, so that the credit check is atomic with the acceptance of an order.
"""

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Any, TypeAlias, get_args

from msgspec import UNSET
from msgspec.structs import replace

from crmcore.domain.act import Act
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
    said,
    sales,
    verified,
)
from crmcore.domain.customer.beside import Account, open_amounts
from crmcore.domain.customer.credit import LimitRevoked
from crmcore.domain.customer.evidence import VerifyDatum
from crmcore.domain.customer.exchange import booked
from crmcore.domain.customer.exposure import Part
from crmcore.domain.customer.follow_ups import CompleteFollowUp
from crmcore.domain.customer.informing import account_of, asks, informed
from crmcore.domain.customer.merging import Absorb, Held, MergeInto
from crmcore.domain.customer.orders import AcceptOrder, CancelOrder, ChangeOrder, CloseOrder
from crmcore.domain.customer.ownership import AssignOwner, ClaimFromPool
from crmcore.domain.customer.ownership import Policy as OwnershipPolicy
from crmcore.domain.customer.payments import CreditAccount, ReceiveOnAccount
from crmcore.domain.customer.policy import Policy
from crmcore.domain.customer.profile import (
    ChangeRegistration,
    LogInteraction,
    NotActive,
    NotRegistered,
    Register,
)
from crmcore.domain.customer.receivables import (
    InvoiceIssued,
    IssueInvoice,
    PaymentReceived,
    ReceivePayment,
)
from crmcore.domain.customer.state import Customer, books, known_as
from crmcore.domain.customer.terms import NetDays, PaymentTerms, parts_of
from crmcore.domain.customer.threads import threads
from crmcore.domain.decider import Decider
from crmcore.domain.money import CurrencyMismatch, Money, one_currency
from crmcore.domain.value import require

Command: TypeAlias = (
    sales.Command | orders.Command | receivables.Command | payments.Command | reminders.Command
    | credit.Command | limits.Command | releases.Command | profile.Command
    | ownership.Command | access.Command | follow_ups.Command | verified.Command
    | merging.Command | relationship.Command | evidence.Command | group.Command
)  # fmt: skip
Event: TypeAlias = (
    sales.Event | orders.Event | receivables.Event | payments.Event | reminders.Event
    | credit.Event | limits.Event | releases.Event | profile.Event
    | ownership.Event | access.Event | follow_ups.Event | verified.Event | merging.Event
    | relationship.Event | evidence.Event | group.Event
)  # fmt: skip
Reason: TypeAlias = (
    sales.Reason | orders.Reason | receivables.Reason | payments.Reason
    | credit.Reason | limits.Reason | releases.Reason | profile.Reason
    | ownership.Reason | access.Reason | follow_ups.Reason | verified.Reason | merging.Reason
    | relationship.Reason | evidence.Reason | group.Reason | CurrencyMismatch
)  # fmt: skip


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
    if said.is_repeated(command, customer.said):
        return ()
    if isinstance(command, ownership.Command | access.Command | follow_ups.Command):
        return _decide_on_care(command, customer, act, owning)
    if isinstance(command, verified.Command | merging.Command):
        return _decide_on_identity(command, customer, act, policy)
    if isinstance(command, group.Command):
        if isinstance(command, group.AdmitMember):
            _require_currency_of(customer.beside.newcomer, customer, policy.day(act))
        return group.decide(command, customer.group, act, policy)
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
    command: verified.Command | merging.Command, customer: Customer, act: Act, policy: Policy
) -> tuple[Event, ...]:
    """Return by which number the customer is known, and who stands for whom."""
    if isinstance(command, verified.Command):
        return verified.decide(command, customer.tax_id, act)
    if isinstance(command, MergeInto):
        group.require_none(customer.group)
    if isinstance(command, Absorb):
        _require_currency_of(customer.beside.newcomer, customer, policy.day(act))
    held = Held(tax_id=customer.tax_id, owner=customer.ownership.owner)
    return merging.decide(command, customer.merges, held, *known_as(customer))


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


def _require_one_currency(amount: Money, customer: Customer, day: date) -> None:
    """Exposure is one sum: what is open is in one currency (rules.md X5, CR15)."""
    for account in (account_of(customer), customer.beside.same):
        for other in open_amounts(account, day):
            one_currency(amount, other)


def _require_currency_of(newcomer: Account, customer: Customer, day: date) -> None:
    """What is open of who comes is in the currency of the limit, and of what is open (M3, CR14)."""
    for amount in open_amounts(newcomer, day):
        credit.require_currency(amount, customer.credit)
        _require_one_currency(amount, customer, day)


def evolve(customer: Customer, event: Event) -> Customer:
    """Return the customer after a fact. No rules here: what happened, happened."""
    after = _EVOLVE[type(event)](customer, event)
    if isinstance(event, said.Event):
        return replace(after, said=said.evolve(after.said, event))
    return after


def _bought(customer: Customer, event: sales.Event) -> Customer:
    return replace(customer, purchases=sales.evolve(customer.purchases, event))


def _invoiced(customer: Customer, event: receivables.Event) -> Customer:
    """Return the customer after an invoice is issued, settled, or argued about."""
    if isinstance(event, InvoiceIssued):
        customer = _with_orders(customer, event)
    if isinstance(event, PaymentReceived):
        customer = _paid(customer, event)
    return replace(customer, invoices=receivables.evolve(customer.invoices, event))


def _paid(customer: Customer, event: payments.Event | PaymentReceived) -> Customer:
    paid, owed = payments.evolve(customer.payments, customer.invoices, event)
    return replace(customer, payments=paid, invoices=owed)


def _reminded(customer: Customer, event: reminders.Event) -> Customer:
    return replace(customer, invoices=reminders.evolve(customer.invoices, event))


def _granted(customer: Customer, event: credit.Event) -> Customer:
    if isinstance(event, LimitRevoked):
        customer = _raised(customer, event)
    return replace(customer, credit=credit.evolve(customer.credit, event))


def _raised(customer: Customer, event: limits.Event | LimitRevoked) -> Customer:
    changed = limits.evolve(customer.raises, event)
    return replace(customer, raises=changed, credit=credit.stale(customer.credit))


def _released(customer: Customer, event: releases.Event) -> Customer:
    return replace(customer, releases=releases.evolve(customer.releases, event))


def _owned(customer: Customer, event: ownership.Event) -> Customer:
    return replace(customer, ownership=ownership.evolve(customer.ownership, event))


def _let_in(customer: Customer, event: access.Event) -> Customer:
    return replace(customer, grants=access.evolve(customer.grants, event))


def _followed(customer: Customer, event: follow_ups.Event) -> Customer:
    return replace(customer, follow_ups=follow_ups.evolve(customer.follow_ups, event))


def _numbered(customer: Customer, event: verified.Event) -> Customer:
    return replace(customer, tax_id=verified.evolve(customer.tax_id, event))


def _merged(customer: Customer, event: merging.Event) -> Customer:
    return replace(customer, merges=merging.evolve(customer.merges, event))


def _grouped(customer: Customer, event: group.Event) -> Customer:
    return replace(customer, group=group.evolve(customer.group, event))


def _related(customer: Customer, event: relationship.Event) -> Customer:
    return replace(customer, relationship=relationship.evolve(customer.relationship, event))


def _verified(customer: Customer, event: evidence.Event) -> Customer:
    return replace(customer, evidence=evidence.evolve(customer.evidence, event))


def _described(customer: Customer, event: profile.Event) -> Customer:
    """Return the customer after the card changed: what was verified of it may be no more."""
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


# The part that each fact is of: one look for every fact of a long history.
_EVOLVE: Mapping[type, Callable[[Customer, Any], Customer]] = {
    kind: part
    for part, events in (
        (_bought, sales.Event),
        (_with_orders, orders.Event),
        (_invoiced, receivables.Event),
        (_paid, payments.Event),
        (_reminded, reminders.Event),
        (_granted, credit.Event),
        (_raised, limits.Event),
        (_released, releases.Event),
        (_owned, ownership.Event),
        (_let_in, access.Event),
        (_followed, follow_ups.Event),
        (_numbered, verified.Event),
        (_merged, merging.Event),
        (_grouped, group.Event),
        (_related, relationship.Event),
        (_verified, evidence.Event),
        (_described, profile.Event),
    )
    for kind in get_args(events) or (events,)
}


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
        threads=threads,
        informed=informed,
        asks=asks,
    )
