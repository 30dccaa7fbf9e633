"""What a fact of a loyalty account takes in Python: as a decider, and as the library's aggregate.

    python3 dev.py bench rules [--sales N] [--rounds N] [--json]

The same life on both sides: enrolment, then sales of which every third is followed by a redemption
and every ninth by its reversal, under the same rules: whole points, lots that lapse, spent first
expiring first, given back to the lots that they came from. Points left in the end are compared.
`decide and evolve` is the whole life without a store, per fact. `encode and decode` is an event to
what is stored of it and back, by our codec and by the library's mapper, which adds an originator
and a version; `with its envelope` is ours with all columns of the row: who, why, when, and so on.
"""

import argparse
import json
import platform
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple
from uuid import UUID, uuid4

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from eventsourcing.domain import DomainEvent
from eventsourcing.persistence import DatetimeAsISO, JSONTranscoder, Mapper, UUIDAsHex

from bench._points import Account
from crmcore import Money
from crmcore.domain import loyalty
from crmcore.domain.act import Act
from crmcore.domain.recorded import Fact, Stream
from crmcore.infrastructure import rows
from crmcore.infrastructure.codec import CODEC

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
STEP = timedelta(hours=1)
POINTS, SPENT = 50, 120
OWNER, STREAM = UUID(int=7), Stream(kind="loyalty", id=UUID(int=8))
RULES = loyalty.decider(loyalty.Policy())


class Life(NamedTuple):
    """What happened, how long that took, and what is left in the end."""

    facts: Sequence[Any]
    seconds: float
    points: int


class Row(NamedTuple):
    """A line of the answer: microseconds a fact on both sides, and how they compare."""

    what: str
    crmcore_us: float
    eventsourcing_us: float
    ratio: float
    goal: str


def main() -> None:
    """Print what a fact takes on both sides."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sales", type=int, default=99)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = list(measured(asked.sales, asked.rounds))
    if asked.json:
        print(json.dumps([row._asdict() for row in found]))
        return
    versions = f"Python {platform.python_version()}, eventsourcing {version('eventsourcing')}"
    print(f"{platform.machine()}, {versions}; medians of {asked.rounds} rounds in turn")
    print(
        "\n| microseconds a fact | crmcore | eventsourcing | ratio | goal |\n|---|---|---|---|---|"
    )
    for row in found:
        ours, theirs = f"{row.crmcore_us:.1f}", f"{row.eventsourcing_us:.1f}"
        print(f"| {row.what} | {ours} | {theirs} | 1/{1 / row.ratio:.1f} | {row.goal} |")


def measured(sales: int, rounds: int) -> list[Row]:
    """Return both lines; each round times one side after the other."""
    decided, coded, wrapped = (list[tuple[float, float]]() for _ in range(3))
    for _ in range(rounds):
        ours, theirs = live_ours(sales), live_theirs(sales)
        assert ours.points == theirs.points > 0, "the two sides have other rules"
        assert len(ours.facts) == len(theirs.facts)
        facts = len(ours.facts)
        decided.append((ours.seconds / facts, theirs.seconds / facts))
        theirs_s = code_theirs(theirs.facts) / facts
        coded.append((code_ours(ours.facts) / facts, theirs_s))
        wrapped.append((wrap_ours(ours.facts) / facts, theirs_s))
    return [
        compared("decide and evolve", decided, "1/4"),
        compared("encode and decode", coded, "1/6"),
        compared("with its envelope", wrapped, "-"),
    ]


def compared(what: str, times: Sequence[tuple[float, float]], goal: str) -> Row:
    """Return a line of the answer."""
    ours, theirs = (median(one) * 1e6 for one in zip(*times, strict=True))
    return Row(what, ours, theirs, ours / theirs, goal)


def live_ours(sales: int) -> Life:
    """Live as a decider."""
    account, facts, began = RULES.initial, list[Any](), perf_counter()

    def do(command: loyalty.Command, number: int) -> None:
        nonlocal account
        act = Act(by="bench", effective_at=START + number * STEP, command_id=UUID(int=number))
        for event in RULES.decide(command, account, act):
            account = RULES.evolve(account, event)
            facts.append(event)

    do(loyalty.Enrol(customer=OWNER), 0)
    for number in range(1, sales + 1):
        amount = Money(minor=POINTS * 100, currency="EUR")
        do(loyalty.Earn(source=f"s{number}", amount=amount), number)
        if number % 3 == 0:
            do(loyalty.Redeem(redemption=f"r{number}", reward="mug", points=SPENT), number)
        if number % 9 == 0:
            do(loyalty.ReverseRedemption(redemption=f"r{number}", points=SPENT), number)
    seconds = perf_counter() - began
    return Life(facts, seconds, account.usable(START + sales * STEP))


def live_theirs(sales: int) -> Life:
    """Live as the library's aggregate."""
    began = perf_counter()
    account = Account(customer=OWNER)
    for number in range(1, sales + 1):
        at = START + number * STEP
        account.earn(f"s{number}", POINTS * 100, at)
        if number % 3 == 0:
            account.redeem(f"r{number}", "mug", SPENT, at)
        if number % 9 == 0:
            account.reverse(f"r{number}", SPENT, at)
    seconds = perf_counter() - began
    return Life(account.collect_events(), seconds, account.usable(START + sales * STEP))


def code_ours(events: Sequence[Any]) -> float:
    """Return how long it takes to encode events and to decode them."""
    began = perf_counter()
    stored = [CODEC.dump(event) for event in events]
    again = [CODEC.load(*one) for one in stored]
    seconds = perf_counter() - began
    assert again == list(events)
    return seconds


def wrap_ours(events: Sequence[Any]) -> float:
    """Return how long it takes to make rows of facts, and facts of rows."""
    facts = [
        Fact(
            stream=STREAM,
            version=number,
            event=event,
            effective_at=START,
            actor="bench",
            reason="",
            command_id=uuid4(),
            correlation_id=UUID(int=1),
            causation_id=None,
            policy="default@1",
            customer=OWNER,
        )
        for number, event in enumerate(events, 1)
    ]
    began = perf_counter()
    stored = [rows.row(fact, START) for fact in facts]
    again = [rows.fact(row) for row in stored]
    seconds = perf_counter() - began
    assert again == facts
    return seconds


def code_theirs(events: Sequence[DomainEvent]) -> float:
    """Return how long the library's mapper takes for the same, with its JSON transcoder."""
    transcoder = JSONTranscoder()
    for transcoding in (UUIDAsHex(), DatetimeAsISO()):
        transcoder.register(transcoding)
    mapper: Mapper[UUID] = Mapper(transcoder=transcoder)
    there: Callable[[Any], Any] = mapper.to_stored_event
    began = perf_counter()
    stored = [there(event) for event in events]
    again = [mapper.to_domain_event(one) for one in stored]
    seconds = perf_counter() - began
    assert len(again) == len(events)
    return seconds


if __name__ == "__main__":
    main()
