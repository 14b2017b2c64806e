"""The table of accelerators: numbers for code, bars and words for people."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from runicorn_jupyter.notebook.gpus import gpu_table, what_is_missing

PROCESS: dict[str, Any] = {"pid": 1, "user": "bob", "command": "x", "memory": 5, "mine": False, "run": None}
GPU: dict[str, Any] = {
    "index": 0,
    "uuid": "GPU-a",
    "name": "A100 <b>",
    "vendor": "nvidia",
    "used_percent": 43.0,
    "memory_total": 80 * 2**30,
    "memory_used": 20 * 2**30,
    "temperature_c": 61.0,
    "power_w": 250.1,
    "processes": [PROCESS, {**PROCESS, "mine": True, "run": {"connection_id": "c", "run_id": "r"}}],
}
UNKNOWN = dict.fromkeys(("used_percent", "memory_total", "memory_used", "temperature_c", "power_w", "name"))
MACHINE: dict[str, Any] = {"connection_id": "c", "host": "gpu1", "error": None, "gpus": [GPU]}


def test_numbers_with_types_whatever_is_unknown() -> None:
    table = gpu_table([MACHINE, {**MACHINE, "gpus": [{**GPU, **UNKNOWN, "index": 1, "processes": []}]}], {})
    assert list(table["memory_used"]) == [20 * 2**30, pd.NA]
    assert [str(table[name].dtype) for name in ("index", "used_percent", "memory_total")] == [
        "Int64",
        "Float64",
        "Int64",
    ]
    assert list(table["runs"]) == [["r"], []]
    assert str(gpu_table([], {})["memory_used"].dtype) == "Int64"


def test_who_uses_it_by_the_run_s_name() -> None:
    table = gpu_table([MACHINE], {("c", "r"): {"name": "baseline"}})
    assert table["users"][0] == ["bob", "you: baseline"]
    assert gpu_table([MACHINE], {})["users"][0] == ["bob", "you: r"]


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"used_percent": 1.0, "memory_used": 2**30}, "free"),
        ({"used_percent": 1.0}, "in use"),
        ({"memory_used": 0}, "in use"),
        (UNKNOWN, "–"),
    ],
)
def test_without_processes_it_is_free_only_if_nothing_is_used(fields: dict[str, Any], word: str) -> None:
    gpu = {**GPU, "processes": [], **fields}
    shown = gpu_table([{**MACHINE, "gpus": [gpu]}], {})._repr_html_() or ""
    assert f">{word}</td></tr>" in shown


def test_what_is_shown_is_text() -> None:
    shown = gpu_table([MACHINE], {("c", "r"): {"name": "<script>"}})._repr_html_() or ""
    assert "A100 &lt;b&gt;" in shown
    assert "you: &lt;script&gt;" in shown
    assert "20.0 of 80 GiB" in shown
    assert "43 %" in shown
    assert "1 GPU, 0 with free memory" in shown
    assert gpu_table([MACHINE], {})[["host"]]._repr_html_()


def test_what_is_missing_is_said() -> None:
    assert what_is_missing([]) != []
    assert what_is_missing([MACHINE]) == []
    broken = {**MACHINE, "error": {"code": "gpus_unknown", "message": "gpu1: no driver"}}
    assert what_is_missing([broken]) == ["gpu1: no driver"]
    assert "not said yet" in what_is_missing([{**MACHINE, "gpus": None}])[0]
    assert "no GPU" in what_is_missing([{**MACHINE, "gpus": []}])[0]
