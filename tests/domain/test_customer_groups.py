"""Customers that belong together, by the rules alone: CR14."""

from collections.abc import Collection
from datetime import date
from uuid import UUID

from msgspec.structs import replace

from crmcore.domain import customer
from crmcore.domain.customer import (
    AcceptOrder,
    AdmitMember,
    ChangeOrder,
    Customer,
    DismissMember,
    IssueInvoice,
    JoinGroup,
    LeaveGroup,
    MergeInto,
    Policy,
    ReleaseOrder,
)
from crmcore.domain.customer.acceptance import OverGroupLimit
from crmcore.domain.customer.beside import Account, Beside, GroupBooks, GroupChecked
from crmcore.domain.customer.credit import Credit, CreditLimitApproved, NotAuthorised
from crmcore.domain.customer.exposure import Order
from crmcore.domain.customer.group import (
    MEMBERS_MAX,
    AlreadyInGroup,
    BelongsTogether,
    GroupFull,
    GroupInGroup,
    GroupJoined,
    GroupLeft,
    MemberAdmitted,
    MemberLeft,
    MemberOrderNoted,
    Membership,
    NoteMemberOrder,
    NotInGroup,
)
from crmcore.domain.customer.informing import asks, group_of, informed
from crmcore.domain.customer.limits import Raises, TemporaryLimitGranted
from crmcore.domain.customer.merging import Absorbed, MergedInto
from crmcore.domain.customer.orders import OrderAccepted, OrderChanged, OrderReopened
from crmcore.domain.customer.profile import CustomerRegistered
from crmcore.domain.money import CurrencyMismatch, Money
from crmcore.testing import Scenario, given

ADA, BOB, CEM, TOP = (UUID(int=number) for number in (1, 2, 3, 4))
TODAY = date(2026, 3, 2)
MANAGER = ["general_manager"]
RULES = customer.decider(Policy())
REGISTERED = CustomerRegistered(code="c-1", name="Ann Ltd.", kind="organisation")
KNOWN = given(RULES, REGISTERED, at=TODAY)


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


def limited(cents: int) -> CreditLimitApproved:
    return CreditLimitApproved(request="r", amount=usd(cents), approved_by="gus", until=None)


def one(*events: customer.Event) -> Customer:
    return RULES.fold((REGISTERED, *events))


# Who belongs to whom


def test_cr14_a_customer_joins_one_parent_and_leaves_it() -> None:
    joined = KNOWN.when(JoinGroup(parent=TOP), roles=MANAGER).then(GroupJoined(parent=TOP))
    assert joined.state.group == Membership(parent=TOP)
    joined.when(JoinGroup(parent=TOP), roles=MANAGER).nothing()
    joined.when(JoinGroup(parent=BOB), roles=MANAGER).rejected(AlreadyInGroup(parent=TOP))
    joined.when(AdmitMember(member=BOB), roles=MANAGER).rejected(GroupInGroup(customer=BOB))
    joined.when(LeaveGroup(parent=BOB), roles=MANAGER).rejected(NotInGroup(customer=BOB))
    left = joined.when(LeaveGroup(parent=TOP), roles=MANAGER).then(GroupLeft(parent=TOP))
    assert left.state.group.is_none


def test_cr14_a_parent_admits_members_and_lets_them_go() -> None:
    parent = KNOWN.when(AdmitMember(member=ADA), roles=MANAGER).then(MemberAdmitted(member=ADA))
    parent = parent.when(AdmitMember(member=BOB), roles=MANAGER)
    assert parent.state.group == Membership(members=(ADA, BOB))
    parent.when(AdmitMember(member=ADA), roles=MANAGER).nothing()
    parent.when(JoinGroup(parent=TOP), roles=MANAGER).rejected(GroupInGroup(customer=TOP))
    parent.when(DismissMember(member=CEM), roles=MANAGER).rejected(NotInGroup(customer=CEM))
    alone = parent.when(DismissMember(member=ADA), roles=MANAGER).then(MemberLeft(member=ADA))
    assert alone.state.group.members == (BOB,)
    assert not alone.state.group.is_none


def test_cr14_groups_are_made_by_the_general_manager() -> None:
    no = NotAuthorised(role="general_manager", by="ann")
    for command in (
        JoinGroup(parent=TOP),
        AdmitMember(member=ADA),
        LeaveGroup(parent=TOP),
        DismissMember(member=ADA),
    ):
        KNOWN.when(command, by="ann").rejected(no)


