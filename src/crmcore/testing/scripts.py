"""A history as Python that runs: an example for a test, which shows what failed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import fields

from crmcore.testing.steps import AnyDecider, Step


def script(decider: AnyDecider, steps: Iterable[Step]) -> str:
    """Return the example with what it imports; its decider is called as its kind is."""
    steps = list(steps)
    return "\n".join([*_imports(steps), "", example(decider, steps)])


def example(decider: AnyDecider, steps: Iterable[Step]) -> str:
    """Return given, when and then in one expression."""
    lines = [line for step in steps for line in _lines(step)]
    return "\n".join(["(", f"    given({decider.kind})", *lines, ")"])


def _lines(step: Step) -> Iterator[str]:
    act = step.act
    said = [shown(step.command), f"at={shown(act.effective_at)}", f"by={act.by!r}"]
    if act.roles:
        said.append(f"roles={sorted(act.roles)}")
    asked = f".when({', '.join(said)})"
    if step.crashed is not None:
        yield f"    # {asked} crashes: {step.crashed}"
        return
    if step.unstorable is not None:
        yield f"    # {asked} cannot be stored: {step.unstorable}"
        return
    yield f"    {asked}"
    if step.rejected is not None:
        yield f"    .rejected({shown(step.rejected)})"
    else:
        yield (
            f"    .then({', '.join(map(shown, step.events))})" if step.events else "    .nothing()"
        )


def shown(value: Any) -> str:  # noqa: ANN401 - any value
    """Return a value as Python reads it, without what it has by default.

    >>> from crmcore.domain.money import Money
    >>> shown((UUID(int=7), Money(minor=5, currency="USD")))
    "(UUID(int=7), Money(minor=5, currency='USD'))"
    """
    match value:
        case Struct():
            told = ((field, getattr(value, field.name)) for field in fields(value))
            said = [f"{field.name}={shown(part)}" for field, part in told if part != field.default]
            return f"{type(value).__name__}({', '.join(said)})"
        case UUID():
            return f"UUID(int={value.int})"
        case datetime() | date() | timedelta():
            return repr(value).replace("datetime.timezone.utc", "UTC").replace("datetime.", "", 1)
        case tuple():
            items = ", ".join(map(shown, value))
            return f"({items},)" if len(value) == 1 else f"({items})"
        case _:
            return repr(value)


def _imports(steps: Iterable[Step]) -> Iterator[str]:
    """Return the import statements that the example needs."""
    names: dict[str, set[str]] = defaultdict(set)
    for step in steps:
        for value in (step.command, step.act.effective_at, step.rejected, *step.events):
            for module, name in _named(value):
                names[module].add(name)
    names["crmcore.testing"].add("given")
    yield from (
        f"from {module} import {', '.join(sorted(names[module]))}" for module in sorted(names)
    )


def _named(value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any value
    """Yield the module and the name of each type that is shown."""
    match value:
        case Struct():
            yield type(value).__module__, type(value).__qualname__
            for field in fields(value):
                if (part := getattr(value, field.name)) != field.default:
                    yield from _named(part)
        case tuple():
            for item in value:
                yield from _named(item)
        case datetime():
            yield from (("datetime", "UTC"), ("datetime", "datetime"))
        case date() | timedelta() | UUID():
            yield type(value).__module__, type(value).__name__
        case _:
            pass
