"""A viewer with all that the proxy keeps for it: connections, prefetched answers, storage, limits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runicorn_jupyter.proxy.local_storage import ViewerStorage
from runicorn_jupyter.proxy.pace import PacedStream
from runicorn_jupyter.proxy.pool import Pool, ViewerStopped
from runicorn_jupyter.proxy.prefetch import Prefetcher, RequestHistory
from runicorn_jupyter.proxy.request_queue import RecentViewers, RequestQueue
from runicorn_jupyter.proxy.throttle import PageThrottle, Throttle
from runicorn_jupyter.proxy.transfers import Transfers
from runicorn_jupyter.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from runicorn_jupyter.proxy.endpoint import Endpoint
    from runicorn_jupyter.proxy.pace import Pace
    from runicorn_jupyter.streams import ByteStream

CHANGES_PER_SECOND, CHANGES_AT_ONCE = 10, 50
"""Rate and burst of storage changes of one viewer; a page sends at most five a second."""

MAX_WEBSOCKETS = 32
"""Number of WebSockets of one viewer, out of its streams (``pool.MAX_OPEN``)."""


class Upstream:
    """The state that the proxy keeps for one viewer.

    Parameters
    ----------
    endpoint
        How it is reached.
    history_of
        Returns the request history of a partition.
    recent
        Which viewers are used.
    pace
        How fast its streams are read; default: as fast as they come.

    Attributes
    ----------
    answers
        Rate limit of the proxy's own answers.
    changes
        Rate limit of storage changes.
    pages
        Rate limit of pages that are rewritten.
    requests
        Turns of requests that come without a pause.
    transfers
        Transfers under way to browsers.
    websockets
        Number of WebSockets that are open or opening.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        history_of: Callable[[str], RequestHistory],
        recent: RecentViewers,
        pace: Pace | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._pace = pace
        self.pool = Pool(self._open_stream)
        self.prefetcher = Prefetcher(endpoint, self.pool, history_of)
        self.answers = Throttle()
        self.pages = PageThrottle()
        self.requests = RequestQueue(recent)
        self.transfers = Transfers()
        self.websockets = 0
        self.changes = TokenBucket(CHANGES_PER_SECOND, CHANGES_AT_ONCE)
        self._waiting: set[asyncio.Task[None]] = set()
        self._storages = {endpoint.partition(): endpoint.storage}

    async def _open_stream(self) -> ByteStream:
        stream = await self.endpoint.open_stream()
        return stream if self._pace is None else PacedStream(stream, self._pace)

    @property
    def storage(self) -> ViewerStorage:
        """The ``localStorage`` of the present partition; one in memory only where that has changed."""
        place = self.endpoint.partition()
        if place not in self._storages:
            first = next(iter(self._storages.items()))
            self._storages = dict([first, (place, ViewerStorage())])
        return self._storages[place]

    async def wait_connected(self, seconds: float) -> None:
        """Wait at most ``seconds`` until the viewer can be reached again.

        Raises
        ------
        ViewerStopped
            If the capability was revoked.
        ConnectionLost
            If it took longer.
        """
        if self.pool.closed:
            raise ViewerStopped
        waiting = asyncio.ensure_future(self.endpoint.wait_connected(seconds))
        self._waiting.add(waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            if self.pool.closed:
                raise ViewerStopped from None
            raise
        finally:
            self._waiting.discard(waiting)
            waiting.cancel()

    def close(self) -> None:
        """Abort every request under way, for good."""
        self.prefetcher.close()
        self.pool.close()
        for waiting in self._waiting:
            waiting.cancel()
