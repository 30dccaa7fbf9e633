"""How much a customer may owe: investigated, requested, approved by the general manager."""

from datetime import date
from typing import Annotated, Literal, TypeAlias, assert_never

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.calendar import add_days, add_months
from crmcore.domain.customer.policy import Policy
from crmcore.domain.money import Money, one_currency
from crmcore.domain.value import Note, Ref, Rejection, Value, found, require

GENERAL_MANAGER = "general_manager"

Grade: TypeAlias = Literal["A", "B", "C", "D"]
Score: TypeAlias = Annotated[int, Meta(ge=0, le=100)]
# No decision, a limit of nothing, and no limit at all are three different things (rules.md CR1).
Limit: TypeAlias = Money | Literal["unlimited"]
Scope: TypeAlias = Literal["order", "delivery"]


# Commands


class RecordInvestigation(Value, tag="customer.record_investigation"):
    """Write down what an investigation of the customer's credit found."""

    score: Score
    findings: Note


class RequestLimit(Value, tag="customer.request_limit"):
    """Ask for a credit limit."""

    request: Ref
    amount: Limit


class ApproveLimit(Value, tag="customer.approve_limit"):
    """Grant what was asked for, or less."""

    request: Ref
    amount: Limit
    until: date | None = None


class RejectLimit(Value, tag="customer.reject_limit"):
    """Refuse what was asked for."""

    request: Ref
    reason: Note


class WithdrawRequest(Value, tag="customer.withdraw_request"):
    """Take the request back."""

    request: Ref


class LowerLimit(Value, tag="customer.lower_limit"):
    """Lower the limit, also below what is owed."""

    amount: Money


class RevokeLimit(Value, tag="customer.revoke_limit"):
    """Take back the limit, and every temporary one: from now on the customer pays at once."""

    reason: Note


class PlaceHold(Value, tag="customer.place_hold"):
    """Stop orders on account, or deliveries, until the hold is released or its last day is over."""

    hold: Ref
    reason: Note
    scope: Scope = "order"
    ends_on: date | None = None


class ReleaseHold(Value, tag="customer.release_hold"):
    """End a hold."""

    hold: Ref
    reason: Note


class OverrideGrade(Value, tag="customer.override_grade"):
    """Set the credit grade by hand for a while, with a reason."""

    grade: Grade
    until: date
    reason: Note


Command: TypeAlias = (
    RecordInvestigation | RequestLimit | ApproveLimit | RejectLimit | WithdrawRequest
    | LowerLimit | RevokeLimit | PlaceHold | ReleaseHold | OverrideGrade
)  # fmt: skip


# Events


class CreditInvestigated(Value, tag="customer.credit_investigated"):
    """The customer's credit was looked into; the finding holds until a day."""

    score: Score
    findings: Note
    valid_until: date


class CreditLimitRequested(Value, tag="customer.credit_limit_requested"):
    """Somebody asked for a limit; the request lapses if nobody decides."""

    request: Ref
    amount: Limit
    requested_by: str
    lapses_on: date


class CreditLimitApproved(Value, tag="customer.credit_limit_approved"):
    """The limit from now on."""

    request: Ref
    amount: Limit
    approved_by: str
    until: date | None


class CreditLimitRejected(Value, tag="customer.credit_limit_rejected"):
    """The request was refused."""

    request: Ref
    reason: Note


class CreditLimitWithdrawn(Value, tag="customer.credit_limit_withdrawn"):
    """The request was taken back."""

    request: Ref


class CreditLimitLowered(Value, tag="customer.credit_limit_lowered"):
    """The limit from now on, less than before."""

    amount: Money


class LimitRevoked(Value, tag="customer.limit_revoked"):
    """There is no limit any more, and no temporary one."""

    revoked_by: str
    reason: Note


class HoldPlaced(Value, tag="customer.hold_placed", omit_defaults=True):
    """No orders on account, or no deliveries, from now on."""

    hold: Ref
    reason: Note
    scope: Scope = "order"
    ends_on: date | None = None


class HoldReleased(Value, tag="customer.hold_released"):
    """The hold ended."""

    hold: Ref
    reason: Note


class GradeOverridden(Value, tag="customer.grade_overridden"):
    """The credit grade was set by hand until a day."""

    grade: Grade
    until: date
    reason: Note


Event: TypeAlias = (
    CreditInvestigated | CreditLimitRequested | CreditLimitApproved | CreditLimitRejected
    | CreditLimitWithdrawn | CreditLimitLowered | LimitRevoked | HoldPlaced | HoldReleased
    | GradeOverridden
)  # fmt: skip


# Rejections


class NotAuthorised(Rejection):
    """Credit is granted by the general manager, or by a role whose band the amount is in."""

    role: str
    by: str


