"""Mistakes 11 with customers: the quota of a pool, and a merge."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Literal, TypeAlias, assert_never

from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.value import Ref, Rejection, Text, Value, found, require
from crmcore.testing import History, law
from crmcore.testing.steps import AnyDecider
from tests.testing.mistakes.port import Mistake, small

QUOTA = 2  # customers that one may claim a day


# Whoever has time claims a customer from the pool, and releases one again.


class Claim(Value, tag="pool.claim"):
    customer: Ref


class Release(Value, tag="pool.release"):
    customer: Ref


class Claimed(Value, tag="pool.claimed"):
    customer: Ref
    by: Text
    on: date


class Released(Value, tag="pool.released"):
    customer: Ref


class NotInPool(Rejection):
    """Who is claimed is in the pool."""

    customer: str


class NotOwner(Rejection):
    """Who releases a customer is in charge of it."""

    customer: str


class QuotaUsed(Rejection):
    """Nobody claims more than so many customers a day."""

    quota: int


class Pool(Value):
    owned: tuple[Claimed, ...] = ()
    today: tuple[Claimed, ...] = ()


def claim(
    command: Claim | Release, pool: Pool, act: Act, *, of_the_owned: bool
) -> tuple[Claimed | Released, ...]:
    """Count the claims of today, or the customers claimed today who are still owned."""
    name, by, today = command.customer, act.by, act.effective_at.date()
    owned = next((one for one in pool.owned if one.customer == name), None)
    if isinstance(command, Release):
        require(found(owned, NotOwner(customer=name)).by == by, NotOwner(customer=name))
        return (Released(customer=name),)
    require(owned is None, NotInPool(customer=name))
    counted = pool.owned if of_the_owned else pool.today
    used = sum((one.by, one.on) == (by, today) for one in counted)
    require(used < QUOTA, QuotaUsed(quota=QUOTA))
    return (Claimed(customer=name, by=by, on=today),)


def claimed(pool: Pool, event: Claimed | Released) -> Pool:
    if isinstance(event, Claimed):
        today = tuple(one for one in pool.today if one.on == event.on)
        return Pool(owned=(*pool.owned, event), today=(*today, event))
    left = tuple(one for one in pool.owned if one.customer != event.customer)
    return replace(pool, owned=left)


@law
def nobody_claims_more_than_the_quota(_: AnyDecider, history: History) -> Iterator[str]:
    """Claims count, whatever becomes of the customers (rules.md C3)."""
    claims = Counter[tuple[str, date]]()
    for step in history.steps:
        for event in step.events:
            if isinstance(event, Claimed):
                claims[step.act.by, step.at.date()] += 1
        yield from (f"{by} claims {n} on {on}" for (by, on), n in claims.items() if n > QUOTA)


# Customers with subscriptions of their own, one of a kind, are merged and unmerged.


Topic: TypeAlias = Literal["news", "offers", "events"]


class Subscribe(Value, tag="merges.subscribe"):
    customer: Ref
    topic: Topic


class Merge(Value, tag="merges.merge"):
    absorbed_customer: Ref
    surviving_customer: Ref


class Unmerge(Value, tag="merges.unmerge"):
    absorbed_customer: Ref


class Subscribed(Value, tag="merges.subscribed"):
    customer: Ref
    topic: Topic


class Merged(Value, tag="merges.merged"):
    absorbed_customer: Ref
    surviving_customer: Ref


class Unmerged(Value, tag="merges.unmerged"):
    absorbed_customer: Ref
    topics: tuple[Topic, ...]


class UnknownCustomer(Rejection):
    """Who is merged is known, and another."""

    customer: str


class MergedAway(Rejection):
    """Nothing but the end of its merge comes to an absorbed customer."""

    customer: str


class NotMerged(Rejection):
    """A merge that ends is there."""

    customer: str


Command: TypeAlias = Subscribe | Merge | Unmerge
Event: TypeAlias = Subscribed | Merged | Unmerged


class Merges(Value):
    customers: tuple[str, ...] = ()
    rows: tuple[Subscribed, ...] = ()
    absorbed: tuple[str, ...] = ()

    def topics(self, customer: str) -> tuple[Topic, ...]:
        return tuple(row.topic for row in self.rows if row.customer == customer)


def merge(command: Command, merges: Merges, _: Act) -> tuple[Event, ...]:
    match command:
        case Subscribe(customer=name, topic=topic):
            require(name not in merges.absorbed, MergedAway(customer=name))
            if topic in merges.topics(name):
                return ()
            return (Subscribed(customer=name, topic=topic),)
        case Merge(absorbed_customer=absorbed, surviving_customer=survivor):
            for name in (absorbed, survivor):
                require(name in merges.customers, UnknownCustomer(customer=name))
                require(name not in merges.absorbed, MergedAway(customer=name))
            require(absorbed != survivor, UnknownCustomer(customer=survivor))
            return (Merged(absorbed_customer=absorbed, surviving_customer=survivor),)
        case Unmerge(absorbed_customer=name):
            require(name in merges.absorbed, NotMerged(customer=name))
            return (Unmerged(absorbed_customer=name, topics=merges.topics(name)),)
        case _:
            assert_never(command)


def merged(merges: Merges, event: Event, *, deletes: bool) -> Merges:
    """Leave rows where they are, or delete them if the survivor has one of the same kind."""
    match event:
        case Subscribed(customer=name):
            known = tuple(dict.fromkeys((*merges.customers, name)))
            return replace(merges, customers=known, rows=(*merges.rows, event))
        case Merged(absorbed_customer=name, surviving_customer=survivor):
            clash = {*merges.topics(name)} & {*merges.topics(survivor)}
            gone = name if deletes and clash else None
            rows = tuple(row for row in merges.rows if row.customer != gone)
            return replace(merges, rows=rows, absorbed=(*merges.absorbed, name))
        case Unmerged(absorbed_customer=name):
            others = tuple(other for other in merges.absorbed if other != name)
            return replace(merges, absorbed=others)
        case _:
            assert_never(event)


@law
def a_merge_that_ends_has_changed_nothing(_: AnyDecider, history: History) -> Iterator[str]:
    """What was known of a customer before a merge is known when it ends (rules.md M2)."""
    topics = defaultdict[str, set[str]](set)
    for event in history.events:
        if isinstance(event, Subscribed):
            topics[event.customer].add(event.topic)
        if isinstance(event, Unmerged) and topics[event.absorbed_customer] != {*event.topics}:
            yield f"{event!r} has lost some of {topics[event.absorbed_customer]}"


def pool(*, of_the_owned: bool) -> AnyDecider:
    unions = (Claim | Release, Claimed | Released, NotInPool | NotOwner | QuotaUsed)
    return small(Pool(), partial(claim, of_the_owned=of_the_owned), claimed, *unions)


def merges(*, deletes: bool) -> AnyDecider:
    evolve = partial(merged, deletes=deletes)
    unions = (Command, Event, UnknownCustomer | MergedAway | NotMerged)
    return small(Merges(), merge, evolve, *unions)


MISTAKES = (
    Mistake(
        11, "C3", "who claims, releases and claims again evades the quota",
        pool(of_the_owned=True), pool(of_the_owned=False), nobody_claims_more_than_the_quota, 4,
    ),
    Mistake(
        11, "M2", "a merge deletes the rows of the absorbed customer",
        merges(deletes=True), merges(deletes=False), a_merge_that_ends_has_changed_nothing, 4,
    ),
)  # fmt: skip
