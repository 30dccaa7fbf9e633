"""Who looks after whom, and who is who, over a whole log: C1 and C3 through the facade."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from crmcore import CRM, Act, Policies, Receipt, Rejected
from crmcore.domain import customer
from crmcore.domain.act import OutOfOrder
from crmcore.domain.customer import GiveUpTaxId, TaxId
from crmcore.domain.customer.ownership import Cooldown, NotInPool, OtherOwner
from crmcore.domain.identity import DuplicateIdentity
from crmcore.domain.portfolio import Capacity, PoolQuota
from crmcore.domain.portfolio import Policy as PortfolioPolicy

ADA, BOB, CEM, DEE = (UUID(int=number) for number in (7, 8, 9, 10))
NUMBER = TaxId(country="DE", number="DE136695976")
FEW = Policies(portfolio=PortfolioPolicy(claims_per_day=2, capacity=3))
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def opened(policies: Policies = FEW) -> tuple[CRM, Clock]:
    clock = Clock()
    crm = CRM.in_memory(policies=policies, clock=clock)
    for number, who in enumerate((ADA, BOB, CEM, DEE)):
        register = customer.Register(code=f"c-{number}", name=f"C {number}", kind="person")
        crm.do(register, to=who, act=crm.act("import"))
    return crm, clock


def manager(crm: CRM) -> Act:
    return crm.act("mia", roles=["sales_manager"])


def test_c3_a_claim_counts_for_who_claims_in_the_same_transaction() -> None:
    crm, _ = opened()
    receipt = crm.claim(ADA, act=crm.act("ann"))
    assert [(f.stream.kind, type(f.event).__name__) for f in receipt.facts] == [
        ("customer", "OwnerAssigned"),
        ("portfolio", "CustomerClaimed"),
    ]
    assert crm.owner(ADA) == "ann"
    assert crm.portfolio("ann").held == (ADA,)
    assert crm.portfolio("ben").held == ()
    assert [f.stream.kind for f in crm.history(ADA)] == ["customer", "customer"]


def test_c3_a_quota_refuses_the_whole_claim_also_without_the_facades_help() -> None:
    crm, clock = opened()
    for who in (ADA, BOB):
        crm.do(customer.ClaimFromPool(), to=who, act=crm.act("ann"))
    with pytest.raises(Rejected) as no:
        crm.do(customer.ClaimFromPool(), to=CEM, act=crm.act("ann"))
    assert no.value.rejection == PoolQuota(quota=2, day=START.date())
    assert crm.owner(CEM) is None
    clock.now += timedelta(days=1)
    crm.claim(CEM, act=crm.act("ann"))
    clock.now += timedelta(days=1)
    with pytest.raises(Rejected) as no:
        crm.claim(DEE, act=crm.act("ann"))
    assert no.value.rejection == Capacity(capacity=3)


def test_regression_11_claiming_releasing_and_claiming_does_not_evade_the_quota() -> None:
    crm, _ = opened()
    for who in (ADA, BOB):
        crm.claim(who, act=crm.act("ann"))
        crm.release(who, act=crm.act("ann"))
    assert crm.portfolio("ann").held == ()
    with pytest.raises(Rejected) as no:
        crm.claim(CEM, act=crm.act("ann"))
    assert isinstance(no.value.rejection, PoolQuota)


def test_regression_11_editing_a_customer_does_not_end_the_wait_for_the_newly_pooled() -> None:
    crm, clock = opened()
    crm.claim(ADA, act=crm.act("ann"))
    clock.now += timedelta(days=4)
    crm.release(ADA, act=crm.act("ann"))
    clock.now = datetime(2026, 3, 7, tzinfo=UTC)
    crm.do(customer.ChangeIdentity(name="Ada Ltd."), to=ADA, act=crm.act("ann"))
    with pytest.raises(Rejected) as no:
        crm.claim(ADA, act=crm.act("ann"))
    assert isinstance(no.value.rejection, Cooldown)
    crm.claim(ADA, act=crm.act("ben"))
    assert [one.what for one in crm.owners(ADA).intervals()] == [None, "ann", None, "ben"]


def test_x4_repeating_a_claim_or_its_end_gives_the_first_receipt() -> None:
    crm, clock = opened()
    act = crm.act("ann")
    first = crm.claim(ADA, act=act)
    assert crm.claim(ADA, act=act).facts == first.facts
    handed = manager(crm)
    to_ben = crm.transfer_owner(ADA, "ben", act=handed)
    assert crm.transfer_owner(ADA, "ben", act=handed).facts == to_ben.facts
    assert (crm.portfolio("ann").held, crm.portfolio("ben").held) == ((), (ADA,))
    clock.now += timedelta(days=1)
    act = crm.act("ben")
    gone = crm.release(ADA, reason="ill", act=act)
    assert crm.release(ADA, reason="ill", act=act).replayed
    assert crm.release(ADA, reason="ill", act=act).facts == gone.facts


def test_c4_who_claims_a_lapsed_customer_takes_it_out_of_the_other_portfolio() -> None:
    crm, clock = opened()
    crm.claim(ADA, act=crm.act("ann"))
    clock.now += timedelta(days=40)
    assert crm.owner(ADA) is None
    assert crm.owner(ADA, as_of=START) == "ann"
    act = crm.act("ben")
    first = crm.claim(ADA, act=act)
    assert crm.claim(ADA, act=act).facts == first.facts
    assert (crm.portfolio("ann").held, crm.portfolio("ben").held) == ((), (ADA,))
    due = datetime(2026, 4, 1, tzinfo=UTC)
    assert [one.since for one in crm.owners(ADA).intervals()][2:] == [due, clock.now]


def test_c4_a_manager_assigns_and_the_end_of_the_time_is_recorded() -> None:
    crm, clock = opened()
    crm.transfer_owner(ADA, "ann", act=manager(crm))
    with pytest.raises(Rejected) as no:
        crm.transfer_owner(ADA, "cem", act=crm.act("ben"))
    assert no.value.code == "NotOwner"
    clock.now += timedelta(days=40)
    crm.recycle(ADA, act=crm.act("nightly"))
    assert crm.portfolio("ann").held == ()
    with pytest.raises(Rejected) as no:
        crm.recycle(ADA, act=crm.act("nightly"))
    assert no.value.rejection == OtherOwner(owner=None)
    with pytest.raises(Rejected) as no:
        crm.release(ADA, act=crm.act("ann"))
    assert no.value.rejection == OtherOwner(owner=None)


def test_c3_a_claim_is_not_dated_before_another_one() -> None:
    crm, _ = opened()
    crm.claim(ADA, act=crm.act("ann"))
    with pytest.raises(Rejected) as no:
        crm.claim(BOB, act=crm.act("ann", effective_at=START.date() - timedelta(days=9)))
    assert isinstance(no.value.rejection, OutOfOrder)


def test_c1_a_verified_tax_id_is_one_customers() -> None:
    crm, _ = opened()
    first = crm.act("ann")
    crm.verify_tax_id(ADA, NUMBER, act=first)
    assert crm.verify_tax_id(ADA, NUMBER, act=first).replayed
    assert crm.verify_tax_id(ADA, NUMBER, act=crm.act("ann")).facts == ()
    with pytest.raises(Rejected) as no:
        crm.verify_tax_id(BOB, TaxId(country="DE", number="de 136 695 976"), act=crm.act("ann"))
    assert no.value.rejection == DuplicateIdentity(customer=ADA)
    assert crm.customer(BOB).tax_id is None


def test_c1_a_tax_id_that_is_given_up_is_free() -> None:
    crm, _ = opened()
    other = TaxId(country="DE", number="DE999999999")
    crm.verify_tax_id(ADA, NUMBER, act=crm.act("ann"))
    crm.verify_tax_id(ADA, other, act=crm.act("ann"))
    crm.verify_tax_id(BOB, NUMBER, act=crm.act("ann"))
    crm.do(GiveUpTaxId(tax_id=other), to=ADA, act=crm.act("ann"))
    crm.verify_tax_id(CEM, other, act=crm.act("ann"))
    assert crm.customer(ADA).tax_id is None


def raced(crm: CRM, asked: list[tuple[str, UUID]]) -> list[Receipt | Rejected]:
    """Let everybody claim at once, each by a CRM of their own."""

    def claimed(who: str, whom: UUID) -> Receipt | Rejected:
        own = crm.another()
        try:
            return own.claim(whom, act=own.act(who))
        except Rejected as no:
            return no

    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(lambda one: claimed(*one), asked))


def test_c3_of_claims_at_once_the_quota_lets_so_many_through(postgres_url: str) -> None:
    CRM.migrate(postgres_url)
    with CRM.open(postgres_url, policies=FEW) as crm:
        whom = [uuid4() for _ in range(6)]
        for number, who in enumerate(whom):
            register = customer.Register(code=f"c-{number}", name="C", kind="person")
            crm.do(register, to=who, act=crm.act("import"))
        came = raced(crm, [("ann", who) for who in whom])
        assert sum(isinstance(one, Receipt) for one in came) == 2
        no = {type(one.rejection) for one in came if isinstance(one, Rejected)}
        assert no == {PoolQuota}
        assert len(crm.portfolio("ann").held) == 2
        rivals = raced(crm, [(name, whom[0]) for name in ("ben", "cem", "dan", "eve")])
        won = [one for one in rivals if isinstance(one, Receipt)]
        assert len(won) == (1 if crm.owners(whom[0]).changes[0][1] != "ann" else 0)
        assert {type(one.rejection) for one in rivals if isinstance(one, Rejected)} == {NotInPool}
        held = [h for name in ("ann", "ben", "cem", "dan", "eve") for h in crm.portfolio(name).held]
        assert len(held) == len(set(held)) == len([who for who in whom if crm.owner(who)])
