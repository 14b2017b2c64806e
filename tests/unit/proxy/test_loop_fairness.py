"""However much passes, one piece a turn of the event loop, and only where nobody else needs that turn."""

from __future__ import annotations

import asyncio
import time

import pytest

from runicorn_jupyter.proxy.loop_fairness import OTHERS_SECONDS, LoopScheduler
from tests.unit.proxy.world import OK, FakeViewer, Proxy


async def test_one_goes_on_in_each_turn_and_each_in_its_turn() -> None:
    scheduler, loop = LoopScheduler(), asyncio.get_running_loop()
    went: list[tuple[int, int]] = []
    turn = 0

    def count() -> None:
        nonlocal turn
        turn += 1
        if len(went) < 40:
            loop.call_soon(count)

    async def work(number: int) -> None:
        for _ in range(5):
            await scheduler.wait()
            went.append((turn, number))

    loop.call_soon(count)
    await asyncio.gather(*(work(number) for number in range(8)))
    assert [number for _, number in went] == list(range(8)) * 5
    assert len({turn for turn, _ in went}) == 40


async def test_who_was_cancelled_takes_no_turn() -> None:
    scheduler = LoopScheduler()
    waiting = [asyncio.create_task(scheduler.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.gather(*waiting[1:])
    assert waiting[0].cancelled()
    await scheduler.wait()


@pytest.mark.parametrize(("longest", "goes_on"), [(3600.0, False), (0.0, True)])
async def test_who_has_work_goes_first_but_not_for_ever(longest: float, goes_on: bool) -> None:
    scheduler, loop = LoopScheduler(longest), asyncio.get_running_loop()
    went: list[bool] = []
    busy = True

    def work() -> None:  # as a request of Jupyter's, which takes several turns
        begun = time.thread_time()
        while time.thread_time() - begun < 3 * OTHERS_SECONDS:
            pass
        if busy:
            loop.call_soon(work)

    async def relay() -> None:
        for _ in range(5):
            await scheduler.wait()
            went.append(busy)

    loop.call_soon(work)
    passing = asyncio.create_task(relay())
    for _ in range(60):
        await asyncio.sleep(0)
    assert went == ([True] * 5 if goes_on else [])
    busy = False
    await passing
    assert len(went) == 5


async def test_a_download_lets_others_run(proxy: Proxy, upstream: FakeViewer) -> None:
    """Both sides are as fast as they can be, and so no wait of the relay's ever waits."""
    size = 32 * 2**20
    upstream.says(OK + b"Content-Length: %d\r\n\r\n" % size, *[bytes(2**20)] * 32)
    download = asyncio.create_task(proxy.ask("/big"))
    turns = 0
    async with asyncio.timeout(60):
        while not download.done():
            await asyncio.sleep(0)
            turns += 1
    assert len(download.result().body) == size
    assert turns > size / 262144  # at least one for each piece
