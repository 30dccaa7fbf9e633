"""Connections are cut when the server has a commit and the client does not know."""

from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

from crmcore import CRM, CRMError, Receipt, Stream, Unreachable
from crmcore.application.handle import Asked, Request, Task, attempt, checked
from crmcore.application.states import Remembered
from tests.faults.proxy import Proxy
from tests.faults.setting import Result, Setting, database
from tests.faults.work import CLEAN, Job, Work, carry_out, register, tally

CUTS = 180
BULK_CUTS = 20
BULK_COMMANDS = 800
CONTROL_CUTS = 50
APPEND = b"INSERT INTO crm.tail"


def connections_cut(setting: Setting) -> Result:
    """Cut single commands and bulk writes, half of them while the server still works on them."""
    chance = setting.chance("connections cut")
    work = Work(setting.seed, setting.times(CUTS))
    replayed, acknowledged = 0, set[int]()
    with database(setting.url) as url, Proxy(url) as proxy:
        with CRM.open(proxy.url) as crm:
            register(crm, work)
            for job in work.jobs():
                proxy.cut_at(APPEND, replied=chance.random() < 0.5)
                try:
                    replayed += carry_out(crm, job).replayed
                except CRMError:
                    continue
                acknowledged.add(job.number)
        with CRM.open(url) as crm:
            kept = tally(crm, work.jobs(), acknowledged)
    bulk_cuts, not_exact = _bulk_writes_cut(setting)
    return Result(
        {
            "cuts": proxy.cuts,
            "receipts": len(acknowledged),
            "replayed": replayed,
            **kept,
            "bulk writes cut": bulk_cuts,
            "not exact": not_exact,
            "control: twice": _twice_without_ids(setting),
        },
        exactly=CLEAN
        | {
            "cuts": work.commands,
            "receipts": work.commands,
            "bulk writes cut": setting.times(BULK_CUTS),
            "not exact": 0,
        },
        at_least={"replayed": work.commands // 2, "control: twice": 1},
    )


def _bulk_writes_cut(setting: Setting) -> tuple[int, int]:
    """Cut writes that take several transactions; return how many, and what went wrong."""
    wrong = 0
    with (
        database(setting.url) as url,
        Proxy(url) as proxy,
        CRM.open(proxy.url) as crm,
        CRM.open(url) as reader,
    ):
        for number in range(setting.times(BULK_CUTS)):
            work = Work(setting.seed + number, BULK_COMMANDS)
            register(crm, work)
            before = reader.position()
            proxy.cut_at(APPEND, replied=number % 2 == 0)
            outcomes = crm.carry_out([(job.act(crm), job.commands) for job in work.jobs()])
            facts = sum(len(one.facts) for one in outcomes if isinstance(one, Receipt))
            asked = sum(len(job.commands) for job in work.jobs())
            wrong += not facts == asked == reader.position() - before
        wrong += len(reader.verify().problems)
        return proxy.cuts, wrong


def _twice_without_ids(setting: Setting) -> int:
    """Return how many facts are there twice where each attempt is an act of its own."""
    work = Work(setting.seed, setting.times(CONTROL_CUTS))
    with database(setting.url) as url, Proxy(url) as proxy:
        with CRM.open(proxy.url) as crm:
            register(crm, work)
            for job in work.jobs():
                proxy.cut_at(APPEND, replied=True)
                while not _attempted(crm, job):
                    pass
        with CRM.open(url) as crm:
            return tally(crm, work.jobs(), range(work.commands))["twice"]


def _attempted(crm: CRM, job: Job) -> bool:
    """Attempt a command under a new id; return whether the store was reached."""
    decide = partial(attempt, journal=crm.journal, remembered=Remembered())
    try:
        decide([_asked(crm, job)], clock=partial(datetime.now, UTC))
    except Unreachable:
        return False
    return True


def _asked(crm: CRM, job: Job) -> Asked:
    decider = next(decider for decider in crm.deciders if decider.kind == "customer")
    tasks = tuple(
        Task(decider=decider, stream=Stream(kind="customer", id=customer), command=command)
        for command, customer in job.commands
    )
    act = crm.act("campaign", command_id=uuid4())
    own = crm.policies
    return checked(Request(act=act, tasks=tasks, policy=own.stamp, bounds=own.bounds))
