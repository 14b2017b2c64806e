"""A connection and the viewer it holds, from its start to its end, and broken off in the middle of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import (
    ConnectionLost,
    EnvironmentNotFound,
    ViewerAlreadyRunning,
    ViewerNotRunning,
    ViewerStartFailed,
)
from runicorn_jupyter.proxy.capabilities import Capabilities
from runicorn_jupyter.remote.fake import FakeClock, FakeHost
from runicorn_jupyter.remote.host_client import StartParameters
from runicorn_jupyter.remote.memory_budget import MemoryBudget
from runicorn_jupyter.service.caller import Caller
from runicorn_jupyter.service.prewarm import ViewerPrewarmer
from runicorn_jupyter.service.profile_store import Profiles
from runicorn_jupyter.service.run_index import RunIndex
from runicorn_jupyter.service.session import Session
from runicorn_jupyter.service.settings import ServiceSettings

CALLER = Caller("ada", "http://jupyter:8888")
NOTICED = 15.0


async def _nothing_new(_: dict[str, Any]) -> dict[str, Any]:
    """Answer as a viewer whose runs do not change: not at all."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("unreachable")


class World:
    """A session with a fake remote, and the events that it sent."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.host = FakeHost(self.clock)
        self.host.environments = [self.host.environment(), self.host.environment("jax")]
        self.host.answers["runs"] = _nothing_new
        self.capabilities = Capabilities()
        self.events: list[dict[str, Any]] = []
        self.session = Session(
            self.host.connection,
            "gpu1",
            ServiceSettings(),
            capabilities=self.capabilities,
            emit=self._emit,
            index=RunIndex(lambda: None),
            remote=self.host,
            prewarmer=ViewerPrewarmer(Profiles(folder / "profiles.json"), 60),
            memory=MemoryBudget(2**20, "a setting", "a test"),
            clock=self.clock,
        )

    def _emit(self, type: str, **fields: str | None) -> None:  # noqa: A002 - the schema's own word
        self.events.append({"type": type, **fields})

    async def start(self, env_name: str = "torch", **fields: Any) -> m.Viewer:
        request = m.ViewerStartRequest(connection_id="c", env_name=env_name, **fields)
        return await self.session.start_viewer(CALLER, request)

    async def begin(self, step: str, **fields: Any) -> asyncio.Task[m.Viewer]:
        """Begin a start, and return when its step waits."""
        pause = self.host.pause(step)
        task = asyncio.ensure_future(self.start(**fields))
        await pause.reached.wait()
        return task

    @property
    def viewer(self) -> m.Viewer:
        return self.session.describe_viewer(CALLER)

    @property
    def now(self) -> tuple[str, str | None]:
        return self.viewer.status, self.viewer.health

    def lives(self, viewer: m.Viewer) -> bool:
        """Whether a viewer's URL leads somewhere."""
        assert viewer.url is not None
        return self.capabilities.get(viewer.url.split("/")[-2]) is not None

    def said(self) -> list[tuple[str, str | None]]:
        """What was said of the viewer, without repetitions; and forget it."""
        events = [(each["status"], each["health"]) for each in self.events if each["type"] == "viewer"]
        self.events.clear()
        return [each for index, each in enumerate(events) if index == 0 or events[index - 1] != each]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A session without a viewer."""
    made = World(tmp_path)
    yield made
    await made.session.close(cleanup_viewer=True)
    await made.capabilities.close()


async def test_without_a_viewer_it_is_stopped_and_says_so(world: World) -> None:
    assert world.now == ("stopped", None)
    assert world.session.describe(CALLER).viewer is None
    for act in (world.session.logs(10), world.session.stop_viewer(cleanup=True)):
        with pytest.raises(ViewerNotRunning):
            await act


async def test_a_start_gives_a_url_tells_each_step_and_has_it_opened(world: World) -> None:
    viewer = await world.start()
    assert (viewer.status, viewer.health) == ("running", "healthy")
    assert world.lives(viewer)
    assert [each["step"] for each in world.events if each["type"] == "progress"] == ["starting", "attaching"]
    assert [each["env_name"] for each in world.events if each["type"] == "open_viewer"] == ["torch"]
    assert world.said() == [("running", "healthy")]
    assert await world.session.logs(1) == (["viewer 100 has started"], 1)


async def test_of_two_starts_the_second_is_refused_until_the_first_is_stopped(world: World) -> None:
    task = await world.begin("start")
    assert world.now == ("starting", "unknown")
    assert world.viewer.url is None
    for replace in (False, True):
        with pytest.raises(ViewerAlreadyRunning) as refused:
            await world.start("jax", replace=replace)
        assert refused.value.details["viewer"]["status"] == "starting"
    with pytest.raises(ViewerNotRunning):
        await world.session.logs(10)
    assert await world.session.stop_viewer(cleanup=True) is True
    with pytest.raises(ViewerStartFailed, match="stopped before"):
        await task
    assert world.now == ("stopped", None)
    assert (await world.start("jax")).env_name == "jax"


async def test_an_unknown_environment_changes_nothing(world: World) -> None:
    viewer = await world.start()
    with pytest.raises(EnvironmentNotFound):
        await world.start("no such", replace=True)
    assert world.lives(viewer)
    assert world.now == ("running", "healthy")


async def test_a_failed_start_has_its_log_until_one_succeeds(world: World) -> None:
    world.host.failures["boot"] = ViewerStartFailed("It ended.", log=["one", "two", "three"])
    with pytest.raises(ViewerStartFailed):
        await world.start()
    assert world.now == ("stopped", None)
    assert await world.session.logs(2) == (["two", "three"], 3)
    await world.start()
    assert await world.session.logs(2) == (["viewer 100 has started"], 1)


async def test_what_answers_nothing_is_told_by_an_event_and_well_again_by_another(world: World) -> None:
    await world.start()
    world.said()
    world.host.viewer.stop()
    await world.clock.advance(NOTICED)
    assert world.now == ("running", "unresponsive")
    assert world.said() == [("running", "unresponsive")]
    world.host.viewer.cont()
    await world.clock.advance(0)
    assert world.said() == [("running", "healthy")]


async def test_while_the_connection_is_down_health_is_unknown_and_nothing_is_started(world: World) -> None:
    viewer = await world.start()
    world.host.connection.drop()
    assert world.now == ("running", "unknown")
    for act in (world.start(replace=True), world.session.logs(1), world.session.stop_viewer(cleanup=True)):
        with pytest.raises(ConnectionLost):
            await act
    assert (await world.session.health()).health == "unhealthy"
    world.host.connection.restore()
    await world.clock.advance(0)
    assert world.now == ("running", "healthy")
    assert world.lives(viewer)


@pytest.mark.parametrize("fault", ["none", "stop", "kill"])
async def test_a_replacement_has_the_same_url(world: World, fault: str) -> None:
    viewer = await world.start()
    old = world.host.viewer
    if fault != "none":
        getattr(old, fault)()
        await world.clock.advance(NOTICED)
    again = await world.start("jax", remote_root="/else", replace=True)
    assert (again.url, again.env_name, again.remote_root) == (viewer.url, "jax", "/else")
    assert (again.status, again.health) == ("running", "healthy")
    assert world.lives(viewer)
    assert not old.alive
    assert world.session.runs is not None
    assert world.session.runs.describe().env_name == "jax"


async def test_after_a_crash_a_start_has_a_new_url_and_clears_up(world: World) -> None:
    viewer = await world.start()
    world.host.viewer.kill()
    await world.clock.advance(0)
    assert world.now == ("crashed", "unresponsive")
    assert await world.session.logs(1) == (["viewer 100 has started"], 1)
    again = await world.start()
    assert again.url != viewer.url
    assert not world.lives(viewer)
    assert "stop" in world.host.calls  # of what the crash left


async def test_with_none_held_replace_is_a_start(world: World) -> None:
    assert (await world.start(replace=True)).status == "running"


async def test_a_replacement_that_fails_has_crashed_with_its_log_and_keeps_the_url(world: World) -> None:
    viewer = await world.start()
    world.host.failures["boot"] = ViewerStartFailed("It ended.", log=["last words"])
    with pytest.raises(ViewerStartFailed):
        await world.start(replace=True)
    assert world.now == ("crashed", "unresponsive")
    assert await world.session.logs(5) == (["last words"], 1)
    assert (await world.start(replace=True)).url == viewer.url


@pytest.mark.parametrize("step", ["kill", "start"])
async def test_while_it_is_replaced_it_is_reconnecting_and_no_other_may_start(
    world: World, step: str
) -> None:
    viewer = await world.start()
    task = await world.begin(step, replace=True)
    assert world.now == ("reconnecting", "unknown")
    assert world.viewer.url == viewer.url
    with pytest.raises(ViewerAlreadyRunning):
        await world.start(replace=True)
    assert await world.session.stop_viewer(cleanup=True) is True
    with pytest.raises(ViewerStartFailed, match="stopped before"):
        await task
    assert world.now == ("stopped", None)
    assert not world.lives(viewer)


@pytest.mark.parametrize("cleanup", [True, False])
@pytest.mark.parametrize("step", ["start", "kill"])
async def test_a_connection_that_is_closed_in_the_middle_of_a_start_leaves_nothing_behind(
    world: World, step: str, cleanup: bool
) -> None:
    if step == "kill":
        await world.start()
    task = await world.begin(step, replace=step == "kill")
    await world.session.close(cleanup_viewer=cleanup)
    with pytest.raises((ViewerStartFailed, ConnectionLost)):
        await task
    assert world.session.runs is None
    assert world.viewer.url is None
    calls = list(world.host.calls)
    await world.clock.advance(3600)
    assert world.host.calls == calls


async def test_a_start_whose_caller_is_gone_leaves_the_session_as_it_was(world: World) -> None:
    task = await world.begin("start")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.now == ("stopped", None)
    assert (await world.start()).status == "running"


async def test_a_stop_says_whether_the_process_ended_or_stays_for_others(
    world: World, tmp_path: Path
) -> None:
    await world.start()
    process = world.host.viewer
    other = await world.host.start_viewer(StartParameters(process.environment, process.root, 60))
    assert await world.session.stop_viewer(cleanup=True) is False
    assert process.alive
    assert await other.stop(True)
    await world.start()
    assert await world.session.stop_viewer(cleanup=False) is True
    assert world.now == ("stopped", None)
    assert await world.session.logs(1) == (["viewer 101 has started"], 1)


@pytest.mark.parametrize("cleanup", [True, False])
async def test_an_end_stops_the_viewer_or_leaves_it_to_its_lease(world: World, cleanup: bool) -> None:
    viewer = await world.start()
    assert await world.session.close(cleanup_viewer=cleanup) is True
    assert world.host.viewer.alive is not cleanup
    assert not world.lives(viewer)
    assert world.events[-1]["type"] == "closed"


async def test_an_end_that_cannot_be_told_says_so(world: World) -> None:
    await world.start()
    world.host.connection.drop()
    assert await world.session.close(cleanup_viewer=True) is False
    assert world.host.viewer.alive
