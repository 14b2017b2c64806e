"""A viewer that is replaced under its URL: from each state, and broken off in the middle."""

from __future__ import annotations

import asyncio

import pytest

from runicorn_jupyter.errors import ConnectionLost, ViewerStartFailed
from tests.unit.remote.held import NOTICED, Held, begin


@pytest.mark.parametrize("before", ["running", "unresponsive", "reconnecting", "crashed"])
async def test_a_viewer_is_replaced_whatever_it_was(running: Held, before: str) -> None:
    old = running.host.viewer
    if before == "unresponsive":
        old.stop()
        await running.clock.advance(NOTICED)
    elif before == "reconnecting":
        running.host.pause("reattach")
        running.host.connection.drop()
        running.host.connection.restore()
        await running.clock.advance(0)
    elif before == "crashed":
        old.kill()
        await running.clock.advance(0)
    running.said.clear()
    steps: list[str] = []
    await running.hold.replace(running.host.environment("other"), "/else", steps.append)
    assert running.now == ("running", "healthy")
    assert set(running.said) == {("reconnecting", "unknown"), ("running", "healthy")} - (
        {("reconnecting", "unknown")} if before == "reconnecting" else set()
    )
    assert steps == ["starting", "attaching"]
    assert not old.alive
    assert [process.pid for process in running.host.running] == [running.hold.remote.pid]
    assert running.hold.environment.name == "other"
    assert running.hold.remote.remote_root == "/else"
    assert await running.after(3600) == ("running", "healthy")


async def test_others_who_hold_what_is_replaced_see_it_crash_and_adopt_the_new_one(running: Held) -> None:
    other = Held(running.clock, running.host)
    await other.hold.start()
    await running.hold.replace(running.host.environment(), "/data")
    assert await other.after(0) == ("crashed", "unresponsive")
    await other.hold.replace(running.host.environment(), "/data")
    assert other.hold.remote.pid == running.hold.remote.pid
    assert await running.after(60) == ("running", "healthy")
    await other.hold.abandon()


async def test_while_it_is_replaced_pages_wait_for_the_new_one(running: Held) -> None:
    task = await begin(running, running.hold.replace(running.host.environment(), None), "start")
    assert running.now == ("reconnecting", "unknown")
    assert running.hold.describe("http://url/", 8888).url == "http://url/"
    assert running.hold.is_being_started
    waiting = asyncio.ensure_future(running.hold.wait_reachable(60))
    with pytest.raises(ConnectionLost):
        await running.hold.open_stream()
    assert not waiting.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await waiting


async def test_what_cannot_be_ended_is_as_it_was(running: Held) -> None:
    running.host.failures["kill"] = ViewerStartFailed("still there")
    with pytest.raises(ViewerStartFailed):
        await running.hold.replace(running.host.environment(), None)
    assert await running.after(0) == ("running", "healthy")
    assert running.host.viewer.alive
    running.host.viewer.stop()
    assert await running.after(NOTICED) == ("running", "unresponsive")


async def test_a_replacement_that_does_not_start_has_crashed(running: Held) -> None:
    running.host.failures["boot"] = ViewerStartFailed("It ended.")
    with pytest.raises(ViewerStartFailed):
        await running.hold.replace(running.host.environment(), None)
    assert running.now == ("crashed", "unresponsive")
    assert running.host.running == []
    await running.hold.replace(running.host.environment(), None)
    assert running.now == ("running", "healthy")


@pytest.mark.parametrize(
    ("step", "then"), [("kill", ("running", "healthy")), ("start", ("crashed", "unresponsive"))]
)
async def test_a_replacement_cancelled_in_the_middle_tells_what_is(
    running: Held, step: str, then: tuple[str, str]
) -> None:
    task = await begin(running, running.hold.replace(running.host.environment(), None), step)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await running.after(0) == then


@pytest.mark.parametrize("step", ["kill", "start"])
async def test_a_stop_in_the_middle_of_a_replacement_is_a_stop(running: Held, step: str) -> None:
    task = await begin(running, running.hold.replace(running.host.environment(), None), step)
    assert await running.hold.stop(cleanup=True) is True
    with pytest.raises(ViewerStartFailed, match="stopped before"):
        await task
    assert await running.after(60) == ("stopped", "None")


async def test_a_cut_in_the_middle_of_ending_the_old_one_leaves_it_to_what_is_found(running: Held) -> None:
    pause = running.host.pause("kill")
    task = asyncio.ensure_future(running.hold.replace(running.host.environment(), None))
    await pause.reached.wait()
    running.host.connection.drop()
    pause.go()
    with pytest.raises(ConnectionLost):
        await task
    assert (await running.after(0))[1] == "unknown"
    running.host.connection.restore()
    assert await running.after(0) == ("running", "healthy")
