"""A pipeline: the stages a deal passes through, and what each says about the forecast."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from crmcore.domain.value import Ref, Value

Percent: TypeAlias = Annotated[int, Meta(ge=1, le=99)]
Forecast: TypeAlias = Literal["pipeline", "best_case", "commit"]
Place: TypeAlias = Literal["pipeline", "best_case", "commit", "omitted"]
"""Where an open deal is in the forecast if somebody says so, whatever its stage says."""


class Stage(Value):
    """A step of a pipeline; a deal that enters it takes its chance and its place in the forecast.

    `allow_back` tells whether a deal may come back to it from a later stage. `criteria` must be met
    before a deal enters: a criterion is met by evidence, or by what the deal has if it is called
    customer, owner, amount, expected_close, quote or order. A deal that is longer in it than
    `days_max` is rotting.
    """

    name: Ref
    probability_percent: Percent
    forecast: Forecast
    allow_back: bool = True
    criteria: Annotated[tuple[Ref, ...], Meta(max_length=20)] = ()
    days_max: Annotated[int, Meta(ge=1, le=3_650)] | None = None


class Pipeline(Value):
    """The stages of a deal in their order; a changed pipeline is a new version.

    A deal skips stages whose criteria are met, or any if `skips_freely`.
    """

    name: Ref
    version: Annotated[int, Meta(ge=1)]
    stages: Annotated[tuple[Stage, ...], Meta(min_length=1)]
    skips_freely: bool = False

    @property
    def label(self) -> str:
        """The name that facts carry."""
        return f"{self.name}@{self.version}"


STANDARD = Pipeline(
    name="standard",
    version=1,
    stages=(
        Stage(name="prospecting", probability_percent=10, forecast="pipeline", allow_back=False),
        Stage(name="engaging", probability_percent=40, forecast="pipeline"),
        Stage(name="proposal", probability_percent=60, forecast="best_case"),
        Stage(name="negotiation", probability_percent=80, forecast="commit"),
    ),
)
