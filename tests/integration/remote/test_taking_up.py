"""A viewer that still takes up the runs of its storage root says so, and is right when it says it is done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runicorn_jupyter.payload.runs.changelog import RunChangelog
from runicorn_jupyter.remote.memory_budget import MemoryBudget
from runicorn_jupyter.remote.run_sync import RunReplica, RunSource
from runicorn_jupyter.remote.viewer_client import SshViewerClient
from runicorn_jupyter.ssh.connection import Connection
from tests.world.environments import Trainer
from tests.world.many_runs import many_runs
from tests.world.remote import environment

COUNT = 1500


async def follow(viewer: SshViewerClient) -> list[tuple[int, bool]]:
    """Ask until the list is complete; return how many runs were known after each answer, and what it said."""
    table, seen = RunReplica(RunSource("c", "h", "e", None), MemoryBudget(2**26, "a", "b").share()), []
    async with asyncio.timeout(120), await viewer.open_control(60) as control:
        while not table.complete:
            table.apply(table.read(await control.ask("runs", **table.cursor, wait_seconds=30)))
            seen.append((len(table.runs), table.complete))
    return seen


async def test_each_runicorn_is_complete_when_it_has_all_runs(
    connection: Connection, each_runicorn: tuple[str, Path], trainer: Trainer, tmp_path: Path
) -> None:
    version, prefix = each_runicorn
    root = tmp_path / "root"
    trainer.runs(prefix, root, count=2, steps=1)
    count = 2
    if version != "0.5.0":  # whose folders are others, and read at each list as 0.6 reads them
        like = next(path.parent for path in root.rglob("status.json"))
        many_runs(root, like, COUNT)
        count += COUNT
    viewer = await SshViewerClient.start(connection, environment(prefix), str(root), lease_seconds=60)
    seen = await follow(viewer)
    assert seen[-1] == (count, True)
    assert [said for _, said in seen[:-1]] == [False] * (len(seen) - 1)
    await viewer.stop(cleanup=True)


class Viewer:
    """An ASGI application with a list of runs that grows, as 0.7's while its thread fills the database."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ids: list[str] = []
        self.taking_up = True
        self.asked = 0

    async def __call__(self, _scope: Any, _receive: Any, send: Callable[..., Any]) -> None:
        self.asked += 1
        runs = [{"id": each, "status": "finished"} for each in self.ids]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(runs).encode()})


async def test_the_end_of_taking_up_is_a_change_that_whoever_waits_is_told(tmp_path: Path) -> None:
    viewer = Viewer(tmp_path)
    table = RunChangelog(viewer, lambda: str(tmp_path), lambda: viewer.taking_up)
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    viewer.ids = ["a"]
    first = await table.changes("", 0, 0, 0, gone)
    assert (first["complete"], len(first["runs"])) == (False, 1)
    waiting = asyncio.create_task(table.changes(first["epoch"], first["version"], 0, 60, gone))
    viewer.ids = ["a", "b"]
    viewer.taking_up = False
    async with asyncio.timeout(60):
        last = await waiting
    assert (last["complete"], [run["id"] for run in last["runs"]]) == (True, ["b"])
    viewer.taking_up = True  # a root that the viewer's page moved to, say; a list made now is not whole
    table.dirty = True
    again = await table.changes(last["epoch"], last["version"], 0, 0, gone)
    assert (again["complete"], again["runs"]) == (False, [])
    assert again["version"] > last["version"]
    viewer.taking_up = False
    async with asyncio.timeout(60):
        done = await table.changes(again["epoch"], again["version"], 0, 60, gone)
    assert (done["complete"], done["runs"]) == (True, [])
    table.close()
