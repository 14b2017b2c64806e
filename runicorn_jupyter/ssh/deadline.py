"""A time limit that stands still while a person is asked."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from runicorn_jupyter.models import Prompt
    from runicorn_jupyter.ssh.auth.ask import Ask, Responses

__all__ = ["Deadline"]


class Deadline:
    """A time limit in seconds that is paused while a person answers.

    Used on one event loop; only what `patient` returns is called in a worker thread.

    Parameters
    ----------
    seconds
        How long the work may take.
    monotonic
        Returns the time in seconds.

    Attributes
    ----------
    has_asked
        Whether a person was asked anything.
    """

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self.has_asked = False
        self._monotonic = monotonic
        self._end = monotonic() + seconds
        self._asking = 0
        self._left = seconds  # while a person is asked
        self._limits: set[asyncio.Timeout] = set()

    @property
    def left(self) -> float:
        """Seconds left, at least 0."""
        return self._left if self._asking else max(0.0, self._end - self._monotonic())

    @contextlib.asynccontextmanager
    async def limit(self) -> AsyncIterator[asyncio.Timeout]:
        """Limit the time of the block.

        Raises
        ------
        TimeoutError
            If the time is over.
        """
        async with asyncio.timeout(None if self._asking else self.left) as limit:
            self._limits.add(limit)
            try:
                yield limit
            finally:
                self._limits.discard(limit)

    def patient(self, ask: Ask) -> Ask:
        """Wrap an `Ask` so that the time it takes does not count."""
        loop = asyncio.get_running_loop()

        def patient(instruction: str, prompts: Sequence[Prompt]) -> Responses:
            loop.call_soon_threadsafe(self._stop)
            try:
                return ask(instruction, prompts)
            finally:
                loop.call_soon_threadsafe(self._go_on)

        return patient

    def _stop(self) -> None:
        self._left = self.left
        self._asking += 1
        self.has_asked = True
        self._reschedule(None)

    def _go_on(self) -> None:
        self._asking -= 1
        if self._asking == 0:
            self._end = self._monotonic() + self._left
            self._reschedule(asyncio.get_running_loop().time() + self._left)

    def _reschedule(self, when: float | None) -> None:
        for limit in self._limits:
            # One that has expired is about to end what it bounds.
            with contextlib.suppress(RuntimeError):
                limit.reschedule(when)
