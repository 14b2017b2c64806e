"""What differs between runs, and what groups of them came to."""

from __future__ import annotations

import json
import math
import statistics
from typing import Any

import pytest

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import InvalidParameters, NotFound
from runicorn_jupyter.remote.run_details import DetailReader
from runicorn_jupyter.remote.run_sync import RunSource, read_run
from runicorn_jupyter.service import run_comparison as module
from runicorn_jupyter.service.run_comparison import compare_runs, group_runs, read_names
from runicorn_jupyter.service.run_index import RunIndex

PLACE = RunSource("conn_1", "gpu1", "torch", "/data")


def run(name: str, params: dict[str, Any], metrics: dict[str, Any] | None = None, **details: Any) -> m.Run:
    value = {"id": name, "status": "finished", "metrics": metrics or {}, "tags": ["x"]}
    made = read_run(value, PLACE, DetailReader().read({"params": params, **details})[0])
    assert made is not None
    return made


def best(metric: str, value: Any, mode: str | None) -> dict[str, Any]:
    return {"metric": metric, "value": value, "step": 1, "mode": mode}


def plain(answer: Any) -> dict[str, Any]:
    """Return an answer as a client gets it; it is of the contract's form."""
    found: dict[str, Any] = json.loads(answer.to_json())
    type(answer).model_validate(found)
    return found


def test_only_what_differs_and_how_much_is_the_same() -> None:
    shared = {"batch": 64, "opt": "adam", "none": None}
    runs = [
        run("a", {**shared, "lr": 0.1, "amp": True, "n": 1}, params_left_out=2),
        run("b", {**shared, "lr": 0.2, "amp": 1, "n": 1.0, "new": None}),
        run("c", {**shared, "lr": 0.1, "amp": True, "n": 1}),
    ]
    answer = plain(compare_runs(runs, 0, None))
    assert answer["differing"] == [
        {"name": "lr", "values": [0.1, 0.2, 0.1], "missing": []},
        {"name": "amp", "values": [True, 1, True], "missing": []},
        {"name": "new", "values": [None, None, None], "missing": [0, 2]},
    ]
    assert answer["differing"][1]["values"][1] is not True
    assert (answer["same"], answer["params_left_out"]) == (4, [2, 0, 0])
    assert [key["run_id"] for key in answer["runs"]] == ["a", "b", "c"]


def test_how_far_metrics_are_from_the_baseline() -> None:
    runs = [
        run("a", {}, {"loss": 0.5, "zero": 1, "bad": 1}, best=best("acc", 0.5, "max")),
        run("b", {}, {"loss": 0.4, "zero": 0, "bad": "NaN"}, best=best("acc", 0.75, "max")),
        run("c", {}, {"zero": 2, "bad": 1e308}, best=best("loss", 0.1, "min")),
    ]
    found = {each["name"]: each for each in plain(compare_runs(runs, 0, None))["metrics"]}
    assert list(found) == ["loss", "zero", "bad"]
    assert found["loss"]["last"]["values"] == [0.5, 0.4, None]
    assert found["loss"]["last"]["differences"] == [0.0, pytest.approx(-0.1), None]
    assert found["loss"]["last"]["percents"] == [0.0, pytest.approx(-20), None]
    assert (found["loss"]["mode"], found["loss"]["best"]["values"]) == ("min", [None, None, 0.1])
    assert found["bad"]["last"]["values"] == [1.0, "NaN", 1e308]
    assert found["bad"]["last"]["percents"] == [0.0, None, None]  # too large for a number
    (other,) = plain(compare_runs(runs, 1, ["zero"]))["metrics"]
    assert other["last"]["differences"] == [1.0, 0.0, 2.0]
    assert other["last"]["percents"] == [None, None, None]
    (acc,) = plain(compare_runs(runs, 0, ["acc"]))["metrics"]
    assert acc["best"]["percents"] == [0.0, 50.0, None]
    assert (acc["mode"], acc["last"]["values"]) == ("max", [None, None, None])
    odd = [run("a", {}, best=best("acc", 1, "max")), run("b", {}, best=best("acc", 1, "min"))]
    assert plain(compare_runs(odd, 0, ["acc"]))["metrics"][0]["mode"] is None


