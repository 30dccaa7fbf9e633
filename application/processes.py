"""What a command needs of other streams: asked in the same act, so that both happen or neither.

A claim counts in the portfolio of who claims, a verified tax id is reserved, a merge is known to
both customers or deals, and so is who belongs to a group. A command names what it gives up, so that
repeating it asks for the same again.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias
from uuid import UUID

from crmcore.domain import identity, opportunity, portfolio
from crmcore.domain.act import Act
from crmcore.domain.customer import group, merging, ownership, verified
from crmcore.domain.customer.tax_id import TaxId
from crmcore.domain.identity import identity_id
from crmcore.domain.portfolio import portfolio_id

Addressed: TypeAlias = tuple[Any, UUID]


def together(command: object, to: UUID, act: Act) -> list[Addressed]:
    """Return a command with all that has to be asked beside it."""
    asked: list[Addressed] = [(command, to)]
    match command:
        case ownership.ClaimFromPool(lapsed=before):
            asked += _let_go(before, to)
            asked.append((portfolio.Claim(user=act.by, customer=to), portfolio_id(act.by)))
        case ownership.AssignOwner(lapsed=before, owner=owner):
            asked += [*_let_go(before, to), *_taken(owner, to)]
        case ownership.TransferOwner(owner=before, to=owner):
            asked += [*_let_go(before, to), *_taken(owner, to)] if before != owner else []
        case ownership.ReleaseToPool(owner=before) | ownership.RecycleToPool(owner=before):
            asked += _let_go(before, to)
        case verified.VerifyTaxId(tax_id=tax_id, instead_of=former):
            asked += [*_given_up(former if former != tax_id else None, to), *_reserved(tax_id, to)]
        case verified.GiveUpTaxId(tax_id=former):
            asked += _given_up(former, to)
        case _:
            asked += _merging(command, to)
    return asked


def _merging(command: object, to: UUID) -> Iterator[Addressed]:
    """Yield what a merge asks of the other customer or deal, and what is given up or taken back."""
    match command:
        case merging.MergeInto(surviving_customer=other, held=held, grade=grade):
            yield merging.Absorb(absorbed_customer=to, held=held, grade=grade), other
            yield from (*_given_up(held.tax_id, to), *_let_go(held.owner, to))
        case merging.Absorb(absorbed_customer=other, held=held, grade=grade):
            yield merging.MergeInto(surviving_customer=to, held=held, grade=grade), other
            yield from (*_given_up(held.tax_id, other), *_let_go(held.owner, other))
        case merging.Unmerge(surviving_customer=other, held=held):
            yield merging.Separate(absorbed_customer=to, held=held), other
            yield from (*_reserved(held.tax_id, to), *_taken(held.owner, to))
        case merging.Separate(absorbed_customer=other, held=held):
            yield merging.Unmerge(surviving_customer=to, held=held), other
            yield from (*_reserved(held.tax_id, other), *_taken(held.owner, other))
        case merging.MarkNotDuplicate(other_customer=other):
            yield merging.MarkNotDuplicate(other_customer=to), other
        case opportunity.MergeInto(surviving_opportunity=other, held=deal, amount=worth):
            yield opportunity.Absorb(absorbed_opportunity=to, held=deal, amount=worth), other
        case opportunity.Absorb(absorbed_opportunity=other, held=deal, amount=worth):
            yield opportunity.MergeInto(surviving_opportunity=to, held=deal, amount=worth), other
        case _:
            yield from _grouping(command, to)


def _grouping(command: object, to: UUID) -> Iterator[Addressed]:
    """Yield what joining or leaving a group asks of the other customer (rules.md CR14)."""
    match command:
        case group.JoinGroup(parent=other):
            yield group.AdmitMember(member=to), other
        case group.AdmitMember(member=other):
            yield group.JoinGroup(parent=to), other
        case group.LeaveGroup(parent=other):
            yield group.DismissMember(member=to), other
        case group.DismissMember(member=other):
            yield group.LeaveGroup(parent=to), other
        case _:
            pass


def _let_go(user: str | None, customer: UUID) -> Iterator[Addressed]:
    if user is not None:
        yield portfolio.LetGo(user=user, customer=customer), portfolio_id(user)


def _taken(user: str | None, customer: UUID) -> Iterator[Addressed]:
    if user is not None:
        yield portfolio.Take(user=user, customer=customer), portfolio_id(user)


def _given_up(tax_id: TaxId | None, customer: UUID) -> Iterator[Addressed]:
    if tax_id is not None:
        yield identity.GiveUp(customer=customer), identity_id(tax_id)


def _reserved(tax_id: TaxId | None, customer: UUID) -> Iterator[Addressed]:
    if tax_id is not None:
        yield identity.Reserve(customer=customer, tax_id=tax_id), identity_id(tax_id)
