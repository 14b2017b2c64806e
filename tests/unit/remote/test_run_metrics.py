"""What a viewer's side says of runs' metrics: never more, nor anything else, than was asked for."""

from __future__ import annotations

import math
from typing import Any

import pytest

from runicorn_jupyter import models as m
from runicorn_jupyter.remote import run_metrics
from runicorn_jupyter.remote.run_metrics import read_metrics
from runicorn_jupyter.remote.run_sync import OddAnswer

KEY = m.CurveKey(connection_id="conn_00000001", run_id="r")
GOOD: dict[str, Any] = {
    "steps": [1, 2],
    "times": [10.5, None],
    "metrics": {"lo\x07ss": [0.5, None], "odd": [math.inf, "x"]},
    "bad": {"odd": [1], "unknown": [2]},
    "total": 1,
    "version": "ab-1",
}


def read(*runs: Any, wanted: list[str] | None = None) -> list[m.RunCurves | None]:
    return read_metrics({"runs": list(runs)}, [KEY] * len(runs), wanted)


def test_metrics_are_columns_of_one_length() -> None:
    made, missing = read(GOOD, {"missing": True})
    assert missing is None
    assert made is not None
    assert (made.steps, made.times, made.total) == ([1, 2], [10.5, None], 2)
    assert made.metrics == {"loss": [0.5, None], "odd": [None, None]}
    assert (made.not_finite, made.version, made.reset, made.error) == ({"odd": [1]}, "ab-1", False, None)
    assert (made.connection_id, made.run_id) == ("conn_00000001", "r")


@pytest.mark.parametrize(
    "odd",
    [
        {"steps": None}, {"metrics": []}, {"metrics": {"a": [1]}}, {"metrics": {"a": 5}}, {"steps": ["1", 2]},
        {"steps": [1, True]}, {"steps": [1, 2**53]}, {"times": [1]}, {"times": None}, {"total": "1"},
        {"version": 5}, {"version": ""}, {"version": "a b"}, {"version": "a" * 65},
        {"bad": []}, {"bad": {"odd": [1, 2, 3]}}, {"bad": {"odd": [None]}}, {"bad": {"odd": 1}},
        {"metrics": {f"m{number}": [1, 2] for number in range(run_metrics.MAX_COLUMNS + 1)}},
    ],
)  # fmt: skip
def test_what_is_no_such_answer_is_refused(odd: dict[str, Any]) -> None:
    with pytest.raises(OddAnswer):
        read({**GOOD, **odd})


@pytest.mark.parametrize("runs", [None, [], [GOOD, GOOD], [5]])
def test_it_is_of_the_runs_that_were_asked_for(runs: Any) -> None:
    with pytest.raises(OddAnswer):
        read_metrics({"runs": runs}, [KEY])


def test_only_columns_that_were_asked_for_and_no_more_values_than_there_can_be() -> None:
    said = {**GOOD, "metrics": {"loss": [0.5, 1], "unasked": [1, 1], "lo,ss": [2, 2]}}
    (made,) = read(said, wanted=["loss", "acc"])
    assert made is not None
    assert list(made.metrics) == ["loss"]
    many = list(range(run_metrics.MAX_METRIC_VALUES // 6 + 1))
    long = {**GOOD, "steps": many, "times": many, "metrics": {"a": many}, "bad": {}}
    with pytest.raises(OddAnswer):
        read(long, long)
