"""Answers that are not HTTP, or that two readers could read differently: never passed on."""

from __future__ import annotations

import asyncio
import json

import pytest

from runicorn_jupyter.http1 import MAX_HEAD_BYTES
from runicorn_jupyter.proxy.timeouts import Timeouts
from tests.unit.proxy.world import Asked, FakeViewer, Proxy, running_proxy

OK = b"HTTP/1.1 200 OK\r\n"

BAD = {
    "content-length and transfer-encoding": OK
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "transfer-encoding and content-length": OK
    + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "the same length twice": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    "a list of lengths": OK + b"Content-Length: 2, 2\r\n\r\nab",
    "a signed length": OK + b"Content-Length: +2\r\n\r\nab",
    "a negative length": OK + b"Content-Length: -2\r\n\r\nab",
    "a hexadecimal length": OK + b"Content-Length: 0x2\r\n\r\nab",
    "an endless length": OK + b"Content-Length: 99999999999999999999999\r\n\r\nab",
    "an unknown coding": OK + b"Transfer-Encoding: gzip\r\n\r\nab",
    "two codings": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding that looks like chunked": OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a coding after a vertical tab": OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "status 999": b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
    "status 600": b"HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n",
    "status 99": b"HTTP/1.1 99 Odd\r\nContent-Length: 0\r\n\r\n",
    "status 1000": b"HTTP/1.1 1000 Odd\r\nContent-Length: 0\r\n\r\n",
    "no status": b"HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/0.9": b"<html>hello</html>",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "TLS": b"\x15\x03\x01\x00\x02\x02\x16",
    "nothing but nulls": b"\x00" * 64,
    "a null in a header": OK + b"X-A: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": OK + b"Content-Length : 0\r\n\r\n",
    "a folded header": OK + b"X-A: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a bare carriage return": OK + b"X-A: a\rSet-Cookie: b=c\r\nContent-Length: 0\r\n\r\n",
    "a header without a name": OK + b": a\r\nContent-Length: 0\r\n\r\n",
    "101 unasked": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "endless interim answers": b"HTTP/1.1 102 Processing\r\n\r\n" * 50,
    "headers too large": OK + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(80)) + b"\r\n",
    "a header too large": OK + b"X-A: " + b"y" * (MAX_HEAD_BYTES + 1000) + b"\r\n\r\n",
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
async def test_is_a_502(proxy: Proxy, upstream: FakeViewer, answer: bytes) -> None:
    upstream.says(answer, close=True)
    got = await proxy.ask("/api/runs")
    assert got.status == 502
    assert json.loads(got.body)["error"] == "bad_gateway"
    assert got.headers["Content-Security-Policy"].startswith("sandbox ")
    assert "Set-Cookie" not in got.headers


@pytest.mark.parametrize("answer", [b"", OK, OK + b"Content-Length: 5\r\n"], ids=["nothing", "half", "more"])
async def test_closing_before_the_body_is_a_502(proxy: Proxy, upstream: FakeViewer, answer: bytes) -> None:
    upstream.says(answer, close=True)
    assert (await proxy.ask("/api/runs")).status == 502


