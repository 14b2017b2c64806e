"""What a viewer's side says of runs' metrics, checked: sizes, types and names are bounded."""

from __future__ import annotations

import math
import re
import sys
from typing import TYPE_CHECKING, Any, TypeGuard

from runicorn_jupyter import models as m
from runicorn_jupyter.payload.runs.metrics import MAX_COLUMNS, MAX_VALUES
from runicorn_jupyter.remote.run_sync import OddAnswer
from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MAX_METRICS_BYTES", "MAX_METRIC_VALUES", "read_metrics"]

MAX_METRICS_BYTES = 16 * 2**20
"""Of an answer about metrics: ``metrics.MAX_VALUES`` numbers of 18 digits fit."""
MAX_METRIC_VALUES = MAX_VALUES + 100_000
"""Of that answer: there are two steps of each run and column, whatever is too much."""
MAX_NAME = 128


def read_metrics(
    value: Any, keys: Sequence[m.CurveKey], wanted: Sequence[str] | None = None
) -> list[m.RunCurves | None]:
    """Make the API's answer of what the viewer's side says of some runs' metrics.

    Parameters
    ----------
    value
        What it says.
    keys
        The runs that were asked for.
    wanted
        The names that were asked for; there is no other column in the answer then. None: all.

    Returns
    -------
    list
        One of each run; None: there is no such run.

    Raises
    ------
    OddAnswer
        If it is not a valid answer.
    """
    runs = value.get("runs")
    if not isinstance(runs, list) or len(runs) != len(keys) or not all(isinstance(run, dict) for run in runs):
        raise OddAnswer("the answer about metrics is not of the runs that were asked for")
    found = [
        None if run.get("missing") is True else _read_run(run, key, wanted)
        for run, key in zip(runs, keys, strict=True)
    ]
    if sum(len(run.steps) * (2 + len(run.metrics)) for run in found if run is not None) > MAX_METRIC_VALUES:
        raise OddAnswer("the answer about metrics has more values than there can be")
    return found


def _read_run(value: dict[str, Any], key: m.CurveKey, wanted: Sequence[str] | None) -> m.RunCurves:
    steps, metrics, total = value.get("steps"), value.get("metrics"), value.get("total")
    times, bad, version = value.get("times"), value.get("bad", {}), value.get("version")
    if not isinstance(steps, list) or not isinstance(metrics, dict) or not isinstance(total, int):
        raise OddAnswer("the answer about metrics is not valid")
    if not isinstance(times, list) or not isinstance(bad, dict) or not _is_version(version):
        raise OddAnswer("the answer about metrics is not valid")
    if len(metrics) > MAX_COLUMNS or len(bad) > MAX_COLUMNS:
        raise OddAnswer("the answer about metrics has more columns than there can be")
    columns: dict[str, list[float | None]] = {}
    not_finite: dict[str, list[int]] = {}
    for name, values in metrics.items():
        if wanted is not None and name not in wanted:
            continue
        if not isinstance(values, list) or len(values) != len(steps) or len(times) != len(steps):
            raise OddAnswer("the answer about metrics has columns of several lengths")
        shown = _name(name)
        columns[shown] = [_finite(each) for each in values]
        if name in bad:
            not_finite[shown] = _steps(bad[name], len(steps))
    return m.RunCurves.model_construct(
        connection_id=key.connection_id,
        run_id=key.run_id,
        steps=_steps(steps, len(steps)),
        times=[_finite(each) for each in times],
        metrics=columns,
        not_finite=not_finite,
        total=max(total, len(steps)),
        version=version,
        reset=value.get("reset") is True,
        error=None,
    )


def _steps(value: Any, most: int) -> list[int]:
    if not isinstance(value, list) or len(value) > most:
        raise OddAnswer("the answer about metrics has more steps than there can be")
    if not all(type(step) is int and abs(step) < 2**53 for step in value):
        raise OddAnswer("the answer about metrics has steps that are no numbers")
    return value


def _is_version(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and re.fullmatch(r"[0-9A-Za-z-]{1,64}", value) is not None


def _name(value: str) -> str:
    return plain_text(value[:MAX_NAME]).strip() or "?"


def _finite(value: Any) -> float | None:
    """Return a finite number that a ``float`` can hold, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= sys.float_info.max and not math.isnan(value) else None
