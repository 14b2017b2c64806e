"""Notices a dead server, which TCP alone may take a quarter of an hour for."""

from __future__ import annotations

import asyncio
import time
from typing import Literal

from runicorn_jupyter.ssh.keepalive import Keepalive
from runicorn_jupyter.ssh.suspend import SuspendDetector
from runicorn_jupyter.ssh.transport.link import Link

End = Literal["closed", "dead"]


async def watch(link: Link, keepalive: Keepalive, detector: SuspendDetector | None = None) -> End:
    """Wait until the connection ends; close it if the server shows no sign of life.

    After two thirds of the interval without a sign of life a keepalive is sent that the server must
    answer, each third another one; a third after the last that may stay unanswered, the connection is dead:
    20 s for the default of 15. Any byte that comes counts, and so does one that had to wait and went out,
    so a line that is slow and full is not taken for a dead one. After a sleep the question is put at once.

    Parameters
    ----------
    link
        The connection to watch.
    keepalive
        Interval and number of keepalive messages.
    detector
        Detects that the machine was suspended; given by tests.

    Returns
    -------
    str
        ``closed`` if the connection ended by itself, ``dead`` if this ended it.
    """
    third = keepalive.seconds / 3
    detector = detector or SuspendDetector()
    asked_at, asked = 0.0, 0
    while not link.ended.done():
        now = time.monotonic()
        if link.progress_at > asked_at:
            asked = 0
        due = asked_at + asked * third if asked else link.progress_at + 2 * third
        if detector.happened():
            asked_at, asked = now, 1
            link.probe()
        elif now >= due:
            if asked >= keepalive.unanswered:
                link.close()
                await link.ended
                return "dead"
            asked_at = asked_at if asked else now
            asked += 1
            link.probe()
        due = asked_at + asked * third if asked else due
        wait = min(third, max(0.0, due - time.monotonic()))
        detector.expect(wait)
        await asyncio.wait([link.ended], timeout=wait)
    return "closed"
