"""What passes between a browser and a viewer, and what does not."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from tests.unit.proxy.world import JSON, OK, SECRET, Asked, FakeViewer, Proxy, running_proxy


async def test_a_request_says_what_it_must_and_no_more(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(JSON)
    secrets = {
        "Cookie": "_xsrf=1",
        "Authorization": "token 0123",
        "Origin": "null",
        "Referer": f"{proxy.origin}{proxy.path}/",
        "X-XSRFToken": "1",
        "X-Forwarded-For": "10.0.0.1",
        "User-Agent": "Mozilla",
        "X-Runicorn-Ticket": "guess",
        "Accept": "application/json",
        "Range": "bytes=0-9",
    }
    await proxy.ask("/api/runs?path=..%2F&x", headers=secrets)
    (asked,) = upstream.asked
    assert asked.line == "GET /api/runs?path=..%2F&x HTTP/1.1"
    assert asked.headers == {
        "host": "127.0.0.1",
        "accept": "application/json",
        "range": "bytes=0-9",
        SECRET[0]: SECRET[1],
    }


async def test_an_answer_says_nothing_that_changes_the_browser(proxy: Proxy, upstream: FakeViewer) -> None:
    hostile = b"".join(
        b"%s: x\r\n" % name
        for name in (
            b"Set-Cookie", b"Content-Security-Policy", b"Clear-Site-Data", b"Refresh", b"Link", b"SourceMap",
            b"Access-Control-Allow-Credentials", b"Access-Control-Allow-Origin", b"Referrer-Policy",
            b"Service-Worker-Allowed", b"Strict-Transport-Security", b"X-Frame-Options", b"Server",
            b"X-Content-Type-Options", b"WWW-Authenticate",
        )
    )  # fmt: skip
    upstream.says(OK + hostile + b'ETag: "a"\r\nX-Row-Count: 3\r\nContent-Length: 2\r\n\r\n{}')
    got = await proxy.ask("/api/runs")
    assert {name.lower(): value for name, value in got.headers.items() if name != "Date"} == {
        "access-control-allow-origin": "*",
        "access-control-expose-headers": "*",
        "cache-control": "private, no-cache",
        "connection": "close",
        "content-length": "2",
        "content-security-policy": proxy.policy,
        "content-type": "application/octet-stream",
        "etag": '"a"',
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-row-count": "3",
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_bodies_go_up(proxy: Proxy, upstream: FakeViewer, method: str) -> None:
    upstream.says(JSON)
    body = bytes(range(256)) * 1000
    got = await proxy.ask("/api/import", method, {"Content-Type": "application/zip"}, body)
    assert got.status == 200
    (asked,) = upstream.asked
    assert asked.line == f"{method} /api/import HTTP/1.1"
    assert asked.body == body
    assert asked.headers["content-type"] == "application/zip"


async def test_chunked_bodies_go_up_in_chunks(proxy: Proxy, upstream: FakeViewer) -> None:
    async def answer(_: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while size := int(await reader.readline(), 16):
            got.extend(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        writer.write(JSON)

    got = bytearray()
    upstream.answer = answer
    head = f"POST {proxy.path}/api/import HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    body = b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n"
    assert (await proxy.send(head.encode() + body)).status == 200
    assert got == b"hello world"


async def test_a_viewer_may_refuse_a_body_before_its_end(proxy: Proxy, upstream: FakeViewer) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
        await writer.drain()
        writer.write_eof()
        while await reader.read(65536):
            pass
        writer.close()
        await writer.wait_closed()
        ended.set()

    ended = asyncio.Event()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with running_proxy(server.sockets[0].getsockname()[1]) as other:
        got = await other.ask("/api/import", "POST", body=b"x" * 3_000_000)
        await ended.wait()
    server.close()
    await server.wait_closed()
    assert (got.status, got.body) == (413, b"big")


async def test_head_has_no_body(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(OK + b'Content-Type: text/plain\r\nETag: "a"\r\nContent-Length: 500\r\n\r\n')
    for _ in range(2):
        got = await proxy.ask("/api/runs", "HEAD")
        assert (got.status, got.body) == (200, b"")
        assert got.headers["Content-Length"] == "500"
    assert upstream.connections == 1


async def test_validators_pass(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 500\r\n\r\n')
    for _ in range(2):
        got = await proxy.ask("/api/runs", headers={"If-None-Match": '"a"'})
        assert (got.status, got.body, got.headers["ETag"]) == (304, b"", '"a"')
        assert got.headers["Content-Security-Policy"] == proxy.policy
    assert upstream.asked[0].headers["if-none-match"] == '"a"'
    assert upstream.connections == 1


async def test_ranges_pass(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(
        b"HTTP/1.1 206 Partial Content\r\nContent-Type: text/html\r\nContent-Range: bytes 1-2/9\r\n"
        b"Accept-Ranges: bytes\r\nContent-Length: 2\r\n\r\n<h"
    )
    got = await proxy.ask("/api/file", headers={"Range": "bytes=1-2", "Sec-Fetch-Dest": "document"})
    assert (got.status, got.body) == (206, b"<h")
    assert got.headers["Content-Range"] == "bytes 1-2/9"


async def test_nothing_is_compressed_or_opened_on_the_way(proxy: Proxy, upstream: FakeViewer) -> None:
    text = b'{"a": 1}' * 1000
    upstream.says(OK + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
    got = await proxy.ask("/api/runs", headers={"Accept-Encoding": "gzip"})
    assert got.body == text  # Jupyter's own compression would take the event loop's time
    assert "Content-Encoding" not in got.headers
    bomb = gzip.compress(bytes(50_000_000))
    head = b"Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(
        bomb
    )
    upstream.says(OK + head + bomb)
    got = await proxy.ask("/api/runs", headers={"Accept-Encoding": "gzip"})
    assert got.body == bomb
    assert got.headers["Content-Encoding"] == "gzip"


async def test_a_redirect_stays_below_the_prefix(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1/api/runs/?a=b\r\nContent-Length: 0\r\n\r\n")
    got = await proxy.ask("/api/runs")
    assert (got.status, got.headers["Location"]) == (307, f"{proxy.path}/api/runs/?a=b")


async def test_a_redirect_elsewhere_is_a_502(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(b"HTTP/1.1 302 X\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n")
    got = await proxy.ask("/api/runs")
    assert got.status == 502
    assert "Location" not in got.headers
