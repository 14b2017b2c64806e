"""The life of a run watcher: each state, each way from one to another, and its end in each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import ConnectionLost, MemoryLimit, SshUnavailable
from runicorn_jupyter.remote.control import NotTheViewer, Unanswered
from runicorn_jupyter.remote.run_metrics import read_metrics
from runicorn_jupyter.service.run_watcher import (
    MAX_PAGES,
    MAX_RETRY_SECONDS,
    METRICS_SECONDS,
    PERIOD_SECONDS,
    WAIT_SECONDS,
)
from tests.unit.service.followed import World, followed
from tests.unit.service.run_table import Record


@pytest.fixture
async def world() -> World:
    return await followed()


# -- what is told


async def test_the_first_list_is_no_news_and_changes_are(world: World) -> None:
    world.table.put("old", status="failed", started=1, ended=2)
    world.table.put("on")
    world.begin()
    assert await world.after() is None
    assert (await world.listed(), world.events) == (["on", "old"], [])
    world.table.put("new")
    world.table.put("on", metrics={"loss": 1})
    await world.after(PERIOD_SECONDS)
    world.table.put("on", status="failed", ended=3)
    world.table.put("old", status="finished")
    world.table.put("long over", status="finished", started=1, ended=2)
    await world.after(PERIOD_SECONDS)
    world.table.put("new", nan={"loss": 4})
    await world.after(PERIOD_SECONDS)
    world.table.put("new", nan={"loss": 4}, step=9)
    world.table.remove("old")
    await world.after(PERIOD_SECONDS)
    assert world.events == [("new", "started"), ("on", "failed"), ("old", "finished"), ("new", "nan")]
    assert sorted(await world.listed()) == ["long over", "new", "on"]


async def test_what_is_taken_up_late_is_no_news_either(world: World) -> None:
    """Three hundred runs of yesterday have not started now: only the list of them has got longer."""
    world.table.complete = False
    world.table.put("first")
    world.begin()
    await world.after()
    world.table.put("late", nan={"loss": 3})
    world.table.put("first", status="failed")
    await world.after(PERIOD_SECONDS)
    world.table.put("last")
    world.table.finish()
    await world.after(PERIOD_SECONDS)
    world.table.put("late", nan={"loss": 3}, status="failed")
    world.table.put("new")
    await world.after(PERIOD_SECONDS)
    assert world.events == [("first", "failed"), ("late", "failed"), ("new", "started")]


async def test_it_says_until_when_it_was_right_and_whether_it_is_whole(world: World) -> None:
    world.table.complete = False
    world.table.put("a")
    watcher = world.begin()
    said = watcher.describe()
    assert (said.as_of, said.age_seconds, said.complete, said.total) == (None, None, False, 0)
    await world.after()
    said = watcher.describe()
    assert (said.total, said.complete, said.age_seconds) == (1, False, 0)
    version = world.index.version
    world.table.finish()
    await world.after(PERIOD_SECONDS)
    assert watcher.describe().complete
    assert world.index.version != version
    await world.after(7)
    assert watcher.describe().age_seconds == 7


async def test_it_asks_no_more_often_than_it_should_and_again_after_each_answer(world: World) -> None:
    world.begin()
    for number in range(20):
        world.table.put(f"r{number}")
        await world.after(PERIOD_SECONDS / 10)
    assert len(world.table.asked) <= 1 + 20 / 10 + 1
    await world.after(10 * WAIT_SECONDS)
    assert 10 <= len(world.table.asked) <= 15
    assert world.error is None


async def test_one_request_is_answered_by_many_changes_no_more_often_than_it_should(world: World) -> None:
    async def lines(body: Record) -> AsyncIterator[Record]:
        for number in range(20):
            world.table.put(f"r{number}")
            answer = await world.table({**body, "wait_seconds": 0})
            body = {**body, "epoch": answer["epoch"], "version": answer["version"]}
            yield answer
            await world.clock.sleep(PERIOD_SECONDS / 10)
        await world.clock.sleep(WAIT_SECONDS)

    asked: list[Record] = []

    def follow(body: Record) -> Any:
        asked.append(body)
        return lines(body)

    world.host.answers["runs"] = follow
    world.begin()
    await world.after(10.5 * PERIOD_SECONDS)
    assert len(await world.listed()) in (10, 11, 12)
    await world.after(20 * PERIOD_SECONDS)
    assert (len(await world.listed()), len(asked), world.error) == (20, 1, None)
    await world.watcher.close()


async def test_what_there_is_no_memory_for_is_told_and_logged_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.budget.limit = 5000
    for number in range(4):
        world.table.put(f"r{number}")
    world.begin()
    with caplog.at_level(logging.WARNING):
        assert await world.after() == "memory_limit"
        world.table.put("another")
        assert await world.after(PERIOD_SECONDS) == "memory_limit"
    assert len([record for record in caplog.records if "limit_mb" in record.getMessage()]) == 1
    assert len(await world.listed()) == 2


# -- what goes wrong


async def test_a_viewer_that_does_not_answer_in_time_is_told_and_comes_back(world: World) -> None:
    world.table.put("a")
    watcher = world.begin()
    await world.after()
    world.host.viewer.stop()
    look = watcher.refresh()
    assert look is not None
    assert watcher.refresh() is look
    await world.after()
    watcher.mark_slow()
    assert (watcher.refresh(), world.error) == (None, "viewer_not_responding")
    assert await world.listed() == ["a"]
    world.table.put("b")
    world.host.viewer.cont()
    assert await world.after(PERIOD_SECONDS) is None
    assert await world.listed() == ["b", "a"]
    assert watcher.refresh() is not None


async def test_a_long_request_without_an_answer_is_given_up(world: World) -> None:
    world.begin()
    await world.after()
    world.host.viewer.stop()
    assert await world.after(2 * WAIT_SECONDS + 1) == "viewer_not_responding"
    world.host.viewer.cont()
    assert await world.after(MAX_RETRY_SECONDS) is None


async def test_a_cut_is_told_and_what_is_newer_is_asked_for_when_it_is_over(world: World) -> None:
    world.table.put("a")
    watcher = world.begin()
    await world.after()
    world.host.connection.drop()
    assert (await world.after(), watcher.refresh()) == ("connection_lost", None)
    asked = len(world.table.asked)
    assert await world.after(1000) == "connection_lost"
    assert len(world.table.asked) == asked
    world.table.put("b")
    world.host.connection.restore()
    assert await world.after(5) is None
    assert await world.listed() == ["b", "a"]
    newer = {"epoch": "e1", "version": 1, "known": 1}
    assert world.table.asked[asked] == {**newer, "wait_seconds": WAIT_SECONDS, "follow": True}


async def test_a_connection_that_ends_for_good_ends_the_watch(world: World) -> None:
    world.table.put("a")
    watcher = world.begin()
    await world.after()
    world.host.connection.end()
    assert (await world.after(100), watcher.refresh()) == ("connection_lost", None)
    assert await world.listed() == ["a"]
    await watcher.close()


async def no_line() -> AsyncIterator[Record]:
    """Answer by nothing at all."""
    for line in ():
        yield line


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        ({}, "viewer_answer_invalid"),
        (None, "viewer_answer_invalid"),
        ({"epoch": "e1", "version": 1, "runs": {}, "removed": []}, "viewer_answer_invalid"),
        (NotTheViewer("a stranger"), "viewer_answer_invalid"),
        (SshUnavailable("No room."), "ssh_unavailable"),
        (ConnectionResetError(), "viewer_not_responding"),
        (Unanswered("closed before an answer"), "viewer_not_responding"),
        (ZeroDivisionError(), "internal_error"),
    ],
    ids=["empty", "no line", "form", "stranger", "remote", "reset", "ended", "unforeseen"],
)
async def test_an_answer_that_is_none_is_told_and_asked_for_ever_more_seldom(
    world: World, lie: Any, code: str
) -> None:
    def lying(_: Record) -> Any:
        if isinstance(lie, Exception):
            raise lie
        return no_line() if lie is None else lie

    world.table.put("a")
    watcher = world.begin()
    await world.after()
    world.table.lie = lying
    world.table.tell()
    assert await world.after(PERIOD_SECONDS) in (code, None)
    await world.after(600)
    assert world.error == code
    assert await world.listed() == ["a"]
    asked = len(world.table.asked)
    await world.after(600)
    assert len(world.table.asked) - asked <= 600 / MAX_RETRY_SECONDS + 1
    world.table.lie = None
    left = await world.after(MAX_RETRY_SECONDS)
    assert left == (code if code == "internal_error" else None)
    await watcher.close()


async def test_answers_without_an_end_are_left(world: World) -> None:
    def endless(body: Record) -> Record:
        number = body["version"] + 1
        return {"epoch": "e", "version": number, "reset": True, "runs": [], "removed": [], "more": True}

    world.table.lie = endless
    world.begin()
    while world.error is None:
        await world.after()
    assert world.error == "viewer_answer_invalid"
    assert len(world.table.asked) <= MAX_PAGES


async def test_a_viewer_that_is_gone_is_told(world: World) -> None:
    world.begin()
    await world.after()
    await world.supervisor.stop(cleanup=True)
    assert await world.after(1) == "viewer_not_running"


# -- looks


async def test_looks_go_over_one_stream_which_is_opened_anew_if_it_fails(world: World) -> None:
    watcher = world.begin()
    await world.after()

    async def look() -> int:
        begun = watcher.refresh()
        assert begun is not None
        await world.clock.advance(0)
        assert begun.done()
        return world.host.calls.count("open_control")

    opened = await look()
    assert await look() == opened

    def once(_: Record) -> Any:
        world.table.lie = None
        raise ConnectionResetError

    world.table.put("a")
    await world.after(PERIOD_SECONDS)
    world.table.lie = once
    assert await look() == opened + 1
    assert (world.error, await world.listed()) == (None, ["a"])


async def test_a_look_and_the_watch_that_find_the_same_tell_it_once(world: World) -> None:
    watcher = world.begin()
    await world.after()
    world.table.put("new")
    watcher.refresh()
    await world.after(PERIOD_SECONDS)
    assert world.events == [("new", "started")]


# -- metrics

ONE = m.CurveKey(connection_id="conn_00000001", run_id="r")
KEYS = [ONE, ONE.model_copy(update={"run_id": "s", "since_step": 2, "version": "e-2"})]
WANTED: Any = (KEYS, ["loss", "acc"], 7, "relative")
FOUND = {"steps": [1, 2], "times": [5, 6], "metrics": {"loss": [0.5, None]}, "total": 2, "version": "e-2"}


async def test_metrics_are_those_that_were_asked_for(world: World) -> None:
    found = {**FOUND, "metrics": {"loss": [0.5, None], "unasked": [1, 1]}}
    asked: list[Record] = []

    def metrics(body: Record) -> Record:
        asked.append(body)
        return {"runs": [found, {"missing": True}]}

    world.host.answers["metrics"] = metrics
    taken, missing = await world.begin().metrics(*WANTED)
    assert (taken is not None, missing) == (True, None)
    assert taken == read_metrics({"runs": [FOUND]}, [ONE])[0]
    runs = [{"id": "r"}, {"id": "s", "since": 2, "version": "e-2"}]
    assert asked == [{"runs": runs, "names": ["loss", "acc"], "points": 7, "relative": True}]


ODD = [{}, {"runs": [FOUND]}, NotTheViewer("no"), MemoryLimit("Full."), ConnectionLost("Down.")]
ERRORS = [*[SshUnavailable] * 3, MemoryLimit, ConnectionLost]


@pytest.mark.parametrize(("said", "error"), list(zip(ODD, ERRORS, strict=True)))
async def test_metrics_that_there_are_none_of(world: World, said: Any, error: type[Exception]) -> None:
    def metrics(_: Record) -> Any:
        if isinstance(said, Exception):
            raise said
        return said

    world.host.answers["metrics"] = metrics
    with pytest.raises(error):
        await world.begin().metrics(*WANTED)


async def test_metrics_of_a_viewer_that_hangs_are_given_up(world: World) -> None:
    world.host.viewer.stop()
    asking = asyncio.create_task(world.begin().metrics(*WANTED))
    await world.after(METRICS_SECONDS + 1)
    with pytest.raises(SshUnavailable):
        await asking


# -- the end, in the middle of everything


async def in_the_first_request(world: World) -> None:
    pause = world.host.pause("open_control")
    world.begin()
    await pause.reached.wait()


async def while_it_waits_for_a_change(world: World) -> None:
    world.begin()
    await world.after(PERIOD_SECONDS)


async def between_two_requests(world: World) -> None:
    world.begin()
    await world.after(PERIOD_SECONDS)
    world.table.put("new")
    await world.after()


async def before_it_tries_again(world: World) -> None:
    world.table.lie = lambda _: {}
    world.begin()
    await world.after()


async def in_a_cut(world: World) -> None:
    world.begin()
    await world.after()
    world.host.connection.drop()
    await world.after()


async def in_a_look(world: World) -> None:
    watcher = world.begin()
    await world.after()
    world.host.viewer.stop()
    watcher.refresh()
    await world.after()


async def while_a_long_answer_is_read(world: World) -> None:
    for number in range(50):
        world.table.put(f"long {number}")
    world.begin()
    while not world.table.asked:
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "state",
    [
        in_the_first_request,
        while_it_waits_for_a_change,
        between_two_requests,
        before_it_tries_again,
        in_a_cut,
        in_a_look,
        while_a_long_answer_is_read,
    ],
    ids=lambda state: state.__name__,
)
@pytest.mark.parametrize("cancelled", [False, True], ids=["closed", "closing is cancelled"])
async def test_nothing_is_left_after_the_end(
    world: World, state: Callable[[World], Any], cancelled: bool
) -> None:
    world.table.put("a")
    await state(world)
    closing = asyncio.create_task(world.watcher.close())
    if cancelled:
        await asyncio.sleep(0)
        closing.cancel()
    await asyncio.wait([closing])
    await world.clock.advance(0)
    asked = len(world.table.asked)
    world.table.put("b")
    await world.clock.advance(1000)
    assert (await world.listed(), world.budget.used) == ([], 0)
    assert len(world.table.asked) == asked
    assert not [task for task in asyncio.all_tasks() if "runs of" in task.get_name()]
