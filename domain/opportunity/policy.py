"""The numbers of opportunities: pipelines, and what counts for a lead."""

from datetime import date
from typing import Annotated

from msgspec import Meta

from crmcore.domain.act import Act
from crmcore.domain.calendar import day_of, zone
from crmcore.domain.pipeline import STANDARD, Pipeline, Stage
from crmcore.domain.scoring import BEHAVIOURS, Behaviour, Days, Scoring
from crmcore.domain.value import Value


class Policy(Value):
    """Pipelines, the newest last: it takes new deals, a deal stays in the one it was opened in.

    What somebody does counts for a lead up to `score_max`, and counts half after each half-life.
    """

    pipelines: Annotated[tuple[Pipeline, ...], Meta(min_length=1)] = (STANDARD,)
    behaviours: Annotated[tuple[Behaviour, ...], Meta(max_length=50)] = BEHAVIOURS
    score_half_life_days: Days = 30
    score_max: Annotated[int, Meta(ge=1, le=10_000)] = 100
    time_zone: str = "UTC"

    @property
    def scoring(self) -> Scoring:
        """What counts for a lead."""
        return Scoring(behaviours=self.behaviours, half_life_days=self.score_half_life_days)

    def day(self, act: Act) -> date:
        """Return the business day on which an act takes effect."""
        return day_of(act.effective_at, zone(self.time_zone))

    def stages(self, label: str) -> tuple[Stage, ...]:
        """Return the stages of a pipeline, none if it is not among these."""
        return next((one.stages for one in self.pipelines if one.label == label), ())
