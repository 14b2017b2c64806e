"""Turns for a viewer's requests that come without a pause, so that other viewers are answered in time.

A request costs the event loop most of a millisecond, and each step of another viewer's answer waits for those
of all requests that are here. Fifty of one page made another viewer's small answer take twenty times as long.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from runicorn_jupyter.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["RecentViewers", "RequestQueue"]

REQUESTS_PER_SECOND, REQUESTS_AT_ONCE = 50, 200
"""Rate and burst of one viewer's requests that wait for no turn; a page loads with some thirty."""

ACTIVE, ACTIVE_BESIDE_OTHERS = 4, 1
"""Number of requests beyond that with a turn at the same time: no fewer are needed to keep a viewer busy."""

TURN_SECONDS = 0.05
"""Seconds after which a turn is over, answered or not: what the viewer takes its time for, or sends without
an end, costs nobody anything meanwhile."""

RECENT_SECONDS = 1.0
"""Seconds for which a viewer counts as one that is used, from its last request."""


class RecentViewers:
    """Knows whether other viewers than a given one are being used.

    Parameters
    ----------
    clock
        Returns the time in seconds; never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: list[tuple[object, float]] = []  # the latest viewer, and the latest that is another

    def note(self, viewer: object) -> None:
        """Note a request of a viewer."""
        others = [entry for entry in self._last if entry[0] is not viewer]
        self._last = [(viewer, self._clock()), *others[:1]]

    def others_than(self, viewer: object) -> bool:
        """Return whether another viewer had a request within `RECENT_SECONDS`."""
        since = self._clock() - RECENT_SECONDS
        return any(other is not viewer and at >= since for other, at in self._last)


class RequestQueue:
    """Gives turns to one viewer's requests once there are too many; none is refused.

    While other viewers are used, one has a turn, and the next follows after a rest as long as that turn: so
    this viewer has half of the event loop at most.

    Parameters
    ----------
    recent
        Of all viewers.
    clock
        Returns the time in seconds; never goes back.
    turn_seconds
        How long a turn lasts at most, with the rest after it.
    """

    def __init__(
        self,
        recent: RecentViewers,
        *,
        clock: Callable[[], float] = time.monotonic,
        turn_seconds: float = TURN_SECONDS,
    ) -> None:
        self._recent = recent
        self._clock = clock
        self._turn_seconds = turn_seconds
        self._bucket = TokenBucket(REQUESTS_PER_SECOND, REQUESTS_AT_ONCE, clock)
        self._active = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the turn of a request, if too many came before it; the block handles it."""
        self._recent.note(self)
        if not self._bucket.take():
            yield
            return
        await self._wait()
        is_over = False

        def end() -> None:
            nonlocal is_over
            if not is_over:
                is_over = True
                self._active -= 1
                self._admit()

        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._turn_seconds, end)
        begun = self._clock()
        try:
            yield
        finally:
            if self._recent.others_than(self):
                loop.call_later(self._clock() - begun, end)
            else:
                timer.cancel()
                end()

    async def _wait(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it had just been given
                self._active -= 1
                self._admit()
            raise

    def _admit(self) -> None:
        """Give turns to those who wait, the first first."""
        most = ACTIVE_BESIDE_OTHERS if self._recent.others_than(self) else ACTIVE
        while self._waiting and self._active < most:
            turn = self._waiting.popleft()
            if not turn.done():  # else whoever waited has left
                self._active += 1
                turn.set_result(None)
