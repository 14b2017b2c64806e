"""The states of a viewer that is held, and each way from one to another, without a process or a wait."""

from __future__ import annotations

import asyncio

import pytest

from runicorn_jupyter.errors import ConnectionLost, RemoteError, SshUnavailable, ViewerStartFailed
from tests.unit.remote.held import LEASE, NOTICED, Held, begin

# -- starting


async def test_it_is_starting_and_then_runs(held: Held) -> None:
    steps: list[str] = []
    pause = held.host.pause("start")
    task = asyncio.ensure_future(held.hold.start(steps.append))
    await pause.reached.wait()
    assert held.now == ("starting", "unknown")
    assert held.hold.is_active
    assert held.hold.is_being_started
    pause.go()
    await task
    assert held.now == ("running", "healthy")
    assert not held.hold.is_being_started
    assert steps == ["starting", "attaching"]


async def test_a_viewer_that_runs_is_adopted(running: Held) -> None:
    other = Held(running.clock, running.host)
    steps: list[str] = []
    await other.hold.start(steps.append)
    assert steps == ["adopting"]
    assert len(running.host.processes) == 1
    assert other.now == ("running", "healthy")
    assert await running.hold.stop(cleanup=True) is False
    assert await other.hold.stop(cleanup=True) is True
    assert running.host.running == []


async def test_who_was_abandoned_keeps_no_viewer_from_ending(running: Held) -> None:
    """It is referred to still: what counts is that it was abandoned, not that nobody knows it any more."""
    other = Held(running.clock, running.host)
    await other.hold.start()
    await other.hold.abandon()
    assert await running.hold.stop(cleanup=True) is True
    assert other.now == ("stopped", "None")


async def test_a_start_that_fails_can_be_tried_again(held: Held) -> None:
    held.host.failures["boot"] = ViewerStartFailed("It ended.", log=["last words"])
    with pytest.raises(ViewerStartFailed):
        await held.hold.start()
    assert held.now == ("starting", "unknown")
    again = Held(held.clock, held.host)
    await again.hold.start()
    assert again.now == ("running", "healthy")


async def test_a_start_that_its_caller_cancels_holds_nothing(held: Held) -> None:
    task = await begin(held, held.hold.start(), "start")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await held.after(60) == ("starting", "unknown")
    assert held.host.calls == ["boot torch", "start"]


@pytest.mark.parametrize("way", ["stop", "release", "abandon"])
async def test_what_is_starting_can_be_given_up(held: Held, way: str) -> None:
    task = await begin(held, held.hold.start(), "start")
    leave = {"stop": lambda: held.hold.stop(cleanup=True)}.get(way) or getattr(held.hold, way)
    await leave()
    with pytest.raises(ViewerStartFailed, match="stopped before"):
        await task
    assert await held.after(60) == ("stopped", "None")
    with pytest.raises(ViewerStartFailed, match="stopped before"):
        await held.hold.start()


async def test_a_cut_in_the_middle_of_a_start_ends_it(held: Held) -> None:
    pause = held.host.pause("start")
    task = asyncio.ensure_future(held.hold.start())
    await pause.reached.wait()
    held.host.connection.drop()
    pause.go()
    with pytest.raises(ConnectionLost):
        await task


# -- running, and answering


async def test_a_viewer_that_answers_is_renewed_and_says_nothing(running: Held) -> None:
    assert await running.after(3600) == ("running", "healthy")
    assert running.said == []
    assert running.host.viewer.renewed >= 3600 / LEASE * 6
    assert running.host.calls.count("open_lifeline") == 1


async def test_a_viewer_that_stops_is_unresponsive_in_time_and_well_at_once(running: Held) -> None:
    await running.clock.advance(100)
    running.host.viewer.stop()
    assert await running.after(NOTICED) == ("running", "unresponsive")
    assert running.said == [("running", "unresponsive")]
    assert await running.after(3600) == ("running", "unresponsive")
    running.host.viewer.cont()
    assert await running.after(0) == ("running", "healthy")
    assert running.said == [("running", "unresponsive"), ("running", "healthy")]


async def test_what_does_not_answer_is_asked_less_and_less_often(running: Held) -> None:
    running.host.viewer.stop()
    await running.clock.advance(24 * 3600)
    assert running.host.calls.count("open_lifeline") < 300


async def test_somebody_who_gets_no_answer_has_it_looked_at_now(running: Held) -> None:
    running.host.viewer.stop()
    running.hold.question()
    assert await running.after(5) == ("running", "unresponsive")


