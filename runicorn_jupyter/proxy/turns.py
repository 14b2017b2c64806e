"""Turns of the event loop, so that however much passes, everything else on the loop is served in between."""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """Lets one of those who wait go on in each turn of the event loop.

    Where both sides of a relay are fast, none of its waits ever waits, and it would keep the loop to itself;
    and where eight relays take a piece each in one turn, everyone else waits for two megabytes. Jupyter's
    kernels and pages live on the same loop.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_armed = False

    async def wait(self) -> None:
        """Return when it is one's turn: at least one turn of the loop from now."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        if not self._is_armed:
            self._is_armed = True
            loop.call_soon(self._next)
        await turn

    def _next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # else whoever waited was cancelled
                turn.set_result(None)
                break
        self._is_armed = bool(self._waiting)
        if self._is_armed:
            asyncio.get_running_loop().call_soon(self._next)
