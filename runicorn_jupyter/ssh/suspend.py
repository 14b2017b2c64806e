"""Detects that the machine was suspended or this process stopped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

GAP_SECONDS = 2.0
"""Shorter gaps are ordinary load."""


def boottime() -> float:
    """Return CLOCK_BOOTTIME in seconds, which counts suspended time; elsewhere the wall clock."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time()


class SuspendDetector:
    """Detects a suspend by comparing the planned with the real length of a wait.

    Parameters
    ----------
    monotonic, boottime
        Clocks, in seconds: one that may stop while the machine is suspended, and one that does not.
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
        """Set the planned length of the wait that follows, in seconds."""
        now = self._monotonic()
        self._expected = now + seconds
        self._offset = self._boottime() - now

    def happened(self) -> bool:
        """Return, after the wait, whether it took much longer than planned."""
        now = self._monotonic()
        late = now - self._expected
        slept = abs(self._boottime() - now - self._offset)
        return max(late, slept) > GAP_SECONDS
