"""The clocks that the life of a viewer goes by, as one object that can be exchanged."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from runicorn_jupyter.ssh.suspend import boottime

if TYPE_CHECKING:
    from collections.abc import Collection
    from contextlib import AbstractAsyncContextManager

__all__ = ["Clock", "SystemClock", "unfinished"]

T = TypeVar("T")


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


async def unfinished(
    tasks: Collection[asyncio.Task[T]], seconds: float, clock: Clock
) -> list[asyncio.Task[T]]:
    """Wait for tasks, and return those that are not done in time.

    Parameters
    ----------
    tasks
        What is waited for; none of them is cancelled.
    seconds
        How long at most.
    clock
        Whose seconds these are.
    """
    with contextlib.suppress(TimeoutError):
        async with clock.timeout(seconds):
            if tasks:
                await asyncio.wait(tasks)
    return [task for task in tasks if not task.done()]
