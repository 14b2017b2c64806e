"""Timeouts of the proxy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts of the proxy, in seconds.

    Parameters
    ----------
    first_byte_seconds
        From the end of a request to the viewer's headers, all tries and waits included; then 504.
    stall_seconds
        Between two pieces of an answer, while the browser would take more. A viewer's slowest
        stream, its log, goes over a WebSocket, which has no such limit.
    reconnect_wait_seconds
        How long a page's request waits for a lost connection to come back; then 503. A loss is noticed
        within 20 s: together less than ``first_byte_seconds``, so that the answer names the cause.
    wait_seconds
        One long request of the waiting page; below the 30 to 60 s after which proxies on the way
        give up.
    """

    first_byte_seconds: float = 30
    stall_seconds: float = 30
    reconnect_wait_seconds: float = 9
    wait_seconds: float = 25
