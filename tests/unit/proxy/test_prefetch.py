"""What a page asked for last time is asked for together with it: once, exactly that, and while it holds."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.unit.proxy.world import OK, Asked, FakeViewer, Proxy, html_answer

PAGE = html_answer(
    b'<head><script type="module" src="/assets/index-CwA3IHQ5.js"></script>'
    b'<link rel="stylesheet" href="/assets/index-DkoBtEcW.css"><link rel="icon" href="/favicon.ico"></head>'
)
SCRIPT = "/assets/index-CwA3IHQ5.js"


class Viewer:
    """Answers pages, scripts and data, and counts what it was asked."""

    def __init__(self, upstream: FakeViewer) -> None:
        self.asked: Counter[str] = Counter()
        self.version = 1
        self.let_through = asyncio.Event()
        self.let_through.set()
        self.news = asyncio.Event()
        upstream.answer = self.answer

    async def answer(self, asked: Asked, _: object, writer: asyncio.StreamWriter) -> None:
        self.asked[f"{asked.line.split(' ')[0]} {asked.target}"] += 1
        self.news.set()
        if asked.target == "/":
            writer.write(PAGE)
            return
        await self.let_through.wait()
        body = f"{asked.target} {self.version}".encode()
        kind = b"text/javascript" if asked.target.startswith("/assets/") else b"application/json"
        writer.write(OK + b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (kind, len(body), body))

    async def until_asked(self, what: str, times: int) -> None:
        async with asyncio.timeout(60):
            while self.asked[what] < times:
                self.news.clear()
                await self.news.wait()


async def far() -> float:
    """Measure a host on another continent."""
    return 0.2


async def near() -> float:
    """Measure a host in the same room."""
    return 0.0005


async def open_page(proxy: Proxy, *targets: str) -> list[bytes]:
    await proxy.visit()
    return [(await proxy.ask(target)).body for target in targets]


async def test_a_page_that_is_opened_again_has_its_data_asked_for_with_it(
    proxy: Proxy, upstream: FakeViewer
) -> None:
    viewer = Viewer(upstream)
    assert await open_page(proxy, "/api/runs", "/api/config?x=1") == [b"/api/runs 1", b"/api/config?x=1 1"]
    viewer.version = 2
    await proxy.visit()
    await viewer.until_asked("GET /api/runs", 2)  # nobody has asked us for it yet
    await viewer.until_asked("GET /api/config?x=1", 2)
    got = await proxy.ask("/api/runs")
    assert got.body == b"/api/runs 2"
    assert got.headers["Content-Security-Policy"] == proxy.policy
    assert viewer.asked["GET /api/runs"] == 2
    assert (await proxy.ask("/api/runs")).body == b"/api/runs 2"
    assert viewer.asked["GET /api/runs"] == 3  # given once only


async def test_a_copy_of_the_machine_is_not_asked_for_it(proxy: Proxy, upstream: FakeViewer) -> None:
    """The connection came back to another place, which has the same host key."""
    viewer = Viewer(upstream)
    await open_page(proxy, "/api/runs")
    proxy.places.append("a copy of it")
    await open_page(proxy, "/api/other")
    assert viewer.asked["GET /api/runs"] == 1
    # And what was fetched ahead at one place is not given at another.
    await proxy.visit()
    await viewer.until_asked("GET /api/other", 2)
    proxy.places.append("SHA256:host")
    await proxy.ask("/api/other")
    assert viewer.asked["GET /api/other"] == 3


async def test_another_request_is_not_given_that_answer(proxy: Proxy, upstream: FakeViewer) -> None:
    viewer = Viewer(upstream)
    await open_page(proxy, "/api/runs")
    await proxy.visit()
    await viewer.until_asked("GET /api/runs", 2)
    await proxy.ask("/api/runs", headers={"Accept-Language": "zh"})
    assert viewer.asked["GET /api/runs"] == 3


async def test_what_was_changed_since_is_asked_for_again(proxy: Proxy, upstream: FakeViewer) -> None:
    viewer = Viewer(upstream)
    await open_page(proxy, "/api/runs")
    for times, (method, body) in enumerate([("DELETE", b""), ("POST", b"x")], start=1):
        await proxy.visit()
        await viewer.until_asked("GET /api/runs", 2 * times)
        viewer.version += 1
        await proxy.ask("/api/run/1", method, body=body)
        assert (await proxy.ask("/api/runs")).body == b"/api/runs %d" % viewer.version


async def test_the_files_of_a_viewer_that_starts_are_there_when_its_page_is_opened(
    proxy: Proxy, upstream: FakeViewer
) -> None:
    viewer = Viewer(upstream)
    proxy.capabilities.prepare(proxy.capability, far)
    await viewer.until_asked(f"GET {SCRIPT}", 1)
    got = await proxy.ask(SCRIPT, headers={"Accept-Encoding": "gzip, br"})
    assert got.body == SCRIPT.encode() + b" 1"
    assert viewer.asked[f"GET {SCRIPT}"] == 1
    assert viewer.asked["GET /favicon.ico"] == 0  # its name says nothing of its content


async def test_the_files_of_a_near_host_are_left_to_the_page(proxy: Proxy, upstream: FakeViewer) -> None:
    viewer = Viewer(upstream)
    measured = asyncio.Event()

    async def measure() -> float:
        measured.set()
        return await near()

    proxy.capabilities.prepare(proxy.capability, measure)
    await measured.wait()
    await proxy.ask("/api/runs")
    assert set(viewer.asked) == {"GET /api/runs"}


async def test_who_asks_for_a_file_on_its_way_waits_for_it(proxy: Proxy, upstream: FakeViewer) -> None:
    viewer = Viewer(upstream)
    proxy.capabilities.prepare(proxy.capability, far)
    await viewer.until_asked(f"GET {SCRIPT}", 1)
    viewer.let_through.clear()
    asking = asyncio.create_task(proxy.ask("/assets/index-DkoBtEcW.css"))
    await asyncio.sleep(0)
    viewer.let_through.set()
    assert (await asking).status == 200
    assert viewer.asked["GET /assets/index-DkoBtEcW.css"] == 1


async def test_nothing_of_it_outlives_the_viewer(proxy: Proxy, upstream: FakeViewer) -> None:
    viewer = Viewer(upstream)
    await open_page(proxy, "/api/runs")
    viewer.let_through.clear()
    await proxy.visit()
    await viewer.until_asked("GET /api/runs", 2)
    asking = asyncio.create_task(proxy.ask("/api/runs"))
    await asyncio.sleep(0)
    proxy.capabilities.revoke(proxy.capability)
    assert (await asking).status == 404
