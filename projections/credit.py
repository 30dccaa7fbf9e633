"""The credit level: how well a customer pays, and what may still be sold on account."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain import customer
from crmcore.domain.calendar import LAST_DAY, add_days, add_months, day_of, start_of, zone
from crmcore.domain.customer import Customer, profile
from crmcore.domain.customer.beside import Beside, GroupBooks
from crmcore.domain.customer.credit import GradeOverridden
from crmcore.domain.customer.merging import Absorbed, Unmerged
from crmcore.domain.customer.payments import PaymentAllocated, PaymentReversed, Restored
from crmcore.domain.customer.receivables import (
    CreditNoteIssued,
    InvoiceIssued,
    InvoiceWrittenOff,
    PaymentReceived,
)
from crmcore.domain.money import Money
from crmcore.domain.recorded import Recorded
from crmcore.domain.value import Value
from crmcore.projections.account import account
from crmcore.projections.projection import Details, Projection, Verdict

Days: TypeAlias = Annotated[int, Meta(ge=1, le=3_650)]
Months: TypeAlias = Annotated[int, Meta(ge=1, le=120)]
Thousandths: TypeAlias = Annotated[int, Meta(ge=0, le=1_000)]
Weight: TypeAlias = Annotated[int, Meta(ge=0, le=100)]

FULL = 1000  # the score and each part of it are thousandths, rounded down: no floats
DAY = timedelta(days=1)
BOUNCED_MAX = 2  # which is all that a gate asks for
GRADES = ("A", "B", "C", "D", "unrated")


class Policy(Value):
    """The weights, thresholds and gates of rules.md 3.2."""

    paid_in_terms_weight: Weight = 40
    average_late_weight: Weight = 20
    longest_late_weight: Weight = 15
    investigation_weight: Weight = 15
    tenure_weight: Weight = 10
    average_late_days_max: Days = 30
    longest_late_days_max: Days = 90
    tenure_days_full: Days = 1095
    window_months: Months = 12
    overdue_days_gate: Days = 90
    written_off_months: Months = 24
    a_score: Thousandths = 800
    b_score: Thousandths = 600
    acceptance: customer.Policy = customer.Policy()
    time_zone: str = "UTC"


class Invoice(Value):
    """An invoice: what it came to, when it was due, when it was paid in full if it was."""

    name: str
    amount: Money
    due_on: date
    position: int
    settled_on: date | None = None

    def days_late(self, today: date) -> int:
        """Return how late it was paid, or is by now."""
        return max(0, ((self.settled_on or today) - self.due_on).days)


Invoices: TypeAlias = tuple[Invoice, ...]


class Inherited(Value):
    """The worse grade of two that became one, until the customer is looked into again (M3)."""

    absorbed: UUID
    grade: str
    position: int


class Standing(Value):
    """What the grade depends on; the customer's state is the one that accepts orders."""

    customer: Customer = Customer()
    since: date | None = None
    unpaid: Invoices = ()
    settled: Invoices = ()
    blacklisted: int = 0
    overridden: int = 0
    investigated: int = 0
    written_off: tuple[date, int] | None = None
    bounced: tuple[tuple[date, int], ...] = ()
    inherited: tuple[Inherited, ...] = ()


class Grade(Value):
    """A grade with the rule that set it and the score behind it."""

    grade: str
    rule: str
    score: int | None
    because: tuple[int, ...]


