"""The facade: commands in, facts and answers out, over one store."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial
from itertools import chain, takewhile
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias
from uuid import UUID, uuid4

from crmcore.application.carry_out import carry_out, carry_out_async
from crmcore.application.consumer import Checkpoints, Consumer, followed
from crmcore.application.evidence import Proven
from crmcore.application.group import AsyncGroup, Group
from crmcore.application.handle import (
    InvalidCommand,
    Outcome,
    Receipt,
    Request,
    Task,
    attempt,
)
from crmcore.application.journal import Conflict, Journal, StoreError
from crmcore.application.merkle import NotProved
from crmcore.application.notes import unsigned
from crmcore.application.processes import together
from crmcore.application.states import Remembered, astray
from crmcore.application.tree_check import next_checkpoint
from crmcore.application.verification import Progress, Verification
from crmcore.application.views import Difference, Row, Views
from crmcore.comparing import (
    OWN,
    QUESTIONS,
    Moved,
    Own,
    Question,
    WhatIf,
    moved,
    stretches,
    what_if,
)
from crmcore.domain import opportunity
from crmcore.domain.act import Act
from crmcore.domain.adoption import Adopt
from crmcore.domain.calendar import FIRST_DAY, LAST_DAY, end_of, start_of, zone
from crmcore.domain.customer import (
    AssignOwner,
    ClaimFromPool,
    Customer,
    Held,
    MergeInto,
    OwnershipPolicy,
    RecycleToPool,
    ReleaseToPool,
    TaxId,
    TransferOwner,
    Unmerge,
    VerifyTaxId,
)
from crmcore.domain.customer.beside import GroupBooks
from crmcore.domain.customer.credit import Grade
from crmcore.domain.customer.duplicates import Suggestion, possible_duplicates
from crmcore.domain.customer.group import GroupJoined, MemberAdmitted
from crmcore.domain.customer.informing import group_of
from crmcore.domain.customer.merging import Absorbed, MergedInto, resolved
from crmcore.domain.customer.ownership import in_charge, owners
from crmcore.domain.decider import Decider
from crmcore.domain.loyalty import Account
from crmcore.domain.money import Money
from crmcore.domain.opportunity import Opportunity
from crmcore.domain.portfolio import Portfolio, portfolio_id
from crmcore.domain.recorded import Recorded, Stream
from crmcore.domain.ticket import Ticket
from crmcore.domain.timeline import Timeline
from crmcore.domain.value import CRMError, Value
from crmcore.in_force import (
    ADOPTIONS,
    Adopted,
    Adoptions,
    InForce,
    policies_of,
    stamp_of,
)
from crmcore.infrastructure.bundles import bundle, check
from crmcore.infrastructure.checkpoints import MemoryCheckpoints
from crmcore.infrastructure.forms import forms_of
from crmcore.infrastructure.memory import MemoryJournal
from crmcore.infrastructure.sealer import INTERVAL_S, Sealer
from crmcore.infrastructure.signing import new_key, opened, private_key, public, public_key, signed
from crmcore.infrastructure.views import MemoryViews
from crmcore.policies import (
    Policies,
    checked,
    credit_under,
    dealing_under,
    lens,
    lifecycle_under,
    owning_under,
)
from crmcore.projections.deals import Deals, deals_of, outlook
from crmcore.projections.lead_score import lead_score
from crmcore.projections.merging import carried, survivors
from crmcore.projections.moving import Buying, buying
from crmcore.projections.pipeline import (
    Pipeline,
    WinRate,
    forecast,
    weighted_pipeline,
    win_rate,
)
from crmcore.projections.projection import (
    Answer,
    Facts,
    answer,
    by_customer,
    in_effect,
    registered,
)
from crmcore.projections.spells import Spell, spells
from crmcore.projections.summary import Summary, summarise
from crmcore.reacting import NAME as REACTIONS
from crmcore.reacting import Reactions
from crmcore.security_log import KIND, attempts_at, refusals

When: TypeAlias = date | datetime | None
Known: TypeAlias = int | date | datetime | None

DEFAULT_STORE = "./crmcore-data"
ROLES_MAX = 100
COMMANDS_MAX = 1_000
POSITION_MAX = 10**15
PAIR = 2
WORST_FIRST: tuple[Grade, ...] = ("D", "C", "B", "A")


class NotFound(CRMError):
    """Nothing is recorded under this name, or not yet."""


class ValueAnswer(Value):
    """What a customer is worth: the class by revenue, and the segment by behaviour."""

    abc: Answer
    rfm: Answer


class Rebuilt(Value):
    """What a rebuild did: how many facts it read, and how the answers differ from before."""

    facts: int
    customers: int
    answers: Difference


class CRM:
    """A CRM over one journal; safe to share between threads; close it, or use it in `with`.

    `policies` hold for everything, whatever was adopted: what if we had these? Without them each
    act is decided, and each date answered, under the policies adopted for it, else what ships.
    `rules` are deciders of yours, each in the place of ours of its kind: such as ours with another
    decision around it. They decide under numbers of their own, and not under those of `policies`.
    """

    def __init__(
        self,
        journal: Journal,
        views: Views,
        checkpoints: Checkpoints,
        *,
        policies: Policies | None = None,
        rules: Iterable[Decider[Any, Any, Any]] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], UUID] = uuid4,
    ) -> None:
        self.journal = journal
        self._views = views
        self._checkpoints = checkpoints
        self._clock = clock
        self._new_id = new_id
        self._rules = tuple(rules)
        self._given = None if policies is None else checked(policies)
        self._adopted = Adopted(journal, self._given, self._rules)
        default = self._adopted.default
        self._storable = (*default.deciders, *default.processes)  # they fold alike whoever decides
        self._forms = forms_of(self._storable)
        self._attempt = Group(
            partial(
                attempt,
                journal=journal,
                remembered=Remembered(),
                clock=clock,
                forms=self._forms,
            ),
            keys=lambda asked: (asked.id, *asked.streams),
        )
        self._attempt_async = AsyncGroup(self._attempt)
        self._resources = ExitStack()

    @classmethod
    def in_memory(cls, **settings: Any) -> Self:  # noqa: ANN401 - those of the constructor
        """Return a CRM that forgets everything when the process ends."""
        return cls(MemoryJournal(), MemoryViews(), MemoryCheckpoints(), **settings)

    @classmethod
    def open(
        cls,
        store: str | Path = DEFAULT_STORE,
        *,
        create: bool = True,
        **settings: Any,  # noqa: ANN401 - those of the constructor
    ) -> Self:
        """Open a store: a PostgreSQL server's URL, or the directory of an embedded server.

        An embedded server's schema is made and brought up to date; a server's is checked only. With
        `create=False` a directory that holds no store is an error too.
        Raises StoreError with one sentence for what is wrong.
        """
        from crmcore.infrastructure.checkpoints import PostgresCheckpoints
        from crmcore.infrastructure.postgres import PostgresJournal
        from crmcore.infrastructure.store import opened
        from crmcore.infrastructure.views import PostgresViews

        with ExitStack() as stack:
            database = stack.enter_context(opened(str(store), create=create))
            crm = cls(
                PostgresJournal(database),
                PostgresViews(database),
                PostgresCheckpoints(database),
                **settings,
            )
            crm._resources = stack.pop_all()
        return crm

    @staticmethod
    def migrate(store: str | Path, *, roles: bool = False) -> tuple[int, int]:
        """Bring the schema of a store up to date; return its version before and after.

        `roles` makes the groups `crm_writer`, `crm_sealer`, `crm_projector` and `crm_auditor` too,
        for logins that may do no more than they must. Raises Forbidden where a right is missing.
        """
        from crmcore.infrastructure.store import migrated

        return migrated(str(store), roles=roles)

    def another(self, **changed: Any) -> Self:  # noqa: ANN401 - the arguments of the constructor
        """Return another CRM over the same store, but for what is given; close this one only.

        The two know nothing of each other, as if they were in two processes.
        """
        own: dict[str, Any] = {
            "journal": self.journal,
            "views": self._views,
            "checkpoints": self._checkpoints,
            "policies": self._given,
            "rules": self._rules,
            "clock": self._clock,
            "new_id": self._new_id,
        }
        return type(self)(**own | changed)

    def close(self) -> None:
        """Give back the connections, and stop the embedded server if nobody else uses it."""
        self._resources.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    # Commands

    def act(
        self,
        by: str,
        *,
        because: str = "",
        roles: Collection[str] = (),
        effective_at: When = None,
        command_id: UUID | None = None,
        correlation_id: UUID | None = None,
        causation_id: UUID | None = None,
    ) -> Act:
        """Return an act: of whom, why, in which roles, in effect since when (default: now).

        A date takes effect at its start in the business time zone. Give a command id that you can
        give again: what is repeated under it is carried out once.
        """
        if isinstance(effective_at, datetime):
            since = _aware(effective_at)
        elif effective_at is not None:
            since = start_of(_a_day(effective_at), self._zone(effective_at))
        else:
            since = self._clock()
        if isinstance(roles, str) or not isinstance(roles, Collection) or len(roles) > ROLES_MAX:
            raise InvalidCommand(f"roles are a collection of {ROLES_MAX} names at most")
        if not all(isinstance(role, str) for role in roles):
            raise InvalidCommand("a role is a name")
        return Act(
            by=by,
            because=because,
            roles=frozenset(roles),
            effective_at=since,
            command_id=command_id or self._new_id(),
            correlation_id=correlation_id,
            causation_id=causation_id,
            dated=effective_at is not None,
        )

    def do(self, command: Value, *, to: UUID, act: Act) -> Receipt:
        """Carry a command out; return its facts, the same ones if it had been carried out before.

        What it needs of others is asked in the same transaction: a claim counts for who claims.
        Raises Rejected, InvalidCommand, CommandReused, Conflict or StoreError; then nothing is
        recorded.
        """
        return self.do_all([(command, to)], act=act)

    def do_all(self, commands: Sequence[tuple[Value, UUID]], *, act: Act) -> Receipt:
        """Carry several commands out in one act and one transaction, or none of them."""
        [outcome] = self.carry_out([(act, self._together(commands, act))])
        if isinstance(outcome, CRMError):
            raise outcome
        return outcome

    async def do_async(self, command: Value, *, to: UUID, act: Act) -> Receipt:
        """Do as `do` does, for asyncio; the callers of an event loop share their transactions.

        Cancelling it takes nothing back: asking again under the same command id tells what became
        of it.
        """
        if self._adopted.is_stale:
            await asyncio.to_thread(self._adopted.adoptions)
        request = self._request(act, self._together([(command, to)], act))
        [outcome] = await carry_out_async([request], self._attempt_async)
        with suppress(CRMError):  # the caller's own error is the one that matters
            denied = refusals([request], [outcome], self._rules_now, self._clock)
            await carry_out_async(denied, self._attempt_async)
        if isinstance(outcome, CRMError):
            raise outcome
        return outcome

    def carry_out(
        self, requests: Sequence[tuple[Act, Sequence[tuple[Value, UUID]]]]
    ) -> list[Outcome]:
        """Carry many acts out in few transactions; each has its own receipt or its own error.

        Each asks for what is given and no more: what `do` adds for others is left to the caller.
        """
        asked = [self._request(act, commands) for act, commands in requests]
        outcomes = carry_out(asked, self._attempt)
        with suppress(CRMError):  # the callers' own errors are those that matter
            carry_out(refusals(asked, outcomes, self._rules_now, self._clock), self._attempt)
        return outcomes

    # Policies

    @property
    def policies(self) -> Policies:
        """The policies that are in force now."""
        return self._rules_now().policies

    @property
    def deciders(self) -> tuple[Decider[Any, Any, Any], ...]:
        """The rules of the four aggregates that are in force now."""
        return self._rules_now().deciders

    @property
    def processes(self) -> tuple[Decider[Any, Any, Any], ...]:
        """The rules of what is no aggregate, such as the adoption of policies."""
        return self._rules_now().processes

    def adopt(self, policies: Policies, *, act: Act, in_force_from: When = None) -> Receipt:
        """Adopt policies from a day or an instant on (default: when the act takes effect).

        Raises InvalidPolicy for what cannot be policies, and what `do` raises: Rejected without the
        role `general_manager` or `policy_admin`, or without a higher version.
        """
        text = checked(policies).text
        since = act.effective_at
        if isinstance(in_force_from, datetime):
            since = _aware(in_force_from)
        elif in_force_from is not None:
            since = start_of(_a_day(in_force_from), zone(policies.time_zone))
        command = Adopt(policies=text, in_force_from=since)
        try:
            return self.do(command, to=ADOPTIONS.id, act=act)
        finally:
            self._adopted.forget()

    def adoptions(self, *, known_at: Known = None) -> Facts:
        """Return the facts by which policies were adopted, in the order recorded."""
        return self.journal.stream(ADOPTIONS, through=self.position(known_at))

    def policies_on(self, as_of: When = None, known_at: Known = None) -> Policies:
        """Return the policies in force on a date, as known on another: what answers it."""
        return self._asked(as_of, known_at)[2].policies

    def policies_named(self, stamp: str) -> Policies:
        """Return the policies that a fact names; raise NotFound if nobody adopted them here.

        A fact is decided anew under these as it was decided. Facts of before there were digests
        name the label alone.
        """
        for policies in (self._adopted.default.policies, Policies()):
            if stamp in {policies.stamp, policies.label}:
                return policies
        for adopted in self._adopted.recorded():
            if stamp in {stamp_of(adopted), f"{adopted.name}@{adopted.version}"}:
                return policies_of(adopted)
        raise NotFound(f"no policies {stamp} were adopted here, and none ship by that name")

    # Who looks after whom, and who is who

    @property
    def _owning(self) -> OwnershipPolicy:
        return owning_under(self.policies)

    def claim(self, customer: UUID, *, act: Act) -> Receipt:
        """Put who acts in charge of a customer of the pool; whose time is up is out of it."""
        known = self._met(customer, act).ownership
        free = in_charge(known, self._owning, known.as_of(act.effective_at)) is None
        return self.do(ClaimFromPool(lapsed=known.owner if free else None), to=customer, act=act)

    def transfer_owner(self, customer: UUID, to: str, *, act: Act) -> Receipt:
        """Put somebody in charge: of a customer of the pool, or of one that is handed over."""
        known = self._met(customer, act).ownership
        holder = in_charge(known, self._owning, known.as_of(act.effective_at))
        if holder is None:
            return self.do(AssignOwner(owner=to, lapsed=known.owner), to=customer, act=act)
        return self.do(TransferOwner(owner=holder, to=to), to=customer, act=act)

    def release(self, customer: UUID, *, reason: str = "", act: Act) -> Receipt:
        """Give a customer back to the pool."""
        owner = self._met(customer, act).ownership.owner or act.by
        return self.do(ReleaseToPool(owner=owner, reason=reason), to=customer, act=act)

    def recycle(self, customer: UUID, *, act: Act) -> Receipt:
        """Record that the time of who was in charge is up; no answer depends on its being done."""
        owner = self._met(customer, act).ownership.owner or act.by
        return self.do(RecycleToPool(owner=owner), to=customer, act=act)

    def owner(self, customer: UUID, *, as_of: When = None, known_at: Known = None) -> str | None:
        """Return who is in charge of a customer, None for the pool."""
        known = self.customer(customer, as_of=as_of, known_at=known_at).ownership
        return in_charge(known, self._owning, self.instant(as_of))

    def owners(self, customer: UUID, *, known_at: Known = None) -> Timeline[str | None]:
        """Return who was in charge when, None for the pool, as far as it is recorded."""
        facts = self.journal.stream(_of(customer), through=self.position(known_at))
        return owners(fact.event for fact in facts)

    def portfolio(self, user: str, *, as_of: When = None, known_at: Known = None) -> Portfolio:
        """Return whom a user looks after; an empty portfolio before the first."""
        stream = Stream(kind="portfolio", id=portfolio_id(user))
        facts = self.stream(stream, as_of=as_of, known_at=known_at)
        state: Portfolio = self._decider("portfolio").fold(fact.event for fact in facts)
        return state

    def verify_tax_id(self, customer: UUID, tax_id: TaxId, *, act: Act) -> Receipt:
        """Record that a tax id is the customer's, and nobody else's."""
        before = self._met(customer, act).tax_id
        return self.do(VerifyTaxId(tax_id=tax_id, instead_of=before), to=customer, act=act)

    def merge(self, absorbed: UUID, *, into: UUID, act: Act) -> Receipt:
        """Let one customer stand for another as well; their facts stay where they are.

        The worse credit grade of the two holds until the survivor is looked into again.
        """
        held, grade = self._held(absorbed, act), self._worse_grade(absorbed, into, act)
        merge = MergeInto(surviving_customer=into, held=held, grade=grade)
        return self.do(merge, to=absorbed, act=act)

    def merge_opportunities(
        self, absorbed: UUID, *, into: UUID, act: Act, amount: Money | None = None
    ) -> Receipt:
        """Let one opportunity go on in the place of another, worth what it was or this amount."""
        known: Opportunity = self._state("opportunity", absorbed, None, None)
        command = opportunity.MergeInto(
            surviving_opportunity=into, held=opportunity.held_by(known), amount=amount
        )
        return self.do(command, to=absorbed, act=act)

    def unmerge(self, absorbed: UUID, *, act: Act) -> Receipt:
        """End a merge; both are what they were, but for what happened meanwhile."""
        survivor = self._met(absorbed, act).merges.survivor or absorbed
        ended = Unmerge(surviving_customer=survivor, held=self._held(absorbed, act))
        return self.do(ended, to=absorbed, act=act)

    def resolve(self, customer: UUID, *, as_of: When = None, known_at: Known = None) -> UUID:
        """Return who stands for a customer in the end: itself, unless it was merged (M1)."""
        at, through = self.instant(as_of), self.position(known_at)
        merged, found = customer, dict[UUID, UUID]()
        while merged not in found:
            facts = in_effect(self.journal.stream(_of(merged), through=through), at)
            state: Customer = self._decider("customer").fold(fact.event for fact in facts)
            if state.merges.survivor is None:
                break
            found[merged] = state.merges.survivor
            merged = state.merges.survivor
        return resolved(customer, found)

    def possible_duplicates(
        self, *, as_of: When = None, known_at: Known = None
    ) -> tuple[Suggestion, ...]:
        """Return which customers may be one and the same; reads the whole log."""
        log = self.journal.log(through=self.position(known_at))
        streams: dict[UUID, list[Recorded[Any]]] = defaultdict(list)
        for fact in log:
            if fact.stream.kind == "customer":
                streams[fact.stream.id].append(fact)
        at, fold = self.instant(as_of), self._decider("customer").fold
        return possible_duplicates(
            {
                own_id: fold(fact.event for fact in in_effect(facts, at))
                for own_id, facts in streams.items()
            }
        )

    def _held(self, customer: UUID, act: Act) -> Held:
        met = self._met(customer, act)
        return Held(tax_id=met.tax_id, owner=met.ownership.owner)

    def _worse_grade(self, absorbed: UUID, survivor: UUID, act: Act) -> Grade | None:
        """Return the worse grade of two as a merge meets them, or has met them."""
        past = self.journal.read([_of(absorbed)]).get(_of(absorbed))
        for fact in past.facts if past else ():
            if fact.command_id == act.command_id and isinstance(fact.event, MergedInto):
                return fact.event.grade
        said = [self.credit(one, as_of=act.effective_at) for one in (absorbed, survivor)]
        graded = {one.answer for one in said if one is not None}
        return next((grade for grade in WORST_FIRST if grade in graded), None)

    def _met(self, customer: UUID, act: Act) -> Customer:
        """Return the customer that an act meets, or has met when it was carried out before."""
        past = self.journal.read([_of(customer)]).get(_of(customer))
        facts = past.facts if past else ()
        before = takewhile(lambda fact: fact.command_id != act.command_id, facts)
        state: Customer = self._decider("customer").fold(fact.event for fact in before)
        return state

    # States and facts

    def customer(self, customer: UUID, *, as_of: When = None, known_at: Known = None) -> Customer:
        """Return the state of a customer; raise NotFound if nothing was known or in effect."""
        state: Customer = self._state("customer", customer, as_of, known_at)
        return state

    def opportunity(self, of: UUID, *, as_of: When = None, known_at: Known = None) -> Opportunity:
        """Return the state of an opportunity; raise NotFound like `customer`."""
        state: Opportunity = self._state("opportunity", of, as_of, known_at)
        return state

    def ticket(self, ticket: UUID, *, as_of: When = None, known_at: Known = None) -> Ticket:
        """Return the state of a ticket; raise NotFound like `customer`."""
        state: Ticket = self._state("ticket", ticket, as_of, known_at)
        return state

    def loyalty(self, account: UUID, *, as_of: When = None, known_at: Known = None) -> Account:
        """Return the state of a loyalty account; raise NotFound like `customer`."""
        state: Account = self._state("loyalty", account, as_of, known_at)
        return state

    def history(self, customer: UUID, *, as_of: When = None, known_at: Known = None) -> Facts:
        """Return the facts of all streams of a customer, in the order in which they took effect.

        Those of the customers that it stands for are among them.
        """
        at, position = self._cut(as_of, known_at)
        own = self._own(_an_id(customer), at, position)
        return in_effect(fact for facts in own.values() for fact in facts)

    def stream(self, stream: Stream, *, as_of: When = None, known_at: Known = None) -> Facts:
        """Return one stream in the order in which its facts took effect."""
        at, position = self._cut(as_of, known_at)
        return in_effect(self.journal.stream(stream, through=position), at)

    def refused(self, of: Stream | None = None, *, known_at: Known = None) -> Facts:
        """Return who tried what they may not: of one stream, or of all, in the order recorded.

        Of all it reads the whole log.
        """
        through = self.position(known_at)
        if of is not None:
            return self.journal.stream(attempts_at(of), through=through)
        log = self.journal.log(through=through)
        return [fact for fact in log if fact.stream.kind == KIND]

    # Answers

    def lifecycle(
        self, customer: UUID, *, as_of: When = None, known_at: Known = None
    ) -> Answer | None:
        """Return the lifecycle stage; None before the customer was registered."""
        at, position, rules = self._asked(as_of, known_at)
        facts = self._told(_an_id(customer), at, position)
        return answer(lifecycle_under(rules.policies), facts, at)

    def credit(
        self, customer: UUID, *, as_of: When = None, known_at: Known = None
    ) -> Answer | None:
        """Return the credit level; None before the customer was registered."""
        at, position, rules = self._asked(as_of, known_at)
        facts = self._told(_an_id(customer), at, position)
        is_grouped = any(isinstance(fact.event, GroupJoined | MemberAdmitted) for fact in facts)
        group = self._group(customer, at, position) if is_grouped else None
        return answer(credit_under(rules.policies, group), facts, at)

    def value(
        self, customer: UUID, *, as_of: When = None, known_at: Known = None
    ) -> ValueAnswer | None:
        """Return the value tiers, divided by all customers of that day; None before any fact.

        Reads the whole log for the division, so it costs as much as a summary.
        """
        at, position, rules = self._asked(as_of, known_at)
        population = by_customer(self.journal.log(through=position), at)
        through = lens(rules.policies, population, at)
        facts = registered(population).get(_an_id(customer), ())
        abc, rfm = (answer(tier, facts, at) for tier in (through.abc, through.rfm))
        return ValueAnswer(abc=abc, rfm=rfm) if abc and rfm else None

    def outlook(self, of: UUID, *, as_of: When = None, known_at: Known = None) -> Answer | None:
        """Return whether an opportunity is on track, slipped, rotting, on hold or over."""
        at, facts, rules = self._deal(of, as_of, known_at)
        return answer(outlook(dealing_under(rules.policies)), facts, at)

    def lead_score(self, of: UUID, *, as_of: When = None, known_at: Known = None) -> Answer | None:
        """Return the score of a lead with what counts for it; None before anything did."""
        at, facts, rules = self._deal(of, as_of, known_at)
        return answer(lead_score(dealing_under(rules.policies)), facts, at)

    def pipeline(self, *, as_of: When = None, known_at: Known = None) -> Pipeline:
        """Return what the open deals come to, by stage and by place in the forecast."""
        return weighted_pipeline(self._deals(as_of, known_at)[0])

    def forecast(
        self, starts_on: date, ends_on: date, *, as_of: When = None, known_at: Known = None
    ) -> Pipeline:
        """Return what a period that ends before a day was expected to bring, as of a date."""
        return forecast(self._deals(as_of, known_at)[0], _a_day(starts_on), _a_day(ends_on))

    def win_rate(
        self, starts_on: date, ends_on: date, *, as_of: When = None, known_at: Known = None
    ) -> WinRate:
        """Return how many of the deals that closed in a period were won, and how fast."""
        deals, where = self._deals(as_of, known_at)
        return win_rate(deals, _a_day(starts_on), _a_day(ends_on), where)

    def summary(self, *, as_of: When = None, known_at: Known = None) -> Summary:
        """Return the whole business on one page."""
        at, position, rules = self._asked(as_of, known_at)
        log = list(self.journal.log(through=position))
        population = by_customer(log, at)
        known = log[-1].recorded_at if log else None
        return summarise(population, at, position, known, lens(rules.policies, population, at))

    def timeline(
        self, customer: UUID, question: Own, *, as_of: When = None, known_at: Known = None
    ) -> tuple[Spell, ...]:
        """Return what was answered from when to when, each by the policies of then, and why.

        An answer changes by facts, by policies that come into force, or because time passes.
        """
        _require_one_of(question, OWN)
        at, position, _ = self._asked(as_of, known_at)
        adoptions = self._adopted.adoptions(position)
        under = partial(self._adopted.among, adoptions)
        facts = self._told(_an_id(customer), at, position)
        return spells(facts, stretches(question, adoptions, under, at), at)

    def transitions(
        self, question: Question, earlier: date, later: date, *, known_at: Known = None
    ) -> tuple[Moved, ...]:
        """Return how many customers went from which answer to which between two days.

        The numbers add up to all customers; who is none on a day has the answer None.
        """
        _require_one_of(question, QUESTIONS)
        position = self.position(known_at)
        days = (self._asked(day, position) for day in (earlier, later))
        log = tuple(self.journal.log(through=position))
        return moved(question, log, *((at, rules.policies) for at, _, rules in days))

    def buying(self, before: date, since: date, until: date, *, known_at: Known = None) -> Buying:
        """Return who bought again: in [since, until) of those in [before, since), and ever."""
        if not FIRST_DAY < before <= since < until <= LAST_DAY:
            raise InvalidCommand("periods follow each other: before, since and until are rising")
        at, position, rules = self._asked(until - timedelta(days=1), known_at)
        population = by_customer(self.journal.log(through=position), at)
        return buying(population, rules.zone, before, since, until)

    def what_if(self, policies: Policies, *, as_of: When = None, known_at: Known = None) -> WhatIf:
        """Return who would be answered otherwise under other policies, from what to what and why.

        Under the same policies that is nobody.
        """
        at, position, rules = self._asked(as_of, known_at)
        population = by_customer(self.journal.log(through=position), at)
        return what_if(population, rules, checked(policies), at, position)

    def rebuild(self, *, progress: Progress | None = None) -> Rebuilt:
        """Answer every question about every customer anew, and put that in the views' place."""
        at, position, rules = self._asked(self._clock(), None)
        population = by_customer(self.journal.log(through=position), at)
        through = lens(rules.policies, population, at)
        projections = (through.lifecycle, through.credit, through.abc, through.rfm)
        customers = registered(population)
        rows: list[Row] = []
        for done, (customer, facts) in enumerate(customers.items(), 1):
            said = (answer(projection, facts, at) for projection in projections)
            rows += [_row(customer, one) for one in said if one is not None]
            if progress is not None:
                progress(done, len(customers))
        return Rebuilt(facts=position, customers=len(customers), answers=self._views.replace(rows))

    def answers(self, customer: UUID) -> Sequence[Row]:
        """Return what the last rebuild answered about a customer."""
        return self._views.rows(_an_id(customer))

    # The log

    def sealing(self, *, interval_s: float = INTERVAL_S) -> Sealer:
        """Return a background sealer: `with crm.sealing(): ...` runs it as long as that lasts."""
        return Sealer(self.journal, self._clock, interval_s)

    def feed(self, *, after: int = 0, follow: bool = False) -> Iterator[Recorded[Any]]:
        """Yield the facts behind a position in the one order; then end, or wait for more.

        A feed keeps no place: give the position of the last fact that was dealt with. A `consumer`
        keeps its own.
        """
        if not isinstance(after, int) or not 0 <= after <= POSITION_MAX:
            raise InvalidCommand(f"a position is a whole number from 0 to {POSITION_MAX}")
        return followed(self.journal, self._clock, after, forever=follow)

    def consumer(self, name: str) -> Consumer:
        """Return a consumer of the log: it goes on where the last one of this name stopped.

        Its checkpoint is kept in the store, in the transaction of what its handler writes.
        """
        return Consumer(name, self.journal, self._checkpoints, self._clock)

    def consumers(self) -> list[Consumer]:
        """Return the consumers that there are, by name."""
        return [self.consumer(name) for name in self._checkpoints.names()]

    def reactions(self) -> Reactions:
        """Return what lets facts act on other aggregates: purchases earn, returns take back.

        Where nobody runs it, nothing follows from facts; where it runs again, nothing new does.
        """
        return Reactions(self.consumer(REACTIONS), self.journal, self.carry_out, self.position)

    def verify(
        self,
        *,
        checkpoints: Iterable[str] = (),
        key: str | None = None,
        progress: Progress | None = None,
    ) -> Verification:
        """Check the whole log: that nothing is missing, doubled, moved or altered, and where.

        Seals first, so that the last hash stands for everything; a log that cannot be sealed is
        checked as it is. With signed checkpoints it says, too, whether the log still holds what
        they were made of; with the public key that it was its owner who signed them.
        """
        read = unsigned if key is None else partial(opened, key=public_key(key))
        held = [read(note) for note in checkpoints]
        with suppress(StoreError, Conflict):
            self.journal.seal(self._clock())
        return self.journal.verify(progress, held)

    # Signed checkpoints

    @staticmethod
    def new_key(name: str) -> tuple[str, str]:
        """Return a new private key and its public one, for the log that is to be called so."""
        key = new_key(name)
        return str(key), str(public(key))

    def checkpoint(self, key: str, *, extends: str | None = None) -> str:
        """Sign what the log is now with a private key; keep what is returned somewhere else.

        `extends` is what was signed last, None for the first time: raises Forked, and signs
        nothing, unless the log goes on from there.
        """
        signer = private_key(key)
        last = None if extends is None else opened(extends, public(signer))
        size, nodes = self.position(), self.journal.tree()
        return signed(next_checkpoint(signer.name, size, nodes, last), signer)

    def prove(self, customer: UUID, *, checkpoint: str) -> bytes:
        """Return a file with all facts of a customer up to a checkpoint, which proves itself.

        What is in streams of the customers that it stands for is proved under their own ids.
        """
        size = unsigned(checkpoint).size
        if size > (last := self.position()):
            raise NotProved(f"{size} facts were signed, and the log ends at position {last}")
        facts = self.journal.evidence(_an_id(customer), through=size)
        if not facts:
            raise NotFound(f"nothing was known about the customer {customer} at position {size}")
        return bundle(customer, checkpoint, facts, self.journal.tree())

    @staticmethod
    def check_proof(proof: bytes, *, key: str) -> Proven:
        """Return what a file of `prove` proves to who trusts a public key; raise NotProved else.

        It takes no store, and no network.
        """
        return check(proof, public_key(key))

    def states_astray(self) -> list[Stream]:
        """Return the streams whose stored state is not what their facts lead to: none, ever.

        A state of a long stream is stored, so that a command need not read all that happened.
        """
        return astray(self.journal, self._storable, self._forms)

    def forget_states(self) -> int:
        """Forget all stored states, and return how many; they are made anew by and by."""
        return self.journal.forget_stored()

    # The two dates

    def instant(self, as_of: When) -> datetime:
        """Return the instant that a question asks about: a date means its end, None means now."""
        return self._instant(as_of, self._adopted.adoptions)

    def position(self, known_at: Known = None) -> int:
        """Return the log position up to which facts were known by then: itself, a day or now.

        Seals first, so that what was acknowledged has a position.
        """
        last = self.journal.seal(self._clock())
        if known_at is None:
            return last
        if isinstance(known_at, bool):
            raise InvalidCommand("a position is a whole number")
        if not isinstance(known_at, int):
            return self.journal.position(min(self.instant(known_at), self._clock()))
        if not 0 <= known_at <= last:
            shown = known_at if abs(known_at) <= POSITION_MAX else "like that"
            raise NotFound(f"there is no position {shown} yet: the log ends at {last}")
        return known_at

    def _asked(self, as_of: When, known_at: Known) -> tuple[datetime, int, InForce]:
        """Return what a question asks about: an instant, a position, and the rules of then.

        All by what was known then, so that what is adopted later changes no earlier answer.
        """
        position = self.position(known_at)
        adoptions = self._adopted.adoptions(position)
        at = self._instant(as_of, lambda: adoptions)
        return at, position, self._adopted.among(adoptions, at)

    def _cut(self, as_of: When, known_at: Known) -> tuple[datetime, int]:
        """Return the same for a question that no policies answer."""
        position = self.position(known_at)
        return self._instant(as_of, lambda: self._adopted.adoptions(position)), position

    def _instant(self, as_of: When, adoptions: Callable[[], Adoptions]) -> datetime:
        if as_of is None:
            return self._clock()
        if isinstance(as_of, datetime):
            return _aware(as_of)
        if not isinstance(as_of, date):
            raise InvalidCommand(f"a {type(as_of).__name__} is neither a date nor an instant")
        return end_of(as_of, self._adopted.among(adoptions(), end_of(as_of, UTC)).zone)

    def _zone(self, day: date) -> tzinfo:
        """Return the zone of the policies in force at the end of a day, as that is at Greenwich."""
        return self._adopted.on(end_of(day, UTC)).zone

    def _rules_now(self) -> InForce:
        return self._adopted.on(self._clock())

    def _deal(self, of: UUID, as_of: When, known_at: Known) -> tuple[datetime, Facts, InForce]:
        at, position, rules = self._asked(as_of, known_at)
        stream = Stream(kind="opportunity", id=_an_id(of))
        return at, in_effect(self.journal.stream(stream, through=position), at), rules

    def _deals(self, as_of: When, known_at: Known) -> tuple[Deals, tzinfo]:
        at, position, rules = self._asked(as_of, known_at)
        return deals_of(self.journal.log(through=position), at), rules.zone

    def _own(self, customer: UUID, at: datetime, through: int) -> dict[UUID, Facts]:
        """Return the facts of a customer, and apart from them those of whom it stands for."""
        found: dict[UUID, Facts] = {}
        asked = [customer]
        while asked:
            one = asked.pop()
            found[one] = facts = in_effect(self.journal.about(one, through=through), at)
            others = (f.event for f in facts if isinstance(f.event, Absorbed))
            asked += {event.absorbed_customer for event in others} - found.keys()
        merges = in_effect(fact for facts in found.values() for fact in facts)
        standing_for = survivors(merges)
        return {
            one: facts
            for one, facts in found.items()
            if one == customer or resolved(one, standing_for) == customer
        }

    def _told(self, customer: UUID, at: datetime, through: int) -> Facts:
        """Return the facts that answers about a customer rest on."""
        own = self._own(customer, at, through)
        others = (carried(facts) for one, facts in own.items() if one != customer)
        return in_effect([*own[customer], *chain.from_iterable(others)])

    def _group(self, customer: UUID, at: datetime, through: int) -> GroupBooks | None:
        """Return what a group means for the orders of a customer, None without a group."""
        fold = self._decider("customer").fold

        def look(ids: Collection[UUID]) -> dict[UUID, Customer]:
            streams = {one: self.journal.stream(_of(one), through=through) for one in ids}
            return {
                one: fold(fact.event for fact in in_effect(facts, at))
                for one, facts in streams.items()
            }

        return group_of(customer, look([customer])[customer], look)

    def _state(self, kind: str, aggregate: UUID, as_of: When, known_at: Known) -> Any:  # noqa: ANN401 - the caller knows
        stream = Stream(kind=kind, id=_an_id(aggregate))
        facts = self.stream(stream, as_of=as_of, known_at=known_at)
        if not facts:
            raise NotFound(f"nothing was known about {stream}")
        return self._decider(kind).fold(fact.event for fact in facts)

    def _decider(self, kind: str) -> Decider[Any, Any, Any]:
        return next(decider for decider in self._storable if decider.kind == kind)

    def _request(self, act: Act, commands: Sequence[tuple[Value, UUID]]) -> Request:
        if not isinstance(act, Act):
            raise InvalidCommand(f"a {type(act).__name__} is no act")
        _require_few(commands)
        at = act.effective_at
        is_instant = isinstance(at, datetime) and at.tzinfo is not None  # else it is refused later
        rules = self._adopted.on(at) if is_instant else self._adopted.default
        return Request(
            act=act,
            tasks=tuple(_task(rules, asked) for asked in commands),
            policy=rules.stamp,
            bounds=self._rules_now().bounds,  # books are closed for what is recorded from now on
        )

    def _together(
        self, commands: Sequence[tuple[Value, UUID]], act: Act
    ) -> list[tuple[Value, UUID]]:
        _require_few(commands)
        return [more for asked in commands for more in together(*_paired(asked), act)]


