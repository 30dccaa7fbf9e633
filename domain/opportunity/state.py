"""What an opportunity is so far, as far as the next decision needs it."""

from datetime import date
from typing import Annotated, TypeAlias
from uuid import UUID

from msgspec import Meta

from crmcore.domain.customer.exchange import ExchangeRate
from crmcore.domain.lead import Phase
from crmcore.domain.money import Money
from crmcore.domain.pipeline import Forecast, Place
from crmcore.domain.scoring import Score
from crmcore.domain.value import Instant, Ref, Rejection, Text, Value, require

REMEMBERED_MAX = 100
"""How many of each list a state remembers, the latest."""

Quantity: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000)]
Whole: TypeAlias = Annotated[int, Meta(ge=1, le=100)]


class Line(Value):
    """So many of something at a price; a discount is a line whose price is negative."""

    line: Ref
    price: Money
    quantity: Quantity = 1
    product: Ref | None = None

    @property
    def amount(self) -> Money:
        """What the line comes to."""
        return Money(minor=self.price.minor * self.quantity, currency=self.price.currency)


class Share(Value):
    """Whose work a deal is to so many percent."""

    who: Text
    percent: Whole


class Entry(Value):
    """Since when a deal was in a stage."""

    stage: Ref
    at: Instant


# Rejections that several concepts share.


class NotOpened(Rejection):
    """A deal is opened before it changes or closes."""


class AlreadyClosed(Rejection):
    """A deal that is closed is reopened before it changes."""

    outcome: str
    closed_on: date | None


class CurrencyFrozen(Rejection):
    """A deal closes in its own currency and keeps that currency from then on."""

    currency: str | None


class NegativeAmount(Rejection):
    """A deal is worth nothing or more."""


class UnknownStage(Rejection):
    """A deal moves within its pipeline."""

    pipeline: str
    stages: tuple[str, ...]


Reason: TypeAlias = NotOpened | AlreadyClosed | CurrencyFrozen | NegativeAmount | UnknownStage


class Opportunity(Value):
    """The opportunity so far; closing changes nothing that reopening has to restore.

    `entries` are its stages in the order of their instants, as far as those are known.
    """

    phase: Phase = "new"
    customer: UUID | None = None
    source: str | None = None
    owner: str | None = None
    scores: tuple[Score, ...] = ()
    pipeline: str = ""
    stage: str = ""
    stage_percent: int = 0
    stage_forecast: Forecast = "pipeline"
    entries: tuple[Entry, ...] = ()
    evidence: tuple[str, ...] = ()
    regressions: int = 0
    override_percent: int | None = None
    override_forecast: Place | None = None
    is_on_hold: bool = False
    amount: Money | None = None
    lines: tuple[Line, ...] = ()
    expected_close: date | None = None
    credit: tuple[Share, ...] = ()
    quotes: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    won: Money | None = None
    won_at_first: Money | None = None
    rate: ExchangeRate | None = None
    booked: Money | None = None
    lost_because: str | None = None
    closed_on: date | None = None
    frozen: str | None = None
    merged_into: UUID | None = None
    absorbed: tuple[UUID, ...] = ()

    @property
    def probability_percent(self) -> int:
        """The chance that this is won: as overridden in this stage, or as the stage said (O3)."""
        if self.phase != "open":
            return 100 if self.phase == "won" else 0
        return self.stage_percent if self.override_percent is None else self.override_percent

    @property
    def forecast(self) -> str:
        """The place in the forecast: somebody's word before the stage's (rules.md O1, O8)."""
        if self.phase != "open":
            return "closed" if self.phase == "won" else "omitted"
        return "omitted" if self.is_on_hold else self.override_forecast or self.stage_forecast

    @property
    def currency(self) -> str | None:
        """The currency in which the deal closes."""
        return self.amount.currency if self.amount else self.frozen

    @property
    def credited(self) -> tuple[Share, ...]:
        """Whose work it is: as it was split, else the owner's alone (rules.md O11)."""
        if self.credit or self.owner is None:
            return self.credit
        return (Share(who=self.owner, percent=100),)

    @property
    def met(self) -> tuple[str, ...]:
        """The criteria that are met: by evidence, and by what the deal has (rules.md O5)."""
        has = {
            "customer": self.customer,
            "owner": self.owner,
            "amount": self.amount,
            "expected_close": self.expected_close,
            "quote": self.quotes,
            "order": self.orders,
        }
        return (*self.evidence, *(name for name, what in has.items() if what))


def require_open(deal: Opportunity) -> None:
    """Reject what changes a deal that is not open."""
    closed = AlreadyClosed(outcome=deal.phase, closed_on=deal.closed_on)
    require(deal.phase not in ("won", "lost"), closed)
    require(deal.phase == "open", NotOpened())


def require_amount(amount: Money, currency: str | None) -> None:
    """Reject what a deal cannot be worth."""
    require(amount.minor >= 0, NegativeAmount())
    require(currency in (None, amount.currency), CurrencyFrozen(currency=currency))
