"""How often a thing may be done: a token bucket."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Rate:
    """Bounds how much is done in a time, with room for a burst.

    Parameters
    ----------
    per_second
        How much may be done each second in the long run.
    burst
        How much may be done at once after a pause.
    clock
        Gives seconds; never goes back.
    """

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._left = burst
        self._at = clock()

    def take(self, cost: float = 1.0) -> float:
        """Do something, or learn that it has to wait.

        Parameters
        ----------
        cost
            How much it is. What costs more than is left may be done once; the next waits for the rest.

        Returns
        -------
        float
            0 if it may be done now; else the seconds until it may, and nothing is taken.
        """
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left <= 0:
            return max(-self._left, 1e-3) / self._per_second
        self._left -= cost
        return 0.0
