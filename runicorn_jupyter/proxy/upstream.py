"""A viewer with all that the proxy keeps for it: connections, prefetched answers, storage, limits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runicorn_jupyter.proxy.local_storage import ViewerStorage
from runicorn_jupyter.proxy.pool import Pool, ViewerStopped
from runicorn_jupyter.proxy.prefetch import Prefetcher, RequestHistory
from runicorn_jupyter.proxy.throttle import Throttle
from runicorn_jupyter.proxy.transfers import Transfers
from runicorn_jupyter.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from runicorn_jupyter.proxy.endpoint import Endpoint

CHANGES_PER_SECOND, CHANGES_AT_ONCE = 10, 50
"""How often the pages of one viewer may change their storage; each page sends five times a second at most."""

MAX_WEBSOCKETS = 32
"""How many WebSockets one viewer may have open, of the streams that it has (``pool.MAX_OPEN``)."""


class Upstream:
    """An endpoint with the streams that are open to it.

    Parameters
    ----------
    endpoint
        Where it is.
    history_of
        Gives what the pages of a partition asked for before.

    Attributes
    ----------
    answers
        Holds back what the proxy answers by itself.
    changes
        How often its pages may change their storage.
    transfers
        What is on its way to browsers.
    websockets
        How many are open, or about to be.
    """

    def __init__(self, endpoint: Endpoint, history_of: Callable[[str], RequestHistory]) -> None:
        self.endpoint = endpoint
        self.pool = Pool(endpoint.open_stream)
        self.prefetcher = Prefetcher(endpoint, self.pool, history_of)
        self.answers = Throttle()
        self.transfers = Transfers()
        self.websockets = 0
        self.changes = TokenBucket(CHANGES_PER_SECOND, CHANGES_AT_ONCE)
        self._waiting: set[asyncio.Task[None]] = set()
        self._storages = {endpoint.partition(): endpoint.storage}

    @property
    def storage(self) -> ViewerStorage:
        """Its pages' ``localStorage``; an empty one, kept nowhere, once the connection leads elsewhere."""
        place = self.endpoint.partition()
        if place not in self._storages:
            first = next(iter(self._storages.items()))
            self._storages = dict([first, (place, ViewerStorage())])
        return self._storages[place]

    async def wait_connected(self, seconds: float) -> None:
        """Wait for at most so many seconds until the viewer can be reached again.

        Raises
        ------
        ViewerStopped
            As soon as there is no viewer to wait for.
        ConnectionLost
            If the time was too short.
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
        """End every request that is under way; there will be no other."""
        self.prefetcher.close()
        self.pool.close()
        for waiting in self._waiting:
            waiting.cancel()
