"""TOML of people we do not know: what would take long to read is refused before it is read."""

import tomllib
from typing import Any

LINE_CHARACTERS_MAX = 2_000
DOTS_MAX = 30
ERROR_CHARACTERS_MAX = 200


def parsed(data: bytes, bytes_max: int) -> dict[str, Any]:
    """Return what a TOML document says; ValueError in one sentence for what cannot be one.

    The time that reading takes grows with the square of a key's parts, so there are bounds.

    >>> parsed(b"a.b = 1", 100)
    {'a': {'b': 1}}
    """
    if len(data) > bytes_max:
        raise ValueError(f"it has more than {bytes_max} bytes")
    text = data.decode()
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LINE_CHARACTERS_MAX:
            raise ValueError(f"line {number} has more than {LINE_CHARACTERS_MAX} characters")
        if line.count(".") > DOTS_MAX:
            raise ValueError(f"line {number} has more than {DOTS_MAX} dots")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    except ValueError as error:
        raise ValueError(str(error)[:ERROR_CHARACTERS_MAX]) from error
