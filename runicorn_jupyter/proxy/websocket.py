"""Relays WebSockets: checks the handshake on both sides, then forwards bytes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from typing import TYPE_CHECKING

from tornado.iostream import IOStream, StreamClosedError

from runicorn_jupyter.errors import RemoteError
from runicorn_jupyter.http1 import SWITCHING_PROTOCOLS, BadResponse, Head, Http1Connection
from runicorn_jupyter.proxy.csp import may_open_websocket
from runicorn_jupyter.proxy.headers import (
    REQUEST_HEADERS,
    VIEWER_HOST,
    WEBSOCKET_REQUEST_HEADERS,
    request_headers,
)
from runicorn_jupyter.proxy.pool import NotProven
from runicorn_jupyter.streams import END

if TYPE_CHECKING:
    from runicorn_jupyter.proxy.exchange import Exchange
    from runicorn_jupyter.proxy.loop_fairness import LoopScheduler
    from runicorn_jupyter.proxy.upstream import Upstream

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, 1.3."""

PIECE_BYTES = 65536
"""Bytes read from the browser at once."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def is_websocket(exchange: Exchange) -> bool:
    """Return whether a request opens a WebSocket (RFC 6455, 4.2.1)."""
    connection = {token.strip().lower() for token in exchange.headers.get("Connection", "").split(",")}
    return (
        exchange.method == "GET"
        and exchange.headers.get("Upgrade", "").lower() == "websocket"
        and "upgrade" in connection
    )


async def relay_websocket(exchange: Exchange, upstream: Upstream) -> tuple[int, str, str] | None:
    """Open the WebSocket at the viewer, accept it here, and forward bytes until one side ends.

    Parameters
    ----------
    exchange
        The browser's request.
    upstream
        The viewer.

    Returns
    -------
    tuple of int, str and str, or None
        Status, code and message to refuse it with, where it was not opened.
    """
    origin = exchange.headers.get("Origin")
    hosts = {exchange.request.host, exchange.origin.partition("://")[2]}
    if not may_open_websocket(origin, hosts):
        return 403, "forbidden", "A WebSocket opens from the viewer's own page only."
    key = exchange.headers.get("Sec-WebSocket-Key", "")
    if exchange.headers.get("Sec-WebSocket-Version") != "13" or not _is_key(key):
        return 400, "invalid_parameters", "This is not a WebSocket of version 13."
    async with asyncio.timeout(exchange.timeouts.first_byte_seconds):
        connection = await upstream.pool.acquire(repeatable=False)
    try:
        async with asyncio.timeout(exchange.timeouts.first_byte_seconds):
            head = await _ask(exchange, upstream, connection)
        if head.status != SWITCHING_PROTOCOLS:
            status = head.status if 400 <= head.status < 500 else 502
            return status, "bad_gateway", "The viewer did not open the WebSocket."
        answer = _agree(exchange, head, key)
        browser = exchange.responder.detach()
        try:
            await browser.write(answer)
            await _pass_bytes(browser, connection, exchange.scheduler)
        finally:
            browser.close()
    finally:
        connection.close()
        upstream.pool.release(connection)
    return None


async def _ask(exchange: Exchange, upstream: Upstream, connection: Http1Connection) -> Head:
    allowed = (REQUEST_HEADERS | WEBSOCKET_REQUEST_HEADERS) - {"content-type", "content-encoding"}
    ticket = upstream.endpoint.ticket("GET", exchange.target)
    headers = [
        ("host", VIEWER_HOST),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        *request_headers(exchange.headers.get_all(), allowed),
        ticket.header,
    ]
    await connection.send_head("GET", exchange.target, headers)
    head = await connection.read_head()
    # A refusal may be the HTTP server's own, which has no proof; of it only the status goes on.
    if head.status == SWITCHING_PROTOCOLS and not ticket.is_proven_by(head.get):
        raise NotProven("what agrees on the viewer's port does not know its secret")
    return head


def _agree(exchange: Exchange, head: Head, key: str) -> bytes:
    """Check the viewer's handshake as a client must (RFC 6455, 4.1); return the answer to the browser."""
    accept = base64.b64encode(hashlib.sha1((key + GUID).encode(), usedforsecurity=False).digest()).decode()
    if (head.get("upgrade") or "").lower() != "websocket" or head.get("sec-websocket-accept") != accept:
        raise BadResponse("it agreed to something else")
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    lines.append(f"Sec-WebSocket-Accept: {accept}")
    protocol = head.get("sec-websocket-protocol")
    if protocol is not None:
        asked = exchange.headers.get("Sec-WebSocket-Protocol", "")
        if not _TOKEN.fullmatch(protocol) or protocol not in [token.strip() for token in asked.split(",")]:
            raise BadResponse("it chose a protocol that nobody offered")
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    extensions = head.get("sec-websocket-extensions")
    if extensions is not None:
        if "Sec-WebSocket-Extensions" not in exchange.headers:
            raise BadResponse("it chose an extension that nobody offered")
        lines.append(f"Sec-WebSocket-Extensions: {extensions}")
    lines.extend(f"{name}: {value}" for name, value in exchange.security.items())
    return "\r\n".join((*lines, "", "")).encode("latin-1")


async def _pass_bytes(browser: IOStream, connection: Http1Connection, scheduler: LoopScheduler) -> None:
    """Forward bytes both ways until one side ends, with back-pressure."""

    async def up() -> None:
        try:
            while True:
                await connection.stream.write(await browser.read_bytes(PIECE_BYTES, partial=True))
                await scheduler.wait()
        except (StreamClosedError, OSError, RemoteError):
            return

    async def down() -> None:
        try:
            while (data := await connection.read_raw()) is not END:
                await browser.write(data)
                await scheduler.wait()
        except (StreamClosedError, OSError, RemoteError):
            return

    directions = [asyncio.ensure_future(up()), asyncio.ensure_future(down())]
    try:
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
    finally:
        connection.close()
        browser.close()
        for direction in directions:
            direction.cancel()
        await asyncio.gather(*directions, return_exceptions=True)


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except ValueError:
        return False
