"""The runs of five servers with 2,000 each, as one list: how soon it comes, what changes cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psutil
import requests

from benchmarks.harness import OURS, Answer, interleave, stopwatch, until
from benchmarks.world import RUNICORN, World, sent_by
from runicorn_jupyter.client import RunicornRemoteClient
from tests.world.environments import Trainer, build
from tests.world.many_runs import many_runs

SERVERS, RUNS = 5, 2000
SLOWEST = "the slowest server's own"
AGAIN = "a server's own list again"


def run(world: World, rounds: int = 6) -> list[Answer]:
    """Answer the questions of this module."""
    server = psutil.Process(world.jupyter.process.pid)
    with (
        _servers(world) as (urls, trainer_root),
        RunicornRemoteClient(world.jupyter.url, token=world.jupyter.token) as client,
    ):
        before = server.memory_info().rss
        until(lambda: len(client.list_runs()) >= SERVERS * RUNS, "all runs", seconds=300, tick=0.5)
        memory = (server.memory_info().rss - before) / 2**20
        with ThreadPoolExecutor(SERVERS) as pool:
            sessions = [requests.Session() for _ in urls]

            def own(number: int) -> int:
                answer = sessions[number].get(f"{urls[number]}api/runs", timeout=60)
                return len(json.loads(answer.content))

            def slowest() -> float:
                with stopwatch() as elapsed:
                    assert min(pool.map(own, range(SERVERS))) >= RUNS
                return elapsed()

            whole = interleave({OURS: lambda: _whole(client), SLOWEST: slowest}, rounds)
            page = interleave({OURS: lambda: _page(world), SLOWEST: slowest}, rounds)
            refresh = _refresh(world, lambda: own(0), trainer_root, rounds)
    note = f"{SERVERS} × {RUNS} runs; all five servers are asked at once, and their slowest counts"
    return [
        Answer("runs of 5 servers, the whole list", whole, "ms", at_most=1.2, note=note),
        Answer("runs of 5 servers, the newest 200", page, "ms", at_most=1.2),
        Answer("bytes over the line after one more step", refresh, "B", at_most=0.2),
        Answer("memory that 10,000 runs take", {OURS: [memory]}, "MiB", bound=64),
    ]


@contextmanager
def _servers(world: World) -> Iterator[tuple[list[str], Any]]:
    """Start five viewers, each of a root of its own; yield their URLs and the first root."""
    like = next(path.parent for path in world.runs.rglob("status.json"))
    connections, urls, roots = [], [], []
    for number in range(SERVERS):
        root = world.folder / f"many-{number}"
        if not root.exists():
            many_runs(root, like, RUNS)
        connection_id = world.connect()
        viewer = world.start_viewer(connection_id, root=root)
        connections.append(connection_id)
        urls.append(viewer["url"])
        roots.append(root)
    try:
        for url in urls:  # 0.7 takes up the folders one by one
            until(
                lambda url=url: len(requests.get(f"{url}api/runs", timeout=60).json()) >= RUNS,
                "the viewer's own list",
                seconds=300,
                tick=0.5,
            )
        yield urls, roots[0]
    finally:
        for connection_id in connections:
            world.disconnect(connection_id)


def _whole(client: RunicornRemoteClient) -> float:
    with stopwatch() as elapsed:
        runs = client.list_runs()
    assert len(runs) >= SERVERS * RUNS
    return elapsed()


def _page(world: World) -> float:
    with stopwatch() as elapsed:
        answer = world.api("GET", "runs", limit=200)
    assert (len(answer["runs"]), answer["servers"][0]["error"]) == (200, None)
    return elapsed()


def _refresh(world: World, own: Any, root: Any, rounds: int) -> dict[str, list[float]]:
    """Measure what sshd sends for a look after a training has logged one more step."""
    trainer = Trainer(world.folder / "trainer")
    try:
        training = trainer.live(build(f"runicorn=={RUNICORN}"), root, steps=5)
        version = world.api("GET", "runs", limit=1)["version"]

        def ours() -> float:
            nonlocal version
            training.step()
            sent = sent_by(world.sshd)
            answer = world.api("GET", "runs", changed_since=version, wait=30)
            assert [run["run_id"] for run in answer["runs"]] == [training.run_id]
            version = answer["version"]
            return sent_by(world.sshd) - sent

        def again() -> float:
            training.step()
            sent = sent_by(world.sshd)
            own()
            sent = sent_by(world.sshd) - sent
            nonlocal version
            version = world.api("GET", "runs", limit=1)["version"]
            return sent

        until(lambda: training.run_id in str(world.api("GET", "runs", limit=5)), "the live run", tick=0.5)
        version = world.api("GET", "runs", limit=1)["version"]
        return interleave({OURS: ours, AGAIN: again}, rounds)
    finally:
        trainer.close()
