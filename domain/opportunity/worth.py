"""What a deal is worth, line by line or as a whole, and when it is expected to close."""

from datetime import date
from fractions import Fraction
from functools import reduce
from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.customer.exchange import valued
from crmcore.domain.money import Money
from crmcore.domain.opportunity.state import Line, Opportunity, require_amount, require_open
from crmcore.domain.value import Rejection, Value, require

Lines: TypeAlias = Annotated[tuple[Line, ...], Meta(max_length=50)]


# Commands


class Revalue(Value, tag="opportunity.revalue"):
    """Say what a deal is worth now."""

    amount: Money


class ReviseLines(Value, tag="opportunity.revise_lines"):
    """Say what a deal consists of; without lines it keeps its amount."""

    lines: Lines


class Reschedule(Value, tag="opportunity.reschedule"):
    """Say when a deal is expected to close now."""

    expected_close: date


Command: TypeAlias = Revalue | ReviseLines | Reschedule


# Events


class Revalued(Value, tag="opportunity.revalued"):
    """The deal was worth another amount."""

    amount: Money


class LinesRevised(Value, tag="opportunity.lines_revised"):
    """The deal consisted of these lines, and was worth what they come to."""

    lines: Lines
    amount: Money | None


class Rescheduled(Value, tag="opportunity.rescheduled"):
    """The deal was expected to close on another day."""

    expected_close: date


Event: TypeAlias = Revalued | LinesRevised | Rescheduled


# Rejections


class WorthItsLines(Rejection):
    """A deal with lines is worth what they come to."""

    lines: int


class LineTwice(Rejection):
    """Each line of a deal has a name of its own."""

    line: str


Reason: TypeAlias = WorthItsLines | LineTwice


def decide(command: Command, deal: Opportunity) -> tuple[Event, ...]:
    """Return what an open deal is worth and when it may close (rules.md O12)."""
    require_open(deal)
    match command:
        case Revalue(amount=amount):
            require(not deal.lines, WorthItsLines(lines=len(deal.lines)))
            require_amount(amount, deal.frozen)
            return () if amount == deal.amount else (Revalued(amount=amount),)
        case ReviseLines(lines=lines):
            return _revise(lines, deal)
        case Reschedule(expected_close=day):
            return () if day == deal.expected_close else (Rescheduled(expected_close=day),)
        case _:
            assert_never(command)


def evolve(deal: Opportunity, event: Event) -> Opportunity:
    """Return the deal with its worth or its day."""
    match event:
        case Revalued(amount=amount):
            return replace(deal, amount=amount)
        case LinesRevised(lines=lines, amount=amount):
            return replace(deal, lines=lines, amount=amount)
        case Rescheduled(expected_close=day):
            return replace(deal, expected_close=day)
        case _:
            assert_never(event)


def _revise(lines: tuple[Line, ...], deal: Opportunity) -> tuple[Event, ...]:
    names = [line.line for line in lines]
    for name in names:
        require(names.count(name) == 1, LineTwice(line=name))
    if lines == deal.lines:
        return ()
    amount = _sum_of(lines) if lines else deal.amount
    if lines and amount:
        require_amount(amount, deal.frozen)
    return (LinesRevised(lines=lines, amount=amount),)


def _sum_of(lines: tuple[Line, ...]) -> Money:
    """Return what lines come to; too much to be stored is refused like any such amount."""
    return valued(reduce(Money.__add__, (line.amount for line in lines)), Fraction(1))
