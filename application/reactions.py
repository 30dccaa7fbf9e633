"""What a fact of one aggregate asks of another: pure, and the same for whoever asks again.

A purchase earns points, a return takes them back, who brought the buyer along is rewarded. Each
reaction has a command id that follows from its fact and its name, so that facts may be delivered
any number of times, by any number of processes, and after any crash.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from crmcore.application.ids import command_id
from crmcore.domain import loyalty
from crmcore.domain.act import Act
from crmcore.domain.bounds import MIGRATION
from crmcore.domain.customer import sales
from crmcore.domain.loyalty.lineage import ReferrerNamed
from crmcore.domain.loyalty.referrals import ReferralRegistered
from crmcore.domain.loyalty.standing import Enrolled
from crmcore.domain.money import Money
from crmcore.domain.recorded import Recorded
from crmcore.domain.value import Value

ACTOR = "crmcore"

Facts: TypeAlias = Sequence[Recorded[Any]]
About: TypeAlias = Callable[[UUID], Facts]
"""The facts about a customer, in all streams, that were recorded up to the fact at hand."""


class Reaction(Value):
    """What is asked of one aggregate, in one act, because of a fact."""

    name: str
    commands: tuple[Any, ...]
    to: UUID


def reactions(fact: Recorded[Any], about: About) -> tuple[Reaction, ...]:
    """Return what follows from a fact, by what was recorded up to it and no later."""
    customer = fact.customer
    if customer is None:
        return ()
    match fact.event:
        case sales.PurchaseRecorded() as bought if bought.amount.minor > 0:
            return tuple(_of_purchase(bought, customer, about))
        case sales.PurchaseReturned(purchase=name):
            return tuple(_of_return(name, customer, about))
        case _:
            return ()


def act_of(fact: Recorded[Any], reaction: Reaction) -> Act:
    """Return the act of a reaction: as old as its fact, and caused by it."""
    return Act(
        by=ACTOR,
        effective_at=fact.effective_at,
        command_id=command_id("reaction", f"{fact.stream}/{fact.version}", reaction.name),
        roles=frozenset({MIGRATION}),  # a fact may be older than what people may date back
        because=f"{reaction.name}: follows from {fact.stream}, version {fact.version}",
        correlation_id=fact.correlation_id,
        causation_id=fact.command_id,
    )


def _of_purchase(
    bought: sales.PurchaseRecorded, customer: UUID, about: About
) -> Iterator[Reaction]:
    """Yield the points of a purchase, and the reward of who brought the customer along."""
    known = about(customer)
    if (account := _opened(known)) is None:
        return
    earn = loyalty.Earn(source=bought.purchase, amount=bought.amount)
    yield Reaction(name="earn points", commands=(earn,), to=account.stream.id)
    if to := _to_reward(known, customer, bought.purchase, about):
        qualify = loyalty.QualifyReferral(referee=customer, source=bought.purchase)
        reward = loyalty.RewardReferral(referee=customer)
        yield Reaction(name="reward a referral", commands=(qualify, reward), to=to)


def _of_return(name: str, customer: UUID, about: About) -> Iterator[Reaction]:
    """Yield what is taken back for all of a purchase that came back so far (rules.md L7)."""
    known = about(customer)
    account, bought = _opened(known), _bought(known, name)
    if account is None or bought is None or bought.position < account.position:
        return
    refunded = _refunded(known, name, bought.event.amount)
    back = loyalty.ClawBack(source=name, refunded=refunded)
    yield Reaction(name="claw back points", commands=(back,), to=account.stream.id)
    if refunded == bought.event.amount and (to := _to_reward(known, customer, name, about)):
        reverse = loyalty.ReverseReferral(referee=customer)
        yield Reaction(name="reverse a referral", commands=(reverse,), to=to)


def _opened(known: Facts) -> Recorded[Any] | None:
    """Return how the loyalty account of a customer was opened: the first one."""
    return next((fact for fact in known if isinstance(fact.event, Enrolled)), None)


def _bought(known: Facts, name: str) -> Recorded[Any] | None:
    """Return a purchase that was more than nothing."""
    return next((fact for fact in _purchases(known) if fact.event.purchase == name), None)


def _purchases(known: Facts) -> Iterator[Recorded[Any]]:
    for fact in known:
        if isinstance(fact.event, sales.PurchaseRecorded) and fact.event.amount.minor > 0:
            yield fact


def _refunded(known: Facts, name: str, paid: Money) -> Money:
    """Return how much of a purchase came back in all."""
    events = (fact.event for fact in known if isinstance(fact.event, sales.PurchaseReturned))
    minor = sum(event.amount.minor for event in events if event.purchase == name)
    return Money(minor=minor, currency=paid.currency)


def _to_reward(known: Facts, customer: UUID, name: str, about: About) -> UUID | None:
    """Return the account of who brought a customer along, if this purchase is the one that counts.

    That is the first one after both had said so (rules.md L18).
    """
    named = next((fact for fact in known if isinstance(fact.event, ReferrerNamed)), None)
    if named is None:
        return None
    registered = next(
        (
            fact
            for fact in about(named.event.referrer)
            if isinstance(fact.event, ReferralRegistered) and fact.event.referee == customer
        ),
        None,
    )
    if registered is None:
        return None
    since = max(named.position, registered.position)
    first = next((fact for fact in _purchases(known) if fact.position > since), None)
    return registered.stream.id if first and first.event.purchase == name else None
