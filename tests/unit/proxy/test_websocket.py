"""WebSockets: checked before they open, and bytes in both directions once they are."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from runicorn_jupyter.proxy.upstream import MAX_WEBSOCKETS
from tests.unit.proxy.world import SECRET, Asked, FakeViewer, Proxy, running_proxy

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3
AGREED = (
    b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n" % ACCEPT
)
ASKS = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    "Origin": "null",
}


async def echo(connection: ServerConnection) -> None:
    """Say what the request was, then everything that is said."""
    assert connection.request is not None
    await connection.send(repr(dict(connection.request.headers.raw_items())))
    async for message in connection:
        await connection.send(message)


@pytest_asyncio.fixture
async def echoing() -> AsyncIterator[Proxy]:
    """The proxy before a real WebSocket server."""
    options = {"select_subprotocol": lambda _, offered: offered[-1] if offered else None, "max_size": 2**26}
    async with (
        serve(echo, "127.0.0.1", 0, **options) as server,  # type: ignore[arg-type]
        running_proxy(server.sockets[0].getsockname()[1]) as proxy,
    ):
        yield proxy


def dial(proxy: Proxy, **options: Any) -> connect:
    """Open a WebSocket as a viewer's page does."""
    url = f"{proxy.origin.replace('http', 'ws')}{proxy.path}/api/runs/1/logs/ws"
    return connect(url, **{"origin": "null", "proxy": None, "max_size": 2**26, **options})


async def test_messages_pass_both_ways(echoing: Proxy) -> None:
    async with dial(echoing) as socket:
        await socket.recv()
        for message in ("", "hello", "中文", b"\x00\xff", b"x" * 5_000_000):
            await socket.send(message)
            assert await socket.recv() == message
        pong = await socket.ping()
        await pong


async def test_the_viewer_learns_no_secret_of_the_browsers(echoing: Proxy) -> None:
    secrets = {"Cookie": "a=b", "Authorization": "token 0123", "X-Forwarded-For": "10.0.0.1"}
    async with dial(echoing, additional_headers=secrets) as socket:
        headers = {name.lower(): value for name, value in eval(await socket.recv()).items()}
    assert headers.pop(SECRET[0]) == SECRET[1]
    assert headers.pop("sec-websocket-key")
    assert set(headers) == {
        "host",
        "connection",
        "upgrade",
        "sec-websocket-version",
        "sec-websocket-extensions",
    }


async def test_subprotocols_are_agreed(echoing: Proxy) -> None:
    async with dial(echoing, subprotocols=["a", "b"]) as socket:
        assert socket.subprotocol == "b"


async def test_a_close_passes(echoing: Proxy) -> None:
    socket = await dial(echoing)
    await socket.close(4001, "enough")
    assert (socket.close_code, socket.close_reason) == (4001, "enough")


async def test_many_at_once(echoing: Proxy) -> None:
    async def talk(number: int) -> None:
        async with dial(echoing) as socket:
            await socket.recv()
            for _ in range(5):
                await socket.send(str(number))
                assert await socket.recv() == str(number)

    await asyncio.gather(*(talk(number) for number in range(30)))


