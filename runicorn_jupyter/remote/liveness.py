"""Whether a viewer answers: each renewal of its lease is a question, and the answer its sign of life.

A question goes out every `CHECK_SECONDS`, or at once where somebody else got no answer. What gives none for
`ANSWER_SECONDS` is unresponsive, if the SSH connection shows within `PING_SECONDS` that it is not the one
that is silent: at the latest 14 s after the last sign. The question stays open: an answer is seen at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.errors import RemoteError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runicorn_jupyter.models import ViewerHealth
    from runicorn_jupyter.remote.clock import Clock
    from runicorn_jupyter.remote.host_client import Lifeline, Line

__all__ = ["Watch", "cancel"]

CHECK_SECONDS = 7.0
"""Between two questions."""
ANSWER_SECONDS = 5.0
"""A viewer whose event loop turns answers in milliseconds, on a busy machine in seconds."""
PING_SECONDS = 2.0
PATIENCE_SECONDS, MAX_PATIENCE_SECONDS = 30.0, 300.0
"""How long an answer is waited for before it is asked for on another stream; doubled from time to time."""


class Watch:
    """Follows one viewer through its streams.

    Parameters
    ----------
    connection
        The SSH connection to its host.
    clock
        By which it waits.
    most_seconds
        Between two questions, at most; `CHECK_SECONDS` if that is shorter.
    renewed
        Called at each answer, with when it was asked for by the clock that goes on while the machine sleeps.
    silent
        Called when there is none, with ``unresponsive``, or with ``unknown`` if it may be the connection.
    """

    def __init__(
        self,
        connection: Line,
        clock: Clock,
        *,
        most_seconds: float,
        renewed: Callable[[float], None],
        silent: Callable[[ViewerHealth], None],
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._period = min(CHECK_SECONDS, most_seconds)
        self._renewed = renewed
        self._silent = silent
        self._questioned = asyncio.Event()

    def question(self) -> None:
        """Ask now, since somebody else got no answer."""
        self._questioned.set()

    async def follow(self, open_lifeline: Callable[[], Awaitable[Lifeline]], *, ask_now: bool) -> None:
        """Return when the viewer's side ends a stream.

        Parameters
        ----------
        open_lifeline
            Opens a stream.
        ask_now
            Whether to begin with a question: it is not known to be well.

        Raises
        ------
        OSError, RemoteError
            If no stream can be opened.
        ConnectionLost
            If the connection is lost.
        """
        patience = PATIENCE_SECONDS
        while True:
            line = await open_lifeline()
            try:
                while True:
                    if not ask_now and await self._rest(line):
                        return
                    ask_now = False
                    if not await self._ask(line, patience):
                        break
                    patience = PATIENCE_SECONDS
            except OSError:
                return
            finally:
                line.close()
            ask_now, patience = True, min(2 * patience, MAX_PATIENCE_SECONDS)

    async def _rest(self, line: Lifeline) -> bool:
        """Wait until it is time for a question; tell whether the stream has ended instead."""
        ending = asyncio.create_task(line.ended())
        questioned = asyncio.create_task(self._questioned.wait())
        try:
            with contextlib.suppress(TimeoutError):
                async with self._clock.timeout(self._period):
                    await asyncio.wait({ending, questioned}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(questioned)
            await cancel(ending)
        if ending.cancelled():
            return False
        ending.result()
        return True

    async def _ask(self, line: Lifeline, patience: float) -> bool:
        """Renew; False if the answer takes so long that it is better asked for on another stream."""
        self._questioned.clear()
        asked_at = self._clock.sleepless()
        renewing = asyncio.create_task(line.renew())
        try:
            if not await self._is_done(renewing, ANSWER_SECONDS) and not await self._doubt(
                renewing, patience
            ):
                return False
            renewing.result()
        finally:
            await cancel(renewing)
        self._renewed(asked_at)
        return True

    async def _doubt(self, renewing: asyncio.Task[None], patience: float) -> bool:
        """Find out whether the viewer or the connection is silent; True if there is an answer after all."""
        while True:
            health: ViewerHealth = "unresponsive"
            try:
                await self._connection.ping(PING_SECONDS)
            except RemoteError:
                health = "unknown"
            if renewing.done():
                return True
            self._silent(health)
            if await self._is_done(renewing, patience if health == "unresponsive" else ANSWER_SECONDS):
                return True
            if health == "unresponsive":
                return False

    async def _is_done(self, task: asyncio.Task[None], seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with self._clock.timeout(seconds):
                await asyncio.wait({task})
        return task.done()


async def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task, and wait until it has ended, whatever by."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
