"""Downloads that nobody reads: so many and no more of a viewer, and the rest of it is answered."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from tornado.iostream import StreamClosedError

from runicorn_jupyter.proxy.pool import MAX_OPEN
from runicorn_jupyter.proxy.transfers import (
    MAX_TRANSFERS,
    MAX_UNREAD,
    PAGE_COST,
    PIECE_BYTES,
    TooManyTransfers,
    Transfers,
)
from runicorn_jupyter.proxy.upstream import MAX_WEBSOCKETS, Upstream
from tests.unit.proxy.world import JSON, OK, Asked, FakeViewer, Proxy, html_answer

LONG = 8 * 2**20


@pytest.fixture
def viewer(proxy: Proxy, upstream: FakeViewer) -> Upstream:
    """The viewer, which has a long file, a long page and short answers."""

    async def answer(asked: Asked, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if asked.target.startswith("/long"):
            writer.write(OK + b"Content-Length: %d\r\n\r\n%s" % (LONG, bytes(LONG)))
        elif asked.target.startswith("/page"):
            writer.write(html_answer(b"<head>" + b" " * 2**20))
        else:
            writer.write(JSON)
        await writer.drain()

    upstream.answer = answer
    found = proxy.capabilities.upstream(proxy.capability)
    assert found is not None
    return found


class Reader:
    """A browser that asks and does not read."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    @classmethod
    async def ask(cls, proxy: Proxy, tail: str, lines: str = "Sec-Fetch-Dest: empty\r\n") -> Reader:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, limit=1024)
        host = f"Host: 127.0.0.1:{proxy.port}\r\n"
        writer.write(f"GET {proxy.path}{tail} HTTP/1.1\r\n{host}{lines}\r\n".encode())
        await reader.read(1)  # it is answered
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        return cls(writer)

    def leave(self) -> None:
        self._writer.transport.abort()


async def counted(viewer: Upstream, count: int) -> None:
    """Wait until so many transfers are under way."""
    while viewer.transfers.count != count:
        await asyncio.sleep(0)


async def test_one_download_too_many_is_refused_and_what_is_short_is_answered(
    proxy: Proxy, viewer: Upstream
) -> None:
    with contextlib.ExitStack() as stack:
        readers = [await Reader.ask(proxy, "/long") for _ in range(MAX_TRANSFERS)]
        for reader in readers:
            stack.callback(reader.leave)
        await counted(viewer, MAX_TRANSFERS)
        for _ in range(20):
            refused = await proxy.ask("/long")
            assert (refused.status, b"Too many downloads" in refused.body) == (429, True)
            assert (await proxy.ask("/api/runs")).status == 200
        readers[0].leave()
        await counted(viewer, MAX_TRANSFERS - 1)
        assert len((await proxy.ask("/long")).body) == LONG
    await counted(viewer, 0)


async def test_an_upload_that_does_not_go_on_is_one(
    proxy: Proxy, viewer: Upstream, upstream: FakeViewer
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    head = f"POST {proxy.path}/up HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nContent-Length: 500\r\n\r\nhalf"
    writer.write(head.encode())
    await counted(viewer, 1)
    writer.transport.abort()
    await counted(viewer, 0)
    assert (await proxy.ask("/up", "POST", body=b"{}")).status == 200
    await counted(viewer, 0)


async def test_long_pages_count_for_more(proxy: Proxy, viewer: Upstream) -> None:
    navigation = "Sec-Fetch-Dest: document\r\nAccept: text/html\r\n"
    viewer.transfers.begin(MAX_TRANSFERS - PAGE_COST + 1)
    assert (await proxy.visit("/page")).status == 429
    viewer.transfers.end()
    assert (await proxy.visit("/page")).status == 200
    viewer.transfers.end(MAX_TRANSFERS - PAGE_COST)
    reader = await Reader.ask(proxy, "/page", navigation)
    reader.leave()
    await counted(viewer, 0)


def test_small_answers_that_nobody_takes_are_given_up() -> None:
    transfers = Transfers()
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_UNREAD):
            stack.enter_context(transfers.waiting())
        with pytest.raises(StreamClosedError), transfers.waiting():
            pass
        assert transfers.unread == MAX_UNREAD
    assert transfers.unread == 0


def test_what_is_refused_is_not_counted() -> None:
    transfers = Transfers()
    transfers.begin(MAX_TRANSFERS)
    with pytest.raises(TooManyTransfers):
        transfers.begin()
    assert transfers.count == MAX_TRANSFERS


def test_streams_are_left_for_what_is_short() -> None:
    assert MAX_TRANSFERS + MAX_WEBSOCKETS < MAX_OPEN
    assert PIECE_BYTES * MAX_TRANSFERS <= 16 * 2**20