def test_cr14_a_group_has_so_many_members_at_most() -> None:
    admitted = [MemberAdmitted(member=UUID(int=100 + n)) for n in range(MEMBERS_MAX - 1)]
    almost = KNOWN.given(*admitted)
    full = almost.when(AdmitMember(member=ADA), roles=MANAGER).then(MemberAdmitted(member=ADA))
    full.when(AdmitMember(member=BOB), roles=MANAGER).rejected(GroupFull(most=MEMBERS_MAX))


def test_cr14_who_is_in_a_group_is_not_merged_into_another() -> None:
    into = MergeInto(surviving_customer=BOB)
    known = KNOWN.given(GroupJoined(parent=TOP))
    known.when(into).rejected(BelongsTogether(parent=TOP, members=()))
    parent = KNOWN.given(MemberAdmitted(member=ADA))
    parent.when(into).rejected(BelongsTogether(parent=None, members=(ADA,)))
    known.given(GroupLeft(parent=TOP)).when(into).then(MergedInto(surviving_customer=BOB))


def test_cr14_orders_of_members_are_noted_and_those_of_others_are_not() -> None:
    parent = KNOWN.given(MemberAdmitted(member=ADA))
    note = NoteMemberOrder(member=ADA, order="o", exposure=usd(7), limit=usd(9))
    noted = parent.when(note)
    noted.then(MemberOrderNoted(member=ADA, order="o", exposure=usd(7), limit=usd(9)))
    assert noted.state == parent.state
    parent.when(replace(note, member=BOB)).rejected(NotInGroup(customer=BOB))


# What a group owes


OWED = Account(orders=(Order(name="x", amount=usd(60)),))


def member(group: GroupBooks) -> Scenario:
    known = KNOWN.given(limited(100), GroupJoined(parent=TOP))
    return Scenario(RULES, replace(known.state, beside=Beside(group=group)), at=TODAY)


IN_GROUP = GroupBooks(parent=TOP, credit=Credit(limit=usd(90)), others=OWED)


def test_cr14_an_order_is_accepted_within_both_limits() -> None:
    known = member(IN_GROUP)
    [accepted, *_] = known.when(AcceptOrder(order="o", amount=usd(30))).events
    assert accepted.group == GroupChecked(exposure=usd(90), limit=usd(90), parent=TOP)
    over = OverGroupLimit(exposure=usd(91), limit=usd(90))
    known.when(AcceptOrder(order="o", amount=usd(31))).rejected(over)
    member(replace(IN_GROUP, credit=Credit())).when(AcceptOrder(order="o", amount=usd(1))).rejected(
        OverGroupLimit(exposure=usd(61), limit=None)
    )
    free = member(replace(IN_GROUP, credit=Credit(limit="unlimited")))
    [accepted, *_] = free.when(AcceptOrder(order="o", amount=usd(100))).events
    assert accepted.group.limit == "unlimited"


def test_cr14_the_limit_of_the_parent_is_the_one_in_force_with_what_raises_it() -> None:
    raised = TemporaryLimitGranted(amount=usd(5), starts_on=TODAY, ends_on=TODAY, approved_by="gus")
    known = member(replace(IN_GROUP, raises=Raises(temporary=(raised,))))
    [accepted, *_] = known.when(AcceptOrder(order="o", amount=usd(35))).events
    assert accepted.group.limit == usd(95)


def test_cr14_the_group_has_the_tolerance_of_the_policy() -> None:
    tolerant = customer.decider(Policy(tolerance_percent=10))
    known = Scenario(tolerant, member(IN_GROUP).state, at=TODAY)
    known.when(AcceptOrder(order="o", amount=usd(39)))
    over = OverGroupLimit(exposure=usd(100), limit=usd(90))
    known.when(AcceptOrder(order="o", amount=usd(40))).rejected(over)


def test_cr14_amounts_of_a_group_are_in_one_currency() -> None:
    euros = Account(orders=(Order(name="x", amount=Money(minor=1, currency="EUR")),))
    known = member(replace(IN_GROUP, others=euros))
    mismatch = CurrencyMismatch(left="USD", right="EUR")
    known.when(AcceptOrder(order="o", amount=usd(1))).rejected(mismatch)


def test_cr14_more_of_an_order_is_checked_and_less_is_not() -> None:
    first = member(IN_GROUP).when(AcceptOrder(order="o", amount=usd(30)))
    over = OverGroupLimit(exposure=usd(91), limit=usd(90))
    first.when(ChangeOrder(order="o", amount=usd(31))).rejected(over)
    first.when(ChangeOrder(order="o", amount=usd(29))).then(OrderChanged(order="o", amount=usd(29)))


