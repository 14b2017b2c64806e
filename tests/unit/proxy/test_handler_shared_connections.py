"""A connection that a hub's proxy shares between people outlives a refused request, or says that it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from runicorn_jupyter.proxy.paths import RESERVED
from tests.unit.proxy.world import FakeViewer, Proxy

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def connection(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, path: str, body: bytes = b""
) -> tuple[int, bytes]:
    """Send a request on a connection and give the answer's status and head."""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    writer.write(
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: null\r\n{length}\r\n".encode() + body
    )
    answer = await reader.readuntil(b"\r\n\r\n")
    for line in answer.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length" and method != "HEAD":
            await reader.readexactly(int(value))
    return int(answer.split(b" ")[1]), answer


DEAD = "0" * 32
REFUSED = {
    "a dead capability": ("{viewers}" + DEAD + "/", 404),
    "no capability": ("{viewers}", 404),
    "no slash": ("{viewer}", 302),
    "dots": ("{viewer}/../x", 400),
    "encoded dots": ("{viewer}/%2e%2e/x", 400),
    "the viewer's own ssh": ("{viewer}/api/remote/x", 403),
    "nothing of the proxy's": (f"{{viewer}}{RESERVED}nothing", 404),
}


def path_of(proxy: Proxy, pattern: str) -> str:
    return pattern.format(viewer=proxy.path, viewers=proxy.path.removesuffix(proxy.capability))


@pytest.mark.parametrize(("pattern", "status"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_refusal_keeps_the_connection(
    proxy: Proxy, upstream: FakeViewer, method: str, pattern: str, status: int
) -> None:
    upstream.says(OK)
    async with connection(proxy) as (reader, writer):
        got, head = await ask(reader, writer, method, path_of(proxy, pattern))
        assert got == (204 if method == "OPTIONS" and RESERVED in pattern else status)
        assert b"connection: close" not in head.lower()
        assert (await ask(reader, writer, "GET", f"{proxy.path}/api/runs"))[0] == 200


@pytest.mark.parametrize(("pattern", "status"), list(REFUSED.values())[:-1], ids=list(REFUSED)[:-1])
async def test_a_refused_body_ends_the_connection_and_says_so(
    proxy: Proxy, upstream: FakeViewer, pattern: str, status: int
) -> None:
    async with connection(proxy) as (reader, writer):
        got, head = await ask(reader, writer, "POST", path_of(proxy, pattern), b"x" * 100)
        assert got == status
        assert b"\r\nconnection: close\r\n" in head.lower()
        assert await reader.read() == b""
    assert upstream.asked == []
