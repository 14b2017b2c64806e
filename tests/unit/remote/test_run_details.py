"""What a viewer's side says of a run's parameters: looked at, bounded, and kept once."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from runicorn_jupyter import models as m
from runicorn_jupyter.remote.run_details import NO_DETAILS, DetailReader, RunDetails
from runicorn_jupyter.remote.run_sync import RunSource, read_run

PLACE = RunSource("conn_1", "gpu1", "torch", "/data")


def read(value: Any) -> RunDetails:
    return DetailReader().read(value)[0]


def params(**values: Any) -> dict[str, Any]:
    found = read({"params": values})
    assert found.params_left_out == 0
    return found.params


def test_each_value_keeps_its_type_on_the_way_to_json() -> None:
    given = {
        "a": True,
        "b": 1,
        "c": 1.0,
        "d": "x",
        "e": None,
        "f": "NaN",
        "g": 0.1,
        "h": -(2**53) + 1,
        "i": "",
    }
    run = read_run({"id": "r"}, PLACE, read({"params": given}))
    assert run is not None
    again = json.loads(run.as_json)["params"]
    assert again == given
    assert [type(value) for value in again.values()] == [type(value) for value in given.values()]
    checked = m.Run.model_validate_json(run.as_json).params
    assert [type(value) for value in checked.values()] == [type(value) for value in given.values()]


@pytest.mark.parametrize("odd", [[], {}, [1], {"a": 1}, math.inf, math.nan, 2**53, -(10**400)], ids=repr)
def test_what_is_no_plain_value_is_counted(odd: Any) -> None:
    found = read({"params": {"odd": odd, "lr": 1}, "params_left_out": 2, "summary": {"odd": odd}})
    assert (found.params, found.params_left_out) == ({"lr": 1}, 3)
    assert (found.summary, found.summary_left_out) == ({}, 1)


def test_texts_are_plain_and_bounded() -> None:
    assert params(**{"\u202elr\x1b[31m": "\x07\u2066a\nb" + "x" * 10**6}) == {"lr": "ab" + "x" * 507}
    many = read({"params": {f"p{number}": 1 for number in range(10**4)} | {"\x07": 1}})
    assert (len(many.params), many.params_left_out) == (256, 10**4 + 1 - 256)
    twice = read({"params": {"lr": 1, "l\x07r": 2, "\x07": 3, "n" * 129: 4, "": 5}})
    assert (twice.params, twice.params_left_out) == ({"lr": 1}, 4)


@pytest.mark.parametrize("odd", [None, [], "x", 5, {"params": [], "summary": "x", "best": []}], ids=repr)
def test_what_is_of_another_form_is_nothing(odd: Any) -> None:
    assert read(odd) == NO_DETAILS


@pytest.mark.parametrize("count", ["1", -1, True, 1.5, None, 2**60])
def test_a_count_that_is_none_is_not_known(count: Any) -> None:
    found = read({"params_left_out": count, "summary_left_out": count})
    assert (found.params_left_out, found.summary_left_out) == (None, None)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"metric": "acc", "value": 1, "step": 2, "mode": "min"}, ("acc", 1.0, 2, "min")),
        ({"metric": "a\x07cc", "value": "NaN", "step": True, "mode": "x"}, ("acc", "NaN", None, None)),
        ({"metric": "acc", "value": 1, "step": 2**53, "mode": ["max"]}, ("acc", 1.0, None, None)),
        ({"metric": "acc", "value": "high"}, None),
        ({"metric": "acc", "value": True}, None),
        ({"metric": "acc", "value": 10**400}, None),
        ({"metric": "\x07", "value": 1}, None),
        ({"metric": 5, "value": 1}, None),
        ({"value": 1}, None),
    ],
    ids=str,
)
def test_the_best_value(said: Any, meant: Any) -> None:
    best = read({"best": said}).best
    assert (best and (best.metric, best.value, best.step, best.mode)) == meant


def test_what_many_runs_have_is_kept_once() -> None:
    reader = DetailReader()

    def of(**values: Any) -> tuple[RunDetails, int]:
        return reader.read(json.loads(json.dumps({"params": values})))

    (first, size), (second, less), (other, _) = of(lr=0.125, x=1), of(lr=0.125, x=1), of(lr=0.125, x=True)
    assert first.params is second.params
    assert less < size
    assert (other.params, other.params is first.params) == ({"lr": 0.125, "x": 1}, False)
    assert other.params["x"] is True
    names = [next(iter(each.params)) for each in (first, other)]
    assert names[0] is names[1]
    assert first.params["lr"] is other.params["lr"]
    for number in range(5000):
        of(**{f"n{number}": f"t{number}", "a": number, "b": number / 7})
    assert max(len(pool) for pool in (reader._names, reader._texts, reader._dicts)) < 5000


@pytest.mark.parametrize("odd", [None, 1, "", "a b", "a" * 129, "\u202eabc", ["a44c"]], ids=repr)
def test_a_fingerprint_is_one_word_of_plain_characters(odd: Any) -> None:
    assert read({"code_snapshot": "sha256:a44c"}).code_snapshot == "sha256:a44c"
    assert read({"code_snapshot": odd}).code_snapshot is None
