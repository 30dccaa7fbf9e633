"""Our journal, measured by append.py."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from bench._load import (
    AGGREGATE_FACTS,
    BULK_FACTS,
    CHANNEL,
    STREAM_FACTS,
    SUMMARY,
    AsyncCall,
    Call,
    Sample,
    run_batches,
    run_tasks,
    run_threads,
)
from crmcore import CRM
from crmcore.application.group import AsyncGroup, Group
from crmcore.application.journal import Commit
from crmcore.domain.customer import LogInteraction, Register
from crmcore.domain.customer.profile import InteractionLogged
from crmcore.domain.recorded import Fact, Stream


class Ours:
    """The journal as `CRM.open` sets it up; a fact goes with its envelope and its command's id."""

    table = "crm.facts"

    def __init__(self, url: str) -> None:
        self.url = url
        CRM.migrate(url)

    def append_sync(self, callers: int, seconds: float) -> Sample:
        """Append one commit of one fact a call; threads share transactions."""
        with CRM.open(self.url) as crm:
            group = Group(_appending(crm), keys=_streams)
            return run_threads([_in_thread(group) for _ in range(callers)], seconds)

    def append_async(self, callers: int, seconds: float) -> Sample:
        """Append one commit of one fact a call; tasks share transactions."""
        with CRM.open(self.url) as crm:
            group = AsyncGroup(Group(_appending(crm), keys=_streams))
            return run_tasks(nullcontext([_in_task(group) for _ in range(callers)]), seconds)

    def bulk(self, seconds: float) -> Sample:
        """Append BULK_FACTS facts a call, a commit for each stream."""
        with CRM.open(self.url) as crm:
            return run_batches(lambda: _batch(crm), BULK_FACTS, seconds)

    def commands(self, threads: int, seconds: float) -> Sample:
        """Carry out one command a call: register a customer, then log interactions with it."""
        with CRM.open(self.url) as crm:
            return run_threads([_commanding(crm) for _ in range(threads)], seconds)


def _appending(crm: CRM) -> Callable[[Sequence[Commit]], list[bool]]:
    """Return what appends commits to streams whose ends it knows, as who wrote them last does."""
    tips: dict[Stream, bytes] = {}

    def append(commits: Sequence[Commit]) -> list[bool]:
        appended = crm.journal.append(commits, at=datetime.now(UTC), tips=tips)
        tips.update(appended.tips)
        return [commit.command_id not in appended.lost for commit in commits]

    return append


def _streams(commit: Commit) -> Sequence[Stream]:
    return commit.streams


def _in_thread(group: Group[Commit, bool]) -> Call:
    stream, versions = Stream(kind="customer", id=uuid4()), count(1)

    def call() -> None:
        if group([commit_of(stream, next(versions))]) != [True]:
            raise AssertionError("nobody else writes to this stream")

    return call


def _in_task(group: AsyncGroup[Commit, bool]) -> AsyncCall:
    stream, versions = Stream(kind="customer", id=uuid4()), count(1)

    async def call() -> None:
        if await group([commit_of(stream, next(versions))]) != [True]:
            raise AssertionError("nobody else writes to this stream")

    return call


def _batch(crm: CRM) -> Call:
    streams = (Stream(kind="customer", id=uuid4()) for _ in range(BULK_FACTS // STREAM_FACTS))
    commits = [commit_of(stream, *range(1, STREAM_FACTS + 1)) for stream in streams]
    return lambda: crm.journal.append(commits, at=datetime.now(UTC), tips={})


def commit_of(stream: Stream, *versions: int) -> Commit:
    """Return a commit of one fact a version, as big as the rivals' facts."""
    command, now = uuid4(), datetime.now(UTC)
    return Commit(
        command_id=command,
        digest=command.bytes * 2,  # as long as any digest
        streams=(stream,),
        facts=tuple(_fact(stream, version, command, now) for version in versions),
    )


def _fact(stream: Stream, version: int, command: UUID, now: datetime) -> Fact[Any]:
    return Fact(
        stream=stream,
        version=version,
        event=InteractionLogged(channel=CHANNEL, summary=SUMMARY),
        effective_at=now,
        actor="bench",
        reason="",
        command_id=command,
        correlation_id=command,
        causation_id=None,
        policy="default@1",
        customer=stream.id,
    )


def _commanding(crm: CRM) -> Callable[[], None]:
    customer, facts = uuid4(), 0

    def call() -> None:
        nonlocal customer, facts
        if facts == AGGREGATE_FACTS:
            customer, facts = uuid4(), 0
        command = LogInteraction(channel=CHANNEL, summary=SUMMARY) if facts else _register(customer)
        crm.do(command, to=customer, act=crm.act("bench"))
        facts += 1

    return call


def _register(customer: UUID) -> Register:
    return Register(code=customer.hex, name="A customer", kind="person")
