"""The last value of each metric, from files as runicorn's SDK writes them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter.payload.runs.event_log import Events


def line(step: int, **metrics: float) -> str:
    """A line as all versions write it (``sdk.py``, ``log``)."""
    return (
        json.dumps({"ts": 1.5, "type": "metrics", "data": {**metrics, "global_step": step, "time": 1.5}})
        + "\n"
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def described(events: Events) -> dict[str, Any]:
    events.read()
    return events.describe()


def test_what_each_runicorn_has_written(
    each_runicorn: tuple[str, Path], finished_runs: Callable[..., Path]
) -> None:
    file = next(finished_runs(each_runicorn[0]).rglob("events.jsonl"))
    found = described(Events(str(file)))
    assert found["step"] == 20
    assert found["metrics"] == pytest.approx({"loss": math.exp(-2), "accuracy": 1 - math.exp(-2)})
    assert found["nan"] == {}


def test_only_what_is_appended_is_read_and_a_line_may_come_in_parts(path: Path) -> None:
    events = Events(str(path))
    assert described(events) == {"step": None, "metrics": {}, "nan": {}}
    path.write_text(line(1, loss=3) + line(1, accuracy=0.5))
    assert described(events)["metrics"] == {"loss": 3, "accuracy": 0.5}
    whole = line(2, loss=float("nan"))
    with path.open("a") as file:
        file.write(whole[:30])
    assert described(events)["step"] == 1
    with path.open("a") as file:
        file.write(whole[30:] + "no json\n" + '{"type": "metrics", "data": 5}\n' + line(3, loss=2))
    assert described(events) == {"step": 3, "metrics": {"loss": 2, "accuracy": 0.5}, "nan": {"loss": 2}}
    path.write_text(line(1, other=1))
    assert described(events) == {"step": 1, "metrics": {"other": 1}, "nan": {}}


def test_a_seldom_metric_is_looked_for_far_back(path: Path) -> None:
    seldom = line(1, loss=9, validation=0.25)
    path.write_text(seldom + "".join(line(step, loss=step) for step in range(2, 4000)))
    assert path.stat().st_size > 3 * 65536
    found = described(Events(str(path)))
    assert (found["step"], found["metrics"]) == (3999, {"loss": 3999, "validation": 0.25})


def test_words_for_what_is_not_finite_and_bounds(path: Path) -> None:
    path.write_text(
        line(1, a=float("inf"), b=-float("inf"), c=10**400)
        + line(2, **{f"metric-{number}-{'x' * 200}": 1.0 for number in range(100)})
    )
    found = described(Events(str(path)))
    assert len(found["metrics"]) == 64
    assert all(len(name) <= 128 for name in found["metrics"])
    path.write_text(line(1, a=float("inf"), b=-float("inf"), c=10**400, d=True, e="text"))
    found = described(Events(str(path)))
    assert found["metrics"] == {"a": "Infinity", "b": "-Infinity", "c": "Infinity"}
    assert found["nan"] == {"a": 1, "b": 1, "c": 1}
