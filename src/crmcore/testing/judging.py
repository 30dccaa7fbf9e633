"""What the rules say of answers: tiers, stages, points and limits, written down once more."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import combinations, product
from typing import Any

from msgspec.structs import replace

from crmcore.domain import customer, lead, opportunity
from crmcore.domain.calendar import day_of, zone
from crmcore.domain.customer import merging, profile, receivables, sales
from crmcore.domain.customer.acceptance import exposure_of
from crmcore.domain.customer.orders import OrderAccepted
from crmcore.domain.money import Money
from crmcore.domain.recorded import Recorded
from crmcore.policies import Policies, lens, lifecycle_under
from crmcore.projections import value_tiers
from crmcore.projections.projection import (
    Facts,
    Population,
    Projection,
    in_effect,
    registered,
    verdict,
)
from crmcore.projections.summary import summarise
from crmcore.testing.rulebook.ledger import Ledger

LOOKS = 1_000
AMOUNTS = (1, 100_000)
SCORES = re.compile(r"recency (\d), frequency (\d), money (\d) of 5")

# The arrows of the lifecycle (rules.md 3.1), by what moves a customer along: under any windows. A
# stage that is no end of an arrow of its own row is left by nothing of that kind.
BEFORE = ("prospect", "lead", "qualified", "opportunity")
BUYERS = ("active", "new", "reactivated", "inactive", "lost")  # time only moves to the right
DEALS = {("prospect", "lead"), ("lead", "qualified"), *product(BEFORE[:3], ["opportunity"])}
ARROWS: Mapping[str, frozenset[tuple[str | None, str]]] = {
    "time": frozenset(combinations(BUYERS, 2)),
    "registration": frozenset(product([None], [*BEFORE, *BUYERS, "closed", "gone"])),
    "a purchase": frozenset(
        {
            *product(BEFORE, ["active", "new"]),
            *product(["inactive", "lost"], ["active", "new", "reactivated"]),
            *product(["new", "reactivated"], ["active"]),
        }
    ),
    # The last purchase may go, which makes the silence longer, or the first, or the only one.
    "a return": frozenset(
        {*combinations(BUYERS, 2), ("reactivated", "new"), *product(BUYERS, BEFORE)}
    ),
    "a deal": frozenset({*DEALS, *combinations(reversed(BEFORE), 2)}),
    "an end": frozenset(product([*BEFORE, *BUYERS], ["closed"])),
    "a new start": frozenset(product(["closed"], [*BEFORE, *BUYERS])),
    "a merge": frozenset(product([*BEFORE, *BUYERS, "closed"], ["gone"])),
    "the end of a merge": frozenset(product(["gone"], [*BEFORE, *BUYERS, "closed"])),
    "anything else": frozenset(),
}
MOVERS: Mapping[str, tuple[type, ...]] = {
    "registration": (profile.CustomerRegistered,),
    "a purchase": (sales.PurchaseRecorded, receivables.InvoiceIssued),
    "a return": (sales.PurchaseReturned, receivables.CreditNoteIssued),
    "a deal": (
        lead.LeadCaptured, lead.LeadQualified, lead.LeadDisqualified, lead.LeadRecycled,
        opportunity.OpportunityOpened, opportunity.OpportunityReopened,
        opportunity.OpportunityWon, opportunity.OpportunityLost, opportunity.OpportunityMerged,
    ),
    "an end": (profile.Deactivated, profile.Blacklisted),
    "a new start": (profile.Reactivated, profile.Cleared),
    "a merge": (merging.MergedInto,),
    "the end of a merge": (merging.Unmerged,),
}  # fmt: skip


def off_the_arrows(policies: Policies, facts: Facts) -> Iterator[str]:
    """Yield the moves of a customer's stage that no arrow allows."""
    yield from astray(lifecycle_under(policies), facts)


def astray(stages: Projection[Any], facts: Facts) -> Iterator[str]:
    """Yield the moves of a projection of stages that no arrow allows: one fact after the other."""
    state, look, said = stages.initial, None, None
    for fact in in_effect(facts):
        at = fact.effective_at
        for instant in [*_looks(stages, state, look, at), at]:
            yield from _stray("time", said, now := _answer(stages, state, instant), instant)
            said = now
        state = stages.apply(state, fact)
        mover = next((m for m in MOVERS if isinstance(fact.event, MOVERS[m])), "anything else")
        yield from _stray(mover, said, now := _answer(stages, state, at), at)
        said, look = now, stages.next_look(state, at)
    for instant in _looks(stages, state, look, None):
        yield from _stray("time", said, now := _answer(stages, state, instant), instant)
        said = now


