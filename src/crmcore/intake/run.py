"""An import: files in, commands carried out in batches, and a report of what went in."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

from msgspec.structs import replace

from crmcore.crm import CRM
from crmcore.domain.act import Act
from crmcore.domain.bounds import MIGRATION
from crmcore.domain.value import CRMError, Value
from crmcore.intake.mapping import Mapping
from crmcore.intake.plan import Planned, RowError, check, commands_by_name, plan
from crmcore.intake.rows import read_rows

BATCH = 500

Progress: TypeAlias = Callable[[int, int], None]


class Report(Value):
    """What an import did; `repeated` commands had been carried out by an earlier run."""

    rows: int
    commands: int
    repeated: int
    facts: int
    errors: tuple[RowError, ...]


def import_files(
    crm: CRM, mapping: Mapping, paths: Sequence[Path], *, progress: Progress | None = None
) -> Report:
    """Carry out what the rows of these files stand for; a second run changes nothing.

    Raises InvalidFile before anything is recorded if a file or the mapping cannot be read. A run
    that is cut goes on where it stopped: the ids of its commands come from the rows.
    """
    known = commands_by_name(decider.commands for decider in crm.deciders)
    check(mapping, known)
    rows = (row for path in paths for row in read_rows(mapping, path))
    planned, errors, count = plan(mapping, rows, known)
    repeated = facts = 0
    for start in range(0, len(planned), BATCH):
        batch = planned[start : start + BATCH]
        outcomes = crm.carry_out([_request(crm, mapping, item) for item in batch])
        for item, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, CRMError):
                reason = f"{item.command.__struct_config__.tag}: {outcome}"
                errors.append(RowError(file=item.row.file, row=item.row.number, reason=reason))
            else:
                repeated += outcome.replayed
                facts += 0 if outcome.replayed else len(outcome.facts)
        if progress is not None:
            progress(start + len(batch), len(planned))
    errors.sort(key=lambda error: (error.file, error.row))
    return Report(
        rows=count, commands=len(planned), repeated=repeated, facts=facts, errors=tuple(errors)
    )


def _request(crm: CRM, mapping: Mapping, item: Planned) -> tuple[Act, list[tuple[Value, UUID]]]:
    act = crm.act(
        item.rule.by or mapping.by,
        roles=item.rule.roles | {MIGRATION},  # a file may be of any age
        because=f"{mapping.about}, {item.row.file} row {item.row.number}",
        effective_at=item.on,
        command_id=item.command_id,
    )
    if item.rule.once:  # any row may speak for the target, so its id is bound to no date
        act = replace(act, dated=False)
    return act, [(item.command, item.to)]
