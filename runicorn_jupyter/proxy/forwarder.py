"""Forwards one request from a browser to a viewer, and streams the answer back."""

from __future__ import annotations

import asyncio
from http.client import responses
from typing import TYPE_CHECKING

from tornado.iostream import SSLIOStream, StreamClosedError

from runicorn_jupyter.errors import ConnectionLost
from runicorn_jupyter.http1 import SWITCHING_PROTOCOLS, BadResponse, ClosedEarly, Head, Http1Connection
from runicorn_jupyter.proxy import html
from runicorn_jupyter.proxy.asset_cache import IMMUTABLE, Keeper, accepted_codings, is_hashed
from runicorn_jupyter.proxy.headers import (
    VIEWER_HOST,
    request_headers,
    response_headers,
    rewrite_location,
)
from runicorn_jupyter.proxy.pool import NotProven, ViewerStopped
from runicorn_jupyter.proxy.prefetch import MAX_BYTES, PAGE_CONNECTIONS
from runicorn_jupyter.proxy.transfers import PAGE_COST, PIECE_BYTES, SMALL_BYTES
from runicorn_jupyter.streams import END, End

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from runicorn_jupyter.proxy.endpoint import Ticket
    from runicorn_jupyter.proxy.exchange import Exchange
    from runicorn_jupyter.proxy.upstream import Upstream

SAFE_METHODS = frozenset({"GET", "HEAD"})
"""Methods that may be retried (RFC 9110, 9.2.1); ``OPTIONS`` never gets this far."""

MAX_ATTEMPTS = 3
"""Number of attempts of such a request when the connection breaks before an answer."""

PUMP_BYTES = 2**20
"""Remaining bytes from which an answer bypasses the event loop."""


