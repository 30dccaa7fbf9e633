"""The whole business on one page, as of a day, as known on a day."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from crmcore.domain import loyalty, opportunity, ticket
from crmcore.domain.calendar import day_of, zone
from crmcore.domain.customer.receivables import (
    InvoiceDisputed,
    InvoiceIssued,
    PaymentReceived,
)
from crmcore.domain.customer.sales import PurchaseRecorded, PurchaseReturned
from crmcore.domain.money import Money
from crmcore.domain.recorded import Stream
from crmcore.domain.value import Value
from crmcore.projections import credit, lifecycle, value_tiers
from crmcore.projections.projection import (
    Customers,
    Facts,
    Population,
    Projection,
    registered,
    verdict,
)

Counts: TypeAlias = dict[str, int]
State = TypeVar("State")
Priced: TypeAlias = PurchaseRecorded | PurchaseReturned | InvoiceIssued


class Total(Value):
    """How many, and what they come to in the summary's currency."""

    count: int
    amount: str


class Receivables(Value):
    """The invoices issued: how many, how much, how many ever disputed, how many paid late."""

    invoices: int
    amount: str
    disputed: int
    paid_late: int


class Summary(Value):
    """The business as of an instant, from the facts up to a position of the log.

    Amounts are decimal strings in `currency`, the one that most sales are in, without sales that of
    most opportunities. What is in others is counted, and listed in `other_currencies` by its line.
    """

    as_of: datetime
    known_at: datetime | None
    position: int
    facts: int
    customers: int
    lifecycle: Counts
    credit: Counts
    abc: Counts
    rfm: Counts
    currency: str
    purchases: Total
    returned: Total
    opportunities: dict[str, Total]
    receivables: Receivables
    tickets: Counts
    loyalty: Counts
    other_currencies: dict[str, dict[str, str]]


class Lens(Value):
    """What the summary looks through, each under its policy."""

    lifecycle: Projection[Any]
    credit: Projection[Any]
    abc: Projection[Any]
    rfm: Projection[Any]
    time_zone: str


class Ledger(Value):
    """Adds amounts up in one currency."""

    currency: str

    def sum(self, amounts: Iterable[Money]) -> str:
        """Return the decimal sum of those amounts that are in the currency."""
        minor = sum(amount.minor for amount in amounts if amount.currency == self.currency)
        return Money(minor=minor, currency=self.currency).decimal

    def total(self, amounts: Sequence[Money | None]) -> Total:
        """Return how many there are, with or without an amount, and their sum."""
        return Total(count=len(amounts), amount=self.sum(a for a in amounts if a is not None))


def summarise(
    population: Population, as_of: datetime, position: int, known_at: datetime | None, lens: Lens
) -> Summary:
    """Return the summary of a population, each customer with the facts known and in effect."""
    everything = [fact for facts in population.values() for fact in facts]
    customers = registered(population)
    stages, grades, classes, segments = (
        _judged(p, customers, as_of) for p in (lens.lifecycle, lens.credit, lens.abc, lens.rfm)
    )
    deals = _deals(everything)
    lines: dict[str, list[Money | None]] = {
        "purchases": _amounts(everything, PurchaseRecorded),
        "returned": _amounts(everything, PurchaseReturned),
        "receivables": _amounts(everything, InvoiceIssued),
        **{o: [worth for phase, worth in deals if phase == o] for o in ("won", "lost", "open")},
    }
    currencies = _currencies(lines)
    ledger = Ledger(currency=currencies[0])
    return Summary(
        as_of=as_of.astimezone(UTC),
        known_at=known_at.astimezone(UTC) if known_at else None,
        position=position,
        facts=len(everything),
        customers=len(customers),
        lifecycle={stage: stages[stage] for stage in lifecycle.STAGES},
        credit={grade: grades[grade] for grade in credit.GRADES},
        abc={tier: classes[tier] for tier in value_tiers.CLASSES},
        rfm=dict(sorted(segments.items())),
        currency=ledger.currency,
        purchases=ledger.total(lines["purchases"]),
        returned=ledger.total(lines["returned"]),
        opportunities={
            outcome: ledger.total(lines[outcome]) for outcome in ("won", "lost", "open")
        },
        receivables=_receivables(population, ledger, lens.time_zone),
        tickets=_tickets(everything),
        loyalty=_loyalty(everything, as_of),
        other_currencies={c: _in(c, lines) for c in currencies[1:]},
    )


