"""What is done in a rollback is there as long as it lasts, and was never done afterwards."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from crmcore import CRM, Policies, Rejected, StoreError, Stream
from crmcore.domain import customer
from crmcore.domain.money import Money
from crmcore.testing import rollback

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ADA, BEN = UUID(int=7), UUID(int=8)
BUY = customer.RecordPurchase(purchase="p-1", amount=Money(minor=900, currency="USD"))
RETURN = customer.ReturnPurchase(purchase="?", amount=BUY.amount)
TABLES = (
    "facts", "commands", "tail", "sealed", "seals", "head", "checkpoints", "parked", "answers",
)  # fmt: skip


def register(crm: CRM, who: UUID) -> None:
    command = customer.Register(code=str(who.int), name="Ada", kind="person")
    crm.do(command, to=who, act=crm.act("ann", effective_at=date(2026, 1, 2)))


@pytest.fixture
def shop(crm: CRM) -> CRM:
    """A store in which somebody is registered, followed and rebuilt."""
    shop = crm.another(policies=Policies(name="shop"), clock=lambda: NOW)
    register(shop, ADA)
    shop.consumer("mail").deliver(lambda *_: None)
    shop.rebuild()
    return shop


def rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    select = sql.SQL("SELECT * FROM {} AS t ORDER BY t::text")
    with psycopg.connect(url) as connection:
        return {
            table: connection.execute(select.format(sql.Identifier("crm", table))).fetchall()
            for table in TABLES
        }


def test_everything_works_on_what_was_done_and_nothing_of_it_stays(
    shop: CRM, postgres_url: str
) -> None:
    verified, before = shop.verify(), rows(postgres_url)
    with rollback(shop) as trial:
        register(trial, BEN)
        act = trial.act("ann")
        receipt = trial.do(BUY, to=BEN, act=act)
        assert trial.do(BUY, to=BEN, act=act).facts == receipt.facts
        with pytest.raises(Rejected):
            trial.do(RETURN, to=BEN, act=trial.act("ann"))
        assert [fact.position for fact in trial.history(BEN)] == [2, 3]
        assert trial.customer(BEN).profile.name == trial.customer(ADA).profile.name == "Ada"
        assert [trial.rebuild().answers.added for _ in range(2)] == [4, 0]
        assert {row.customer for row in trial.answers(BEN)} == {BEN}
        assert trial.summary().customers == 2
        assert trial.position() == 3
        checked = trial.verify()
        assert (checked.facts, checked.problems) == (3, ())
        assert receipt.facts[0].policy == Policies(name="shop").stamp
    assert rows(postgres_url) == before
    assert shop.verify() == verified
    assert shop.stream(Stream(kind="customer", id=BEN)) == []


def test_a_consumer_goes_on_and_back_again(shop: CRM) -> None:
    def fail(*_: object) -> None:
        raise ValueError

    with rollback(shop) as trial:
        register(trial, BEN)
        assert trial.consumer("mail").deliver(fail).parked
        assert trial.consumer("post").deliver(lambda *_: None).handled == 2
        assert [one.name for one in trial.consumers()] == ["mail", "post"]
    assert [one.name for one in shop.consumers()] == ["mail"]
    register(shop, BEN)
    assert shop.consumer("mail").deliver(lambda *_: None).handled == 1


def test_whoever_thinks_for_long_after_a_seal_is_not_cut_off(shop: CRM) -> None:
    allowed: list[Any] = []
    with rollback(shop) as trial:
        register(trial, BEN)
        trial.consumer("mail").deliver(lambda _, connection: allowed.append(idle(connection)))
    assert allowed == [("0",)]


def idle(connection: psycopg.Connection[Any]) -> Any:  # noqa: ANN401 - a row
    return connection.execute("SHOW idle_in_transaction_session_timeout").fetchone()


def test_more_than_one_transaction_of_commands_is_one_and_is_rolled_back(shop: CRM) -> None:
    talk = customer.LogInteraction(channel="chat", summary="hi")
    with rollback(shop) as trial, trial.sealing(interval_s=0.001):
        acts = [(trial.act("ann"), [(talk, ADA)] * 100) for _ in range(25)]
        assert len(trial.carry_out(acts)) == 25
        assert trial.verify().facts == 2_501
    assert shop.position() == 1


def test_one_rolls_back_within_another(shop: CRM) -> None:
    with rollback(shop) as outer:
        register(outer, BEN)
        with rollback(outer) as inner:
            inner.do(BUY, to=BEN, act=inner.act("ann"))
            assert inner.position() == 3
            assert inner.verify().problems == ()
        assert outer.position() == 2
    assert shop.position() == 1


def test_what_goes_wrong_within_it_is_rolled_back_too(shop: CRM) -> None:
    def fail(trial: CRM) -> None:
        register(trial, BEN)
        raise LookupError

    with pytest.raises(LookupError), rollback(shop) as trial:
        fail(trial)
    assert shop.position() == 1


def test_afterwards_nothing_can_be_done_by_accident(shop: CRM) -> None:
    with rollback(shop) as trial:
        register(trial, BEN)
    with pytest.raises(StoreError, match="was rolled back"):
        trial.do(BUY, to=BEN, act=trial.act("ann"))
    assert shop.position() == 1


def test_each_example_begins_with_the_same_store(shop: CRM) -> None:
    @settings(max_examples=20)
    @given(st.lists(st.integers(1, 1_000), max_size=4))
    def holds(amounts: list[int]) -> None:
        with rollback(shop) as trial:
            for number, minor in enumerate(amounts):
                amount = Money(minor=minor, currency="USD")
                buy = customer.RecordPurchase(purchase=f"p-{number}", amount=amount)
                trial.do(buy, to=ADA, act=trial.act("ann"))
            assert trial.position() == 1 + len(amounts)

    holds()
    assert shop.position() == 1


def test_another_empty_one_in_memory_is_as_good_as_rolled_back() -> None:
    crm = CRM.in_memory(policies=Policies(name="shop"), clock=lambda: NOW)
    with rollback(crm) as trial:
        register(trial, ADA)
        assert trial.history(ADA)[0].policy == Policies(name="shop").stamp
    assert crm.position() == 0
    register(crm, ADA)
    with pytest.raises(TypeError, match="only PostgreSQL can roll back"), rollback(crm):
        pass
