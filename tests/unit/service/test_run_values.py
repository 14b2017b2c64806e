"""Which runs pass a condition."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runicorn_jupyter import models as m
from runicorn_jupyter.remote.run_details import DetailReader
from runicorn_jupyter.remote.run_sync import RunSource, read_run
from runicorn_jupyter.service.run_values import MISSING, compiled, getter
from runicorn_jupyter.service.where import WhereError, parse_where

NOW = datetime(2026, 11, 24, 18, 0, 0, tzinfo=UTC)
PLACE = RunSource("conn_1", "gpu1", "torch-2.5", "/data")


def run(**fields: Any) -> m.Run:
    value = {
        "id": "20261124_120000_ab12cd", "status": "finished", "alias": "Baseline", "path": "vision/cifar/a",
        "created": (NOW - timedelta(hours=6)).timestamp(), "started": 1000.0, "ended": 8200.0, "step": 7,
        "tags": ["Good", "v2"], "metrics": {"loss": 0.25, "grad": "NaN", "far": "Infinity", "lr": 5},
    }  # fmt: skip
    params = {
        "lr": 1e-3, "batch": 64, "opt": "Adam", "amp": True, "none": None, "my name": "x", "step": 9,
        "model.depth": 3, "word": "true", "nan": "NaN",
    }  # fmt: skip
    details = {"params": params, "summary": {"acc": 0.9}}
    made = read_run({**value, **fields}, PLACE, DetailReader().read(details)[0])
    assert made is not None
    return made


RUN = run()


def passes(where: str, of: m.Run = RUN) -> bool:
    node = parse_where(where)
    assert node is not None
    return compiled(node, NOW)(of)


@pytest.mark.parametrize(
    "where",
    [
        "lr=1e-3", "lr=0.001", "lr<2e-3", "lr>=0.001", "lr!=1", "param.lr<1", "metric.lr=5", "loss<0.5",
        "batch=64.0", "batch>=64", "opt=adam", "opt!=sgd", "opt:DA", "opt~ada", 'opt="Adam"', "amp=true",
        "amp!=false", "none=null", '"my name"=x', 'param."x"=1 or lr>0', "step=7", "param.step=9", "step<8",
        "model.depth=3", "depth=3 or model.depth=3", "summary.acc>0.8", "status=finished", "status=FINISHED",
        "status!=failed", "host=gpu1", "host:GPU", "env~2.5", "path:cifar", "project=vision", "name=baseline",
        "tag=good", "tag:oo", "tag!=bad", "not tag!=good", "duration=7200", "duration>1h", "duration<=2h",
        "created>7d", "created>7h", "created<5h", "created=2026-11-24", "created>=2026-11-24",
        "created<2026-11-25", "created>2026-11-24T11:59:59Z", "created>2026-11-24T12:00:59+00:01",
        "created:2026-11", "started<1d", "baseline", "GPU1 good", "'a' or cifar", "far>1e300", "grad=NaN",
        "grad!=0", "not grad>0", "not grad<=0", "not missing=1", "not missing!=1", "word=true", "nan=nan",
    ],
)  # fmt: skip
def test_what_passes(where: str) -> None:
    assert passes(where)


@pytest.mark.parametrize(
    "where",
    [
        "lr>1", 'lr="1"', "lr=abc", "lr>abc", "missing=1", "missing!=1", "missing~a", "amp=1", "amp>0",
        "opt>1", "opt<z", "none=0", "status=running", "step=9", "created>5h", "created<7h",
        "created=2026-11-23", "created!=2026-11-24", "duration<2h", "tag=goo", "grad>0", "grad<=0", "grad=0",
        "nothing", "lr=1e-3 and nothing", "metric.opt=adam", "param.loss<1", "summary.lr=1", "param=1",
        "__class__=1", "params=1", "metric.__class__:dict", "model_fields:run",
    ],
)  # fmt: skip
def test_what_does_not_pass(where: str) -> None:
    assert not passes(where)


@pytest.mark.parametrize(
    ("where", "position"),
    [
        ("a host<gpu1", 2), ("tag>=1", 0), ("step=many", 5), ("duration>x", 9), ("created>yesterday", 8),
        ("created=2026-13-45", 8), ("started<9999999999d", 8), ("a created<999999w", 10), ('step="7"', 5),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_so(where: str, position: int) -> None:
    with pytest.raises(WhereError) as caught:
        passes(where)
    assert caught.value.position == position


def test_a_run_without_times_or_a_name() -> None:
    bare = run(created=None, alias=None, path=None, started=None, ended=None, step=None, tags=[])
    for where in (
        "created>1d",
        "created!=2026-11-24",
        "name:a",
        "duration>0",
        "step>0",
        "step!=0",
        "tag=a",
        "project=x",
    ):
        assert not passes(where, bare), where
    assert passes("tag!=a", bare)


def test_a_null_is_a_value() -> None:
    assert getter("param.none")(RUN) is None
    assert getter("param.nothing")(RUN) is MISSING
    assert getter("param.")(RUN) is MISSING


@given(st.text(max_size=60) | st.text(st.sampled_from("lrstephcd=<>~:!19dh-. "), max_size=30))
def test_any_condition_is_true_false_or_a_mistake(where: str) -> None:
    try:
        node = parse_where(where)
        found = None if node is None else compiled(node, NOW)(RUN)
    except WhereError as error:
        found, position = None, error.position
    else:
        position = 0
    assert 0 <= position <= len(where)
    assert found in (None, True, False)
