"""What passes between a browser and a viewer, and what does not."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest

from runicorn_jupyter.proxy.html import MAX_HTML_BYTES
from runicorn_jupyter.proxy.policy import content_security_policy
from tests.unit.proxy.world import BASE_URL, SECRET, Asked, Proxy, TcpStream, Upstream, running_proxy

OK = b"HTTP/1.1 200 OK\r\n"
JSON = OK + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def policy(proxy: Proxy) -> str:
    """The policy that every answer below the proxy's capability has."""
    return content_security_policy(proxy.origin, proxy.path + "/")


async def test_a_request_says_what_it_must_and_no_more(proxy: Proxy, upstream: Upstream) -> None:
    upstream.says(JSON)
    secrets = {
        "Cookie": "_xsrf=1",
        "Authorization": "token 0123",
        "Origin": "null",
        "Referer": f"{proxy.origin}{proxy.path}/",
        "X-XSRFToken": "1",
        "X-Forwarded-For": "10.0.0.1",
        "User-Agent": "Mozilla",
        "X-Runicorn-Secret": "guess",
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


async def test_an_answer_says_nothing_that_changes_the_browser(proxy: Proxy, upstream: Upstream) -> None:
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
        "content-security-policy": policy(proxy),
        "content-type": "application/octet-stream",
        "etag": '"a"',
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-row-count": "3",
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_bodies_go_up(proxy: Proxy, upstream: Upstream, method: str) -> None:
    upstream.says(JSON)
    body = bytes(range(256)) * 1000
    got = await proxy.ask("/api/import", method, {"Content-Type": "application/zip"}, body)
    assert got.status == 200
    (asked,) = upstream.asked
    assert asked.line == f"{method} /api/import HTTP/1.1"
    assert asked.body == body
    assert asked.headers["content-type"] == "application/zip"


async def test_chunked_bodies_go_up_in_chunks(proxy: Proxy, upstream: Upstream) -> None:
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


async def test_a_viewer_may_refuse_a_body_before_its_end(proxy: Proxy, upstream: Upstream) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
        await writer.drain()
        writer.write_eof()
        while await reader.read(65536):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with running_proxy(server.sockets[0].getsockname()[1]) as other:
        got = await other.ask("/api/import", "POST", body=b"x" * 3_000_000)
    server.close()
    assert (got.status, got.body) == (413, b"big")


async def test_head_has_no_body(proxy: Proxy, upstream: Upstream) -> None:
    upstream.says(OK + b'Content-Type: text/plain\r\nETag: "a"\r\nContent-Length: 500\r\n\r\n')
    for _ in range(2):
        got = await proxy.ask("/api/runs", "HEAD")
        assert (got.status, got.body) == (200, b"")
        assert got.headers["Content-Length"] == "500"
    assert upstream.connections == 1


async def test_validators_pass(proxy: Proxy, upstream: Upstream) -> None:
    upstream.says(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 500\r\n\r\n')
    for _ in range(2):
        got = await proxy.ask("/api/runs", headers={"If-None-Match": '"a"'})
        assert (got.status, got.body, got.headers["ETag"]) == (304, b"", '"a"')
        assert got.headers["Content-Security-Policy"] == policy(proxy)
    assert upstream.asked[0].headers["if-none-match"] == '"a"'
    assert upstream.connections == 1


async def test_ranges_pass(proxy: Proxy, upstream: Upstream) -> None:
    upstream.says(
        b"HTTP/1.1 206 Partial Content\r\nContent-Type: text/html\r\nContent-Range: bytes 1-2/9\r\n"
        b"Accept-Ranges: bytes\r\nContent-Length: 2\r\n\r\n<h"
    )
    got = await proxy.ask("/api/file", headers={"Range": "bytes=1-2", "Sec-Fetch-Dest": "document"})
    assert (got.status, got.body) == (206, b"<h")
    assert got.headers["Content-Range"] == "bytes 1-2/9"


async def test_nothing_is_compressed_or_opened_on_the_way(proxy: Proxy, upstream: Upstream) -> None:
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


async def test_a_redirect_stays_below_the_prefix(proxy: Proxy, upstream: Upstream) -> None:
    upstream.says(b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1/api/runs/?a=b\r\nContent-Length: 0\r\n\r\n")
    got = await proxy.ask("/api/runs")
    assert (got.status, got.headers["Location"]) == (307, f"{proxy.path}/api/runs/?a=b")


async def test_a_redirect_elsewhere_is_a_502(proxy: Proxy, upstream: Upstream) -> None:
    upstream.says(b"HTTP/1.1 302 X\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n")
    got = await proxy.ask("/api/runs")
    assert got.status == 502
    assert "Location" not in got.headers


# -- pages


def html(body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return OK + b"Content-Type: text/html\r\n%sContent-Length: %d\r\n\r\n%s" % (lines, len(body), body)


async def test_a_page_gets_the_shim_and_is_never_stored(proxy: Proxy, upstream: Upstream) -> None:
    upstream.says(
        html(
            b'<head><script src="/a.js"></script>',
            b'ETag: "a"',
            b"Last-Modified: x",
            b"Cache-Control: public",
        )
    )
    got = await proxy.visit()
    assert got.body.startswith(b"<head><script>(() => {")
    assert got.body.endswith(f'<script src="{proxy.path}/a.js"></script>'.encode())
    assert int(got.headers["Content-Length"]) == len(got.body)
    assert got.headers["Cache-Control"] == "no-store"
    assert "ETag" not in got.headers
    assert "Last-Modified" not in got.headers
    assert got.headers["Content-Security-Policy"] == policy(proxy)


async def test_an_encoded_page_is_a_502(proxy: Proxy, upstream: Upstream) -> None:
    upstream.says(html(gzip.compress(b"<head>"), b"Content-Encoding: gzip"))
    assert (await proxy.visit()).status == 502


async def test_a_page_is_not_read_without_end(proxy: Proxy, upstream: Upstream) -> None:
    upstream.says(html(b"x" * (MAX_HTML_BYTES + 1)))
    assert (await proxy.visit()).status == 502
    upstream.says(html(b"x" * MAX_HTML_BYTES))
    assert (await proxy.visit()).status == 200


async def test_html_that_is_data_is_left_alone(proxy: Proxy, upstream: Upstream) -> None:
    """A report that a script fetches, or a person downloads, is no page of the viewer's."""
    report = b'<head><a href="/x">' + b"x" * MAX_HTML_BYTES
    upstream.says(html(report))
    assert (await proxy.ask("/api/report")).body == report
    upstream.says(html(report, b"Content-Disposition: attachment; filename=report.html"))
    got = await proxy.visit("/api/report")
    assert got.body == report
    assert got.headers["Content-Disposition"] == "attachment; filename=report.html"


async def test_a_navigation_is_known_where_browsers_do_not_say_so(proxy: Proxy, upstream: Upstream) -> None:
    """Over plain HTTP to another machine there is no Sec-Fetch-Dest; an opaque page's fetch has an Origin."""
    upstream.says(html(b"<head>"))
    page = await proxy.ask("/", headers={"Sec-Fetch-Dest": "", "Accept": "text/html"})
    data = await proxy.ask("/", headers={"Sec-Fetch-Dest": "", "Accept": "*/*", "Origin": "null"})
    assert b"runicornShim" in page.body
    assert data.body == b"<head>"


async def test_the_routes_of_a_page_are_the_page(proxy: Proxy, upstream: Upstream) -> None:
    """Runicorn before 0.7 knows ``/`` only; a link to ``/runs/ID`` that opens in a new tab needs more."""

    async def answer(asked: Asked, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        missing = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        writer.write(html(b"<head>") if asked.target == "/" else missing)

    upstream.answer = answer
    assert b"runicornShim" in (await proxy.visit("/runs/20261124_1")).body
    assert (await proxy.visit("/api/nothing")).status == 404
    assert (await proxy.ask("/runs/20261124_1")).status == 404


# -- who may ask


async def test_an_unknown_capability_is_a_404(proxy: Proxy, upstream: Upstream) -> None:
    for capability in ("0" * 32, "x", "", proxy.capability.upper(), proxy.capability + "0", "..", "%2e%2e"):
        got = await proxy.ask(path=f"{BASE_URL}runicorn/v/{capability}/api/runs")
        assert got.status == 404, capability
        assert got.headers["Content-Security-Policy"].startswith("sandbox ")
    assert upstream.asked == []


async def test_a_capability_ends_with_its_viewer(proxy: Proxy, upstream: Upstream) -> None:
    upstream.says(JSON)
    assert (await proxy.ask("/api/runs")).status == 200
    proxy.capabilities.revoke(proxy.capability)
    got = await proxy.ask("/api/runs")
    assert got.status == 404
    assert got.headers["Content-Security-Policy"] == policy(proxy)
    assert await upstream.closed.get() == 1  # idle streams close too


async def test_a_download_ends_with_its_viewer(proxy: Proxy, upstream: Upstream) -> None:
    upstream.says(OK + b"Content-Length: 5000000\r\n\r\n" + b"x" * 1000)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(f"GET {proxy.path}/big HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: null\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\nx")
    proxy.capabilities.revoke(proxy.capability)
    await reader.read()
    writer.close()
    assert await upstream.closed.get() == 1


@pytest.mark.parametrize("tail", ["/../x", "/%2e%2e/x", "/a//b", "//", "/a%5cb", "/a\\b", "/%00", "/%zz"])
async def test_a_path_that_is_not_plain_is_a_400(proxy: Proxy, upstream: Upstream, tail: str) -> None:
    got = await proxy.ask(tail)
    assert got.status == 400
    assert json.loads(got.body)["error"] == "invalid_parameters"
    assert got.headers["Content-Security-Policy"] == policy(proxy)
    assert upstream.asked == []


@pytest.mark.parametrize("tail", ["/api/remote", "/api/remote/connect", "/api/%72emote/connect"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_the_viewers_ssh_client_is_a_403(
    proxy: Proxy, upstream: Upstream, tail: str, method: str
) -> None:
    got = await proxy.ask(tail, method)
    assert got.status == 403
    assert upstream.asked == []


async def test_without_its_slash_it_is_a_redirect(proxy: Proxy) -> None:
    got = await proxy.ask("")
    assert (got.status, got.headers["Location"]) == (302, f"{proxy.path}/")


async def test_a_preflight_is_answered_here(proxy: Proxy, upstream: Upstream) -> None:
    asks = {
        "Origin": "null",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type",
    }
    got = await proxy.ask("/api/runs", "OPTIONS", asks)
    assert (got.status, got.body) == (204, b"")
    assert got.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in got.headers
    assert "PUT" in got.headers["Access-Control-Allow-Methods"]
    assert upstream.asked == []


async def test_jupyters_host_check_holds(upstream: Upstream) -> None:
    upstream.says(JSON)
    settings = {"allow_remote_access": False, "local_hostnames": ["localhost"]}
    async with running_proxy(upstream.port, **settings) as proxy:
        for host, status in {
            "localhost:1": 200,
            "127.0.0.1": 200,
            "[::1]:1": 200,
            "evil.example": 403,
            "a;b": 403,
        }.items():
            got = await proxy.ask("/api/runs", headers={"Host": host})
            assert got.status == status, host
            assert ";b" not in got.headers["Content-Security-Policy"].replace("; ", "")


async def test_the_policy_is_of_the_host_that_the_browser_used(upstream: Upstream) -> None:
    upstream.says(JSON)
    async with running_proxy(upstream.port) as proxy:
        forwarded = {"Host": "hub.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
        got = await proxy.ask("/api/runs", headers=forwarded)
        assert (
            f"connect-src http://hub.example{proxy.path}/ ws://hub.example{proxy.path}/;"
            in got.headers["Content-Security-Policy"]
        )
    async with running_proxy(upstream.port, viewer_origin="https://hub.example/") as proxy:
        got = await proxy.ask("/api/runs")
        assert (
            f"connect-src https://hub.example{proxy.path}/ wss://hub.example{proxy.path}/;"
            in got.headers["Content-Security-Policy"]
        )


# -- connections


async def test_one_connection_serves_many_requests(proxy: Proxy, upstream: Upstream) -> None:
    upstream.says(JSON)
    for _ in range(5):
        assert (await proxy.ask("/api/runs")).status == 200
    assert upstream.connections == 1


async def test_a_connection_that_closed_meanwhile_costs_nothing(proxy: Proxy, upstream: Upstream) -> None:
    upstream.says(JSON, close=True)
    for _ in range(3):
        assert (await proxy.ask("/api/runs")).status == 200
        assert (await proxy.ask("/api/runs", "POST", body=b"{}")).status == 200


async def test_a_get_is_sent_again_when_the_connection_closes_in_that_moment(
    proxy: Proxy, upstream: Upstream
) -> None:
    async def answer(asked: Asked, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(upstream.asked) == 2:
            writer.close()
        else:
            writer.write(JSON)

    upstream.answer = answer
    assert [(await proxy.ask("/api/runs")).status for _ in range(2)] == [200, 200]
    assert [asked.connection for asked in upstream.asked] == [1, 1, 2]


async def test_a_post_is_never_sent_twice(proxy: Proxy, upstream: Upstream) -> None:
    async def answer(_: Asked, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    upstream.answer = answer
    for body in (b"", b"{}"):
        upstream.asked.clear()
        assert (await proxy.ask("/api/delete", "POST", body=body)).status == 502
        assert len(upstream.asked) == 1


async def test_a_page_finds_connections_open(proxy: Proxy, upstream: Upstream) -> None:
    upstream.says(html(b"<head>"))
    await proxy.visit()
    while upstream.connections < 6:
        await asyncio.sleep(0)
    assert (await proxy.ask("/api/runs")).status == 200
    assert upstream.connections == 6


async def test_a_browser_that_leaves_stops_the_viewer(proxy: Proxy, upstream: Upstream) -> None:
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


async def test_a_browser_that_leaves_in_the_middle_of_its_body(proxy: Proxy, upstream: Upstream) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(
        f"POST {proxy.path}/up HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\nhalf".encode()
    )
    while upstream.connections < 1:
        await asyncio.sleep(0)
    writer.close()
    assert await upstream.closed.get() == 1
    assert upstream.asked == []


class CountingStream(TcpStream):
    """Counts what the proxy took from the viewer."""

    taken = 0

    async def read(self, max_bytes: int = 262144) -> bytes:
        data = await super().read(max_bytes)
        CountingStream.taken += len(data)
        return data


async def test_who_does_not_read_stops_the_viewer(upstream: Upstream) -> None:
    """Back-pressure goes all the way: a stalled browser leaves the body where it is."""
    size = 64 * 2**20
    upstream.says(OK + b"Content-Length: %d\r\n\r\n" % size, *[b"x" * 2**20] * 64)
    CountingStream.taken = 0
    async with running_proxy(upstream.port, stream=CountingStream) as proxy:
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


async def test_who_does_not_read_keeps_nobody_else_waiting(proxy: Proxy, upstream: Upstream) -> None:
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


async def test_events_come_as_they_happen(proxy: Proxy, upstream: Upstream) -> None:
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