async def test_a_question_about_a_viewer_that_is_well_changes_nothing(running: Held) -> None:
    renewed = running.host.viewer.renewed
    running.hold.question()
    assert await running.after(0) == ("running", "healthy")
    assert running.host.viewer.renewed == renewed + 1
    assert running.said == []


async def test_a_short_stop_is_not_told(running: Held) -> None:
    running.host.viewer.stop()
    await running.clock.advance(9)
    running.host.viewer.cont()
    assert await running.after(60) == ("running", "healthy")
    assert running.said == []


async def test_a_line_that_is_silent_is_not_taken_for_the_viewer(running: Held) -> None:
    running.host.connection.stall()
    assert await running.after(NOTICED) == ("running", "unknown")
    running.host.connection.stall(stalled=False)
    assert await running.after(0) == ("running", "healthy")


async def test_a_viewer_that_stops_behind_a_silent_line_is_told_when_the_line_speaks(running: Held) -> None:
    running.host.viewer.stop()
    running.host.connection.stall()
    assert await running.after(NOTICED) == ("running", "unknown")
    running.host.connection.stall(stalled=False)
    assert await running.after(7) == ("running", "unresponsive")


async def test_a_check_that_gets_no_answer_tells_it(running: Held) -> None:
    running.host.viewer.stop()
    checking = asyncio.ensure_future(running.hold.check())
    await running.clock.advance(10)
    assert await checking == "hung"
    assert running.now == ("running", "unresponsive")
    running.host.viewer.cont()
    assert await running.hold.check() == "running"
    assert running.now == ("running", "healthy")


async def test_a_viewer_that_does_not_answer_and_ends_has_crashed(running: Held) -> None:
    running.host.viewer.stop()
    await running.clock.advance(100)
    running.host.viewer.kill()
    assert await running.after(0) == ("crashed", "unresponsive")


# -- crashing


async def test_a_viewer_that_ends_has_crashed_and_is_not_started_again(running: Held) -> None:
    running.host.viewer.kill()
    assert await running.after(0) == ("crashed", "unresponsive")
    assert running.said == [("crashed", "unresponsive")]
    assert not running.hold.is_active
    await running.clock.advance(3600)
    assert len(running.host.processes) == 1
    with pytest.raises(ConnectionRefusedError):
        await running.hold.open_stream()


async def test_a_check_finds_a_crash(running: Held) -> None:
    running.host.viewer.alive = False  # its stream has not ended yet
    assert await running.hold.check() == "crashed"
    assert running.now == ("crashed", "unresponsive")


async def test_a_viewer_whose_lease_ran_out_while_this_side_slept_is_started_again(running: Held) -> None:
    await running.clock.advance(100)
    running.clock.slept = LEASE
    running.host.viewer.kill()
    assert await running.after(0) == ("running", "healthy")
    assert running.said == [("reconnecting", "unknown"), ("running", "healthy")]
    assert running.hold.remote.pid == running.host.viewer.pid
    assert len(running.host.processes) == 2


async def test_a_lease_runs_from_when_its_renewal_was_sent(running: Held) -> None:
    """Under load an answer may come long after the viewer's own clock began to run."""
    await running.clock.advance(100)
    running.host.viewer.stop()
    running.hold.question()
    await running.clock.advance(3)
    running.host.viewer.cont()
    await running.clock.advance(0)
    running.clock.slept = LEASE - 2
    running.host.viewer.kill()
    assert await running.after(0) == ("running", "healthy")
    assert len(running.host.processes) == 2


# -- cuts


async def test_after_a_cut_the_same_viewer_is_found_again(running: Held) -> None:
    running.host.connection.drop()
    assert running.now == ("running", "unknown")  # at once, whoever has noticed
    assert await running.after(0) == ("reconnecting", "unknown")
    with pytest.raises(ConnectionLost):
        await running.hold.open_stream()
    running.host.connection.restore()
    assert await running.after(0) == ("running", "healthy")
    assert running.said == [("reconnecting", "unknown"), ("running", "healthy")]
    assert len(running.host.processes) == 1


async def test_nobody_gets_a_stream_before_the_viewer_has_proven_itself(running: Held) -> None:
    pause = running.host.pause("reattach")
    running.host.connection.drop()
    running.host.connection.restore()
    waiting = asyncio.ensure_future(running.hold.wait_reachable(60))
    await pause.reached.wait()
    with pytest.raises(ConnectionLost):
        await running.hold.open_stream()
    assert not waiting.done()
    pause.go()
    await waiting


