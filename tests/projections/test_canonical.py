"""Answers are canonical: the same bytes in every process, and from a log read in parts.

The history is generated over all four aggregates. `told` is what it leads to, as bytes by name;
other processes decide the same requests anew and must say the same. Impure projections are planted
beside: who does not find them would find nothing.
"""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache, reduce
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, TypeAlias
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec.structs import replace

from crmcore import CRM, DisorderedLog, Policies
from crmcore.domain.act import Act
from crmcore.domain.customer import PlaceHold, Register
from crmcore.domain.loyalty import Policy as LoyaltyPolicy
from crmcore.domain.recorded import Recorded, slot_of
from crmcore.domain.value import Value
from crmcore.policies import credit_under, deciders, lens, lifecycle_under, processes
from crmcore.projections.projection import (
    Answer,
    Facts,
    Population,
    Projection,
    Verdict,
    answer,
    by_customer,
    in_effect,
    registered,
)
from crmcore.projections.summary import Lens, summarise
from crmcore.testing import History, samples
from crmcore.testing.erasing import erased
from crmcore.testing.recording import in_streams
from tests.projections.history import history

ROOT = Path(__file__).resolve().parents[2]
Told: TypeAlias = Mapping[str, bytes]
Requests: TypeAlias = list[tuple[Act, list[tuple[Value, UUID]]]]

POLICIES = Policies(
    time_zone="Europe/Berlin",
    max_backdate_days=36_500,
    loyalty=LoyaltyPolicy(minor_units_per_point=1, lifetime_months=3),
)
START, NOW = datetime(2025, 3, 1, tzinfo=UTC), datetime(2029, 6, 30, tzinfo=UTC)
DATES = (datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC), datetime(2028, 8, 1, tzinfo=UTC), NOW)
DAY = date(2025, 10, 26)
CUSTOMERS, LIVES, REPEATED = 16, 120, 3
HELD, HOLDS = UUID(int=99), ("dispute", "fraud", "insolvency", "limit", "order", "overdue")
BERLIN, MUMBAI = ZoneInfo("Europe/Berlin"), timezone(timedelta(hours=5, minutes=30))
KINDS = ("customer", "customer", "opportunity", "ticket", "loyalty")


# A history


@cache
def log() -> Facts:
    """What is recorded of the requests."""
    return recorded(requests())


def recorded(asked: Requests) -> Facts:
    """What is recorded of what was asked for; requests may be refused."""
    crm = CRM.in_memory(policies=POLICIES, clock=lambda: NOW)
    for request in asked:
        crm.carry_out([request])
    return tuple(crm.journal.log(through=crm.position()))


