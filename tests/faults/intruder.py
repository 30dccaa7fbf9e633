"""A superuser alters the log behind the library's back: what a check finds, and what it cannot see.

The triggers are switched off first, so this is about what is found, not about what is prevented.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from psycopg.sql import SQL, Identifier

from crmcore import CRM
from crmcore.application.verification import Problem, Verification
from tests.faults.attacks import FOUND, UNSEEN, Attack, Victim
from tests.faults.setting import Result, Setting, database, query
from tests.faults.work import Work, carry_out, register

GUARDED = ("facts", "commands", "sealed", "seals")
COMMANDS = 60
COMMANDS_PER_SEAL = 6
WORDS_MAX = 4

_VICTIMS = """
SELECT f.batch, f.ordinal, f.stream, f.version, s.last - s.facts + 1 + f.ordinal,
    (SELECT position FROM crm.seals ORDER BY position OFFSET 4 LIMIT 1)
FROM crm.facts AS f JOIN crm.sealed AS s USING (batch)
WHERE f.version BETWEEN 2 AND 4
    AND EXISTS (SELECT FROM crm.facts AS n JOIN crm.sealed USING (batch)
        WHERE n.stream = f.stream AND n.version > f.version)
ORDER BY f.batch, f.ordinal"""
_NOTED = "SELECT 1 FROM crm.seals WHERE position = %s AND encode(hash, 'hex') = %s"


def intruder(setting: Setting) -> Result:
    """Everything that can be altered is altered, each in a log of its own."""
    chance = setting.chance("intruder")
    with database(setting.url) as url:
        note = _made(url, Work(setting.seed, COMMANDS))
        victims = [Victim(*row) for row in query(url, _VICTIMS)]
        tried = [(one, *_tried(url, one, chance.choice(victims), note)) for one in FOUND + UNSEEN]
    unnamed = [one.name for one, said, _ in tried if one in FOUND and one.says not in said]
    seen = [one.name for one, said, _ in tried if one in UNSEEN and said]
    noted = [one.name for one, _, shows in tried if one in UNSEEN and shows]
    return Result(
        {
            "problems before": len(note.problems),
            "attacks that a check sees": len(FOUND),
            "not named": "; ".join(unnamed) or 0,
            "attacks that it cannot see": len(UNSEEN),
            "seen after all": "; ".join(seen) or 0,
            "of them shown by a note": "; ".join(noted),
        },
        exactly={
            "problems before": 0,
            "not named": 0,
            "seen after all": 0,
            "of them shown by a note": "; ".join(one.name for one in UNSEEN if one.note_shows),
        },
        notes=tuple(f"{one.name}: {said or 'nothing'}" for one, said, _ in tried),
    )


def _made(url: str, work: Work) -> Verification:
    """Fill a log; return what a check says of it, which is noted elsewhere."""
    with CRM.open(url) as crm:
        register(crm, work)
        for job in work.jobs():
            if job.number % COMMANDS_PER_SEAL == 0:
                crm.position()
            carry_out(crm, job)
        return crm.journal.verify()  # crm.verify() would seal what is still to be altered


def _tried(url: str, attack: Attack, victim: Victim, note: Verification) -> tuple[str, bool]:
    """Return what a check says after an attack, and whether a note kept elsewhere shows it."""
    with _copy(url) as copy:
        with psycopg.connect(copy) as connection:
            for table in GUARDED:
                connection.execute(f"ALTER TABLE crm.{table} DISABLE TRIGGER ALL".encode())
            attack.act(connection, victim)
        shows = not query(copy, _NOTED, note.position, note.hash)
        with CRM.open(copy) as crm:
            try:
                problems = crm.verify().problems
            except Exception as error:  # noqa: BLE001 - a check that breaks off has to show, too
                return f"the check ends with {error!r}", shows
    return "; ".join(map(_words, problems[:WORDS_MAX])), shows


def _words(problem: Problem) -> str:
    where = {"position": problem.position, "stream": problem.stream, "version": problem.version}
    known = ", ".join(f"{name} {place}" for name, place in where.items() if place is not None)
    return f"{problem.what} ({known})" if known else problem.what


@contextmanager
def _copy(url: str) -> Iterator[str]:
    """Yield the URL of a copy of a database."""
    name, original = f"copy_{uuid4().hex}", urlsplit(url).path[1:]
    server = urlsplit(url)._replace(path="/postgres").geturl()
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(original))
        )
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
