"""Laws of a log: they hold of every log of ours, and each finds what is broken."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from crmcore.domain import customer, lots, loyalty
from crmcore.domain.customer.orders import OrderAccepted
from crmcore.domain.customer.profile import CustomerRegistered, InteractionLogged
from crmcore.domain.customer.sales import PurchaseRecorded
from crmcore.domain.decider import Decider
from crmcore.domain.recorded import Recorded
from crmcore.domain.ticket import NoteAdded
from crmcore.policies import Policies, deciders
from crmcore.projections.projection import Facts, Projection, Verdict
from crmcore.testing import (
    LOG_LAWS,
    Log,
    asked_of,
    asked_under,
    check_log,
    decided_alike,
    delivered,
    deliveries,
    differing,
    forgetful,
    interleavings,
    log_of,
    policies,
)
from crmcore.testing.answering import Answers, end, moments
from crmcore.testing.contracts import PATIENT
from crmcore.testing.erasing import erased, without
from crmcore.testing.judging import astray, lowered, unbalanced
from crmcore.testing.log_laws import at_least_once, unfoldable, unlike_states
from crmcore.testing.recording import Streams, stream_by_stream
from tests.testing.test_worlds import (
    ANN,
    CUSTOMER,
    LOG,
    LOYALTY,
    REGISTER,
    TRADE,
    WORLDS,
    bought,
    lived,
    usd,
)

OURS = Policies()
OTHERS = policies(Policies, overrides={"version": st.integers(2, 9)})
FEW = settings(max_examples=8, suppress_health_check=PATIENT)
JUDGED = LOG[-1].effective_at

CREDIT = log_of(
    {
        "ann": lived(
            CUSTOMER,
            (0, REGISTER),
            (1, customer.RecordInvestigation(score=90, findings="She is solid.")),
            (2, customer.RequestLimit(request="q-1", amount=usd(1_000))),
        )
    }
)


@FEW
@given(WORLDS, st.data())
def test_every_law_holds_under_any_policies(world: Streams, data: st.DataObject) -> None:
    _, log = data.draw(interleavings(world))
    assert check_log(data.draw(OTHERS), log) == []


def test_every_law_holds_of_nothing_and_of_an_ordinary_log() -> None:
    for log in ((), LOG, CREDIT, stream_by_stream(LOG)):
        assert check_log(OURS, log) == []


def test_a_law_says_what_it_is() -> None:
    for name, law in LOG_LAWS.items():
        assert (law.name, law.scope) == (name, "log")
        assert law.doc.endswith(".")
    assert len(LOG_LAWS) == 10


def test_questions_are_asked_about_the_last_instant_and_long_after() -> None:
    asked_about = [(at - LOG[0].effective_at).days for at in moments(LOG)]
    assert asked_about == [2, 3, 4, 404]
    assert [(at - LOG[0].effective_at).days for at in moments(LOG[:1])] == [0, 400]


def broken(name: str, log: Log) -> str:
    """What one law says is wrong with a log."""
    [violation, *_] = check_log(OURS, log, [LOG_LAWS[name]])
    assert violation.law == name
    return violation.what


# Projections that are broken on purpose.


def projection(
    apply: Callable[[Any, Recorded[Any]], Any],
    judge: Callable[[Any, datetime], str | None],
    looks: Iterable[timedelta] = (),
) -> Projection[Any]:
    """A projection whose state is that and whose answer is this; it looks again so much later."""

    def next_look(_: Any, at: datetime) -> datetime | None:  # noqa: ANN401 - any state
        return min(
            (LOG[0].effective_at + t for t in looks if LOG[0].effective_at + t > at), default=None
        )

    def judged(state: Any, at: datetime) -> Verdict | None:  # noqa: ANN401 - any state
        said = judge(state, at)
        return None if said is None else Verdict(answer=said, rule="because")

    return Projection(
        question="broken",
        initial=None,
        apply=apply,
        judge=judged,
        next_look=next_look,
        details=lambda _, __: (),
    )


def kept(of: Callable[[Recorded[Any]], object]) -> Projection[Any]:
    """A projection that answers with something of the last fact."""
    return projection(lambda _, fact: str(of(fact)), lambda said, _: said)


# 8: order.


def test_an_answer_that_depends_on_positions_is_found() -> None:
    first = kept(lambda fact: fact.position)
    [_, *_] = differing(asked_of(first), LOG, stream_by_stream(LOG))
    assert [*differing(asked_of(kept(lambda fact: fact.version)), LOG, LOG)] == []


@FEW
@given(st.data())
def test_two_ways_of_recording_the_same_give_the_same_answers(data: st.DataObject) -> None:
    one, other = data.draw(interleavings(TRADE))
    assert [*differing(asked_under(OURS), one, other)] == []


def test_who_is_served_first_is_found() -> None:
    """Whose turn it was in the log is no matter of theirs."""
    late = log_of(TRADE, ["card", "card", "card", "ann", "ann", "ann"])

    def first(log: Log, as_of: datetime, known_at: int) -> Answers:
        return asked_of(kept(lambda _: log[0].stream.kind))(log, as_of, known_at)

    what = next(differing(first, LOG, late))
    assert what.startswith(f"broken of {ANN} at ")


# 9: delivery.


def count(model: Counter[str], fact: Recorded[Any]) -> None:
    model[fact.stream.kind] += 1


def keep(model: dict[int, str], fact: Recorded[Any]) -> None:
    model[fact.position] = fact.stream.kind


def test_a_handler_that_counts_twice_is_found() -> None:
    [what] = delivered(Counter[str], count, LOG, at_least_once(LOG))
    assert "'customer': 9" in what
    assert [*delivered(Counter[str], count, LOG, [LOG[:2], LOG[2:]])] == []


@given(deliveries(LOG))
def test_what_is_kept_by_position_is_kept_once(batches: list[Log]) -> None:
    assert [
        *delivered(dict[int, str], keep, LOG, batches, lambda model: sorted(model.items()))
    ] == []


def test_what_comes_again_comes_half_way_too() -> None:
    lengths = [len(batch) for batch in at_least_once(LOG)]
    assert lengths == [3, 3, 3, 3, 3, 3]
    assert [*at_least_once(LOG)][-2:] == [LOG[:3], LOG[3:]]
    assert [*at_least_once(())] == []


# 10: as of, as known.


def test_an_answer_that_knows_what_came_later_is_found() -> None:
    def knows_all(log: Log, as_of: datetime, _: int) -> Answers:
        return asked_under(OURS)(log, as_of, end(log))

    def sees_all(log: Log, _: datetime, known_at: int) -> Answers:
        return asked_under(OURS)(log, JUDGED, known_at)

    assert any(forgetful(knows_all, LOG))
    assert any(forgetful(sees_all, LOG))
    assert not any(forgetful(asked_under(OURS), LOG))


# 13: what if.


def test_an_answer_by_the_policies_of_facts_is_found() -> None:
    by_label = asked_of(kept(lambda fact: fact.policy))
    relabelled = tuple(replace(fact, policy="mine@2") for fact in LOG)
    assert any(differing(by_label, LOG, relabelled))


def test_rules_whose_past_depends_on_the_policy_are_found() -> None:
    def forgets(state: loyalty.Account, event: loyalty.Event) -> loyalty.Account:
        return replace(loyalty.evolve(state, event), lots=())

    bad: Decider[Any, Any, Any] = replace(LOYALTY, evolve=forgets)
    [what] = unlike_states([bad], deciders(OURS), LOG)
    assert what.startswith("loyalty:")
    assert [*unlike_states([LOYALTY, CUSTOMER], [CUSTOMER], LOG)] == []


def test_commands_that_would_be_decided_otherwise_are_found() -> None:
    card = TRADE["card"]
    assert [*decided_alike(loyalty.decider(loyalty.Policy())).check(LOYALTY, card)] == []
    dear = loyalty.decider(loyalty.Policy(minor_units_per_point=1_000))
    earned, redeemed = decided_alike(dear).check(LOYALTY, card)
    assert "would lead to (PointsEarned(" in earned
    assert redeemed.endswith("would lead to Insufficient(available=5)")


# 14: erasure.


def test_personal_texts_are_gone_and_names_of_things_are_kept() -> None:
    card = customer.Contact(name="Ann", phone="+491701234567", email="a@b.de")
    told = customer.profile.ContactsChanged(contacts=(card, customer.Contact(name="Bob")))
    gone = customer.Contact(name="erased", phone="+10000000", email="erased@erased")
    assert without(told).contacts == (gone, customer.Contact(name="erased"))
    lines = customer.Registration(business_lines=("wine", "beer"), tax_id="7", country="DE")
    assert without(customer.profile.RegistrationChanged(registration=lines)).registration == (
        customer.Registration(
            business_lines=("erased", "erased"), tax_id="erased", country="erased"
        )
    )
    assert without(LOG[0].event) == CustomerRegistered(code="c-1", name="erased", kind="person")
    assert {fact.reason for fact in erased(LOG)} == {"erased"}
    assert [fact.event for fact in erased(LOG)][1:] == [fact.event for fact in LOG][1:]
    requested = CREDIT[-1].event
    assert without(requested) == requested


def test_an_answer_that_needs_a_name_is_found() -> None:
    by_name = asked_of(kept(lambda fact: getattr(fact.event, "name", "")))
    assert any(differing(by_name, LOG[:1], erased(LOG[:1])))


def test_a_state_that_needs_a_name_is_found() -> None:
    def initials(state: str, event: object) -> str:
        return state + {"Ann": "A"}[event.name] if isinstance(event, CustomerRegistered) else state

    bad: Decider[Any, Any, Any] = replace(CUSTOMER, initial="", evolve=initials)
    assert [*unfoldable([bad], LOG)] == []
    [what] = unfoldable([bad], erased(LOG))
    assert what.endswith("cannot be folded: KeyError: 'erased'")


def test_a_fact_out_of_its_bounds_is_found() -> None:
    note = replace(LOG[0], stream=replace(LOG[0].stream, kind="ticket"), event=NoteAdded(text=""))
    assert "cannot be folded: ValidationError" in broken("the_erased_can_be_folded", (note,))


# 21: tiers.


def test_a_tier_that_falls_with_spend_is_found() -> None:
    def spent(state: int | None, fact: Recorded[Any]) -> int:
        amount = fact.event.amount.minor if isinstance(fact.event, PurchaseRecorded) else 0
        return (state or 0) + amount

    fair = projection(spent, lambda minor, _: "A" if (minor or 0) > 10_000 else "B")
    unfair = projection(spent, lambda minor, _: "B" if (minor or 0) > 10_000 else "A")
    facts: Facts = [fact for fact in LOG if fact.stream.kind == "customer"]
    assert [*lowered([replace(fair, question="abc")], facts, "USD", JUDGED)] == []
    found = [*lowered([replace(unfair, question="abc")], facts, "USD", JUDGED)]
    assert len(found) == 6
    assert found[0].endswith("more turned the scores [0] into [-1]")


# 22: arrows.


DAY = timedelta(days=1)


def test_time_that_brings_a_customer_back_is_found() -> None:
    back_on = LOG[0].effective_at + 9 * DAY
    forgiving = projection(
        lambda _, __: True,
        lambda known, at: known and ("lost" if at < back_on else "active"),
        [9 * DAY],
    )
    assert [*astray(forgiving, LOG[:1])] == [
        f"time moved the stage from lost to active at {back_on}"
    ]
    assert [*astray(forgiving, (LOG[0], replace(LOG[-1], effective_at=back_on + DAY)))] == [
        f"time moved the stage from lost to active at {back_on}"
    ]


def test_a_call_that_makes_a_buyer_is_found() -> None:
    call = InteractionLogged(channel="phone", summary="hello")
    told = replace(LOG[0], event=call, position=2, version=2)
    keen = kept(lambda fact: "new" if fact.event == call else "prospect")
    assert [*astray(keen, [LOG[0], told])] == [
        f"anything else moved the stage from prospect to new at {LOG[0].effective_at}"
    ]


def test_a_customer_moves_along_the_arrows() -> None:
    life = lived(
        CUSTOMER,
        (0, REGISTER),
        (1, bought("p-1")),
        (40, bought("p-2")),
        (50, customer.ReturnPurchase(purchase="p-2", amount=usd(5_000))),
        (700, customer.Deactivate(reason="moved")),
        (701, customer.Reactivate(reason="back")),
        (702, bought("p-3")),
        (703, customer.ReturnPurchase(purchase="p-3", amount=usd(5_000))),
        (704, customer.ReturnPurchase(purchase="p-1", amount=usd(5_000))),
    )
    assert all(step.is_accepted for step in life.steps)
    assert check_log(OURS, log_of({"ann": life})) == []


# 22b: points. 23: limits.


def test_points_that_come_from_nowhere_are_found() -> None:
    assert [*unbalanced(LOG, JUDGED, 30)] == []
    [what] = unbalanced(LOG, JUDGED, 31)
    assert what == f"there are 31 points at {JUDGED}, and what happened comes to 30"


def test_a_redemption_of_more_than_there_is_is_found() -> None:
    *before, redeemed, after = LOG
    taken = redeemed.event
    assert isinstance(taken, loyalty.PointsRedeemed)
    more: lots.Lots = tuple(replace(lot, points=51) for lot in taken.allocations)
    overdrawn = replace(redeemed, event=replace(taken, allocations=more))
    what = broken("points_are_the_sum_of_what_happened", (*before, overdrawn, after))
    assert what.endswith("what happened comes to -1")


@pytest.mark.parametrize(
    ("limit", "exposure", "said"), [(1_000, 1_001, "beyond the limit"), (5_000, 700, "other than")]
)
def test_an_order_beyond_the_limit_is_found(limit: int, exposure: int, said: str) -> None:
    order = OrderAccepted(order="o-1", amount=usd(1_001), exposure=usd(exposure), limit=usd(limit))
    fact = replace(CREDIT[-1], event=order, position=4, version=4)
    assert said in broken("nobody_is_granted_more_than_the_limit", (*CREDIT, fact))