async def test_who_waits_for_a_viewer_learns_that_it_takes_too_long(running: Held) -> None:
    running.host.connection.drop()
    waiting = asyncio.ensure_future(running.hold.wait_reachable(30))
    await running.clock.advance(30)
    with pytest.raises(ConnectionLost):
        await waiting


async def test_a_viewer_that_stops_during_a_cut_is_unresponsive_after_it(running: Held) -> None:
    running.host.connection.drop()
    running.host.viewer.stop()
    running.host.connection.restore()
    assert await running.after(NOTICED) == ("running", "unresponsive")
    running.host.viewer.cont()
    assert await running.after(0) == ("running", "healthy")


async def test_a_viewer_that_is_gone_after_a_cut_is_started_again_once(running: Held) -> None:
    for _ in range(2):
        running.host.connection.drop()
        running.host.viewer.kill()
        running.host.connection.restore()
        await running.clock.advance(60)
    assert running.now == ("crashed", "unresponsive")
    assert len(running.host.processes) == 2
    assert running.said == [
        ("reconnecting", "unknown"),
        ("running", "healthy"),
        ("reconnecting", "unknown"),
        ("crashed", "unresponsive"),
    ]


async def test_a_viewer_that_was_started_again_and_has_lived_is_started_again(running: Held) -> None:
    for _ in range(3):
        running.host.connection.drop()
        running.host.viewer.kill()
        running.host.connection.restore()
        assert await running.after(LEASE) == ("running", "healthy")
    assert len(running.host.processes) == 4


@pytest.mark.parametrize(
    ("problem", "then"),
    [(ViewerStartFailed("no"), "crashed"), (SshUnavailable("no room now"), "running")],
    ids=["for good", "for the moment"],
)
async def test_a_viewer_that_does_not_come_back(running: Held, problem: RemoteError, then: str) -> None:
    running.host.failures["boot"] = problem
    running.host.connection.drop()
    running.host.viewer.kill()
    running.host.connection.restore()
    assert (await running.after(60))[0] == then


async def test_a_second_cut_in_the_middle_of_coming_back_is_followed(running: Held) -> None:
    pause = running.host.pause("reattach")
    running.host.connection.drop()
    running.host.connection.restore()
    await pause.reached.wait()
    running.host.connection.drop()
    pause.go()
    assert await running.after(0) == ("reconnecting", "unknown")
    running.host.connection.restore()
    assert await running.after(0) == ("running", "healthy")
    assert running.hold.connection.reconnects == 2


async def test_a_cut_in_the_middle_of_a_restart_is_followed(running: Held) -> None:
    pause = running.host.pause("start")
    running.host.connection.drop()
    running.host.viewer.kill()
    running.host.connection.restore()
    await pause.reached.wait()
    running.host.connection.drop()
    pause.go()
    assert await running.after(0) == ("reconnecting", "unknown")
    running.host.connection.restore()
    assert await running.after(0) == ("running", "healthy")


async def test_a_connection_that_ends_for_good_ends_the_hold(running: Held) -> None:
    running.host.connection.drop()
    running.host.connection.end()
    assert await running.after(0) == ("stopped", "None")
    (process,) = running.host.processes
    assert process.abandoned == process.holders  # the next of this process that leaves drops it
    assert running.host.viewer.alive  # until its lease is over
    with pytest.raises(ConnectionLost):
        await running.hold.wait_reachable(1)


# -- leaving


async def test_a_stop_ends_the_viewer_and_the_watch(running: Held) -> None:
    assert await running.hold.stop(cleanup=True) is True
    assert running.now == ("stopped", "None")
    assert running.host.running == []
    calls = list(running.host.calls)
    await running.clock.advance(3600)
    assert running.host.calls == calls


async def test_a_stop_that_cannot_be_told_is_stopped_all_the_same(running: Held) -> None:
    running.host.failures["stop"] = ConnectionLost("gone")
    with pytest.raises(ConnectionLost):
        await running.hold.stop(cleanup=True)
    assert running.now == ("stopped", "None")


async def test_a_release_leaves_the_viewer_to_its_lease(running: Held) -> None:
    await running.hold.release()
    assert running.now == ("stopped", "None")
    assert running.host.viewer.alive
    assert running.host.viewer.holders == set()


async def test_a_stop_in_the_middle_of_coming_back_is_a_stop(running: Held) -> None:
    pause = running.host.pause("reattach")
    running.host.connection.drop()
    running.host.connection.restore()
    await pause.reached.wait()
    assert await running.hold.stop(cleanup=True) is True
    assert await running.after(60) == ("stopped", "None")
    assert running.host.running == []
