"""A byte stream in memory, whose reads return exactly the pieces that a test says."""

from __future__ import annotations

import asyncio
import collections
from typing import TYPE_CHECKING

from runicorn_jupyter.streams.base import END, End

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class MemoryStream:
    """A `ByteStream` whose other side is a test.

    Parameters
    ----------
    pieces
        What has arrived already, each to be returned by a read of its own.
    ended
        Whether the data ends after them; if not, later reads wait for `feed` or `feed_end`.

    Attributes
    ----------
    sent
        All bytes that were written.
    eof_sent, closed
        Whether `write_eof` and `close` were called.
    """

    def __init__(self, pieces: Iterable[bytes] = (), *, ended: bool = False) -> None:
        self._arrived: collections.deque[bytes] = collections.deque(pieces)
        self._ended = ended
        self._news = asyncio.Event()
        self.sent = bytearray()
        self.eof_sent = False
        self.closed = False

    def feed(self, *pieces: bytes) -> None:
        """Add pieces to read."""
        self._arrived.extend(pieces)
        self._news.set()

    def feed_end(self) -> None:
        """End the data to read."""
        self._ended = True
        self._news.set()

    async def wait_for(self, condition: Callable[[], object]) -> None:
        """Return once ``condition`` holds; it is looked at after each write, each read and on closing."""
        while not condition():
            self._news.clear()
            await self._news.wait()

    async def read(self, max_bytes: int = 262144) -> bytes | End:
        """Return the next piece, or as much of it as is asked for; `END` after the last."""
        while True:
            if self.closed:
                return END
            if self._arrived:
                piece = self._arrived.popleft()
                if len(piece) > max_bytes:
                    self._arrived.appendleft(piece[max_bytes:])
                self._news.set()
                return piece[:max_bytes]
            if self._ended:
                return END
            await self.wait_for(lambda: self._arrived or self._ended or self.closed)

    async def write(self, data: bytes | memoryview) -> None:
        """Record ``data`` as written.

        Raises
        ------
        BrokenPipeError
            If the stream is closed.
        """
        if self.closed or self.eof_sent:
            raise BrokenPipeError("the stream is closed")
        self.sent += data
        self._news.set()

    def write_eof(self) -> None:
        """Record the end of the written data."""
        self.eof_sent = True
        self._news.set()

    def close(self) -> None:
        """Close both directions; a read that waits returns `END`."""
        self.closed = True
        self._news.set()
