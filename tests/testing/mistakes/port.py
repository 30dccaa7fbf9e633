"""A public mistake, ported: a decider that makes it, one that does not, and the law that tells."""

from collections.abc import Callable
from typing import Any, NamedTuple

from crmcore.domain.act import Act
from crmcore.domain.decider import Decider
from crmcore.domain.value import Value
from crmcore.testing import Law
from crmcore.testing.steps import AnyDecider


class Mistake(NamedTuple):
    """Item `number` of the list in rules.md, against a rule.

    `wrong` makes it and `right` does not; `law` holds of what is right alone, and it takes at least
    `least` commands to tell them apart.
    """

    number: int
    rule: str
    name: str
    wrong: AnyDecider
    right: AnyDecider
    law: Law
    least: int


def small(
    initial: Value,
    decide: Callable[[Any, Any, Act], tuple[Any, ...]],
    evolve: Callable[[Any, Any], Any],
    *unions: Any,  # noqa: ANN401 - a union is no class
) -> AnyDecider:
    """Return a decider of these commands, events and rejections, for what ours do not do yet."""
    commands, events, rejections = unions
    return Decider(
        kind=type(initial).__name__.lower(),
        initial=initial,
        decide=decide,
        evolve=evolve,
        customer=nobodys,
        commands=commands,
        events=events,
        rejections=rejections,
        threads=no_threads,
    )


def nobodys(*_: object) -> None:
    """Say that it belongs to no customer."""


def no_threads(_: object) -> tuple[str, ...]:
    """Say that its facts may be dated back in any order."""
    return ()
