"""Threads of the viewer's process that are there before memory can be short."""

from __future__ import annotations

import threading

import pytest

from runicorn_jupyter.payload.runs.changelog import RunChangelog
from runicorn_jupyter.payload.threads import started_threads


def test_an_executor_never_starts_a_thread_later(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = started_threads(3, "started")
    monkeypatch.setattr(threading.Thread, "start", lambda _self: pytest.fail("a thread was started"))
    together = threading.Barrier(3)
    for waiting in [executor.submit(together.wait) for _ in range(3)]:
        waiting.result()
    for number, done in [(number, executor.submit(abs, -number)) for number in range(20)]:
        assert done.result() == number
    executor.shutdown()


async def test_the_table_of_runs_has_its_thread_from_the_beginning() -> None:
    before = set(threading.enumerate())
    table = RunChangelog(None, lambda: None, lambda: False)
    names = sorted(thread.name for thread in set(threading.enumerate()) - before)
    assert [name.rpartition("_")[0] for name in names] == [
        "runicorn-jupyter-metrics",
        "runicorn-jupyter-runs",
    ]
    table._thread.shutdown()
    table._metrics_thread.shutdown()
