"""What was stored in an older form is read in today's, and folds."""

from collections.abc import Iterator, Mapping
from typing import get_args

from crmcore.infrastructure.codec import UPCASTERS, Codec, Unreadable, Upcasters
from crmcore.testing.laws import Violation
from crmcore.testing.steps import AnyDecider

LAW = "older_forms_are_read"


def older_forms(
    decider: AnyDecider, stored: Mapping[tuple[str, int], bytes], upcasters: Upcasters = UPCASTERS
) -> list[Violation]:
    """Return what is wrong with payloads by stored name and schema version, such as golden files.

    Each is read as an event of the decider's types, has one newest form, and can be applied; and
    of each event there is every version.
    """
    return [Violation(law=LAW, what=what) for what in _wrong(decider, stored, upcasters)]


def _wrong(
    decider: AnyDecider, stored: Mapping[tuple[str, int], bytes], upcasters: Upcasters
) -> Iterator[str]:
    ours = {cls.__struct_config__.tag for cls in get_args(decider.events)}
    codec = Codec(decider.events, {key: up for key, up in upcasters.items() if key[0] in ours})
    for name, newest in codec.versions.items():
        missing = [n for n in range(1, newest + 1) if (name, n) not in stored]
        yield from (f"there is no {name} of version {number}" for number in missing)
    for (name, version), payload in stored.items():
        try:
            event = codec.load(name, version, payload)
        except Unreadable as error:
            yield f"{name} of version {version} cannot be read: {error}"
            continue
        if codec.load(*codec.dump(event)) != event:
            yield f"{name} of version {version} is another one when it is written anew"
        try:
            decider.evolve(decider.initial, event)
        except Exception as error:  # noqa: BLE001 - whatever it raises, it must not
            yield f"{name} of version {version} cannot be applied: {type(error).__name__}: {error}"
