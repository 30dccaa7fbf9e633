"""What deals are worth and whose they are: rules O11 and O12."""

from hypothesis import given

from crmcore.domain.money import CurrencyMismatch, Money
from crmcore.domain.opportunity import (
    AlreadyClosed,
    AssignOwner,
    CreditSplit,
    CurrencyFrozen,
    Line,
    LinesRevised,
    LineTwice,
    LinkOrder,
    LinkQuote,
    MarkLost,
    MarkWon,
    NamedTwice,
    NegativeAmount,
    NotOpened,
    Open,
    OrderLinked,
    OwnerChanged,
    QuoteLinked,
    Reopen,
    Revalue,
    Revalued,
    ReviseLines,
    Share,
    SplitCredit,
    SplitNot100,
    WorthItsLines,
)
from crmcore.testing import History
from tests.domain.deals import DEAL, NEW, RULES, TODAY, eur, lives, usd

DESKS = Line(line="1", price=usd(20), quantity=40, product="desk")
REBATE = Line(line="2", price=usd(-50))


def test_a_deal_with_lines_is_worth_what_they_come_to() -> None:
    lines = ReviseLines(lines=(DESKS, REBATE))
    lined = DEAL.when(lines).then(LinesRevised(lines=(DESKS, REBATE), amount=usd(750)))
    assert lined.state.amount == usd(750)
    lined.when(lines).nothing()
    lined.when(Revalue(amount=usd(700))).rejected(WorthItsLines(lines=2))


def test_a_deal_without_lines_keeps_its_amount() -> None:
    without = DEAL.when(ReviseLines(lines=(DESKS,))).when(ReviseLines(lines=()))
    without.then(LinesRevised(lines=(), amount=usd(800)))
    assert without.when(Revalue(amount=usd(5))).state.amount == usd(5)
    DEAL.when(ReviseLines(lines=())).nothing()


def test_lines_differ_and_come_to_something_in_one_currency() -> None:
    DEAL.when(ReviseLines(lines=(DESKS, DESKS))).rejected(LineTwice(line="1"))
    DEAL.when(ReviseLines(lines=(REBATE,))).rejected(NegativeAmount())
    taxi = Line(line="3", price=eur(1))
    mixed = CurrencyMismatch(left="USD", right="EUR")
    DEAL.when(ReviseLines(lines=(DESKS, taxi))).rejected(mixed)


def test_lines_that_come_to_too_much_are_refused_like_any_amount() -> None:
    dear = Line(line="1", price=Money(minor=10**15, currency="USD"), quantity=1_000_000)
    assert DEAL.when(ReviseLines(lines=(dear,))).steps[0].unstorable is not None
    less = Line(line="2", price=Money(minor=1 - 10**15, currency="USD"), quantity=1_000_000)
    assert DEAL.when(ReviseLines(lines=(dear, less))).state.amount == usd(10_000)


def test_o12_lines_keep_the_currency_in_which_a_deal_was_closed() -> None:
    again = DEAL.when(MarkLost(reason="no"), Reopen(reason="yes"))
    taxi = Line(line="3", price=eur(1))
    again.when(ReviseLines(lines=(taxi,))).rejected(CurrencyFrozen(currency="USD"))
    assert DEAL.when(ReviseLines(lines=(taxi,))).state.amount == eur(1)


PRICED = lives(
    RULES,
    Open | ReviseLines | Revalue | MarkLost | Reopen,
    LinesRevised | Revalued,
    lines=[(DESKS, REBATE), (DESKS,), (), (Line(line="3", price=eur(1)),)],
)


@given(PRICED)
def test_o12_the_amount_is_the_sum_of_the_lines_where_there_are_lines(history: History) -> None:
    for step in history.steps:
        if lines := step.after.lines:
            total = sum(line.price.minor * line.quantity for line in lines)
            assert step.after.amount == Money(minor=total, currency=lines[0].price.currency)


def test_somebody_else_takes_over() -> None:
    taken = DEAL.when(AssignOwner(owner="eve")).then(OwnerChanged(owner="eve"))
    assert taken.state.owner == "eve"
    taken.when(AssignOwner(owner="eve")).nothing()
    NEW.when(AssignOwner(owner="eve")).rejected(NotOpened())
    lost = DEAL.when(MarkLost(reason="no"))
    lost.when(AssignOwner(owner="eve")).rejected(AlreadyClosed(outcome="lost", closed_on=TODAY))


def split(**shares: int) -> SplitCredit:
    return SplitCredit(shares=tuple(Share(who=who, percent=n) for who, n in shares.items()))


def test_o11_the_owner_gets_the_credit_until_it_is_split() -> None:
    assert DEAL.state.credited == (Share(who="bob", percent=100),)
    assert NEW.when(Open(title="a")).state.credited == ()
    ours = split(bob=60, eve=40)
    shared = DEAL.when(ours).then(CreditSplit(shares=ours.shares))
    shared.when(ours).nothing()
    taken = shared.when(AssignOwner(owner="ann")).state
    assert (taken.owner, taken.credited) == ("ann", ours.shares)


def test_o11_shares_come_to_exactly_100_percent() -> None:
    DEAL.when(split(bob=60, eve=39)).rejected(SplitNot100(percent=99))
    DEAL.when(split(bob=60, eve=41)).rejected(SplitNot100(percent=101))
    twice = (Share(who="bob", percent=50), Share(who="bob", percent=50))
    DEAL.when(SplitCredit(shares=twice)).rejected(NamedTwice(who="bob"))


SHARED = lives(
    RULES,
    Open | SplitCredit | AssignOwner | MarkLost,
    CreditSplit | OwnerChanged,
    shares=[split(a=1, b=99).shares, split(a=100).shares, split(a=50).shares],
)


@given(SHARED)
def test_o11_credit_sums_to_100_percent_and_stays_when_the_owner_changes(history: History) -> None:
    for step in history.steps:
        credited = step.after.credited
        assert sum(share.percent for share in credited) == (100 if credited else 0)
        if step.before.credit and not isinstance(step.command, SplitCredit):
            assert credited == step.before.credited


def test_quotes_and_orders_belong_to_a_deal() -> None:
    quoted = DEAL.when(LinkQuote(quote="q-1")).then(QuoteLinked(quote="q-1"))
    quoted.when(LinkQuote(quote="q-1")).nothing()
    ordered = quoted.when(LinkOrder(order="o-1")).then(OrderLinked(order="o-1"))
    ordered.when(LinkOrder(order="o-1")).nothing()
    assert (ordered.state.quotes, ordered.state.orders) == (("q-1",), ("o-1",))


def test_an_order_comes_of_a_deal_that_was_won_and_of_none_that_was_lost() -> None:
    won = DEAL.when(MarkWon(amount=usd(1), order="o-1"))
    assert won.state.orders == ("o-1",)
    won.when(LinkOrder(order="o-1")).nothing()
    assert won.when(LinkOrder(order="o-2")).state.orders == ("o-1", "o-2")
    lost = AlreadyClosed(outcome="lost", closed_on=TODAY)
    DEAL.when(MarkLost(reason="no")).when(LinkQuote(quote="q")).rejected(lost)
    NEW.when(LinkQuote(quote="q")).rejected(NotOpened())


def test_a_deal_remembers_the_latest_hundred_of_its_papers() -> None:
    deal = DEAL.when(*(LinkQuote(quote=f"q-{n}") for n in range(101))).state
    assert (len(deal.quotes), deal.quotes[0], deal.quotes[-1]) == (100, "q-1", "q-100")
