"""What a fact of one aggregate asks of another: pure, and the same for whoever asks again.

A purchase earns points, a return takes them back, who brought the buyer along is rewarded, points
of who was merged come over, and who would not recommend us gets a ticket. Each reaction has a
command id that follows from its fact and its name, so that facts may be delivered any number of
times, by any number of processes, and after any crash. What was there when a fact took effect is
told by the times of facts, and not by how far behind a process is.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from crmcore.application.ids import aggregate_id, command_id
from crmcore.domain import loyalty, ticket
from crmcore.domain.act import Act
from crmcore.domain.bounds import MIGRATION
from crmcore.domain.customer import sales
from crmcore.domain.customer.merging import Absorbed, MergedInto, Unmerged
from crmcore.domain.customer.relationship import ReferralMade, SurveyAnswered
from crmcore.domain.loyalty.absorbing import AccountHandedOver
from crmcore.domain.loyalty.lineage import ReferrerNamed
from crmcore.domain.loyalty.referrals import ReferralQualified, ReferralRegistered
from crmcore.domain.loyalty.standing import AccountClosed, AccountResumed, Enrolled
from crmcore.domain.money import Money
from crmcore.domain.recorded import Recorded
from crmcore.domain.value import Value

ACTOR = "crmcore"
DETRACTOR_SCORE_MAX = 6  # of 10: whoever answers more is passive, or a promoter
SUBJECT_LENGTH_MAX = 200
LINEAGE_MAX = 99

Facts: TypeAlias = Sequence[Recorded[Any]]
About: TypeAlias = Callable[[UUID], Facts]
"""The facts about a customer, in all streams, as far as they are recorded."""


class Reaction(Value):
    """What is asked of one aggregate, in one act, because of a fact."""

    name: str
    commands: tuple[Any, ...]
    to: UUID


def reactions(fact: Recorded[Any], about: About) -> tuple[Reaction, ...]:
    """Return what follows from a fact; the facts before it have been reacted to."""
    customer = fact.customer
    if customer is None:
        return ()
    match fact.event:
        case sales.PurchaseRecorded() as bought if bought.amount.minor > 0:
            return tuple(_of_purchase(fact, bought, customer, about))
        case sales.PurchaseReturned(purchase=name):
            return tuple(_of_return(fact, name, customer, about))
        case ReferralMade(referred_customer=referee):
            return tuple(_of_referral(customer, referee, about))
        case Absorbed(absorbed_customer=other):
            return tuple(_of_merge(fact, customer, other, about))
        case AccountHandedOver():
            return tuple(_of_handover(fact, customer, about))
        case SurveyAnswered(kind="nps", scores=(score,)) as said if score <= DETRACTOR_SCORE_MAX:
            return (_of_detractor(said, customer, fact),)
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
    fact: Recorded[Any], bought: sales.PurchaseRecorded, customer: UUID, about: About
) -> Iterator[Reaction]:
    """Yield the points of a purchase, and the reward of who brought the customer along.

    That the first purchase counts, and no other, is a rule of the account (rules.md L18).
    """
    known = about(customer)
    account = _opened(known)
    if account is None or _when(fact) < _when(account):
        return
    earn = loyalty.Earn(source=bought.purchase, amount=bought.amount)
    yield Reaction(name="earn points", commands=(earn,), to=account.stream.id)
    registered = _registered(known, customer, about)
    if registered and _when(registered) < _when(fact):
        qualify = loyalty.QualifyReferral(referee=customer, source=bought.purchase)
        reward = loyalty.RewardReferral(referee=customer)
        to = registered.stream.id
        yield Reaction(name="reward a referral", commands=(qualify, reward), to=to)


def _of_return(fact: Recorded[Any], name: str, customer: UUID, about: About) -> Iterator[Reaction]:
    """Yield what is taken back for all of a purchase that came back so far (rules.md L7)."""
    known = about(customer)
    account, bought = _opened(known), _bought(known, name)
    if account is None or bought is None or _when(bought) < _when(account):
        return
    refunded = _refunded(known, name, fact, bought.event.amount)
    back = loyalty.ClawBack(source=name, refunded=refunded)
    yield Reaction(name="claw back points", commands=(back,), to=account.stream.id)
    if refunded == bought.event.amount:
        registered = _registered(known, customer, about)
        if registered and _has_qualified(registered, name, about):
            reverse = loyalty.ReverseReferral(referee=customer)
            to = registered.stream.id
            yield Reaction(name="reverse a referral", commands=(reverse,), to=to)


def _of_referral(referrer: UUID, referee: UUID, about: About) -> Iterator[Reaction]:
    """Yield that both accounts know who brought whom along, and by whose help."""
    known, theirs = about(referrer), about(referee)
    account, other = _opened(known), _opened(theirs)
    if account is None or other is None:
        return
    named = next((fact.event for fact in known if isinstance(fact.event, ReferrerNamed)), None)
    lineage = (named.referrer, *named.lineage)[:LINEAGE_MAX] if named else ()
    name = loyalty.NameReferrer(referrer=referrer, lineage=lineage)
    yield Reaction(name="name the referrer", commands=(name,), to=other.stream.id)
    register = loyalty.RegisterReferral(referee=referee)
    yield Reaction(name="register a referral", commands=(register,), to=account.stream.id)


def _of_merge(
    fact: Recorded[Any], survivor: UUID, absorbed: UUID, about: About
) -> Iterator[Reaction]:
    """Yield that the points of who was absorbed go over, to an account made for them if need be."""
    account, own = _opened(about(absorbed)), _opened(about(survivor))
    if account is None or _is_closed(own, about(survivor), fact):
        return
    if own is None:
        new = aggregate_id("loyalty", "reaction", f"{fact.stream}/{fact.version}")
        enrol = loyalty.Enrol(customer=survivor)
        yield Reaction(name="open an account", commands=(enrol,), to=new)
    over = loyalty.HandOver(customer=survivor)
    yield Reaction(name="hand points over", commands=(over,), to=account.stream.id)


def _of_handover(fact: Recorded[Any], absorbed: UUID, about: About) -> Iterator[Reaction]:
    """Yield that points arrive with who stands for their customer, as far as was known by then."""
    gone: AccountHandedOver = fact.event
    account = _opened(about(_standing(gone.customer, fact, about)))
    if account is None:
        return
    absorb = loyalty.Absorb(
        customer=absorbed,
        lots=gone.lots,
        owed=gone.owed,
        merits=gone.merits,
        handover=command_id("reaction", f"{fact.stream}/{fact.version}", "handover"),
    )
    yield Reaction(name="absorb an account", commands=(absorb,), to=account.stream.id)


def _standing(customer: UUID, until: Recorded[Any], about: About) -> UUID:
    """Return who stood for a customer in the end before a fact was recorded."""
    seen = [customer]
    while True:
        survivor: UUID | None = None
        for fact in about(seen[-1]):
            if fact.position < until.position and fact.stream.id == seen[-1]:
                match fact.event:
                    case MergedInto(surviving_customer=other):
                        survivor = other
                    case Unmerged(other_customer=other) if other == survivor:
                        survivor = None
                    case _:
                        pass
        if survivor is None or survivor in seen:
            return seen[-1]
        seen.append(survivor)


def _is_closed(account: Recorded[Any] | None, known: Facts, until: Recorded[Any]) -> bool:
    """Tell whether an account was closed before a fact was recorded: nothing goes over to it."""
    if account is None:
        return False
    events = [
        fact.event
        for fact in known
        if fact.stream == account.stream and fact.position < until.position
    ]
    said = [event for event in events if isinstance(event, AccountClosed | AccountResumed)]
    return bool(said) and isinstance(said[-1], AccountClosed)


def _of_detractor(said: SurveyAnswered, customer: UUID, fact: Recorded[Any]) -> Reaction:
    """Return the ticket of who would not recommend us: somebody has to ask why (rules.md T13)."""
    subject = f"Answered {said.scores[0]} of 10 about {said.touchpoint}"[:SUBJECT_LENGTH_MAX]
    opened = ticket.Open(
        customer=customer, subject=subject, kind="request", channel="survey", category="detractor"
    )
    to = aggregate_id("ticket", "reaction", f"{fact.stream}/{fact.version}")
    return Reaction(name="ask a detractor", commands=(opened,), to=to)


def _when(fact: Recorded[Any]) -> tuple[datetime, int]:
    return fact.effective_at, fact.position


def _opened(known: Facts) -> Recorded[Any] | None:
    """Return how the loyalty account of a customer was opened: the first one."""
    return next((fact for fact in known if isinstance(fact.event, Enrolled)), None)


def _bought(known: Facts, name: str) -> Recorded[Any] | None:
    bought = (fact for fact in known if isinstance(fact.event, sales.PurchaseRecorded))
    return next((fact for fact in bought if fact.event.purchase == name), None)


def _refunded(known: Facts, name: str, until: Recorded[Any], paid: Money) -> Money:
    """Return how much of a purchase came back in all, up to a fact."""
    events = (
        fact.event
        for fact in known
        if isinstance(fact.event, sales.PurchaseReturned) and fact.position <= until.position
    )
    minor = sum(event.amount.minor for event in events if event.purchase == name)
    return Money(minor=minor, currency=paid.currency)


def _registered(known: Facts, customer: UUID, about: About) -> Recorded[Any] | None:
    """Return how a customer was registered by who brought it along, where both say so."""
    named = next((fact.event for fact in known if isinstance(fact.event, ReferrerNamed)), None)
    if named is None:
        return None
    theirs = (f for f in about(named.referrer) if isinstance(f.event, ReferralRegistered))
    return next((fact for fact in theirs if fact.event.referee == customer), None)


def _has_qualified(registered: Recorded[Any], name: str, about: About) -> bool:
    """Tell whether this purchase was the one that counted."""
    referrer = registered.customer
    theirs = about(referrer) if referrer else ()
    events = (fact.event for fact in theirs if isinstance(fact.event, ReferralQualified))
    return any((e.referee, e.source) == (registered.event.referee, name) for e in events)
