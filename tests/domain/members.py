"""What the tests of loyalty share: accounts, points, and histories that were lived once."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from random import Random
from uuid import UUID

from crmcore.domain import loyalty
from crmcore.domain.act import Act
from crmcore.domain.lots import Lot
from crmcore.domain.loyalty import Earn, Enrolled, Policy, Redeem
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
        at += timedelta(hours=random.choice((0, 0, 1, 24, 24 * 20, 24 * 200)))
        command = random.choice(random.choice((some, BASICS)))(random)
        steps.append(take(rules, steps[-1].after, command, _act(at)))
    return History(decider=rules, steps=tuple(steps))


def _act(at: datetime) -> Act:
    return Act(by="gus", effective_at=at, command_id=UUID(int=1), roles=MANAGER)


def _points(random: Random) -> int:
    return random.choice((2, 3, 5, 10, 20, 50))


def _name(random: Random) -> str:
    return random.choice("abcdef")


def _lot(random: Random) -> Lot:
    since = START + timedelta(days=random.choice((0, 30, 300)))
    until = since + timedelta(days=random.choice((1, 60, 400)))
    return Lot(number=1, points=_points(random), vests_at=since, expires_at=until)


BASICS: tuple[Callable[[Random], loyalty.Command], ...] = (
    lambda r: Earn(source=f"s-{r.randrange(9)}", amount=usd(r.choice((500, 900, 5_000)))),
    lambda r: Redeem(redemption=_name(r), reward="mug", points=_points(r)),
    lambda r: loyalty.Reserve(redemption=_name(r), reward="mug", points=_points(r)),
    lambda r: loyalty.ClawBack(
        source=f"s-{r.randrange(9)}", refunded=usd(r.choice((1, 250, 500, 900, 5_000)))
    ),
)
ASKED: tuple[Callable[[Random], loyalty.Command], ...] = (
    lambda r: loyalty.ReverseRedemption(redemption=_name(r), points=_points(r)),
    lambda _: loyalty.RecordExpiry(),
    lambda r: loyalty.Capture(redemption=_name(r), points=_points(r)),
    lambda r: loyalty.Release(redemption=_name(r)),
    lambda r: loyalty.Adjust(
        adjustment=_name(r), points=r.choice((-5, 5)), reason="", requested_by="ben"
    ),
    lambda r: loyalty.ExtendExpiry(
        lot_number=r.randint(1, 5), until=date(2027 + r.randrange(3), 1, 1), reason=""
    ),
    lambda r: loyalty.TransferOut(transfer=_name(r), customer=BOB, points=_points(r)),
    lambda r: loyalty.ConfirmTransfer(transfer=_name(r)),
    lambda r: loyalty.ReturnTransfer(transfer=_name(r)),
    lambda r: loyalty.TransferIn(transfer=_name(r), customer=BOB, lots=(_lot(r),)),
    lambda r: loyalty.Absorb(customer=r.choice((BOB, CAT)), lots=(_lot(r),), owed=_points(r)),
    lambda _: loyalty.Suspend(reason=""),
    lambda _: loyalty.Resume(reason=""),
    lambda r: loyalty.Close(reason="") if r.randrange(3) == 0 else loyalty.Resume(reason=""),
    lambda r: loyalty.NameReferrer(referrer=r.choice((ANN, BOB)), lineage=(CAT,)),
    lambda r: loyalty.RegisterReferral(referee=r.choice((BOB, CAT, DAN))),
    lambda r: loyalty.QualifyReferral(referee=r.choice((CAT, DAN)), source="s"),
    lambda r: loyalty.RewardReferral(referee=r.choice((CAT, DAN))),
    lambda r: loyalty.ReverseReferral(referee=r.choice((CAT, DAN))),
    lambda r: loyalty.IssueBenefit(
        kind=r.choice(("birthday", "anniversary")), date_of=date(1990, r.randint(1, 12), 9)
    ),
    lambda r: loyalty.BuyMembership(membership=_name(r), price=usd(4_900)),
    lambda r: loyalty.RenewMembership(membership=_name(r), price=usd(4_900)),
    lambda r: loyalty.CancelMembership(membership=_name(r)),
    lambda r: loyalty.RefundMembership(membership=_name(r)),
    lambda r: loyalty.GrantTier(
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