def apply(before: Standing, fact: Recorded[Any], policy: Policy) -> Standing:
    """Return the standing after a fact."""
    if fact.stream.kind != "customer":
        return before
    event, day = fact.event, day_of(fact.effective_at, zone(policy.time_zone))
    after = replace(before, customer=customer.evolve(before.customer, event))
    match event:
        case PaymentReceived(invoice=name) | CreditNoteIssued(invoice=name):
            return _settled(after, name, day, policy)
        case PaymentAllocated(invoice=name, payment=payment):
            known = (p.clears_on for p in after.customer.payments if p.name == payment)
            return _settled(after, name, max(next(known, None) or day, day), policy)
        case InvoiceWrittenOff(invoice=name):
            after = replace(after, written_off=(day, fact.position))
            return after if _is_open(after, name) else _given_up(after, name)
        case PaymentReversed():
            return _reversed(after, event, day, fact.position)
        case InvoiceIssued(invoice=name, amount=amount, due_on=due_on):
            invoice = Invoice(name=name, amount=amount, due_on=due_on, position=fact.position)
            return replace(after, unpaid=(*before.unpaid, invoice))
        case customer.credit.CreditInvestigated():
            return replace(after, investigated=fact.position, inherited=())
        case Absorbed(absorbed_customer=other, grade=grade):
            return _inherited(after, other, grade, fact.position)
        case Unmerged(other_customer=other):
            return _inherited(after, other, None, fact.position)
        case GradeOverridden():
            return replace(after, overridden=fact.position)
        case profile.Blacklisted():
            return replace(after, blacklisted=fact.position)
        case profile.CustomerRegistered():
            return replace(after, since=day)
        case _:
            return after


def judge(standing: Standing, at: datetime, policy: Policy) -> Verdict | None:
    """Return the grade in effect; one that the general manager set stands before the computed."""
    if standing.since is None:
        return None
    today = day_of(at, zone(policy.time_zone))
    computed = _computed(standing, today, policy)
    if override := _override(standing, today):
        rule = f"set by the general manager until {override.until}: {override.reason}"
        return Verdict(answer=override.grade, rule=rule, because=(standing.overridden,))
    return Verdict(answer=computed.grade, rule=computed.rule, because=computed.because)


def details(standing: Standing, at: datetime, policy: Policy) -> Details:
    """Return the computed grade and score, and what an order would meet."""
    today = day_of(at, zone(policy.time_zone))
    computed = _computed(standing, today, policy)
    score = "-" if computed.score is None else f"{computed.score} of {FULL}"
    there = account(standing.customer, at, policy.acceptance)
    return (("computed", computed.grade), ("score", score), *there)


def next_look(standing: Standing, at: datetime, policy: Policy) -> datetime | None:
    """Return the first later day on which the grade may differ although nothing happens."""
    if standing.since is None:
        return None
    where = zone(policy.time_zone)
    today = day_of(at, where)
    later = [day for day in _ends(standing, policy) if day > today]
    if today < LAST_DAY and _worsens(standing, today, policy):
        return start_of(add_days(today, 1), where)
    return start_of(_improves(standing, today, min(later), policy), where) if later else None


def credit(policy: Policy, group: GroupBooks | None = None) -> Projection[Standing]:
    """Return the credit projection under a policy, of a customer in a group if it is in one."""
    return Projection(
        question="credit",
        initial=Standing(customer=Customer(beside=Beside(group=group))),
        apply=partial(apply, policy=policy),
        judge=partial(judge, policy=policy),
        next_look=partial(next_look, policy=policy),
        details=partial(details, policy=policy),
    )


def _inherited(standing: Standing, other: UUID, grade: str | None, position: int) -> Standing:
    """Return the standing with the worse grade of a merge, or without that of one that ended."""
    kept = tuple(one for one in standing.inherited if one.absorbed != other)
    more = () if grade is None else (Inherited(absorbed=other, grade=grade, position=position),)
    return replace(standing, inherited=(*kept, *more))


def _is_open(standing: Standing, name: str) -> bool:
    return any(i.name == name and i.is_open for i in standing.customer.invoices)


def _settled(standing: Standing, name: str, day: date, policy: Policy) -> Standing:
    """Return the standing after part of an invoice was settled; the money is there on a day."""
    return standing if _is_open(standing, name) else _settle(standing, name, day, policy)


def _given_up(standing: Standing, name: str) -> Standing:
    """Return the standing without an invoice that was written off: it was not paid."""
    return replace(standing, unpaid=tuple(i for i in standing.unpaid if i.name != name))


def _reversed(standing: Standing, event: PaymentReversed, day: date, position: int) -> Standing:
    """Return the standing after money was taken back: what it settled is late from its due day."""
    for one in event.restored:
        standing = _owed_again(standing, one, position)
    if not event.bounced:
        return standing
    return replace(standing, bounced=(*standing.bounced, (day, position))[-BOUNCED_MAX:])


