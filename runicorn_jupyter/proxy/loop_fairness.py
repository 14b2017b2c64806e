"""Turns of the event loop, so that however much passes, everything else on the loop is served first."""

from __future__ import annotations

import asyncio
import time
from collections import deque

OTHERS_SECONDS = 0.0001
"""CPU time of a turn of the loop from which it counts as others'; an empty one takes a fifth of that."""

LONGEST_SECONDS = 0.005
"""For how long others may keep a relay waiting: it is never starved."""


class LoopScheduler:
    """Lets one of those who wait go on, where the event loop has nothing else to do.

    Where both sides of a relay are fast, none of its waits ever waits, and it would keep the loop to itself;
    and one request of Jupyter's own takes several turns: with a piece in each it takes many times as long.
    Jupyter's kernels and pages live on the same loop.

    Parameters
    ----------
    longest
        Seconds for which others may keep everybody waiting.
    """

    def __init__(self, longest: float = LONGEST_SECONDS) -> None:
        self._longest = longest
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_armed = False
        self._is_looking = False
        self._used = 0.0
        self._since = 0.0

    async def wait(self) -> None:
        """Return when it is one's turn: at least one turn of the loop from now."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        if not self._is_armed:
            self._is_armed = True
            self._is_looking = False
            loop.call_soon(self._next)
        await turn

    def _next(self) -> None:
        if self._is_idle():
            self._is_looking = False  # what was let go on works now; only the turn after it tells of others
            while self._waiting:
                turn = self._waiting.popleft()
                if not turn.done():  # else whoever waited was cancelled
                    turn.set_result(None)
                    break
        self._is_armed = bool(self._waiting)
        if self._is_armed:
            asyncio.get_running_loop().call_soon(self._next)

    def _is_idle(self) -> bool:
        """Tell whether the turn since the last look was nobody's, or others have had enough."""
        # Of this thread only: waiting for Python's lock or for the machine is nobody's work.
        used, now = time.thread_time(), time.monotonic()
        if not self._is_looking:
            self._is_looking, self._used, self._since = True, used, now
            return False
        mine = used - self._used < OTHERS_SECONDS or now - self._since >= self._longest
        self._used = used
        return mine
