"""What the tests of loyalty share: accounts, points, and histories that were lived once."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from random import Random
from typing import TypeAlias
from uuid import UUID

from crmcore.domain import loyalty
from crmcore.domain.act import Act
from crmcore.domain.lots import Lot
from crmcore.domain.loyalty import Account, Earn, Enrolled, Policy, Redeem
from crmcore.domain.money import Money
from crmcore.testing import History, check, given, take
from crmcore.testing.laws import Law
from crmcore.testing.rulebook import laws_of
from crmcore.testing.scenario import Scenario
from crmcore.testing.steps import AnyDecider

ANN, BOB, CAT, DAN = (UUID(int=number) for number in (10, 11, 12, 13))
MANAGER = frozenset({"points_manager"})
NUMBER, STEPS = 150, 40
START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def usd(minor: int) -> Money:
    return Money(minor=minor, currency="USD")


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def earn(source: str, points: int) -> Earn:
    """A sale that earns so many points: a dollar is a point."""
    return Earn(source=source, amount=usd(100 * points))


def redeem(points: int, name: str = "r-1") -> Redeem:
    return Redeem(redemption=name, reward="mug", points=points)


def member(policy: Policy | None = None, at: date = date(2026, 1, 1)) -> Scenario:
    """The account of Ann, under a policy."""
    return given(loyalty.decider(policy or Policy()), Enrolled(customer=ANN), at=at)


@cache
def lived(policy: Policy | None = None) -> tuple[History, ...]:
    """Histories of all that can happen to an account, the same ones for every law.

    Few names, few points and many commands: what belongs together meets often.
    """
    rules = loyalty.decider(policy or Policy(points_min=2))
    return tuple(_walk(rules, Random(seed)) for seed in range(NUMBER))  # noqa: S311 - the same every time


def _walk(rules: AnyDecider, random: Random) -> History:
    steps = [take(rules, rules.initial, loyalty.Enrol(customer=ANN), _act(START))]
    at, some = START, random.sample(ASKED, random.randint(4, len(ASKED)))
    for _ in range(STEPS):
        at += timedelta(hours=random.choice((0, 0, 0, 0, 1, 1, 24, 24 * 20, 24 * 200)))
        command = random.choice(random.choice((some, BASICS)))(random, steps[-1].after)
        steps.append(take(rules, steps[-1].after, command, _act(at)))
    return History(decider=rules, steps=tuple(steps))


def _act(at: datetime) -> Act:
    return Act(by="gus", effective_at=at, command_id=UUID(int=1), roles=MANAGER)


def _points(random: Random) -> int:
    return random.choice((2, 3, 5, 10, 20, 50))


def _new(random: Random) -> str:
    return f"{random.choice('abcdef')}-{random.randrange(9)}"


def _one(random: Random, names: Sequence[str]) -> str:
    """Mostly a name that there is."""
    return random.choice(names) if names and random.randrange(8) else _new(random)


def _held(random: Random, account: Account) -> str:
    return _one(random, [hold.redemption for hold in account.holds])


def _sent(random: Random, account: Account) -> str:
    return _one(random, [one.name for one in account.transfers])


def _member(random: Random, account: Account) -> str:
    return _one(random, [one.name for one in account.memberships])


def _lot(random: Random) -> Lot:
    since = START + timedelta(days=random.choice((0, 30, 300)))
    until = since + timedelta(days=random.choice((1, 60, 400)))
    return Lot(number=1, points=_points(random), vests_at=since, expires_at=until)


Asked: TypeAlias = Callable[[Random, Account], loyalty.Command]

BASICS: tuple[Asked, ...] = (
    lambda r, _: Earn(source=_new(r), amount=usd(r.choice((500, 900, 5_000)))),
    lambda r, _: Redeem(redemption=_new(r), reward="mug", points=_points(r)),
    lambda r, _: loyalty.Reserve(redemption=_new(r), reward="mug", points=_points(r)),
    lambda r, a: loyalty.ClawBack(
        source=_one(r, [sale.source for sale in a.earned]),
        refunded=usd(r.choice((1, 250, 500, 900, 5_000))),
    ),
    lambda r, a: loyalty.ReverseRedemption(
        redemption=_one(r, [made.name for made in a.redemptions]), points=_points(r)
    ),
    lambda r, a: loyalty.Capture(redemption=_held(r, a), points=_points(r)),
)
ASKED: tuple[Asked, ...] = (
    lambda *_: loyalty.RecordExpiry(),
    lambda r, a: loyalty.Release(redemption=_held(r, a)),
    lambda r, _: loyalty.Adjust(
        adjustment=_new(r), points=r.choice((-5, 5)), reason="", requested_by="ben"
    ),
    lambda r, a: loyalty.ExtendExpiry(
        lot_number=r.randint(1, a.lots_ever + 1), until=date(2027 + r.randrange(3), 1, 1), reason=""
    ),
    lambda r, _: loyalty.TransferOut(transfer=_new(r), customer=BOB, points=_points(r)),
    lambda r, a: loyalty.ConfirmTransfer(transfer=_sent(r, a)),
    lambda r, a: loyalty.ReturnTransfer(transfer=_sent(r, a)),
    lambda r, _: loyalty.TransferIn(transfer=_new(r), customer=BOB, lots=(_lot(r),)),
    lambda r, _: loyalty.Absorb(customer=r.choice((BOB, CAT)), lots=(_lot(r),), owed=_points(r)),
    lambda r, _: loyalty.Resume(reason="") if r.randrange(4) else loyalty.Suspend(reason=""),
    lambda r, _: loyalty.Resume(reason="") if r.randrange(4) else loyalty.Close(reason=""),
    lambda r, _: loyalty.NameReferrer(referrer=r.choice((ANN, BOB)), lineage=(CAT,)),
    lambda r, _: loyalty.RegisterReferral(referee=r.choice((BOB, CAT, DAN))),
    lambda r, _: loyalty.QualifyReferral(referee=r.choice((CAT, DAN)), source="s"),
    lambda r, _: loyalty.RewardReferral(referee=r.choice((CAT, DAN))),
    lambda r, _: loyalty.ReverseReferral(referee=r.choice((CAT, DAN))),
    lambda r, _: loyalty.IssueBenefit(
        kind=r.choice(("birthday", "anniversary")), date_of=date(1990, r.randint(1, 12), 9)
    ),
    lambda r, _: loyalty.BuyMembership(membership=_new(r), price=usd(4_900)),
    lambda r, _: loyalty.RenewMembership(membership=_new(r), price=usd(4_900)),
    lambda r, a: loyalty.CancelMembership(membership=_member(r, a)),
    lambda r, a: loyalty.RefundMembership(membership=_member(r, a)),
    lambda r, _: loyalty.GrantTier(
        tier=r.choice(("silver", "gold")), until=date(2028, 1, 1), kind="manual"
    ),
)


def violations(*names: str, policy: Policy | None = None) -> list[str]:
    """What these laws of the rulebook find wrong with such histories."""
    rules = loyalty.decider(policy or Policy(points_min=2))
    laws: Iterable[Law] = [law for law in laws_of(rules) if law.name in names]
    assert {law.name for law in laws} == set(names)
    found = [one for history in lived(policy) for one in check(rules, history, laws)]
    return [f"{one.law}: {one.what}" for one in found]
