"""Values that cost little to make and much to look at, and the doors at which they arrive."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias
from uuid import UUID

from msgspec.structs import replace

from crmcore import CRM, Money, Policies
from crmcore.domain import customer, opportunity
from crmcore.intake import Report, import_files, load_mapping
from crmcore.policies import checked, read
from crmcore.policy_files import loads

Whatever: TypeAlias = Any

ADA = UUID(int=7)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TALK = customer.LogInteraction(channel="chat", summary="hello")
LARGE = 2_000_000


def nested(times: int) -> tuple[Any, ...]:
    value: tuple[Any, ...] = ()
    for _ in range(times):
        value = (value,)
    return value


def cyclic() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@cache
def crm() -> CRM:
    """A CRM in which somebody is registered, and nothing else ever is."""
    made = CRM.in_memory(clock=lambda: NOW)
    register = customer.Register(code="a", name="Ada", kind="person")
    made.do(register, to=ADA, act=made.act("ann"))
    return made


VALUES: Mapping[str, object] = {
    "a number of 4,000,000 bits": 1 << 4_000_000,
    "a number of 65 bits": 1 << 64,
    "no number": float("nan"),
    "infinity": float("inf"),
    "a float": 1.5,
    "a text of megabytes": "x" * LARGE,
    "half a character": "a\ud800",
    "a text that turns around": "a\u202eb",
    "a text with an end in it": "a\0b",
    "lists in lists": nested(100_000),
    "a list in itself": cyclic(),
    "millions of values": ("x",) * LARGE,
    "a set of many": frozenset(range(100_000)),
    "a decimal of a million digits": Decimal("1e1000000"),
    "bytes": b"x" * 1_000,
    "a thing": object(),
    "a program": lambda: None,
}
INSTANTS: Mapping[str, object] = {
    "no time zone": datetime(2026, 3, 1),  # noqa: DTZ001 - what is refused
    "the first instant": datetime.min.replace(tzinfo=UTC),
    "the last instant": datetime.max.replace(tzinfo=UTC),
    "the first day": date.min,
    "the last day": date.max,
}
TEXTS: Mapping[str, str] = {
    "a number of 5,000 digits": "version = " + "9" * 5_000,
    "a number of 90,000 digits": "version = " + "9" * 90_000,
    "a float beyond all": "version = 1e999999",
    "no number": "version = nan",
    "megabytes": "#" * LARGE,
    "lists in lists": "a = " + "[" * 40_000 + "]" * 40_000,
    "tables in tables": "a = " + "{a=" * 20_000 + "1" + "}" * 20_000,
    "a key of many parts": "a" + ".a" * 45_000 + " = 1",
    "a key twice": "version = 1\nversion = 2",
    "half a character": 'name = "\\ud800"',
    "a text that turns around": 'name = "a\u202eb"',
    "many wrong keys": "\n".join(f"x{n} = 1" for n in range(9_000)),
    "a long name": f'name = "{"x" * 90_000}"',
    "a far date": "books_closed_through = 99999-01-01",
    "a zone that is a path": 'time_zone = "../../etc/passwd"',
}
JSON: Mapping[str, str] = {
    "lists in lists": "[" * 100_000,
    "a key twice, at odds": '{"version":1,"version":0}',
    "a number of 90,000 digits": '{"version":' + "9" * 90_000 + "}",
    "no number": '{"version":NaN}',
    "half a character": '{"name":"\\ud800"}',
}
CELLS: Mapping[str, str] = {
    "an amount of 100,000 digits": "9" * 100_000,
    "an amount of many zeros": "1e1000000",
    "no number": "nan",
    "a text of 150,000 characters": "x" * 150_000,
    "a line of 300,000 characters": "x" * 300_000,
    "a far date": "99999-01-01",
    "half a character": "caf\ud8e9",
    "a text with an end in it": "a\0b",
    "a long date": "2" * 100_000,
}


# The doors


def a_text_of_a_command(value: Whatever) -> object:
    return crm().do(replace(TALK, summary=value), to=ADA, act=crm().act("ann"))


def an_amount(value: Whatever) -> object:
    money = Money(minor=value, currency="USD")
    return crm().do(
        customer.RecordPurchase(purchase="p", amount=money), to=ADA, act=crm().act("ann")
    )


def a_part_of_a_command(value: Whatever) -> object:
    return crm().do(customer.ChangeSites(sites=value), to=ADA, act=crm().act("ann"))


def a_date_of_a_command(value: Whatever) -> object:
    command = opportunity.Reschedule(expected_close=value)
    return crm().do(command, to=UUID(int=8), act=crm().act("ann"))


def a_command(value: Whatever) -> object:
    return crm().do(value, to=ADA, act=crm().act("ann"))


def some_commands(value: Whatever) -> object:
    return crm().do_all(value, act=crm().act("ann"))


def an_id(value: Whatever) -> object:
    return crm().do(TALK, to=value, act=crm().act("ann"))


def an_id_that_is_asked_about(value: Whatever) -> object:
    return crm().customer(value)


def an_id_whose_value_is_asked_for(value: Whatever) -> object:
    return crm().value(value)


def an_id_whose_answers_are_asked_for(value: Whatever) -> object:
    return crm().answers(value)


def an_act(value: Whatever) -> object:
    return crm().do(TALK, to=ADA, act=value)


def who_acts(value: Whatever) -> object:
    return crm().do(TALK, to=ADA, act=replace(crm().act("ann"), by=value))


def a_command_id(value: Whatever) -> object:
    return crm().do(TALK, to=ADA, act=replace(crm().act("ann"), command_id=value))


def a_cause(value: Whatever) -> object:
    return crm().do(TALK, to=ADA, act=replace(crm().act("ann"), causation_id=value))


def the_roles_of_an_act(value: Whatever) -> object:
    return crm().do(TALK, to=ADA, act=replace(crm().act("ann"), roles=value))


def the_roles_that_an_act_is_made_of(value: Whatever) -> object:
    return crm().do(TALK, to=ADA, act=crm().act("ann", roles=value))


def when_an_act_takes_effect(value: Whatever) -> object:
    act = replace(crm().act("ann", roles=["migration"]), effective_at=value, dated=True)
    return crm().do(TALK, to=ADA, act=act)


def when_an_act_is_said_to_take_effect(value: Whatever) -> object:
    return crm().do(TALK, to=ADA, act=crm().act("ann", effective_at=value))


def a_date_that_is_asked_about(value: Whatever) -> object:
    return crm().lifecycle(ADA, as_of=value)


def a_position(value: Whatever) -> object:
    return crm().lifecycle(ADA, known_at=value)


def where_a_feed_begins(value: Whatever) -> object:
    return crm().feed(after=value)


def policies(value: Whatever) -> object:
    return checked(value)


def a_number_of_policies(value: Whatever) -> object:
    return checked(Policies(max_backdate_days=value))


def stages_of_policies(value: Whatever) -> object:
    return checked(Policies(opportunity=opportunity.Policy(pipelines=value)))


def a_policy_file(text: Whatever) -> object:
    return loads(text)


def policies_as_they_are_adopted(text: Whatever) -> object:
    return read(text)


def a_mapping(text: Whatever) -> object:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mapping.toml"
        path.write_bytes(text.encode(errors="surrogatepass"))
        return load_mapping(str(path))


VALUE_DOORS: tuple[Callable[[Whatever], object], ...] = (
    a_text_of_a_command,
    an_amount,
    a_part_of_a_command,
    a_date_of_a_command,
    a_command,
    some_commands,
    an_id,
    an_id_that_is_asked_about,
    an_id_whose_value_is_asked_for,
    an_id_whose_answers_are_asked_for,
    an_act,
    who_acts,
    a_command_id,
    a_cause,
    the_roles_of_an_act,
    the_roles_that_an_act_is_made_of,
    when_an_act_takes_effect,
    when_an_act_is_said_to_take_effect,
    a_date_that_is_asked_about,
    a_position,
    where_a_feed_begins,
    policies,
    a_number_of_policies,
    stages_of_policies,
)
INSTANT_DOORS = (
    when_an_act_takes_effect,
    when_an_act_is_said_to_take_effect,
)
TEXT_DOORS = (a_policy_file, a_mapping)
DOORS: Mapping[str, Callable[[Whatever], object]] = {
    door.__name__: door for door in (*VALUE_DOORS, *TEXT_DOORS, policies_as_they_are_adopted)
}


def bombs(door: str) -> Mapping[str, object]:
    """Return what must be refused at a door."""
    found = DOORS[door]
    if found is policies_as_they_are_adopted:
        return JSON
    if found in TEXT_DOORS:
        return TEXTS
    return {**VALUES, **INSTANTS} if found in INSTANT_DOORS else VALUES


def import_cell(text: str, column: str, folder: Path) -> Report:
    """Return the report of importing one sale with this text in a column."""
    row = {"sale": "S-1", "customer": "K1", "day": "2025-01-05", "product": "tea", "quantity": "1",
           "amount": "5.00"}  # fmt: skip
    row[column] = text
    till = folder / "till.csv"
    lines = f"{','.join(row)}\n{','.join(row.values())}\n"
    till.write_bytes(lines.encode(errors="surrogatepass"))
    return import_files(CRM.in_memory(), load_mapping("shop_sales"), [till])
