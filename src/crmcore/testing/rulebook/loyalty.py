"""What holds of every history of a loyalty account: of its points."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from math import ceil

from crmcore.domain import loyalty
from crmcore.domain.loyalty import clawback, holds, transfers
from crmcore.testing.laws import invariant, law
from crmcore.testing.living import History
from crmcore.testing.rulebook import programme
from crmcore.testing.rulebook.ledger import Ledger, counted, spent_by, total
from crmcore.testing.steps import AnyDecider, Step


@law
def points_are_conserved(_: AnyDecider, history: History) -> Iterator[str]:
    """Points issued are free, held or gone, and what is owed is as the facts say (rules.md L2)."""
    ledger = Ledger()
    for event in history.events:
        ledger.enter(event)
    state = history.state
    if +ledger.free != counted(state.lots):
        yield f"by its facts it holds {dict(+ledger.free)}, not {dict(counted(state.lots))}"
    if ledger.held != {hold.redemption: counted(hold.lots) for hold in state.holds}:
        yield f"by its facts {dict(ledger.held)} is on hold, and not {state.holds!r}"
    if ledger.owed != state.owed:
        yield f"by its facts {ledger.owed} points are owed, and not {state.owed}"


@law
def no_lot_is_overdrawn(_: AnyDecider, history: History) -> Iterator[str]:
    """A lot holds nothing or more, and no more than was issued (rules.md L1, L10)."""
    ledger = Ledger()
    for event in history.events:
        ledger.enter(event)
        for number, points in ledger.free.items():
            held = sum(parts[number] for parts in ledger.held.values())
            if points < 0 or points + held > ledger.issued[number]:
                most = ledger.issued[number]
                yield f"{event!r} leaves {points} and {held} held of {most} in lot {number}"
        if ledger.owed < 0:
            yield f"{event!r} settles more than is owed"


@invariant("step")
def what_expires_first_is_spent_first(step: Step) -> bool:
    """No lot is drawn on while one that expires earlier has usable points left (rules.md L4)."""
    drawn = [lot for event in step.events for lot in spent_by(event)]
    left = [lot for lot in step.after.lots if lot.vests_at <= step.at < lot.expires_at]
    return all(kept.expires_at >= lot.expires_at for lot in drawn for kept in left)


@invariant("step")
def only_usable_points_are_spent(step: Step) -> bool:
    """A redemption takes points that have vested and have not lapsed (rules.md L3)."""
    spent = [lot for event in step.events for lot in spent_by(event)]
    return all(lot.vests_at <= step.at < lot.expires_at for lot in spent)


@invariant("step")
def a_redemption_takes_what_it_says(step: Step) -> bool:
    """What is allocated is what was accepted, exactly (rules.md L5)."""
    kinds = (loyalty.PointsRedeemed, holds.PointsHeld, holds.HoldCaptured)
    made = [event for event in step.events if isinstance(event, kinds)]
    return all(total(event.allocations) == event.points for event in made)


@law
def a_reversal_restores_what_was_taken(_: AnyDecider, history: History) -> Iterator[str]:
    """Points go back to their own lots with their expiry, and no more than that (rules.md L6)."""
    taken: dict[tuple[str, int, datetime], int] = Counter()
    for event in history.events:
        if isinstance(event, loyalty.PointsRedeemed | holds.HoldCaptured):
            for lot in event.allocations:
                taken[event.redemption, lot.number, lot.expires_at] += lot.points
        if isinstance(event, loyalty.RedemptionReversed):
            for lot in (*event.restored, *event.forfeited):
                taken[event.redemption, lot.number, lot.expires_at] -= lot.points
                if taken[event.redemption, lot.number, lot.expires_at] < 0:
                    yield f"{lot!r} was not taken by {event.redemption}"


@law
def a_refund_takes_its_share(_: AnyDecider, history: History) -> Iterator[str]:
    """Of a sale's points as much is taken back as of its money, rounded once (rules.md L7)."""
    sold: dict[str, loyalty.PointsEarned] = {}
    taken = Counter[str]()
    for event in history.events:
        if isinstance(event, loyalty.PointsEarned):
            sold[event.source] = event
            taken[event.source] = 0
        if isinstance(event, clawback.PointsClawedBack) and event.source in sold:
            sale = sold[event.source]
            taken[event.source] += event.points
            share = Fraction(event.refunded.minor, sale.amount.minor)
            if (due := ceil(sale.lot.points * share)) != taken[event.source] or share > 1:
                yield f"after {event!r} {taken[event.source]} points are taken, and not {due}"
            parts = total(event.taken) + event.lapsed + event.owed + event.waived
            if parts != event.points:
                yield f"{event!r} says where {parts} of its points come from"