@cache
def requests() -> Requests:
    """A history of some years: late facts, deals of nobody, times stated in three zones."""
    random, ids = Random(20260101), count(1)  # noqa: S311 - the same history every time
    crm = CRM.in_memory(
        policies=POLICIES, clock=lambda: NOW, new_id=lambda: UUID(int=next(ids) << 64)
    )
    register = Register(code="c-1", name="Ann", kind="person")
    asked: Requests = [
        (crm.act("ann", effective_at=START), [(command, HELD)])
        for command in (register, *(PlaceHold(hold=hold, reason="") for hold in HOLDS))
    ]
    for number in range(LIVES):
        owner, kind = UUID(int=random.randrange(1, CUSTOMERS + 1)), random.choice(KINDS)
        of = owner if kind == "customer" else UUID(int=owner.int << 32 | number)
        for step in lives(kind)[number // REPEATED].steps:
            named = getattr(step.command, "customer", None) is not None
            command = replace(step.command, customer=owner) if named else step.command
            stated = min(step.at, NOW) - timedelta(days=random.choice((0, 0, 0, 40)))
            zone = random.choice((UTC, BERLIN, MUMBAI))
            act = crm.act(step.act.by, roles=step.act.roles, effective_at=stated.astimezone(zone))
            asked.append((act, [(command, of)]))
    return asked


@cache
def lives(kind: str) -> Sequence[History]:
    """Histories whose commands mostly fit one another, also under other policies."""
    decider = next(decider for decider in deciders(Policies()) if decider.kind == kind)
    return list(samples(decider, LIVES // REPEATED))


def test_the_history_is_rich() -> None:
    assert {fact.stream.kind for fact in log()} == {*KINDS, "security"}
    assert len({type(fact.event) for fact in log()}) > 50
    assert any(fact.customer is None for fact in log())
    assert [fact.position for fact in log()] != [fact.position for fact in in_effect(log())]


# What is said of it


def told(parts: Sequence[Facts]) -> dict[str, bytes]:
    """What is said of a log whose parts are folded one by one; a whole log is one part."""
    log = sorted((_in_utc(fact) for part in parts for fact in part), key=lambda f: f.position)
    states: dict[str, list[object]] = {}
    answers: dict[str, list[object]] = {}
    planted: dict[str, list[object]] = {name: [] for name in PLANTED}
    summaries: list[object] = []
    for at in DATES:
        populations = [by_customer(part, at) for part in parts]
        whole = merged(populations)
        through = lens(POLICIES, whole, at)
        for population in populations:
            for customer, facts in registered(population).items():
                of = states.setdefault(str(customer), [])
                of += [reduce(one.apply, facts, one.initial) for one in projections(through)]
                said = answers.setdefault(str(customer), [])
                said += [answer(one, facts, at) for one in projections(through)]
        for name, one in PLANTED.items():
            planted[name].append(answer(one, in_effect(log, at), at))
        summaries.append(summarise(whole, at, len(log), NOW, through))
    in_order = {"states": sorted(states.items()), "answers": sorted(answers.items())}
    by_name = {"facts": log, **in_order, "summaries": summaries, **planted}
    return {name: msgspec.json.encode(what) for name, what in by_name.items()}


def _in_utc(fact: Recorded[Any]) -> Recorded[Any]:
    return replace(fact, effective_at=fact.effective_at.astimezone(UTC))


def projections(through: Lens) -> tuple[Projection[Any], ...]:
    return (through.lifecycle, through.credit, through.abc, through.rfm)


def merged(populations: Sequence[Population]) -> Population:
    """The customers of all parts; what belongs to nobody is put together again."""
    nobodys = [fact for population in populations for fact in population.get(None, ())]
    everybody = {c: facts for population in populations for c, facts in population.items()}
    return {**everybody, None: in_effect(nobodys)} if nobodys else everybody


def differing(runs: Sequence[Told]) -> set[str]:
    return {name for name in runs[0] if len({run[name] for run in runs}) > 1}


# Projections as they must not be


def impure(look: Callable[[tuple[str, ...]], object]) -> Projection[tuple[str, ...]]:
    """A projection that remembers the names of the facts, and looks elsewhere for its details."""
    return Projection(
        question="impure",
        initial=(),
        apply=lambda names, fact: (*names, type(fact.event).__name__),
        judge=lambda names, _: Verdict(answer="known", rule="facts") if names else None,
        next_look=lambda _, __: None,
        details=lambda names, _: (("seen", str(look(names))),),
    )


PLANTED: Mapping[str, Projection[tuple[str, ...]]] = {
    "the order of a set": impure(lambda names: list({*names})),
    "a hash": impure(hash),
    "the decimal context": impure(lambda names: Decimal(len(names)) / 7),
    "the zone of the machine": impure(lambda _: NOW.astimezone().isoformat()),
    "the environment": impure(lambda _: os.environ.get("TZ")),
    "the clock": impure(lambda _: time.time_ns()),
    "chance": impure(lambda _: uuid4()),
}

# Other processes

HOSTILE = """
import decimal, locale, sys
decimal.DefaultContext.prec, decimal.DefaultContext.rounding = int(sys.argv[1]), sys.argv[2]
decimal.setcontext(decimal.DefaultContext)
try:
    locale.setlocale(locale.LC_ALL, "")
except locale.Error:
    pass  # the system does not know this language
import msgspec, pickle
from tests.projections.test_canonical import recorded, told
said = told([recorded(pickle.load(sys.stdin.buffer))])
sys.stdout.buffer.write(msgspec.json.encode(said))
"""
ENVIRONMENTS = (
    ("28", "ROUND_HALF_EVEN", {"PYTHONHASHSEED": "0", "TZ": "UTC", "LANG": "C.UTF-8"}),
    ("6", "ROUND_UP", {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati", "LANG": "tr_TR.UTF-8"}),
    ("6", "ROUND_UP", {"PYTHONHASHSEED": "4242", "TZ": "America/Los_Angeles", "LANG": "C"}),
)


@pytest.fixture(scope="module")
def whole() -> Told:
    return told([log()])


def elsewhere() -> list[Told]:
    """What processes in other environments say; they run at the same time."""
    calm = {name: value for name, value in os.environ.items() if not name.startswith("LC_")}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", HOSTILE, *decimals],
            env=calm | environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for *decimals, environment in ENVIRONMENTS
    ]
    asked = pickle.dumps(requests())
    said = [process.communicate(asked)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    return [msgspec.json.decode(one, type=dict[str, bytes]) for one in said]


def test_processes_differ_in_what_was_planted_and_in_nothing_else(whole: Told) -> None:
    assert differing([whole, *elsewhere()]) == set(PLANTED)


def test_a_projection_goes_to_another_process_with_its_policy() -> None:
    population = by_customer(log(), NOW)
    facts = population[UUID(int=1)]
    for one in projections(lens(POLICIES, population, NOW)):
        sent: Projection[Any] = pickle.loads(pickle.dumps(one))  # noqa: S301 - our own
        assert answer(sent, facts, NOW) == answer(one, facts, NOW)


# A log read in parts


def divided(facts: Facts, into: int) -> list[list[Recorded[Any]]]:
    """Parts of a log by the slots of those that its streams belong to in the end."""
    population = by_customer(facts)
    owners = {fact.stream: owner for owner, theirs in population.items() for fact in theirs}
    parts: list[list[Recorded[Any]]] = [[] for _ in range(into)]
    for fact in facts:
        parts[slot_of(owners[fact.stream] or fact.stream.id) % into].append(fact)
    return parts


@pytest.mark.parametrize("into", [2, 7])
def test_parts_that_are_folded_apart_say_what_the_whole_says(whole: Told, into: int) -> None:
    parts = divided(log(), into)
    assert all(parts)
    assert differing([whole, told(parts[::-1])]) <= set(PLANTED)


def test_parts_by_the_slots_of_facts_tear_a_deal_from_its_time_as_nobodys() -> None:
    """Why a reader of parts brings along what a stream was before its customer was named."""
    whole = by_customer(log())
    torn = merged([by_customer([f for f in log() if f.slot % 2 == part]) for part in (0, 1)])
    lost = [one for one in whole if one and whole[one] != torn.get(one)]
    assert lost
    for customer in lost:
        missing = [fact for fact in whole[customer] if fact not in torn[customer]]
        assert {(fact.stream.kind, fact.customer) for fact in missing} == {("opportunity", None)}


# A log out of its order


def shuffled(facts: Facts) -> Iterator[tuple[Facts, tuple[int, int]]]:
    """A log that is disordered in the ways readers do it, and the positions that show it."""
    yield (facts[1], facts[0]), (2, 1)
    yield (facts[0], facts[1], facts[1]), (2, 2)
    yield (*facts[:3], *facts), (3, 1)
    by_stream = sorted(facts, key=lambda fact: (str(fact.stream), fact.position))
    first = next(i for i in count(1) if by_stream[i].position < by_stream[i - 1].position)
    yield by_stream, (by_stream[first - 1].position, by_stream[first].position)


@pytest.mark.parametrize("number", range(4))
def test_a_log_that_lost_its_order_is_refused(number: int) -> None:
    facts, positions = list(shuffled(log()))[number]
    with pytest.raises(DisorderedLog) as refused:
        by_customer(facts)
    assert (refused.value.before, refused.value.position) == positions


def test_a_disordered_log_is_told_in_one_sentence_also_by_another_process() -> None:
    sent: DisorderedLog = pickle.loads(pickle.dumps(DisorderedLog(5, 3)))  # noqa: S301 - our own
    assert str(sent) == "the log was read out of order: position 3 after 5"
    assert (sent.before, sent.position) == (5, 3)


def test_a_part_of_a_log_may_have_gaps() -> None:
    every_third = log()[::3]
    assert sum(len(facts) for facts in by_customer(every_third).values()) == len(every_third)


def test_facts_take_effect_in_their_order_however_they_come() -> None:
    assert in_effect(reversed(log()), NOW) == in_effect(log(), NOW)


# Facts alone, and facts without what is personal


def test_x2_what_was_decided_is_understood_from_its_facts_alone() -> None:
    ours, others = (
        {rules.kind: rules for rules in (*deciders(these), *processes(these))}
        for these in (POLICIES, Policies())
    )
    streams = in_streams(tuple(log()))
    assert len(streams) > CUSTOMERS
    for stream, facts in streams.items():
        events = [fact.event for fact in facts]
        assert others[stream.kind].fold(events) == ours[stream.kind].fold(events)


def test_x10_without_personal_texts_everybody_is_answered_for_as_before() -> None:
    for at in DATES:
        whole, without = by_customer(log(), at), by_customer(erased(tuple(log())), at)
        asked = (lifecycle_under(POLICIES), credit_under(POLICIES))
        for customer, facts in registered(whole).items():
            for one in asked:
                before, after = answer(one, facts, at), answer(one, without[customer], at)
                assert before is not None
                assert after is not None
                assert plain(before) == plain(after)


def plain(said: Answer) -> tuple[object, ...]:
    """An answer but for the words of people that its rule may quote."""
    return said.answer, said.since, said.next_change_at, said.because


# The zones of instants


def test_instants_stated_in_any_zone_give_the_same_bytes(whole: Told) -> None:
    moved = [replace(one, effective_at=one.effective_at.astimezone(BERLIN)) for one in log()]
    assert differing([whole, told([moved])]) <= set(PLANTED)


def test_the_hour_that_comes_twice_keeps_its_order() -> None:
    later, earlier = history((DAY, "second"), (DAY, "first"))
    later = replace(later, effective_at=datetime(2025, 10, 26, 2, 10, fold=1, tzinfo=BERLIN))
    earlier = replace(earlier, effective_at=datetime(2025, 10, 26, 2, 50, tzinfo=BERLIN))
    assert [one.event for one in in_effect([later, earlier])] == ["first", "second"]
    before = datetime(2025, 10, 26, 2, 55, tzinfo=BERLIN)
    assert [one.event for one in in_effect([later, earlier], before)] == ["first"]


def test_an_instant_without_a_zone_is_a_bug() -> None:
    [naive] = history((DAY, "when"))
    with pytest.raises(AssertionError, match="an instant has a time zone"):
        in_effect([replace(naive, effective_at=datetime(2025, 10, 26))])  # noqa: DTZ001 - the point
