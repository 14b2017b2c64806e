"""The runs of one viewer, as this side knows them: changes are asked for, looked at, and taken over.

One adapter for runicorn 0.5, 0.6 and 0.7: the remote's ``viewer_runs`` passes on the words of each version's
own list, and here they become the same. Nothing that comes is believed: sizes, types and texts are bounded
first.
"""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import quote

from runicorn_jupyter import models as m
from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MAX_METRICS_BYTES",
    "MAX_RUNS",
    "Changes",
    "OddAnswer",
    "Place",
    "RemoteRuns",
    "read_metrics",
    "read_run",
]

MAX_RUNS = 20000
"""Of one viewer; a table of that many takes some 20 MiB."""
MAX_TABLE_METRICS = 400_000
"""Values in all records of one viewer: what a hostile one can make this process hold."""
MAX_METRICS_BYTES = 16 * 2**20
"""Of the answer about one run's metrics: ``viewer_metrics.MAX_VALUES`` numbers of 18 digits fit."""
MAX_METRICS = 64
MAX_TAGS = 16
MAX_TEXT = 512
MAX_NAME = 128
MAX_ROOT = 4096
LATEST = 253402300799.0
"""The last second that a ``datetime`` can say."""

# What 0.7 makes of the words that a script may end its run with (``sdk.py``, ``_normalize_status``).
STATUSES: dict[str, m.RunStatus] = {
    "running": "running",
    "finished": "finished",
    "completed": "finished",
    "success": "finished",
    "failed": "failed",
    "error": "failed",
    "crashed": "failed",
    "interrupted": "interrupted",
    "killed": "interrupted",
    "cancelled": "interrupted",
    "aborted": "interrupted",
}


class OddAnswer(ValueError):
    """An answer of the viewer's side that is not of the form."""


class Place(NamedTuple):
    """Where runs are: what each of them says of it."""

    connection_id: str
    host: str
    env_name: str
    remote_root: str | None


class Changes(NamedTuple):
    """What one answer came to.

    Attributes
    ----------
    runs
        New or different: each with what it was before, or None.
    removed
        What is gone.
    not_finite
        Ids and metrics that became NaN or infinite since this side watches.
    first
        Whether this is the whole list, not changes.
    more
        Whether more can be asked for at once.
    completed
        Whether `RemoteRuns.complete` became another.
    """

    runs: list[tuple[m.Run, m.Run | None]]
    removed: list[m.Run]
    not_finite: list[tuple[m.Run, str]]
    first: bool
    more: bool
    completed: bool