def _looks(
    stages: Projection[Any],
    state: Any,  # noqa: ANN401 - the projection's
    look: datetime | None,
    until: datetime | None,
) -> Iterator[datetime]:
    for _ in range(LOOKS):
        if look is None or (until is not None and look > until):
            return
        yield look
        look = stages.next_look(state, look)


def _answer(stages: Projection[Any], state: Any, at: datetime) -> str | None:  # noqa: ANN401 - the projection's
    said = stages.judge(state, at)
    return said.answer if said else None


def _stray(mover: str, before: str | None, after: str | None, at: datetime) -> Iterator[str]:
    if before != after and (before, after) not in ARROWS[mover]:
        yield f"{mover} moved the stage from {before} to {after} at {at}"


def worse_for_more(policies: Policies, population: Population, at: datetime) -> Iterator[str]:
    """Yield the tiers that one more purchase lowers, by the cut-offs of a population."""
    numbers = replace(policies.value_tiers, time_zone=policies.time_zone)
    customers = registered(population)
    cuts = value_tiers.cut_offs(customers.values(), at, numbers)
    tiers = (value_tiers.abc(cuts, numbers), value_tiers.rfm(cuts, numbers))
    for whom, facts in customers.items():
        yield from (f"{whom}: {what}" for what in lowered(tiers, facts, cuts.currency, at))


def lowered(
    tiers: Sequence[Projection[Any]], facts: Facts, currency: str, at: datetime
) -> Iterator[str]:
    """Yield the scores that one more purchase lowers: a small or a big one, early or late."""
    before = _scores(tiers, facts, at)
    for minor, index in product(AMOUNTS, sorted({0, len(facts) // 2, len(facts) - 1})):
        bought = _bought(facts, index, Money(minor=minor, currency=currency))
        after = _scores(tiers, in_effect([*facts, bought], at), at)
        if any(now < was for was, now in zip(before, after, strict=True)):
            yield f"{bought.event!r} more turned the scores {before} into {after}"


def _scores(tiers: Iterable[Projection[Any]], facts: Facts, at: datetime) -> list[int]:
    """Return the scores of tiers, higher is better: the place of a class, or recency and so on."""
    scores: list[int] = []
    for tier in tiers:
        said = verdict(tier, facts, at)
        assert said is not None, "a customer has a tier"
        if tier.question == "abc":
            scores.append(-value_tiers.CLASSES.index(said.answer))
        else:
            found = SCORES.fullmatch(said.rule)
            scores += map(int, found.groups()) if found else (0, 0, 0)
    return scores


def _bought(facts: Facts, index: int, amount: Money) -> Recorded[Any]:
    like = facts[index]
    bought = sales.PurchaseRecorded(
        purchase="one more",
        bought_on=like.effective_at.date(),
        amount=amount,
        quantity=None,
        product=None,
    )
    last = max(fact.position for fact in facts)
    return replace(like, event=bought, position=last + 1)


def points(policies: Policies, population: Population, at: datetime) -> Iterator[str]:
    """Yield where the summary's points are not those of the events."""
    page = summarise(population, at, 0, None, lens(policies, population, at))
    everything = [fact for facts in population.values() for fact in facts]
    yield from unbalanced(everything, at, page.loyalty["points"])


def unbalanced(facts: Iterable[Recorded[Any]], at: datetime, said: int) -> Iterator[str]:
    """Yield that points are not the sum of what events say of lots that can be spent (L22)."""
    ledgers: dict[Any, Ledger] = defaultdict(Ledger)
    for fact in facts:
        ledgers[fact.stream].enter(fact.event)
    if (summed := sum(ledger.usable(at) for ledger in ledgers.values())) != said:
        yield f"there are {said} points at {at}, and what happened comes to {summed}"


def accepted(policies: Policies, facts: Iterable[Recorded[Any]]) -> Iterator[str]:
    """Yield the orders that were accepted beyond the limit, or that state another exposure.

    What counts, and the tolerance, are known of those that were accepted under these policies.
    """
    state, where = customer.Customer(), zone(policies.time_zone)
    ours = {policies.label, policies.stamp}
    for fact in facts:
        state = customer.evolve(state, fact.event)
        if isinstance(event := fact.event, OrderAccepted):
            is_ours, limit = fact.policy in ours, event.limit
            books = customer.books(state, day_of(fact.effective_at, where))
            owed = exposure_of(books, policies.customer).total(policies.customer.counted)
            if is_ours and owed != event.exposure.minor:
                yield f"{event!r} says other than the {owed} that there is"
            most = Fraction(100 + policies.customer.tolerance_percent, 100)
            is_ours &= event.released is None
            if is_ours and isinstance(limit, Money) and not event.exposure <= limit.times(most):
                yield f"{event!r} is beyond the limit"
