"""Schedules attempts to reconnect after a loss."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Generic, TypeVar

from runicorn_jupyter.errors import (
    AuthenticationFailed,
    AuthenticationRequired,
    ConnectionLost,
    HostKeyChanged,
    HostKeyUnknown,
    HostNotAllowed,
    InvalidParameters,
    RemoteError,
)
from runicorn_jupyter.ssh.suspend import SuspendDetector

log = logging.getLogger(__name__)

T = TypeVar("T")

PERMANENT = (
    AuthenticationFailed,
    AuthenticationRequired,
    HostKeyChanged,
    HostKeyUnknown,
    HostNotAllowed,
    InvalidParameters,
)
"""What trying again does not mend: a person has to look at it."""

FIRST_DELAY = 1.0
"""Seconds between the first attempts, and until an attempt after `Reconnector.hurry`."""

IMPATIENT_DELAY = 2.0
"""Seconds between attempts while a caller waits."""

GROWTH = 15
"""Attempts are a fifteenth of the time since the loss apart: within 5 s in the first minute (an outage that
ends is noticed as soon), half a minute after some minutes."""

TICK = 5.0
"""Seconds after which a wait looks whether the machine was asleep meanwhile."""


def delay(elapsed: float, longest: float, chance: Callable[[], float] = random.random) -> float:
    """Return how many seconds to leave between the begin of an attempt and that of the next.

    Parameters
    ----------
    elapsed
        Seconds since the connection was lost.
    longest
        Upper limit, seconds.
    chance
        Gives a number in [0, 1): clients that lost the same host come back at different times.
    """
    steady = max(FIRST_DELAY, elapsed / GROWTH)
    return min(steady, longest) * (0.75 + 0.25 * chance())


class Reconnector(Generic[T]):
    """Repeats an attempt until it succeeds, the time is up or an error is final.

    Parameters
    ----------
    attempt
        One attempt; raises `RemoteError` when it fails.
    for_seconds
        Give up after this long; 0 never tries.
    delay_max
        The longest pause between attempts, seconds; asked for anew each time.
    """

    def __init__(
        self, attempt: Callable[[], Awaitable[T]], for_seconds: float, delay_max: Callable[[], float]
    ) -> None:
        self._attempt = attempt
        self._for_seconds = for_seconds
        self._delay_max = delay_max
        self._wanted = asyncio.Event()
        self._waiting = 0

    def hurry(self) -> None:
        """Start the next attempt within a second: a caller waits for the connection."""
        self._wanted.set()

    @contextlib.contextmanager
    def impatient(self) -> Iterator[None]:
        """Keep the pauses short for as long as the block lasts."""
        self._waiting += 1
        self.hurry()
        try:
            yield
        finally:
            self._waiting -= 1

    async def run(self) -> T:
        """Repeat the attempt until it succeeds.

        Returns
        -------
        T
            What ``attempt`` returned.

        Raises
        ------
        RemoteError
            An error that trying again does not mend, or the last one when the time is over.
        """
        lost_at = time.monotonic()
        if self._for_seconds <= 0:
            raise ConnectionLost("The connection was lost, and reconnecting is switched off.")
        while True:
            begun = time.monotonic()
            self._wanted.clear()
            try:
                return await self._attempt()
            except PERMANENT:
                raise
            except RemoteError as error:
                log.debug("reconnecting failed: %s", error.message)
                last = error
            pause = delay(time.monotonic() - lost_at, self._delay_max())
            if self._waiting:
                pause = min(pause, IMPATIENT_DELAY)
            if begun + pause - lost_at > self._for_seconds:
                raise ConnectionLost(
                    f"The connection could not be re-established: {last.message}", reason=last.code
                ) from last
            await self._pause(begun, pause)

    async def _pause(self, begun: float, seconds: float) -> None:
        detector = SuspendDetector()
        while (left := begun + seconds - time.monotonic()) > 0:
            soonest = begun + FIRST_DELAY - time.monotonic()
            if self._wanted.is_set():
                left = min(left, soonest)
            if left <= 0:
                return
            wait = min(left, TICK)
            detector.expect(wait)
            if self._wanted.is_set():
                await asyncio.sleep(wait)
            else:
                try:
                    async with asyncio.timeout(wait):
                        await self._wanted.wait()
                except TimeoutError:
                    pass
            if detector.happened():
                return
