"""Rules are tried, and a log is judged, from the shell."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from msgspec.structs import replace

from crmcore import CRM
from crmcore.domain import loyalty, ticket
from crmcore.domain.money import Money
from crmcore.domain.recorded import Stream
from crmcore.testing import invariant
from crmcore.testing.auditing import judge, lived
from crmcore.testing.laws import LAWS
from crmcore.testing.log_laws import LOG_LAWS
from crmcore.testing.rulebook import RULEBOOK, laws_of
from crmcore.testing.targets import UnknownTarget, decider_named, law_named

ADA, ACCOUNT, TICKET = UUID(int=7), UUID(int=8), UUID(int=9)
CARD = Stream(kind="loyalty", id=ACCOUNT)
NOW = datetime(2026, 3, 2, tzinfo=UTC)

RULES = """
from msgspec.structs import replace
from crmcore.domain import loyalty
from crmcore.testing import invariant

RULES = loyalty.decider(loyalty.Policy(points_min=2))

def generous():
    return replace(RULES, decide=lambda command, state, act: (
        (loyalty.Enrolled(customer=command.customer),)
        if isinstance(command, loyalty.Enrol) else RULES.decide(command, state, act)
    ))

@invariant("history")
def a_customer_enrols_once(history):
    return sum(isinstance(e, loyalty.Enrolled) for e in history.events) <= 1
