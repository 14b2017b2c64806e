"""Holds back what the proxy answers by itself, once it is asked for too often.

Such answers cost next to nothing each, and so can be asked for as fast as a socket carries them: a page that
does so would have the event loop to itself, of which others need only a little.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PER_SECOND, AT_ONCE = 20, 50
"""So many answers go out without a delay: in the long run, and at once after a pause."""

HELD_SECONDS = 0.1
"""For how long each one beyond that is held back."""

MAX_HELD = 64
"""How many are held back at once; a browser has six connections to a host."""


class Throttle:
    """Bounds how often one viewer's requests are answered by the proxy itself.

    Parameters
    ----------
    clock
        Returns the time in seconds; never goes back.
    sleep
        Waits so many seconds of that time.

    Attributes
    ----------
    held
        How many answers are held back now.
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
        """Return once an answer may go out: at once, or `HELD_SECONDS` later.

        Returns
        -------
        bool
            False where too many are held back already: close the connection instead.
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
