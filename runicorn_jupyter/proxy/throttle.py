"""Rate limit of the proxy's own answers.

Such an answer costs next to nothing, so a page can request it as fast as a socket carries it, and would
monopolise the event loop.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PER_SECOND, AT_ONCE = 20, 50
"""Answers per second without a delay, and burst size."""

HELD_SECONDS = 0.1
"""Seconds by which each answer beyond that is delayed."""

MAX_HELD = 64
"""Number of delayed answers at once; a browser has six connections to a host."""


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
