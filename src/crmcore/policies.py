"""The policies that are in force together: one named, versioned set of numbers."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from hashlib import sha256
from typing import Annotated, Any, TypeAlias, TypeVar, get_args

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from crmcore.application.bounded import why_not
from crmcore.domain import (
    adoption,
    customer,
    identity,
    loyalty,
    opportunity,
    portfolio,
    security,
    ticket,
)
from crmcore.domain.bounds import Bounds
from crmcore.domain.calendar import zone
from crmcore.domain.customer import OwnershipPolicy
from crmcore.domain.customer import Policy as CustomerPolicy
from crmcore.domain.customer.beside import GroupBooks
from crmcore.domain.decider import Decider
from crmcore.domain.loyalty import Policy as LoyaltyPolicy
from crmcore.domain.opportunity import Policy as OpportunityPolicy
from crmcore.domain.portfolio import Policy as PortfolioPolicy
from crmcore.domain.ticket import Policy as TicketPolicy
from crmcore.domain.value import CRMError, Ref, Value
from crmcore.projections import credit, lifecycle, value_tiers
from crmcore.projections.credit import Policy as CreditPolicy
from crmcore.projections.lifecycle import Policy as LifecyclePolicy
from crmcore.projections.projection import Population, Projection, registered
from crmcore.projections.summary import Lens
from crmcore.projections.value_tiers import Policy as ValuePolicy

Some = TypeVar("Some", bound=Value)


DIGITS = 12

_canonical = msgspec.json.Encoder(order="deterministic").encode


class Policies(Value):
    """Every number the business may change; each fact names those that it was decided under.

    The time zone is the business's and holds for every part. A fact is dated back by so many days
    at most, and never to a day up to which the books are closed.
    """

    name: Ref = "default"
    version: adoption.Version = adoption.SHIPPED_VERSION
    time_zone: str = "UTC"
    max_backdate_days: Annotated[int, Meta(ge=0, le=36_500)] = 90
    books_closed_through: date | None = None
    customer: CustomerPolicy = CustomerPolicy()
    ownership: OwnershipPolicy = OwnershipPolicy()
    portfolio: PortfolioPolicy = PortfolioPolicy()
    opportunity: OpportunityPolicy = OpportunityPolicy()
    ticket: TicketPolicy = TicketPolicy()
    loyalty: LoyaltyPolicy = LoyaltyPolicy()
    lifecycle: LifecyclePolicy = LifecyclePolicy()
    credit: CreditPolicy = CreditPolicy()
    value_tiers: ValuePolicy = ValuePolicy()

    @property
    def label(self) -> str:
        """The name and the version."""
        return f"{self.name}@{self.version}"

    @property
    def text(self) -> str:
        """Every number, in the one form that the digest is of: JSON in the order of names."""
        return _canonical(self).decode()

    @property
    def digest(self) -> str:
        """The SHA-256 of the text, in hexadecimal digits: other numbers, another digest."""
        return sha256(self.text.encode()).hexdigest()

    @property
    def stamp(self) -> str:
        """What facts carry: the label, and how the digest begins."""
        return stamp(self.name, self.version, self.digest)

    @property
    def bounds(self) -> Bounds:
        """When an act may take effect."""
        return Bounds(
            max_backdate_days=self.max_backdate_days,
            books_closed_through=self.books_closed_through,
            time_zone=self.time_zone,
        )


def stamp(name: str, version: int, digest: str) -> str:
    """Return what facts call policies.

    >>> stamp("default", 2, "9f86d081884c7d659a2f")
    'default@2+9f86d081884c'
    """
    return f"{name}@{version}+{digest[:DIGITS]}"


class InvalidPolicy(CRMError):
    """A number of the policies is out of its bounds, or two of them contradict each other."""


def checked(policies: Policies) -> Policies:
    """Return policies whose numbers are within their bounds; raise InvalidPolicy otherwise."""
    if not isinstance(policies, Policies):
        raise InvalidPolicy("the policies cannot be: they are no Policies")
    if (why := why_not(policies)) is not None:
        raise InvalidPolicy(f"the policies cannot be: {why}")
    try:
        zone(policies.time_zone)
        found = msgspec.json.decode(msgspec.json.encode(policies), type=Policies)
    except (
        ValueError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as error:  # msgspec's are among them
        raise InvalidPolicy(f"the policies cannot be: {error}") from error
    for contradiction in _contradictions(found):
        raise InvalidPolicy(f"the policies cannot be: {contradiction}")
    return found


def read(text: str) -> Policies:
    """Return the policies that a JSON text states; InvalidPolicy if it states none.

    What an earlier release did not know yet is as it is by default.
    """
    try:
        return checked(msgspec.json.decode(text, type=Policies))
    except (ValueError, RecursionError) as error:  # msgspec's errors are among them
        raise InvalidPolicy(f"the policies cannot be read: {error}") from error


def _contradictions(policies: Policies) -> Iterator[str]:
    """Yield what numbers that are within their bounds contradict each other in."""
    tiers, grades = policies.value_tiers, policies.credit
    if tiers.a_percent > tiers.b_percent or grades.a_score < grades.b_score:
        yield "class or grade A lies above B"
    pipelines = policies.opportunity.pipelines
    for label in _twice(pipeline.label for pipeline in pipelines):
        yield f"opportunity.pipelines: two are called {label}"
    for pipeline in pipelines:
        for name in _twice(stage.name for stage in pipeline.stages):
            yield f"opportunity.pipelines: two stages of {pipeline.label} are called {name}"


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, number in Counter(names).items() if number > 1]


def deciders(
    policies: Policies, rules: Iterable[Decider[Any, Any, Any]] = ()
) -> tuple[Decider[Any, Any, Any], ...]:
    """Return the rules of the four aggregates under these policies, or `rules` in their place.

    Raises InvalidPolicy for rules that lead to other facts than those of an aggregate here.
    """
    ours = (
        customer.decider(_local(policies, policies.customer), owning_under(policies)),
        opportunity.decider(dealing_under(policies)),
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


def _adoption(policies: Policies) -> Decider[Any, Any, Any]:
    return adoption.decider(adoption.Policy(time_zone=policies.time_zone), _stated)


def _stated(text: str) -> adoption.Stated | None:
    try:
        found = read(text)
    except InvalidPolicy:
        return None
    if found.text != text:  # the digest is that of the one form
        return None
    return adoption.Stated(name=found.name, version=found.version, digest=found.digest)


def _portfolio(policies: Policies) -> Decider[Any, Any, Any]:
    return portfolio.decider(_local(policies, policies.portfolio))


PROCESSES: tuple[Process, ...] = (
    _adoption,
    _portfolio,
    lambda _: identity.decider(),
    lambda _: security.decider(),
)
"""What makes the rules of each kind of process: a stream of the business that is no aggregate."""


def processes(policies: Policies) -> tuple[Decider[Any, Any, Any], ...]:
    """Return the rules of what is no aggregate, such as what all customers share."""
    return tuple(process(policies) for process in PROCESSES)


def owning_under(policies: Policies) -> OwnershipPolicy:
    """Return when customers go back to the pool under these policies."""
    return _local(policies, policies.ownership)


def dealing_under(policies: Policies) -> OpportunityPolicy:
    """Return what deals and leads are judged by under these policies."""
    return _local(policies, policies.opportunity)


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


def credit_under(policies: Policies, group: GroupBooks | None = None) -> Projection[Any]:
    """Return the credit projection; it accepts orders as the customer's rules do."""
    acceptance = _local(policies, policies.customer)
    return credit.credit(replace(_local(policies, policies.credit), acceptance=acceptance), group)


def _local(policies: Policies, policy: Some) -> Some:
    return replace(policy, time_zone=policies.time_zone)
