"""Customers that belong together: what they owe in all stays within their parent's limit too."""

from typing import TypeAlias, assert_never
from uuid import UUID

from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.customer.credit import Limit, NotAuthorised, require_authority
from crmcore.domain.customer.policy import Policy
from crmcore.domain.money import Money
from crmcore.domain.value import Ref, Rejection, Value, require

MEMBERS_MAX = 100

# Commands


class JoinGroup(Value, tag="customer.join_group"):
    """Let a customer belong to a parent; said to the member."""

    parent: UUID


class AdmitMember(Value, tag="customer.admit_member"):
    """Let a customer belong to this one; said to the parent."""

    member: UUID


class LeaveGroup(Value, tag="customer.leave_group"):
    """Let a customer belong to nobody; said to the member."""

    parent: UUID


class DismissMember(Value, tag="customer.dismiss_member"):
    """Let a customer belong to this one no more; said to the parent."""

    member: UUID


class NoteMemberOrder(Value, tag="customer.note_member_order"):
    """Write down that an order of a member counts in the group; asked for by the order itself."""

    member: UUID
    order: Ref
    exposure: Money
    limit: Limit | None = None


Command: TypeAlias = JoinGroup | AdmitMember | LeaveGroup | DismissMember | NoteMemberOrder


# Events


class GroupJoined(Value, tag="customer.group_joined"):
    """The customer belongs to a parent."""

    parent: UUID


class MemberAdmitted(Value, tag="customer.member_admitted"):
    """Another customer belongs to this one."""

    member: UUID


class GroupLeft(Value, tag="customer.group_left"):
    """The customer belongs to nobody any more."""

    parent: UUID


class MemberLeft(Value, tag="customer.member_left"):
    """Another customer belongs to this one no more."""

    member: UUID


class MemberOrderNoted(Value, tag="customer.member_order_noted"):
    """An order of a member passed: what the group owes with it, and the limit of then."""

    member: UUID
    order: Ref
    exposure: Money
    limit: Limit | None


Event: TypeAlias = GroupJoined | MemberAdmitted | GroupLeft | MemberLeft | MemberOrderNoted


# Rejections


class AlreadyInGroup(Rejection):
    """A customer belongs to one parent."""

    parent: UUID


class GroupInGroup(Rejection):
    """A parent belongs to nobody, itself neither, and a member is nobody's parent."""

    customer: UUID


class NotInGroup(Rejection):
    """Who leaves a group, or orders in it, belongs to it."""

    customer: UUID


class GroupFull(Rejection):
    """A group has so many members at most."""

    most: int


class BelongsTogether(Rejection):
    """Who is merged into another customer has left its group, and all members have left it."""

    parent: UUID | None
    members: tuple[UUID, ...]


Reason: TypeAlias = (
    AlreadyInGroup | GroupInGroup | NotInGroup | GroupFull | BelongsTogether | NotAuthorised
)


# State


class Membership(Value):
    """To whom the customer belongs, and who belongs to it."""

    parent: UUID | None = None
    members: tuple[UUID, ...] = ()

    @property
    def is_none(self) -> bool:
        """Whether the customer is in no group."""
        return self.parent is None and not self.members


def decide(command: Command, known: Membership, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return who belongs to whom; what is so already is nothing to do (rules.md CR14)."""
    if isinstance(command, NoteMemberOrder):
        return _note(command, known)
    require_authority(act, "unlimited", policy)
    match command:
        case JoinGroup(parent=parent):
            if known.parent == parent:
                return ()
            require(not known.members, GroupInGroup(customer=parent))
            require(known.parent is None, AlreadyInGroup(parent=known.parent or parent))
            return (GroupJoined(parent=parent),)
        case AdmitMember(member=member):
            if member in known.members:
                return ()
            require(known.parent is None, GroupInGroup(customer=member))
            require(len(known.members) < MEMBERS_MAX, GroupFull(most=MEMBERS_MAX))
            return (MemberAdmitted(member=member),)
        case LeaveGroup(parent=parent):
            require(known.parent == parent, NotInGroup(customer=parent))
            return (GroupLeft(parent=parent),)
        case DismissMember(member=member):
            require(member in known.members, NotInGroup(customer=member))
            return (MemberLeft(member=member),)
        case _:
            assert_never(command)


def evolve(known: Membership, event: Event) -> Membership:
    """Return who belongs to whom after a fact."""
    match event:
        case MemberOrderNoted():
            return known
        case GroupJoined(parent=parent):
            return replace(known, parent=parent)
        case GroupLeft():
            return replace(known, parent=None)
        case MemberAdmitted(member=member):
            return replace(known, members=(*_others(known, member), member))
        case MemberLeft(member=member):
            return replace(known, members=_others(known, member))
        case _:
            assert_never(event)


def require_none(known: Membership) -> None:
    """Reject what is asked of a customer in a group, such as to be merged into another."""
    require(known.is_none, BelongsTogether(parent=known.parent, members=known.members))


def _note(command: NoteMemberOrder, known: Membership) -> tuple[Event, ...]:
    require(command.member in known.members, NotInGroup(customer=command.member))
    return (
        MemberOrderNoted(
            member=command.member,
            order=command.order,
            exposure=command.exposure,
            limit=command.limit,
        ),
    )


def _others(known: Membership, member: UUID) -> tuple[UUID, ...]:
    return tuple(one for one in known.members if one != member)
