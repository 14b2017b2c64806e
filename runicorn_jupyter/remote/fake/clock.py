"""A clock that stands still until it is told to go on, for tests of what waits by a `Clock`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FakeClock"]

TURNS = 200
"""Of the event loop, within which everything has happened that does not wait for the clock."""


class FakeClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 0.0
        """Seconds that the machine slept: only `sleepless` counts them."""
        self._waiting: dict[object, tuple[float, Callable[[], None]]] = {}

    def monotonic(self) -> float:
        """Return the time."""
        return self.now

    def sleepless(self) -> float:
        """Return the time, with what was slept."""
        return self.now + self.slept

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has gone on by so much."""
        done = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not done.done():
                done.set_result(None)

        key = self._at(seconds, wake)
        try:
            await done
        finally:
            self._waiting.pop(key, None)

    def timeout(self, seconds: float | None) -> _Timeout:
        """Make a context that raises `TimeoutError` when the clock has gone on by so much."""
        return _Timeout(self, seconds)

    async def advance(self, seconds: float) -> None:
        """Go on, and let everything happen that is due, one after the other."""
        end = self.now + seconds
        await self._settle()
        while self._waiting:
            key = min(self._waiting, key=lambda each: self._waiting[each][0])
            due, happen = self._waiting[key]
            if due > end:
                break
            del self._waiting[key]
            self.now = max(self.now, due)
            happen()
            await self._settle()
        self.now = end

    async def _settle(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    def _at(self, seconds: float, happen: Callable[[], None]) -> object:
        key = object()
        self._waiting[key] = (self.now + max(0.0, seconds), happen)
        return key


class _Timeout:
    def __init__(self, clock: FakeClock, seconds: float | None) -> None:
        self._clock = clock
        self._seconds = seconds
        self._inner = asyncio.timeout(None)
        self._key: object = None

    async def __aenter__(self) -> _Timeout:
        await self._inner.__aenter__()
        if self._seconds is not None:
            self._key = self._clock._at(
                self._seconds, lambda: self._inner.reschedule(asyncio.get_running_loop().time())
            )
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        self._clock._waiting.pop(self._key, None)
        await self._inner.__aexit__(*exc_info)
