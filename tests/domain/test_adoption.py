"""The adoption of policies: who may, in which order, and what is in force when (X3, X4, X8)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from crmcore.domain import adoption
from crmcore.domain.adoption import (
    REMEMBERED_MAX,
    Adopt,
    NotAuthorised,
    Policy,
    PolicyAdopted,
    Retroactive,
    Stated,
    Unreadable,
    VersionNotGrown,
    VersionReused,
    in_force,
)
from crmcore.testing import contract, histories
from crmcore.testing import given as past
from crmcore.testing.living import History

MARCH, APRIL, MAY = (datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 5))
VERSIONS = {"two": 2, "three": 3, "other two": 2, "one": 1}
DIGESTS = {text: sha256(text.encode()).hexdigest() for text in VERSIONS}
BOSS = ["general_manager"]


def read(text: str) -> Stated | None:
    """Policies are what these words say."""
    if text not in VERSIONS:
        return None
    return Stated(name="x", version=VERSIONS[text], digest=DIGESTS[text])


ADOPTION = adoption.decider(Policy(time_zone="UTC"), read)
TEXTS = {"policies": ("two", "three", "other two", "one", "nonsense")}
TestContract = contract(ADOPTION, overrides=TEXTS, roles=["general_manager", "policy_admin"])


def adopted(text: str, since: datetime) -> PolicyAdopted:
    return PolicyAdopted(
        name="x", version=VERSIONS[text], digest=DIGESTS[text], policies=text, in_force_from=since
    )


def numbered_text(text: str) -> Stated:
    """Policies are their version."""
    return Stated(name="x", version=int(text[1:]), digest=DIGESTS["two"])


def numbered(version: int) -> PolicyAdopted:
    return PolicyAdopted(
        name="x",
        version=version,
        digest=DIGESTS["two"],
        policies=f"v{version}",
        in_force_from=APRIL,
    )


TWO = past(ADOPTION).when(
    Adopt(policies="two", in_force_from=APRIL), at=MARCH, by="bea", roles=BOSS
)


def test_policies_are_adopted_from_a_later_day_on() -> None:
    TWO.then(adopted("two", APRIL))


def test_nobody_else_adopts() -> None:
    refusal = NotAuthorised(role="general_manager", by="ann")
    past(ADOPTION).when(
        Adopt(policies="two", in_force_from=APRIL), at=MARCH, by="ann", roles=["sales"]
    ).rejected(refusal)


def test_who_administers_policies_adopts_them_too() -> None:
    adopt = Adopt(policies="two", in_force_from=APRIL)
    past(ADOPTION).when(adopt, at=MARCH, roles=["policy_admin"]).then(adopted("two", APRIL))


def test_what_nobody_can_read_is_not_adopted() -> None:
    past(ADOPTION).when(
        Adopt(policies="nonsense", in_force_from=APRIL), at=MARCH, roles=BOSS
    ).rejected(Unreadable())


def test_x4_the_same_again_is_nothing_and_other_numbers_are_another_version() -> None:
    TWO.when(Adopt(policies="two", in_force_from=APRIL), roles=BOSS).then()
    reused = VersionReused(name="x", version=2, digest=DIGESTS["two"], in_force_from=APRIL)
    TWO.when(Adopt(policies="other two", in_force_from=APRIL), roles=BOSS).rejected(reused)
    TWO.when(Adopt(policies="two", in_force_from=MAY), roles=BOSS).rejected(reused)


def test_x4_the_latest_hundred_adoptions_may_be_said_again() -> None:
    facts = [numbered(version) for version in range(2, REMEMBERED_MAX + 3)]
    many = past(adoption.decider(Policy(), numbered_text), *facts, at=MARCH)
    assert len(many.state.remembered) == REMEMBERED_MAX == 100
    for version in (3, 102):
        again = Adopt(policies=f"v{version}", in_force_from=APRIL)
        many.when(again, roles=BOSS).nothing()
    forgotten = Adopt(policies="v2", in_force_from=APRIL)
    many.when(forgotten, roles=BOSS).rejected(VersionNotGrown(version=2, latest=102))


def test_all_adoptions_are_of_one_stream_and_of_no_customer() -> None:
    fact = adopted("two", APRIL)
    assert (ADOPTION.kind, ADOPTION.threads(fact)) == ("policies", ("policies",))


def test_a_version_is_higher_than_all_before() -> None:
    TWO.when(Adopt(policies="one", in_force_from=APRIL), roles=BOSS).rejected(
        VersionNotGrown(version=1, latest=2)
    )
    past(ADOPTION).when(Adopt(policies="one", in_force_from=APRIL), at=MARCH, roles=BOSS).rejected(
        VersionNotGrown(version=1, latest=1)
    )


def test_policies_are_in_force_from_the_day_of_their_adoption_at_the_earliest() -> None:
    noon = MARCH + timedelta(hours=12)
    yesterday = MARCH - timedelta(microseconds=1)
    past(ADOPTION).when(
        Adopt(policies="two", in_force_from=yesterday), at=noon, roles=BOSS
    ).rejected(Retroactive(in_force_from=yesterday, earliest=MARCH.date()))
    past(ADOPTION).when(Adopt(policies="two", in_force_from=MARCH), at=noon, roles=BOSS).then(
        adopted("two", MARCH)
    )


@given(histories(ADOPTION, overrides=TEXTS, roles=["general_manager"]))
def test_x3_versions_grow_and_each_is_one_set_of_numbers(history: History) -> None:
    facts = [event for event in history.events if isinstance(event, PolicyAdopted)]
    assert all(one.version < other.version for one, other in pairwise(facts))
    assert all(fact.digest == DIGESTS[fact.policies] for fact in facts)
    assert [fact.version for fact in facts if fact.version < 2] == []


FACTS = st.lists(
    st.builds(adopted, st.sampled_from(["two", "three"]), st.sampled_from([MARCH, APRIL, MAY])),
    unique_by=lambda fact: fact.version,
)


@given(FACTS, st.sampled_from([MARCH, APRIL, MAY]), st.sampled_from([-1, 0, 1]))
def test_x3_in_force_is_the_highest_version_whose_time_has_come(
    facts: list[PolicyAdopted], at: datetime, tick: int
) -> None:
    instant = at + timedelta(microseconds=tick)
    found = in_force(facts, instant)
    begun = list(_begun(facts, instant))
    if not begun:
        assert found is None
    else:
        assert found is not None
        assert (found.version, found.in_force_from <= instant) == (max(begun), True)


def _begun(facts: list[PolicyAdopted], instant: datetime) -> Iterator[int]:
    for fact in facts:
        if fact.in_force_from <= instant:
            yield fact.version
