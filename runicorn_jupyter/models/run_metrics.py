"""The metrics of runs over their steps, or what is new of them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints
from typing_extensions import TypeAliasType

from runicorn_jupyter.models.base import ConnectionId, ConnectionQuery, Model, Request, Success, Text
from runicorn_jupyter.models.runs import RunId, RunsProblem

__all__ = [
    "CurveAxis",
    "CurveKey",
    "RunCurves",
    "RunMetricsQuery",
    "RunMetricsResponse",
    "RunsCurvesRequest",
    "RunsCurvesResponse",
]

CurveAxis = TypeAliasType("CurveAxis", Literal["step", "time", "relative"])
_MetricName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
_Version = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z-]+$")]
_SINCE = "Only later steps than this; with `version` that one too, if more was logged at it."
_VERSION = "The `version` of the answer that had `since_step`: tells whether what it had is still so."
_AXIS = "`relative`: `times` are seconds since the run's first step; else Unix seconds."
_POINTS = "Steps at most; more are thinned out."


class RunMetricsQuery(ConnectionQuery):
    """Options of ``GET runs/metrics``."""

    run_id: RunId
    names: Text | None = Field(None, description="Metrics with commas between; default: all.")
    points: int = Field(1000, ge=2, le=50000, description=_POINTS)
    since_step: int | None = Field(None, gt=-(2**53), lt=2**53, description=_SINCE)
    version: _Version | None = Field(None, description=_VERSION)
    x: CurveAxis = Field("step", description=_AXIS)


class CurveKey(Request):
    """Names a run, and what is known of it."""

    connection_id: ConnectionId
    run_id: RunId
    since_step: int | None = Field(None, gt=-(2**53), lt=2**53, strict=True, description=_SINCE)
    version: _Version | None = Field(None, description=_VERSION)


class RunsCurvesRequest(Request):
    """Body of ``POST runs/curves``."""

    runs: list[CurveKey] = Field(min_length=1, max_length=100)
    names: list[_MetricName] = Field(min_length=1, max_length=64)
    points: int = Field(1000, ge=2, le=50000, strict=True, description=_POINTS)
    x: CurveAxis = Field("step", description=_AXIS)


class _Curves(Model):
    connection_id: str
    run_id: str
    steps: list[int]
    times: list[float | None] = Field(description="When they were logged; see `x`.")
    metrics: dict[str, list[float | None]] = Field(
        description="Null: not logged at this step, or no finite number."
    )
    not_finite: dict[str, list[int]] = Field(
        description="The steps at which a metric was NaN or infinite; only metrics that have such."
    )
    total: int = Field(description="Steps that were logged, of those that were asked for.")
    version: str = Field(description="Of what was read; for the next question.")
    reset: bool = Field(description="What was known is not so any more: begin again with this answer.")


class RunMetricsResponse(Success, _Curves):
    """Answer of ``GET runs/metrics``: one column a metric, all as long as ``steps``."""

    is_long: ClassVar[bool] = True


class RunCurves(_Curves):
    """One run of ``POST runs/curves``: one column a metric, all as long as ``steps``."""

    error: RunsProblem | None = Field(description="Why nothing is known of it now; null: nothing hinders.")


class RunsCurvesResponse(Success):
    """Answer of ``POST runs/curves``: the runs in the order of the request."""

    is_long: ClassVar[bool] = True

    runs: list[RunCurves]