class SelfApproval(Rejection):
    """Nobody approves a request of their own."""

    by: str


class StaleRequest(Rejection):
    """A decision answers the open request, before it lapses; a limit that changed is asked anew."""

    request: str


class RequestOpen(Rejection):
    """One request is open at a time."""

    request: str


class TooMuchApproved(Rejection):
    """Nobody is granted more than was asked for."""

    requested: Limit


class InvestigationDue(Rejection):
    """A limit rests on an investigation that still holds."""

    valid_until: date | None


class NegativeLimit(Rejection):
    """A limit is nothing or more."""

    amount: Money


class UntilPast(Rejection):
    """What is granted for a while ends on a day to come."""

    until: date


class AlreadyOver(Rejection):
    """A hold, a raise or a release ends today or later."""

    ends_on: date


class LimitNotLower(Rejection):
    """A limit is raised by a request and an approval only."""

    limit: Limit | None


Reason: TypeAlias = (
    NotAuthorised | SelfApproval | StaleRequest | RequestOpen | TooMuchApproved
    | InvestigationDue | NegativeLimit | UntilPast | AlreadyOver | LimitNotLower
)  # fmt: skip


# State


class OpenRequest(Value):
    """A limit somebody asked for."""

    request: str
    amount: Limit
    requested_by: str
    lapses_on: date
    is_stale: bool = False


class Hold(Value):
    """A hold that somebody placed, and its last day if it has one."""

    name: str
    scope: Scope = "order"
    ends_on: date | None = None


class Credit(Value):
    """What was decided about the customer's credit."""

    limit: Limit | None = None
    limit_until: date | None = None
    investigation_score: int | None = None
    investigated_until: date | None = None
    open_request: OpenRequest | None = None
    holds: tuple[Hold, ...] = ()  # sorted by name: a set has another order in every process
    override: GradeOverridden | None = None
    currency: str | None = None  # that of the first limit, for ever (rules.md CR15)

    def limit_on(self, day: date) -> Limit | None:
        """Return the limit in force on a day; it lapses by itself (rules.md CR2)."""
        lapsed = self.limit_until is not None and self.limit_until < day
        return None if lapsed else self.limit

    def holds_on(self, day: date, scope: Scope) -> tuple[str, ...]:
        """Return the names of the holds of a scope that are in force on a day."""
        return tuple(
            hold.name
            for hold in self.holds
            if hold.scope == scope and (hold.ends_on is None or day <= hold.ends_on)
        )


