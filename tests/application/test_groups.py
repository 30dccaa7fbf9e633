"""Customers that belong together owe no more than their parent's limit: CR14."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from crmcore import CRM, Rejected
from crmcore.domain import customer
from crmcore.domain.customer.acceptance import OverGroupLimit, OverLimit
from crmcore.domain.customer.credit import NotAuthorised
from crmcore.domain.customer.group import (
    MEMBERS_MAX,
    AdmitMember,
    AlreadyInGroup,
    BelongsTogether,
    DismissMember,
    GroupFull,
    GroupInGroup,
    JoinGroup,
    LeaveGroup,
    MemberOrderNoted,
    NotInGroup,
)
from crmcore.domain.customer.orders import OrderAccepted
from crmcore.domain.money import CurrencyMismatch, Money
from crmcore.domain.recorded import Stream
from crmcore.domain.value import Value
from tests.application.acting import NOW, in_memory, usd
from tests.application.trading import GUS, details, do, met, order, refused

ADA, BOB, CEM, TOP = (UUID(int=number) for number in (7, 8, 9, 10))
ALL = (ADA, BOB, CEM, TOP)


def register(crm: CRM, who: UUID) -> None:
    do(crm, customer.Register(code=f"c-{who.int}", name="C", kind="organisation"), who)


def limit(crm: CRM, who: UUID, cents: int) -> None:
    do(crm, customer.RecordInvestigation(score=80, findings=""), who)
    do(crm, customer.RequestLimit(request=f"r-{cents}", amount=usd(cents)), who)
    do(crm, customer.ApproveLimit(request=f"r-{cents}", amount=usd(cents)), who, GUS)


def grouped(crm: CRM) -> CRM:
    """Let Ada and Bob belong to Top; each has a limit of 10.00, and Top one of 15.00."""
    for who in ALL:
        register(crm, who)
    for who, cents in ((ADA, 1_000), (BOB, 1_000), (CEM, 1_000), (TOP, 1_500)):
        limit(crm, who, cents)
    for member in (ADA, BOB):
        do(crm, JoinGroup(parent=TOP), member, GUS)
    return crm


def invoice(cents: int, name: str = "i") -> customer.IssueInvoice:
    return customer.IssueInvoice(invoice=name, amount=usd(cents))


# Who belongs to whom


def test_who_belongs_to_whom_is_known_to_both(crm: CRM) -> None:
    grouped(crm)
    assert crm.customer(ADA).group.parent == TOP
    assert crm.customer(TOP).group.members == (ADA, BOB)
    assert do(crm, JoinGroup(parent=TOP), ADA, GUS) == []
    do(crm, DismissMember(member=ADA), TOP, GUS)
    assert crm.customer(ADA).group.is_none
    do(crm, LeaveGroup(parent=TOP), BOB, GUS)
    assert crm.customer(TOP).group.is_none
    do(crm, AdmitMember(member=ADA), TOP, GUS)
    assert crm.customer(ADA).group.parent == TOP


def test_a_group_is_made_and_left_by_the_general_manager() -> None:
    crm = grouped(in_memory())
    no = NotAuthorised(role="general_manager", by="ann")
    assert refused(crm, JoinGroup(parent=TOP), CEM) == no
    assert refused(crm, LeaveGroup(parent=TOP), ADA) == no
    assert [fact.actor for fact in crm.refused(Stream(kind="customer", id=CEM))] == ["ann"]


def test_a_parent_belongs_to_nobody_and_a_member_to_one() -> None:
    crm = grouped(in_memory())
    assert refused(crm, JoinGroup(parent=CEM), ADA, GUS) == AlreadyInGroup(parent=TOP)
    assert refused(crm, JoinGroup(parent=CEM), TOP, GUS) == GroupInGroup(customer=CEM)
    assert refused(crm, JoinGroup(parent=ADA), CEM, GUS) == GroupInGroup(customer=CEM)
    assert refused(crm, JoinGroup(parent=CEM), CEM, GUS) == GroupInGroup(customer=CEM)
    assert refused(crm, LeaveGroup(parent=TOP), CEM, GUS) == NotInGroup(customer=TOP)
    assert refused(crm, DismissMember(member=CEM), TOP, GUS) == NotInGroup(customer=CEM)


def test_who_belongs_together_is_not_merged() -> None:
    crm = grouped(in_memory())
    no = refused(crm, customer.MergeInto(surviving_customer=CEM), ADA)
    assert no == BelongsTogether(parent=TOP, members=())
    no = refused(crm, customer.MergeInto(surviving_customer=CEM), TOP)
    assert no == BelongsTogether(parent=None, members=(ADA, BOB))
    crm.merge(CEM, into=ADA, act=crm.act("ann"))


def test_a_group_has_so_many_members_at_most() -> None:
    crm = in_memory()
    for who in (TOP, ADA):
        register(crm, who)
    for number in range(MEMBERS_MAX):
        more = [(AdmitMember(member=UUID(int=100 + number)), TOP)]  # what they say is no matter
        crm.carry_out([(crm.act(GUS, roles=("general_manager",)), more)])
    assert refused(crm, JoinGroup(parent=TOP), ADA, GUS) == GroupFull(most=MEMBERS_MAX)


def test_who_joins_owes_in_the_currency_of_the_limit() -> None:
    crm = grouped(in_memory())
    euros = customer.IssueInvoice(invoice="i", amount=Money(minor=1, currency="EUR"))
    do(crm, euros, CEM)
    no = refused(crm, JoinGroup(parent=TOP), CEM, GUS)
    assert no == CurrencyMismatch(left="EUR", right="USD")
    do(crm, euros, ADA)
    assert refused(crm, order(1), BOB) == CurrencyMismatch(left="USD", right="EUR")
    assert details(crm, BOB)["status"] == "CurrencyMismatch"


# What a group owes


def test_cr14_what_all_owe_together_stays_within_the_limit_of_the_parent(crm: CRM) -> None:
    grouped(crm)
    do(crm, order(800), ADA)
    do(crm, invoice(300), TOP)
    over = OverGroupLimit(exposure=usd(1_501), limit=usd(1_500))
    assert refused(crm, order(401), BOB) == over
    [accepted, noted] = do(crm, order(400), BOB)
    assert isinstance(accepted, OrderAccepted)
    assert accepted.group is not None
    assert (accepted.group.exposure, accepted.group.limit) == (usd(1_500), usd(1_500))
    assert noted == MemberOrderNoted(member=BOB, order="o", exposure=usd(1_500), limit=usd(1_500))
    more = customer.ChangeOrder(order="o", amount=usd(401))
    assert refused(crm, more, BOB) == over
    assert refused(crm, order(1), TOP) == over
    do(crm, customer.ReceivePayment(payment="p", invoice="i", amount=usd(300)), TOP)
    do(crm, more, BOB)


def test_cr14_the_limit_of_a_member_holds_as_well() -> None:
    crm = grouped(in_memory())
    assert refused(crm, order(1_001), ADA) == OverLimit(exposure=usd(1_001), limit=usd(1_000))


def test_cr14_without_a_limit_of_the_parent_nobody_orders_on_account() -> None:
    crm = grouped(in_memory())
    do(crm, customer.RevokeLimit(reason=""), TOP, GUS)
    assert refused(crm, order(1), ADA) == OverGroupLimit(exposure=usd(1), limit=None)
    unlimited = customer.RequestLimit(request="u", amount="unlimited")
    do(crm, unlimited, TOP)
    do(crm, customer.ApproveLimit(request="u", amount="unlimited"), TOP, GUS)
    [accepted, *_] = do(crm, order(1_000), ADA)
    assert accepted.group.limit == "unlimited"


def test_cr14_what_members_have_absorbed_counts_and_who_left_does_not() -> None:
    crm = grouped(in_memory())
    do(crm, invoice(900), CEM)
    crm.merge(CEM, into=ADA, act=crm.act("ann"))
    assert refused(crm, order(601), BOB) == OverGroupLimit(exposure=usd(1_501), limit=usd(1_500))
    do(crm, LeaveGroup(parent=TOP), ADA, GUS)
    do(crm, order(1_000), BOB)


def test_cr14_a_released_order_passes_the_group_and_counts_in_it() -> None:
    crm = grouped(in_memory())
    until = NOW.date() + timedelta(days=1)
    release = customer.ReleaseOrder(order="big", amount=usd(2_000), ends_on=until, reason="")
    do(crm, release, ADA, GUS)
    [accepted, noted] = do(crm, order(2_000, "big"), ADA)
    assert accepted.group.exposure == noted.exposure == usd(2_000)
    assert refused(crm, order(1), BOB) == OverGroupLimit(exposure=usd(2_001), limit=usd(1_500))


def test_cr14_a_group_that_only_one_of_two_speaks_of_has_no_limit() -> None:
    crm = grouped(in_memory())
    act = crm.act(GUS, roles=("general_manager",))
    crm.carry_out([(act, [(JoinGroup(parent=TOP), CEM)])])  # the parent was not asked
    assert refused(crm, order(1), CEM) == OverGroupLimit(exposure=usd(1), limit=None)
    do(crm, order(1_000), ADA)
    do(crm, order(500), TOP)


def test_cr14_of_orders_at_once_no_more_pass_than_the_group_may_owe(crm: CRM) -> None:
    grouped(crm)
    others = [crm.another() for _ in range(4)]

    def accept(number: int) -> int:
        member = (ADA, BOB, TOP)[number % 3]
        with suppress(Rejected):
            do(others[number % 4], order(200, f"o-{number}"), member)
            return 1
        return 0

    with ThreadPoolExecutor(6) as pool:
        passed = sum(pool.map(accept, range(18)))
    assert passed == 7  # of 2.00 each, within 15.00
    assert details(crm, TOP)["group exposure"] == "14.00 USD"
    noted = [
        fact.event.exposure.minor
        for fact in crm.stream(Stream(kind="customer", id=TOP))
        if isinstance(fact.event, MemberOrderNoted)
    ]
    assert noted == sorted(set(noted))


HAPPENS: Sequence[Callable[[int], Value]] = [
    lambda n: order(400, f"o-{n}"),
    lambda n: order(700, f"o-{n}"),
    lambda n: invoice(150, f"i-{n}"),
    lambda n: customer.CancelOrder(order=f"o-{n - 1}", reason=""),
    lambda n: customer.ReceivePayment(payment=f"p-{n}", invoice=f"i-{n - 1}", amount=usd(90)),
    lambda n: customer.ReceiveOnAccount(
        payment=f"m-{n}", amount=usd(200), clears_on=NOW.date() + timedelta(days=n % 2)
    ),
    lambda _: JoinGroup(parent=TOP),
    lambda _: LeaveGroup(parent=TOP),
    lambda _: customer.MergeInto(surviving_customer=ADA),
]
STORY = st.lists(st.tuples(st.sampled_from(range(len(HAPPENS))), st.sampled_from(ALL)), max_size=12)


@given(STORY)
def test_cr14_in_every_story_an_order_meets_what_the_answer_says(
    story: Sequence[tuple[int, UUID]],
) -> None:
    crm = grouped(in_memory())
    for number, (what, who) in enumerate(story):
        with suppress(Rejected):
            do(crm, HAPPENS[what](number), who, GUS)
        for one in ALL:
            assert_agreed(crm, one, f"try-{number}")


def assert_agreed(crm: CRM, who: UUID, name: str) -> None:
    """Ask for the least order, as the answer does, and then for more than there is room for."""
    said = details(crm, who)
    code, accepted = met(crm, order(1, name), who)
    assert said["status"] == code
    if accepted is None:
        return
    room = 1_500 if who == TOP else 1_000
    room -= accepted.exposure.minor
    if accepted.group is not None:
        assert accepted.group.exposure.minor <= 1_500
        assert said["group exposure"] == str(accepted.group.exposure - usd(1))
        room = min(room, 1_500 - accepted.group.exposure.minor)
    assert said["headroom"] == str(usd(room + 1))
    do(crm, customer.CancelOrder(order=name, reason=""), who)
    assert "Over" in type(refused(crm, order(room + 2, f"{name}+"), who)).__name__