def _judged(projection: Projection[Any], customers: Customers, as_of: datetime) -> Counter[str]:
    """Return how many customers get each answer."""
    said = (verdict(projection, facts, as_of) for facts in customers.values())
    return Counter(verdict.answer for verdict in said if verdict is not None)


def _amounts(everything: Facts, kind: type[Priced]) -> list[Money | None]:
    return [fact.event.amount for fact in everything if isinstance(fact.event, kind)]


def _currencies(lines: Mapping[str, Iterable[Money | None]]) -> list[str]:
    """Return the currencies, that of most sales first; XXX stands for none (ISO 4217)."""
    used = {name: Counter(a.currency for a in amounts if a) for name, amounts in lines.items()}
    sales, all_lines = used["purchases"] + used["receivables"], sum(used.values(), Counter[str]())
    return sorted(all_lines, key=lambda c: (-sales[c], -all_lines[c], c)) or ["XXX"]


def _in(currency: str, lines: Mapping[str, Iterable[Money | None]]) -> dict[str, str]:
    """Return what those lines come to in a currency that have it."""
    found = {name: [a for a in amounts if a] for name, amounts in lines.items()}
    held = {
        n: amounts for n, amounts in found.items() if any(a.currency == currency for a in amounts)
    }
    return {name: Ledger(currency=currency).sum(amounts) for name, amounts in held.items()}


def _states(
    everything: Facts, kind: str, initial: State, evolve: Callable[[State, Any], State]
) -> list[State]:
    """Return the state of every aggregate of a kind."""
    states: dict[Stream, State] = {}
    for fact in everything:
        if fact.stream.kind == kind:
            states[fact.stream] = evolve(states.get(fact.stream, initial), fact.event)
    return list(states.values())


def _deals(everything: Facts) -> list[tuple[str, Money | None]]:
    """Return phase and worth of every opportunity: what it was won for, else what is hoped for."""
    initial = opportunity.Opportunity()
    deals = _states(everything, "opportunity", initial, opportunity.evolve)
    return [(deal.phase, deal.won or deal.amount) for deal in deals]


def _receivables(population: Population, ledger: Ledger, time_zone: str) -> Receivables:
    """Return what the invoices come to; an invoice is known by its customer and its name."""
    issued: dict[tuple[UUID | None, str], InvoiceIssued] = {}
    disputed: set[tuple[UUID | None, str]] = set()
    paid_late, where = 0, zone(time_zone)
    for owner, facts in population.items():
        for fact in facts:
            match fact.event:
                case InvoiceIssued(invoice=name):
                    issued[owner, name] = fact.event
                case InvoiceDisputed(invoice=name):
                    disputed.add((owner, name))
                case PaymentReceived(invoice=name, left=left) if left.minor == 0:
                    invoice = issued.get((owner, name))
                    paid_on = day_of(fact.effective_at, where)
                    paid_late += invoice is not None and invoice.due_on < paid_on
                case _:
                    pass
    amount = ledger.sum(invoice.amount for invoice in issued.values())
    return Receivables(
        invoices=len(issued), amount=amount, disputed=len(disputed), paid_late=paid_late
    )


def _tickets(everything: Facts) -> Counts:
    found = _states(everything, "ticket", ticket.Ticket(), ticket.evolve)
    return dict(sorted(Counter(known.status for known in found).items()))


def _loyalty(everything: Facts, as_of: datetime) -> Counts:
    accounts = _states(everything, "loyalty", loyalty.Account(), loyalty.evolve)
    return {"accounts": len(accounts), "points": sum(a.usable(as_of) for a in accounts)}
