"""What the business owes its members in points: a pure sum over accounts."""

from collections.abc import Iterable
from datetime import datetime

from crmcore.domain import lots
from crmcore.domain.loyalty.account import Account
from crmcore.domain.value import Value


class Liability(Value):
    """Points at an instant: usable, yet to vest, on hold, on their way, and owed by members."""

    usable: int = 0
    vesting: int = 0
    held: int = 0
    in_transit: int = 0
    owed: int = 0

    @property
    def points(self) -> int:
        """What the business stands for, without what members owe (rules.md L22)."""
        return self.usable + self.vesting + self.held + self.in_transit - self.owed

    def in_minor_units(self, minor_units_paid_by_point: int) -> int:
        """Return the value of these points in money."""
        return self.points * minor_units_paid_by_point


def liability(accounts: Iterable[Account], at: datetime) -> Liability:
    """Return the liability of some accounts at an instant."""
    found = [_of(account, at) for account in accounts]
    return Liability(
        usable=sum(one.usable for one in found),
        vesting=sum(one.vesting for one in found),
        held=sum(one.held for one in found),
        in_transit=sum(one.in_transit for one in found),
        owed=sum(one.owed for one in found),
    )


def next_change_at(account: Account, at: datetime) -> datetime | None:
    """Return when the points of an account change next, if nothing happens (rules.md X12)."""
    instants = [hold.until for hold in account.holds]
    held = [lot for hold in account.holds for lot in hold.lots]
    sent = [lot for one in account.transfers for lot in one.lots]
    for lot in (*account.lots, *held, *sent):
        instants += [lot.vests_at, lot.expires_at]
    if account.forfeits_at is not None:
        instants.append(account.forfeits_at)
    now = _of(account, at)
    ahead = sorted({instant for instant in instants if at < instant})
    return next((instant for instant in ahead if _of(account, instant) != now), None)


def _of(account: Account, at: datetime) -> Liability:
    pool = account.pool(at)
    sent = (lot for one in account.transfers if one.status == "in_transit" for lot in one.lots)
    return Liability(
        usable=lots.total(lots.usable(pool.lots, at)),
        vesting=lots.total(lot for lot in pool.lots if at < lot.vests_at < lot.expires_at),
        held=sum(lots.total(hold.lots) for hold in pool.holds),
        in_transit=lots.total(lot for lot in sent if at < lot.expires_at),
        owed=pool.owed,
    )
