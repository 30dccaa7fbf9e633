"""Mistakes 1 to 5, in the rules of our own loyalty accounts."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from crmcore.domain import lots, loyalty
from crmcore.domain.act import Act
from crmcore.domain.lots import Lot, Lots
from crmcore.domain.loyalty import (
    Account,
    Command,
    Event,
    Insufficient,
    PointsEarned,
    PointsExpired,
    PointsRedeemed,
    Redeem,
    RedemptionReversed,
)
from crmcore.domain.value import require
from crmcore.testing import History, law
from crmcore.testing.rulebook import loyalty as laws
from crmcore.testing.steps import AnyDecider
from tests.testing.mistakes.port import Mistake
from tests.testing.planted import SPENDING, among

RULES = among(SPENDING, loyalty.decider(loyalty.Policy()))
AGES = timedelta(days=36_500)
NEVER = datetime(9000, 1, 1, tzinfo=UTC)


def for_invoices_only(command: Command, account: Account, act: Act) -> tuple[Event, ...]:
    """Take points for one type of document, and give the discount for any."""
    return tuple(
        replace(event, allocations=())
        if isinstance(event, PointsRedeemed) and not event.reward.startswith("invoice")
        else event
        for event in RULES.decide(command, account, act)
    )


def with_a_wrong_sign(command: Command, account: Account, act: Act) -> tuple[Event, ...]:
    """Add to each lot what was spent of it, where that is to be taken off."""
    if isinstance(command, Redeem):
        issued = lots.more(account.lots, spent(account))
        account = replace(account, lots=lots.more(issued, spent(account)))
    return RULES.decide(command, account, act)


def back_for_ever(command: Command, account: Account, act: Act) -> tuple[Event, ...]:
    """Give points back that never lapse."""
    return tuple(
        replace(event, restored=tuple(replace(lot, expires_at=NEVER) for lot in event.restored))
        if isinstance(event, RedemptionReversed)
        else event
        for event in RULES.decide(command, account, act)
    )


def until_the_job_has_run(command: Command, account: Account, act: Act) -> tuple[Event, ...]:
    """Spend what has lapsed, as long as nobody has written that down."""
    if not isinstance(command, Redeem):
        return RULES.decide(command, account, act)
    ageless = replace(account, lots=later(account.lots, AGES))
    return tuple(
        replace(event, allocations=later(event.allocations, -AGES))
        if isinstance(event, PointsRedeemed)
        else event
        for event in RULES.decide(command, ageless, act)
    )


def all_debits_count(command: Command, account: Account, act: Act) -> tuple[Event, ...]:
    """Take all that was ever spent off what has not lapsed."""
    if isinstance(command, Redeem) and all(
        made.name != command.redemption for made in account.redemptions
    ):
        issued = lots.more(account.lots, spent(account))
        credits_left = lots.total(lots.usable(issued, act.effective_at))
        available = credits_left - lots.total(spent(account))
        require(command.points <= available, Insufficient(available=available))
    return RULES.decide(command, account, act)


def spent(account: Account) -> Lots:
    return tuple(lot for made in account.redemptions for lot in made.left)


def later(some: Lots, by: timedelta) -> Lots:
    return tuple(replace(lot, expires_at=lot.expires_at + by) for lot in some)


@law
def a_refusal_says_what_is_left(_: AnyDecider, history: History) -> Iterator[str]:
    """A balance is what is left of the lots that are usable, and never less (rules.md L11)."""
    issued, left = dict[int, Lot](), Counter[int]()
    for step in history.steps:
        if isinstance(no := step.rejected, Insufficient):
            usable = [n for n, lot in issued.items() if lot.vests_at <= step.at < lot.expires_at]
            if (found := sum(left[number] for number in usable)) != no.available:
                yield f"{found} are left, and it says {no!r}"
        for event in step.events:
            match event:
                case PointsEarned(lot=lot):
                    issued[lot.number], left[lot.number] = lot, lot.points
                case PointsRedeemed(allocations=gone) | PointsExpired(allocations=gone):
                    left.subtract({part.number: part.points for part in gone})
                case RedemptionReversed(restored=back):
                    left.update({part.number: part.points for part in back})
                case _:
                    pass


MISTAKES = (
    Mistake(
        1, "L5", "a redemption for another type of document takes no points",
        replace(RULES, decide=for_invoices_only), RULES, laws.a_redemption_takes_what_it_says, 3,
    ),
    Mistake(
        2, "L1", "a wrong sign overdraws a lot",
        replace(RULES, decide=with_a_wrong_sign), RULES, laws.no_lot_is_overdrawn, 4,
    ),
    Mistake(
        3, "L6", "points of a cancelled redemption live for ever",
        replace(RULES, decide=back_for_ever), RULES, laws.a_reversal_restores_what_was_taken, 4,
    ),
    Mistake(
        4, "L3", "lapsed points are spent until a job has run",
        replace(RULES, decide=until_the_job_has_run), RULES, laws.only_usable_points_are_spent, 3,
    ),
    Mistake(
        5, "L11", "all debits are taken off what has not lapsed",
        replace(RULES, decide=all_debits_count), RULES, a_refusal_says_what_is_left, 4,
    ),
)  # fmt: skip
