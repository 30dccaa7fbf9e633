"""Whom somebody looks after: how many customers at once, and how many claimed a day.

No aggregate, but a process between them: written in the same transaction as what needs it, so that
of two claims at once one is decided after the other.
"""

from datetime import date
from functools import partial
from typing import Annotated, TypeAlias, assert_never
from uuid import UUID, uuid5

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.calendar import day_of, zone
from crmcore.domain.decider import Decider
from crmcore.domain.value import Rejection, Text, Value, require

_NAMESPACE = UUID("5d7f3a6e-0b5e-5f0c-9a44-7f3b1c2d8e90")


def portfolio_id(user: str) -> UUID:
    """Return the id of the stream of whom a user looks after."""
    return uuid5(_NAMESPACE, user)


class Policy(Value):
    """How many customers one user looks after, and claims from the pool a day."""

    capacity: Annotated[int, Meta(ge=1, le=10_000)] = 200
    claims_per_day: Annotated[int, Meta(ge=1, le=10_000)] = 10
    time_zone: str = "UTC"


# Commands


class Claim(Value, tag="portfolio.claim"):
    """Add a customer from the pool."""

    user: Text
    customer: UUID


class Take(Value, tag="portfolio.take"):
    """Add a customer that somebody else assigned, handed over or gave back."""

    user: Text
    customer: UUID


class LetGo(Value, tag="portfolio.let_go"):
    """Take a customer out."""

    user: Text
    customer: UUID


Command: TypeAlias = Claim | Take | LetGo


# Events


class CustomerClaimed(Value, tag="portfolio.customer_claimed"):
    """A customer came in from the pool, and counts as a claim of a day."""

    user: Text
    customer: UUID
    claimed_on: date


class CustomerTaken(Value, tag="portfolio.customer_taken"):
    """A customer came in from elsewhere."""

    user: Text
    customer: UUID


class CustomerLetGo(Value, tag="portfolio.customer_let_go"):
    """A customer went out."""

    user: Text
    customer: UUID


Event: TypeAlias = CustomerClaimed | CustomerTaken | CustomerLetGo


# Rejections


class PoolQuota(Rejection):
    """Nobody claims more customers a day than the quota, whatever becomes of them."""

    quota: int
    day: date


class Capacity(Rejection):
    """Nobody looks after more customers than the capacity."""

    capacity: int


Reason: TypeAlias = PoolQuota | Capacity


# State


class Portfolio(Value):
    """The customers of a user, and how many were claimed on the latest day of a claim."""

    held: tuple[UUID, ...] = ()
    day: date | None = None
    claims: int = 0


def decide(command: Command, portfolio: Portfolio, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return who comes in or goes out; what is so already is nothing to do (rules.md C3)."""
    user, customer = command.user, command.customer
    is_held = customer in portfolio.held
    match command:
        case LetGo():
            return (CustomerLetGo(user=user, customer=customer),) if is_held else ()
        case Claim() if not is_held:
            day = _claim_day(portfolio, act, policy)
            claims = portfolio.claims if portfolio.day == day else 0
            quota = policy.claims_per_day
            require(claims < quota, PoolQuota(quota=quota, day=day))
            _require_room(portfolio, policy)
            return (CustomerClaimed(user=user, customer=customer, claimed_on=day),)
        case Take() if not is_held:
            _require_room(portfolio, policy)
            return (CustomerTaken(user=user, customer=customer),)
        case Claim() | Take():
            return ()
        case _:
            assert_never(command)


def evolve(portfolio: Portfolio, event: Event) -> Portfolio:
    """Return the portfolio after a fact."""
    others = tuple(held for held in portfolio.held if held != event.customer)
    match event:
        case CustomerClaimed(customer=customer, claimed_on=day):
            claims = portfolio.claims + 1 if portfolio.day == day else 1
            return Portfolio(held=(*others, customer), day=day, claims=claims)
        case CustomerTaken(customer=customer):
            return replace(portfolio, held=(*others, customer))
        case CustomerLetGo():
            return replace(portfolio, held=others)
        case _:
            assert_never(event)


def decider(policy: Policy) -> Decider[Command, Portfolio, Event]:
    """Return the rules of a portfolio; its facts are in no customer's history."""
    return Decider(
        kind="portfolio",
        initial=Portfolio(),
        decide=partial(decide, policy=policy),
        evolve=evolve,
        customer=lambda *_: None,
        commands=Command,
        events=Event,
        rejections=Reason,
        threads=lambda _: ("portfolio",),
    )


def _claim_day(portfolio: Portfolio, act: Act, policy: Policy) -> date:
    """Return the day that a claim counts for: no claim is dated before the latest one."""
    day = day_of(act.effective_at, zone(policy.time_zone))
    return day if portfolio.day is None else max(day, portfolio.day)


def _require_room(portfolio: Portfolio, policy: Policy) -> None:
    require(len(portfolio.held) < policy.capacity, Capacity(capacity=policy.capacity))
