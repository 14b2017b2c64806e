"""A token bucket: how often a thing may be done in the long run, with room for a burst."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TokenBucket"]


class TokenBucket:
    """Bounds how much is done in a time.

    Parameters
    ----------
    per_second
        How many tokens it gains each second.
    burst
        How many it holds at most; it is full at first.
    clock
        Returns the time in seconds; never goes back.
    """

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._left = float(burst)
        self._at = clock()

    @property
    def is_full(self) -> bool:
        """Whether it is as good as new."""
        self._fill()
        return self._left >= self._burst

    def take(self, cost: float = 1.0) -> float:
        """Take tokens, or learn how long to wait.

        Parameters
        ----------
        cost
            How many. One has to be left; where it costs more than there are, the next waits for the debt.

        Returns
        -------
        float
            0 where they were taken; else the seconds until one is left, and none was taken.
        """
        self._fill()
        if self._left < 1:
            return (1 - self._left) / self._per_second
        self._left -= cost
        return 0.0

    def owe(self, cost: float) -> None:
        """Take tokens whether they are there or not; the next `take` waits for the debt.

        Parameters
        ----------
        cost
            How many.
        """
        self._fill()
        self._left -= cost

    def _fill(self) -> None:
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