@law
def nobody_spends_what_is_owed(_: AnyDecider, history: History) -> Iterator[str]:
    """Points are spent by those who owe none (rules.md L8)."""
    ledger = Ledger()
    for event in history.events:
        if spent_by(event) and ledger.owed:
            yield f"{event!r} took points while {ledger.owed} were owed"
        ledger.enter(event)


@invariant("step")
def nothing_is_free_and_owed_at_once(step: Step) -> bool:
    """At no instant from now on are points free and others owed (rules.md L8)."""
    account = step.after
    if not account.owed:
        return True
    held = [lot for hold in account.holds for lot in hold.lots]
    instants = {step.at, *(hold.until for hold in account.holds)}
    for lot in (*account.lots, *held):
        instants |= {lot.vests_at, lot.expires_at}
    ahead = [at for at in instants if at >= step.at]
    return all(account.usable(at) == 0 or account.pool(at).owed == 0 for at in ahead)


@law
def points_are_what_the_facts_say(_: AnyDecider, history: History) -> Iterator[str]:
    """Usable points are those of the facts, moment by moment, now and later (rules.md L11, L22)."""
    ledger = Ledger()
    for step in history.steps:
        for event in step.events:
            ledger.enter(event)
        account = step.after
        ahead = [at for lot in account.lots for at in (lot.vests_at, lot.expires_at)]
        ahead += [hold.until for hold in account.holds]
        for at in (step.at, *sorted(at for at in {*ahead} if at > step.at)[:3]):
            if (said := account.usable(at)) != (found := ledger.usable(at)):
                yield f"at {at} {said} points are usable, and by the facts {found}"


@law
def a_hold_ends_once_and_in_time(_: AnyDecider, history: History) -> Iterator[str]:
    """What is captured is on hold and has not lapsed, and all of a hold is told (rules.md L10)."""
    open_now: dict[str, holds.PointsHeld] = {}
    for step in history.steps:
        for event in step.events:
            match event:
                case holds.PointsHeld():
                    open_now[event.redemption] = event
                case holds.HoldCaptured() | holds.HoldReleased() | holds.HoldLapsed():
                    held = open_now.pop(event.redemption, None)
                    if held is None:
                        yield f"{event!r} ends what is not on hold"
                        continue
                    late = held.until <= step.at
                    if late != isinstance(event, holds.HoldLapsed):
                        yield f"{event!r} at {step.at}, and the hold is until {held.until}"
                    captured = getattr(event, "allocations", ())
                    parts = (*captured, *event.restored, *event.forfeited)
                    if counted(parts) != counted(held.allocations):
                        yield f"{event!r} is other than what was held: {held!r}"
                case _:
                    pass


@law
def a_transfer_keeps_its_points(_: AnyDecider, history: History) -> Iterator[str]:
    """Points on their way come back once, the same with the same expiry, or not (rules.md L13)."""
    sent: dict[str, set[tuple[int, datetime, int]]] = defaultdict(set)
    for event in history.events:
        match event:
            case transfers.PointsTransferredOut(transfer=name, allocations=lots):
                sent[name] = {(lot.number, lot.expires_at, lot.points) for lot in lots}
            case transfers.TransferConfirmed(transfer=name):
                if not sent.pop(name, None):
                    yield f"{event!r} confirms what is not on its way"
            case transfers.TransferReturned(transfer=name):
                back = (*event.restored, *event.forfeited)
                if sent.pop(name, None) != {(t.number, t.expires_at, t.points) for t in back}:
                    yield f"{event!r} gives back other points than were sent"
            case _:
                pass


@law
def a_sale_earns_once(_: AnyDecider, history: History) -> Iterator[str]:
    """The same sale again earns nothing, while it is remembered (rules.md L9)."""
    sales = [e.source for e in history.events if isinstance(e, loyalty.PointsEarned)]
    for number, sale in enumerate(sales):
        if sale in sales[max(0, number - loyalty.REMEMBERED_MAX) : number]:
            yield f"{sale} earned twice"


LAWS = (
    points_are_conserved,
    no_lot_is_overdrawn,
    what_expires_first_is_spent_first,
    only_usable_points_are_spent,
    a_redemption_takes_what_it_says,
    a_reversal_restores_what_was_taken,
    a_refund_takes_its_share,
    nobody_spends_what_is_owed,
    nothing_is_free_and_owed_at_once,
    points_are_what_the_facts_say,
    a_hold_ends_once_and_in_time,
    a_transfer_keeps_its_points,
    a_sale_earns_once,
    *programme.LAWS,
)
