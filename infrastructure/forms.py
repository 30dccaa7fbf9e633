"""The form of a stored state: another one when the rules that led to it are others.

A state is of use to the very rules that made it. Its form is a digest over the sources of
`crmcore.domain`, so a new release starts anew from the facts. States of an application's own rules
are not stored: nobody can tell when what these call has changed.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from crmcore.domain.decider import Decider

OURS = "crmcore.domain"
FORM_LENGTH = 32


def forms_of(deciders: Iterable[Decider[Any, Any, Any]]) -> dict[str, str]:
    """Return the form of the stored states of each kind of stream of which states are stored."""
    return {
        decider.kind: _sources()
        for decider in deciders
        if _is_ours(decider.evolve) and _is_ours(type(decider.initial))
    }


def _is_ours(item: Callable[..., Any]) -> bool:
    """Tell whether a function or a type is found under its name in our own rules."""
    module, name = getattr(item, "__module__", ""), getattr(item, "__qualname__", "")
    return module.startswith(f"{OURS}.") and getattr(import_module(module), name, None) is item


@lru_cache
def _sources() -> str:
    """Return a digest over the sources of our own rules."""
    digest = sha256()
    for source in _read(files(OURS)):
        digest.update(source)
    return digest.hexdigest()[:FORM_LENGTH]


def _read(folder: Traversable) -> Iterator[bytes]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _read(item)
        elif item.name.endswith(".py"):
            yield item.name.encode() + item.read_bytes()
