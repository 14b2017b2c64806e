"""Noticing that the machine was asleep, or this process stopped: what was connected then is in doubt."""

from __future__ import annotations

import time
from collections.abc import Callable

GAP_SECONDS = 2.0
"""Shorter gaps are ordinary load."""


def boottime() -> float:
    """Return seconds of a clock that goes on while the machine sleeps; the wall clock where there is none."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time()


class SuspendDetector:
    """Compares how long a wait took with how long it was meant to take.

    Parameters
    ----------
    monotonic, boottime
        Clocks, in seconds: one that may stand still while the machine sleeps, and one that does not.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        boottime: Callable[[], float] = boottime,
    ) -> None:
        self._monotonic = monotonic
        self._boottime = boottime
        self._expected = 0.0
        self._offset = 0.0
        self.expect(0.0)

    def expect(self, seconds: float) -> None:
        """Say, before waiting, how long the wait should take at most."""
        now = self._monotonic()
        self._expected = now + seconds
        self._offset = self._boottime() - now

    def happened(self) -> bool:
        """Tell, after waiting, whether it took much longer than it should have."""
        now = self._monotonic()
        late = now - self._expected
        slept = abs(self._boottime() - now - self._offset)
        return max(late, slept) > GAP_SECONDS
