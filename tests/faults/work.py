"""Commands of a known list, and what has to be in the log when they were carried out."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from random import Random
from typing import NamedTuple
from uuid import UUID, uuid5

from crmcore import CRM, Act, Receipt, Recorded, Stream
from crmcore.domain.customer import LogInteraction, Register
from crmcore.domain.customer.profile import InteractionLogged

NAMES = UUID("6f2c1a52-6b0f-4d8e-9a53-0c7d1f1f6a11")
FACTS_MAX = 3
COMMANDS_PER_CUSTOMER = 50
CUSTOMERS_MIN = 12

CLEAN = {"lost": 0, "twice": 0, "phantom": 0, "torn": 0, "gaps": 0, "problems": 0}
"""What `tally` finds in a log that kept its promises."""


class Job(NamedTuple):
    """A command: each of its facts has words of its own, by which it is found again."""

    number: int
    command_id: UUID
    commands: tuple[tuple[LogInteraction, UUID], ...]

    def act(self, crm: CRM) -> Act:
        """Return the act of this command, under the same id each time."""
        return crm.act("campaign", command_id=self.command_id)

    @property
    def texts(self) -> list[str]:
        """The words of its facts."""
        return [command.summary for command, _ in self.commands]


class Work(NamedTuple):
    """A list of commands that is the same wherever it is made from these numbers."""

    seed: int
    commands: int

    @property
    def customers(self) -> list[UUID]:
        """The customers whom the commands are about."""
        many = max(CUSTOMERS_MIN, self.commands // COMMANDS_PER_CUSTOMER)
        return [uuid5(NAMES, f"{self.seed} customer {number}") for number in range(many)]

    def jobs(self, numbers: Iterable[int] | None = None) -> list[Job]:
        """Return all commands, or those with these numbers."""
        customers = self.customers
        asked = range(self.commands) if numbers is None else numbers
        return [self._job(number, customers) for number in asked]

    def _job(self, number: int, customers: Sequence[UUID]) -> Job:
        chance = Random(f"{self.seed} job {number}")  # noqa: S311 - it has to repeat
        facts = chance.randint(1, FACTS_MAX)
        commands = tuple(
            (LogInteraction(channel="phone", summary=f"{number}.{fact}"), customer)
            for fact, customer in enumerate(chance.choices(customers, k=facts))
        )
        return Job(number, uuid5(NAMES, f"{self.seed} command {number}"), commands)


def register(crm: CRM, work: Work) -> None:
    """Register all customers of a list."""
    outcomes = crm.carry_out(
        [
            (crm.act("campaign"), [(Register(code=str(n), name=str(n), kind="person"), customer)])
            for n, customer in enumerate(work.customers)
        ]
    )
    assert all(isinstance(outcome, Receipt) for outcome in outcomes), outcomes


def carry_out(crm: CRM, job: Job) -> Receipt:
    """Carry a command of the list out, again or for the first time."""
    return crm.do_all(job.commands, act=job.act(crm))


def tally(
    crm: CRM, jobs: Sequence[Job], acknowledged: Collection[int], unknown: Collection[int] = ()
) -> dict[str, int]:
    """Return how far the log is from what was acknowledged.

    Of the commands whose outcome is unknown there may be all facts or none.
    """
    crm.position()
    log = list(crm.journal.log())
    found = Counter(fact.event.summary for fact in log if isinstance(fact.event, InteractionLogged))
    allowed = {
        text for job in jobs if job.number in {*acknowledged, *unknown} for text in job.texts
    }
    there = {job.number: sum(text in found for text in job.texts) for job in jobs}
    return {
        "facts": len(log),
        "lost": sum(len(j.texts) - there[j.number] for j in jobs if j.number in acknowledged),
        "twice": sum(found.values()) - len(found),
        "phantom": len(found.keys() - allowed),
        "torn": sum(there[job.number] not in (0, len(job.texts)) for job in jobs),
        "gaps": gaps(log),
        "problems": len(crm.verify().problems),
    }


def gaps(log: Sequence[Recorded[object]]) -> int:
    """Return how many facts do not stand behind the one before them, in the log or the stream."""
    versions: defaultdict[Stream, int] = defaultdict(int)
    wrong = 0
    for position, fact in enumerate(log, 1):
        versions[fact.stream] += 1
        wrong += (fact.position, fact.version) != (position, versions[fact.stream])
        versions[fact.stream] = fact.version
    return wrong
