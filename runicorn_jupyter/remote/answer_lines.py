"""The lines of an answer that comes bit by bit, compressed or not; bounded, for no viewer is believed."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from runicorn_jupyter.http1 import BadResponse
from runicorn_jupyter.streams import END

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runicorn_jupyter.streams import End

__all__ = ["AnswerLines"]


class AnswerLines:
    """The lines of one answer.

    Parameters
    ----------
    read
        Returns the next piece of the answer's body, or the end.
    max_bytes
        How long a line may be.
    is_packed
        Whether the body is compressed (gzip).
    """

    def __init__(
        self, read: Callable[[], Awaitable[bytes | End]], max_bytes: int, *, is_packed: bool
    ) -> None:
        self._read = read
        self._max_bytes = max_bytes
        self._unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS) if is_packed else None
        self._has_more = False
        self._held = bytearray()
        self._searched = 0

    async def next(self) -> bytes | None:
        """Return the next line without its end; None after the last, which needs none.

        Raises
        ------
        BadResponse
            If a line is too long, or the answer not what its encoding says.
        """
        while (end := self._held.find(b"\n", self._searched)) < 0:
            self._searched = len(self._held)
            if self._searched > self._max_bytes:
                raise BadResponse("a line of the answer does not end")
            if not await self._fill():
                rest, self._held = bytes(self._held), bytearray()
                return rest or None
        line = bytes(self._held[:end])
        del self._held[: end + 1]
        self._searched = 0
        if len(line) > self._max_bytes:
            raise BadResponse("a line of the answer is too long")
        return line

    async def _fill(self) -> bool:
        """Take in one more piece; False at the end."""
        unpacking = self._unpacking
        if unpacking is None:
            piece = await self._read()
            self._held += b"" if piece is END else piece
            return piece is not END
        packed: bytes | End = unpacking.unconsumed_tail if self._has_more else await self._read()
        if packed is END and unpacking.eof:
            return False
        if packed is END or (packed and unpacking.eof):
            raise BadResponse("the answer does not end where its encoding does")
        try:
            unpacked = unpacking.decompress(packed, self._max_bytes)
        except zlib.error as error:
            raise BadResponse("the answer is not what its encoding says") from error
        self._has_more = len(unpacked) == self._max_bytes or bool(unpacking.unconsumed_tail)
        self._held += unpacked
        return True
