"""The HTTP/1 client understands a response the same, however reads cut it."""

from __future__ import annotations

import asyncio

import httptools
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


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 OK\r\na: ", CHUNKED + b"1\r\nx\r\n0\r\na: "])
async def test_a_long_line_goes_to_the_parser_in_few_pieces(
    begin: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parser copies what it has of a header at each piece of it: byte by byte that is quadratic."""
    pieces = []

    class Parser(httptools.HttpResponseParser):  # type: ignore[misc]
        def feed_data(self, data: bytes) -> None:
            pieces.append(data)
            super().feed_data(data)

    monkeypatch.setattr(httptools, "HttpResponseParser", Parser)
    line, end = b"b" * 60000, b"\r\n\r\n"
    fed = begin, *(line[at : at + 1] for at in range(len(line))), end
    connection = Http1Connection(MemoryStream(fed, ended=True))
    await connection.send_head("GET", "/", [])
    await connection.read_head()
    await read_body(connection)
    assert b"".join(pieces) == begin + line + end
    assert len(pieces) < 20


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 OK\r\n", CHUNKED + b"1\r\nx\r\n0\r\n", CHUNKED + b"1;"])
async def test_a_line_without_an_end_is_refused(begin: bytes) -> None:
    stream = MemoryStream([begin, *[b"b" * 1000] * 200])
    connection = Http1Connection(stream)
    await connection.send_head("GET", "/", [])
    with pytest.raises(BadResponse, match="too large"):  # noqa: PT012
        await connection.read_head()
        await read_body(connection)


async def test_a_byte_of_a_body_waits_for_no_other() -> None:
    stream = MemoryStream([CHUNKED])
    connection = Http1Connection(stream)
    await connection.send_head("GET", "/", [])
    await connection.read_head()
    for framing in (b"2\r\n", b"\r\n2\r\n", b"\r\n2;a=b\r\n"):
        for at in range(len(framing)):
            stream.feed(framing[at : at + 1])
        for byte in (b"x", b"y"):
            stream.feed(byte)
            async with asyncio.timeout(30):
                assert await connection.read_body() == byte
    stream.feed(b"\r\n0\r\n\r\n")
    assert await connection.read_body() is END