class RemoteRuns:
    """The table of one viewer.

    Parameters
    ----------
    place
        Of all its runs.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.runs: dict[str, m.Run] = {}
        self.too_many = False
        self.complete = False
        """Whether these are all the runs that are there: false while the viewer still takes them up."""
        self._epoch = ""
        self._version = 0
        self._bad: dict[str, frozenset[str]] = {}
        self._metrics = 0
        self._whole = True

    @property
    def have(self) -> dict[str, Any]:
        """What the remote is told of, to answer with what is newer."""
        return {"epoch": self._epoch, "version": self._version}

    def take(self, answer: dict[str, Any]) -> Changes:
        """Take an answer over.

        Raises
        ------
        ValueError
            If it is not of the form.
        """
        epoch, version = answer.get("epoch"), answer.get("version")
        runs, removed, more = answer.get("runs"), answer.get("removed"), answer.get("more") is True
        if not (
            isinstance(epoch, str)
            and 0 < len(epoch) <= 64
            and isinstance(version, int)
            and 0 <= version < 2**53
            and isinstance(runs, list)
            and isinstance(removed, list)
        ):
            raise OddAnswer("the answer about runs is not of the form")
        gone: list[m.Run] = []
        complete = self.complete
        if epoch != self._epoch:
            if answer.get("reset") is not True:
                return Changes([], [], [], first=False, more=False, completed=False)
            gone = self._begin(epoch, answer.get("root"))
        elif version <= self._version:
            # Of two requests under way the other was answered first, by all that is here and more.
            return Changes([], [], [], first=False, more=False, completed=False)
        first = self._whole
        self._version = max(self._version, version)
        self._whole = self._whole and more
        gone += [run for run in map(self._remove, removed) if run is not None]
        changed, not_finite = self._take_runs(runs, first=first)
        new = {run.run_id for run, _ in changed}
        if not more or answer.get("complete") is not True:
            self.complete = answer.get("complete") is True
        return Changes(
            changed,
            [run for run in gone if run.run_id not in new],
            not_finite,
            first,
            more,
            completed=self.complete != complete,
        )

    def _begin(self, epoch: str, root: Any) -> list[m.Run]:
        """Start anew; what was known is gone unless it comes again.

        The viewer's page may have moved it to another root.
        """
        if isinstance(root, str):
            self.place = self.place._replace(remote_root=plain_text(root[:MAX_ROOT]))
        gone = list(self.runs.values())
        self.complete = False
        self.runs, self._bad = {}, {}
        self._epoch, self._version, self._metrics, self._whole = epoch, 0, 0, True
        self.too_many = False
        return gone

    def _remove(self, run_id: Any) -> m.Run | None:
        run = self.runs.pop(run_id, None) if isinstance(run_id, str) else None
        if run is not None:
            self._metrics -= len(run.metrics)
            self._bad.pop(run.run_id, None)
        return run

    def _take_runs(
        self, values: list[Any], *, first: bool
    ) -> tuple[list[tuple[m.Run, m.Run | None]], list[tuple[m.Run, str]]]:
        changed: list[tuple[m.Run, m.Run | None]] = []
        not_finite: list[tuple[m.Run, str]] = []
        for value in values:
            run = read_run(value, self.place)
            if run is None:
                continue
            before = self.runs.get(run.run_id)
            self._metrics += len(run.metrics) - (len(before.metrics) if before else 0)
            if (before is None and len(self.runs) >= MAX_RUNS) or self._metrics > MAX_TABLE_METRICS:
                self._metrics -= len(run.metrics) - (len(before.metrics) if before else 0)
                self.too_many = True
                continue
            self.runs[run.run_id] = run
            bad = frozenset(_names(value.get("nan")))
            if not first:
                not_finite += [(run, name) for name in sorted(bad - self._bad.get(run.run_id, frozenset()))]
            if bad:
                self._bad[run.run_id] = bad
            changed.append((run, before))
        return changed, not_finite


def read_run(value: Any, place: Place) -> m.Run | None:
    """Make a run of what a viewer's side says of it; None if that is nothing to go by."""
    if not isinstance(value, dict):
        return None
    run_id = value.get("id")
    if not isinstance(run_id, str) or not 0 < len(run_id) <= MAX_NAME or _text(run_id) != run_id:
        return None
    # 0.5 has project and name, the later ones a path and an alias.
    parts = [part for part in (_text(value.get("project")), _text(value.get("name"))) if part]
    path = _text(value.get("path")) or "/".join(parts) or None
    name = _text(value.get("alias")) or _text(value.get("name"))
    started, ended = _time(value.get("started")), _time(value.get("ended"))
    status = STATUSES.get(str(value.get("status")).strip().lower(), "finished")
    ended = None if status == "running" else ended
    step = value.get("step")
    tags = value.get("tags")
    # Every field was looked at above: validating 10,000 runs again would take longer than getting them.
    return m.Run.model_construct(
        **place._asdict(),
        run_id=run_id,
        name=name,
        path=path,
        project=path.split("/", 1)[0] if path else None,
        status=status,
        tags=[text for text in map(_text, tags[:MAX_TAGS]) if text] if isinstance(tags, list) else [],
        created_at=_time(value.get("created")),
        started_at=started,
        ended_at=ended,
        duration_seconds=max(0.0, (ended - started).total_seconds()) if started and ended else None,
        step=step if isinstance(step, int) and not isinstance(step, bool) and abs(step) < 2**53 else None,
        metrics=dict(_metrics(value.get("metrics"))),
        page=f"/runs/{quote(run_id, safe='')}",
    )


def read_metrics(value: dict[str, Any], connection_id: str, run_id: str) -> m.RunMetricsResponse:
    """Make the API's answer of what the viewer's side says of a run's metrics.

    Raises
    ------
    OddAnswer
        If it is not of the form.
    """
    steps, metrics, total = value.get("steps"), value.get("metrics"), value.get("total")
    if not isinstance(steps, list) or not isinstance(metrics, dict) or not isinstance(total, int):
        raise OddAnswer("the answer about metrics is not of the form")
    columns: dict[str, list[float | None]] = {}
    for name, values in metrics.items():
        if not isinstance(values, list) or len(values) != len(steps):
            raise OddAnswer("the answer about metrics has columns of several lengths")
        columns[_text(name[:MAX_NAME]) or "?"] = [_finite(each) for each in values]
    if not all(type(step) is int and abs(step) < 2**53 for step in steps):
        raise OddAnswer("the answer about metrics has steps that are no numbers")
    return m.RunMetricsResponse.model_construct(
        connection_id=connection_id, run_id=run_id, steps=steps, metrics=columns, total=max(total, len(steps))
    )


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    text = value[:MAX_TEXT]
    return (text if text.isprintable() and text.isascii() else plain_text(text)).strip() or None


def _names(value: Any) -> Iterator[str]:
    for name in list(value)[:MAX_METRICS] if isinstance(value, dict) else ():
        text = _text(name[:MAX_NAME])
        if text:
            yield text


def _time(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST:
        return None
    return datetime.fromtimestamp(value, UTC)


def _metrics(value: Any) -> Iterator[tuple[str, m.MetricValue]]:
    for name in list(value)[:MAX_METRICS] if isinstance(value, dict) else ():
        text, number = _text(name[:MAX_NAME]), value[name]
        if text is None:
            continue
        finite = _finite(number)
        if finite is not None:
            yield text, finite
        elif number in ("NaN", "Infinity", "-Infinity"):
            yield text, cast("m.MetricValue", number)


def _finite(value: Any) -> float | None:
    """Give a finite number that a ``float`` can hold, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= sys.float_info.max and not math.isnan(value) else None
