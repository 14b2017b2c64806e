"""Runs of all connected viewers: the merged list, and its changes."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, Field, StringConstraints
from typing_extensions import TypeAliasType

from runicorn_jupyter.models.base import ConnectionId, Model, Request, Success, Text

__all__ = [
    "MetricValue",
    "NotFinite",
    "ParamValue",
    "Run",
    "RunBest",
    "RunId",
    "RunKey",
    "RunStatus",
    "RunsProblem",
    "RunsQuery",
    "RunsResponse",
    "RunsServer",
]

RunStatus = TypeAliasType("RunStatus", Literal["running", "finished", "failed", "interrupted"])
NotFinite = Literal["NaN", "Infinity", "-Infinity"]
"""How JSON, which has no such numbers, says them (as ProtoJSON does): Python's ``float`` and JavaScript's
``Number`` both read these words."""
MetricValue = TypeAliasType("MetricValue", float | NotFinite)
ParamValue = TypeAliasType("ParamValue", bool | int | float | str | None)

_Mark = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[A-Za-z0-9_-]+$")]
RunId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f/\\]+$")]


class RunsQuery(Request):
    """Filters and paging of ``GET runs``; a run has to pass all filters that are given."""

    connection_id: ConnectionId | None = Field(None, description="Only the runs of this connection's viewer.")
    run_id: RunId | None = Field(None, description="Only the run of this id.")
    status: (
        Annotated[
            str,
            StringConstraints(
                max_length=64,
                pattern=r"^(running|finished|failed|interrupted)(,(running|finished|failed|interrupted))*$",
            ),
        ]
        | None
    ) = Field(None, description="One status, or several with commas between.")
    path: Text | None = Field(None, description="This path or below it, by whole segments.")
    project: Text | None = Field(None, description="The first segment of the path.")
    text: Text | None = Field(
        None, description="Words, each of which is in a name, path, id, tag, host or environment; any case."
    )
    since: AwareDatetime | None = Field(None, description="Created then or later; RFC 3339 with a zone.")
    where: Text | None = Field(
        None, description="A condition, like `lr>1e-4 host:gpu1`; at most 2000 characters."
    )
    sort: Text | None = Field(
        None,
        description="A name as in `where`; with `-` before it the greatest first. Default: newest first.",
    )
    limit: int = Field(200, ge=1, le=2000, description="Runs in one answer.")
    cursor: _Mark | None = Field(None, description="`next_cursor` of the answer before.")
    changed_since: _Mark | None = Field(None, description="`version` of an answer: only what changed since.")
    wait: float = Field(
        0,
        ge=0,
        le=60,
        description="With `changed_since`: seconds to wait for a change, if there is none; a viewer that"
        " tells of its changes is not asked for them first.",
    )


class RunBest(Model):
    """The best value of a run's primary metric, as runicorn has it."""

    metric: str
    value: MetricValue
    step: int | None
    mode: Literal["max", "min"] | None = Field(description="Whether more or less of it is better.")


class Run(Model):
    """One run, as its viewer and its files have it."""

    connection_id: str
    host: str = Field(description="As the connection was asked for.")
    env_name: str
    remote_root: str | None
    run_id: str
    name: str | None
    path: str | None = Field(description="`project/…`, whichever runicorn wrote it.")
    project: str | None
    status: RunStatus
    tags: list[str]
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    duration_seconds: float | None = Field(description="Of a run that has ended.")
    step: int | None = Field(description="The last one logged.")
    pid: int | None = Field(description="Of the process that logs it, while it runs on the viewer's machine.")
    metrics: dict[str, MetricValue] = Field(description="The last value of each.")
    params: dict[str, ParamValue] = Field(
        description="What `log_config` was given, nested names joined by dots (0.6 and later)."
    )
    params_left_out: int | None = Field(description="How many more there are; null: nobody knows.")
    code_snapshot: str | None = Field(
        description="The fingerprint of the code that `init(snapshot_code=True)` kept; null: none is known."
    )
    summary: dict[str, ParamValue] = Field(description="What `summary` was given.")
    summary_left_out: int | None = Field(description="How many more there are; null: nobody knows.")
    best: RunBest | None = Field(description="Null: runicorn has none (yet).")
    page: str = Field(description="The run's page in its viewer: goes behind `#!` of the viewer's `url`.")

    @cached_property
    def as_json(self) -> bytes:
        """The run as JSON; made once, for a list of ten thousand is asked for again and again."""
        return self.model_dump_json().encode()


class RunKey(Model):
    """Names a run."""

    connection_id: str
    run_id: str


class RunsProblem(Model):
    """Why a viewer's part is not current."""

    code: str
    message: str


class RunsServer(Model):
    """A viewer's part of the list."""

    connection_id: str
    host: str
    env_name: str
    remote_root: str | None
    runicorn_version: str | None
    total: int = Field(description="Its runs, before any filter.")
    complete: bool = Field(description="False: the viewer still takes up its runs; more will come.")
    as_of: datetime | None = Field(description="When its part was last known to be right; null: never.")
    age_seconds: float | None
    error: RunsProblem | None = Field(description="Null: its part is current.")


class RunsResponse(Success):
    """Answer of ``GET runs``: newest first; of ``changed_since``: what changed, the latest last."""

    is_long: ClassVar[bool] = True

    runs: list[Run]
    total: int = Field(description="Runs that pass the filters, on all pages.")
    next_cursor: str | None
    version: str = Field(description="Of the list; for `changed_since`.")
    reset: bool = Field(description="`changed_since` is too old: begin again with this answer.")
    removed: list[RunKey] = Field(description="With `changed_since`: gone, or outside of the filters now.")
    servers: list[RunsServer] = Field(description="Every viewer that is asked; others' runs are gone.")

    def to_json(self) -> bytes:
        """Give the answer's body, of the runs' own JSON."""
        rest = self.model_dump_json(exclude={"runs"}).encode()
        runs = b",".join(run.as_json for run in self.runs)
        return b"".join((b'{"runs":[', runs, b"],", rest[1:]))  # in one copy: a page has megabytes
