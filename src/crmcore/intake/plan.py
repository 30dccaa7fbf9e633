"""Rows to commands: what a row stands for, by the mapping; a row is understood whole or refused."""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, TypeAlias, get_args
from uuid import UUID

import msgspec

from crmcore.application.ids import aggregate_id, command_id
from crmcore.domain.money import Money, parse_money
from crmcore.domain.value import Value
from crmcore.intake.mapping import (
    KINDS,
    CommandRule,
    FieldRule,
    InvalidFile,
    Mapping,
    parse_date,
)
from crmcore.intake.rows import Row

Cell: TypeAlias = str | int | date | UUID | Money | None
Commands: TypeAlias = dict[str, type[msgspec.Struct]]

ROW = "row"  # the name, in a mapping, of what identifies a row

_WHOLE = re.compile(r"\{(\w+)\}")


class RowError(Value):
    """A row that did not go in, or not all of it, and why."""

    file: str
    row: int
    reason: str


class Planned(Value):
    """A command that a row stands for."""

    row: Row
    step: int
    on: date
    to: UUID
    command_id: UUID
    command: Any
    rule: CommandRule


class Misfit(Exception):
    """A row cannot be understood; the text says why."""


def commands_by_name(unions: Iterable[Any]) -> Commands:
    """Return the command types of these unions by their names."""
    return {cls.__struct_config__.tag: cls for union in unions for cls in get_args(union)}


def check(mapping: Mapping, known: Commands) -> None:
    """Raise InvalidFile unless every command of a mapping exists and takes what it is given."""
    for rule in mapping.commands:
        if rule.command not in known:
            raise InvalidFile(f"there is no command {rule.command!r}")
        unknown = set(rule.give) - set(known[rule.command].__struct_fields__)
        unknown |= _names(rule.give) - {*mapping.fields, ROW}
        if unknown:
            raise InvalidFile(f"{rule.command}: there is no {', '.join(sorted(unknown))}")


def plan(
    mapping: Mapping, rows: Iterable[Row], known: Commands
) -> tuple[list[Planned], list[RowError], int]:
    """Return the commands of all rows in the order of their days, the misfits, and how many rows.

    Days are the order because facts of one history should be recorded in it where they can.
    """
    planned: list[Planned] = []
    errors: list[RowError] = []
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - how many there were
        try:
            planned += list(_commands(mapping, row, known))
        except Misfit as misfit:
            errors.append(RowError(file=row.file, row=row.number, reason=str(misfit)))
    planned.sort(key=lambda item: (item.on, item.row.number, item.step))
    first = {item.command_id: item for item in reversed(planned) if item.rule.once}
    kept = [item for item in planned if first.get(item.command_id, item) is item]
    return kept, errors, count


def _commands(mapping: Mapping, row: Row, known: Commands) -> Iterator[Planned]:
    if row.broken:
        raise Misfit(row.broken)
    cells: dict[str, Cell] = {name: _cell(mapping, name, row) for name in mapping.fields}
    cells[ROW] = command_id(mapping.source, row.identity, ROW).hex[:12]
    for step, rule in enumerate(mapping.commands):
        if not _applies(rule, row, cells):
            continue
        to, on = cells[rule.to], cells[rule.on]
        if not isinstance(to, UUID) or not isinstance(on, date):
            raise Misfit(f"{rule.command} needs {rule.to} and {rule.on}")
        given = _filled(rule.give, cells) | {"type": rule.command}
        identity = str(to) if rule.once else f"{row.identity}/{step}"
        yield Planned(
            row=row,
            step=step,
            on=on,
            to=to,
            command_id=command_id(mapping.source, identity, rule.command),
            command=_command(known[rule.command], given),
            rule=rule,
        )


def _command(cls: type, given: dict[str, Any]) -> Any:  # noqa: ANN401 - any command
    try:
        return msgspec.convert(given, cls)
    except msgspec.ValidationError as error:
        raise Misfit(f"{given['type']}: {error}") from error


def _applies(rule: CommandRule, row: Row, cells: dict[str, Cell]) -> bool:
    met = all(row.columns[column] in values for column, values in rule.when.items())
    return met and all(cells[name] is not None for name in rule.given)


def _cell(mapping: Mapping, name: str, row: Row) -> Cell:
    """Return the value of a field in a row."""
    rule = mapping.fields[name]
    text = (row.columns[rule.column] if rule.column else "") or rule.default or ""
    text = rule.replace.get(text, text)
    if not text:
        if rule.optional:
            return None
        raise Misfit(f"{rule.column or name} is empty")
    if rule.known is not None and text not in rule.known:
        raise Misfit(f"{rule.column or name}: {text[:40]!r} is not known")
    try:
        return _typed(mapping, rule, text)
    except ValueError as error:
        raise Misfit(f"{rule.column or name}: {error}") from error


def _typed(mapping: Mapping, rule: FieldRule, text: str) -> Cell:
    if rule.type in KINDS:
        return aggregate_id(rule.type, rule.source or mapping.source, text)
    if rule.type == "decimal":
        assert rule.currency is not None
        money = parse_money(text, rule.currency)
        return Money(minor=money.minor * rule.scale, currency=money.currency)
    if rule.type == "integer":
        return int(text) if re.fullmatch(r"-?\d{1,15}", text) else _refuse(text, "a whole number")
    if rule.type == "date":
        return parse_date(text, rule.format)
    return text


def _refuse(text: str, wanted: str) -> int:
    raise ValueError(f"{text[:40]!r} is not {wanted}")


def _filled(given: Any, cells: dict[str, Cell]) -> Any:  # noqa: ANN401 - nested as in the mapping
    """Return what is given with the fields filled in; what is empty is left out."""
    if isinstance(given, dict):
        filled = {key: _filled(value, cells) for key, value in given.items()}
        return {key: value for key, value in filled.items() if value not in (None, {}, [])}
    if isinstance(given, list):
        return [value for item in given if (value := _filled(item, cells)) is not None]
    if not isinstance(given, str):
        return given
    if whole := _WHOLE.fullmatch(given):
        value = cells[whole[1]]
        return msgspec.to_builtins(value) if isinstance(value, Money) else value
    if any(cells[name] is None for name in _WHOLE.findall(given)):
        return None
    return _WHOLE.sub(lambda found: str(cells[found[1]]), given)


def _names(given: Any) -> set[str]:  # noqa: ANN401 - nested as in the mapping
    if isinstance(given, dict):
        return {name for value in given.values() for name in _names(value)}
    if isinstance(given, list):
        return {name for value in given for name in _names(value)}
    return set(_WHOLE.findall(given)) if isinstance(given, str) else set()
