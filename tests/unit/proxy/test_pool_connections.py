"""Connections to a viewer: kept, given up, and never faster than the browser."""

from __future__ import annotations

import asyncio

from runicorn_jupyter.streams import END, End
from tests.unit.proxy.world import JSON, OK, Asked, FakeViewer, Proxy, TcpStream, html_answer, running_proxy


async def test_one_connection_serves_many_requests(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(JSON)
    for _ in range(5):
        assert (await proxy.ask("/api/runs")).status == 200
    assert upstream.connections == 1


async def test_a_connection_that_closed_meanwhile_costs_nothing(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(JSON, close=True)
    for _ in range(3):
        assert (await proxy.ask("/api/runs")).status == 200
        assert (await proxy.ask("/api/runs", "POST", body=b"{}")).status == 200


async def test_a_get_is_sent_again_when_the_connection_closes_in_that_moment(
    proxy: Proxy, upstream: FakeViewer
) -> None:
    async def answer(asked: Asked, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(upstream.asked) == 2:
            writer.close()
        else:
            writer.write(JSON)

    upstream.answer = answer
    assert [(await proxy.ask("/api/runs")).status for _ in range(2)] == [200, 200]
    assert [asked.connection for asked in upstream.asked] == [1, 1, 2]


async def test_a_post_is_never_sent_twice(proxy: Proxy, upstream: FakeViewer) -> None:
    async def answer(_: Asked, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    upstream.answer = answer
    for body in (b"", b"{}"):
        upstream.asked.clear()
        assert (await proxy.ask("/api/delete", "POST", body=body)).status == 502
        assert len(upstream.asked) == 1


async def test_a_page_finds_connections_open(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(html_answer(b"<head>"))
    await proxy.visit()
    async with asyncio.timeout(60):
        while upstream.connections < 6:
            await asyncio.sleep(0)
    assert (await proxy.ask("/api/runs")).status == 200
    assert upstream.connections == 6


async def test_a_browser_that_leaves_stops_the_viewer(proxy: Proxy, upstream: FakeViewer) -> None:
    asked = asyncio.Event()

    async def answer(_: Asked, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        asked.set()
        assert await reader.read() == b""

    upstream.answer = answer
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(f"GET {proxy.path}/slow HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: null\r\n\r\n".encode())
    await asked.wait()
    writer.close()
    assert await upstream.closed.get() == 1


async def test_a_browser_that_leaves_in_the_middle_of_its_body(proxy: Proxy, upstream: FakeViewer) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(
        f"POST {proxy.path}/up HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\nhalf".encode()
    )
    async with asyncio.timeout(60):
        while upstream.connections < 1:
            await asyncio.sleep(0)
    writer.close()
    assert await upstream.closed.get() == 1
    assert upstream.asked == []


class CountingStream(TcpStream):
    """Counts what the proxy took from the viewer."""

    taken = 0

    async def read(self, max_bytes: int = 262144) -> bytes | End:
        data = await super().read(max_bytes)
        if data is not END:
            CountingStream.taken += len(data)
        return data


async def test_who_does_not_read_stops_the_viewer(upstream: FakeViewer) -> None:
    """Back-pressure goes all the way: a stalled browser leaves the body where it is."""
    size = 64 * 2**20
    upstream.says(OK + b"Content-Length: %d\r\n\r\n" % size, *[b"x" * 2**20] * 64)
    CountingStream.taken = 0
    async with running_proxy(upstream.port, open_stream=CountingStream.open) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, limit=4096)
        writer.write(f"GET {proxy.path}/big HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: null\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        before = -1
        while before != CountingStream.taken:  # until nothing moves any more
            before = CountingStream.taken
            await asyncio.sleep(0.1)
        assert CountingStream.taken < 16 * 2**20  # the sockets' own buffers on loopback
        left = size
        while left:
            left -= len(await reader.read(2**20))
        assert CountingStream.taken > size
        writer.close()


async def test_who_does_not_read_keeps_nobody_else_waiting(proxy: Proxy, upstream: FakeViewer) -> None:
    async def answer(asked: Asked, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if asked.target == "/big":
            writer.write(OK + b"Content-Length: 50000000\r\n\r\n" + bytes(50_000_000))
            await writer.drain()
        else:
            writer.write(JSON)

    upstream.answer = answer
    stalled = []
    for _ in range(8):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, limit=4096)
        writer.write(f"GET {proxy.path}/big HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: null\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        stalled.append(writer)
    assert (await proxy.ask("/api/runs")).body == b"{}"
    for writer in stalled:
        writer.transport.abort()


async def test_events_come_as_they_happen(proxy: Proxy, upstream: FakeViewer) -> None:
    more = asyncio.Event()

    async def answer(_: Asked, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Type: text/event-stream\r\n\r\n")
        await more.wait()
        writer.write(b"data: 1\n\n")
        await writer.drain()
        writer.close()

    upstream.answer = answer
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(f"GET {proxy.path}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: null\r\n\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")  # before any event
    more.set()
    await reader.readuntil(b"data: 1\n\n")
    writer.close()
