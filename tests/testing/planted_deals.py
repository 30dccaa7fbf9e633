"""Bugs planted in the rules of opportunities: each breaks one rule of the rulebook."""

from typing import Any

from msgspec.structs import replace

from crmcore.domain import opportunity
from crmcore.domain.act import Act
from crmcore.domain.lead import CaptureLead
from crmcore.domain.opportunity import Opportunity
from crmcore.domain.scoring import ScoreLead
from tests.testing.planted import DEALS, Planted, among, believing, changed, deciding, evolving

CLOSING = (
    opportunity.Open | opportunity.MarkWon | opportunity.AmendWon | opportunity.Reopen
    | opportunity.MarkLost
)  # fmt: skip
CHANCES = (
    opportunity.Open | opportunity.OverrideProbability | opportunity.ChangeStage
    | opportunity.ClearOverride
)  # fmt: skip
LINES = opportunity.Open | opportunity.ReviseLines | opportunity.Revalue
SHARES = opportunity.Open | opportunity.SplitCredit
SCORES = CaptureLead | ScoreLead
MERGES = opportunity.Open | opportunity.MergeInto | opportunity.Revalue


def _stays_overridden(deal: Opportunity, event: Any) -> Opportunity:  # noqa: ANN401 - any event
    after: Opportunity = DEALS.evolve(deal, event)
    moved = isinstance(event, opportunity.StageChanged)
    return replace(after, override_percent=deal.override_percent) if moved else after


def _rounds_shares(_: Opportunity, event: Any) -> Any:  # noqa: ANN401 - any event
    if not isinstance(event, opportunity.CreditSplit):
        return event
    return replace(event, shares=(*event.shares, opportunity.Share(who="somebody", percent=1)))


def _counts_each_line_once(_: Opportunity, event: Any) -> Any:  # noqa: ANN401 - any event
    if not isinstance(event, opportunity.LinesRevised) or event.amount is None:
        return event
    return replace(event, amount=replace(event.amount, minor=event.amount.minor + 1))


def _forgets_scores(deal: Opportunity, _: Act) -> Opportunity:
    return replace(deal, scores=())


def _reopens_as_amended(command: Any, deal: Opportunity, act: Act) -> tuple[Any, ...]:  # noqa: ANN401 - any command
    events = DEALS.decide(command, deal, act)
    return tuple(e for e in events if not isinstance(e, opportunity.AmendmentReversed))


def _comes_back(deal: Opportunity, _: Act) -> Opportunity:
    return replace(deal, phase="open", merged_into=None) if deal.merged_into else deal


PLANTED_DEALS = (
    Planted(
        "keeps what was said of a chance in the next stage",
        "O3",
        among(CHANCES, evolving(DEALS, _stays_overridden)),
        3,
    ),
    Planted(
        "gives more credit than there is", "O11", among(SHARES, changed(DEALS, _rounds_shares)), 2
    ),
    Planted(
        "adds lines up wrongly", "O12", among(LINES, changed(DEALS, _counts_each_line_once)), 2
    ),
    Planted(
        "counts the same behaviour again",
        "O16",
        among(SCORES, believing(DEALS, ScoreLead, _forgets_scores)),
        3,
    ),
    Planted(
        "reopens a deal as it was amended",
        "O6",
        among(CLOSING, deciding(DEALS, _reopens_as_amended)),
        4,
    ),
    Planted(
        "revalues what was merged away",
        "O15",
        among(MERGES, believing(DEALS, opportunity.Revalue, _comes_back)),
        3,
    ),
)
