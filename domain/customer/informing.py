"""What a customer's rules are told of other customers before they decide (rules.md M3, CR14).

Both of two customers have to say that they are one, or that they belong together: what only one of
them says is a part of a log.
"""

from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias
from uuid import UUID

from msgspec.structs import replace

from crmcore.domain.customer.beside import Account, Beside, GroupBooks, apart, together
from crmcore.domain.customer.group import AdmitMember, NoteMemberOrder
from crmcore.domain.customer.merging import Absorb
from crmcore.domain.customer.orders import AcceptOrder, ChangeOrder, Checked, Deliver, ReopenOrder
from crmcore.domain.customer.payments import CreditAccount, ReceiveOnAccount
from crmcore.domain.customer.receivables import IssueInvoice
from crmcore.domain.customer.state import Customer

Look: TypeAlias = Callable[[Collection[UUID]], Mapping[UUID, Customer]]

_CHECKED = AcceptOrder | ChangeOrder | ReopenOrder
_ASKS = _CHECKED | Deliver | IssueInvoice | ReceiveOnAccount | CreditAccount | Absorb | AdmitMember


def informed(own_id: UUID, command: object, customer: Customer, look: Look) -> Customer:
    """Return a customer with what counts beside its own for a command."""
    if not isinstance(command, _ASKS):
        return customer
    newcomer = Account()
    if isinstance(command, Absorb | AdmitMember):
        other = command.absorbed_customer if isinstance(command, Absorb) else command.member
        newcomer = whole(other, look([other])[other], look)
    group = group_of(own_id, customer, look) if isinstance(command, _CHECKED) else None
    same = _same(own_id, customer, look)
    return replace(customer, beside=Beside(same=same, group=group, newcomer=newcomer))


def asks(own_id: UUID, event: object) -> tuple[tuple[UUID, NoteMemberOrder], ...]:
    """Return what a fact asks of another customer in the same act.

    An order in a group is noted by the parent: so of two at once one is decided after the other.
    """
    if not isinstance(event, Checked) or event.group is None or event.group.parent is None:
        return ()
    checked = event.group
    noted = NoteMemberOrder(
        member=own_id, order=event.order, exposure=checked.exposure, limit=checked.limit
    )
    return ((event.group.parent, noted),)


def account_of(customer: Customer) -> Account:
    """Return what a customer has open itself, and what holds it."""
    return Account(
        orders=customer.orders,
        invoices=customer.invoices,
        payments=customer.payments,
        holds=customer.credit.holds,
    )


def whole(own_id: UUID, customer: Customer, look: Look) -> Account:
    """Return what a customer and those it stands for have open, under names of their own."""
    own = apart(own_id, account_of(customer))
    return together((own, _absorbed(own_id, customer, look)))


def group_of(own_id: UUID, customer: Customer, look: Look) -> GroupBooks | None:
    """Return the group of a customer with what all others in it have open, None without one."""
    if customer.group.is_none:
        return None
    parent_id = customer.group.parent
    if parent_id is None:
        return _group(own_id, own_id, customer, look)
    parent = look([parent_id])[parent_id]
    if own_id not in parent.group.members or parent.group.parent is not None:
        return GroupBooks(parent=parent_id)  # nobody decided a limit for it
    return _group(own_id, parent_id, parent, look)


def _group(own_id: UUID, parent_id: UUID, parent: Customer, look: Look) -> GroupBooks:
    members = look(parent.group.members)
    belong = {one: member for one, member in members.items() if member.group.parent == parent_id}
    there = {parent_id: parent, **belong}
    others = [whole(one, known, look) for one, known in there.items() if one != own_id]
    return GroupBooks(
        parent=None if own_id == parent_id else parent_id,
        credit=parent.credit,
        raises=parent.raises,
        others=together(others),
    )


def _same(own_id: UUID, customer: Customer, look: Look) -> Account:
    """Return what those are told to have open that are one with a customer.

    Of one that was absorbed, only holds: it owes what it owes, and orders nothing more.
    """
    if customer.merges.survivor is None:
        return _absorbed(own_id, customer, look)
    standing, known, seen = own_id, customer, [own_id]
    while (survivor := known.merges.survivor) is not None and survivor not in seen:
        standing, known = survivor, look([survivor])[survivor]
        seen.append(survivor)
    held = whole(standing, known, look).holds
    return Account(holds=tuple(h for h in held if not h.name.startswith(f"{own_id}/")))


def _absorbed(own_id: UUID, customer: Customer, look: Look) -> Account:
    """Return what those have open that a customer stands for, by way of others too."""
    found: dict[UUID, Account] = {own_id: Account()}
    asked = dict.fromkeys(customer.merges.absorbed, own_id)
    while asked:
        known = look(asked)
        merged = {one: known[one] for one, by in asked.items() if known[one].merges.survivor == by}
        found |= {one: apart(one, account_of(other)) for one, other in merged.items()}
        asked = {
            more: one
            for one, other in merged.items()
            for more in other.merges.absorbed
            if more not in found
        }
    return together(found.values())
