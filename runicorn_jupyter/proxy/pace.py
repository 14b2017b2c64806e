"""How many bytes a second all viewers' pages together may get, where the administrator limits that."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.streams import END
from runicorn_jupyter.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runicorn_jupyter.streams import ByteStream, End

PIECE_BYTES = 16384
"""The most that one read takes before others have their turn."""

SHORTEST_SECONDS = 0.001
"""The shortest wait; of what rounding has left a clock would see none."""


class Pace:
    """Slows viewers' streams down to a rate; what is held back waits on the remote (SSH's windows).

    Parameters
    ----------
    bytes_per_second
        Of all streams together, in the long run; above 0.
    clock
        Returns the time in seconds; never goes back.
    sleep
        Waits so many seconds of that time.
    """

    def __init__(
        self,
        bytes_per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._bucket = TokenBucket(bytes_per_second, max(bytes_per_second, PIECE_BYTES), clock)
        self._sleep = sleep
        self._turn = asyncio.Lock()

    async def wait(self) -> None:
        """Wait for one's turn, and until there is something left of the rate."""
        async with self._turn:  # else who has just read would wake first each time
            while seconds := self._bucket.take(0):
                await self._sleep(max(seconds, SHORTEST_SECONDS))

    def count(self, number: int) -> None:
        """Count bytes that have come."""
        self._bucket.owe(number)


class PacedStream:
    """A byte stream that is read no faster than a pace allows.

    It has no `PumpStream.send_to`: what bypasses the event loop would bypass the pace.

    Parameters
    ----------
    stream
        The stream; owned from now on.
    pace
        Shared with others.
    """

    def __init__(self, stream: ByteStream, pace: Pace) -> None:
        self._stream = stream
        self._pace = pace
        self.write = stream.write
        self.write_eof = stream.write_eof
        self.close = stream.close

    async def read(self, max_bytes: int = PIECE_BYTES, /) -> bytes | End:
        """Read the next bytes once the pace allows any; see `ByteStream.read`."""
        await self._pace.wait()
        piece = await self._stream.read(min(max_bytes, PIECE_BYTES))
        if piece is not END:
            self._pace.count(len(piece))
        return piece
