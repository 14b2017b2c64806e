"""The keep-alive connections to one viewer: a bounded number, opened ahead where a page will need them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runicorn_jupyter.errors import ConnectionLost, RemoteError
from runicorn_jupyter.http1 import BadResponse, Http1Connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runicorn_jupyter.streams import ByteStream, End

MAX_OPEN = 128
"""Streams to one viewer at once: 64 for transfers (``transfers.MAX_TRANSFERS``), 32 for WebSockets
(``upstream.MAX_WEBSOCKETS``), and the rest for what is short, however slowly browsers take the others."""

MAX_IDLE = 8
"""Streams kept for the next request: browsers open six connections to a host, and two tabs share."""

IDLE_SECONDS = 60.0
"""How long a stream is kept without a request."""

SAFE_IDLE_SECONDS = 30.0
"""A request that must not be sent twice goes to a stream that was idle for less, or never used.

Our viewers close a connection that was idle for 75 s (``payload/server.py``); what is sent in the
moment of closing is lost, and nobody can say whether it was acted on.
"""


class ViewerStopped(ConnectionLost):
    """The capability was revoked; waiting for it is useless."""

    code = "not_found"
    status = 404

    def __init__(self) -> None:
        super().__init__("This viewer is not there any more; open it again.")


class NotProven(BadResponse):
    """What answered does not know the viewer's secret: the viewer is gone, and another has its port."""


class Pool:
    """Keeps connections to one viewer.

    Parameters
    ----------
    open_stream
        Opens a fresh stream.
    """

    def __init__(self, open_stream: Callable[[], Awaitable[ByteStream]]) -> None:
        self._open_stream = open_stream
        self._idle: dict[Http1Connection, float] = {}
        self._timers: dict[Http1Connection, asyncio.TimerHandle] = {}
        self._busy: set[Http1Connection] = set()
        self._places = asyncio.Semaphore(MAX_OPEN)
        self._warming: set[asyncio.Task[None]] = set()
        self.closed = False

    async def acquire(self, *, repeatable: bool = True) -> Http1Connection:
        """Acquire a connection for one request; wait while all are in use.

        Parameters
        ----------
        repeatable
            Whether the request may be sent again should the viewer close the connection just now.

        Raises
        ------
        ConnectionLost
            While the SSH connection is down; `ViewerStopped` after `close`.
        OSError
            If nothing listens there.
        """
        await self._places.acquire()
        try:
            return await self._take(repeatable=repeatable)
        except BaseException:
            self._places.release()
            raise

    async def _take(self, *, repeatable: bool) -> Http1Connection:
        if self.closed:
            raise ViewerStopped
        now = asyncio.get_running_loop().time()
        for connection in reversed(self._idle):
            since = self._idle[connection]
            if not connection.stale and (
                repeatable or not connection.used or now - since < SAFE_IDLE_SECONDS
            ):
                self._forget(connection)
                self._busy.add(connection)
                return connection
        connection = Http1Connection(await self._open_stream())
        if self.closed:
            connection.close()
            raise ViewerStopped
        self._busy.add(connection)
        return connection

    def release(self, connection: Http1Connection) -> None:
        """Take a connection back: kept where another request can follow, closed otherwise."""
        if connection not in self._busy:
            return
        self._busy.discard(connection)
        self._places.release()
        if self.closed or not connection.reusable or len(self._idle) >= MAX_IDLE:
            connection.close()
        else:
            self._keep(connection)

    def warm(self, count: int) -> None:
        """Open streams ahead, so that a page's first requests need no round trip for that.

        Parameters
        ----------
        count
            How many should be there; those that are idle already count.
        """
        missing = min(count, MAX_IDLE) - len(self._idle) - len(self._warming)
        for _ in range(missing if not self.closed else 0):
            task = asyncio.create_task(self._warm_one())
            self._warming.add(task)
            task.add_done_callback(self._warming.discard)

    def drop_idle(self) -> None:
        """Close the idle connections: the SSH connection below them is gone."""
        for connection in list(self._idle):
            self._discard(connection)

    def close(self) -> None:
        """Close everything, requests under way included."""
        self.closed = True
        for task in list(self._warming):
            task.cancel()
        self.drop_idle()
        for connection in list(self._busy):
            connection.close()

    async def _warm_one(self) -> None:
        try:
            stream = await self._open_stream()
        except (OSError, RemoteError):
            return  # whoever needs one will meet the same error, and can tell it to someone
        connection = Http1Connection(stream)
        if self.closed or len(self._idle) >= MAX_IDLE:
            connection.close()
        else:
            self._keep(connection)

    def _keep(self, connection: Http1Connection) -> None:
        loop = asyncio.get_running_loop()
        self._idle[connection] = loop.time()
        self._timers[connection] = loop.call_later(IDLE_SECONDS, self._discard, connection)
        waiting = connection.watch()
        if not waiting.done():
            waiting.add_done_callback(lambda task: self._spoke(connection, task))
        else:
            self._discard(connection)

    def _spoke(self, connection: Http1Connection, task: asyncio.Task[bytes | End]) -> None:
        if connection in self._idle:
            if not task.cancelled():
                task.exception()  # why it ended is of no interest: it was idle
            self._discard(connection)

    def _forget(self, connection: Http1Connection) -> None:
        self._idle.pop(connection, None)
        timer = self._timers.pop(connection, None)
        if timer is not None:
            timer.cancel()

    def _discard(self, connection: Http1Connection) -> None:
        self._forget(connection)
        connection.close()
