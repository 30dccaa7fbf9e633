"""Rebuilt answers in memory and in PostgreSQL (table crm.answers)."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from crmcore.application.views import Difference, Row
from crmcore.infrastructure.database import Database

_COLUMNS = "customer, question, answer, rule, since, next_change_at, because"

_DIFFERENCE = """
SELECT count(*) FILTER (WHERE old.customer IS NULL),
    count(*) FILTER (WHERE new.customer IS NULL),
    count(*) FILTER (WHERE old.customer IS NOT NULL AND new.customer IS NOT NULL
        AND (old.answer, old.since, old.next_change_at)
            IS DISTINCT FROM (new.answer, new.since, new.next_change_at)),
    count(*) FILTER (WHERE (old.customer, old.answer, old.since)
            = (new.customer, new.answer, new.since)
        AND old.next_change_at IS NOT DISTINCT FROM new.next_change_at)
FROM crm.answers AS old FULL JOIN shadow AS new USING (question, customer)"""


class MemoryViews:
    """Implements Views with a dict."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, UUID], Row] = {}

    def replace(self, rows: Sequence[Row]) -> Difference:
        """Put these rows in the place of all others at once, and tell what differs."""
        old, new = self._rows, {(row.question, row.customer): row for row in rows}
        self._rows = new
        both = old.keys() & new.keys()
        same = sum(_said(old[key]) == _said(new[key]) for key in both)
        return Difference(
            added=len(new.keys() - old.keys()),
            removed=len(old.keys() - new.keys()),
            changed=len(both) - same,
            unchanged=same,
        )

    def rows(self, customer: UUID) -> Sequence[Row]:
        """Return the rows of a customer, ordered by question."""
        return sorted(
            (row for row in self._rows.values() if row.customer == customer),
            key=lambda row: row.question,
        )


class PostgresViews:
    """Implements Views with a table: a shadow is filled, compared, and put in its place."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, rows: Sequence[Row]) -> Difference:
        """Put these rows in the place of all others at once, and tell what differs."""
        with self._database.transaction() as connection:
            connection.execute("LOCK TABLE crm.answers IN SHARE ROW EXCLUSIVE MODE")
            connection.execute("CREATE TEMP TABLE shadow (LIKE crm.answers)")
            with connection.cursor().copy(f"COPY shadow ({_COLUMNS}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row([getattr(row, name) for name in Row.__struct_fields__[:6]]
                                   + [list(row.because)])  # fmt: skip
            counts = connection.execute(_DIFFERENCE).fetchone()
            connection.execute("DELETE FROM crm.answers")
            connection.execute("INSERT INTO crm.answers SELECT * FROM shadow")
            connection.execute("DROP TABLE shadow")
        assert counts is not None
        added, removed, changed, unchanged = counts
        return Difference(added=added, removed=removed, changed=changed, unchanged=unchanged)

    def rows(self, customer: UUID) -> Sequence[Row]:
        """Return the rows of a customer, ordered by question."""
        found = self._database.query(
            f"SELECT {_COLUMNS} FROM crm.answers WHERE customer = %s ORDER BY question",  # noqa: S608 - our constant
            [customer],
        )
        return [
            msgspec.convert(dict(zip(Row.__struct_fields__, row, strict=True)), Row)
            for row in found
        ]


def _said(row: Row) -> tuple[object, ...]:
    return row.answer, row.since, row.next_change_at
