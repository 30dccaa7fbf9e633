"""How much a customer may owe: investigated, requested, approved by the general manager."""

from datetime import date
from typing import Annotated, Literal, TypeAlias, assert_never

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.calendar import add_days, add_months, day_of, zone
from crmcore.domain.money import Money
from crmcore.domain.value import Note, Ref, Rejection, Value, found, require

GENERAL_MANAGER = "general_manager"

Grade: TypeAlias = Literal["A", "B", "C", "D"]
Score: TypeAlias = Annotated[int, Meta(ge=0, le=100)]
# No decision, a limit of nothing, and no limit at all are three different things (rules.md CR1).
Limit: TypeAlias = Money | Literal["unlimited"]


class Policy(Value):
    """Numbers the business may change; facts carry outcomes, so replay never needs them."""

    investigation_months: Annotated[int, Meta(ge=1, le=600)] = 12
    approval_days: Annotated[int, Meta(ge=1, le=3_650)] = 30
    overdue_grace_days: Annotated[int, Meta(ge=0, le=3_650)] = 0
    tolerance_percent: Annotated[int, Meta(ge=0, le=100)] = 0
    payment_days: Annotated[int, Meta(ge=0, le=3_650)] = 30
    time_zone: str = "UTC"

    def day(self, act: Act) -> date:
        """Return the business day on which an act takes effect."""
        return day_of(act.effective_at, zone(self.time_zone))


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


class PlaceHold(Value, tag="customer.place_hold"):
    """Stop orders on account until the hold is released."""

    hold: Ref
    reason: Note


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
    | LowerLimit | PlaceHold | ReleaseHold | OverrideGrade
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


class HoldPlaced(Value, tag="customer.hold_placed"):
    """No orders on account from now on."""

    hold: Ref
    reason: Note


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
    | CreditLimitWithdrawn | CreditLimitLowered | HoldPlaced | HoldReleased | GradeOverridden
)  # fmt: skip


# Rejections


class NotAuthorised(Rejection):
    """Credit is granted by the general manager alone."""

    role: str
    by: str


class SelfApproval(Rejection):
    """Nobody approves a request of their own."""

    by: str


class StaleRequest(Rejection):
    """A decision answers the open request, before it lapses."""

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


class LimitNotLower(Rejection):
    """A limit is raised by a request and an approval only."""

    limit: Limit | None


Reason: TypeAlias = (
    NotAuthorised | SelfApproval | StaleRequest | RequestOpen | TooMuchApproved
    | InvestigationDue | NegativeLimit | UntilPast | LimitNotLower
)  # fmt: skip


# State


class OpenRequest(Value):
    """A limit somebody asked for."""

    request: str
    amount: Limit
    requested_by: str
    lapses_on: date


class Credit(Value):
    """What was decided about the customer's credit."""

    limit: Limit | None = None
    limit_until: date | None = None
    investigation_score: int | None = None
    investigated_until: date | None = None
    open_request: OpenRequest | None = None
    holds: tuple[str, ...] = ()  # sorted: a set has another order in every process
    override: GradeOverridden | None = None

    def limit_on(self, day: date) -> Limit | None:
        """Return the limit in force on a day; it lapses by itself (rules.md CR2)."""
        lapsed = self.limit_until is not None and self.limit_until < day
        return None if lapsed else self.limit


def decide(command: Command, credit: Credit, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return what happens to the credit."""
    day = policy.day(act)
    if isinstance(command, RequestLimit | ApproveLimit | LowerLimit):
        _require_not_negative(command.amount)
    if isinstance(command, ApproveLimit | OverrideGrade) and command.until is not None:
        require(command.until >= day, UntilPast(until=command.until))
    match command:
        case RecordInvestigation(score=score, findings=findings):
            until = add_months(day, policy.investigation_months)
            return (CreditInvestigated(score=score, findings=findings, valid_until=until),)
        case RequestLimit():
            return _request(command, credit, act, policy)
        case ApproveLimit():
            return _approve(command, credit, act, day)
        case RejectLimit(request=request, reason=reason):
            _require_general_manager(act)
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
        case PlaceHold(hold=hold, reason=reason):
            return () if hold in credit.holds else (HoldPlaced(hold=hold, reason=reason),)
        case ReleaseHold(hold=hold, reason=reason):
            return (HoldReleased(hold=hold, reason=reason),) if hold in credit.holds else ()
        case OverrideGrade(grade=grade, until=until, reason=reason):
            _require_general_manager(act)
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
            return replace(credit, limit=amount, limit_until=until, open_request=None)
        case CreditLimitRejected() | CreditLimitWithdrawn():
            return replace(credit, open_request=None)
        case CreditLimitLowered(amount=amount):
            return replace(credit, limit=amount)
        case HoldPlaced(hold=hold):
            return replace(credit, holds=tuple(sorted({*credit.holds, hold})))
        case HoldReleased(hold=hold):
            return replace(credit, holds=tuple(name for name in credit.holds if name != hold))
        case GradeOverridden():
            return replace(credit, override=event)
        case _:
            assert_never(event)


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


def _approve(command: ApproveLimit, credit: Credit, act: Act, day: date) -> tuple[Event, ...]:
    """Approve under the conditions of rules.md CR8."""
    _require_general_manager(act)
    asked = _open(credit, command.request, day)
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


def _require_general_manager(act: Act) -> None:
    require(GENERAL_MANAGER in act.roles, NotAuthorised(role=GENERAL_MANAGER, by=act.by))


def _require_not_negative(amount: Limit) -> None:
    if isinstance(amount, Money):
        require(amount.minor >= 0, NegativeLimit(amount=amount))
