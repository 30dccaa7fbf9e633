"""Somebody says of a deal how likely it is, or where it is in the forecast, whatever its stage."""

from typing import Literal, TypeAlias, assert_never

from msgspec.structs import replace

from crmcore.domain.opportunity.state import Opportunity, require_open
from crmcore.domain.pipeline import Percent, Place
from crmcore.domain.value import Note, Value

Of: TypeAlias = Literal["probability", "forecast"]


# Commands


class OverrideProbability(Value, tag="opportunity.override_probability"):
    """Say how likely a deal is, until it enters another stage."""

    probability_percent: Percent
    reason: Note = ""


class OverrideForecast(Value, tag="opportunity.override_forecast"):
    """Say where a deal is in the forecast, until that is cleared."""

    forecast: Place
    reason: Note = ""


class ClearOverride(Value, tag="opportunity.clear_override"):
    """Let the stage speak again."""

    of: Of


Command: TypeAlias = OverrideProbability | OverrideForecast | ClearOverride


# Events


class ProbabilityOverridden(Value, tag="opportunity.probability_overridden"):
    """The deal was as likely as somebody said."""

    probability_percent: Percent
    reason: Note


class ForecastOverridden(Value, tag="opportunity.forecast_overridden"):
    """The deal was where in the forecast somebody said."""

    forecast: Place
    reason: Note


class OverrideCleared(Value, tag="opportunity.override_cleared"):
    """The stage spoke again."""

    of: Of


Event: TypeAlias = ProbabilityOverridden | ForecastOverridden | OverrideCleared


def decide(command: Command, deal: Opportunity) -> tuple[Event, ...]:
    """Return what is said of an open deal; the same again is nothing new (rules.md O2, O3, O8)."""
    require_open(deal)
    match command:
        case OverrideProbability(probability_percent=percent, reason=reason):
            said = ProbabilityOverridden(probability_percent=percent, reason=reason)
            return () if percent == deal.override_percent else (said,)
        case OverrideForecast(forecast=forecast, reason=reason):
            placed = ForecastOverridden(forecast=forecast, reason=reason)
            return () if forecast == deal.override_forecast else (placed,)
        case ClearOverride(of=of):
            held = deal.override_percent if of == "probability" else deal.override_forecast
            return () if held is None else (OverrideCleared(of=of),)
        case _:
            assert_never(command)


def evolve(deal: Opportunity, event: Event) -> Opportunity:
    """Return the deal with what is said of it."""
    match event:
        case ProbabilityOverridden(probability_percent=percent):
            return replace(deal, override_percent=percent)
        case ForecastOverridden(forecast=forecast):
            return replace(deal, override_forecast=forecast)
        case OverrideCleared(of="probability"):
            return replace(deal, override_percent=None)
        case OverrideCleared():
            return replace(deal, override_forecast=None)
        case _:
            assert_never(event)
