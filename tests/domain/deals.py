"""A deal and its rules, for the tests of opportunities."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace

from crmcore import testing
from crmcore.domain import opportunity
from crmcore.domain.money import Money
from crmcore.domain.opportunity import AlreadyClosed, ChangeStage, NotOpened, Open, Policy
from crmcore.domain.pipeline import STANDARD, Pipeline, Stage
from crmcore.testing import History, histories
from crmcore.testing.steps import AnyDecider

ANN, BOB = UUID(int=10), UUID(int=11)
TODAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def usd(dollars: int) -> Money:
    return Money(minor=dollars * 100, currency="USD")


def eur(euros: int) -> Money:
    return Money(minor=euros * 100, currency="EUR")


def to(stage: str, reason: str = "", *evidence: str) -> ChangeStage:
    return ChangeStage(to_stage=stage, reason=reason, evidence=evidence)


ASKING = Pipeline(
    name="asking",
    version=1,
    stages=(
        Stage(name="talk", probability_percent=10, forecast="pipeline"),
        Stage(name="test", probability_percent=30, forecast="pipeline", criteria=("budget",)),
        Stage(
            name="offer",
            probability_percent=60,
            forecast="best_case",
            criteria=("quote", "amount"),
            days_max=14,
        ),
        Stage(name="sign", probability_percent=90, forecast="commit", criteria=("lawyer",)),
    ),
)
POLICY = Policy(pipelines=(STANDARD, ASKING))
RULES = opportunity.decider(Policy())
ASKED = opportunity.decider(POLICY)
NEW = testing.given(RULES, at=TODAY)
DEAL = NEW.when(Open(title="40 desks", customer=ANN, amount=usd(900), owner="bob"))
TALK = testing.given(ASKED, at=TODAY).when(Open(title="40 desks"))


def lives(
    rules: AnyDecider,
    commands: Any,  # noqa: ANN401 - a union is no class
    events: Any,  # noqa: ANN401 - a union is no class
    **overrides: Sequence[Any],
) -> SearchStrategy[History]:
    """Return histories of these commands only, that lead to these events."""
    few = replace(rules, commands=commands, events=events, rejections=NotOpened | AlreadyClosed)
    return histories(few, overrides=overrides)
