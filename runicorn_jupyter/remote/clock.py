"""The clocks that the life of a viewer goes by, as one object that can be exchanged."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from runicorn_jupyter.ssh.suspend import boottime

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Tells the time, and waits."""

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back; it may stand still while the machine sleeps."""

    def sleepless(self) -> float:
        """Return seconds of a clock that goes on while the machine sleeps."""

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        """Make a context that raises `TimeoutError` after so many seconds; None: never."""


class SystemClock:
    """The machine's own clocks."""

    def monotonic(self) -> float:
        """Return `time.monotonic`."""
        return time.monotonic()

    def sleepless(self) -> float:
        """Return `boottime`."""
        return boottime()

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        """Make an `asyncio.timeout`."""
        return asyncio.timeout(seconds)
