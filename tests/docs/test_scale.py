"""The page on growth says the limits that are in force, and which command measures each figure."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from runicorn_jupyter.extension import RunicornJupyter
from runicorn_jupyter.proxy import request_queue
from runicorn_jupyter.remote import run_sync
from runicorn_jupyter.service import event_budget, runs
from runicorn_jupyter.ssh import turns
from runicorn_jupyter.strict import Amount, Count

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| [^|]+ \| (\d+) \| (?:`(\w+)`|[(（]\S+[)）]) \|", re.MULTILINE)
NO_LIMIT = {"private_server_port"}
FIXED = [
    run_sync.MAX_RUNS,
    run_sync.MAX_TABLE_METRICS,
    turns.AT_ONCE,
    event_budget.BURST,
    runs.LOOKS_AT_ONCE,
    request_queue.REQUESTS_AT_ONCE,
]


@pytest.mark.parametrize("folder", ["docs", "docs/zh"])
def test_the_limits_are_those_in_force(folder: str) -> None:
    rows = ROW.findall((ROOT / folder / "scale.md").read_text(encoding="utf-8"))
    settings = {
        name: trait.default()
        for name, trait in RunicornJupyter.class_own_traits(config=True).items()
        if isinstance(trait, Count | Amount) and name not in NO_LIMIT
    }
    assert {name: int(limit) for limit, name in rows if name} == settings
    assert [int(limit) for limit, name in rows if not name] == FIXED


@pytest.mark.parametrize(("language", "folder"), [("en", "docs"), ("zh", "docs/zh")])
def test_each_figure_has_the_command_that_measures_it(
    language: str, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    table = importlib.import_module("generated").scale(language, ROOT / folder)
    modules = re.findall(r"`python -m benchmarks (\w+)`", table)
    assert len(modules) == len(importlib.import_module("generated").GROWTH)
    assert {name for name in modules if not (ROOT / "benchmarks" / f"{name}.py").exists()} == set()