def _owed_again(standing: Standing, one: Restored, position: int) -> Standing:
    if any(invoice.name == one.invoice for invoice in standing.unpaid):
        return standing
    known = next((i for i in standing.settled if i.name == one.invoice), None)
    again = known or Invoice(
        name=one.invoice, amount=one.amount, due_on=one.due_on, position=position
    )
    settled = tuple(i for i in standing.settled if i is not known)
    unpaid = (*standing.unpaid, replace(again, settled_on=None))
    return replace(standing, unpaid=unpaid, settled=settled)


def _settle(standing: Standing, name: str, day: date, policy: Policy) -> Standing:
    """Move an invoice to the settled ones, and forget those that have left the window."""
    paid = tuple(replace(i, settled_on=day) for i in standing.unpaid if i.name == name)
    kept = tuple(i for i in standing.settled if _leaves(i, policy) > day)
    unpaid = tuple(i for i in standing.unpaid if i.name != name)
    return replace(standing, unpaid=unpaid, settled=(*kept, *paid))


def _leaves(invoice: Invoice, policy: Policy) -> date:
    """Return when an invoice leaves the window: by its due day, so that paying later is no gain."""
    return add_months(invoice.due_on, policy.window_months)


def _overdue(standing: Standing, today: date) -> Invoices:
    """Return the unpaid invoices that are overdue and not disputed."""
    disputed = {invoice.name for invoice in standing.customer.invoices if invoice.disputed}
    return tuple(i for i in standing.unpaid if i.due_on < today and i.name not in disputed)


def _computed(standing: Standing, today: date, policy: Policy) -> Grade:
    """Return the grade of the customer, and no better one than at its merges (rules.md M3)."""
    own = _of_its_own(standing, today, policy)
    worst = max(standing.inherited, key=lambda one: GRADES.index(one.grade), default=None)
    is_rated = own.grade != "unrated"
    if worst is None or (is_rated and GRADES.index(own.grade) >= GRADES.index(worst.grade)):
        return own
    rule = f"when {worst.absorbed} was absorbed, the worse grade of the two was {worst.grade}"
    return replace(own, grade=worst.grade, rule=rule, because=(worst.position,))


def _of_its_own(standing: Standing, today: date, policy: Policy) -> Grade:
    """Return the grade by score and gates (rules.md 3.2)."""
    if standing.customer.profile.status == "blacklisted":
        rule = "a blacklisted customer has grade D"
        return Grade(grade="D", rule=rule, score=None, because=(standing.blacklisted,))
    if (lost := standing.written_off) and today < add_months(lost[0], policy.written_off_months):
        rule = f"written off in {policy.written_off_months} months, D"
        return Grade(grade="D", rule=rule, score=None, because=(lost[1],))
    judged = _judged(standing, today, policy)
    investigated = _investigated(standing, today)
    if not judged and not investigated:
        rule = (
            f"nothing that was due in {policy.window_months} months is paid, nothing is overdue, "
            "and no investigation holds"
        )
        return Grade(grade="unrated", rule=rule, score=None, because=())
    score = _score(standing, judged, today, policy)
    positions = tuple(sorted(invoice.position for invoice in judged))
    because = (*positions, standing.investigated) if investigated else positions
    by_score = "A" if score >= policy.a_score else "B" if score >= policy.b_score else "C"
    grade, rule = by_score, f"the score is {score} of {FULL}"
    if not investigated and grade == "A":
        grade, rule = "B", "without an investigation that holds, B at best"
    gate = policy.overdue_days_gate
    if any(i.days_late(today) > gate for i in _overdue(standing, today)) and grade != "C":
        grade, rule = "C", f"overdue for more than {gate} days, C at best"
    bounced = _bounced(standing, today, policy)
    if grade != "C" and len(bounced) == BOUNCED_MAX:
        rule = f"payments bounced twice in {policy.window_months} months, C at best"
        return Grade(grade="C", rule=rule, score=score, because=bounced)
    return Grade(grade=grade, rule=rule, score=score, because=because)


def _bounced(standing: Standing, today: date, policy: Policy) -> tuple[int, ...]:
    """Return the facts of the payments that bounced within the window."""
    months = policy.window_months
    return tuple(position for day, position in standing.bounced if today < add_months(day, months))


