"""Fair use of the event loop: transfers yield to everything else that runs on it."""

from __future__ import annotations

import asyncio
import time
from collections import deque

OTHERS_SECONDS = 0.0001
"""CPU seconds from which an iteration of the loop counts as busy; an idle one takes a fifth of that."""

LONGEST_SECONDS = 0.005
"""Seconds after which a transfer continues even on a busy loop."""


class LoopScheduler:
    """Resumes one waiting transfer per iteration of the event loop, while that is otherwise idle.

    Where both sides of a transfer are fast, its awaits never suspend, and it would monopolise the loop, which
    Jupyter's kernels and pages share. A request of Jupyter's takes several iterations: with a piece of a
    transfer in each, it would take many times as long.

    Parameters
    ----------
    longest
        Seconds after which a waiting transfer continues even on a busy loop.
    """

    def __init__(self, longest: float = LONGEST_SECONDS) -> None:
        self._longest = longest
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_armed = False
        self._is_looking = False
        self._used = 0.0
        self._since = 0.0

    async def wait(self) -> None:
        """Wait for the caller's turn: at least one iteration of the loop."""
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
        """Return whether the loop was idle since the last check, or transfers have waited long enough."""
        # Of this thread only: waiting for Python's lock or for the machine is nobody's work.
        used, now = time.thread_time(), time.monotonic()
        if not self._is_looking:
            self._is_looking, self._used, self._since = True, used, now
            return False
        mine = used - self._used < OTHERS_SECONDS or now - self._since >= self._longest
        self._used = used
        return mine
