"""Runs beside each other: what differs between some of them, and groups of all of them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

from runicorn_jupyter.models.base import ConnectionId, Model, Request, Success, Text
from runicorn_jupyter.models.runs import MetricValue, ParamValue, RunId, RunKey

__all__ = [
    "ComparedRun",
    "MetricComparison",
    "MetricFigures",
    "ParamDifference",
    "RunGroup",
    "RunGroupFigures",
    "RunName",
    "RunsCompareRequest",
    "RunsCompareResponse",
    "RunsGroupsQuery",
    "RunsGroupsResponse",
]

_MetricName = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class ComparedRun(Request):
    """Names a run that is to be compared."""

    connection_id: ConnectionId
    run_id: RunId


class RunsCompareRequest(Request):
    """Body of ``POST runs/compare``."""

    runs: list[ComparedRun] = Field(min_length=2, max_length=200)
    baseline: int = Field(
        0, ge=0, lt=200, strict=True, description="Which of them the others are held against."
    )
    metrics: list[_MetricName] | None = Field(
        None, max_length=256, description="Which metrics; default: all that any of the runs has."
    )


class ParamDifference(Model):
    """A parameter that is not the same in all runs."""

    name: str
    values: list[ParamValue] = Field(description="One a run; null also where it has no such parameter.")
    missing: list[int] = Field(description="The places of the runs that have no such parameter.")


class MetricFigures(Model):
    """One value a run, and how far it is from the baseline's; null where there is none, or no finite one."""

    values: list[MetricValue | None]
    differences: list[float | None]
    percents: list[float | None]


class MetricComparison(Model):
    """A metric of some runs."""

    name: str
    mode: Literal["max", "min"] | None = Field(
        description="Whether more or less of it is better, where the runs say one of them."
    )
    last: MetricFigures
    best: MetricFigures = Field(description="Of the runs whose primary metric it is.")


class RunsCompareResponse(Success):
    """Answer of ``POST runs/compare``."""

    is_long: ClassVar[bool] = True

    runs: list[RunKey]
    baseline: int
    differing: list[ParamDifference]
    same: int = Field(description="How many parameters are the same in all runs.")
    params_left_out: list[int | None] = Field(description="One a run; what is left out is not compared.")
    code_snapshots: list[str | None] = Field(description="One a run; null: none is known.")
    metrics: list[MetricComparison]


class RunsGroupsQuery(Request):
    """Options of ``GET runs/groups``."""

    by: Text = Field(description="One to eight names as in `where`, with commas between: parameters, mostly.")
    metric: Text | None = Field(None, description="The metric of which figures are wanted.")
    where: Text | None = Field(None, description="A condition that the runs have to pass.")


class RunGroupFigures(Model):
    """What the finite values of a group come to."""

    count: int
    mean: float
    std: float | None = Field(description="Of a sample; null for a single value.")
    min: float
    max: float


class RunName(TypedDict):
    """Names a run, as `RunKey` does; ten thousand of these take a tenth of the time."""

    connection_id: str
    run_id: str


class RunGroup(Model):
    """Runs with the same values."""

    by: dict[str, ParamValue] = Field(description="Null also where the runs have no such value.")
    count: int
    last: RunGroupFigures | None = Field(description="Of the last values; null: there are none.")
    best: RunGroupFigures | None = Field(description="Of the runs whose primary metric it is.")
    runs: list[RunName]


class RunsGroupsResponse(Success):
    """Answer of ``GET runs/groups``: in the order of the values."""

    is_long: ClassVar[bool] = True

    groups: list[RunGroup]
    groups_left_out: int = Field(description="Groups beyond the thousand that are listed.")
    total: int = Field(description="Runs in all groups.")
