"""What costs the proxy itself time is held back once it is asked for too often: its answers, and pages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from runicorn_jupyter.proxy.throttle import (
    AT_ONCE,
    HELD_SECONDS,
    MAX_HELD,
    MAX_WAITING_PAGES,
    PAGES_AT_ONCE,
    PAGES_PER_SECOND,
    PER_SECOND,
    PageThrottle,
    Throttle,
)
from runicorn_jupyter.remote.fake import FakeClock
from runicorn_jupyter.token_bucket import TokenBucket
from tests.unit.proxy.world import JSON, Answered, FakeViewer, Proxy, html_answer

ASKS = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
OWN = "/__runicorn_jupyter__/"
QUESTIONS: dict[str, tuple[int, Callable[[Proxy], Awaitable[Answered]]]] = {
    "a path that is not plain": (400, lambda proxy: proxy.ask("/../api")),
    "a path that is closed": (403, lambda proxy: proxy.ask("/api/remote/connect")),
    "a reserved path": (404, lambda proxy: proxy.ask(OWN + "nothing")),
    "a body of no length": (400, lambda proxy: proxy.ask("/", "POST", {"Content-Length": "x"}, b"{}")),
    "a change that is none": (400, lambda proxy: proxy.ask(OWN + "storage", "POST", body=b"no")),
    "a preflight": (204, lambda proxy: proxy.ask("/", "OPTIONS")),
    "whether the viewer is there": (200, lambda proxy: proxy.ask(OWN + "wait")),
    "a WebSocket of another site": (
        403,
        lambda proxy: proxy.ask("/ws", headers={**ASKS, "Origin": "http://evil.example"}),
    ),
    "the address without a slash": (302, lambda proxy: proxy.ask("")),
    "nobody's capability": (
        404,
        lambda proxy: proxy.ask(path=proxy.path.replace(proxy.capability, "0" * 32) + "/"),
    ),
}


LIMIT = 60
"""Seconds that nothing here comes near to."""


class Gate:
    """Holds answers back until it is opened, and tells how many it holds."""

    def __init__(self) -> None:
        self.holds = 0
        self.opened = asyncio.Event()
        self._news = asyncio.Event()

    async def sleep(self, _seconds: float) -> None:
        """Wait until it is opened, whatever the time."""
        self._count(1)
        try:
            await self.opened.wait()
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        self.holds += more
        self._news.set()

    async def until(self, count: int) -> None:
        """Wait until it holds so many."""
        async with asyncio.timeout(LIMIT):
            while self.holds != count:
                self._news.clear()
                await self._news.wait()


async def test_so_many_at_once_and_so_many_later() -> None:
    clock = FakeClock()
    throttle = Throttle(clock=clock.monotonic, sleep=clock.sleep)
    for _ in range(AT_ONCE):
        assert await throttle.wait()
    waiting = [asyncio.ensure_future(throttle.wait()) for _ in range(MAX_HELD)]
    await clock.advance(0)
    assert throttle.held == MAX_HELD
    async with asyncio.timeout(LIMIT):
        assert not await throttle.wait()
        await clock.advance(HELD_SECONDS)
        assert await asyncio.gather(*waiting) == [True] * MAX_HELD
    assert throttle.held == 0
    await clock.advance(AT_ONCE / PER_SECOND)
    for _ in range(AT_ONCE):
        assert await throttle.wait()


@pytest.mark.parametrize(("status", "ask"), QUESTIONS.values(), ids=QUESTIONS)
async def test_a_flood_is_held_back_and_then_closed(
    proxy: Proxy, upstream: FakeViewer, status: int, ask: Callable[[Proxy], Awaitable[Answered]]
) -> None:
    gate = Gate()
    throttle = Throttle(clock=lambda: 0.0, sleep=gate.sleep)
    viewer = proxy.capabilities.upstream(proxy.capability)
    assert viewer is not None
    viewer.answers = proxy.capabilities.answers = throttle
    viewer.changes = TokenBucket(1, 1000)
    upstream.says(JSON)

    assert [(await ask(proxy)).status for _ in range(AT_ONCE)] == [status] * AT_ONCE
    flood = [asyncio.ensure_future(ask(proxy)) for _ in range(MAX_HELD)]
    await gate.until(MAX_HELD)
    async with asyncio.timeout(LIMIT):
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await ask(proxy)
        # What the viewer itself answers goes on.
        assert (await proxy.ask("/api/runs")).status == 200
        gate.opened.set()
        assert [answer.status for answer in await asyncio.gather(*flood)] == [status] * MAX_HELD
    assert throttle.held == 0


async def test_another_viewers_answers_are_not_held_back(proxy: Proxy) -> None:
    other = proxy.capabilities.issue(proxy.endpoint)
    viewer = proxy.capabilities.upstream(proxy.capability)
    assert viewer is not None
    gate = Gate()
    viewer.answers = Throttle(clock=lambda: 0.0, sleep=gate.sleep)
    for _ in range(AT_ONCE):
        await proxy.ask(OWN + "nothing")
    waiting = asyncio.ensure_future(proxy.ask(OWN + "nothing"))
    await gate.until(1)
    async with asyncio.timeout(LIMIT):
        asked = await proxy.ask(path=proxy.path.replace(proxy.capability, other) + OWN + "nothing")
    assert asked.status == 404
    waiting.cancel()
    await gate.until(0)  # who leaves is not waited for
    assert viewer.answers.held == 0


async def open_pages(pages: PageThrottle, count: int) -> None:
    """Rewrite so many pages, one after the other."""
    for _ in range(count):
        async with pages.turn():
            pass


async def test_pages_take_turns_so_many_at_once_and_so_many_later() -> None:
    clock = FakeClock()
    pages = PageThrottle(clock=clock.monotonic, sleep=clock.sleep)
    await open_pages(pages, PAGES_AT_ONCE)
    waiting = [asyncio.ensure_future(open_pages(pages, 1)) for _ in range(3)]
    await clock.advance(0.5 / PAGES_PER_SECOND)
    assert [task.done() for task in waiting] == [False, False, False]
    await clock.advance(1 / PAGES_PER_SECOND)
    assert [task.done() for task in waiting] == [True, False, False]
    waiting[1].cancel()  # who leaves is not waited for
    await clock.advance(1 / PAGES_PER_SECOND)
    assert waiting[2].done()
    assert pages.waiting == 0


async def test_a_flood_of_pages_is_held_back_and_then_refused(proxy: Proxy, upstream: FakeViewer) -> None:
    gate = asyncio.Event()
    viewer = proxy.capabilities.upstream(proxy.capability)
    assert viewer is not None
    now = 0.0

    async def sleep(_: float) -> None:
        nonlocal now
        await gate.wait()
        now += 1

    viewer.pages = PageThrottle(clock=lambda: now, sleep=sleep)
    upstream.says(html_answer(b"<head></head>"))
    other = proxy.path.replace(proxy.capability, proxy.capabilities.issue(proxy.endpoint))
    page = {"Sec-Fetch-Dest": "document", "Accept": "text/html"}

    assert [(await proxy.visit()).status for _ in range(PAGES_AT_ONCE)] == [200] * PAGES_AT_ONCE
    flood = [asyncio.ensure_future(proxy.visit()) for _ in range(MAX_WAITING_PAGES)]
    async with asyncio.timeout(LIMIT):  # no event tells of one more who waits for a turn
        while viewer.pages.waiting != MAX_WAITING_PAGES:
            await asyncio.sleep(0)
    assert (await proxy.visit()).status == 429
    # What is no page goes on, and another viewer's pages too.
    assert (await proxy.ask("/")).status == 200
    assert (await proxy.ask(path=other + "/", headers=page)).status == 200
    gate.set()
    assert [answer.status for answer in await asyncio.gather(*flood)] == [200] * MAX_WAITING_PAGES
    assert viewer.pages.waiting == 0
