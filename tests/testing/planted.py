"""Bugs that are planted in our rules, each with the fewest commands that show it.

A bug is a change of what deciding returns or of how a fact is applied, around the rules as they
are: nothing is patched, and the laws that find it know nothing of it.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, TypeAlias

from msgspec.structs import replace

from crmcore.domain import customer, loyalty, opportunity, ticket
from crmcore.domain.act import Act
from crmcore.domain.customer import credit, receivables
from crmcore.domain.lots import Lot
from crmcore.domain.money import Money
from crmcore.domain.value import Rejected
from crmcore.testing.steps import AnyDecider

Decide: TypeAlias = Callable[[Any, Any, Act], tuple[Any, ...]]
Evolve: TypeAlias = Callable[[Any, Any], Any]

LOYALTY = loyalty.decider(loyalty.Policy(points_min=2))
CUSTOMER = customer.decider(customer.Policy())
DEALS = opportunity.decider(opportunity.Policy())
TICKETS = ticket.decider(ticket.Policy())
# What belongs together: of all commands of a customer, or of an account, each is a few.
SELLING = (
    customer.Register | customer.RecordInvestigation | customer.RequestLimit
    | customer.ApproveLimit | customer.PlaceHold | customer.AcceptOrder
)  # fmt: skip
BILLING = (
    customer.Register | customer.IssueInvoice | customer.ReceivePayment | customer.ReceiveOnAccount
    | customer.AllocatePayment | customer.ReversePayment | customer.WriteOff
    | customer.RemindCustomer
)  # fmt: skip
SPENDING = (
    loyalty.Enrol | loyalty.Earn | loyalty.Redeem | loyalty.ReverseRedemption | loyalty.RecordExpiry
)  # fmt: skip
CENTURY = timedelta(days=36_500)


class Planted(NamedTuple):
    """A bug: what it does, in which rule, the rules with it, and the fewest commands to show it."""

    what: str
    rule: str
    rules: AnyDecider
    commands: int


def among(commands: Any, rules: AnyDecider) -> AnyDecider:  # noqa: ANN401 - a union is no class
    """Return rules for these commands only."""
    return replace(rules, commands=commands)


def deciding(rules: AnyDecider, decide: Decide) -> AnyDecider:
    return replace(rules, decide=decide)


def evolving(rules: AnyDecider, evolve: Evolve) -> AnyDecider:
    return replace(rules, evolve=evolve)


def changed(rules: AnyDecider, change: Callable[[Any, Any], Any]) -> AnyDecider:
    """Return rules whose events are changed: from the state that decided, and the event."""
    return deciding(
        rules,
        lambda command, state, act: tuple(
            change(state, event) for event in rules.decide(command, state, act)
        ),
    )


def believing(rules: AnyDecider, kind: type, other: Callable[[Any, Act], Any]) -> AnyDecider:
    """Return rules that decide commands of a kind on another state than there is."""
    return deciding(
        rules,
        lambda command, state, act: rules.decide(
            command, other(state, act) if isinstance(command, kind) else state, act
        ),
    )


# Loyalty accounts


def _spends_the_last(command: Any, account: loyalty.Account, act: Act) -> tuple[Any, ...]:  # noqa: ANN401 - any command
    events = LOYALTY.decide(command, account, act)
    match events:
        case (loyalty.PointsRedeemed(points=points) as event,):
            usable = [t for t in account.lots if t.vests_at <= act.effective_at < t.expires_at]
            late = sorted(usable, key=lambda lot: lot.expires_at, reverse=True)
            return (replace(event, allocations=_first(late, points)),)
        case _:
            return events


def _first(lots: Sequence[Lot], points: int) -> tuple[Lot, ...]:
    taken: list[Lot] = []
    for lot in lots:
        part = min(lot.points, points)
        taken += [replace(lot, points=part)] if part else []
        points -= part
    return tuple(taken)


def _spends_the_lapsed(command: Any, account: loyalty.Account, act: Act) -> tuple[Any, ...]:  # noqa: ANN401 - any command
    if isinstance(command, loyalty.Redeem) and account.lots:
        act = replace(act, effective_at=account.lots[0].vests_at)
    return LOYALTY.decide(command, account, act)


def _one_short(_: loyalty.Account, event: Any) -> Any:  # noqa: ANN401 - any event
    if isinstance(event, loyalty.PointsRedeemed):
        return replace(event, allocations=_first(event.allocations, event.points - 1))
    return event


def _immortal(_: loyalty.Account, event: Any) -> Any:  # noqa: ANN401 - any event
    if isinstance(event, loyalty.RedemptionReversed):
        ever = (replace(lot, expires_at=lot.expires_at + CENTURY) for lot in event.restored)
        return replace(event, restored=tuple(ever))
    return event


def _gives_back_again(account: loyalty.Account, event: Any) -> loyalty.Account:  # noqa: ANN401 - any event
    after: loyalty.Account = LOYALTY.evolve(account, event)
    if isinstance(event, loyalty.RedemptionReversed):
        return replace(after, redemptions=account.redemptions)
    return after


def _keeps_the_lapsed(account: loyalty.Account, event: Any) -> loyalty.Account:  # noqa: ANN401 - any event
    kept: loyalty.Account = LOYALTY.evolve(account, event)
    return account if isinstance(event, loyalty.PointsExpired) else kept


def _trips_over_nothing(command: Any, account: loyalty.Account, act: Act) -> tuple[Any, ...]:  # noqa: ANN401 - any command
    if isinstance(command, loyalty.Redeem) and account.customer is not None:
        _ = account.lots[0]
    return LOYALTY.decide(command, account, act)


# Customers


def _undecided_is_unlimited(known: customer.Customer, _: Act) -> customer.Customer:
    free = replace(known.credit, limit="unlimited")
    return replace(known, credit=free) if known.credit.limit is None else known


def _approves_ones_own(command: Any, known: customer.Customer, act: Act) -> tuple[Any, ...]:  # noqa: ANN401 - any command
    if not isinstance(command, customer.ApproveLimit):
        return CUSTOMER.decide(command, known, act)
    events = CUSTOMER.decide(command, known, replace(act, by="somebody else"))
    return tuple(replace(event, approved_by=act.by) for event in events)


def _grants_more(known: customer.Customer, event: Any) -> Any:  # noqa: ANN401 - any event
    asked = known.credit.open_request
    if isinstance(event, credit.CreditLimitApproved) and asked and isinstance(asked.amount, Money):
        return replace(event, amount=replace(asked.amount, minor=asked.amount.minor + 1))
    return event


def _forgets_holds(known: customer.Customer, _: Act) -> customer.Customer:
    return replace(known, credit=replace(known.credit, holds=()))


def _books_too_much(_: customer.Customer, event: Any) -> Any:  # noqa: ANN401 - any event
    if isinstance(event, receivables.PaymentReceived):
        return replace(event, amount=replace(event.amount, minor=event.amount.minor + 1))
    return event


# Opportunities


def _keeps_its_chance(deal: opportunity.Opportunity, event: Any) -> opportunity.Opportunity:  # noqa: ANN401 - any event
    after: opportunity.Opportunity = DEALS.evolve(deal, event)
    lost = isinstance(event, opportunity.OpportunityLost)
    return replace(after, phase="open", frozen=None) if lost else after


def _guesses_the_stage(deal: opportunity.Opportunity, event: Any) -> Any:  # noqa: ANN401 - any event
    lost = isinstance(event, opportunity.OpportunityLost)
    return (
        replace(event, stage="negotiation" if deal.stage != "negotiation" else "x")
        if lost
        else event
    )


def _needs_no_reason(command: Any, deal: opportunity.Opportunity, act: Act) -> tuple[Any, ...]:  # noqa: ANN401 - any command
    if not isinstance(command, opportunity.Reopen):
        return DEALS.decide(command, deal, act)
    events = DEALS.decide(replace(command, reason="because"), deal, act)
    return tuple(replace(event, reason="") for event in events)


def _opens_again(deal: opportunity.Opportunity, _: Act) -> opportunity.Opportunity:
    return replace(deal, phase="lead") if deal.phase == "open" else deal


# Tickets


def _responds_anew(_: ticket.Ticket, event: Any) -> Any:  # noqa: ANN401 - any event
    replied = isinstance(event, ticket.AgentReplied)
    return replace(event, first_response=True) if replied else event


def _asks_for_no_cause(one: ticket.Ticket, _: Act) -> ticket.Ticket:
    return replace(one, kind="request")


def _never_too_late(one: ticket.Ticket, act: Act) -> ticket.Ticket:
    late = act.effective_at + timedelta(days=1)
    open_still = replace(one.resolution, reopen_until=late) if one.resolution else None
    return replace(one, resolution=open_still)


def _rates_again(one: ticket.Ticket, _: Act) -> ticket.Ticket:
    return replace(one, resolution=replace(one.resolution, rated=False) if one.resolution else None)


def _talks_on(one: ticket.Ticket, _: Act) -> ticket.Ticket:
    return replace(one, status="open") if one.status == "closed" else one


def _says_no_in_other_words(command: Any, one: ticket.Ticket, act: Act) -> tuple[Any, ...]:  # noqa: ANN401 - any command
    try:
        return TICKETS.decide(command, one, act)
    except Rejected as no:
        if isinstance(no.rejection, ticket.AlreadyOpened):
            raise Rejected(loyalty.NotEnrolled()) from no
        raise


PLANTED: Sequence[Planted] = (
    Planted(
        "spends what lapses last", "L4", among(SPENDING, deciding(LOYALTY, _spends_the_last)), 4
    ),
    Planted(
        "spends what has lapsed", "L3", among(SPENDING, deciding(LOYALTY, _spends_the_lapsed)), 3
    ),
    Planted("takes a point too few", "L5", among(SPENDING, changed(LOYALTY, _one_short)), 3),
    Planted(
        "gives points back that never lapse", "L6", among(SPENDING, changed(LOYALTY, _immortal)), 4
    ),
    Planted(
        "gives points back twice", "L6", among(SPENDING, evolving(LOYALTY, _gives_back_again)), 5
    ),
    Planted(
        "lets a sale earn twice",
        "L9",
        among(
            SPENDING,
            believing(LOYALTY, loyalty.Earn, lambda account, _: replace(account, earned=())),
        ),
        3,
    ),
    Planted(
        "keeps points that lapsed", "L2", among(SPENDING, evolving(LOYALTY, _keeps_the_lapsed)), 3
    ),
    Planted(
        "falls over an empty account",
        "X8",
        among(SPENDING, deciding(LOYALTY, _trips_over_nothing)),
        2,
    ),
    Planted(
        "takes an undecided limit for none",
        "CR1",
        among(SELLING, believing(CUSTOMER, customer.AcceptOrder, _undecided_is_unlimited)),
        2,
    ),
    Planted(
        "lets people approve for themselves",
        "CR8",
        among(SELLING, deciding(CUSTOMER, _approves_ones_own)),
        4,
    ),
    Planted(
        "grants more than was asked for", "CR8", among(SELLING, changed(CUSTOMER, _grants_more)), 4
    ),
    Planted(
        "accepts orders on hold",
        "CR5",
        among(SELLING, believing(CUSTOMER, customer.AcceptOrder, _forgets_holds)),
        6,
    ),
    Planted(
        "books more than was paid", "CR3", among(BILLING, changed(CUSTOMER, _books_too_much)), 3
    ),
    Planted("leaves a lost deal its chance", "O1", evolving(DEALS, _keeps_its_chance), 2),
    Planted("guesses the last stage of a lost deal", "O4", changed(DEALS, _guesses_the_stage), 2),
    Planted("reopens without a reason", "O6", deciding(DEALS, _needs_no_reason), 3),
    Planted("opens a deal twice", "O10", believing(DEALS, opportunity.Open, _opens_again), 2),
    Planted("takes every reply for the first", "T6", changed(TICKETS, _responds_anew), 3),
    Planted(
        "closes a complaint without its cause",
        "T14",
        believing(TICKETS, ticket.Close, _asks_for_no_cause),
        3,
    ),
    Planted(
        "reopens when it is too late",
        "T8",
        believing(TICKETS, ticket.Reopen, _never_too_late),
        3,
    ),
    Planted(
        "lets a resolution be rated twice",
        "T13",
        believing(TICKETS, ticket.RecordFeedback, _rates_again),
        4,
    ),
    Planted("goes on with a closed ticket", "T8", believing(TICKETS, ticket.AddNote, _talks_on), 4),
    Planted("says no in words of another", "X7", deciding(TICKETS, _says_no_in_other_words), 2),
)
