"""What a host notices of us: nothing that it did not ask for."""

import subprocess
import sys
from pathlib import Path

import pytest

from crmcore.infrastructure.database import migrate

HOST = """
import dataclasses, locale, logging, os, signal, sys, threading, warnings

LOGGERS = ("", "crmcore", "psycopg", "psycopg.pool")

def state():
    return {
        "levels": [logging.getLogger(name).level for name in LOGGERS],
        "handlers": [list(logging.getLogger(name).handlers) for name in LOGGERS],
        "dataclasses": dict(vars(dataclasses)),
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "locale": locale.setlocale(locale.LC_ALL),
        "signals": [signal.getsignal(number) for number in sorted(signal.valid_signals())],
        "hooks": [sys.excepthook, threading.excepthook, sys.unraisablehook],
        "warnings": list(warnings.filters),
        "path": list(sys.path),
        "eventsourcing": "eventsourcing" in sys.modules,
        "threads": set(threading.enumerate()),
    }

def changed(but=()):
    now = state()
    return [name for name in before if before[name] != now[name] and name not in but]

for name, level in zip(LOGGERS, map(int, sys.argv[2:])):
    logging.getLogger(name).setLevel(level)
before = state()
"""

EMBEDS = """
import crmcore
from crmcore.domain import customer
from uuid import UUID
assert not changed(), changed()

with crmcore.CRM.open(sys.argv[1]) as crm:
    assert not changed(but=["threads"]), changed()
    ada = customer.Register(code="a", name="Ada", kind="person")
    crm.do(ada, to=UUID(int=1), act=crm.act("ann"))
    assert crm.customer(UUID(int=1)).profile.name == "Ada"
    assert not changed(but=["threads"]), changed()
assert not changed(), changed()
"""

USES_THE_LIBRARY = """
from crmcore.infrastructure.recorder import PostgresFactory
noticed = ["dataclasses", "eventsourcing"]  # the library's doing, which its host asked for
assert changed() == noticed, changed()
with PostgresFactory({"CRMCORE_STORE": sys.argv[1]}) as factory:
    assert factory.application_recorder().max_notification_id() is None
    assert changed(but=["threads"]) == noticed, changed()
assert changed() == noticed, changed()
assert dataclasses._process_class.__module__ == "eventsourcing.domain"
assert "eventsourcing.postgres" not in sys.modules
"""

NOTHING_SET, ALL_SET = (30, 0, 0, 0), (20, 10, 10, 50)


def run(program: str, store: Path | str, levels: tuple[int, ...]) -> None:
    command = [sys.executable, "-c", HOST + program, str(store), *map(str, levels)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not ran.returncode, ran.stderr
    assert ran.stderr == ""


@pytest.mark.parametrize("levels", [NOTHING_SET, ALL_SET])
def test_opening_a_servers_store_leaves_the_host_as_it_was(
    postgres_url: str, levels: tuple[int, ...]
) -> None:
    migrate(postgres_url)
    run(EMBEDS, postgres_url, levels)


def test_opening_an_embedded_store_leaves_the_host_as_it_was(folder: Path) -> None:
    run(EMBEDS, folder, NOTHING_SET)


@pytest.mark.parametrize("levels", [NOTHING_SET, ALL_SET])
def test_importing_the_recorder_does_what_importing_the_library_does_and_no_more(
    postgres_url: str, levels: tuple[int, ...]
) -> None:
    migrate(postgres_url)
    run(USES_THE_LIBRARY, postgres_url, levels)
