"""What one viewer's page asks for without a pause waits for its turn, and nobody else's requests do."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from runicorn_jupyter.proxy.request_queue import (
    ACTIVE,
    ACTIVE_BESIDE_OTHERS,
    RECENT_SECONDS,
    REQUESTS_AT_ONCE,
    RecentViewers,
    RequestQueue,
)
from tests.unit.proxy.world import JSON, Asked, FakeViewer, Proxy

LIMIT = 60
"""Seconds that nothing here comes near to."""
LONG = 3600.0
MANY = 10


class Clock:
    """A time that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Requests:
    """Requests of a viewer, each of which is handled until it is told to end."""

    def __init__(self, queue: RequestQueue) -> None:
        self.queue = queue
        self.begun: list[int] = []
        self.one_begun = asyncio.Condition()
        self.may_end = [asyncio.Event() for _ in range(MANY)]
        self.tasks = [asyncio.create_task(self._handle(number)) for number in range(MANY)]

    async def _handle(self, number: int) -> None:
        async with self.queue.turn():
            async with self.one_begun:
                self.begun.append(number)
                self.one_begun.notify_all()
            await self.may_end[number].wait()

    async def until_begun(self, count: int) -> None:
        async with asyncio.timeout(LIMIT), self.one_begun:
            await self.one_begun.wait_for(lambda: len(self.begun) >= count)

    async def end(self, *numbers: int) -> None:
        for number in numbers:
            self.may_end[number].set()
        async with asyncio.timeout(LIMIT):
            await asyncio.gather(*(self.tasks[number] for number in numbers))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recent(clock: Clock) -> RecentViewers:
    return RecentViewers(clock)


async def use_up(queue: RequestQueue) -> None:
    """Make all requests that wait for no turn."""
    for _ in range(REQUESTS_AT_ONCE):
        async with queue.turn():
            pass


async def make(recent: RecentViewers, clock: Clock, turn_seconds: float = LONG) -> Requests:
    queue = RequestQueue(recent, clock=clock, turn_seconds=turn_seconds)
    await use_up(queue)
    return Requests(queue)


async def test_a_page_that_loads_waits_for_nothing(recent: RecentViewers, clock: Clock) -> None:
    queue = RequestQueue(recent, clock=clock, turn_seconds=LONG)
    recent.note("another")
    requests = Requests(queue)
    await requests.until_begun(MANY)
    await requests.end(*range(MANY))


async def test_a_flood_takes_turns_first_come_first_served(recent: RecentViewers, clock: Clock) -> None:
    requests = await make(recent, clock)
    await requests.until_begun(ACTIVE)
    for number in range(MANY):
        await asyncio.sleep(0)
        assert requests.begun == list(range(min(number + ACTIVE, MANY)))
        await requests.end(number)
        await requests.until_begun(min(number + 1 + ACTIVE, MANY))


async def test_beside_other_viewers_one_has_its_turn(recent: RecentViewers, clock: Clock) -> None:
    queue = RequestQueue(recent, clock=clock, turn_seconds=LONG)
    await use_up(queue)
    recent.note("another")
    requests = Requests(queue)
    await requests.until_begun(ACTIVE_BESIDE_OTHERS)
    for number in range(3):
        await asyncio.sleep(0)
        assert requests.begun == list(range(number + 1))
        await requests.end(number)
        await requests.until_begun(number + 2)
    clock.now += RECENT_SECONDS + 0.1  # the other is not used any more
    await requests.end(3)
    await requests.until_begun(4 + ACTIVE)
    await requests.end(*range(4, MANY))


async def test_beside_other_viewers_a_rest_follows_that_is_as_long(
    recent: RecentViewers, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = RequestQueue(recent, clock=clock, turn_seconds=LONG)
    await use_up(queue)
    recent.note("another")
    requests = Requests(queue)
    await requests.until_begun(1)
    rests = []
    loop = asyncio.get_running_loop()
    later = loop.call_later
    monkeypatch.setattr(loop, "call_later", lambda *args: (rests.append(args[0]), later(0, *args[1:]))[1])
    clock.now += 0.25
    await requests.end(0)
    await requests.until_begun(2)
    assert rests[0] == 0.25
    monkeypatch.undo()
    clock.now += LONG
    await requests.end(*range(1, MANY))


async def test_what_takes_long_holds_nobody_up(recent: RecentViewers, clock: Clock) -> None:
    """As a stream of events, which ends with its page."""
    requests = await make(recent, clock, turn_seconds=0.0)
    await requests.until_begun(MANY)
    await requests.end(*range(MANY))


async def test_who_leaves_is_not_waited_for(recent: RecentViewers, clock: Clock) -> None:
    queue = RequestQueue(recent, clock=clock, turn_seconds=LONG)
    await use_up(queue)
    async with AsyncExitStack() as others:
        for _ in range(ACTIVE - 1):
            await others.enter_async_context(queue.turn())
        async with queue.turn():
            requests = Requests(queue)
            await asyncio.sleep(0)
            requests.tasks[0].cancel()
        requests.tasks[1].cancel()  # whose turn it has become, which it does not know yet
        await requests.until_begun(1)
        assert requests.begun == [2]
        await asyncio.sleep(0)
        assert requests.begun == [2]
    await requests.until_begun(ACTIVE)
    await requests.end(*range(2, MANY))
    assert [task.cancelled() for task in requests.tasks] == [True, True] + [False] * (MANY - 2)


async def test_a_viewer_is_told_from_others(recent: RecentViewers, clock: Clock) -> None:
    assert not recent.others_than("one")
    recent.note("one")
    recent.note("one")
    assert not recent.others_than("one")
    assert recent.others_than("two")
    recent.note("two")
    recent.note("two")
    assert recent.others_than("one")
    clock.now += RECENT_SECONDS
    recent.note("one")
    assert recent.others_than("one")
    clock.now += RECENT_SECONDS / 2
    assert not recent.others_than("one")
    assert recent.others_than("two")


async def test_of_a_flood_none_is_refused_and_anothers_request_goes_on(
    proxy: Proxy, upstream: FakeViewer
) -> None:
    viewer = proxy.capabilities.upstream(proxy.capability)
    assert viewer is not None
    viewer.requests = RequestQueue(RecentViewers(), clock=lambda: 0.0, turn_seconds=LONG)
    await use_up(viewer.requests)
    answers, asked = asyncio.Event(), []

    async def answer(request: Asked, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(request.target)
        if request.target == "/flood":
            await answers.wait()
        writer.write(JSON)

    upstream.answer = answer
    other = proxy.path.replace(proxy.capability, proxy.capabilities.issue(proxy.endpoint))
    flood = [asyncio.create_task(proxy.ask("/flood")) for _ in range(MANY)]
    async with asyncio.timeout(LIMIT):
        while len(asked) < ACTIVE:
            await asyncio.sleep(0)
        assert (await proxy.ask(path=other + "/api/runs")).status == 200
        assert asked == ["/flood"] * ACTIVE + ["/api/runs"]
        answers.set()
        assert [each.status for each in await asyncio.gather(*flood)] == [200] * MANY
