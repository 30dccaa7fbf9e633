"""The rules that are in force: under the policies that were given, or those adopted by then."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, tzinfo
from functools import lru_cache
from time import monotonic
from typing import Any, TypeAlias, get_args

from crmcore.application.carry_out import patiently
from crmcore.application.ids import aggregate_id
from crmcore.application.journal import Journal
from crmcore.domain.adoption import PolicyAdopted, in_force
from crmcore.domain.bounds import Bounds
from crmcore.domain.calendar import zone
from crmcore.domain.decider import Decider
from crmcore.domain.recorded import Stream
from crmcore.domain.value import Value
from crmcore.policies import InvalidPolicy, Policies, deciders, processes, read, stamp

ADOPTIONS = Stream(kind="policies", id=aggregate_id("policies", "crmcore", "adopted"))
"""The one stream of a store in which policies are adopted."""

REMEMBERED_S = 1.0
SETS_MAX = 64

Rules: TypeAlias = Decider[Any, Any, Any]
Adoptions: TypeAlias = Sequence[PolicyAdopted]


class InForce(Value):
    """Policies, and the rules that are made of them; `stamp` is what facts call them."""

    policies: Policies
    stamp: str
    bounds: Bounds
    deciders: tuple[Rules, ...]
    processes: tuple[Rules, ...]
    by_command: dict[type, Rules]
    zone: tzinfo


def made(policies: Policies, stamp: str, own: Iterable[Rules]) -> InForce:
    """Return the rules under these policies, those of one's own in the place of ours."""
    aggregates, others = deciders(policies, own), processes(policies)
    return InForce(
        policies=policies,
        stamp=stamp,
        bounds=policies.bounds,
        deciders=aggregates,
        processes=others,
        by_command={
            command: decider
            for decider in (*aggregates, *others)
            for command in get_args(decider.commands) or (decider.commands,)
        },
        zone=zone(policies.time_zone),
    )


class Adopted:
    """Finds the rules of any time by what was adopted; `given` policies hold for all times.

    What others adopt meanwhile is seen within REMEMBERED_S: until then facts are decided under the
    policies that they name, as they would have been a moment earlier.
    """

    def __init__(
        self,
        journal: Journal,
        given: Policies | None,
        own: Sequence[Rules],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._journal = journal
        self._own = own
        self._clock = clock
        default = given or Policies()
        self._default = made(default, default.stamp, own)
        self._is_given = given is not None
        self._under = lru_cache(SETS_MAX)(self._made)
        self._known: tuple[float, Adoptions] = (0.0, ())

    @property
    def default(self) -> InForce:
        """The rules where nothing is adopted: under what is given, or what ships."""
        return self._default

    def on(self, at: datetime, through: int | None = None) -> InForce:
        """Return the rules in force at an instant, by what is known now or was at a position."""
        return self.among(self.adoptions(through), at)

    def among(self, adoptions: Adoptions, at: datetime) -> InForce:
        """Return the rules in force at an instant by these adoptions."""
        if self._is_given:
            return self._default
        adopted = in_force(adoptions, at)
        return self._default if adopted is None else self._under(adopted)

    def adoptions(self, through: int | None = None) -> Adoptions:
        """Return what was adopted, as far as it is known now, or was at a position."""
        if self._is_given:
            return ()
        if through is not None:
            return [fact.event for fact in self._journal.stream(ADOPTIONS, through=through)]
        _, known = self._known
        if self.is_stale:
            known = self.recorded()
            self._known = self._clock() + REMEMBERED_S, known
        return known

    @property
    def is_stale(self) -> bool:
        """Whether the next look reads the store."""
        return not self._is_given and self._clock() >= self._known[0]

    def recorded(self) -> Adoptions:
        """Return everything that was ever adopted, read anew."""
        past = patiently(lambda: self._journal.read([ADOPTIONS])).get(ADOPTIONS)
        return [fact.event for fact in past.facts] if past else []

    def forget(self) -> None:
        """Look again next time: something was adopted here."""
        self._known = (0.0, ())

    def _made(self, adopted: PolicyAdopted) -> InForce:
        return made(policies_of(adopted), stamp_of(adopted), self._own)


def policies_of(adopted: PolicyAdopted) -> Policies:
    """Return the policies that were adopted; InvalidPolicy where a newer crmcore wrote them."""
    try:
        return read(adopted.policies)
    except InvalidPolicy as error:
        raise InvalidPolicy(f"{stamp_of(adopted)} was adopted, and {error}") from error


def stamp_of(adopted: PolicyAdopted) -> str:
    """Return what facts call policies that were adopted."""
    return stamp(adopted.name, adopted.version, adopted.digest)