def decide(command: Command, credit: Credit, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return what happens to the credit."""
    day = policy.day(act)
    if isinstance(command, RequestLimit | ApproveLimit | LowerLimit):
        _require_not_negative(command.amount)
        require_currency(command.amount, credit)
    if isinstance(command, ApproveLimit | OverrideGrade) and command.until is not None:
        require(command.until >= day, UntilPast(until=command.until))
    if isinstance(command, PlaceHold):
        require_to_come(command.ends_on, day)
    match command:
        case RecordInvestigation(score=score, findings=findings):
            until = add_months(day, policy.investigation_months)
            return (CreditInvestigated(score=score, findings=findings, valid_until=until),)
        case RequestLimit():
            return _request(command, credit, act, policy)
        case ApproveLimit():
            return _approve(command, credit, act, policy)
        case RejectLimit(request=request, reason=reason):
            asked = credit.open_request
            require_authority(act, asked.amount if asked else "unlimited", policy)
            _open(credit, request, day)
            return (CreditLimitRejected(request=request, reason=reason),)
        case WithdrawRequest(request=request):
            _open(credit, request, day)
            return (CreditLimitWithdrawn(request=request),)
        case LowerLimit(amount=amount):
            limit = credit.limit_on(day)
            lower = amount < limit if isinstance(limit, Money) else limit is not None
            require(lower, LimitNotLower(limit=limit))
            return (CreditLimitLowered(amount=amount),)
        case RevokeLimit(reason=reason):
            require_authority(act, "unlimited", policy)
            return (LimitRevoked(revoked_by=act.by, reason=reason),) if credit.limit else ()
        case PlaceHold(hold=name, reason=reason, scope=scope, ends_on=ends_on):
            there = Hold(name=name, scope=scope, ends_on=ends_on) in credit.holds
            placed = HoldPlaced(hold=name, reason=reason, scope=scope, ends_on=ends_on)
            return () if there else (placed,)
        case ReleaseHold(hold=name, reason=reason):
            there = any(hold.name == name for hold in credit.holds)
            return (HoldReleased(hold=name, reason=reason),) if there else ()
        case OverrideGrade(grade=grade, until=until, reason=reason):
            require_authority(act, "unlimited", policy)
            return (GradeOverridden(grade=grade, until=until, reason=reason),)
        case _:
            assert_never(command)


def evolve(credit: Credit, event: Event) -> Credit:
    """Return the credit after a fact."""
    match event:
        case CreditInvestigated(score=score, valid_until=until):
            return replace(credit, investigation_score=score, investigated_until=until)
        case CreditLimitRequested():
            asked = OpenRequest(
                request=event.request,
                amount=event.amount,
                requested_by=event.requested_by,
                lapses_on=event.lapses_on,
            )
            return replace(credit, open_request=asked)
        case CreditLimitApproved(amount=amount, until=until):
            known = credit.currency
            first = amount.currency if known is None and isinstance(amount, Money) else known
            limited = replace(credit, limit=amount, limit_until=until, currency=first)
            return replace(limited, open_request=None)
        case CreditLimitRejected() | CreditLimitWithdrawn():
            return replace(credit, open_request=None)
        case CreditLimitLowered(amount=amount):
            known = amount.currency if credit.currency is None else credit.currency
            return stale(replace(credit, limit=amount, currency=known))
        case LimitRevoked():
            return stale(replace(credit, limit=None, limit_until=None))
        case HoldPlaced(hold=name, scope=scope, ends_on=ends_on):
            others = (hold for hold in credit.holds if hold.name != name)
            holds = (*others, Hold(name=name, scope=scope, ends_on=ends_on))
            return replace(credit, holds=tuple(sorted(holds, key=lambda hold: hold.name)))
        case HoldReleased(hold=name):
            return replace(credit, holds=tuple(h for h in credit.holds if h.name != name))
        case GradeOverridden():
            return replace(credit, override=event)
        case _:
            assert_never(event)


def stale(credit: Credit) -> Credit:
    """Return the credit after it changed: what was asked for before is asked anew (CR8)."""
    asked = credit.open_request
    return replace(credit, open_request=replace(asked, is_stale=True)) if asked else credit


def _request(command: RequestLimit, credit: Credit, act: Act, policy: Policy) -> tuple[Event, ...]:
    day, asked = policy.day(act), credit.open_request
    if asked is not None:
        require(asked.lapses_on < day, RequestOpen(request=asked.request))
    return (
        CreditLimitRequested(
            request=command.request,
            amount=command.amount,
            requested_by=act.by,
            lapses_on=add_days(day, policy.approval_days),
        ),
    )


def _approve(command: ApproveLimit, credit: Credit, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Approve under the conditions of rules.md CR8."""
    require_authority(act, command.amount, policy)
    day = policy.day(act)
    asked = _open(credit, command.request, day)
    require(not asked.is_stale, StaleRequest(request=asked.request))
    require(asked.requested_by != act.by, SelfApproval(by=act.by))
    fresh = credit.investigated_until is not None and day <= credit.investigated_until
    require(fresh, InvestigationDue(valid_until=credit.investigated_until))
    require(_within(command.amount, asked.amount), TooMuchApproved(requested=asked.amount))
    return (
        CreditLimitApproved(
            request=command.request,
            amount=command.amount,
            approved_by=act.by,
            until=command.until,
        ),
    )


def _within(granted: Limit, asked: Limit) -> bool:
    if isinstance(asked, Money):
        return isinstance(granted, Money) and granted <= asked
    return True


def _open(credit: Credit, request: str, day: date) -> OpenRequest:
    asked = found(credit.open_request, StaleRequest(request=request))
    require(asked.request == request and day <= asked.lapses_on, StaleRequest(request=request))
    return asked


def require_authority(act: Act, amount: Limit, policy: Policy) -> None:
    """Reject unless who acts may grant this much: by their band, or as the general manager."""
    allowed = GENERAL_MANAGER in act.roles or any(
        band.role in act.roles
        and isinstance(amount, Money)
        and amount.currency == band.up_to.currency
        and amount <= band.up_to
        for band in policy.bands
    )
    require(allowed, NotAuthorised(role=GENERAL_MANAGER, by=act.by))


def require_currency(amount: Limit, credit: Credit) -> None:
    """Reject an amount in another currency than that of the limit (rules.md CR15)."""
    if isinstance(amount, Money) and credit.currency is not None:
        one_currency(amount, replace(amount, currency=credit.currency))


def require_to_come(ends_on: date | None, day: date) -> None:
    """Reject a last day that is over."""
    if ends_on is not None:
        require(ends_on >= day, AlreadyOver(ends_on=ends_on))


def _require_not_negative(amount: Limit) -> None:
    if isinstance(amount, Money):
        require(amount.minor >= 0, NegativeLimit(amount=amount))
