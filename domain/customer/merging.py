"""Customers that are one and the same: merged, taken apart again, or known to be two."""

from collections.abc import Mapping
from typing import TypeAlias, assert_never
from uuid import UUID

from msgspec.structs import replace

from crmcore.domain.customer import payments, reminders
from crmcore.domain.customer.credit import Grade, ReleaseHold
from crmcore.domain.customer.orders import CancelOrder, CloseOrder, Deliver
from crmcore.domain.customer.receivables import (
    DisputeInvoice,
    IssueCreditNote,
    IssueInvoice,
    ReceivePayment,
    ResolveDispute,
    RevalueInvoice,
    WriteOff,
)
from crmcore.domain.customer.sales import REMEMBERED_MAX
from crmcore.domain.customer.tax_id import TaxId
from crmcore.domain.value import Ref, Rejection, Text, Value, require


class Held(Value):
    """What a customer holds elsewhere: its tax id, and its place with who looks after it.

    An absorbed customer gives it up, and gets it back when the merge ends.
    """

    tax_id: TaxId | None = None
    owner: Text | None = None


# Commands


class MergeInto(Value, tag="customer.merge_into"):
    """Let another customer stand for this one; said to the one that is absorbed.

    `grade` is the worse credit grade of the two: the survivor has no better one until it is looked
    into again.
    """

    surviving_customer: UUID
    held: Held = Held()
    grade: Grade | None = None


class Absorb(Value, tag="customer.absorb"):
    """Stand for another customer as well; said to the survivor."""

    absorbed_customer: UUID
    held: Held = Held()
    grade: Grade | None = None


class Unmerge(Value, tag="customer.unmerge"):
    """End the merge; said to the one that is absorbed."""

    surviving_customer: UUID
    held: Held = Held()


class Separate(Value, tag="customer.separate"):
    """End the merge; said to the survivor."""

    absorbed_customer: UUID
    held: Held = Held()


class MarkNotDuplicate(Value, tag="customer.mark_not_duplicate"):
    """Say that this customer and another one are two."""

    other_customer: UUID


Command: TypeAlias = MergeInto | Absorb | Unmerge | Separate | MarkNotDuplicate


# Events


class MergedInto(Value, tag="customer.merged_into", omit_defaults=True):
    """Another customer stands for this one; the worse credit grade of the two was this."""

    surviving_customer: UUID
    grade: Grade | None = None


class Absorbed(Value, tag="customer.absorbed", omit_defaults=True):
    """This customer stands for another one as well; the worse credit grade of the two was this."""

    absorbed_customer: UUID
    grade: Grade | None = None


class Unmerged(Value, tag="customer.unmerged"):
    """This customer and another one stand for themselves again."""

    other_customer: UUID


class MarkedNotDuplicate(Value, tag="customer.marked_not_duplicate"):
    """This customer, under this name and tax id, is not another one."""

    other_customer: UUID
    name: Text
    tax_id: Ref | None


Event: TypeAlias = MergedInto | Absorbed | Unmerged | MarkedNotDuplicate


# Rejections


class Redirected(Rejection):
    """A customer that was merged is asked by the one that stands for it."""

    surviving_customer: UUID


class AlreadyMerged(Rejection):
    """A customer is merged into one other."""

    surviving_customer: UUID


class MergeCycle(Rejection):
    """Nobody stands for itself, not by way of others either."""

    surviving_customer: UUID


class NotMerged(Rejection):
    """A merge that ends is there."""

    other_customer: UUID


class OtherHoldings(Rejection):
    """Who merges a customer, or ends its merge, names what it holds elsewhere."""

    held: Held


Reason: TypeAlias = Redirected | AlreadyMerged | MergeCycle | NotMerged | OtherHoldings


# State


_GOES_ON = (
    Deliver | CancelOrder | CloseOrder | RevalueInvoice | DisputeInvoice | ResolveDispute
    | ReceivePayment | IssueCreditNote | WriteOff | payments.Command | reminders.RemindCustomer
    | ReleaseHold
)  # fmt: skip


