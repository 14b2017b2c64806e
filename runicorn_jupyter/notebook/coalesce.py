"""Coalesces bursts of refresh requests."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CoalescedTask"]


class CoalescedTask:
    """Runs a function on a thread, once more after the last request, and never twice at once.

    Parameters
    ----------
    function
        What is run.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._asked = threading.Event()
        self._stopped = False
        threading.Thread(target=self._run, daemon=True, name="runicorn-panel-refresh").start()

    def ask(self) -> None:
        """Ask for one more run after now."""
        self._asked.set()

    def stop(self) -> None:
        """End the thread."""
        self._stopped = True
        self._asked.set()

    def _run(self) -> None:
        while self._asked.wait() and not self._stopped:
            self._asked.clear()
            self._function()
