"""Bugs that are planted in who is in charge of a customer, and in the processes between them."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from crmcore.domain import customer, identity, portfolio
from crmcore.domain.act import Act
from crmcore.domain.customer import ownership
from crmcore.domain.customer.ownership import (
    SALES_MANAGER,
    ClaimFromPool,
    OwnerAssigned,
    RecycledToPool,
)
from tests.testing.planted import (
    CUSTOMER,
    Planted,
    among,
    believing,
    changed,
    deciding,
    evolving,
)

FEW = portfolio.decider(portfolio.Policy(claims_per_day=2, capacity=5))
IDENTITY = identity.decider()


def _is_never_in_charge(known: customer.Customer, _: Act) -> customer.Customer:
    return replace(known, ownership=ownership.Ownership())


def _forgets_the_former(known: customer.Customer, _: Act) -> customer.Customer:
    return replace(known, ownership=replace(known.ownership, since=None, former=()))


def _lapses_late(_: customer.Customer, event: Any) -> Any:  # noqa: ANN401 - any event
    if isinstance(event, RecycledToPool):
        return replace(event, at=event.at.replace(year=event.at.year + 1))
    return event


def _lets_anybody_in(command: Any, known: customer.Customer, act: Act) -> tuple[Any, ...]:  # noqa: ANN401 - any command
    if isinstance(command, customer.access.Command):
        act = replace(act, roles=act.roles | {SALES_MANAGER})
    return CUSTOMER.decide(command, known, act)


def _names_somebody_else(known: customer.Customer, event: Any) -> Any:  # noqa: ANN401 - any event
    if isinstance(event, ownership.ReleasedToPool):
        return replace(event, owner=f"not {known.ownership.owner}")
    return event


def _counts_what_is_held(state: portfolio.Portfolio, event: Any) -> portfolio.Portfolio:  # noqa: ANN401 - any event
    after: portfolio.Portfolio = FEW.evolve(state, event)
    gone = isinstance(event, portfolio.CustomerLetGo)
    return replace(after, claims=max(0, after.claims - 1)) if gone else after


def _forgets_whom_it_holds(state: portfolio.Portfolio, event: Any) -> portfolio.Portfolio:  # noqa: ANN401 - any event
    after: portfolio.Portfolio = FEW.evolve(state, event)
    return replace(after, held=after.held[-4:])


def _lets_others_have_it(command: Any, state: identity.Identity, act: Act) -> tuple[Any, ...]:  # noqa: ANN401 - any command
    if isinstance(command, identity.Reserve) and state.customer != command.customer:
        state = identity.Identity()
    return IDENTITY.decide(command, state, act)


def _claims_by_hand_over(_: customer.Customer, event: Any) -> Any:  # noqa: ANN401 - any event
    return replace(event, how="transferred") if isinstance(event, OwnerAssigned) else event


# Who looks after a customer: of all its commands they are a few.
CARE = (
    customer.Register | customer.ClaimFromPool | customer.AssignOwner | customer.TransferOwner
    | customer.ReleaseToPool | customer.RecycleToPool | customer.GrantAccess
    | customer.RevokeAccess | customer.LogInteraction | customer.PlanFollowUp
    | customer.CompleteFollowUp
)  # fmt: skip


PLANTED_PEOPLE: Sequence[Planted] = (
    Planted(
        "lets a customer be claimed from its owner",
        "C2",
        among(CARE, believing(CUSTOMER, ClaimFromPool, _is_never_in_charge)),
        3,
    ),
    Planted(
        "calls a claim a handing over",
        "C2",
        among(CARE, changed(CUSTOMER, _claims_by_hand_over)),
        2,
    ),
    Planted(
        "releases in another's name", "C2", among(CARE, changed(CUSTOMER, _names_somebody_else)), 3
    ),
    Planted(
        "lets nobody wait",
        "C3",
        among(CARE, believing(CUSTOMER, ClaimFromPool, _forgets_the_former)),
        4,
    ),
    Planted("claims count while they are held", "C3", evolving(FEW, _counts_what_is_held), 4),
    Planted("takes in more than there is room for", "C3", evolving(FEW, _forgets_whom_it_holds), 6),
    Planted("goes back a year late", "C4", among(CARE, changed(CUSTOMER, _lapses_late)), 3),
    Planted(
        "lets anybody let others in", "C5", among(CARE, deciding(CUSTOMER, _lets_anybody_in)), 2
    ),
    Planted("gives a tax id to two", "C1", deciding(IDENTITY, _lets_others_have_it), 2),
)
"""Each with the fewest commands that show it."""