"""


def crmcore(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "crmcore", *arguments]
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_rules_that_hold_are_said_to(tmp_path: Path) -> None:
    (tmp_path / "rules.py").write_text(RULES)
    law = ("--law", "rules:a_customer_enrols_once")
    done = crmcore("check", "rules:RULES", "--examples", "30", *law, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "30 histories" in done.stdout
    assert f"{len(LAWS) + len(RULEBOOK['loyalty']) + 1} laws: all hold" in done.stdout


def test_a_broken_law_is_told_with_the_fewest_commands(tmp_path: Path) -> None:
    (tmp_path / "rules.py").write_text(RULES)
    law = ("--law", "rules:a_customer_enrols_once")
    done = crmcore("check", "rules:generous", "--seed", "7", *law, "--json", folder=tmp_path)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    [broken] = told["broken"]
    assert (broken["law"], broken["commands"]) == ("a_customer_enrols_once", 2)
    assert told["never"] == ["AlreadyEnrolled"]
    plain = crmcore("check", "rules:generous", "--seed", "7", *law, folder=tmp_path)
    assert plain.returncode == 1
    assert "no way was found to AlreadyEnrolled" in plain.stdout
    assert ".when(Enrol(customer=" in plain.stdout


def test_the_same_seed_tries_the_same(tmp_path: Path) -> None:
    said = [
        crmcore("check", "ticket", "--examples", "20", "--seed", seed, "--json", folder=tmp_path)
        for seed in ("1", "1", "2")
    ]
    first, again, other = (done.stdout for done in said)
    assert first == again != other


@pytest.mark.parametrize("name", ["nonsense", "crmcore.domain.loyalty:Policy", "os:", "json:dumps"])
def test_what_is_no_decider_is_said_to_be_none(name: str) -> None:
    with pytest.raises((UnknownTarget, TypeError)):
        decider_named(name)


def test_ours_have_names_and_laws_are_named() -> None:
    assert [decider_named(kind).kind for kind in RULEBOOK] == list(RULEBOOK)
    assert law_named("crmcore.testing.rulebook.loyalty:no_lot_is_overdrawn").name
    with pytest.raises(UnknownTarget, match="is no law"):
        law_named("os:getcwd")


def test_the_rulebook_is_for_whose_facts_are_among_ours() -> None:
    rules = loyalty.decider(loyalty.Policy())
    assert laws_of(rules) == RULEBOOK["loyalty"]
    some = replace(rules, events=loyalty.Enrolled | loyalty.PointsEarned)
    assert laws_of(some) == RULEBOOK["loyalty"]
    assert laws_of(replace(rules, events=loyalty.Enrolled | Money)) == ()
    assert laws_of(replace(rules, kind="bonus")) == ()


# A log


def shop() -> CRM:
    crm = CRM.in_memory(clock=lambda: NOW)
    asked = {
        ACCOUNT: [
            loyalty.Enrol(customer=ADA),
            loyalty.Earn(source="s-1", amount=Money(minor=900, currency="USD")),
            loyalty.Redeem(redemption="r-1", reward="mug", points=4),
            loyalty.ReverseRedemption(redemption="r-1", points=1),
        ],
        TICKET: [
            ticket.Open(customer=ADA, subject="Desk", kind="request", channel="web", category="x"),
            ticket.Reply(text="Hello"),
            ticket.Resolve(resolution="Done"),
            ticket.RecordFeedback(csat=4),
        ],
    }
    for number, (to, commands) in enumerate(asked.items()):
        for day, command in enumerate(commands):
            at = NOW - timedelta(days=30 - day - number)
            crm.do(command, to=to, act=crm.act("ann", effective_at=at))
    return crm


def test_a_log_that_keeps_the_rules_is_said_to() -> None:
    crm = shop()
    judged = judge(crm.feed(), (*crm.deciders, *crm.processes))
    laws = {law.name for laws in RULEBOOK.values() for law in laws}
    assert (judged.facts, judged.streams, judged.laws) == (8, 2, len(laws) + len(LAWS))
    assert judged.breaches == ()


def test_a_log_that_breaks_a_rule_is_told_where() -> None:
    crm = shop()
    facts = list(crm.feed())
    spent = next(n for n, f in enumerate(facts) if isinstance(f.event, loyalty.PointsRedeemed))
    lots = facts[spent].event.allocations
    less = replace(facts[spent].event, allocations=(replace(lots[0], points=3),))
    facts[spent] = replace(facts[spent], event=less)
    seen: list[tuple[int, int]] = []
    found = judge(facts, crm.deciders, progress=lambda done, all_: seen.append((done, all_)))
    assert [(b.stream, b.law) for b in found.breaches] == [
        (CARD, "a_redemption_takes_what_it_says")
    ]
    assert seen == [(1, 2), (2, 2)]


def test_the_laws_of_a_log_are_asked_on_request() -> None:
    crm = shop()
    judged = judge(crm.feed(), crm.deciders, answers_under=crm.policies)
    of_streams = judge(crm.feed(), crm.deciders)
    assert judged.breaches == ()
    assert judged.laws == of_streams.laws + len(LOG_LAWS)
    unearned = [f for f in crm.feed() if not isinstance(f.event, loyalty.PointsEarned)]
    found = judge(unearned, crm.deciders, answers_under=crm.policies).breaches
    of_log = [breach for breach in found if breach.stream is None]
    assert {breach.law for breach in of_log} <= set(LOG_LAWS)
    assert of_log


def test_a_fact_that_nobody_can_fold_is_a_breach() -> None:
    crm = shop()
    broken = [
        replace(one, evolve=lambda *_: 1 // 0) if one.kind == "ticket" else one
        for one in crm.deciders
    ]
    laws = {breach.law for breach in judge(crm.feed(), broken).breaches}
    assert "nothing_crashes" in laws


def test_a_law_of_ones_own_is_asked_of_a_log() -> None:
    @invariant("event")
    def nobody_reverses(_: object, event: object, __: object) -> bool:
        return not isinstance(event, loyalty.RedemptionReversed)

    crm = shop()
    [breach] = judge(crm.feed(), crm.deciders, laws=[nobody_reverses]).breaches
    assert (breach.law, breach.stream) == ("nobody_reverses", CARD)


def test_a_recorded_history_has_the_steps_and_the_states_that_there_were() -> None:
    crm = shop()
    facts = [fact for fact in crm.feed() if fact.stream.id == ACCOUNT]
    history = lived(loyalty.decider(loyalty.Policy()), facts)
    assert [len(step.events) for step in history.steps] == [1, 1, 1, 1]
    assert history.state == crm.loyalty(ACCOUNT)
    assert [step.at for step in history.steps] == [fact.effective_at for fact in facts]


def test_verify_asks_the_laws_on_request(folder: Path) -> None:
    with CRM.open(folder) as crm:
        crm.do(loyalty.Enrol(customer=ADA), to=ACCOUNT, act=crm.act("ann"))
    plain = crmcore("verify", "--store", str(folder), "--laws", "--answers", folder=folder.parent)
    assert plain.returncode == 0, plain.stderr
    assert "laws asked of 1 streams: every law holds" in plain.stdout
    (folder.parent / "mine.py").write_text(RULES.replace("<= 1", "< 1"))
    strict = ("verify", "--store", str(folder), "--law", "mine:a_customer_enrols_once", "--json")
    done = crmcore(*strict, folder=folder.parent)
    assert done.returncode == 1, done.stderr
    [breach] = json.loads(done.stdout)["laws"]["breaches"]
    assert breach["law"] == "a_customer_enrols_once"