class Mark(Value):
    """Another customer that this one was not, under the name and tax id that it had."""

    other_customer: UUID
    name: str
    tax_id: str | None


class Merges(Value):
    """Who stands for the customer, for whom it stands, and the latest REMEMBERED_MAX marks."""

    survivor: UUID | None = None
    absorbed: tuple[UUID, ...] = ()
    marks: tuple[Mark, ...] = ()


def resolved(customer: UUID, survivors: Mapping[UUID, UUID]) -> UUID:
    """Return who stands for a customer in the end: itself, if nobody does (rules.md M1).

    The deciders let no circle come about; in a log that has one, everybody there is themselves.
    """
    seen = [customer]
    while (found := survivors.get(seen[-1])) is not None:
        if found in seen:
            return customer
        seen.append(found)
    return seen[-1]


def require_own(merges: Merges, command: object) -> None:
    """Reject what is asked of a customer that was merged (M1).

    But for what is about merges, and for what ends what was open then: facts stay on their stream.
    """
    if merges.survivor is not None:
        about_merges = isinstance(command, MergeInto | Absorb | Unmerge | Separate)
        redirected = Redirected(surviving_customer=merges.survivor)
        require(about_merges or _goes_on(command), redirected)


def _goes_on(command: object) -> bool:
    """Tell whether a command is about what was ordered, owed or held before a merge."""
    if isinstance(command, IssueInvoice):
        return command.order is not None
    return isinstance(command, _GOES_ON)


def decide(
    command: Command, merges: Merges, held: Held, name: str, tax_id: str | None
) -> tuple[Event, ...]:
    """Return who stands for whom; what is so already is nothing to do."""
    survivor, absorbed = merges.survivor, merges.absorbed
    match command:
        case MergeInto(surviving_customer=other, held=named, grade=grade):
            if survivor == other:
                return ()
            require(survivor is None, AlreadyMerged(surviving_customer=survivor or other))
            require(other not in absorbed, MergeCycle(surviving_customer=other))
            require(named == held, OtherHoldings(held=held))
            return (MergedInto(surviving_customer=other, grade=grade),)
        case Absorb(absorbed_customer=other, grade=grade):
            require(survivor != other, MergeCycle(surviving_customer=other))
            require(survivor is None, Redirected(surviving_customer=survivor or other))
            new = Absorbed(absorbed_customer=other, grade=grade)
            return () if other in absorbed else (new,)
        case Unmerge(surviving_customer=other, held=named):
            require(survivor == other, NotMerged(other_customer=other))
            require(named == held, OtherHoldings(held=held))
            return (Unmerged(other_customer=other),)
        case Separate(absorbed_customer=other):
            require(other in absorbed, NotMerged(other_customer=other))
            return (Unmerged(other_customer=other),)
        case MarkNotDuplicate(other_customer=other):
            if Mark(other_customer=other, name=name, tax_id=tax_id) in merges.marks:
                return ()
            return (MarkedNotDuplicate(other_customer=other, name=name, tax_id=tax_id),)
        case _:
            assert_never(command)


def evolve(merges: Merges, event: Event) -> Merges:
    """Return who stands for whom after a fact."""
    match event:
        case MergedInto(surviving_customer=other):
            return replace(merges, survivor=other)
        case Absorbed(absorbed_customer=other):
            others = tuple(one for one in merges.absorbed if one != other)
            return replace(merges, absorbed=(*others, other))
        case Unmerged(other_customer=other):
            survivor = None if merges.survivor == other else merges.survivor
            absorbed = tuple(one for one in merges.absorbed if one != other)
            return replace(merges, survivor=survivor, absorbed=absorbed)
        case MarkedNotDuplicate(other_customer=other, name=name, tax_id=tax_id):
            mark = Mark(other_customer=other, name=name, tax_id=tax_id)
            others_marked = tuple(one for one in merges.marks if one.other_customer != other)
            return replace(merges, marks=(*others_marked, mark)[-REMEMBERED_MAX:])
        case _:
            assert_never(event)
