"""Large answers go past the event loop where the stream can do that, and end as all others do."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from runicorn_jupyter.proxy.pace import Pace
from runicorn_jupyter.streams import END
from tests.unit.proxy.world import OK, FakeViewer, TcpStream, running_proxy

SIZE = 4 * 2**20


class PumpStream(TcpStream):
    """A stream that passes bytes on by itself, as the SSH layer's does."""

    pumped = 0

    async def send_to(self, sock: socket.socket, count: int, stall_seconds: float) -> None:
        loop = asyncio.get_running_loop()
        own = sock.dup()
        own.setblocking(False)
        with own:
            while count:
                async with asyncio.timeout(stall_seconds):
                    data = await self.read(min(count, 65536))
                if data is END:
                    raise EOFError
                await loop.sock_sendall(own, data)
                PumpStream.pumped += len(data)
                count -= len(data)


@pytest.fixture(autouse=True)
def _from_nothing() -> None:
    PumpStream.pumped = 0


async def test_where_the_rate_is_limited_nothing_goes_past_the_loop(upstream: FakeViewer) -> None:
    body = bytes(range(256)) * (SIZE // 256)
    upstream.says(OK + b"Content-Length: %d\r\n\r\n" % SIZE, body)
    pace = Pace(SIZE / 2)  # a half at once, the other one in a second
    async with running_proxy(upstream.port, open_stream=PumpStream.open, pace=pace) as proxy:
        begun = time.monotonic()
        assert (await proxy.ask("/large")).body == body
        assert time.monotonic() - begun > 0.9
    assert PumpStream.pumped == 0


async def test_a_large_answer_goes_past_the_loop_and_a_small_one_does_not(upstream: FakeViewer) -> None:
    body = bytes(range(256)) * (SIZE // 256)
    upstream.says(OK + b"Content-Length: %d\r\n\r\n" % SIZE, body)
    async with running_proxy(upstream.port, open_stream=PumpStream.open) as proxy:
        got = await proxy.ask("/large")
        assert got.body == body
        assert got.headers["Connection"] == "close"
        assert got.headers["Content-Security-Policy"] == proxy.policy
        assert SIZE - 2 * 262144 <= PumpStream.pumped <= SIZE
        # The connection to the viewer is as it was: another request follows on it.
        before = upstream.connections
        upstream.says(OK + b"Content-Length: 5\r\n\r\nhello")
        assert (await proxy.ask("/small")).body == b"hello"
        assert upstream.connections == before


async def test_an_answer_that_ends_early_is_broken_off(upstream: FakeViewer) -> None:
    upstream.says(OK + b"Content-Length: %d\r\n\r\n" % SIZE, bytes(SIZE // 2), close=True)
    async with running_proxy(upstream.port, open_stream=PumpStream.open) as proxy:
        with pytest.raises(asyncio.IncompleteReadError):
            await proxy.ask("/large")


async def test_a_browser_that_leaves_ends_the_work_on_the_other_side(upstream: FakeViewer) -> None:
    async def endless(_: object, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: %d\r\n\r\n" % 2**40)
        while not writer.is_closing():
            writer.write(bytes(65536))
            await writer.drain()

    upstream.answer = endless
    async with running_proxy(upstream.port, open_stream=PumpStream.open) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(f"GET {proxy.path}/large HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n\r\n".encode())
        await reader.readexactly(8 * 2**20)
        writer.close()
        await asyncio.wait_for(upstream.closed.get(), 30)
