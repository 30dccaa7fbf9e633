"""The journal in PostgreSQL: facts to rows and back."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from msgspec.structs import asdict

from crmcore.application.journal import Commit, Done
from crmcore.domain.recorded import Recorded, Stream
from crmcore.infrastructure import codec
from crmcore.infrastructure.recorder import (
    COLUMNS,
    PAGE_MAX,
    CommandRow,
    Envelope,
    PostgresRecorder,
)


class PostgresJournal:
    """Implements Journal over a recorder; safe to share between threads."""

    def __init__(self, recorder: PostgresRecorder) -> None:
        self._recorder = recorder

    def read(self, streams: Collection[Stream]) -> Mapping[Stream, Sequence[Recorded[Any]]]:
        """Return these streams, each oldest first; a stream without facts is left out."""
        asked = list(streams)
        facts = self._facts(
            "WHERE (kind, stream) IN (SELECT * FROM unnest(%s::text[], %s::uuid[]))"
            " ORDER BY kind, stream, version",
            [[s.kind for s in asked], [s.id for s in asked]],
        )
        found: dict[Stream, list[Recorded[Any]]] = defaultdict(list)
        for fact in facts:
            found[fact.stream].append(fact)
        return found

    def done(self, command_ids: Collection[UUID]) -> Mapping[UUID, Done]:
        """Return what those of these commands led to that were carried out."""
        rows = self._recorder.query(
            "SELECT command_id, digest, after, facts FROM crm.commands WHERE command_id = ANY(%s)",
            [list(command_ids)],
        )
        if not rows:
            return {}
        facts: dict[UUID, list[Recorded[Any]]] = defaultdict(list)
        for fact in self._facts(
            "JOIN unnest(%s::bigint[], %s::integer[]) AS c (after, count)"
            " ON position > c.after AND position <= c.after + c.count ORDER BY position",
            [[row[2] for row in rows], [row[3] for row in rows]],
        ):
            facts[fact.command_id].append(fact)
        return {row[0]: Done(digest=row[1], facts=tuple(facts[row[0]])) for row in rows}

    def append(self, commits: Sequence[Commit], at: datetime) -> Sequence[Done]:
        """Record all of these commits or none; raise Conflict if a version or an id is taken."""
        if not commits:
            return []
        facts = [fact for commit in commits for fact in commit.facts]
        position, recorded_at = self._recorder.write(
            [StoredEvent(str(f.stream), f.version, *codec.dump(f.event)) for f in facts],
            [Envelope(*(getattr(fact, name) for name in Envelope._fields)) for fact in facts],
            [CommandRow(c.command_id, c.digest, len(c.facts)) for c in commits],
            at,
        )
        done: list[Done] = []
        for commit in commits:
            own = [
                Recorded[Any](**asdict(fact), recorded_at=recorded_at, position=position + n)
                for n, fact in enumerate(commit.facts, 1)
            ]
            position += len(own)
            done.append(Done(digest=commit.digest, facts=tuple(own)))
        return done

    def log(self, *, after: int = 0, through: int | None = None) -> Iterator[Recorded[Any]]:
        """Return every fact behind a position, up to and with another, in the order recorded."""
        last = self.position() if through is None else through
        while after < last:
            page = self._facts(
                "WHERE position > %s AND position <= %s ORDER BY position LIMIT %s",
                [after, last, PAGE_MAX],
            )
            yield from page
            after += PAGE_MAX

    def about(self, customer: UUID, *, through: int) -> Sequence[Recorded[Any]]:
        """Return the facts of every stream of a customer up to a position, in that order."""
        return self._facts(
            "WHERE position <= %s AND (kind, stream) IN (SELECT kind, stream FROM crm.facts"
            " WHERE customer = %s AND position <= %s) ORDER BY position",
            [through, customer, through],
        )

    def position(self, known_at: datetime | None = None) -> int:
        """Return the position of the last fact recorded by an instant, or of the last of all."""
        if known_at is None:
            return self._recorder.max_notification_id() or 0
        self._recorder.close(known_at)
        rows = self._recorder.query(
            "SELECT coalesce(max(position), 0) FROM crm.facts WHERE recorded_at <= %s", [known_at]
        )
        return int(rows[0][0])

    def _facts(self, where: str, parameters: Sequence[Any]) -> list[Recorded[Any]]:
        sql = f"SELECT {COLUMNS} FROM crm.facts {where}"  # noqa: S608 - built from our constants
        return [_recorded(row) for row in self._recorder.query(sql, parameters)]


def _recorded(row: tuple[Any, ...]) -> Recorded[Any]:
    position, kind, stream, version, name, effective_at, recorded_at, actor, reason, *rest = row
    command_id, correlation_id, causation_id, policy, customer, payload = rest
    return Recorded(
        stream=Stream(kind=kind, id=stream),
        version=version,
        event=codec.load(position, name, payload),
        effective_at=effective_at,
        recorded_at=recorded_at,
        actor=actor,
        reason=reason,
        command_id=command_id,
        correlation_id=correlation_id,
        causation_id=causation_id,
        policy=policy,
        customer=customer,
        position=position,
    )
