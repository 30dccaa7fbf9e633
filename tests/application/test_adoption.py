"""Policies are versioned facts: which are in force when, and what they change (X1, X2, X3)."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crmcore import (
    CRM,
    CRMError,
    InvalidCommand,
    InvalidPolicy,
    Money,
    NotFound,
    Policies,
    Receipt,
    Rejected,
)
from crmcore.domain import adoption, customer, loyalty
from crmcore.domain.adoption import Adopt, PolicyAdopted
from crmcore.in_force import ADOPTIONS, Adopted
from crmcore.infrastructure.memory import MemoryJournal
from crmcore.projections.lifecycle import Policy as LifecyclePolicy
from crmcore.testing import policies as any_policies
from tests.application.acting import ADA, REGISTER, usd

ACCOUNT = UUID(int=30)
TODAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
BERLIN_MIDNIGHT = datetime(2026, 3, 31, 22, tzinfo=UTC)
GENEROUS = Policies(
    name="spring", version=2, loyalty=loyalty.Policy(minor_units_per_point=10, lifetime_months=6)
)
BOSS = ["general_manager"]


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = TODAY

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shop(crm: CRM, clock: Clock) -> CRM:
    shop = crm.another(clock=clock)
    shop.do(loyalty.Enrol(customer=ADA), to=ACCOUNT, act=shop.act("ann"))
    return shop


def earned(crm: CRM, sale: str, on: date | None = None) -> tuple[int, str]:
    """The points that a sale of 5.00 earns, and the policies that its fact names."""
    act = crm.act("ann", effective_at=on)
    earn = loyalty.Earn(source=sale, amount=Money(minor=500, currency="USD"))
    [fact] = crm.do(earn, to=ACCOUNT, act=act).facts
    return fact.event.lot.points, fact.policy


def test_what_ships_is_in_force_until_something_is_adopted(shop: CRM) -> None:
    points, named = earned(shop, "s-1")
    assert (points, named) == (5, Policies().stamp)
    assert re.fullmatch(r"default@1\+[0-9a-f]{12}", named)
    assert shop.policies == shop.policies_on() == Policies()
    assert shop.adoptions() == []


def test_x3_an_act_is_decided_under_the_policies_in_force_when_it_takes_effect(
    shop: CRM, clock: Clock
) -> None:
    receipt = shop.adopt(GENEROUS, act=shop.act("bea", roles=BOSS), in_force_from=date(2026, 4, 1))
    assert [type(fact.event) for fact in receipt.facts] == [PolicyAdopted]
    assert earned(shop, "s-1") == (5, Policies().stamp)
    clock.now = datetime(2026, 4, 2, tzinfo=UTC)
    assert earned(shop, "s-2") == (50, GENEROUS.stamp)
    assert earned(shop, "s-3", date(2026, 3, 31)) == (5, Policies().stamp)
    assert earned(shop, "s-4", date(2026, 4, 1)) == (50, GENEROUS.stamp)


def test_the_day_from_which_policies_are_in_force_is_a_day_of_their_own_zone(shop: CRM) -> None:
    local = replace(GENEROUS, time_zone="Europe/Berlin")
    act = shop.act("bea", roles=["policy_admin"])
    [fact] = shop.adopt(local, act=act, in_force_from=date(2026, 4, 1)).facts
    assert fact.event.in_force_from == BERLIN_MIDNIGHT
    assert shop.policies_on(BERLIN_MIDNIGHT - timedelta(microseconds=1)) == Policies()
    assert shop.policies_on(BERLIN_MIDNIGHT) == local
    assert shop.policies_on(date(2026, 3, 31)) == Policies()
    assert shop.policies_on(date(2026, 4, 1)) == local


def test_without_a_day_policies_are_in_force_from_the_act_on(shop: CRM) -> None:
    act = shop.act("bea", roles=BOSS)
    [fact] = shop.adopt(GENEROUS, act=act).facts
    assert fact.event.in_force_from == fact.effective_at == TODAY
    assert shop.policies == GENEROUS


def test_x3_what_was_decided_last_is_in_force_and_not_what_was_meant_for_later(
    shop: CRM,
) -> None:
    second, third = GENEROUS, replace(GENEROUS, version=3, name="summer")
    act = shop.act("bea", roles=BOSS)
    shop.adopt(second, act=act, in_force_from=date(2026, 7, 1))
    shop.adopt(third, act=shop.act("bea", roles=BOSS), in_force_from=date(2026, 6, 1))
    found = [shop.policies_on(date(2026, month, 15)) for month in (5, 6, 7)]
    assert found == [Policies(), third, third]
    assert [fact.event.version for fact in shop.adoptions()] == [2, 3]


def test_x1_what_is_adopted_later_changes_no_answer_that_was_known(shop: CRM) -> None:
    shop.do(REGISTER, to=ADA, act=shop.act("ann"))
    sale = customer.RecordPurchase(purchase="p-1", amount=usd(100))
    shop.do(sale, to=ADA, act=shop.act("ann"))
    asked = date(2026, 4, 15)
    before, known = shop.lifecycle(ADA, as_of=asked), shop.position()
    strict = Policies(version=2, lifecycle=LifecyclePolicy(inactive_after_months=1))
    shop.adopt(strict, act=shop.act("bea", roles=BOSS))
    after = shop.lifecycle(ADA, as_of=asked)
    assert before is not None
    assert after is not None
    assert (before.answer, after.answer) == ("new", "inactive")
    assert shop.lifecycle(ADA, as_of=asked, known_at=known) == before
    assert shop.policies_on(asked, known_at=known) == Policies()
    summaries = [shop.summary(as_of=asked, known_at=at).lifecycle for at in (known, None)]
    assert [found["inactive"] for found in summaries] == [0, 1]


def test_x3_what_if_there_were_other_policies_is_an_argument_and_changes_nothing(
    shop: CRM,
) -> None:
    shop.adopt(GENEROUS, act=shop.act("bea", roles=BOSS))
    dear = Policies(name="dear", loyalty=loyalty.Policy(minor_units_per_point=500))
    what_if = shop.another(policies=dear)
    assert what_if.policies == what_if.policies_on(date(2026, 1, 1)) == dear
    assert earned(what_if, "s-1") == (1, dear.stamp)
    assert earned(shop, "s-2") == (50, GENEROUS.stamp)


def test_another_crm_over_the_store_goes_by_what_was_adopted(shop: CRM) -> None:
    shop.adopt(GENEROUS, act=shop.act("bea", roles=BOSS))
    assert earned(shop.another(), "s-1") == (50, GENEROUS.stamp)


def test_what_others_adopt_is_seen_within_a_second() -> None:
    seconds = [10.0]
    journal = MemoryJournal()
    here = Adopted(journal, None, (), clock=lambda: seconds[0])
    there = CRM.in_memory(clock=lambda: TODAY).another(journal=journal)
    assert here.on(TODAY).policies == Policies()
    there.adopt(GENEROUS, act=there.act("bea", roles=BOSS))
    assert here.on(TODAY).policies == Policies()
    seconds[0] = 11.0
    assert here.on(TODAY).policies == GENEROUS


def test_policies_are_found_by_what_facts_call_them(shop: CRM) -> None:
    shop.adopt(GENEROUS, act=shop.act("bea", roles=BOSS))
    assert shop.policies_named(GENEROUS.stamp) == GENEROUS
    assert shop.policies_named(Policies().stamp) == Policies()
    own = Policies(name="mine")
    assert shop.another(policies=own).policies_named(own.stamp) == own
    with pytest.raises(NotFound, match=r"no policies spring@2\+000000000000 were adopted here"):
        shop.policies_named("spring@2+000000000000")


@pytest.mark.parametrize(
    ("policies", "roles", "code"),
    [
        (GENEROUS, [], "NotAuthorised"),
        (GENEROUS, ["sales"], "NotAuthorised"),
        (Policies(), BOSS, "VersionNotGrown"),
    ],
)
def test_who_may_not_or_does_not_count_on_adopts_nothing(
    shop: CRM, policies: Policies, roles: list[str], code: str
) -> None:
    with pytest.raises(Rejected) as caught:
        shop.adopt(policies, act=shop.act("ann", roles=roles))
    assert caught.value.code == code
    assert shop.policies == Policies()


def test_x4_the_same_adoption_again_is_none_and_another_under_its_version_is_refused(
    shop: CRM,
) -> None:
    spring = date(2026, 4, 1)
    shop.adopt(GENEROUS, act=shop.act("bea", roles=BOSS), in_force_from=spring)
    again = shop.adopt(GENEROUS, act=shop.act("bea", roles=BOSS), in_force_from=spring)
    assert again.facts == ()
    other = replace(GENEROUS, max_backdate_days=30)
    for policies, since in ((other, spring), (GENEROUS, date(2026, 5, 1))):
        with pytest.raises(Rejected) as caught:
            shop.adopt(policies, act=shop.act("bea", roles=BOSS), in_force_from=since)
        assert caught.value.code == "VersionReused"
        assert caught.value.facts["digest"] == GENEROUS.digest


def test_nothing_is_adopted_for_days_that_are_gone(shop: CRM) -> None:
    with pytest.raises(Rejected) as caught:
        shop.adopt(GENEROUS, act=shop.act("bea", roles=BOSS), in_force_from=date(2026, 3, 1))
    assert caught.value.code == "Retroactive"
    assert caught.value.facts["earliest"] == date(2026, 3, 2)
    today = shop.adopt(GENEROUS, act=shop.act("bea", roles=BOSS), in_force_from=date(2026, 3, 2))
    assert len(today.facts) == 1


def test_only_a_whole_text_in_its_one_form_is_adopted(shop: CRM) -> None:
    texts = ["{}", "nonsense", GENEROUS.text + " ", GENEROUS.text.replace("spring", "")]
    for text in texts:
        command = Adopt(policies=text, in_force_from=TODAY)
        with pytest.raises(Rejected) as caught:
            shop.do(command, to=ADOPTIONS.id, act=shop.act("bea", roles=BOSS))
        assert caught.value.code == "Unreadable"
    with pytest.raises(InvalidPolicy):
        shop.adopt(replace(GENEROUS, version=0), act=shop.act("bea", roles=BOSS))


def test_an_act_that_is_none_is_no_question_of_policies(shop: CRM) -> None:
    shop.adopt(GENEROUS, act=shop.act("bea", roles=BOSS))
    for at in (datetime(2026, 3, 2), "today", None):  # noqa: DTZ001 - what is refused
        act: Any = replace(shop.act("ann"), effective_at=at)
        with pytest.raises(InvalidCommand):
            shop.do(REGISTER, to=ADA, act=act)


def test_what_a_newer_crmcore_adopted_is_not_guessed_at() -> None:
    newer = PolicyAdopted(
        name="next",
        version=9,
        digest="ab" * 32,
        policies='{"name":"next","version":9,"weather":"fine"}',
        in_force_from=TODAY,
    )
    journal = MemoryJournal()
    crm = CRM.in_memory(clock=lambda: TODAY).another(journal=journal)
    [fact] = crm.adopt(GENEROUS, act=crm.act("bea", roles=BOSS)).facts
    adopted = Adopted(journal, None, ())
    assert adopted.among([fact.event], TODAY).policies == GENEROUS
    with pytest.raises(InvalidPolicy, match=r"next@9\+abababababab was adopted"):
        adopted.among([newer], TODAY)


def test_adopting_does_not_move_with_the_kind_of_the_store_and_can_be_verified(shop: CRM) -> None:
    shop.adopt(GENEROUS, act=shop.act("bea", roles=BOSS))
    assert shop.verify().problems == ()
    assert shop.stream(ADOPTIONS)[0].event.policies == GENEROUS.text


# Every decision is made anew as it was


SALES = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(1, 900), st.integers(0, 9)), max_size=8
)


PLAIN = {"campaigns": st.just(()), "month_points_max": st.none()}  # as `lot_by_hand` knows it


@given(st.lists(any_policies(Policies, overrides=PLAIN), min_size=1, max_size=3), SALES)
def test_x3_a_fact_is_decided_again_as_it_was_under_the_policies_that_it_names(
    adopted: list[Policies], sales: list[tuple[str, int, int]]
) -> None:
    clock = Clock()
    crm = CRM.in_memory(clock=clock)
    crm.do(loyalty.Enrol(customer=ADA), to=ACCOUNT, act=crm.act("ann"))
    versions: Iterator[tuple[int, Policies]] = iter(enumerate(adopted, 2))
    for number, (source, minor, wait) in enumerate(sales):
        clock.now += timedelta(days=wait)
        if number % 3 == 0 and (found := next(versions, None)):
            version, policies = found
            act = crm.act("bea", roles=BOSS)
            later = clock.now + timedelta(days=2)
            open_books = replace(policies, version=version, books_closed_through=None)
            crm.adopt(open_books, act=act, in_force_from=later)
        before = crm.loyalty(ACCOUNT)
        earn = loyalty.Earn(source=source, amount=usd(minor))
        act = crm.act("ann")
        outcome = outcome_of(crm, earn, act)
        if isinstance(outcome, Receipt) and outcome.facts:
            [fact] = outcome.facts
            rules = loyalty.decider(
                replace(
                    crm.policies_named(fact.policy).loyalty,
                    time_zone=crm.policies_named(fact.policy).time_zone,
                )
            )
            assert rules.decide(earn, before, act) == (fact.event,)
            assert lot_by_hand(crm.policies_named(fact.policy), minor) == fact.event.lot.points


def outcome_of(crm: CRM, command: loyalty.Command, act: Any) -> Receipt | CRMError:  # noqa: ANN401 - an act
    [outcome] = crm.carry_out([(act, [(command, ACCOUNT)])])
    return outcome


def lot_by_hand(policies: Policies, minor: int) -> int:
    return minor // policies.loyalty.minor_units_per_point


def test_a_stamp_fits_into_its_column() -> None:
    longest = Policies(name="x" * 100, version=999_999)
    assert len(longest.stamp) == 120


def test_other_numbers_have_another_digest_and_the_same_the_same() -> None:
    assert Policies().digest == Policies().digest
    assert Policies().digest != Policies(max_backdate_days=91).digest
    assert len(Policies().digest) == 64


def test_what_is_remembered_of_adoptions_is_bounded() -> None:
    state = adoption.Adopted()
    for version in range(2, 203):
        event = PolicyAdopted(
            name="x", version=version, digest="0" * 64, policies="{}", in_force_from=TODAY
        )
        state = adoption.decider(adoption.Policy(), lambda _: None).evolve(state, event)
    assert (state.version, len(state.remembered)) == (202, 100)
