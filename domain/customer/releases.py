"""What a manager lets pass: one order above the limit, or a hold that came by itself."""

from datetime import date
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.customer.credit import AlreadyOver, Credit, require_authority, require_currency
from crmcore.domain.customer.credit import require_to_come as require_later
from crmcore.domain.customer.policy import AutomaticHold, Policy
from crmcore.domain.customer.sales import REMEMBERED_MAX, NotPositive
from crmcore.domain.money import Money
from crmcore.domain.value import Note, Ref, Value, require

# Commands


class ReleaseOrder(Value, tag="customer.release_order"):
    """Let one order pass above the limit, up to an amount, once, until its last day."""

    order: Ref
    amount: Money
    ends_on: date
    reason: Note


class ReleaseAutomaticHold(Value, tag="customer.release_automatic_hold"):
    """Let a hold that comes by itself pass until its last day; then it is there again."""

    kind: AutomaticHold
    ends_on: date
    reason: Note


Command: TypeAlias = ReleaseOrder | ReleaseAutomaticHold


# Events


class OverLimitReleased(Value, tag="customer.over_limit_released"):
    """One order may pass above the limit, up to an amount, once, until its last day."""

    order: Ref
    amount: Money
    ends_on: date
    released_by: str
    reason: Note


class AutomaticHoldReleased(Value, tag="customer.automatic_hold_released"):
    """A hold that comes by itself stops nothing until its last day."""

    kind: AutomaticHold
    ends_on: date
    released_by: str
    reason: Note


Event: TypeAlias = OverLimitReleased | AutomaticHoldReleased
Reason: TypeAlias = NotPositive | AlreadyOver


# State


class Releases(Value):
    """The latest release of each hold that comes by itself, and those of orders not used yet."""

    holds: tuple[AutomaticHoldReleased, ...] = ()
    orders: tuple[OverLimitReleased, ...] = ()

    def suppress(self, kind: AutomaticHold, day: date) -> bool:
        """Tell whether a hold is released on a day (rules.md CR13)."""
        return any(release.kind == kind and day <= release.ends_on for release in self.holds)

    def of_order(self, order: str, day: date) -> OverLimitReleased | None:
        """Return the release of an order that holds on a day."""
        return next((r for r in self.orders if r.order == order and day <= r.ends_on), None)


def decide(command: Command, credit: Credit, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return what passes from now on."""
    require_later(command.ends_on, policy.day(act))
    match command:
        case ReleaseOrder(order=order, amount=amount, ends_on=ends_on, reason=reason):
            require(amount.minor > 0, NotPositive(amount=amount))
            require_currency(amount, credit)
            require_authority(act, amount, policy)
            release = OverLimitReleased(
                order=order, amount=amount, ends_on=ends_on, released_by=act.by, reason=reason
            )
            return (release,)
        case ReleaseAutomaticHold(kind=kind, ends_on=ends_on, reason=reason):
            require_authority(act, "unlimited", policy)
            return (
                AutomaticHoldReleased(
                    kind=kind, ends_on=ends_on, released_by=act.by, reason=reason
                ),
            )
        case _:
            assert_never(command)


def evolve(releases: Releases, event: Event) -> Releases:
    """Return the releases after a fact: of a hold, and of an order, the latest counts."""
    match event:
        case OverLimitReleased(order=order):
            others = (r for r in releases.orders if r.order != order)
            return replace(releases, orders=(*others, event)[-REMEMBERED_MAX:])
        case AutomaticHoldReleased(kind=kind):
            holds = (*(r for r in releases.holds if r.kind != kind), event)
            return replace(releases, holds=tuple(sorted(holds, key=lambda release: release.kind)))
        case _:
            assert_never(event)


def used(releases: Releases, order: str) -> Releases:
    """Return the releases after an order passed by one: that was once."""
    return replace(releases, orders=tuple(r for r in releases.orders if r.order != order))
