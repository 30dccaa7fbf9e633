"""What holds of every history of who is in charge of a customer."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from crmcore.domain.customer import access, ownership
from crmcore.testing.laws import law
from crmcore.testing.living import History
from crmcore.testing.steps import AnyDecider


@law
def one_owner_or_the_pool(_: AnyDecider, history: History) -> Iterator[str]:
    """A customer has one owner or is in the pool, one after the other (rules.md C2)."""
    owner: str | None = None
    latest: datetime | None = None
    for event in history.events:
        match event:
            case ownership.OwnerAssigned(owner=new, how=how, at=at):
                if (owner is None) is (how == "transferred"):
                    yield f"{event!r}, and before it was {owner}"
                owner = new
            case ownership.ReleasedToPool(at=at) | ownership.RecycledToPool(at=at):
                if owner != event.owner:
                    yield f"{event!r}, and in charge was {owner}"
                owner = None
            case _:
                continue
        if latest is not None and at < latest:
            yield f"{event!r} is before the change at {latest}"
        latest = at


@law
def who_claims_has_waited(decider: AnyDecider, history: History) -> Iterator[str]:
    """Nobody claims the newly pooled, or soon again what was theirs (rules.md C3)."""
    policy = _policy(decider)
    owner: str | None = None
    left: dict[str | None, datetime] = {}
    for event in history.events:
        match event:
            case ownership.OwnerAssigned(owner=new, how=how, at=at):
                waits = {None: policy.new_wait_days, new: policy.cooldown_days}
                for who, days in waits.items() if how == "claimed" else ():
                    if who in left and at < _days_after(left[who], days, policy):
                        yield f"{event!r} is too soon after {left[who]}"
                if how == "transferred":
                    left[owner] = at
                owner = new
            case ownership.ReleasedToPool(at=at) | ownership.RecycledToPool(at=at):
                left |= {None: at, owner: at}
                owner = None
            case _:
                pass


@law
def who_is_not_looked_after_goes_back(decider: AnyDecider, history: History) -> Iterator[str]:
    """A customer goes back by itself when the time is up, and at that instant (rules.md C4)."""
    policy = _policy(decider)
    assigned: ownership.OwnerAssigned | None = None
    contacts: list[datetime] = []
    won = False
    for event in history.events:
        match event:
            case ownership.OwnerAssigned():
                assigned, won = event, event.won
            case ownership.FollowedUp(at=at):
                contacts.append(at)
            case ownership.DealMade():
                won = True
            case ownership.RecycledToPool(at=at, rule=rule) if assigned is not None:
                latest = max([assigned.at, *contacts])
                ends = [_days_after(latest, policy.follow_up_days, policy)]
                ends += [assigned.protected_until] if assigned.protected_until else []
                due = {"no_follow_up": max(ends)}
                if not won:
                    due["no_deal"] = _days_after(assigned.at, policy.deal_days, policy)
                if (won and policy.won_are_exempt) or not at == due.get(rule) == min(due.values()):
                    yield f"{event!r}, and the time was up by {due}"
            case _:
                pass


@law
def access_is_given_by_those_in_charge(_: AnyDecider, history: History) -> Iterator[str]:
    """Access is granted and denied by the owner of then, or by a sales manager (rules.md C5)."""
    owner: str | None = None
    for step in history.steps:
        for event in step.events:
            match event:
                case ownership.OwnerAssigned():
                    owner = event.owner
                case ownership.ReleasedToPool() | ownership.RecycledToPool():
                    owner = None
                case access.AccessGranted() | access.AccessDenied() | access.AccessRevoked():
                    by_role = ownership.SALES_MANAGER in step.act.roles
                    if step.act.by != owner and not by_role and step.command is not None:
                        yield f"{event!r}, and in charge was {owner}"
                case _:
                    pass


def _policy(decider: AnyDecider) -> ownership.Policy:
    found = getattr(decider.decide, "keywords", {}).get("owning")
    return found if isinstance(found, ownership.Policy) else ownership.Policy()


def _days_after(at: datetime, days: int, policy: ownership.Policy) -> datetime:
    where = ZoneInfo(policy.time_zone)
    return datetime.combine(at.astimezone(where).date() + timedelta(days), time(), where)


LAWS = (
    one_owner_or_the_pool,
    who_claims_has_waited,
    who_is_not_looked_after_goes_back,
    access_is_given_by_those_in_charge,
)
