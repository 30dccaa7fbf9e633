"""What holds of every history of a loyalty account."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from crmcore.domain import loyalty
from crmcore.domain.lots import Lots
from crmcore.testing.laws import invariant, law
from crmcore.testing.living import History
from crmcore.testing.steps import AnyDecider, Step


@law
def points_are_conserved(_: AnyDecider, history: History) -> Iterator[str]:
    """Points issued are points left, spent, lapsed or forfeited (rules.md L2)."""
    left = Counter[int]()
    for event in history.events:
        match event:
            case loyalty.PointsEarned(lot=lot):
                left[lot.number] += lot.points
            case loyalty.PointsRedeemed(allocations=gone) | loyalty.PointsExpired(allocations=gone):
                left -= _counted(gone)
            case loyalty.RedemptionReversed(restored=restored):
                left += _counted(restored)
            case _:
                pass
    if +left != _counted(history.state.lots):
        yield f"by its facts it holds {dict(+left)}, and not {dict(_counted(history.state.lots))}"


@law
def no_lot_is_overdrawn(_: AnyDecider, history: History) -> Iterator[str]:
    """A lot holds nothing or more, and no more than was issued (rules.md L1)."""
    issued, left = Counter[int](), Counter[int]()
    for event in history.events:
        match event:
            case loyalty.PointsEarned(lot=lot):
                issued[lot.number] += lot.points
                left[lot.number] += lot.points
            case loyalty.PointsRedeemed(allocations=gone) | loyalty.PointsExpired(allocations=gone):
                left.subtract(_counted(gone))
            case loyalty.RedemptionReversed(restored=restored):
                left.update(_counted(restored))
            case _:
                pass
        for number, points in left.items():
            if not 0 <= points <= issued[number]:
                yield f"{event!r} leaves {points} of {issued[number]} points in lot {number}"


@invariant("step")
def what_expires_first_is_spent_first(step: Step) -> bool:
    """No lot is drawn on while one that expires earlier has usable points left (rules.md L4)."""
    usable = {lot.number for lot in step.before.lots if lot.vests_at <= step.at < lot.expires_at}
    left = [lot for lot in step.after.lots if lot.number in usable]
    drawn = [lot for event in _redeemed(step) for lot in event.allocations]
    return all(kept.expires_at >= lot.expires_at for lot in drawn for kept in left)


@invariant("step")
def only_usable_points_are_spent(step: Step) -> bool:
    """A redemption takes points that have vested and have not lapsed (rules.md L3)."""
    spent = [lot for event in _redeemed(step) for lot in event.allocations]
    return all(lot.vests_at <= step.at < lot.expires_at for lot in spent)


@invariant("step")
def a_redemption_takes_what_it_says(step: Step) -> bool:
    """What is allocated is what was accepted, exactly (rules.md L5)."""
    return all(_total(event.allocations) == event.points for event in _redeemed(step))


@law
def a_reversal_restores_what_was_taken(_: AnyDecider, history: History) -> Iterator[str]:
    """Points go back to their own lots with their expiry, and no more than that (rules.md L6)."""
    taken: dict[tuple[str, int, datetime], int] = Counter()
    for event in history.events:
        if isinstance(event, loyalty.PointsRedeemed):
            for lot in event.allocations:
                taken[event.redemption, lot.number, lot.expires_at] += lot.points
        if isinstance(event, loyalty.RedemptionReversed):
            for lot in (*event.restored, *event.forfeited):
                taken[event.redemption, lot.number, lot.expires_at] -= lot.points
                if taken[event.redemption, lot.number, lot.expires_at] < 0:
                    yield f"{lot!r} was not taken by {event.redemption}"


@law
def a_sale_earns_once(_: AnyDecider, history: History) -> Iterator[str]:
    """The same sale again earns nothing, while it is remembered (rules.md L9)."""
    sales = [e.source for e in history.events if isinstance(e, loyalty.PointsEarned)]
    for number, sale in enumerate(sales):
        if sale in sales[max(0, number - loyalty.REMEMBERED_MAX) : number]:
            yield f"{sale} earned twice"


def _redeemed(step: Step) -> list[loyalty.PointsRedeemed]:
    return [event for event in step.events if isinstance(event, loyalty.PointsRedeemed)]


def _counted(lots: Lots) -> Counter[int]:
    counted = Counter[int]()
    for lot in lots:
        counted[lot.number] += lot.points
    return counted


def _total(lots: Lots) -> int:
    return sum(lot.points for lot in lots)


LAWS = (
    points_are_conserved,
    no_lot_is_overdrawn,
    what_expires_first_is_spent_first,
    only_usable_points_are_spent,
    a_redemption_takes_what_it_says,
    a_reversal_restores_what_was_taken,
    a_sale_earns_once,
)
