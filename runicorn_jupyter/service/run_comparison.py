"""Runs beside each other: what differs between some of them, and what groups of them came to."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import InvalidParameters
from runicorn_jupyter.service.run_pages import ranked
from runicorn_jupyter.service.run_values import MISSING, as_number, getter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runicorn_jupyter.service.run_filter import Filter

__all__ = ["compare_runs", "group_runs", "read_names"]

MAX_NAMES = 8
MAX_METRICS = 256
MAX_GROUPS = 1000


def compare_runs(
    runs: Sequence[m.Run], baseline: int, metrics: Sequence[str] | None
) -> m.RunsCompareResponse:
    """Say what differs between runs.

    Parameters
    ----------
    runs
        Two or more.
    baseline
        The place of the one that the others are held against.
    metrics
        Which metrics; None: all that any of them has.
    """
    in_order = [runs[baseline], *runs]
    names = dict.fromkeys(name for run in in_order for name in run.params)
    differing = [found for name in names if (found := _difference(name, runs)) is not None]
    wanted = dict.fromkeys(name for run in in_order for name in run.metrics) if metrics is None else metrics
    return m.RunsCompareResponse.model_construct(
        runs=[_key(run) for run in runs],
        baseline=baseline,
        differing=differing,
        same=len(names) - len(differing),
        params_left_out=[run.params_left_out for run in runs],
        code_snapshots=[run.code_snapshot for run in runs],
        metrics=[_metric(name, runs, baseline) for name in list(wanted)[:MAX_METRICS]],
    )


def _difference(name: str, runs: Sequence[m.Run]) -> m.ParamDifference | None:
    values = [run.params.get(name, MISSING) for run in runs]
    first = _identity(values[0])
    if all(_identity(value) == first for value in values):
        return None
    return m.ParamDifference.model_construct(
        name=name,
        values=[None if value is MISSING else value for value in values],
        missing=[place for place, value in enumerate(values) if value is MISSING],
    )


def _identity(value: Any) -> Any:
    """Return what is equal for what is the same: 1 is 1.0, but not True."""
    return isinstance(value, bool), value


def _metric(name: str, runs: Sequence[m.Run], baseline: int) -> m.MetricComparison:
    best = [run.best if run.best is not None and run.best.metric == name else None for run in runs]
    modes: set[Literal["max", "min"]] = {each.mode for each in best if each is not None and each.mode}
    return m.MetricComparison.model_construct(
        name=name,
        mode=modes.pop() if len(modes) == 1 else None,
        last=_figures([run.metrics.get(name) for run in runs], baseline),
        best=_figures([None if each is None else each.value for each in best], baseline),
    )


def _figures(values: list[m.MetricValue | None], baseline: int) -> m.MetricFigures:
    base = _finite(values[baseline])
    differences: list[float | None] = []
    percents: list[float | None] = []
    for value in values:
        number = _finite(value)
        difference = None if number is None or base is None else _finite(number - base)
        differences.append(difference)
        percents.append(_finite(100 * difference / abs(base)) if difference is not None and base else None)
    return m.MetricFigures.model_construct(values=values, differences=differences, percents=percents)


def _finite(value: Any) -> float | None:
    number = as_number(value)
    return number if number is not None and math.isfinite(number) else None


def read_names(text: str) -> list[str]:
    """Read the names that runs are to be grouped by.

    Raises
    ------
    InvalidParameters
        If there are none, too many, or one twice.
    """
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(names) > MAX_NAMES or len(set(names)) < len(names):
        raise InvalidParameters.for_field("by", f"needs one to {MAX_NAMES} different names, commas between")
    return names


def group_runs(
    runs: Iterable[m.Run], passes: Filter, names: Sequence[str], metric: str | None
) -> m.RunsGroupsResponse:
    """Put runs with the same values together.

    Parameters
    ----------
    runs
        All runs, in the order that they are to have in a group.
    passes
        Tells which of them count.
    names
        Of the values, as in ``where``.
    metric
        The metric of which figures are wanted.
    """
    get = [getter(name) for name in names]
    found: dict[tuple[Any, ...], list[m.Run]] = {}
    values: dict[tuple[Any, ...], list[Any]] = {}
    total = 0
    for run in runs:
        if passes is not None and not passes(run):
            continue
        total += 1
        of_run = [_group_value(each(run)) for each in get]
        key = tuple(map(_identity, of_run))
        found.setdefault(key, []).append(run)
        values.setdefault(key, of_run)
    keys = sorted(found, key=lambda key: [_ordered(value) for value in values[key]])
    return m.RunsGroupsResponse.model_construct(
        groups=[_group(names, values[key], found[key], metric) for key in keys[:MAX_GROUPS]],
        groups_left_out=max(0, len(keys) - MAX_GROUPS),
        total=total,
    )


def _group_value(value: Any) -> m.ParamValue:
    if value is MISSING:
        return None
    if isinstance(value, list):
        return ", ".join(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _ordered(value: Any) -> tuple[int, Any]:
    rank, place = ranked(value)
    return rank, 0 if place is None else place


def _group(
    names: Sequence[str], values: list[m.ParamValue], runs: list[m.Run], metric: str | None
) -> m.RunGroup:
    last = [] if metric is None else [run.metrics.get(metric) for run in runs]
    best = [run.best.value for run in runs if run.best is not None and run.best.metric == metric]
    return m.RunGroup.model_construct(
        by=dict(zip(names, values, strict=True)),
        count=len(runs),
        last=_summed(last),
        best=_summed(best),
        runs=[{"connection_id": run.connection_id, "run_id": run.run_id} for run in runs],
    )


def _summed(values: Iterable[m.MetricValue | None]) -> m.RunGroupFigures | None:
    """Say what finite numbers come to; None if there are none, or they are too large to add up."""
    numbers = [number for value in values if (number := _finite(value)) is not None]
    if not numbers:
        return None
    try:
        mean = math.fsum(numbers) / len(numbers)
        squares = math.fsum((number - mean) ** 2 for number in numbers)
    except OverflowError:
        return None
    return m.RunGroupFigures.model_construct(
        count=len(numbers),
        mean=mean,
        std=math.sqrt(squares / (len(numbers) - 1)) if len(numbers) > 1 else None,
        min=min(numbers),
        max=max(numbers),
    )


def _key(run: m.Run) -> m.RunKey:
    return m.RunKey(connection_id=run.connection_id, run_id=run.run_id)