def test_groups_in_the_order_of_their_values() -> None:
    values = [0.1, 0.2, 0.1, 10, "b", None, True, 1, 1.0]
    runs = [run(f"r{i}", {"lr": value}, {"loss": i}) for i, value in enumerate(values)] + [run("none", {})]
    answer = plain(group_runs(runs, None, ["lr"], "loss"))
    assert [(each["by"]["lr"], each["count"]) for each in answer["groups"]] == [
        (0.1, 2), (0.2, 1), (True, 1), (1, 2), (10, 1), ("b", 1), (None, 2),
    ]  # fmt: skip
    assert (answer["total"], answer["groups_left_out"]) == (10, 0)
    figures = answer["groups"][0]["last"]
    assert figures == {"count": 2, "mean": 1.0, "std": statistics.stdev([0, 2]), "min": 0.0, "max": 2.0}
    assert [key["run_id"] for key in answer["groups"][0]["runs"]] == ["r0", "r2"]
    assert answer["groups"][1]["last"]["std"] is None


def test_what_is_no_finite_number_is_in_no_mean() -> None:
    runs = [
        run("a", {"lr": 1}, {"loss": "NaN"}, best=best("loss", 0.25, "min")),
        run("b", {"lr": 1}, {"loss": "Infinity"}, best=best("acc", 5, "max")),
        run("c", {"lr": 2}, {"loss": 1e308}),
        run("d", {"lr": 2}, {"loss": 1.5e308}),
    ]
    first, second = plain(group_runs(runs, None, ["lr"], "loss"))["groups"]
    assert (first["last"], first["count"]) == (None, 2)
    assert (first["best"]["mean"], first["best"]["count"]) == (0.25, 1)
    assert second["last"] is None  # their squares are beyond what a float holds
    assert plain(group_runs(runs, None, ["lr"], None))["groups"][1]["last"] is None


def test_by_several_values_and_only_those_that_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [run(f"r{i}", {"lr": i % 2, "batch": i % 3}, {"loss": i}) for i in range(12)]
    answer = group_runs(runs, lambda each: each.metrics["loss"] >= 6, ["batch", "host", "tag"], None)
    assert [(group.by, group.count) for group in answer.groups] == [
        ({"batch": number, "host": "gpu1", "tag": "x"}, 2) for number in range(3)
    ]
    monkeypatch.setattr(module, "MAX_GROUPS", 4)
    many = group_runs(runs, None, ["lr", "batch"], None)
    assert (len(many.groups), many.groups_left_out, many.total) == (4, 2, 12)


@pytest.mark.parametrize("text", ["", ",", "a,", "a,a", " ", ",".join("abcdefghi")])
def test_names_that_are_none(text: str) -> None:
    with pytest.raises(InvalidParameters):
        read_names(text)
    assert read_names("a, b") == ["a", "b"]


async def test_of_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    index = RunIndex(lambda: None)
    index.update([run("a", {"lr": 1}, {"loss": 1}), run("b", {"lr": 2}, {"loss": math.pi})])
    keys = [{"connection_id": "conn_1", "run_id": name} for name in "ab"]
    ask = m.RunsCompareRequest.model_validate
    answer = await index.compare(ask({"runs": keys, "baseline": 1}))
    assert (answer.differing[0].name, answer.baseline) == ("lr", 1)
    with pytest.raises(InvalidParameters):
        await index.compare(ask({"runs": keys, "baseline": 2}))
    with pytest.raises(NotFound):
        await index.compare(ask({"runs": [*keys, {"connection_id": "conn_2", "run_id": "a"}]}))
    groups = await index.groups(m.RunsGroupsQuery(by="lr", where="loss>2"))
    assert [group.by for group in groups.groups] == [{"lr": 2}]
    with pytest.raises(InvalidParameters) as caught:
        await index.groups(m.RunsGroupsQuery(by="lr", where="loss>"))
    assert caught.value.details["position"] == 5