def _score(standing: Standing, judged: Invoices, today: date, policy: Policy) -> int:
    """Return the weighted mean of the parts that are known; a missing part has no weight."""
    parts = [(policy.tenure_weight, _tenure(standing, today, policy))]
    if judged:
        in_terms, average, longest = _payment_parts(judged, today, policy)
        parts += [
            (policy.paid_in_terms_weight, in_terms),
            (policy.average_late_weight, average),
            (policy.longest_late_weight, longest),
        ]
    found = standing.customer.credit.investigation_score
    if found is not None and _investigated(standing, today):
        parts.append((policy.investigation_weight, found * FULL // 100))
    weights = sum(weight for weight, _ in parts)
    return sum(weight * part for weight, part in parts) // weights if weights else 0


def _payment_parts(judged: Invoices, today: date, policy: Policy) -> tuple[int, int, int]:
    """Return how much was paid in terms, how late on average by amount, and how late at worst."""
    late = [invoice.days_late(today) for invoice in judged]
    longest, most = max(late), policy.longest_late_days_max
    in_terms = FULL * late.count(0) // len(late)
    return in_terms, _average(judged, today, policy), _share(most - longest, most)


def _average(judged: Invoices, today: date, policy: Policy) -> int:
    """Return how late on average by amount, in the worst currency.

    What is overdue adds its days and not its amount, so that owing more is never better.
    """
    late: Counter[str] = Counter()
    paid: Counter[str] = Counter()
    for invoice in judged:
        currency, minor = invoice.amount.currency, invoice.amount.minor
        late[currency] += invoice.days_late(today) * minor
        paid[currency] += minor if invoice.settled_on else 0
    allowed = {c: policy.average_late_days_max * minor for c, minor in paid.items()}
    return min(_share(most - late[c], most) for c, most in allowed.items())


def _judged(standing: Standing, today: date, policy: Policy) -> Invoices:
    """Return the invoices that count: paid and due in the window, or overdue today."""
    in_window = (i for i in standing.settled if _leaves(i, policy) > today)
    return (*in_window, *_overdue(standing, today))


def _share(part: int, whole: int) -> int:
    return max(0, FULL * part // whole) if whole else 0


def _tenure(standing: Standing, today: date, policy: Policy) -> int:
    assert standing.since is not None
    return min(FULL, FULL * (today - standing.since).days // policy.tenure_days_full)


def _investigated(standing: Standing, today: date) -> bool:
    until = standing.customer.credit.investigated_until
    return until is not None and today <= until


def _override(standing: Standing, today: date) -> GradeOverridden | None:
    override = standing.customer.credit.override
    return override if override is not None and today <= override.until else None


def _ends(standing: Standing, policy: Policy) -> Iterator[date]:
    """Yield the days on which something that the grade depends on begins or ends."""
    assert standing.since is not None
    yield add_days(standing.since, policy.tenure_days_full)
    for invoice in standing.unpaid:
        yield add_days(invoice.due_on, 1)
        yield add_days(invoice.due_on, policy.overdue_days_gate + 1)
    for invoice in standing.settled:
        yield _leaves(invoice, policy)
    if until := standing.customer.credit.investigated_until:
        yield add_days(until, 1)
    if override := standing.customer.credit.override:
        yield add_days(override.until, 1)
    if lost := standing.written_off:
        yield add_months(lost[0], policy.written_off_months)
    for day, _ in standing.bounced:
        yield add_months(day, policy.window_months)


def _worsens(standing: Standing, today: date, policy: Policy) -> bool:
    """Tell whether each day makes the score worse: something is overdue, and not at its worst."""
    late = _overdue(standing, today)
    if not late or _override(standing, today):
        return False
    _, average, longest = _payment_parts(_judged(standing, today, policy), today, policy)
    return average > 0 or longest > 0


def _improves(standing: Standing, today: date, end: date, policy: Policy) -> date:
    """Return the first day before `end` with another grade, else `end`.

    Only the tenure moves the score until then, and only upwards: so halving finds the day.
    """
    said = _computed(standing, today, policy).grade
    if said == "unrated":
        return end
    low, high = today, end
    while high - low > DAY:
        middle = low + (high - low) // 2
        if _computed(standing, middle, policy).grade == said:
            low = middle
        else:
            high = middle
    return high
