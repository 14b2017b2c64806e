"""Prefetches the requests that a page is about to make: on a slow line their chain is most of the wait.

A page loads scripts, runs them, asks for data, shows it and asks for more; each link of that chain is a round
trip to the remote. So a viewer's static files are fetched when it starts, and when its page is opened again,
what that page asked for last time is asked for at once, together with the page. An answer is given once, to
exactly the request that was predicted, within seconds, and not after anything was changed.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.errors import RemoteError
from runicorn_jupyter.http1 import BadResponse, Head
from runicorn_jupyter.proxy.asset_cache import is_hashed
from runicorn_jupyter.proxy.headers import VIEWER_HOST
from runicorn_jupyter.proxy.html import HEAD_BYTES, MAX_HTML_BYTES, is_html
from runicorn_jupyter.streams import END

if TYPE_CHECKING:
    from runicorn_jupyter.proxy.asset_cache import AssetCache
    from runicorn_jupyter.proxy.endpoint import Endpoint
    from runicorn_jupyter.proxy.pool import Pool

MAX_ASKED = 24
"""Number of requests of a page that are remembered."""

MAX_BYTES = 262144
"""Size limit of a prefetched answer; a script may have `MAX_SCRIPT_BYTES`."""

MAX_SCRIPT_BYTES = 4 * 2**20

LEARN_SECONDS = 10.0
"""Requests within this many seconds after a page count as part of opening it."""

FRESH_SECONDS = 10.0
"""Seconds after which a prefetched answer is dropped."""

FETCH_SECONDS = 30.0

NEAR_SECONDS = 0.005
"""Round-trip seconds below which nothing is prefetched: the first answers would only wait behind the
prefetched ones (measured on loopback: 90 ms instead of 12)."""

PAGE_CONNECTIONS = 6
"""Number of connections that a browser opens to one host."""

Headers = tuple[tuple[str, str], ...]
RoundTrip = Callable[[], Coroutine[Any, Any, float]]
_LINK = re.compile(rb"""\s(?:src|href)\s*=\s*["']?(/assets/[A-Za-z0-9_./-]+)""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer with status 200, and the partition that it came from."""

    head: Head
    body: bytes
    partition: str


class RequestHistory:
    """The requests that the pages of one partition made when last opened: targets and headers."""

    def __init__(self) -> None:
        self.last: OrderedDict[str, Headers] = OrderedDict()
        self.current: OrderedDict[str, Headers] = OrderedDict()

    def begin(self) -> list[tuple[str, Headers]]:
        """Begin a page; return the requests of the one before, in order."""
        if self.current:
            self.last, self.current = self.current, OrderedDict()
        return list(self.last.items())

    def record(self, target: str, headers: Headers) -> None:
        """Record a request of the page."""
        if len(self.current) < MAX_ASKED:
            self.current.setdefault(target, headers)


class Prefetcher:
    """Makes the requests of a viewer's page before the page does.

    Parameters
    ----------
    endpoint
        The viewer.
    pool
        The connections to it.
    history_of
        Returns the request history of a partition.
    """

    def __init__(self, endpoint: Endpoint, pool: Pool, history_of: Callable[[str], RequestHistory]) -> None:
        self._endpoint = endpoint
        self._pool = pool
        self._history_of = history_of
        self._opened_at = float("-inf")
        self._answers: dict[str, tuple[Headers, asyncio.Task[Answer | None]]] = {}
        self._assets: dict[str, asyncio.Task[None]] = {}
        self._working: set[asyncio.Task[None]] = set()
        self._expiry: asyncio.TimerHandle | None = None

    # -- when a viewer starts

    def prepare(self, cache: AssetCache, round_trip: RoundTrip) -> None:
        """Open connections and, where the host is far, fetch the page's files that are not cached.

        Parameters
        ----------
        cache
            Stores the files.
        round_trip
            Measures the round-trip time, in seconds.
        """
        self._pool.warm(PAGE_CONNECTIONS)
        task = asyncio.create_task(self._prepare(cache, round_trip))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _prepare(self, cache: AssetCache, round_trip: RoundTrip) -> None:
        try:
            if await round_trip() < NEAR_SECONDS:
                return
        except RemoteError:
            return  # the page's own request fails in the same way, and says so
        page = await self._fetch("/", (("accept", "text/html"),), MAX_HTML_BYTES)
        if page is None or not is_html(page.head.get("content-type")):
            return
        links = _LINK.findall(page.body, 0, HEAD_BYTES)
        for path in dict.fromkeys(found.decode() for found in links):
            is_known = cache.find(self._endpoint.partition(), path, ("gzip",)) is not None
            if is_hashed(path) and not is_known and len(self._assets) < MAX_ASKED:
                task = asyncio.create_task(self._keep(cache, path))
                self._assets[path] = task
                task.add_done_callback(lambda _, path=path: self._assets.pop(path, None))  # type: ignore[misc]

    async def _keep(self, cache: AssetCache, path: str) -> None:
        answer = await self._fetch(path, (("accept", "*/*"), ("accept-encoding", "gzip")), MAX_SCRIPT_BYTES)
        if answer is None or answer.partition != self._endpoint.partition():
            return
        keeper = cache.keeper(answer.partition, path, answer.head.headers)
        if keeper is not None:
            keeper.add(answer.body)
            keeper.keep()

    async def asset(self, path: str) -> None:
        """Wait until a file is in the cache, if it is being fetched."""
        task = self._assets.get(path)
        if task is not None:
            await asyncio.wait([task])

    # -- when a page is opened

    def page_opens(self) -> None:
        """Prefetch the requests that the page made last time."""
        loop = asyncio.get_running_loop()
        self.invalidate()
        self._opened_at = loop.time()
        for target, headers in self._history_of(self._endpoint.partition()).begin():
            task = asyncio.create_task(self._fetch(target, headers, MAX_BYTES))
            self._answers[target] = headers, task
        self._expiry = loop.call_later(FRESH_SECONDS, self.invalidate)

    def record(self, target: str, headers: list[tuple[str, str]]) -> None:
        """Record a request of the page whose answer could have been prefetched."""
        if asyncio.get_running_loop().time() - self._opened_at < LEARN_SECONDS:
            self._history_of(self._endpoint.partition()).record(target, tuple(headers))

    async def pop(self, target: str, headers: list[tuple[str, str]]) -> Answer | None:
        """Remove and return the prefetched answer to exactly this request, or None."""
        foreseen = self._answers.pop(target, None)
        if foreseen is None:
            return None
        if foreseen[0] != tuple(headers):
            foreseen[1].cancel()
            return None
        await asyncio.wait([foreseen[1]])
        answer = None if foreseen[1].cancelled() else foreseen[1].result()
        return answer if answer is not None and answer.partition == self._endpoint.partition() else None

    def invalidate(self) -> None:
        """Drop all prefetched answers: they are old, or something was changed since."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        for _, task in self._answers.values():
            task.cancel()
        self._answers.clear()

    def close(self) -> None:
        """Cancel all requests under way."""
        self.invalidate()
        for task in (*self._working, *self._assets.values()):
            task.cancel()

    # -- to the viewer

    async def _fetch(self, target: str, headers: Headers, limit: int) -> Answer | None:
        """Request a target; return None unless its status is 200, its size at most ``limit`` bytes."""
        partition = self._endpoint.partition()
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                connection = await self._pool.acquire()
                try:
                    ticket = self._endpoint.ticket("GET", target)
                    await connection.send_head(
                        "GET", target, [("host", VIEWER_HOST), *headers, ticket.header]
                    )
                    head = await connection.read_head()
                    if head.status != 200 or not ticket.is_proven_by(head.get):
                        return None
                    body = bytearray()
                    while (piece := await connection.read_body()) is not END:
                        body += piece
                        if len(body) > limit:
                            return None
                    return Answer(head, bytes(body), partition)
                finally:
                    self._pool.release(
                        connection
                    )  # which closes it, where the answer was not read to its end
        except (BadResponse, RemoteError, OSError, TimeoutError):
            return None  # the page's own request fails in the same way, and says so
