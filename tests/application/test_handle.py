"""Commands carried out: once each, in one transaction, each with an outcome of its own (X1, X4)."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crmcore import (
    CRM,
    CommandReused,
    Conflict,
    CRMError,
    InvalidCommand,
    InvalidPolicy,
    Money,
    NotFound,
    Policies,
    Receipt,
    Rejected,
    Stream,
)
from crmcore.application.journal import FACTS_MAX
from crmcore.domain import customer, loyalty, opportunity, ticket
from crmcore.domain.act import FutureDated
from crmcore.domain.customer.sales import PurchaseRecorded
from crmcore.projections.credit import Policy as CreditPolicy
from crmcore.projections.lifecycle import Policy as LifecyclePolicy
from crmcore.projections.value_tiers import Policy as ValuePolicy
from tests.application.acting import ADA, NOW, REGISTER, buy, day, in_memory, usd


def test_a_command_leads_to_facts_with_their_envelope(crm: CRM) -> None:
    cause = uuid4()
    act = crm.act("ann", because="phone call", effective_at=date(2026, 1, 5), causation_id=cause)
    receipt = crm.do(REGISTER, to=ADA, act=act)
    [fact] = receipt.facts
    assert (fact.stream, fact.version) == (Stream(kind="customer", id=ADA), 1)
    assert fact.effective_at == datetime(2026, 1, 5, tzinfo=UTC)
    [recorded] = crm.history(ADA)
    assert (recorded.position, recorded.recorded_at) == (1, NOW)
    assert (fact.actor, fact.reason, fact.policy) == ("ann", "phone call", Policies().stamp)
    assert (fact.command_id, fact.correlation_id) == (act.command_id, act.command_id)
    assert (fact.causation_id, fact.customer) == (cause, ADA)


def test_x4_a_command_carried_out_twice_returns_the_first_result(crm: CRM) -> None:
    crm.do(REGISTER, to=ADA, act=crm.act("ann"))
    act = crm.act("ann")
    first = crm.do(buy(), to=ADA, act=act)
    second = crm.do(buy(), to=ADA, act=act)
    assert (first.replayed, second.replayed) == (False, True)
    assert second.facts == first.facts
    assert len(crm.history(ADA)) == 2


def test_x4_a_command_that_led_to_nothing_leads_to_nothing_again(crm: CRM) -> None:
    crm.do(REGISTER, to=ADA, act=crm.act("ann"))
    act = crm.act("ann")
    assert crm.do(customer.Reactivate(reason="x"), to=ADA, act=act).facts == ()
    crm.do(customer.Deactivate(reason="x"), to=ADA, act=crm.act("ann"))
    again = crm.do(customer.Reactivate(reason="x"), to=ADA, act=act)
    assert (again.facts, again.replayed) == ((), True)
    assert crm.customer(ADA).profile.status == "deactivated"


def test_x4_a_command_id_is_bound_to_its_command_and_its_stream(crm: CRM) -> None:
    act = crm.act("ann")
    crm.do(REGISTER, to=ADA, act=act)
    with pytest.raises(CommandReused) as caught:
        crm.do(buy(), to=ADA, act=act)
    assert caught.value.command_id == act.command_id
    with pytest.raises(CommandReused):
        crm.do(REGISTER, to=UUID(int=8), act=act)
    assert crm.position() == 1


def test_a_rejection_records_nothing_and_can_be_tried_again(crm: CRM) -> None:
    act = crm.act("ann")
    with pytest.raises(Rejected) as caught:
        crm.do(buy(), to=ADA, act=act)
    assert caught.value.code == "NotRegistered"
    assert str(caught.value) == "A customer is registered before anything else happens."
    crm.do(REGISTER, to=ADA, act=crm.act("ann"))
    assert not crm.do(buy(), to=ADA, act=act).replayed


def test_several_commands_of_one_act_are_carried_out_together_or_not_at_all(crm: CRM) -> None:
    crm.do(REGISTER, to=ADA, act=crm.act("ann"))
    deal, account = UUID(int=20), UUID(int=21)
    receipt = crm.do_all(
        [
            (opportunity.Open(title="bar", customer=ADA), deal),
            (opportunity.MarkWon(amount=usd(5_000)), deal),
            (loyalty.Enrol(customer=ADA), account),
            (loyalty.Earn(source="o-1", amount=usd(5_000)), account),
        ],
        act=crm.act("ann"),
    )
    assert [(f.stream.kind, f.version) for f in receipt.facts] == [
        ("opportunity", 1),
        ("opportunity", 2),
        ("loyalty", 1),
        ("loyalty", 2),
    ]
    with pytest.raises(Rejected):
        crm.do_all([(buy(), ADA), (opportunity.MarkLost(reason="x"), deal)], act=crm.act("ann"))
    assert [type(f.event).__name__ for f in crm.history(ADA) if f.stream.kind == "customer"] == [
        "CustomerRegistered"
    ]


def test_a_refused_request_touches_no_other_of_its_batch(crm: CRM) -> None:
    one, same = crm.act("ann"), crm.act("ann")
    outcomes = crm.carry_out(
        [
            (one, [(REGISTER, ADA)]),
            (crm.act("ann"), [(customer.ReturnPurchase(purchase="?", amount=usd(1)), ADA)]),
            (same, [(buy(), ADA)]),
            (same, [(buy(), ADA)]),
            (same, [(buy("other"), ADA)]),
            (crm.act("ann"), [(buy("p" * 101), ADA)]),
        ]
    )
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [Receipt, Rejected, Receipt, Receipt, CommandReused, InvalidCommand]
    replayed = [outcome.replayed for outcome in outcomes if isinstance(outcome, Receipt)]
    assert replayed == [False, False, True]
    assert [f.version for f in crm.stream(Stream(kind="customer", id=ADA))] == [1, 2]


def test_an_act_leads_to_a_bounded_number_of_facts(crm: CRM) -> None:
    crm.do(REGISTER, to=ADA, act=crm.act("ann"))
    talk = customer.LogInteraction(channel="chat", summary="hi")
    with pytest.raises(InvalidCommand, match="100 facts at most, not to 101"):
        crm.do_all([(talk, ADA)] * (FACTS_MAX + 1), act=crm.act("ann"))
    assert len(crm.do_all([(talk, ADA)] * FACTS_MAX, act=crm.act("ann")).facts) == FACTS_MAX
    assert crm.position() == FACTS_MAX + 1


def test_x1_a_fact_takes_effect_at_the_latest_when_it_is_recorded() -> None:
    crm = in_memory()
    with pytest.raises(Rejected) as caught:
        crm.do(REGISTER, to=ADA, act=crm.act("ann", effective_at=NOW + timedelta(minutes=6)))
    assert isinstance(caught.value.rejection, FutureDated)
    crm.do(REGISTER, to=ADA, act=crm.act("ann", effective_at=NOW + timedelta(minutes=5)))
    assert crm.position() == 1


INVALID: list[tuple[str, Callable[[CRM], object]]] = [
    ("empty text", lambda crm: crm.do(
        customer.Register(code="", name="Ada", kind="person"), to=ADA, act=crm.act("ann"))),
    ("a control character", lambda crm: crm.do(
        customer.Register(code="a", name="A\u202eda", kind="person"), to=ADA, act=crm.act("ann"))),
    ("half a character", lambda crm: crm.do(
        customer.Register(code="a", name="\ud800", kind="person"), to=ADA, act=crm.act("ann"))),
    ("an unknown kind", lambda crm: crm.do(
        customer.Register(code="a", name="Ada", kind="robot"), to=ADA,  # type: ignore[arg-type] # the point
        act=crm.act("ann"))),
    ("a huge amount", lambda crm: crm.do(buy(minor=10**16), to=ADA, act=crm.act("ann"))),
    ("a fraction", lambda crm: crm.do(
        buy(minor=1.5), to=ADA, act=crm.act("ann"))),  # type: ignore[arg-type] # the point
    ("no currency", lambda crm: crm.do(
        customer.RecordPurchase(purchase="p", amount=Money(minor=1, currency="usd")), to=ADA,
        act=crm.act("ann"))),
    ("nobody", lambda crm: crm.do(REGISTER, to=ADA, act=crm.act(""))),
    ("a role that is none", lambda crm: crm.do(
        REGISTER, to=ADA, act=crm.act("ann", roles=["General Manager"]))),
    ("an instant of no zone", lambda crm: crm.act("ann", effective_at=datetime(2026, 1, 1))),  # noqa: DTZ001 - the point
    ("no command at all", lambda crm: crm.do(usd(1), to=ADA, act=crm.act("ann"))),
]  # fmt: skip


@pytest.mark.parametrize(("what", "ask"), INVALID, ids=[what for what, _ in INVALID])
def test_bad_input_gets_a_typed_error_and_changes_nothing(
    what: str, ask: Callable[[CRM], object]
) -> None:
    crm = in_memory()
    with pytest.raises(InvalidCommand):
        ask(crm)
    assert crm.position() == 0, what


def test_a_question_about_nothing_is_not_found() -> None:
    crm = in_memory()
    for ask in (crm.customer, crm.opportunity, crm.ticket, crm.loyalty):
        with pytest.raises(NotFound):
            ask(ADA)
    with pytest.raises(NotFound, match="the log ends at 0"):
        crm.position(1)


def test_states_are_read_as_of_a_day_as_known_at_a_position(crm: CRM) -> None:
    service = UUID(int=30)
    crm.do(REGISTER, to=ADA, act=crm.act("ann", effective_at=date(2026, 1, 1)))
    crm.do(
        ticket.Open(customer=ADA, subject="lid", kind="request", channel="email", category="parts"),
        to=service,
        act=crm.act("ann", effective_at=date(2026, 2, 1)),
    )
    late = crm.act("ann", effective_at=date(2026, 1, 15))
    crm.do(customer.ChangeIdentity(name="Ada L."), to=ADA, act=late)
    assert crm.customer(ADA, as_of=date(2026, 1, 14)).profile.name == "Ada"
    assert crm.customer(ADA, as_of=date(2026, 1, 15)).profile.name == "Ada L."
    assert crm.customer(ADA, as_of=date(2026, 1, 15), known_at=2).profile.name == "Ada"
    assert crm.ticket(service).customer == ADA
    with pytest.raises(NotFound):
        crm.ticket(service, as_of=date(2026, 1, 31))
    assert [f.position for f in crm.history(ADA)] == [1, 3, 2]
    assert [f.position for f in crm.history(ADA, known_at=2)] == [1, 2]


def test_a_date_known_at_means_the_end_of_that_day() -> None:
    crm = in_memory()
    crm.do(REGISTER, to=ADA, act=crm.act("ann"))
    assert crm.position(NOW.date()) == 1
    assert crm.position(NOW.date() - timedelta(days=1)) == 0
    assert crm.position(NOW) == 1


def test_a_rebuild_puts_answers_in_place_and_tells_what_differs(crm: CRM) -> None:
    crm.do(REGISTER, to=ADA, act=crm.act("ann", effective_at=date(2026, 1, 1)))
    first = crm.rebuild()
    assert (first.facts, first.customers, first.answers.added) == (1, 1, 4)
    ticks: list[tuple[int, int]] = []
    again = crm.rebuild(progress=lambda done, total: ticks.append((done, total)))
    assert (again.answers.unchanged, again.answers.changed) == (4, 0)
    assert ticks == [(1, 1)]
    crm.do(buy(), to=ADA, act=crm.act("ann", effective_at=date(2026, 2, 1)))
    changed = crm.rebuild().answers
    assert (changed.added, changed.changed, changed.unchanged) == (0, 3, 1)
    rows = {row.question: row for row in crm.answers(ADA)}
    assert sorted(rows) == ["abc", "credit", "lifecycle", "rfm"]
    assert rows["lifecycle"].answer == "new"
    assert rows["lifecycle"].since == datetime(2026, 2, 1, tzinfo=UTC)
    assert rows["lifecycle"].next_change_at == datetime(2026, 8, 1, tzinfo=UTC)
    assert rows["lifecycle"].because == (2,)


def test_every_error_of_the_library_is_a_crm_error() -> None:
    for error in (Rejected, InvalidCommand, CommandReused, Conflict, NotFound):
        assert issubclass(error, CRMError)


def test_the_facts_of_a_purchase_are_what_was_asked(crm: CRM) -> None:
    crm.do(REGISTER, to=ADA, act=crm.act("ann"))
    receipt = crm.do(buy("p-9", 0), to=ADA, act=crm.act("ann"))
    assert receipt.facts[0].event == PurchaseRecorded(
        purchase="p-9", bought_on=NOW.date(), amount=usd(0), quantity=None, product=None
    )


def test_x1_naming_a_customer_later_changes_no_answer_about_before(crm: CRM) -> None:
    deal = UUID(int=20)
    crm.do(REGISTER, to=ADA, act=crm.act("ann", effective_at=date(2026, 1, 1)))
    start = date(2026, 2, 1)
    crm.do(opportunity.Open(title="bar"), to=deal, act=crm.act("ann", effective_at=start))
    before = crm.position()
    crm.do(
        opportunity.NameCustomer(customer=ADA),
        to=deal,
        act=crm.act("ann", effective_at=date(2026, 2, 2)),
    )
    stages = [crm.lifecycle(ADA, known_at=known) for known in (before, before + 1)]
    assert [stage.answer for stage in stages if stage] == ["prospect", "opportunity"]
    assert crm.summary(known_at=before).lifecycle["prospect"] == 1


@pytest.mark.parametrize("far", [date.max, date.min])
def test_a_far_date_is_a_date_like_any_other(far: date) -> None:
    crm = in_memory()
    crm.do(REGISTER, to=ADA, act=crm.act("ann", effective_at=date(2026, 1, 1)))
    invoice = customer.IssueInvoice(invoice="i-1", amount=usd(100), due_on=far)
    crm.do(invoice, to=ADA, act=crm.act("ann", effective_at=date(2026, 1, 2)))
    assert crm.rebuild().customers == 1
    assert crm.credit(ADA) is not None
    late = crm.credit(ADA, as_of=date.max)
    assert late is not None
    assert late.next_change_at is None
    assert crm.credit(ADA, as_of=date.min) is None
    with pytest.raises(InvalidCommand):
        crm.credit(ADA, as_of=datetime.max.replace(tzinfo=UTC))


def test_what_could_not_be_read_back_is_not_recorded(crm: CRM) -> None:
    account = UUID(int=9)
    crm.do(loyalty.Enrol(customer=ADA), to=account, act=crm.act("ann"))
    huge = loyalty.Earn(source="s", amount=usd(100_000_000_100))
    with pytest.raises(InvalidCommand, match="leads to no storable PointsEarned"):
        crm.do(huge, to=account, act=crm.act("ann"))
    assert crm.summary().loyalty == {"accounts": 1, "points": 0}


def test_what_was_decoded_is_carried_out_not_what_was_made() -> None:
    crm, deal = in_memory(), UUID(int=20)
    named: UUID = str(ADA)  # type: ignore[assignment] # the point
    crm.do(opportunity.Open(title="bar", customer=named), to=deal, act=crm.act("ann"))
    assert crm.opportunity(deal).customer == ADA
    with pytest.raises(InvalidCommand, match="ids are UUIDs"):
        crm.do(REGISTER, to=named, act=crm.act("ann"))


def test_x4_a_command_id_is_bound_to_the_date_that_was_stated(crm: CRM) -> None:
    command_id = uuid4()

    def do(on: date) -> Receipt:
        act = crm.act("ann", effective_at=on, command_id=command_id)
        return crm.do(REGISTER, to=ADA, act=act)

    do(day(1))
    assert do(day(1)).replayed
    with pytest.raises(CommandReused):
        do(day(2))


@pytest.mark.parametrize(
    "policies",
    [
        Policies(time_zone="Mars/Olympus"),
        Policies(lifecycle=LifecyclePolicy(active_days_min=0)),
        Policies(value_tiers=ValuePolicy(segments=())),
        Policies(value_tiers=ValuePolicy(a_percent=90, b_percent=80)),
        Policies(credit=CreditPolicy(window_months=400)),
    ],
)
def test_policies_that_cannot_be_are_refused_before_anything_is_decided(policies: Policies) -> None:
    with pytest.raises(InvalidPolicy, match="the policies cannot be"):
        CRM.in_memory(policies=policies)


def test_whoever_is_only_named_by_a_deal_is_no_customer_yet() -> None:
    crm = in_memory()
    crm.do(opportunity.Open(title="bar", customer=ADA), to=UUID(int=20), act=crm.act("ann"))
    summary = crm.summary()
    assert (summary.customers, sum(summary.abc.values())) == (0, 0)
    assert (crm.lifecycle(ADA), crm.value(ADA)) == (None, None)
    assert crm.rebuild().customers == 0


@pytest.mark.parametrize("wrong", [-1, "2026-01-01", 1.5])
def test_what_is_no_date_and_no_position_is_refused(wrong: Any) -> None:  # noqa: ANN401 - the point
    with pytest.raises(CRMError):
        in_memory().summary(known_at=wrong)
