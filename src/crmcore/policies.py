"""The policies that are in force together: one named, versioned set of numbers."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Any, TypeAlias, TypeVar, get_args

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain import customer, loyalty, opportunity, ticket
from crmcore.domain.calendar import zone
from crmcore.domain.customer import Policy as CustomerPolicy
from crmcore.domain.decider import Decider
from crmcore.domain.loyalty import Policy as LoyaltyPolicy
from crmcore.domain.opportunity import Policy as OpportunityPolicy
from crmcore.domain.ticket import Policy as TicketPolicy
from crmcore.domain.value import CRMError, Ref, Value
from crmcore.projections import credit, lifecycle, value_tiers
from crmcore.projections.credit import Policy as CreditPolicy
from crmcore.projections.lifecycle import Policy as LifecyclePolicy
from crmcore.projections.projection import Population, Projection, registered
from crmcore.projections.summary import Lens
from crmcore.projections.value_tiers import Policy as ValuePolicy

Some = TypeVar("Some", bound=Value)


class Policies(Value):
    """Every number the business may change; the name and version are recorded with each fact.

    The time zone is the business's and holds for every part.
    """

    name: Ref = "default"
    version: Annotated[int, Meta(ge=1, le=999_999)] = 1
    time_zone: str = "UTC"
    customer: CustomerPolicy = CustomerPolicy()
    opportunity: OpportunityPolicy = OpportunityPolicy()
    ticket: TicketPolicy = TicketPolicy()
    loyalty: LoyaltyPolicy = LoyaltyPolicy()
    lifecycle: LifecyclePolicy = LifecyclePolicy()
    credit: CreditPolicy = CreditPolicy()
    value_tiers: ValuePolicy = ValuePolicy()

    @property
    def label(self) -> str:
        """The name that facts carry."""
        return f"{self.name}@{self.version}"


class InvalidPolicy(CRMError):
    """A number of the policies is out of its bounds, or two of them contradict each other."""


def checked(policies: Policies) -> Policies:
    """Return policies whose numbers are within their bounds; raise InvalidPolicy otherwise."""
    try:
        zone(policies.time_zone)
        found = msgspec.json.decode(msgspec.json.encode(policies), type=Policies)
    except (ValueError, TypeError) as error:  # msgspec's errors are among them
        raise InvalidPolicy(f"the policies cannot be: {error}") from error
    tiers = found.value_tiers
    if tiers.a_percent > tiers.b_percent or found.credit.a_score < found.credit.b_score:
        raise InvalidPolicy("the policies cannot be: class or grade A lies above B")
    return found


def deciders(
    policies: Policies, rules: Iterable[Decider[Any, Any, Any]] = ()
) -> tuple[Decider[Any, Any, Any], ...]:
    """Return the rules of the four aggregates under these policies, or `rules` in their place.

    Raises InvalidPolicy for rules that lead to other facts than those of an aggregate here.
    """
    ours = (
        customer.decider(_local(policies, policies.customer)),
        opportunity.decider(_local(policies, policies.opportunity)),
        ticket.decider(_local(policies, policies.ticket)),
        loyalty.decider(_local(policies, policies.loyalty)),
    )
    own = {decider.kind: decider for decider in rules}
    facts = {decider.kind: decider.events for decider in ours}
    for kind, decider in own.items():
        if kind not in facts or set(get_args(decider.events)) != set(get_args(facts[kind])):
            raise InvalidPolicy(f"the rules of {kind} lead to facts that cannot be stored")
    return tuple(own.get(decider.kind, decider) for decider in ours)


Process: TypeAlias = Callable[[Policies], Decider[Any, Any, Any]]

PROCESSES: tuple[Process, ...] = ()
"""What makes the rules of each kind of process: a stream of the business that is no aggregate."""


def processes(policies: Policies) -> tuple[Decider[Any, Any, Any], ...]:
    """Return the rules of what is no aggregate, such as what all customers share."""
    return tuple(process(policies) for process in PROCESSES)


def lens(policies: Policies, population: Population, as_of: datetime) -> Lens:
    """Return the projections under these policies, their cut-offs from a population of a day."""
    tiers = _local(policies, policies.value_tiers)
    cuts = value_tiers.cut_offs(registered(population).values(), as_of, tiers)
    return Lens(
        lifecycle=lifecycle_under(policies),
        credit=credit_under(policies),
        abc=value_tiers.abc(cuts, tiers),
        rfm=value_tiers.rfm(cuts, tiers),
        time_zone=policies.time_zone,
    )


def lifecycle_under(policies: Policies) -> Projection[Any]:
    """Return the lifecycle projection under these policies."""
    return lifecycle.lifecycle(_local(policies, policies.lifecycle))


def credit_under(policies: Policies) -> Projection[Any]:
    """Return the credit projection; it accepts orders as the customer's rules do."""
    acceptance = _local(policies, policies.customer)
    return credit.credit(replace(_local(policies, policies.credit), acceptance=acceptance))


def _local(policies: Policies, policy: Some) -> Some:
    return replace(policy, time_zone=policies.time_zone)
