"""The network takes everything and passes on nothing, and says that all is well."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import NamedTuple

from crmcore import CRM, CRMError, Stream
from tests.faults.proxy import Proxy
from tests.faults.setting import Result, Setting, database
from tests.faults.work import CLEAN, Work, carry_out, register, tally

DARK_S = 6
CALL_S_MAX = 30
ENDLESS_S_MAX = 75
IMPATIENT = "?connect_timeout=2&tcp_user_timeout=2000&options=-c%20statement_timeout%3D1000"


class _End(NamedTuple):
    """How a call ended, and after how long."""

    how: str
    seconds: float


def network_dark(setting: Setting) -> Result:
    """The network is dark for a while, in the long form also for ever.

    A question ends with an error in its time. A command ends with a receipt once the network is
    back, or with an error where it stays away.
    """
    work = Work(setting.seed, 3)
    first, second, third = work.jobs()
    stream = Stream(kind="customer", id=work.customers[0])
    forever = _End("not tried", 0)
    with (
        database(setting.url) as url,
        ThreadPoolExecutor() as threads,
        Proxy(url) as proxy,
        CRM.open(proxy.url + IMPATIENT) as crm,
    ):
        register(crm, work)
        carry_out(crm, first)
        proxy.dark = True
        asked = threads.submit(_ended, partial(crm.journal.read, [stream]))
        told = threads.submit(_ended, partial(carry_out, crm, second))
        wait([asked, told], timeout=DARK_S)
        proxy.dark = False
        question, command = _end(asked, CALL_S_MAX), _end(told, CALL_S_MAX)
        if setting.long:
            proxy.dark = True
            told = threads.submit(_ended, partial(carry_out, crm, third))
            forever = _end(told, ENDLESS_S_MAX)
        with CRM.open(url) as other:
            kept = tally(other, work.jobs(), {0, 1}, {2})
    return Result(
        {
            "question": question.how,
            "question s": question.seconds,
            "command": command.how,
            "command s": command.seconds,
            "in endless darkness": forever.how,
            "endless s": forever.seconds,
            **kept,
        },
        exactly=CLEAN
        | {
            "question": "Unreachable",
            "command": "Receipt",
            "in endless darkness": "Unreachable" if setting.long else "not tried",
        },
        at_most={"question s": DARK_S, "command s": CALL_S_MAX},
    )


def _ended(call: Callable[[], object]) -> _End:
    started = time.monotonic()
    try:
        how = type(call()).__name__
    except CRMError as error:
        how = type(error).__name__
    return _End(how, round(time.monotonic() - started, 1))


def _end(call: Future[_End], seconds_max: float) -> _End:
    """Return how a call ended, unless it does not end."""
    wait([call], timeout=seconds_max)
    return call.result() if call.done() else _End("still waiting", seconds_max)
