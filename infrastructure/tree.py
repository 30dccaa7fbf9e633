"""The Merkle tree over the order of a log in PostgreSQL.

Its leaves follow from the facts and the order. The hashes of complete subtrees of 256 leaves, of
256 of those and so on are kept in `crm.tree` when a seal completes them; one that is not there is
computed. Whoever relies on one compares what follows from it with a root that was signed.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from crmcore.application.chain import leaves
from crmcore.application.journal import StoreError
from crmcore.application.merkle import TILE, TILE_LEVELS, complete

if TYPE_CHECKING:
    from psycopg import Connection

TILES_MAX = 64
GROWTH_MAX = 1_000

Query: TypeAlias = Callable[[str, Any], list[tuple[Any, ...]]]

# As each batch has a fact at least, so many batches reach beyond so many positions.
_LEAVES = f"""
SELECT greatest(s.last - s.facts, %(after)s), s.recorded_at,
    string_agg(f.digest, '' ORDER BY f.ordinal)
FROM (
    SELECT * FROM crm.sealed AS s WHERE s.last > %(after)s ORDER BY s.last LIMIT {TILE}
) AS s CROSS JOIN LATERAL (
    SELECT f.digest, f.ordinal FROM crm.facts AS f
    WHERE f.batch = s.batch AND f.ordinal < s.facts
        AND f.ordinal >= %(after)s - (s.last - s.facts)
        AND f.ordinal < %(after)s + {TILE} - (s.last - s.facts) OFFSET 0
) AS f
GROUP BY s.last, s.facts, s.recorded_at ORDER BY s.last"""  # noqa: S608 - our own numbers

_TILE = f"""
SELECT number, hash FROM crm.tree
WHERE level = %(level)s AND number >= %(first)s AND number < %(first)s + {TILE}"""  # noqa: S608 - see above

_GROWN = "SELECT coalesce(max(number), -1) + 1 FROM crm.tree WHERE level = 1"
_GROW = """
INSERT INTO crm.tree (level, number, hash)
SELECT %s, number, hash FROM unnest(%s::bigint[], %s::bytea[]) AS t (number, hash)
ON CONFLICT DO NOTHING"""


class Incomplete(StoreError):
    """Facts are missing in the order, so there is no tree over it."""

    def __init__(self, position: int) -> None:
        super().__init__(
            f"a fact at position {position} or shortly before is missing: `crmcore verify` tells"
        )


class PostgresTree:
    """Implements Nodes; keeps the last tiles that it read."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._tile = lru_cache(TILES_MAX)(self._read)

    def __call__(self, level: int, number: int) -> bytes:
        """Return the hash of a complete subtree; raise Incomplete if facts of it are missing."""
        height, above = divmod(level, TILE_LEVELS)
        first = number << above
        return complete([self._hash(height, at) for at in range(first, first + (1 << above))])

    def _hash(self, height: int, number: int) -> bytes:
        tile = self._tile(height, number // TILE)
        if number not in tile:
            if not height:
                raise Incomplete(number + 1)
            below = range(number * TILE, (number + 1) * TILE)
            tile[number] = complete([self._hash(height - 1, at) for at in below])
        return tile[number]

    def _read(self, height: int, tile: int) -> dict[int, bytes]:
        """Return what is there of 256 hashes beside each other, by their numbers."""
        first = tile * TILE
        if height:
            return dict(self._query(_TILE, {"level": height, "first": first}))
        return {
            place: leaf
            for before, recorded_at, digests in self._query(_LEAVES, {"after": first})
            for place, leaf in enumerate(leaves(recorded_at, digests), before)
        }


def grow(connection: "Connection[Any]", before: int, position: int) -> None:
    """Keep the hashes of the subtrees that are complete now, if some were completed."""

    def query(sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:  # noqa: ANN401 - psycopg's
        return connection.execute(sql.encode(), parameters, prepare=True).fetchall()

    if before // TILE == position // TILE:
        return
    [(first,)] = query(_GROWN)
    last, level = min(position // TILE, first + GROWTH_MAX), 1
    while first < last:
        tree = PostgresTree(query)  # a new one, so that it finds what was kept a moment ago
        numbers = range(first, last)
        hashes = [tree(level * TILE_LEVELS, number) for number in numbers]
        connection.execute(_GROW.encode(), [level, list(numbers), hashes], prepare=True)
        first, last, level = first // TILE, last // TILE, level + 1
