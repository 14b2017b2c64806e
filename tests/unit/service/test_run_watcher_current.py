"""When a viewer need not be asked for its runs, as it tells of each change."""

from __future__ import annotations

import asyncio

import pytest

from runicorn_jupyter.service.run_watcher import LATE_SECONDS, MAX_RETRY_SECONDS, PERIOD_SECONDS, WAIT_SECONDS
from tests.unit.service.followed import World, followed


@pytest.fixture
async def world() -> World:
    return await followed()


async def test_it_is_current_while_it_tells_all_and_nobody_doubts_it(world: World) -> None:
    world.table.complete = False
    watcher = world.begin()
    assert not watcher.is_current  # nothing is known
    await world.after(PERIOD_SECONDS)
    assert not watcher.is_current  # not all is known
    world.table.finish()
    await world.after(WAIT_SECONDS - 1)
    assert watcher.is_current
    await world.after(2)  # between two long requests
    assert watcher.is_current
    world.host.viewer.stop()
    await world.after(15)
    assert not watcher.is_current
    world.host.viewer.cont()
    await world.after(PERIOD_SECONDS)
    assert watcher.is_current
    world.host.connection.drop()
    assert not watcher.is_current
    world.host.connection.restore()
    await world.after(5)
    assert watcher.is_current


async def test_it_is_not_current_where_the_long_request_fails_though_a_look_does_not(world: World) -> None:
    watcher = world.begin()
    await world.after()
    world.table.lie = lambda _: {}
    world.table.tell()
    await world.after(PERIOD_SECONDS)
    world.table.lie = None
    watcher.refresh()
    assert await world.after() is None
    assert not watcher.is_current
    await world.after(MAX_RETRY_SECONDS)
    assert watcher.is_current


async def test_it_is_not_current_where_a_viewer_that_lives_does_not_end_its_long_answer(world: World) -> None:
    watcher = world.begin()
    await world.after()
    world.table.lie = lambda _: asyncio.get_running_loop().create_future()  # its disk is dead, say
    world.table.tell()
    await world.after(WAIT_SECONDS)
    assert watcher.is_current
    assert await world.after(LATE_SECONDS + 1) is None
    assert not watcher.is_current
    await watcher.close()
