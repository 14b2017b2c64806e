"""What the proxy answers by itself is held back once it is asked for too often, and costs nothing then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from runicorn_jupyter.proxy.throttle import AT_ONCE, HELD_SECONDS, MAX_HELD, PER_SECOND, Throttle
from runicorn_jupyter.remote.fake import FakeClock
from runicorn_jupyter.token_bucket import TokenBucket
from tests.unit.proxy.world import JSON, Answered, FakeViewer, Proxy

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


async def held(throttle: Throttle, count: int) -> None:
    """Wait until so many answers are held back."""
    while throttle.held != count:
        await asyncio.sleep(0)


async def test_so_many_at_once_and_so_many_later() -> None:
    clock = FakeClock()
    throttle = Throttle(clock=clock.monotonic, sleep=clock.sleep)
    for _ in range(AT_ONCE):
        assert await throttle.wait()
    waiting = [asyncio.ensure_future(throttle.wait()) for _ in range(MAX_HELD)]
    await held(throttle, MAX_HELD)
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
    gate = asyncio.Event()
    throttle = Throttle(clock=lambda: 0.0, sleep=lambda _: gate.wait())
    viewer = proxy.capabilities.upstream(proxy.capability)
    assert viewer is not None
    viewer.answers = proxy.capabilities.answers = throttle
    viewer.changes = TokenBucket(1, 1000)
    upstream.says(JSON)

    assert [(await ask(proxy)).status for _ in range(AT_ONCE)] == [status] * AT_ONCE
    flood = [asyncio.ensure_future(ask(proxy)) for _ in range(MAX_HELD)]
    await held(throttle, MAX_HELD)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await ask(proxy)
    # What the viewer itself answers goes on.
    assert (await proxy.ask("/api/runs")).status == 200
    gate.set()
    assert [answer.status for answer in await asyncio.gather(*flood)] == [status] * MAX_HELD
    assert throttle.held == 0


async def test_another_viewers_answers_are_not_held_back(proxy: Proxy) -> None:
    other = proxy.capabilities.issue(proxy.endpoint)
    viewer = proxy.capabilities.upstream(proxy.capability)
    assert viewer is not None
    viewer.answers = Throttle(clock=lambda: 0.0, sleep=lambda _: asyncio.Event().wait())
    for _ in range(AT_ONCE):
        await proxy.ask(OWN + "nothing")
    waiting = asyncio.ensure_future(proxy.ask(OWN + "nothing"))
    await held(viewer.answers, 1)
    assert (await proxy.ask(path=proxy.path.replace(proxy.capability, other) + OWN + "nothing")).status == 404
    waiting.cancel()
    await held(viewer.answers, 0)  # who leaves is not waited for
