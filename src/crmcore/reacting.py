"""Carries out what facts ask of other aggregates, by following the log."""

from collections.abc import Callable, Sequence
from threading import Event
from typing import Any, TypeAlias
from uuid import UUID

from crmcore.application.consumer import LIMIT, Consumer, Delivered
from crmcore.application.handle import Outcome
from crmcore.application.journal import Journal
from crmcore.application.reactions import act_of, reactions
from crmcore.domain.act import Act
from crmcore.domain.recorded import Recorded
from crmcore.domain.value import CRMError, Rejected, Value

NAME = "reactions"

CarryOut: TypeAlias = Callable[[Sequence[tuple[Act, Sequence[tuple[Value, UUID]]]]], list[Outcome]]


class Reactions:
    """A consumer of the log that lets one aggregate's facts act on another.

    What it asks for has command ids that follow from the facts: so it may be stopped, killed and
    started anywhere, twice as well. What the rules refuse is not asked again: a refusal is an
    answer, such as of a suspended account.
    """

    def __init__(
        self,
        consumer: Consumer,
        journal: Journal,
        carry_out: CarryOut,
        position: Callable[[], int],
    ) -> None:
        self._consumer = consumer
        self._journal = journal
        self._carry_out = carry_out
        self._position = position

    def deliver(self, *, limit: int = LIMIT) -> Delivered:
        """React to at most `limit` facts, in order; raise StoreError or Conflict."""
        return self._consumer.deliver(self._react, limit=limit)

    def catch_up(self, *, limit: int = LIMIT) -> Delivered:
        """React to all facts that there are, also to those that this leads to."""
        delivered = self.deliver(limit=limit)
        while delivered.position < self._position():
            delivered = self.deliver(limit=limit)
        return delivered

    def run(self, *, stop: Event, limit: int = LIMIT) -> None:
        """React until `stop` is set, and wait for what comes."""
        self._consumer.run(self._react, stop=stop, limit=limit)

    def _react(self, fact: Recorded[Any], _: object) -> None:
        for reaction in reactions(fact, self._about):
            commands = [(command, reaction.to) for command in reaction.commands]
            [outcome] = self._carry_out([(act_of(fact, reaction), commands)])
            if isinstance(outcome, CRMError) and not isinstance(outcome, Rejected):
                raise outcome

    def _about(self, customer: UUID) -> Sequence[Recorded[Any]]:
        """Return what is recorded about a customer, also what followed from the fact before."""
        return self._journal.about(customer, through=self._position())
