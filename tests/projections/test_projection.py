"""What all projections share: whose facts there are, in which order, and the time of an answer."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from crmcore.domain.opportunity import CustomerNamed, Revalued
from crmcore.domain.recorded import Recorded
from crmcore.projections.projection import (
    Answer,
    Projection,
    Verdict,
    answer,
    by_customer,
    in_effect,
    registered,
    verdict,
)
from tests.projections.history import ANN, BOB, REGISTERED, bought, fact, history, start, usd

DEAL = UUID(int=99)
MONDAY, TUESDAY = date(2025, 1, 6), date(2025, 1, 7)


def deal(position: int, event: object, customer: UUID | None) -> Recorded[Any]:
    return fact(MONDAY, event, position, kind="opportunity", stream=DEAL, customer=customer)


# Whose facts


def test_a_stream_that_is_named_later_belongs_to_its_customer_as_a_whole() -> None:
    before = deal(1, Revalued(amount=usd(1)), None)
    named = deal(2, CustomerNamed(customer=ANN), ANN)
    assert by_customer([before]) == {None: [before]}
    assert by_customer([before, named]) == {ANN: [before, named]}


def test_a_stream_belongs_to_the_customer_it_was_last_said_to_belong_to() -> None:
    log = [deal(1, Revalued(amount=usd(1)), ANN), deal(2, Revalued(amount=usd(2)), BOB)]
    assert by_customer([*log, deal(3, Revalued(amount=usd(3)), None)]).keys() == {BOB}


def test_every_customer_has_the_facts_of_all_its_streams_and_of_no_other() -> None:
    own, other = (
        fact(TUESDAY, bought("p"), 1),
        fact(MONDAY, bought("p"), 2, stream=BOB, customer=BOB),
    )
    linked, nobodys = deal(3, CustomerNamed(customer=ANN), ANN), fact(MONDAY, bought("x"), 4,
        kind="opportunity", stream=UUID(int=98), customer=None)  # fmt: skip
    assert by_customer([own, other, linked, nobodys]) == {
        ANN: [linked, own],
        BOB: [other],
        None: [nobodys],
    }


def test_nobody_has_facts_in_an_empty_log() -> None:
    assert by_customer([]) == {}


# In which order


def test_facts_lie_in_the_order_in_which_they_took_effect_then_in_that_of_the_log() -> None:
    facts = history((TUESDAY, "late"), (MONDAY, "early"), (MONDAY, "next"))
    assert [f.event for f in in_effect(facts)] == ["early", "next", "late"]


def test_a_day_sees_what_took_effect_by_its_end() -> None:
    facts = history((MONDAY, "first"), (TUESDAY, "second"))
    assert [f.event for f in in_effect(facts, start(TUESDAY))] == ["first", "second"]
    just_before = start(TUESDAY) - timedelta(microseconds=1)
    assert [f.event for f in in_effect(facts, just_before)] == ["first"]


# The time of an answer, on a lamp: it goes on when told so and off after an hour

HOUR = timedelta(hours=1)


def lit(since: datetime | None, told: Recorded[Any]) -> datetime | None:
    return told.effective_at if told.event == "on" else since


def shines(since: datetime | None, at: datetime) -> Verdict | None:
    if since is None:
        return None
    return Verdict(answer="on" if at < since + HOUR else "off", rule="an hour")


def goes_off(since: datetime | None, at: datetime) -> datetime | None:
    return since + HOUR if since and at < since + HOUR else None


LAMP = Projection[datetime | None](
    question="lamp",
    initial=None,
    apply=lit,
    judge=shines,
    next_look=goes_off,
    details=lambda since, _: (("since", str(since and since.hour)),),
)
MIDNIGHT, ONE = datetime(2025, 1, 6, tzinfo=UTC), datetime(2025, 1, 6, 1, tzinfo=UTC)


def test_an_answer_knows_since_when_it_holds_and_when_it_ends() -> None:
    assert answer(LAMP, history((MONDAY, "on")), MIDNIGHT + HOUR / 2) == Answer(
        question="lamp",
        answer="on",
        since=MIDNIGHT,
        rule="an hour",
        because=(),
        details=(("since", "0"),),
        next_change_at=ONE,
    )
    off = answer(LAMP, history((MONDAY, "on")), ONE)
    assert off is not None
    assert (off.answer, off.since, off.next_change_at) == ("off", ONE, None)


def test_a_fact_that_changes_no_answer_leaves_its_since() -> None:
    facts = history((MONDAY, "on"), (MONDAY, "hum"), (TUESDAY, "hum"))
    off = answer(LAMP, facts, start(TUESDAY))
    assert off is not None
    assert (off.answer, off.since) == ("off", ONE)


def test_an_answer_that_comes_back_holds_since_it_came_back() -> None:
    facts = history((MONDAY, "on"), (TUESDAY, "on"))
    on = answer(LAMP, facts, start(TUESDAY))
    assert on is not None
    assert (on.answer, on.since) == ("on", start(TUESDAY))


def test_while_there_is_nothing_to_say_there_is_no_answer() -> None:
    assert answer(LAMP, history((MONDAY, "hum")), ONE) is None
    assert answer(LAMP, [], ONE) is None
    assert verdict(LAMP, [], ONE) is None


def test_a_verdict_is_the_answer_without_its_time() -> None:
    assert verdict(LAMP, history((MONDAY, "on")), MIDNIGHT) == Verdict(answer="on", rule="an hour")


def test_a_projection_that_looks_for_ever_is_a_bug() -> None:
    restless = Projection[datetime | None](
        question="lamp",
        initial=None,
        apply=lit,
        judge=lambda _, __: Verdict(answer="on", rule="always"),
        next_look=lambda _, at: at + HOUR,
        details=lambda _, __: (),
    )
    with pytest.raises(AssertionError, match="finitely many"):
        answer(restless, history((MONDAY, "on")), MIDNIGHT)


def test_a_projection_that_misses_a_look_is_a_bug() -> None:
    blind = Projection[datetime | None](
        question="lamp",
        initial=None,
        apply=lit,
        judge=shines,
        next_look=lambda _, __: None,
        details=lambda _, __: (),
    )
    with pytest.raises(AssertionError, match="no look was missed"):
        answer(blind, history((MONDAY, "on")), ONE)


def test_nobody_is_no_customer_even_if_somebody_was_registered() -> None:
    nobodys = fact(MONDAY, REGISTERED, 1, customer=None)
    assert registered({None: [nobodys], ANN: [fact(MONDAY, REGISTERED, 2)]}).keys() == {ANN}


def test_an_answer_that_went_and_came_again_holds_since_it_came_again() -> None:
    doubtful: Projection[int] = Projection(
        question="doubtful",
        initial=0,
        apply=lambda count, _: count + 1,
        judge=lambda count, _: None if count == 2 else Verdict(answer="known", rule="facts"),
        next_look=lambda _, __: None,
        details=lambda _, __: (),
    )
    days = (MONDAY, TUESDAY, date(2025, 1, 8))
    facts = history(*((day, bought(f"p-{day}")) for day in days))
    said = answer(doubtful, facts, start(date(2025, 1, 9)))
    assert said is not None
    assert said.since == start(date(2025, 1, 8))
    assert answer(doubtful, facts[:2], start(TUESDAY)) is None


def test_an_answer_that_will_go_changes_when_it_goes() -> None:
    passing: Projection[int] = Projection(
        question="passing",
        initial=0,
        apply=lambda count, _: count + 1,
        judge=lambda _, at: Verdict(answer="known", rule="f") if at < start(TUESDAY) else None,
        next_look=lambda _, at: start(TUESDAY) if at < start(TUESDAY) else None,
        details=lambda _, __: (),
    )
    said = answer(passing, history((MONDAY, bought("p"))), start(MONDAY))
    assert said is not None
    assert said.next_change_at == start(TUESDAY)


def test_a_projection_that_never_ends_looking_is_a_bug() -> None:
    restless: Projection[int] = Projection(
        question="restless",
        initial=0,
        apply=lambda count, _: count + 1,
        judge=lambda _, __: Verdict(answer="known", rule="facts"),
        next_look=lambda _, at: at + timedelta(microseconds=1),
        details=lambda _, __: (),
    )
    with pytest.raises(AssertionError, match=r"^a projection looks at finitely many instants$"):
        answer(restless, history((MONDAY, bought("p"))), start(MONDAY))
