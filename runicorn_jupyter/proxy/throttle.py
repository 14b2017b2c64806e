"""Rate limits of what costs the proxy itself time: its own answers, and pages that it rewrites.

An answer of its own costs next to nothing, so a page can request it as fast as a socket carries it, and would
monopolise the event loop. A page costs milliseconds of Python's lock, as often as it is navigated to.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.errors import RemoteError
from runicorn_jupyter.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

PER_SECOND, AT_ONCE = 20, 50
"""Answers per second without a delay, and burst size."""

HELD_SECONDS = 0.1
"""Seconds by which each answer beyond that is delayed."""

MAX_HELD = 64
"""Number of delayed answers at once; a browser has six connections to a host."""


PAGES_PER_SECOND, PAGES_AT_ONCE = 10, 50
"""Rate and burst of one viewer's rewritten pages; a person opens a few a second at most."""

MAX_WAITING_PAGES = 16
"""Number of pages of one viewer that wait for their turn; each is in memory."""


class TooManyPages(RemoteError):
    """The viewer's pages are opened faster than they are rewritten."""

    code = "too_many_requests"
    status = 429

    def __init__(self) -> None:
        super().__init__("This viewer's pages are opened too often; try again in a few seconds.")


class PageThrottle:
    """Limits the rate at which one viewer's pages are rewritten; they are, one after the other.

    Parameters
    ----------
    clock
        Returns the time in seconds; never goes back.
    sleep
        Waits so many seconds of that time.

    Attributes
    ----------
    waiting
        Number of pages that wait for their turn, or have it.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._bucket = TokenBucket(PAGES_PER_SECOND, PAGES_AT_ONCE, clock)
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self.waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the turn of a page, and keep it while the block runs.

        Raises
        ------
        TooManyPages
            If `MAX_WAITING_PAGES` wait already.
        """
        if self.waiting >= MAX_WAITING_PAGES:
            raise TooManyPages
        self.waiting += 1
        try:
            async with self._turn:
                while wait := self._bucket.take():
                    await self._sleep(wait)
                yield
        finally:
            self.waiting -= 1


class Throttle:
    """Limits the rate of the proxy's own answers for one viewer.

    Parameters
    ----------
    clock
        Returns the time in seconds; never goes back.
    sleep
        Waits so many seconds of that time.

    Attributes
    ----------
    held
        Number of answers delayed now.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._bucket = TokenBucket(PER_SECOND, AT_ONCE, clock)
        self._sleep = sleep
        self.held = 0

    async def wait(self) -> bool:
        """Wait until an answer may be sent: no time, or `HELD_SECONDS`.

        Returns
        -------
        bool
            False if too many are delayed already: close the connection instead.
        """
        if not self._bucket.take():
            return True
        if self.held >= MAX_HELD:
            return False
        self.held += 1
        try:
            await self._sleep(HELD_SECONDS)
        finally:
            self.held -= 1
        return True
