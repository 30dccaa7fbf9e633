"""A command on a customer to whom much has happened: decided and recorded by a process that begins.

    python3 dev.py bench long_streams [--facts N] [--commands N] [--rounds N] [--json]

Each command is carried out by a CRM that remembers nothing, over a store whose streams have 100
facts, a tenth of N, and N: once with the states that are stored of long streams, and once without,
when all that happened is read and folded. In between facts are folded in memory, per fact; the sum
of what the customer paid is compared with what was asked for.
"""

import argparse
import json
import platform
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench._servers import database
from crmcore import CRM, Money, Receipt
from crmcore.domain import customer
from crmcore.domain.recorded import Stream
from crmcore.domain.value import Value
from crmcore.infrastructure.embedded import server
from tests.folders import passing_folder

BATCH = 500
SHORT = 100
TERMS = timedelta(days=60)


def main() -> None:
    """Print what a command takes on streams of several lengths."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--facts", type=int, default=10_000)
    parser.add_argument("--commands", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    lengths = (SHORT, asked.facts // 10, asked.facts)
    with passing_folder() as folder, server(folder) as own, database(own) as url:
        CRM.migrate(url)
        with CRM.open(url) as crm:
            rows = [row for length in lengths for row in measured(crm, length, asked)]
    if asked.json:
        print(json.dumps(rows))
        return
    print(f"{platform.machine()}, Python {platform.python_version()}, durable commits")
    print("\n| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(part) for part in row.values()) + " |")
    short, _, long = (row["fold us a fact"] for row in rows[::2])
    print(f"\na fact of the longest folds at {long / short:.2f} times the cost of the shortest")


def measured(crm: CRM, length: int, asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Fill a stream, and yield what a command on it takes with a stored state and without."""
    who = UUID(int=length)
    paid = fill(crm, who, length)
    facts = crm.history(who)
    assert len(facts) == length
    found = [f.event.amount.minor for f in facts if isinstance(f.event, PAID)]
    assert sum(found) == paid, "money was lost"
    events = [fact.event for fact in facts]
    fold = min(folding(events) for _ in range(asked.rounds)) / length
    for stored in (True, False):
        times = sorted(
            timed(crm, who, forget=not stored)
            for _ in range(asked.rounds)
            for _ in range(asked.commands if stored else max(asked.commands // 10, 5))
        )
        yield {
            "facts": length,
            "stored state": "yes" if stored else "no",
            "p50 ms": round(median(times) * 1_000, 2),
            "p99 ms": round(quantiles(times, n=100)[98] * 1_000, 2),
            "fold us a fact": round(fold * 1e6, 2),
        }


PAID = customer.receivables.PaymentReceived


def fill(crm: CRM, who: UUID, length: int) -> int:
    """Let a customer invoice and pay, until there are so many facts; return what was paid."""
    acts, paid = list[tuple[Any, list[tuple[Value, UUID]]]](), 0
    start = datetime.now(UTC) - TERMS
    for number, command in enumerate(commands(length)):
        at = start + timedelta(minutes=number)
        paid += command.amount.minor if isinstance(command, PAY) else 0
        acts.append((crm.act("bench", effective_at=at), [(command, who)]))
    for first in range(0, length, BATCH):
        outcomes = crm.carry_out(acts[first : first + BATCH])
        assert all(isinstance(outcome, Receipt) for outcome in outcomes), outcomes
    return paid


PAY = customer.ReceivePayment


def commands(length: int) -> Iterator[Value]:
    """Yield a registration, then purchases, interactions, invoices and their payments in turn."""
    yield customer.Register(code="c", name="C", kind="organisation")
    for number in range(1, length):
        match number % 4:
            case 1:
                yield customer.IssueInvoice(invoice=f"i{number}", amount=amount(number))
            case 2:
                invoice = f"i{number - 1}"
                yield PAY(payment=f"y{number}", invoice=invoice, amount=amount(number - 1))
            case 3:
                yield customer.RecordPurchase(purchase=f"p{number}", amount=amount(number))
            case _:
                yield customer.LogInteraction(channel="phone", summary=f"call {number}")


def amount(number: int) -> Money:
    """Return an amount that differs from one fact to the next."""
    return Money(minor=1_000 + number % 97, currency="USD")


def folding(events: Sequence[Any]) -> float:
    """Return how long it takes to fold these events."""
    decider = customer.decider(customer.Policy())
    began = perf_counter()
    decider.fold(events)
    return perf_counter() - began


def timed(crm: CRM, who: UUID, *, forget: bool) -> float:
    """Return how long a command takes for a process that remembers nothing."""
    if forget:
        crm.forget_states()
    fresh = crm.another()
    command = customer.LogInteraction(channel="phone", summary="hello")
    act = fresh.act("bench")
    began = perf_counter()
    receipt = fresh.do(command, to=who, act=act)
    took = perf_counter() - began
    assert receipt.facts[0].stream == Stream(kind="customer", id=who)
    return took


if __name__ == "__main__":
    main()