class RequestForwarder:
    """Forwards one request to the viewer, and its answer to the browser.

    Parameters
    ----------
    exchange
        The browser's request, and what answers it.
    upstream
        The viewer.
    """

    def __init__(self, exchange: Exchange, upstream: Upstream) -> None:
        self._exchange = exchange
        self._responder = exchange.responder
        self._upstream = upstream
        self._connection: Http1Connection | None = None
        self._ticket: Ticket | None = None
        self._method = exchange.method
        self._path = exchange.tail
        self._target = exchange.target
        self._refused = False
        self._cost = 0
        self._partition = upstream.endpoint.partition()
        self._headers = request_headers(exchange.headers.get_all())
        self._codings = accepted_codings(exchange.headers.get("Accept-Encoding", ""))

    async def open(self) -> None:
        """Send the head of a request whose body follows."""
        self._begin()
        self._upstream.prefetcher.invalidate()
        length = self._exchange.headers.get("Content-Length")
        await self._send_head(int(length) if length is not None else None, repeatable=False)

    async def send(self, data: bytes) -> None:
        """Send a piece of the body; a viewer that answers before its end gets no more of it."""
        if self._refused:
            return
        try:
            async with asyncio.timeout(self._exchange.timeouts.stall_seconds):
                await self._open.send_body(data)
        except (BrokenPipeError, ConnectionResetError):
            self._refused = True

    async def answer(self) -> None:
        """Wait for the viewer's answer and pass it on."""
        try:
            async with self._upstream.requests.turn():
                await self._answer()
        finally:
            self._end()

    async def _answer(self) -> None:
        if self._connection is None and await self._is_answered_here():
            return
        async with asyncio.timeout(self._exchange.timeouts.first_byte_seconds):  # of all tries together
            head = await self._head()
            if self._is_route_of_the_page(head):
                self.abort()
                self._path = self._target = "/"
                head = await self._head()
        if head.status == SWITCHING_PROTOCOLS:
            raise BadResponse("it switched protocols unasked")
        await self._pass_on(head)

    def close(self) -> None:
        """Release the connection; it is reused if the answer was read to its end."""
        if self._connection is not None:
            self._upstream.pool.release(self._connection)
            self._connection = None

    def abort(self) -> None:
        """Close the connection at once, so that the viewer stops working on the request."""
        if self._connection is not None:
            self._connection.close()
        self.close()
        self._end()

    @property
    def _open(self) -> Http1Connection:
        if self._connection is None:
            raise ViewerStopped
        return self._connection

    def _is_route_of_the_page(self, head: Head) -> bool:
        """Whether a 404 is a route of the page's own: runicorn serves those since 0.7 only."""
        return (
            head.status == 404
            and self._method == "GET"
            and self._exchange.is_navigation
            and not self._path.startswith(("/api/", "/assets/"))
        )

    # -- to the viewer

    async def _send_head(self, content_length: int | None, *, repeatable: bool) -> None:
        connection = await self._acquire(repeatable=repeatable)
        self._connection = connection
        headers = [("host", VIEWER_HOST), *self._headers]
        self._ticket = self._upstream.endpoint.ticket(self._method, self._target)
        headers.append(self._ticket.header)
        await connection.send_head(self._method, self._target, headers, content_length=content_length)

    async def _acquire(self, *, repeatable: bool) -> Http1Connection:
        """Get a connection; data requests wait for a lost SSH connection, pages say that it is lost."""
        timeouts, pool = self._exchange.timeouts, self._upstream.pool
        async with asyncio.timeout(timeouts.first_byte_seconds):
            try:
                return await pool.acquire(repeatable=repeatable)
            except ConnectionLost:
                if self._exchange.is_navigation:
                    raise
            await self._upstream.wait_connected(timeouts.reconnect_wait_seconds)
            return await pool.acquire(repeatable=repeatable)

    async def _head(self) -> Head:
        if self._connection is not None:
            if not self._refused:
                await self._connection.end_body()
            return await self._proven_head()
        repeatable = self._method in SAFE_METHODS
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                await self._send_head(0, repeatable=repeatable)
                return await self._proven_head()
            except (ClosedEarly, NotProven, ConnectionLost, ConnectionResetError, BrokenPipeError):
                self.abort()
                self._upstream.pool.drop_idle()
                if not repeatable or attempt == MAX_ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    async def _proven_head(self) -> Head:
        """Wait for the answer's head, which has to prove that it is the viewer's."""
        head = await self._open.read_head()
        if self._ticket is None or not self._ticket.is_proven_by(head.get):
            raise NotProven("what answers on the viewer's port does not know its secret")
        return head

    # -- to the browser

    async def _pass_on(self, head: Head) -> None:
        responder = self._responder
        content_type = head.get("content-type")
        attachment = (head.get("content-disposition") or "").lower().lstrip().startswith("attachment")
        if (
            html.is_html(content_type)
            and self._exchange.is_navigation
            and not attachment
            and head.status != 206
        ):
            await self._pass_page(head)
            return
        self._set_head(head)
        keeper = self._keeper(head)
        if head.content_length is not None and head.status not in (204, 304):
            responder.set_header("Content-Length", str(head.content_length))
        self._learn(head)
        length = head.content_length
        is_small = self._method == "HEAD" or (length is not None and length <= SMALL_BYTES)
        if not is_small and not self._cost:  # an upload's answer is counted already
            self._begin()
        if head.content_length is None and not self._open.has_piece:
            await responder.flush()  # what has no length may be a stream of events: say now that it is open
        if keeper is None and self._can_pump():
            await self._pump()
            return
        await self._pass_body(keeper, is_small=is_small)
        if keeper is not None:
            keeper.keep()
        self.close()
        await self._finish(responder.flush())

    async def _pass_body(self, keeper: Keeper | None, *, is_small: bool) -> None:
        responder = self._responder
        while (piece := await self._read()) is not END:
            responder.write(piece)
            if keeper is not None:
                keeper.add(piece)
            if not self._open.body_buffered:
                sent = responder.flush()
                if not is_small:
                    await sent  # until the browser has taken it: this is the back-pressure
                await self._exchange.scheduler.wait()

    def _can_pump(self) -> bool:
        """Return whether the rest of the answer is long enough to bypass the event loop."""
        browser = self._exchange.browser
        plain = browser is not None and not isinstance(browser, SSLIOStream)
        return plain and self._method == "GET" and self._open.can_pump(PUMP_BYTES)

    async def _pump(self) -> None:
        """Have the rest of the answer passed on by the thread that reads the SSH connection."""
        responder, connection = self._responder, self._open
        responder.set_header("Connection", "close")  # Tornado's count of what it has sent is wrong after this
        while connection.has_piece and (piece := await connection.read_body()) is not END:
            responder.write(piece)
        await responder.flush()
        browser = responder.hand_over()
        try:
            await connection.pump(browser.socket, self._exchange.timeouts.stall_seconds)
        except ConnectionError as exc:
            raise StreamClosedError from exc
        finally:
            browser.close()
        self.close()

    def _keeper(self, head: Head) -> Keeper | None:
        """Return a collector for the cache, or None where this answer is not cached."""
        if self._method != "GET" or not is_hashed(self._path) or head.ends_with_stream or head.status != 200:
            return None
        self._responder.set_header("Cache-Control", IMMUTABLE)
        if self._upstream.endpoint.partition() != self._partition:
            return None
        return self._exchange.cache.keeper(self._partition, self._path, head.headers)

    def _learn(self, head: Head) -> None:
        """Record the request in the page's history, if its answer can be prefetched."""
        length = head.content_length
        is_small = head.status == 200 and length is not None and length <= MAX_BYTES
        if is_small and self._method == "GET" and not is_hashed(self._path):
            self._upstream.prefetcher.record(self._target, self._headers)

    async def _pass_page(self, head: Head) -> None:
        responder = self._responder
        self._upstream.pool.warm(PAGE_CONNECTIONS - 1)  # and the one in use here
        self._upstream.prefetcher.page_opens()  # not before: the page itself would wait behind all that
        if head.get("content-encoding") not in (None, "identity"):
            raise BadResponse("an encoded page")
        if not self._cost and (head.content_length is None or head.content_length > SMALL_BYTES):
            self._begin(PAGE_COST)
        page = bytearray()
        while (piece := await self._read()) is not END:
            page += piece
            if len(page) > html.MAX_HTML_BYTES:
                raise BadResponse("a page larger than what is read whole")
        self._set_head(head)
        for name in ("Etag", "Last-Modified", "Accept-Ranges", "Expires", "Age"):
            responder.clear_header(name)
        responder.set_header("Cache-Control", "no-store")
        storage = self._upstream.storage
        asked = bytes(page), head.get("content-type") or "", self._exchange.prefix, storage.items
        self.close()
        async with self._upstream.pages.turn():
            if len(page) + storage.size > html.LOOP_BYTES:
                body = await asyncio.to_thread(html.rewrite, *asked)
            else:
                body = html.rewrite(*asked)
        if self._method == "HEAD":
            await self._finish(responder.flush())
            return
        if not self._cost and len(body) > SMALL_BYTES:  # by what its storage has added
            self._begin(PAGE_COST)
        await self._send(body)

    def _set_head(self, head: Head) -> None:
        responder = self._responder
        responder.set_status(head.status, responses.get(head.status, "Unknown"))
        responder.set_header("Content-Type", "application/octet-stream")
        for name, value in response_headers(head.headers):
            responder.set_header(name, value)
        location = head.get("location")
        if location is not None:
            responder.set_header("Location", rewrite_location(location, self._exchange.prefix, self._path))
        if head.get("cache-control") is None:
            responder.set_header("Cache-Control", "private, no-cache")

    async def _read(self) -> bytes | End:
        connection = self._open
        if connection.body_buffered:
            return await connection.read_body()
        async with asyncio.timeout(self._exchange.timeouts.stall_seconds):
            return await connection.read_body()

    async def _is_answered_here(self) -> bool:
        """Answer from memory, if possible."""
        if self._method == "GET":
            return await self._from_cache() or await self._from_prefetcher()
        if self._method not in SAFE_METHODS:
            self._upstream.prefetcher.invalidate()
        return False

    async def _from_prefetcher(self) -> bool:
        """Answer from the prefetched answers, if there is one."""
        answer = await self._upstream.prefetcher.pop(self._target, self._headers)
        if answer is None:
            return False
        self._upstream.prefetcher.record(self._target, self._headers)
        self._set_head(answer.head)
        await self._send(answer.body)
        return True

    async def _from_cache(self) -> bool:
        """Answer from the cache, if it has the file or is fetching it."""
        responder = self._responder
        if "Range" in self._exchange.headers or not is_hashed(self._path):
            return False
        await self._upstream.prefetcher.asset(self._path)
        asset = self._exchange.cache.find(self._upstream.endpoint.partition(), self._path, self._codings)
        if asset is None:
            return False
        for name, value in asset.headers:
            responder.set_header(name, value)
        responder.set_header("Cache-Control", IMMUTABLE)
        await self._send(asset.body)
        return True

    # -- what is counted meanwhile

    async def _send(self, body: bytes) -> None:
        """Send an answer from memory in pieces: a browser that does not read holds only one."""
        if not self._cost and len(body) > SMALL_BYTES:
            self._begin()
        self._responder.set_header("Content-Length", str(len(body)))
        sent = self._responder.flush()
        for start in range(0, len(body), PIECE_BYTES):
            if start:
                await sent
            self._responder.write(body[start : start + PIECE_BYTES])
            sent = self._responder.flush()
        await self._finish(sent)

    async def _finish(self, sent: Awaitable[None]) -> None:
        """Wait until the browser has taken the answer, and end it."""
        if self._cost:
            await sent
        else:
            with self._upstream.transfers.waiting():
                await sent
        await self._responder.finish()

    def _begin(self, cost: int = 1) -> None:
        self._upstream.transfers.begin(cost)
        self._cost = cost

    def _end(self) -> None:
        if self._cost:
            self._upstream.transfers.end(self._cost)
            self._cost = 0
