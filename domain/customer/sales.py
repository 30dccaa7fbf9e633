"""What a customer buys and pays at once, and what of it comes back."""

from datetime import date
from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.money import Money
from crmcore.domain.value import Ref, Rejection, Text, Value, found, require

REMEMBERED_MAX = 100


# Commands


class RecordPurchase(Value, tag="customer.record_purchase"):
    """Write down a sale that was paid at once; an amount of 0 is a fact and counts for nothing."""

    purchase: Ref
    amount: Money
    quantity: Annotated[int, Meta(ge=0)] | None = None
    product: Text | None = None


class ReturnPurchase(Value, tag="customer.return_purchase"):
    """Take goods of a purchase back for money."""

    purchase: Ref
    amount: Money


Command: TypeAlias = RecordPurchase | ReturnPurchase


# Events


class PurchaseRecorded(Value, tag="customer.purchase_recorded"):
    """The customer bought and paid at once."""

    purchase: Ref
    bought_on: date
    amount: Money
    quantity: int | None
    product: Text | None


class PurchaseReturned(Value, tag="customer.purchase_returned"):
    """Goods of a purchase came back for this much money."""

    purchase: Ref
    amount: Money


Event: TypeAlias = PurchaseRecorded | PurchaseReturned


# Rejections


class NotPositive(Rejection):
    """An amount of money that changes hands is more than nothing."""

    amount: Money


class PurchaseNameTaken(Rejection):
    """A purchase has a name of its own, among the latest purchases."""

    purchase: str
    amount: Money


class UnknownPurchase(Rejection):
    """What comes back was bought, among the latest purchases."""

    purchase: str


class TooMuchReturned(Rejection):
    """Nobody gets back more than was paid."""

    left: Money


Reason: TypeAlias = NotPositive | PurchaseNameTaken | UnknownPurchase | TooMuchReturned


# State


class Purchase(Value):
    """A purchase, and what of it can still come back."""

    name: str
    bought_on: date
    amount: Money
    left: int


Purchases: TypeAlias = tuple[Purchase, ...]  # the latest REMEMBERED_MAX


def decide(command: Command, purchases: Purchases, day: date) -> tuple[Event, ...]:
    """Return what is bought or comes back; the same purchase again changes nothing (X4)."""
    match command:
        case RecordPurchase():
            return _bought(command, purchases, day)
        case ReturnPurchase(purchase=name, amount=amount):
            require(amount.minor > 0, NotPositive(amount=amount))
            bought = found(_named(purchases, name), UnknownPurchase(purchase=name))
            left = replace(bought.amount, minor=bought.left)
            require(amount <= left, TooMuchReturned(left=left))
            return (PurchaseReturned(purchase=name, amount=amount),)
        case _:
            assert_never(command)


def evolve(purchases: Purchases, event: Event) -> Purchases:
    """Return what can still come back after a fact."""
    match event:
        case PurchaseRecorded(purchase=name, bought_on=day, amount=amount):
            bought = Purchase(name=name, bought_on=day, amount=amount, left=amount.minor)
            return (*purchases, bought)[-REMEMBERED_MAX:]
        case PurchaseReturned(purchase=name, amount=amount):
            return tuple(
                replace(p, left=p.left - amount.minor) if p.name == name else p for p in purchases
            )
        case _:
            assert_never(event)


def _named(purchases: Purchases, name: str) -> Purchase | None:
    return next((purchase for purchase in purchases if purchase.name == name), None)


def _bought(command: RecordPurchase, purchases: Purchases, day: date) -> tuple[Event, ...]:
    name, amount = command.purchase, command.amount
    require(amount.minor >= 0, NotPositive(amount=amount))
    if before := _named(purchases, name):
        same = (before.bought_on, before.amount) == (day, amount)
        require(same, PurchaseNameTaken(purchase=name, amount=before.amount))
        return ()
    return (
        PurchaseRecorded(
            purchase=name,
            bought_on=day,
            amount=amount,
            quantity=command.quantity,
            product=command.product,
        ),
    )
