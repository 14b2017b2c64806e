"""What the other side is told of runs: all of it once, then only what changed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runicorn_jupyter.payload.runs import changelog as module
from runicorn_jupyter.payload.runs.changelog import RunChangelog

MAX_STEP_BYTES = 600


class Viewer:
    """Runs in a folder, and the part of a viewer's API that lists them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = RunChangelog(self, lambda: str(root), lambda: False)
        self.epoch, self.version, self.known = "", 0, 0
        self.on_list: Callable[[], None] = lambda: None
        """Called when it has looked which runs there are, before it says so; on the thread that asks."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer ``GET /api/runs``."""
        folders = sorted(path for path in self.root.iterdir() if path.is_dir())
        body = [{"id": path.name, "run_dir": str(path), "status": "running"} for path in folders]
        self.on_list()
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    def begin(self, name: str, **params: Any) -> None:
        """Let a run begin."""
        folder = self.root / name
        folder.mkdir()
        (folder / "status.json").write_text('{"status": "running", "started_at": 1}')
        self.give(name, **params)
        self.step(name, 1)

    def give(self, name: str, **params: Any) -> None:
        """Let a run say what it was given."""
        (self.root / name / "assets.json").write_text(json.dumps({"config": {"args": params}}))

    def step(self, name: str, step: int) -> None:
        """Let a run log one more step."""
        line = {"type": "metrics", "data": {"global_step": step, "loss": step / 7, "accuracy": 1 - step / 7}}
        with (self.root / name / "events.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    async def page(self, *, dirty: bool = True) -> dict[str, Any]:
        """Ask for one answer of what is new."""
        self.log.dirty |= dirty  # as after a request that changes something: no time is to pass first
        gone: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        answer = await self.log.changes(self.epoch, self.version, self.known, 0, gone)
        self.epoch, self.version = answer["epoch"], answer["version"]
        if not answer["more"]:
            self.known = self.version
        return answer

    async def new(self) -> dict[str, dict[str, Any]]:
        """Ask for all that is new."""
        found: dict[str, dict[str, Any]] = {}
        while True:
            answer = await self.page()
            found.update((run["id"], run) for run in answer["runs"])
            if not answer["more"]:
                return found


@pytest.fixture
def viewer(tmp_path: Path) -> Viewer:
    return Viewer(tmp_path)


async def test_what_a_run_was_given_is_said_once_and_when_it_changes(viewer: Viewer) -> None:
    viewer.begin("a", lr=0.5)
    viewer.begin("b")
    first = await viewer.new()
    assert [first[name]["details"] for name in "ab"] == [{"params": {"lr": 0.5}}, {}]
    viewer.step("a", 2)
    viewer.give("b", lr=1)
    later = await viewer.new()
    assert ("details" in later["a"], later["a"]["step"]) == (False, 2)
    assert later["b"]["details"] == {"params": {"lr": 1}}
    assert await viewer.new() == {}
    (viewer.root / "b" / "assets.json").unlink()
    assert (await viewer.new())["b"]["details"] == {}


async def test_one_more_step_takes_as_many_bytes_whatever_a_run_was_given(viewer: Viewer) -> None:
    viewer.begin("20261124_175421_ab12cd", **{f"param_{number}": number / 3 for number in range(256)})
    viewer.begin("20261124_175422_ab12cd")
    await viewer.new()
    sizes = []
    for name in ("20261124_175421_ab12cd", "20261124_175422_ab12cd"):
        viewer.step(name, 2)
        sizes.append(len(json.dumps(await viewer.page())))
    assert sizes[0] == sizes[1] <= MAX_STEP_BYTES


async def test_who_follows_is_told_each_change_and_not_more(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 1)  # a page a run
    monkeypatch.setattr(module, "TICK_SECONDS", 0.001)
    monkeypatch.setattr(module, "REST_SECONDS", 0.001)
    for name in "ab":
        viewer.begin(name, called=name)
    gone: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    following = viewer.log.follow("", 0, 0, 60, gone)
    for name, more in (("a", True), ("b", False)):
        answer = await anext(following)
        assert ([run["id"] for run in answer["runs"]], answer["more"]) == ([name], more)
    for step in (2, 3):
        viewer.step("a", step)
        answer = await anext(following)
        assert [(run["id"], run["step"], "details" in run) for run in answer["runs"]] == [("a", step, False)]
    gone.set_result(None)
    assert [last["runs"] async for last in following] in ([], [[]])
    over = [
        answer["runs"] async for answer in viewer.log.follow(answer["epoch"], answer["version"], 0, 0, gone)
    ]
    assert over == [[]]


async def test_a_run_that_changes_between_two_pages_is_whole(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 1)
    for name in "abcd":
        viewer.begin(name, called=name)
    seen = {run["id"]: run for run in (await viewer.page())["runs"]}
    assert len(seen) == 1
    while len(seen) < 4:
        for name in "abcd":
            if name not in seen:
                viewer.step(name, 2)  # it moves behind all others, beyond the version that is told next
        answer = await viewer.page()
        assert answer["runs"]
        seen.update((run["id"], run) for run in answer["runs"])
    assert {name: run["details"]["params"] for name, run in seen.items()} == {
        name: {"called": name} for name in "abcd"
    }


async def test_of_another_epoch_all_is_said(viewer: Viewer) -> None:
    viewer.begin("a", lr=1)
    await viewer.new()
    viewer.epoch = "another"
    answer = await viewer.page()
    assert (answer["reset"], answer["runs"][0]["details"]) == (True, {"params": {"lr": 1}})


async def test_who_does_not_say_what_is_known_gets_all_of_what_changed(viewer: Viewer) -> None:
    viewer.begin("a", lr=1)
    await viewer.new()
    viewer.step("a", 2)
    viewer.known = 0
    assert (await viewer.new())["a"]["details"] == {"params": {"lr": 1}}


async def test_who_asks_while_another_looks_is_told_what_that_look_missed(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FRESH_SECONDS", 0)
    loop, listed, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def hold() -> None:
        loop.call_soon_threadsafe(listed.set)
        assert go_on.wait(60)

    viewer.on_list = hold
    first = asyncio.ensure_future(viewer.page())
    await listed.wait()
    viewer.begin("late")
    second = asyncio.ensure_future(viewer.page(dirty=False))
    await asyncio.sleep(0)  # it waits for the look that is under way
    go_on.set()
    assert (await first)["runs"] == []
    assert [run["id"] for run in (await second)["runs"]] == ["late"]


async def test_a_look_is_as_old_as_its_beginning(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))

    def take_long() -> None:
        viewer.on_list = lambda: None
        clock.now += 1
        viewer.begin("late")

    viewer.on_list = take_long
    assert await viewer.new() == {}
    assert [run["id"] for run in (await viewer.page(dirty=False))["runs"]] == ["late"]


async def test_a_look_that_takes_no_time_is_not_kept(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    assert await viewer.new() == {}
    viewer.begin("late")
    assert [run["id"] for run in (await viewer.page(dirty=False))["runs"]] == ["late"]
