"""Recorded responses and WebSockets reach the browser the same, however reads cut them."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from runicorn_jupyter.streams.memory import MemoryStream
from tests.unit.proxy.world import Proxy, running_proxy
from tests.world.exchanges import AGREED, EXCHANGES, FRAMES, KEY, Exchange, cuts

RESPONSES = [exchange for exchange in EXCHANGES if exchange.status != 101]


@dataclass
class Replaying:
    """A viewer in memory: each stream to it delivers the next pieces, each in a read of its own."""

    pieces: list[bytes] = field(default_factory=list)
    ended: bool = False
    stream: MemoryStream = field(default_factory=MemoryStream)

    async def open_stream(self, _port: int) -> MemoryStream:
        self.stream = MemoryStream(self.pieces, ended=self.ended)
        return self.stream


@asynccontextmanager
async def replaying() -> AsyncIterator[tuple[Replaying, Proxy]]:
    """Run the proxy before a viewer in memory."""
    viewer = Replaying()
    async with running_proxy(0, open_stream=viewer.open_stream) as proxy:
        yield viewer, proxy


@pytest.mark.parametrize("exchange", RESPONSES, ids=str)
async def test_a_recorded_response_is_passed_on_however_it_is_cut(exchange: Exchange) -> None:
    async with replaying() as (viewer, proxy):
        upstream = proxy.capabilities.upstream(proxy.capability)
        assert upstream is not None
        for pieces in cuts(exchange.response):
            viewer.pieces, viewer.ended = pieces, exchange.closes
            try:
                answer = await proxy.ask("/api/x", exchange.method)
                told = (answer.status, answer.body)
            except (asyncio.IncompleteReadError, http.client.IncompleteRead):
                told = (502, b"")
            if exchange.body is None:
                assert told[0] == 502, pieces
            else:
                assert told == (exchange.status, exchange.body), pieces
            upstream.pool.drop_idle()  # the next request opens a stream of its own


@asynccontextmanager
async def open_websocket(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Ask for a WebSocket as a browser does, and read the agreement."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    lines = [
        f"GET {proxy.path}/api/runs/1/logs/ws HTTP/1.1",
        f"Host: 127.0.0.1:{proxy.port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
        "Origin: null",
    ]
    writer.write("\r\n".join((*lines, "", "")).encode())
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


def openings() -> Iterator[tuple[list[bytes], bytes]]:
    """Yield what a viewer may send at first, with the frames that are in it."""
    for first in (b"", FRAMES):
        for pieces in cuts(AGREED + first):
            yield pieces, first


async def test_a_websocket_stays_open_however_its_opening_is_cut() -> None:
    async with replaying() as (viewer, proxy):
        for pieces, first in openings():
            viewer.pieces = pieces
            async with open_websocket(proxy) as (reader, writer), asyncio.timeout(30):
                assert await reader.readexactly(len(first)) == first
                for round_ in range(2):  # nothing said for a while is no end either
                    said = b"up%d" % round_
                    writer.write(said)
                    sent = viewer.stream.sent
                    await viewer.stream.wait_for(lambda sent=sent, said=said: sent.endswith(said))
                    assert not viewer.stream.closed, pieces
                    viewer.stream.feed(b"", FRAMES)
                    assert await reader.readexactly(len(FRAMES)) == FRAMES
                viewer.stream.feed(b"last")
                viewer.stream.feed_end()
                assert await reader.read() == b"last"


@pytest.mark.parametrize("side", ["browser", "viewer"])
async def test_the_end_of_a_websocket_reaches_the_other_side(side: str) -> None:
    async with replaying() as (viewer, proxy):
        viewer.pieces = [AGREED]
        async with open_websocket(proxy) as (reader, writer), asyncio.timeout(30):
            if side == "viewer":
                viewer.stream.feed_end()
                assert await reader.read() == b""
            else:
                writer.write(b"last")
                writer.close()
                await viewer.stream.wait_for(lambda: viewer.stream.closed)
                assert viewer.stream.sent.endswith(b"last")