TRUNCATED = {
    "short of its length": OK + b"Content-Length: 500000\r\n\r\n" + b"x" * 300000,
    "without the last chunk": OK
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + b"40000\r\n"
    + b"x" * 0x40000
    + b"\r\n",
    "a broken chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n40000\r\n" + b"x" * 0x40000 + b"\r\nzz\r\n",
    "a chunk too long": OK
    + b"Transfer-Encoding: chunked\r\n\r\n40000\r\n"
    + b"x" * 0x40001
    + b"\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("answer", TRUNCATED.values(), ids=TRUNCATED)
async def test_a_broken_body_never_passes_for_whole(
    proxy: Proxy, upstream: FakeViewer, answer: bytes
) -> None:
    upstream.says(answer, close=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(f"GET {proxy.path}/big HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: null\r\n\r\n".encode())
    got = await reader.read()
    writer.close()
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert not body.endswith(b"0\r\n\r\n")
    assert len(body) < 500000


GOOD = {
    "a length": (OK + b"Content-Length: 5\r\n\r\nhello", b"hello"),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", b"hello"),
    "trailers": (
        OK + b"Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\nSet-Cookie: a=b\r\n\r\n",
        b"hello",
    ),
    "until it closes": (OK + b"\r\nhello", b"hello"),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello"),
    "early hints": (
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello",
        b"hello",
    ),
    "bytes beyond ASCII": (OK + b'ETag: "\xe9"\r\nContent-Length: 5\r\n\r\nhello', b"hello"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "junk after the end": (OK + b"Content-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n", b"hello"),
}


@pytest.mark.parametrize(("answer", "body"), GOOD.values(), ids=GOOD)
async def test_passes(proxy: Proxy, upstream: FakeViewer, answer: bytes, body: bytes) -> None:
    upstream.says(answer, close=True)
    got = await proxy.ask("/api/runs")
    assert (got.status // 100, got.body) == (2, body)
    assert "Link" not in got.headers
    assert "Set-Cookie" not in got.headers


@pytest.mark.parametrize("answer", [answer for answer, _ in GOOD.values()], ids=GOOD)
async def test_passes_byte_by_byte(proxy: Proxy, upstream: FakeViewer, answer: bytes) -> None:
    upstream.says(*(answer[i : i + 1] for i in range(len(answer))), close=True)
    assert (await proxy.ask("/api/runs")).status // 100 == 2


async def test_what_comes_after_an_answer_is_no_answer_to_the_next(
    proxy: Proxy, upstream: FakeViewer
) -> None:
    """A viewer that sends two answers to one request must not poison the next one's."""
    upstream.says(OK + b"Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    for _ in range(3):
        assert (await proxy.ask("/api/runs")).body == b"ok"
    assert upstream.connections == 3  # each such connection was given up


async def test_what_comes_unasked_ends_an_idle_connection(proxy: Proxy, upstream: FakeViewer) -> None:
    async def answer(asked: Asked, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 2\r\n\r\nok")
        await writer.drain()
        if len(upstream.asked) == 1:
            later.set()
            await again.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    later, again = asyncio.Event(), asyncio.Event()
    upstream.answer = answer
    assert (await proxy.ask("/api/runs")).body == b"ok"
    await later.wait()
    again.set()
    assert await upstream.closed.get() == 1
    assert (await proxy.ask("/api/runs")).body == b"ok"


async def test_silence_is_a_504(upstream: FakeViewer) -> None:
    async def answer(_: Asked, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        assert await reader.read() == b""  # nothing, until the other side gives up

    upstream.answer = answer
    async with running_proxy(upstream.port, timeouts=Timeouts(first_byte_seconds=0.05)) as proxy:
        got = await proxy.ask("/api/runs")
    assert got.status == 504
    assert json.loads(got.body)["error"] == "gateway_timeout"
    assert await upstream.closed.get() == 1  # and the viewer is not asked any longer


async def test_half_a_head_is_a_504(upstream: FakeViewer) -> None:
    upstream.says(OK + b"Content-Le")
    async with running_proxy(upstream.port, timeouts=Timeouts(first_byte_seconds=0.05)) as proxy:
        assert (await proxy.ask("/api/runs")).status == 504


async def test_a_stalled_body_is_broken_off(upstream: FakeViewer) -> None:
    upstream.says(OK + b"Content-Length: 500000\r\n\r\n" + b"x" * 300000)
    async with running_proxy(upstream.port, timeouts=Timeouts(stall_seconds=0.05)) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(f"GET {proxy.path}/big HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: null\r\n\r\n".encode())
        got = await reader.read()
        writer.close()
    assert len(got) < 500000
    assert await upstream.closed.get() == 1


async def test_a_stalled_page_is_a_504(upstream: FakeViewer) -> None:
    upstream.says(OK + b"Content-Type: text/html\r\nContent-Length: 500\r\n\r\n<html>")
    async with running_proxy(upstream.port, timeouts=Timeouts(stall_seconds=0.05)) as proxy:
        assert (await proxy.visit()).status == 504


async def test_nothing_listens(proxy: Proxy, upstream: FakeViewer) -> None:
    async with running_proxy(1) as other:
        assert (await other.ask("/api/runs")).status == 502
        page = await other.visit()
    assert page.status == 502
    assert b"does not answer" in page.body
