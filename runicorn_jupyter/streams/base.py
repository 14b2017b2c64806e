"""The protocol of a byte stream, and the value that marks the end of its data."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

if TYPE_CHECKING:
    import socket


class End(enum.Enum):
    """The type of `END`."""

    END = "end of data"


END: Final = End.END
"""What a read returns at the end of the data.

It is a value of its own, so that an empty piece is never taken for the end:
once a WebSocket was closed because its opening had been all that one read returned.
"""


class ByteStream(Protocol):
    """A byte stream in both directions, such as an SSH tunnel."""

    async def read(self, max_bytes: int = ..., /) -> bytes | End:
        """Return what has arrived, at least one byte and at most ``max_bytes``; `END` after the last."""

    async def write(self, data: bytes | memoryview, /) -> None:
        """Send all of ``data``; return when there is room for more."""

    def write_eof(self) -> None:
        """End our side's data."""

    def close(self) -> None:
        """Close both directions at once; repeated calls do nothing."""


@runtime_checkable
class PumpStream(ByteStream, Protocol):
    """A stream that can send its bytes to a socket by itself."""

    async def send_to(self, sock: socket.socket, count: int, stall_seconds: float) -> None:
        """Send the next ``count`` bytes to a socket; raises TimeoutError, EOFError or a ConnectionError."""
