"""The HTTP/1 client understands a response the same, however reads cut it."""

from __future__ import annotations

import asyncio

import pytest

from runicorn_jupyter.http1 import BadResponse, ClosedEarly, Http1Connection
from runicorn_jupyter.streams import END
from runicorn_jupyter.streams.memory import MemoryStream
from tests.world.exchanges import AGREED, EXCHANGES, FRAMES, Exchange, cuts


async def read_body(connection: Http1Connection) -> bytes:
    body = b""
    while (piece := await connection.read_body()) is not END:
        assert piece, "an empty piece says nothing"
        body += piece
    return body


@pytest.mark.parametrize("exchange", EXCHANGES, ids=str)
async def test_a_recorded_response_is_understood_however_it_is_cut(exchange: Exchange) -> None:
    for pieces in cuts(exchange.response):
        await replay(exchange, pieces)


async def replay(exchange: Exchange, pieces: list[bytes]) -> None:
    stream = MemoryStream(pieces, ended=exchange.closes)
    connection = Http1Connection(stream)
    await connection.send_head(exchange.method, "/", [])
    async with asyncio.timeout(30):
        head = await connection.read_head()
        assert head.status == exchange.status
        if exchange.body is None:
            with pytest.raises(BadResponse, match="ended early"):
                await read_body(connection)
            assert not connection.reusable
            return
        assert await read_body(connection) == exchange.body
        assert connection.reusable == (not exchange.closes and exchange.status != 101)
        if exchange.status == 101:
            raw = b""
            while len(raw) < len(exchange.raw):
                piece = await connection.read_raw()
                assert isinstance(piece, bytes)
                assert piece, "an empty piece says nothing"
                raw += piece
            assert raw == exchange.raw
            waiting = asyncio.ensure_future(connection.read_raw())
            await asyncio.sleep(0)
            assert not waiting.done(), "a WebSocket on which nothing was said yet has not ended"
            stream.feed(FRAMES)
            assert await waiting == FRAMES
            stream.feed_end()
            assert await connection.read_raw() is END


@pytest.mark.parametrize("size", range(len(AGREED)))
async def test_an_end_inside_the_head_is_an_error(size: int) -> None:
    connection = Http1Connection(MemoryStream([AGREED[:size]] if size else [], ended=True))
    await connection.send_head("GET", "/", [])
    with pytest.raises(BadResponse) as raised:
        await connection.read_head()
    assert isinstance(raised.value, ClosedEarly) == (size == 0)


async def test_an_empty_piece_is_not_the_end() -> None:
    pieces = [b"", AGREED, b"", b"", FRAMES, b""]
    connection = Http1Connection(MemoryStream(pieces))
    await connection.send_head("GET", "/", [])
    assert (await connection.read_head()).status == 101
    raw = b""
    while len(raw) < len(FRAMES):
        piece = await connection.read_raw()
        assert isinstance(piece, bytes)
        raw += piece
    assert raw == FRAMES


async def test_requests_follow_one_another() -> None:
    stream = MemoryStream()
    connection = Http1Connection(stream)
    for body in (b"one", b"two"):
        stream.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + body)
        await connection.send_request("POST", "/x", [("host", "viewer")], b"{}")
        assert stream.sent.endswith(b"POST /x HTTP/1.1\r\nhost: viewer\r\ncontent-length: 2\r\n\r\n{}")
        await connection.read_head()
        assert await read_body(connection) == body
        assert connection.reusable
