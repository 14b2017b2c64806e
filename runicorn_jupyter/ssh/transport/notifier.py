"""Wakes tasks of the event loop from any thread: one wake-up for a batch of changes."""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import Callable
from typing import TypeVar

__all__ = ["Notifier", "Waker"]

T = TypeVar("T")


class Waker:
    """Wakes notifiers on the loop that it was made on: once for all that changed in a batch.

    Attributes
    ----------
    loop
        The event loop.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._ready: collections.deque[Notifier] = collections.deque()
        self._armed = False

    def wake(self, notifier: Notifier) -> None:
        """Schedule ``notifier.notify`` on the loop; from any thread."""
        if notifier.pending:
            return
        notifier.pending = True
        self._ready.append(notifier)
        if not self._armed:
            self._armed = True
            self._call(self._fire)

    def _call(self, function: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(function)

    def _fire(self) -> None:
        self._armed = False  # before looking: who comes later calls again
        for _ in range(len(self._ready)):
            notifier = self._ready.popleft()
            notifier.pending = False
            notifier.notify()
        if self._ready and not self._armed:
            self._armed = True
            self.loop.call_soon(self._fire)


class Notifier:
    """Wakes tasks that wait for a change of one channel."""

    def __init__(self, bridge: Waker) -> None:
        self._bridge = bridge
        self._futures: set[asyncio.Future[None]] = set()
        self.pending = False

    def wake(self) -> None:
        """Schedule `notify` on the loop; from any thread."""
        self._bridge.wake(self)

    def clone(self) -> Notifier:
        """Return a new notifier of the same connection."""
        return Notifier(self._bridge)

    def notify(self) -> None:
        """Wake all waiting tasks; on the loop."""
        futures, self._futures = self._futures, set()
        for future in futures:
            if not future.done():
                future.set_result(None)

    async def wait(self) -> None:
        """Wait for the next change."""
        future = self._bridge.loop.create_future()
        self._futures.add(future)
        try:
            await future
        finally:
            self._futures.discard(future)

    async def until(self, ready: Callable[[], T | None]) -> T:
        """Wait until ``ready`` returns something else than None, and return that."""
        while (value := ready()) is None:
            await self.wait()
        return value
