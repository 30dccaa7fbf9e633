"""Personal texts erased: the facts stay facts of their types, and say no more who it was."""

from datetime import date
from functools import lru_cache
from typing import Any

from msgspec import Struct
from msgspec import inspect as mi
from msgspec.structs import replace

from crmcore.testing.recording import Log

ERASED = "erased"
TEXT_LENGTH = 200  # a text of fewer characters is a name of ours, such as an order's

# What is personal in another form than free text, and the mark that its type allows.
MARKS = {
    "phone": "+10000000",
    "email": "erased@erased",
    "birthday": None,
    "tax_id": ERASED,
    "account": ERASED,
}
KEPT = frozenset({"pipeline", "requested_by", "approved_by"})  # a policy, and who acted


def erased(log: Log) -> Log:
    """Return a log whose personal texts are a mark: names, contacts, whatever was said.

    Names of things, such as orders and stages, are kept, and so is who acted.
    """
    return tuple(replace(fact, event=without(fact.event), reason=_note(fact)) for fact in log)


def without(event: Any) -> Any:  # noqa: ANN401 - any event
    """Return an event without its personal texts.

    >>> from crmcore.domain.ticket import NoteAdded
    >>> without(NoteAdded(text="She is ill."))
    NoteAdded(text='erased')
    """
    texts = _texts(event.__class__)
    news = {name: _marked(name, getattr(event, name), texts) for name in event.__struct_fields__}
    return replace(event, **news)


def _marked(name: str, value: Any, texts: frozenset[str]) -> Any:  # noqa: ANN401 - of any field
    match value:
        case str() | date() if name in MARKS and value:
            return MARKS[name]
        case str() if name in texts:
            return ERASED if value else ""
        case tuple():
            return tuple(_marked(name, item, texts) for item in value)
        case Struct():
            return without(value)
        case _:
            return value


def _note(fact: Any) -> str:  # noqa: ANN401 - a fact of any event
    return ERASED if fact.reason else ""


@lru_cache
def _texts(tp: type) -> frozenset[str]:
    """Return the fields that hold free text."""
    info = mi.type_info(tp)
    assert isinstance(info, mi.StructType)
    return frozenset(f.name for f in info.fields if f.name not in KEPT and _is_text(f.type))


def _is_text(info: mi.Type) -> bool:
    match info:
        case mi.Metadata():
            return _is_text(info.type)
        case mi.UnionType():
            return any(map(_is_text, info.types))
        case mi.VarTupleType():
            return _is_text(info.item_type)
        case mi.StrType():
            return info.pattern is None or (info.max_length or 0) >= TEXT_LENGTH
        case _:
            return False