def _require_few(commands: Sequence[tuple[Value, UUID]]) -> None:
    if not isinstance(commands, Sequence) or len(commands) > COMMANDS_MAX:
        raise InvalidCommand(f"one act has a sequence of {COMMANDS_MAX} commands at most")


def _require_one_of(question: str, known: Collection[str]) -> None:
    if question not in known:
        raise InvalidCommand(f"what can be asked here: {', '.join(known)}")


def _paired(asked: tuple[Value, UUID]) -> tuple[Value, UUID]:
    if not isinstance(asked, tuple) or len(asked) != PAIR:
        raise InvalidCommand("each command comes with the id that it is for")
    return asked


def _task(rules: InForce, asked: tuple[Value, UUID]) -> Task:
    command, to = _paired(asked)
    decider = rules.by_command.get(type(command))
    if decider is None:
        raise InvalidCommand(f"{type(command).__name__} is no command of any kind here")
    return Task(decider=decider, stream=Stream(kind=decider.kind, id=_an_id(to)), command=command)


def _an_id(of: UUID) -> UUID:
    if not isinstance(of, UUID):
        raise InvalidCommand(f"a {type(of).__name__} is no id of an aggregate: ids are UUIDs")
    return of


def _of(customer: UUID) -> Stream:
    return Stream(kind="customer", id=customer)


def _row(customer: UUID, said: Answer) -> Row:
    return Row(
        customer=customer,
        question=said.question,
        answer=said.answer,
        rule=said.rule,
        since=said.since,
        next_change_at=said.next_change_at,
        because=said.because,
    )


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise InvalidCommand("an instant needs a time zone; a date has the business's own")
    _a_day(instant.date())
    return instant


def _a_day(day: date) -> date:
    if not isinstance(day, date):
        raise InvalidCommand(f"a {type(day).__name__} is neither a date nor an instant")
    if not FIRST_DAY <= day <= LAST_DAY:
        raise InvalidCommand(f"{day} is not between {FIRST_DAY} and {LAST_DAY}")
    return day
