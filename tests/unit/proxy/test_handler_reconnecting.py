"""While the SSH connection is down: a page that goes on by itself, and requests that wait a little."""

from __future__ import annotations

import asyncio
import json
from html.parser import HTMLParser

from runicorn_jupyter.errors import ConnectionTimeout
from runicorn_jupyter.proxy.csp import content_security_policy
from runicorn_jupyter.proxy.timeouts import Timeouts
from tests.unit.proxy.world import FakeViewer, Proxy, TcpStream, running_proxy

JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
WAIT = "/__runicorn_jupyter__/wait"
SHORT = Timeouts(reconnect_wait_seconds=0.05, wait_seconds=0.05)


async def test_a_navigation_gets_a_page_that_waits(proxy: Proxy) -> None:
    proxy.connected.clear()
    got = await proxy.visit()
    assert got.status == 503
    assert got.headers["Content-Type"] == "text/html; charset=utf-8"
    assert got.headers["Content-Security-Policy"] == content_security_policy(proxy.origin, proxy.path + "/")
    assert got.headers["Cache-Control"] == "no-store"
    assert "Reconnecting…" in got.body.decode()
    assert f'("{proxy.path}{WAIT}")' in got.body.decode()


async def test_the_page_is_whole_and_its_title_is_text(proxy: Proxy) -> None:
    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []
            self.loads: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.loads += [value or "" for name, value in attrs if name in ("src", "href")]
            if tag != "meta":
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    proxy.connected.clear()
    page = (await proxy.visit()).body.decode()
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    assert reader.loads == []
    assert "<title>gpu &lt;1&gt;</title>" in page


async def test_waiting_ends_when_the_connection_is_back(proxy: Proxy, upstream: FakeViewer) -> None:
    proxy.connected.clear()
    waiting = asyncio.create_task(proxy.ask(WAIT))
    await asyncio.sleep(0)
    proxy.connected.set()
    got = await waiting
    assert json.loads(got.body) == {"state": "running"}
    assert got.headers["Cache-Control"] == "no-store"
    assert upstream.asked == []


async def test_waiting_says_when_it_was_in_vain(upstream: FakeViewer) -> None:
    async with running_proxy(upstream.port, timeouts=SHORT) as proxy:
        proxy.connected.clear()
        assert json.loads((await proxy.ask(WAIT)).body) == {"state": "reconnecting"}
    async with running_proxy(1, timeouts=SHORT) as proxy:
        assert json.loads((await proxy.ask(WAIT)).body) == {"state": "unreachable"}
        proxy.capabilities.revoke(proxy.capability)
        assert (await proxy.ask(WAIT)).status == 404


async def test_a_request_of_a_page_is_held(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(JSON)
    proxy.connected.clear()
    held = [asyncio.create_task(proxy.ask("/api/runs", method)) for method in ("GET", "POST")]
    async with asyncio.timeout(60):
        while len(proxy.waits) < 2:
            await asyncio.sleep(0)
    proxy.connected.set()
    assert [(await task).status for task in held] == [200, 200]


async def test_nobody_waits_for_a_viewer_that_was_stopped(proxy: Proxy, upstream: FakeViewer) -> None:
    proxy.connected.clear()
    waiting = [asyncio.create_task(proxy.ask(tail)) for tail in (WAIT, "/api/runs")]
    async with asyncio.timeout(60):
        while len(proxy.waits) < 2:
            await asyncio.sleep(0)
    proxy.capabilities.revoke(proxy.capability)
    wait, held = await asyncio.gather(*waiting)
    assert json.loads(wait.body) == {"state": "stopped"}
    assert held.status == 404


async def test_a_request_is_not_held_for_ever(upstream: FakeViewer) -> None:
    async with running_proxy(upstream.port, timeouts=SHORT) as proxy:
        proxy.connected.clear()
        for method, body in (("GET", b""), ("POST", b""), ("POST", b"{}")):
            got = await proxy.ask("/api/runs", method, body=body)
            assert got.status == 503
            assert json.loads(got.body)["error"] == "connection_lost"
    assert upstream.asked == []


async def test_a_browser_that_leaves_is_not_waited_for(proxy: Proxy) -> None:
    proxy.connected.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(f"GET {proxy.path}{WAIT} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    await writer.drain()
    writer.transport.abort()
    assert (await proxy.ask("/x", "OPTIONS")).status == 204  # the server is well, and nothing is left of it


async def test_all_waits_of_a_request_together_have_one_limit(upstream: FakeViewer) -> None:
    timeouts = Timeouts(first_byte_seconds=0.05, reconnect_wait_seconds=30)
    async with running_proxy(upstream.port, timeouts=timeouts) as proxy:
        proxy.connected.clear()
        for method, body in (("GET", b""), ("POST", b""), ("POST", b"{}")):
            assert (await proxy.ask("/api/runs", method, body=body)).status == 504


async def test_a_tunnel_that_does_not_open_in_time_is_a_504_and_a_page_that_waits(proxy: Proxy) -> None:
    async def never_open() -> TcpStream:
        raise ConnectionTimeout("The tunnel did not open within 15 seconds.")

    viewer = proxy.capabilities.upstream(proxy.capability)
    assert viewer is not None
    viewer.pool._open_stream = never_open
    assert (await proxy.ask("/api/runs")).status == 504  # never 408: browsers repeat what was answered so
    page = await proxy.visit()
    assert page.status == 504
    assert f'("{proxy.path}{WAIT}")' in page.body.decode()
