"""Facts act on other aggregates once, however often and by whomever they are delivered."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Literal, TypeAlias
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from crmcore import CRM, Receipt
from crmcore.application.journal import Unreachable
from crmcore.application.reactions import act_of, reactions
from crmcore.domain import customer, loyalty, ticket
from crmcore.infrastructure.checkpoints import MemoryCheckpoints
from crmcore.reacting import Reactions
from tests.application.acting import ADA, NOW, buy, in_memory, usd

BEN = UUID(int=8)
CARDS = {ADA: UUID(int=70), BEN: UUID(int=80)}
Step: TypeAlias = tuple[Any, UUID]


def register(code: str) -> customer.Register:
    return customer.Register(code=code, name=code, kind="person")


def back(name: str, minor: int) -> customer.ReturnPurchase:
    return customer.ReturnPurchase(purchase=name, amount=usd(minor))


def do(crm: CRM, *steps: Step) -> None:
    for command, to in steps:
        crm.do(command, to=to, act=crm.act("ann"))


def members(crm: CRM) -> CRM:
    """Let Ada bring Ben along, both with an account."""
    do(crm, (register("ada"), ADA), (register("ben"), BEN))
    do(crm, *((loyalty.Enrol(customer=who), card) for who, card in CARDS.items()))
    do(crm, (loyalty.NameReferrer(referrer=ADA), CARDS[BEN]))
    do(crm, (loyalty.RegisterReferral(referee=BEN), CARDS[ADA]))
    return crm


def points(crm: CRM) -> tuple[int, int]:
    ada, ben = (crm.loyalty(card).usable(NOW) for card in CARDS.values())
    return ada, ben


def test_a_purchase_earns_points_and_a_return_takes_them_back(crm: CRM) -> None:
    do(members(crm), (buy("p-1", 5_000), BEN))
    assert points(crm) == (0, 0)
    crm.reactions().catch_up()
    assert points(crm) == (500, 50)  # the reward for bringing Ben along, and his purchase
    do(crm, (back("p-1", 1_999), BEN))
    crm.reactions().catch_up()
    assert points(crm) == (500, 30)  # 50 points of 50.00; 19.99 of it takes 20 of them
    do(crm, (back("p-1", 3_001), BEN))
    crm.reactions().catch_up()
    assert points(crm) == (0, 0)


def test_who_has_no_account_when_they_buy_earns_nothing(crm: CRM) -> None:
    do(crm, (register("ada"), ADA), (buy("p-1", 5_000), ADA))
    do(crm, (loyalty.Enrol(customer=ADA), CARDS[ADA]))
    crm.reactions().catch_up()
    assert crm.loyalty(CARDS[ADA]).usable(NOW) == 0


def test_what_follows_says_from_what(crm: CRM) -> None:
    do(members(crm), (buy("p-1", 5_000), BEN))
    crm.reactions().catch_up()
    [cause] = [f for f in crm.history(BEN) if isinstance(f.event, customer.sales.PurchaseRecorded)]
    [earned] = [f for f in crm.history(BEN) if isinstance(f.event, loyalty.PointsEarned)]
    assert (earned.actor, earned.causation_id) == ("crmcore", cause.command_id)
    assert earned.correlation_id == cause.correlation_id
    assert earned.effective_at == cause.effective_at
    assert earned.reason == f"earn points: follows from {cause.stream}, version {cause.version}"


def test_a_refusal_is_an_answer_and_the_next_fact_is_reacted_to(crm: CRM) -> None:
    members(crm)
    act = crm.act("bea", roles=["general_manager"])
    crm.do(loyalty.Close(reason="asked for it"), to=CARDS[BEN], act=act)
    do(crm, (buy("p-1", 5_000), BEN), (buy("p-2", 700), ADA))
    delivered = crm.reactions().catch_up()
    assert delivered.parked == ()
    assert crm.loyalty(CARDS[ADA]).usable(NOW) == 507


def test_a_fact_of_long_ago_is_reacted_to_as_of_its_day() -> None:
    crm, long_ago = in_memory(), NOW - timedelta(days=80)
    crm.do(register("ada"), to=ADA, act=crm.act("ann", effective_at=long_ago))
    crm.do(loyalty.Enrol(customer=ADA), to=CARDS[ADA], act=crm.act("ann", effective_at=long_ago))
    crm.do(buy("p-1", 5_000), to=ADA, act=crm.act("ann", effective_at=long_ago))
    later = crm.another(clock=lambda: NOW + timedelta(days=60))
    later.reactions().catch_up()
    assert crm.loyalty(CARDS[ADA]).lots[0].vests_at == long_ago


PURCHASES = st.builds(buy, st.sampled_from("abc"), st.sampled_from((100, 999, 5_000)))
RETURNS = st.builds(back, st.sampled_from("abc"), st.sampled_from((1, 33, 500, 999)))
STEPS = st.lists(st.tuples(PURCHASES | RETURNS, st.sampled_from((ADA, BEN))), max_size=10)


def dying(crm: CRM, after: int, *, is_done: bool) -> Reactions:
    """Return reactions of a process that ends after so many acts: before or behind the next."""
    left = after

    def carry_out(requests: Sequence[Any]) -> list[Any]:
        nonlocal left
        left -= 1
        if left < 0:
            if is_done:
                crm.carry_out(requests)
            raise Unreachable("the process ended here")
        return crm.carry_out(requests)

    return Reactions(crm.consumer("reactions"), crm.journal, carry_out, crm.position)


@given(
    STEPS,
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=4),
    st.booleans(),
)
def test_x11_repeated_delivery_crashes_and_restarts_change_nothing(
    steps: list[Step], limit: int, ends: list[tuple[int, bool]], forgets: bool
) -> None:
    calm, rough = members(in_memory()), members(in_memory())
    for crm in (calm, rough):
        crm.carry_out(
            [(crm.act("ann", command_id=UUID(int=n + 1)), [step]) for n, step in enumerate(steps)]
        )
    calm.reactions().catch_up()
    for after, is_done in ends:
        with suppress(Unreachable):
            dying(rough, after, is_done=is_done).catch_up(limit=limit)
    rough.reactions().catch_up(limit=limit)
    if forgets:  # all that was delivered is delivered again
        again = rough.another(checkpoints=MemoryCheckpoints())
        again.reactions().catch_up()
    assert said(rough) == said(calm)


@given(STEPS)
def test_points_are_those_of_what_was_bought_and_kept(steps: list[Step]) -> None:
    crm = members(in_memory())
    bought: dict[tuple[UUID, str], int] = {}
    kept: dict[tuple[UUID, str], int] = {}
    for number, (command, who) in enumerate(steps):
        act = crm.act("ann", command_id=UUID(int=number + 1))
        [outcome] = crm.carry_out([(act, [(command, who)])])
        if isinstance(outcome, Receipt) and outcome.facts:
            name, minor = (who, command.purchase), command.amount.minor
            if isinstance(command, customer.RecordPurchase):
                bought[name] = kept[name] = minor
            else:
                kept[name] -= minor
    crm.reactions().catch_up()
    for who, card in CARDS.items():
        mine = [name for name in bought if name[0] == who and bought[name] >= 100]
        left = sum(
            bought[n] // 100 - -(-(bought[n] // 100) * (bought[n] - kept[n]) // bought[n])
            for n in mine
        )
        reward = 0 if who == BEN else rewarded(steps, kept, bought)
        assert crm.loyalty(card).usable(NOW) == left + reward


def rewarded(
    steps: Collection[Step], kept: dict[tuple[UUID, str], int], bought: dict[tuple[UUID, str], int]
) -> int:
    """Return Ada's reward: 500 points for Ben's first purchase, unless all of it came back."""
    first = next(
        (c for c, who in steps if who == BEN and isinstance(c, customer.RecordPurchase)), None
    )
    if first is None:
        return 0
    name = (BEN, first.purchase)
    return 500 if kept[name] or bought[name] < 100 else 0


def said(crm: CRM) -> object:
    """Return what is recorded of accounts, without what differs from one run to another."""
    return [
        [
            (fact.version, fact.event, fact.effective_at, fact.command_id)
            for fact in facts
            if fact.actor == "crmcore"
        ]
        for facts in (crm.history(who) for who in CARDS)
    ]


def test_a_reaction_is_the_same_whenever_it_is_asked_for() -> None:
    crm = members(in_memory())
    do(crm, (buy("p-1", 5_000), BEN), (back("p-1", 5_000), BEN))
    log = list(crm.feed())

    def about(who: UUID) -> Any:  # noqa: ANN401 - facts of any event
        return crm.journal.about(who, through=crm.position())

    crm.reactions().catch_up()
    once, again = (
        [(r, act_of(fact, r)) for fact in log for r in reactions(fact, about)] for _ in range(2)
    )
    assert once == again
    assert [r.name for r, _ in once] == [
        "earn points",
        "reward a referral",
        "claw back points",
        "reverse a referral",
    ]
    assert len({act.command_id for _, act in once}) == len(once)


def test_who_made_a_referral_is_known_to_both_accounts(crm: CRM) -> None:
    for code, who in (("ada", ADA), ("ben", BEN)):
        crm.do(register(code), to=who, act=crm.act("ann", effective_at=NOW - timedelta(minutes=3)))
    for who, card in CARDS.items():
        before = crm.act("ann", effective_at=NOW - timedelta(minutes=2))
        crm.do(loyalty.Enrol(customer=who), to=card, act=before)
    earlier = crm.act("ann", effective_at=NOW - timedelta(minutes=1))
    crm.do(customer.MakeReferral(referral="r-1", referred_customer=BEN), to=ADA, act=earlier)
    do(crm, (buy("p-1", 100), BEN))  # before anybody has reacted to the referral
    crm.reactions().catch_up()
    assert points(crm) == (500, 1)


def answer(kind: Literal["nps", "csat"], score: int) -> customer.AnswerSurvey:
    return customer.AnswerSurvey(
        survey=f"{kind} {score}", kind=kind, touchpoint="delivery", scores=(score,)
    )


def test_a_detractor_gets_a_ticket_once_and_others_get_none(crm: CRM) -> None:
    do(crm, (register("ada"), ADA))
    for score in (6, 7):
        do(crm, (answer("nps", score), ADA))
    do(crm, (answer("csat", 1), ADA))
    crm.reactions().catch_up()
    crm.another(checkpoints=MemoryCheckpoints()).reactions().catch_up()
    opened = [fact.event for fact in crm.history(ADA) if fact.stream.kind == "ticket"]
    assert opened == [
        ticket.Opened(
            customer=ADA,
            subject="Answered 6 of 10 about delivery",
            kind="request",
            channel="survey",
            category="detractor",
            severity="normal",
        )
    ]
