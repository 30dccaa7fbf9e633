"""Customers that may be one and the same, until somebody says that they are two (rules.md M4)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import UNSET

from crmcore.domain.customer import Customer, known_as
from crmcore.domain.customer.merging import Mark
from crmcore.domain.value import Value

Likeness: TypeAlias = Literal["tax id", "name", "phone", "email"]

ALIKE_MAX = 20  # what more have in common says nothing: a number of the exchange, or no name


class Suggestion(Value):
    """Two customers that may be one, and what they have in common."""

    one: UUID
    other: UUID
    because: tuple[Likeness, ...]


def possible_duplicates(customers: Mapping[UUID, Customer]) -> tuple[Suggestion, ...]:
    """Return who may be one and the same among these; who was merged, or told apart, is not."""
    alike: dict[tuple[Likeness, str], list[UUID]] = defaultdict(list)
    for own_id, customer in sorted(customers.items()):
        if customer.merges.survivor is None:
            for mark in dict.fromkeys(_marks(customer)):
                alike[mark].append(own_id)
    found: dict[tuple[UUID, UUID], list[Likeness]] = defaultdict(list)
    for (likeness, _), ids in alike.items():
        for pair in combinations(ids, 2) if len(ids) <= ALIKE_MAX else ():
            if likeness not in found[pair]:
                found[pair].append(likeness)
    return tuple(
        Suggestion(one=one, other=other, because=tuple(because))
        for (one, other), because in sorted(found.items())
        if not (_tells_apart(customers[one], other) and _tells_apart(customers[other], one))
    )


def _marks(customer: Customer) -> Iterator[tuple[Likeness, str]]:
    """Yield what a customer may have in common with others, however it is written."""
    registered = customer.profile.registration.tax_id
    if customer.tax_id is not None:
        yield "tax id", _plain(customer.tax_id.number)
    if registered is not UNSET:
        yield "tax id", _plain(registered)
    if name := _plain(customer.profile.name):
        yield "name", name
    for contact in customer.profile.contacts:
        more = () if contact.more_phones is UNSET else contact.more_phones
        for phone in (contact.phone, *more):
            if phone:
                yield "phone", phone
        if contact.email:
            yield "email", contact.email.casefold()


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _tells_apart(customer: Customer, other: UUID) -> bool:
    """Tell whether it was said of this customer, as it is known now, that it is not another."""
    name, tax_id = known_as(customer)
    return Mark(other_customer=other, name=name, tax_id=tax_id) in customer.merges.marks