def test_cr14_a_release_lets_an_order_pass_the_group() -> None:
    until = date(2026, 3, 9)
    release = ReleaseOrder(order="o", amount=usd(200), ends_on=until, reason="")
    known = member(IN_GROUP).when(release, roles=MANAGER)
    [accepted, *_] = known.when(AcceptOrder(order="o", amount=usd(200))).events
    assert accepted.group == GroupChecked(exposure=usd(260), limit=usd(90), parent=TOP)


def test_cr14_what_nobody_told_is_no_limit() -> None:
    known = KNOWN.given(limited(100), GroupJoined(parent=TOP))
    none = OverGroupLimit(exposure=usd(1), limit=None)
    known.when(AcceptOrder(order="o", amount=usd(1))).rejected(none)
    parent = KNOWN.given(limited(100), MemberAdmitted(member=ADA))
    [accepted, *_] = parent.when(AcceptOrder(order="o", amount=usd(100))).events
    assert accepted.group == GroupChecked(exposure=usd(100), limit=usd(100))


# What the rules are told


def ordered(name: str) -> OrderAccepted:
    return OrderAccepted(order=name, amount=usd(60), exposure=usd(60), limit=usd(100))


CUSTOMERS = {
    TOP: one(limited(90), ordered("t"), MemberAdmitted(member=ADA), MemberAdmitted(member=BOB)),
    ADA: one(ordered("a"), GroupJoined(parent=TOP), Absorbed(absorbed_customer=CEM)),
    BOB: one(ordered("b"), GroupJoined(parent=TOP)),
    CEM: one(ordered("c"), MergedInto(surviving_customer=ADA)),
}


def look(ids: Collection[UUID]) -> dict[UUID, Customer]:
    return {one_id: CUSTOMERS[one_id] for one_id in ids}


def names(group: GroupBooks | None) -> list[str]:
    assert group is not None
    return [order.name for order in group.others.orders]


def test_cr14_each_of_a_group_is_told_of_all_the_others() -> None:
    of_bob = group_of(BOB, CUSTOMERS[BOB], look)
    assert names(of_bob) == [f"{TOP}/t", f"{ADA}/a", f"{CEM}/c"]
    assert of_bob is not None
    assert (of_bob.parent, of_bob.credit.limit) == (TOP, usd(90))
    of_top = group_of(TOP, CUSTOMERS[TOP], look)
    assert names(of_top) == [f"{ADA}/a", f"{CEM}/c", f"{BOB}/b"]
    assert of_top is not None
    assert of_top.parent is None
    order = AcceptOrder(order="o", amount=usd(1))
    assert informed(BOB, order, CUSTOMERS[BOB], look).beside.group == of_bob
    bill = IssueInvoice(invoice="i", amount=usd(1))
    assert informed(BOB, bill, CUSTOMERS[BOB], look).beside.group is None


def test_cr14_who_only_says_so_itself_is_in_no_group_with_a_limit() -> None:
    stray = one(GroupJoined(parent=TOP))
    assert group_of(CEM, stray, look) == GroupBooks(parent=TOP)
    claimed = one(MemberAdmitted(member=BOB))
    assert names(group_of(CEM, claimed, look)) == []
    nested = {
        **CUSTOMERS,
        TOP: replace(CUSTOMERS[TOP], group=Membership(parent=CEM, members=(BOB,))),
    }
    found = group_of(BOB, CUSTOMERS[BOB], lambda ids: {one_id: nested[one_id] for one_id in ids})
    assert found == GroupBooks(parent=TOP)


def test_cr14_an_order_of_a_member_asks_the_parent_to_note_it() -> None:
    checked = GroupChecked(exposure=usd(9), limit=usd(10), parent=TOP)
    note = NoteMemberOrder(member=ADA, order="o", exposure=usd(9), limit=usd(10))
    for event in (
        replace(ordered("o"), group=checked),
        OrderChanged(order="o", amount=usd(1), group=checked),
        OrderReopened(order="o", amount=usd(1), exposure=usd(1), limit=usd(1), group=checked),
    ):
        assert asks(ADA, event) == ((TOP, note),)
    own = replace(ordered("o"), group=replace(checked, parent=None))
    assert asks(TOP, own) == ()
