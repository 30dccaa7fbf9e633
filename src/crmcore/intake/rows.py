"""Files to rows: a row is its columns as text, with the place it came from."""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import msgspec

from crmcore.domain.value import Value
from crmcore.intake.mapping import InvalidFile, Layout, Mapping

LINE_CHARACTERS_MAX = 200_000
PATH_SHOWN_MAX = 200


class Row(Value):
    """One row: its columns as text, its number in the file from 1, and what identifies it.

    `broken` says why a row cannot be read, if it cannot.
    """

    file: str
    number: int
    columns: dict[str, str]
    identity: str
    broken: str | None = None


def read_rows(mapping: Mapping, path: Path) -> Iterator[Row]:
    """Yield the rows of a file; raise InvalidFile if it cannot be read as the mapping says."""
    seen: Counter[str] = Counter()
    try:
        with path.open(encoding=mapping.file.encoding, newline="") as stream:
            for number, (columns, broken) in enumerate(_cut(mapping, path.name, stream), 1):
                cells = [columns[name] for name in mapping.key or sorted(columns)]
                text = msgspec.json.encode(cells).decode()
                seen[text] += 1
                identity = text if mapping.key else f"{text} {seen[text]}"
                yield Row(
                    file=path.name,
                    number=number,
                    columns=columns,
                    identity=identity,
                    broken=broken,
                )
    except OSError as error:
        raise InvalidFile(f"{_shown(path)}: {error.strerror}") from error
    except (ValueError, LookupError, csv.Error) as error:  # among them every wrong encoding
        raise InvalidFile(f"{_shown(path)}: {error}") from error


def _cut(
    mapping: Mapping, name: str, stream: TextIO
) -> Iterator[tuple[dict[str, str], str | None]]:
    if mapping.file.format == "fixed":
        for line in _lines(stream):
            if text := line.rstrip("\r\n"):
                yield _fixed(mapping.file, text), None
        return
    reader = csv.reader(_lines(stream), delimiter=mapping.file.delimiter, strict=True)
    header = [column.strip() for column in next(reader, [])]
    if missing := mapping.columns() - set(header):
        raise InvalidFile(f"{name}: there is no column {', '.join(sorted(missing))}")
    if len(set(header)) < len(header):
        raise InvalidFile(f"{name}: a column occurs twice in the header")
    for cells in filter(None, reader):
        broken = None
        if len(cells) != len(header):
            broken = f"{len(cells)} columns where the header has {len(header)}"
        padded = [*cells, *[""] * len(header)]
        yield dict(zip(header, (cell.strip() for cell in padded), strict=False)), broken


def _shown(path: Path) -> str:
    return str(path)[-PATH_SHOWN_MAX:]


def _lines(stream: TextIO) -> Iterator[str]:
    """Yield the lines of a file; ValueError for one that is too long to be read."""
    while line := stream.readline(LINE_CHARACTERS_MAX + 1):
        if len(line) > LINE_CHARACTERS_MAX:
            raise ValueError(f"a line has more than {LINE_CHARACTERS_MAX} characters")
        yield line


def _fixed(layout: Layout, text: str) -> dict[str, str]:
    return {
        column: text[first - 1 : last].strip() for column, (first, last) in layout.columns.items()
    }
