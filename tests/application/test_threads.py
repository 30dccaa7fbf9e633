"""The facts of one thing keep their order (docs/adr/0019-threads-keep-their-order.md)."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmcore import (
    CRM,
    Receipt,
    Rejected,
    Stream,
)
from crmcore.domain import customer, loyalty, opportunity
from crmcore.domain.act import OutOfOrder
from crmcore.infrastructure.checkpoints import MemoryCheckpoints
from crmcore.infrastructure.memory import MemoryJournal
from crmcore.infrastructure.views import MemoryViews
from tests.application.acting import ADA, NOW, REGISTER, buy, day, in_memory, usd


def test_o13_what_follows_takes_effect_no_earlier_than_what_it_follows() -> None:
    crm, deal = in_memory(), UUID(int=20)
    crm.do(
        opportunity.Open(title="bar"), to=deal, act=crm.act("ann", effective_at=date(2026, 2, 1))
    )
    won = opportunity.MarkWon(amount=usd(5_000))
    with pytest.raises(Rejected) as caught:
        crm.do(won, to=deal, act=crm.act("ann", effective_at=date(2026, 1, 31)))
    assert caught.value.facts == {
        "thread": "opportunity",
        "effective_at": datetime(2026, 1, 31, tzinfo=UTC),
        "latest": datetime(2026, 2, 1, tzinfo=UTC),
    }
    crm.do(won, to=deal, act=crm.act("ann", effective_at=date(2026, 2, 1)))
    assert crm.opportunity(deal).phase == "won"


MANAGER = ["general_manager"]
LATE_SECONDS: list[tuple[str, list[tuple[int, customer.Command]], customer.Command]] = [
    ("order a", [(10, customer.AcceptOrder(order="a", amount=usd(60)))],
     customer.IssueInvoice(invoice="i", amount=usd(60), order="a")),
    ("order a", [(10, customer.AcceptOrder(order="a", amount=usd(60)))],
     customer.CancelOrder(order="a", reason="")),
    ("hold h", [(10, customer.PlaceHold(hold="h", reason=""))],
     customer.ReleaseHold(hold="h", reason="")),
    ("standing", [(10, customer.Deactivate(reason=""))], customer.Reactivate(reason="")),
    ("limit", [(10, customer.LowerLimit(amount=usd(1)))],
     customer.RequestLimit(request="r", amount=usd(500))),
    ("invoice i", [(10, customer.IssueInvoice(invoice="i", amount=usd(5)))],
     customer.ReceivePayment(payment="p", invoice="i", amount=usd(5))),
    ("invoice i", [(8, customer.IssueInvoice(invoice="i", amount=usd(5))),
                   (10, customer.DisputeInvoice(invoice="i", reason=""))],
     customer.ResolveDispute(invoice="i", outcome="")),
    ("purchase p", [(10, buy("p"))], customer.ReturnPurchase(purchase="p", amount=usd(1))),
    ("name", [(10, customer.ChangeIdentity(name="Ben"))],
     customer.ChangeIdentity(name="Eve")),
]  # fmt: skip


@pytest.mark.parametrize(("thread", "first", "second"), LATE_SECONDS)
def test_o13_the_state_that_decides_is_the_state_that_answers(
    thread: str, first: list[tuple[int, customer.Command]], second: customer.Command
) -> None:
    crm = in_memory()

    def do(command: customer.Command, on: int, by: str = "ann") -> Receipt:
        act = crm.act(by, roles=MANAGER, effective_at=day(on))
        return crm.do(command, to=ADA, act=act)

    do(REGISTER, 1)
    do(customer.RecordInvestigation(score=80, findings=""), 1)
    do(customer.RequestLimit(request="q", amount=usd(100)), 2)
    do(customer.ApproveLimit(request="q", amount=usd(100)), 3, by="bea")
    for on, command in first:
        do(command, on)
    with pytest.raises(Rejected) as caught:
        do(second, 5, by="bea")
    assert isinstance(caught.value.rejection, OutOfOrder)
    assert caught.value.rejection.thread == thread
    assert len(do(second, 10, by="bea").facts) == 1
    facts = crm.history(ADA)
    decided = crm.deciders[0].fold(f.event for f in sorted(facts, key=lambda f: f.position))
    assert crm.customer(ADA) == decided


def test_what_belongs_to_nothing_else_may_be_dated_back() -> None:
    crm = in_memory()
    crm.do(REGISTER, to=ADA, act=crm.act("ann", effective_at=day(1)))
    for on, name in ((10, "a"), (5, "b")):
        act = crm.act("ann", effective_at=day(on))
        crm.do(buy(name), to=ADA, act=act)
    note = customer.LogInteraction(channel="chat", summary="hi")
    crm.do(note, to=ADA, act=crm.act("ann", effective_at=day(20)))
    crm.do(note, to=ADA, act=crm.act("ann", effective_at=day(2)))
    assert [f.effective_at.day for f in crm.history(ADA)] == [1, 2, 5, 10, 20]


def test_l6_points_are_not_given_back_before_they_were_spent() -> None:
    crm, account = in_memory(), UUID(int=9)
    start = crm.act("ann", effective_at=day(1))
    earned = loyalty.Earn(source="s", amount=usd(10_000))
    crm.do_all([(loyalty.Enrol(customer=ADA), account), (earned, account)], act=start)
    spend = loyalty.Redeem(redemption="r", reward="mug", points=50)
    crm.do(spend, to=account, act=crm.act("ann", effective_at=day(10)))
    back = loyalty.ReverseRedemption(redemption="r", points=50)
    with pytest.raises(Rejected, match="What follows takes effect no earlier than what it follows"):
        crm.do(back, to=account, act=crm.act("ann", effective_at=day(9)))
    crm.do(back, to=account, act=crm.act("ann", effective_at=day(10)))
    assert crm.loyalty(account).usable(NOW) == 100


OFFERS: list[customer.Command] = [
    customer.RecordInvestigation(score=80, findings=""),
    customer.RequestLimit(request="r", amount=usd(100)),
    customer.ApproveLimit(request="r", amount=usd(100)),
    customer.LowerLimit(amount=usd(60)),
    customer.RejectLimit(request="r", reason=""),
    *(customer.AcceptOrder(order=name, amount=usd(30)) for name in "ab"),
    *(customer.CancelOrder(order=name, reason="") for name in "ab"),
    *(customer.IssueInvoice(invoice=f"i{name}", amount=usd(20), order=name) for name in "ab"),
    customer.IssueInvoice(invoice="x", amount=usd(10)),
    *(customer.ReceivePayment(payment="p", invoice=i, amount=usd(10)) for i in ("ia", "ib", "x")),
    customer.IssueCreditNote(invoice="ia", amount=usd(5), reason=""),
    customer.DisputeInvoice(invoice="x", reason=""),
    customer.ResolveDispute(invoice="x", outcome=""),
    customer.PlaceHold(hold="h", reason=""),
    customer.ReleaseHold(hold="h", reason=""),
    customer.OverrideGrade(grade="B", until=date(2026, 12, 31), reason=""),
    customer.Deactivate(reason=""),
    customer.Blacklist(reason=""),
    customer.Reactivate(reason=""),
    *(customer.Deliver(order=name, delivery="d", amount=usd(15)) for name in "ab"),
    *(customer.ChangeOrder(order="a", amount=usd(cents)) for cents in (25, 40)),
    *(customer.CloseOrder(order=name) for name in "ab"),
    *(customer.ReopenOrder(order=name) for name in "ab"),
    customer.ReceiveOnAccount(payment="q", amount=usd(15), clears_on=date(2026, 3, 20)),
    *(customer.AllocatePayment(payment="q", invoice=i, amount=usd(6)) for i in ("ia", "x")),
    *(customer.ReversePayment(payment=name, reason="") for name in "pq"),
    customer.ReceivePayment(payment="q", invoice="x", amount=usd(3)),
    customer.WriteOff(invoice="x", amount=usd(2), reason=""),
    customer.RemindCustomer(reminder="m"),
    customer.IssueInvoice(invoice="y", amount=usd(10), due_on=date(2026, 1, 1)),
    customer.GrantTemporaryLimit(
        amount=usd(9), starts_on=date(2026, 3, 1), ends_on=date(2026, 3, 31)
    ),
    customer.PledgeSecurity(security="s", kind="deposit", amount=usd(9)),
    customer.ReleaseSecurity(security="s", reason=""),
    customer.RevokeLimit(reason=""),
    customer.ReleaseOrder(order="a", amount=usd(90), ends_on=date(2026, 3, 31), reason=""),
    customer.ReleaseAutomaticHold(kind="overdue", ends_on=date(2026, 3, 31), reason=""),
    buy("p"),
    customer.ReturnPurchase(purchase="p", amount=usd(100)),
    customer.ChangeIdentity(name="Ben"),
    customer.ChangeIdentity(name="Eve"),
    customer.ChangeTerms(terms=customer.Terms(payment_days=14)),
]


def unordered(state: customer.Customer) -> object:
    """The state without the order of things that have none."""
    return (
        state.profile,
        state.credit,
        frozenset(state.purchases),
        frozenset(state.orders),
        frozenset(state.invoices),
        frozenset(state.closed_orders),
        frozenset(state.payments),
        frozenset(state.raises.temporary),
        state.raises.securities,
        state.releases,
    )


@given(st.lists(st.tuples(st.sampled_from(OFFERS), st.integers(1, 28)), max_size=40))
def test_o13_in_every_history_the_state_that_decides_is_the_state_that_answers(
    asked: list[tuple[customer.Command, int]],
) -> None:
    crm = in_memory()
    crm.do(REGISTER, to=ADA, act=crm.act("ann", effective_at=day(1)))
    setup = [OFFERS[0], OFFERS[1], OFFERS[2]]
    for number, (command, on) in enumerate([*((c, 1) for c in setup), *asked]):
        act = crm.act("ann" if number % 2 else "bea", roles=MANAGER, effective_at=day(on))
        crm.carry_out([(act, [(command, ADA)])])
    facts = crm.stream(Stream(kind="customer", id=ADA))
    decided = crm.deciders[0].fold(fact.event for fact in facts)
    assert unordered(crm.customer(ADA)) == unordered(decided)


def test_o13_an_act_of_now_follows_what_it_follows_though_two_clocks_differ() -> None:
    journal, views = MemoryJournal(), MemoryViews()
    ahead, behind = (
        CRM(journal, views, MemoryCheckpoints(), clock=lambda now=now: now)  # type: ignore[misc] # a default is a clock
        for now in (NOW, NOW - timedelta(milliseconds=50))
    )
    deal = UUID(int=20)
    ahead.do(opportunity.Open(title="bar"), to=deal, act=ahead.act("ann"))
    receipt = behind.do(opportunity.MarkLost(reason="x"), to=deal, act=behind.act("ben"))
    assert receipt.facts[0].effective_at == NOW
    assert ahead.opportunity(deal).phase == "lost"
