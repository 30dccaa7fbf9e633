"""Events to stored bytes and back, through a closed registry: stored data can run no code.

A stored name never changes. When the fields of an event do, its schema version goes up by one, and
an upcaster turns the older form into the newer one when it is read; nothing stored is rewritten.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, get_args

import msgspec

from crmcore.domain import (
    adoption,
    customer,
    identity,
    loyalty,
    opportunity,
    portfolio,
    security,
    ticket,
)
from crmcore.domain.value import CRMError

Event: TypeAlias = (
    customer.Event | loyalty.Event | opportunity.Event | ticket.Event  # of the aggregates
    | adoption.Event | security.Event | identity.Event | portfolio.Event  # of processes
)  # fmt: skip
Form: TypeAlias = Mapping[str, Any]
Upcasters: TypeAlias = Mapping[tuple[str, int], Callable[[Form], Form]]
"""By stored name and schema version: a pure function to the form of the next version."""


def _as_it_is(form: Form) -> Form:
    """Return the form of an event that only got fields with defaults."""
    return form


UPCASTERS: Upcasters = {
    ("loyalty.points_earned", 1): _as_it_is,
    ("loyalty.redemption_reversed", 1): _as_it_is,
    ("opportunity.lost", 1): _as_it_is,
    ("opportunity.opened", 1): _as_it_is,
    ("opportunity.stage_changed", 1): _as_it_is,
}

NAME_SHOWN_MAX = 80


class Unreadable(CRMError):
    """What is stored is no event of this registry; whoever knows its place says where it is."""


class Codec:
    """Writes and reads the events of a union of tagged types, and nothing else."""

    def __init__(self, events: Any, upcasters: Upcasters) -> None:  # noqa: ANN401 - a union is no class
        self.classes = {cls.__struct_config__.tag: cls for cls in get_args(events)}
        self._names = {cls: name for name, cls in self.classes.items()}
        self._upcasters = upcasters
        self.versions = {name: self._newest(name) for name in self.classes}
        strange = {name for name, _ in upcasters} - self.classes.keys()
        assert not strange, f"upcasters for events that there are not: {strange}"
        self._decode = msgspec.json.Decoder(events).decode
        self._encode = msgspec.json.Encoder().encode

    def dump(self, event: Any) -> tuple[str, int, bytes]:  # noqa: ANN401 - the registry says which there are
        """Return the stored name, the schema version and the payload of an event."""
        name = self._names[type(event)]
        return name, self.versions[name], self._encode(event)

    def load(self, name: str, version: int, payload: bytes) -> Any:  # noqa: ANN401 - one of the events
        """Return the event of a stored row; raise Unreadable for what cannot be one."""
        if name not in self.classes:
            raise Unreadable(f"there is no event named {name[:NAME_SHOWN_MAX]!r}")
        newest = self.versions[name]
        if not 1 <= version <= newest:
            raise Unreadable(f"{name} has the schema versions 1 to {newest}, not {version}")
        try:
            current = payload if version == newest else self._upcast(name, version, payload)
            event = self._decode(current)
        except (msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError) as error:
            raise Unreadable(f"its payload is no {name}: {error}") from error
        if type(event) is not self.classes[name]:
            raise Unreadable(f"its payload is no {name}")
        return event

    def _newest(self, name: str) -> int:
        """Return the current schema version: one more than there are upcasters, without a gap."""
        older = sorted(version for known, version in self._upcasters if known == name)
        assert older == list(range(1, len(older) + 1)), f"{name} lacks an upcaster: {older}"
        return len(older) + 1

    def _upcast(self, name: str, version: int, payload: bytes) -> bytes:
        form: Form = msgspec.json.decode(payload, type=dict[str, Any])
        for step in range(version, self.versions[name]):
            form = self._upcasters[name, step](form)
        return self._encode(form)


CODEC = Codec(Event, UPCASTERS)
