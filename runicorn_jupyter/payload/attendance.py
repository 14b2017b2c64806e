"""Whether somebody has the viewer's page open, and who waits for that. Python >= 3.8.

runicorn (0.7) starts ``nvidia-smi`` through a shell every two seconds for as long as its viewer lives, on by
default. On a GPU server that is shared, with a viewer that is kept for days, nobody wants that unseen: here
its sampler waits until a page asks for something.
"""

import contextlib
import threading
import time
from typing import Any, Callable, Dict, Iterator

__all__ = ["ATTENDED_SECONDS", "Attendance", "let_sampler_sleep"]

ATTENDED_SECONDS = 75.0
"""After its last request a page counts as open for so long: runicorn's asks for ``/api/health`` every few
seconds, in the background once a minute, as browsers have it."""


class Attendance:
    """Counts a page's requests, and lets a thread sleep while there are none.

    Parameters
    ----------
    clock
        Returns seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._requests = 0
        self._last = float("-inf")
        self._closed = False

    @contextlib.contextmanager
    def during(self, scope: Dict[str, Any]) -> Iterator[None]:
        """Count a request or a WebSocket for as long as the block lasts, if it is one that a page makes.

        A file of the page's is none: those are fetched before somebody opens it.

        Parameters
        ----------
        scope
            Its ASGI scope.
        """
        if scope["type"] != "websocket" and not scope["path"].startswith("/api/"):
            yield
            return
        with self._changed:
            self._requests += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._requests -= 1
                self._last = self._clock()

    def wait(self) -> bool:
        """Block this thread until a page is open; return False if the viewer ends instead."""
        with self._changed:
            while not (self._closed or self._requests or self._clock() - self._last < ATTENDED_SECONDS):
                self._changed.wait()
            return not self._closed

    def close(self) -> None:
        """Let go of the threads that wait, as the viewer ends."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def let_sampler_sleep(attendance: Attendance) -> None:
    """Have runicorn's GPU sampler, where there is one (0.7), wait while nobody has the page open.

    To be called after the import of ``runicorn.viewer`` and before its application is made, which starts the
    sampler. A page that asks how the GPUs are now is answered as ever: that part has its own name of the
    function.
    """
    try:
        from runicorn.viewer.services import gpu
    except ImportError:
        return
    sample = getattr(gpu, "get_gpu_telemetry", None)
    if sample is None or not hasattr(gpu, "GpuCollector"):
        return

    def sample_for_somebody() -> Any:
        if not attendance.wait():
            return {"available": False, "reason": "the viewer ends"}
        return sample()

    gpu.get_gpu_telemetry = sample_for_somebody
