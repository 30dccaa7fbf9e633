"""Generated histories: what they hold is what came of it, and they go where the rules go."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import Meta
from msgspec import inspect as mi
from msgspec.structs import replace

from crmcore.domain import customer, loyalty, opportunity
from crmcore.domain.decider import Decider
from crmcore.domain.money import Money
from crmcore.domain.pipeline import STANDARD
from crmcore.domain.value import Ref, Rejection, Value, require
from crmcore.policies import Policies, deciders
from crmcore.testing import History, commands, histories
from crmcore.testing.binding import Dice, Past, maker
from crmcore.testing.instants import MOMENT, Edge, Kind
from crmcore.testing.living import kinds, take
from crmcore.testing.playing import zone_of
from crmcore.testing.rehearsing import Cast, cast_of
from crmcore.testing.steps import START
from tests.testing.planted import SPENDING

DECIDERS = {decider.kind: decider for decider in deciders(Policies())}
LOYALTY = DECIDERS["loyalty"]
HISTORIES = histories(LOYALTY)
BERLIN = ZoneInfo("Europe/Berlin")


def sample(strategy: SearchStrategy[History], number: int) -> list[History]:
    """Return so many histories, the same each time."""
    found: list[History] = []

    @settings(max_examples=number, phases=[Phase.generate])
    @given(strategy)
    def collect(history: History) -> None:
        found.append(history)

    collect()
    return found


@pytest.mark.parametrize("kind", DECIDERS)
def test_a_script_is_an_example_that_holds(kind: str) -> None:
    @settings(max_examples=20)
    @given(histories(DECIDERS[kind], steps=12))
    def holds(history: History) -> None:
        exec(history.script(), {kind: DECIDERS[kind]})  # noqa: S102 - our own script

    holds()


@given(HISTORIES)
def test_a_history_is_one_life(history: History) -> None:
    state, at = LOYALTY.initial, START
    for step in history.steps:
        assert step.before == state
        assert step.act.effective_at >= at
        assert take(LOYALTY, state, step.command, step.act) == step
        state, at = step.after, step.act.effective_at
    assert history.state == state == LOYALTY.fold(history.events)
    assert len({step.act.command_id for step in history.steps}) == len(history.steps) <= 30


@given(histories(LOYALTY, steps=2))
def test_a_history_is_as_short_as_was_asked_for(history: History) -> None:
    """Though the way to something that it declares may be longer."""
    assert len(history.steps) <= 2


@given(HISTORIES, st.integers(0, 30))
def test_a_history_up_to_an_instant_is_how_it_began(history: History, number: int) -> None:
    at = START + timedelta(days=40 * number)
    steps = history.as_of(at).steps
    assert steps == history.steps[: len(steps)]
    assert all(step.act.effective_at > at for step in history.steps[len(steps) :])


def test_a_command_names_what_there_is() -> None:
    """Nobody says that a reversal is of a redemption: the fields have one name."""
    few = dict.fromkeys({*kinds(LOYALTY.commands)} - {*kinds(SPENDING)}, 0)
    way = cast_of(LOYALTY, weights=few).ways[loyalty.RedemptionReversed]
    asked = [type(turn.command) for turn in way]
    assert asked == [loyalty.Enrol, loyalty.Earn, loyalty.Redeem, loyalty.ReverseRedemption]


def test_weights_leave_commands_out() -> None:
    left = (loyalty.Enrol, loyalty.Earn, loyalty.RecordExpiry)
    others = {kind: 0 for kind in get_args(loyalty.Command) if kind not in left}

    @given(histories(LOYALTY, weights=others))
    def none(history: History) -> None:
        assert all(isinstance(step.command, left) for step in history.steps)

    none()


def test_what_is_known_from_the_start_is_referred_to() -> None:
    ada, bob = UUID(int=101), UUID(int=102)
    lived = sample(histories(LOYALTY, known={"customer": [ada, bob]}, steps=5), 500)
    assert {ada, bob} <= {history.state.customer for history in lived}


def test_overrides_stand_for_a_field_or_a_type() -> None:
    mugs = {
        "reward": st.just("mug"),
        Money: st.just(Money(minor=700, currency="EUR")),
    }

    @given(histories(LOYALTY, overrides=mugs))
    def holds(history: History) -> None:
        for step in history.steps:
            if isinstance(step.command, loyalty.Redeem):
                assert step.command.reward == "mug"
            if isinstance(step.command, loyalty.Earn):
                assert step.command.amount == Money(minor=700, currency="EUR")

    holds()


@given(commands(LOYALTY))
def test_commands_alone_are_of_the_decider(command: object) -> None:
    assert type(command) in kinds(LOYALTY.commands)


# Who rehearses knows the way.


def test_ways_lead_to_all_that_happens_and_nearly_all_that_is_refused() -> None:
    cast = cast_of(DECIDERS["customer"])
    for goal, way in cast.ways.items():
        *_, last = cast.repeat(way, cast.past(lambda _: None))
        assert goal in {type(last.command), type(last.rejected), *map(type, last.events)}
    assert {*kinds(cast.decider.events)} <= cast.ways.keys()
    assert len({*kinds(cast.decider.rejections)} - cast.ways.keys()) <= 1
    deep = cast.ways[customer.orders.OrderAccepted]
    assert type(deep[0].command) is customer.Register
    assert len(deep) == 5


def test_rehearsing_again_leads_the_same_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRMCORE_REHEARSALS", "")
    assert Cast(LOYALTY).ways == Cast(LOYALTY).ways


def test_who_may_is_learnt_from_who_may_not() -> None:
    cast = cast_of(DECIDERS["customer"])
    approved = cast.ways[customer.credit.CreditLimitApproved][-1]
    assert approved.act.roles == {"general_manager", "sales_manager"}  # all that were asked for


def test_the_zone_is_the_policys() -> None:
    assert zone_of(loyalty.decider(loyalty.Policy(time_zone="Europe/Berlin"))) == BERLIN
    assert zone_of(replace(LOYALTY, decide=lambda *_: ())) == UTC


# A decider whose names are not like ours.


class Book(Value, tag="book"):
    what: Annotated[str, Meta(min_length=1, max_length=9, extra={"ref": "seat"})]


class Cancel(Value, tag="cancel"):
    seat: Ref


class Booked(Value, tag="booked"):
    seat: Ref


class Cancelled(Value, tag="cancelled"):
    seat: Ref


class Taken(Rejection):
    """A seat is free."""

    seat: str


class NotTaken(Rejection):
    """A seat is taken."""

    seat: str


def _seats(
    command: Book | Cancel, taken: tuple[str, ...], _: object
) -> tuple[Booked | Cancelled, ...]:
    if isinstance(command, Book):
        require(command.what not in taken, Taken(seat=command.what))
        return (Booked(seat=command.what),)
    require(command.seat in taken, NotTaken(seat=command.seat))
    return (Cancelled(seat=command.seat),)


def _seated(taken: tuple[str, ...], event: Booked | Cancelled) -> tuple[str, ...]:
    if isinstance(event, Booked):
        return (*taken, event.seat)
    return tuple(seat for seat in taken if seat != event.seat)


SEATS: Decider[Any, Any, Any] = Decider(
    kind="seats",
    initial=(),
    decide=_seats,
    evolve=_seated,
    customer=lambda *_: None,
    commands=Book | Cancel,
    events=Booked | Cancelled,
    rejections=Taken | NotTaken,
    threads=lambda _: (),
)


def test_a_field_says_what_it_refers_to() -> None:
    everything: set[type] = {Book, Cancel, Booked, Cancelled, Taken, NotTaken}
    assert set(Cast(SEATS).ways) == everything
    book, cancel = (turn.command for turn in Cast(SEATS).ways[Cancelled])
    assert book.what == cancel.seat


# What fills a field.


def filled(tp: Any, thrown: bytes, name: str = "points", seen: Sequence[Any] = ()) -> Any:  # noqa: ANN401 - of the type
    past = Past(START, UTC, {}, lambda _: pytest.fail("nothing is drawn"))
    past.seen[name] += seen
    return maker(mi.type_info(tp), name, {})(Dice(thrown), past)


def test_no_bytes_are_the_simplest_choices() -> None:
    assert filled(Annotated[int, Meta(ge=1, le=99)], b"") == 1
    assert filled(UUID, b"") == UUID(int=1)
    assert filled(UUID | None, b"") is None
    assert filled(date, b"") == START.date()
    assert filled(tuple[int, ...], b"") == ()
    assert filled(Ref, b"") == "point-1"


def test_a_number_is_one_that_occurred_or_next_to_it() -> None:
    points = Annotated[int, Meta(ge=1, le=99)]
    found = {filled(points, bytes([8, more, 0]), "point", [42]) for more in range(4)}
    assert found == {41, 42, 43}
    assert {filled(points, bytes([14, end])) for end in (0, 1)} == {1, 99}


# Time.

NOON = datetime(2026, 2, 27, 12, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("day", datetime(2026, 2, 28, tzinfo=BERLIN)),
        ("month", datetime(2026, 3, 1, tzinfo=BERLIN)),
        ("year", datetime(2027, 1, 1, tzinfo=BERLIN)),
        ("clock change", datetime(2026, 3, 29, tzinfo=BERLIN)),
        ("named", NOON + timedelta(days=3)),
    ],
)
@pytest.mark.parametrize("moments", [0, -1, 1])
def test_time_passes_up_to_where_something_may_change(
    kind: Kind, expected: datetime, moments: int
) -> None:
    named = [NOON - timedelta(days=1), NOON + timedelta(days=9), NOON + timedelta(days=3)]
    assert Edge(kind, moments).after(NOON, BERLIN, named) == expected + moments * MOMENT


def test_time_stands_still_where_nothing_will_change() -> None:
    assert Edge("clock change").after(START, UTC, []) == START
    assert Edge("named", -1).after(START, UTC, []) == START


def test_points_are_spent_at_the_moment_at_which_they_lapse() -> None:
    """The edge that matters is one that a fact named."""
    assert any(
        step.act.effective_at == lot.expires_at
        for history in sample(HISTORIES, 200)
        for step in history.steps
        if isinstance(step.command, loyalty.Redeem)
        for lot in step.before.lots
    )


def test_stages_are_learnt_from_the_rejection_that_lists_them() -> None:
    way = cast_of(DECIDERS["opportunity"]).ways[opportunity.StageChanged]
    stages = [s.name for s in STANDARD.stages]
    assert [
        t.command.to_stage in stages for t in way if isinstance(t.command, opportunity.ChangeStage)
    ]
