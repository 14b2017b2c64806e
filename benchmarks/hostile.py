"""What one connection that does its worst costs everybody else: Jupyter's own answers, its memory, another's.

The other side floods Jupyter with changes of its runs and with events, answers a question for metrics by a
million columns, and serves pages of nothing but openers; its pages write their storage without end, and ask
for small answers by fifty at a time.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from benchmarks import load, places
from benchmarks.harness import OURS, Answer, interleave
from benchmarks.latency import p99
from benchmarks.small_answers import PATH
from benchmarks.world import MIB, World
from tests.world.environments import build
from tests.world.hostile import hostile_env
from tests.world.layouts import add_environments

ALONE = "alone"
SECONDS = 3.0
P99_MS = 50
SMALL_REQUESTS = 50
"""Number of small answers that its pages ask for at the same time."""
PERIOD = 0.05
"""Seconds between two questions of Jupyter: its share of a busy loop is what is asked for, not all of it."""
BUDGET_MIB = 128 + 50
"""The budget of a connection (``connection_memory_mb``), and what answers on their way need."""


def _requests(world: World, connection_id: str, url: str) -> list[dict[str, Any]]:
    """Return what the pages of the hostile viewer, and the front ends that look at it, ask without end."""
    token = {"Authorization": f"token {world.jupyter.token}"}
    page = {"Sec-Fetch-Dest": "iframe", "Accept": "text/html"}
    api = world.jupyter.url + "api/remote/"
    storage = json.dumps({"set": {f"{number:05x}": "" for number in range(900)}})
    return [
        *({"method": "GET", "url": f"{url}openers/{name}", "headers": page} for name in ("comment", "head")),
        {"method": "POST", "url": f"{url}__runicorn_jupyter__/storage", "headers": {}, "body": storage},
        {"method": "POST", "url": f"{url}__runicorn_jupyter__/storage", "headers": {}, "body": "{}"},
        {
            "method": "GET",
            "url": f"{api}runs/metrics?connection_id={connection_id}&run_id=0",
            "headers": token,
        },
        {"method": "GET", "url": f"{api}runs?text=zzz%20yyy", "headers": token},
        *[{"method": "GET", "url": url + PATH, "headers": {}}] * SMALL_REQUESTS,
    ]


def run(world: World, rounds: int = 3) -> list[Answer]:
    """Answer the questions of this module."""
    with ExitStack() as stack:
        prefix = hostile_env(
            world.folder / "hostile",
            build("runicorn==0.7.2"),
            Path(__file__).parents[1] / "tests" / "data" / "hostile_load",
        )
        good = world.way(OURS, PATH)  # which starts the good connection's viewer
        add_environments(world.sshd.home, hostile=prefix)
        connection_id = world.connect()
        stack.callback(world.disconnect, connection_id)
        answer = world.api(
            "POST", "viewer/start", connection_id=connection_id, env_name="hostile", auto_open=False
        )
        requests = _requests(world, connection_id, answer["viewer"]["url"])
        status = (world.jupyter.url + "api/status", {"Authorization": f"token {world.jupyter.token}"})
        process = psutil.Process(world.jupyter.process.pid)
        there = [world.sshd.pid, *world.sshd.processes()]
        # The other side computes too, and on one machine with us it would take our core.
        cores = stack.enter_context(places.apart([process.pid], there))

        def beside(measure: Any) -> float:
            with load.running("worst", cores, asked=requests):
                return float(measure())

        def small() -> float:
            return load.run("requests", **good, clients=1, seconds=SECONDS)["p50_ms"]

        before = process.memory_info().rss
        late = interleave(
            {OURS: lambda: beside(lambda: p99(*status, PERIOD)), ALONE: lambda: p99(*status, PERIOD)}, rounds
        )
        answers = interleave({OURS: lambda: beside(small), ALONE: small}, rounds)
        grown = (process.memory_info().rss - before) / MIB
    return [
        Answer("Jupyter's p99 beside a hostile connection", late, "ms", bound=P99_MS),
        Answer("another connection's small answer beside it", answers, "ms", at_most=2),
        Answer("RSS of Jupyter after it", {OURS: [grown]}, "MiB", bound=BUDGET_MIB),
    ]