async def test_so_many_and_no_more_are_open_at_once(echoing: Proxy) -> None:
    """Thousands are asked for; the viewer's other requests still find a stream."""
    async with contextlib.AsyncExitStack() as stack:
        open_ones = [await stack.enter_async_context(dial(echoing)) for _ in range(MAX_WEBSOCKETS)]
        for _ in range(200):
            with pytest.raises(InvalidStatus) as refused:
                await dial(echoing)
            assert refused.value.response.status_code == 429
        # It is not for want of a stream: what is no WebSocket is passed on, and answered by the viewer.
        assert (await echoing.ask("/api/runs")).status == 426
        await open_ones[0].close()
        await open_ones[0].wait_closed()
        while True:
            with contextlib.suppress(InvalidStatus):  # the other side of the proxy may not have ended yet
                await stack.enter_async_context(dial(echoing))
                break
        await open_ones[1].recv()
        await open_ones[1].send("still here")
        assert await open_ones[1].recv() == "still here"
    viewer = echoing.capabilities.upstream(echoing.capability)
    assert viewer is not None
    assert viewer.websockets <= MAX_WEBSOCKETS


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://127.0.0.1", "http://localhost:1", "file://"]
)
async def test_another_sites_page_opens_none(proxy: Proxy, upstream: FakeViewer, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await dial(proxy, origin=origin)
    assert refused.value.response.status_code == 403
    assert upstream.connections == 0


async def test_a_rebound_name_opens_none(upstream: FakeViewer) -> None:
    """A page whose name leads to this address is of the same origin as it, and has the capability even."""
    settings = {"allow_remote_access": False, "local_hostnames": ["localhost"]}
    rebound = {**ASKS, "Host": "rebound.example", "Origin": "http://rebound.example"}
    async with running_proxy(upstream.port, **settings) as proxy:
        assert (await proxy.ask("/api/runs/1/logs/ws", headers=rebound)).status == 403
    # Where Jupyter has no check of Host, the capability is what the page would need.
    async with running_proxy(upstream.port, allow_remote_access=True) as proxy:
        unknown = proxy.path.replace(proxy.capability, "0" * 32)
        assert (await proxy.ask(path=f"{unknown}/api/runs/1/logs/ws", headers=rebound)).status == 404
    assert upstream.connections == 0


async def test_pages_of_this_host_and_programs_may(echoing: Proxy) -> None:
    for origin in (None, echoing.origin, echoing.origin.replace("http", "https")):
        async with dial(echoing, origin=origin) as socket:
            await socket.recv()


async def test_an_unknown_capability_opens_none(proxy: Proxy, upstream: FakeViewer) -> None:
    proxy.capabilities.revoke(proxy.capability)
    with pytest.raises(InvalidStatus) as refused:
        await dial(proxy)
    assert refused.value.response.status_code == 404
    assert upstream.connections == 0


async def test_the_viewers_ssh_client_opens_none(proxy: Proxy, upstream: FakeViewer) -> None:
    assert (await proxy.ask("/api/remote/ws", headers=ASKS)).status == 403
    assert upstream.connections == 0


@pytest.mark.parametrize(
    "change",
    [
        {"Sec-WebSocket-Version": "8"},
        {"Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Key": ""},
        {"Sec-WebSocket-Version": ""},
    ],
)
async def test_what_is_no_websocket_opens_none(
    proxy: Proxy, upstream: FakeViewer, change: dict[str, str]
) -> None:
    assert (await proxy.ask("/ws", headers={**ASKS, **change})).status == 400
    assert upstream.connections == 0


async def test_a_socket_ends_with_its_viewer(echoing: Proxy) -> None:
    async with dial(echoing) as socket:
        await socket.recv()
        echoing.capabilities.revoke(echoing.capability)
        with pytest.raises(ConnectionClosed):
            await socket.recv()


async def test_a_browser_that_leaves_closes_the_viewers_side(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(AGREED + b"\r\n")
    socket = await raw(proxy)
    await socket[0].readuntil(b"\r\n\r\n")
    socket[1].transport.abort()
    assert await upstream.closed.get() == 1


async def raw(proxy: Proxy, extra: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for a WebSocket by hand."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    lines = "".join(f"{name}: {value}\r\n" for name, value in ASKS.items())
    writer.write(f"GET {proxy.path}/ws HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}{extra}\r\n".encode())
    return reader, writer


async def test_bytes_that_come_with_the_agreement_are_not_lost(proxy: Proxy, upstream: FakeViewer) -> None:
    frames = os.urandom(1000)
    upstream.says(AGREED + b"\r\n" + frames)
    reader, writer = await raw(proxy)
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"\r\nContent-Security-Policy: sandbox " in head
    assert await reader.readexactly(1000) == frames
    writer.close()


REFUSED = {
    "another key's": AGREED.replace(ACCEPT, base64.b64encode(bytes(20))) + b"\r\n",
    "no key's": AGREED.replace(b"Sec-WebSocket-Accept", b"X") + b"\r\n",
    "another protocol": AGREED.replace(b"websocket", b"h2c", 1) + b"\r\n",
    "an unasked subprotocol": AGREED + b"Sec-WebSocket-Protocol: x\r\n\r\n",
    "an unasked extension": AGREED + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    "an answer that is none": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a server error": b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n",
    "nonsense": b"nonsense\r\n\r\n",
}


@pytest.mark.parametrize("answer", REFUSED.values(), ids=REFUSED)
async def test_what_the_viewer_agrees_to_must_be_what_was_asked(
    proxy: Proxy, upstream: FakeViewer, answer: bytes
) -> None:
    upstream.says(answer)
    got = await proxy.ask("/ws", headers=ASKS)
    assert got.status == 502
    assert await upstream.closed.get() == 1


async def test_a_refusal_is_passed_on_without_its_body(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(b"HTTP/1.1 403 No\r\nSet-Cookie: a=b\r\nContent-Length: 4\r\n\r\nevil")
    got = await proxy.ask("/ws", headers=ASKS)
    assert got.status == 403
    assert b"evil" not in got.raw
    assert "Set-Cookie" not in got.headers


async def test_who_does_not_read_stops_the_viewer(proxy: Proxy, upstream: FakeViewer) -> None:
    sent = 0

    async def answer(_: Asked, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(AGREED + b"\r\n")
        for _ in range(64):
            writer.write(bytes(2**20))
            await writer.drain()
            sent += 2**20

    upstream.answer = answer
    reader, writer = await raw(proxy)
    await reader.readuntil(b"\r\n\r\n")
    before = -1
    while before != sent:  # until nothing moves any more
        before = sent
        await asyncio.sleep(0.1)
    assert sent < 32 * 2**20
    writer.transport.abort()
