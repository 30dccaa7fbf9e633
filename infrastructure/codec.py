"""Events to stored bytes and back, through a closed registry: stored data can run no code."""

from typing import Any, TypeAlias, get_args

import msgspec

from crmcore.application.journal import CorruptFact
from crmcore.domain import customer, loyalty, opportunity, ticket

Event: TypeAlias = customer.Event | loyalty.Event | opportunity.Event | ticket.Event

NAMES: dict[type, str] = {cls: cls.__struct_config__.tag for cls in get_args(Event)}
CLASSES = {name: cls for cls, name in NAMES.items()}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Event).decode


def dump(event: Any) -> tuple[str, bytes]:  # noqa: ANN401 - the registry says which there are
    """Return the stored name and the payload of an event."""
    return NAMES[type(event)], _encode(event)


def load(position: int, name: str, payload: bytes) -> Event:
    """Return the event of a stored row; raise CorruptFact for what cannot be one."""
    if name not in CLASSES:
        raise CorruptFact(position, f"there is no event named {name[:80]!r}")
    try:
        event: Event = _decode(payload)
    except msgspec.MsgspecError as error:
        raise CorruptFact(position, f"its payload is no {name}: {error}") from error
    if type(event) is not CLASSES[name]:
        raise CorruptFact(position, f"its payload is no {name}")
    return event
