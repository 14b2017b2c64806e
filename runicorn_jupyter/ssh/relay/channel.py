"""One stream of a relay, with the interface of an SSH channel."""

from __future__ import annotations

import collections
import signal
from collections.abc import Callable
from typing import Protocol

from runicorn_jupyter.json_text import InvalidJson, read_json_object
from runicorn_jupyter.payload.relay import ADJUST, CLOSE, DATA, EOF, EXIT, FAILED, OPEN, PIECE, WINDOW
from runicorn_jupyter.ssh.transport.notifier import Notifier
from runicorn_jupyter.streams import END, End


class Frames(Protocol):
    """The interface of a relay that a stream uses."""

    def send(self, number: int, kind: int, data: bytes = b"") -> None:
        """Send a frame without waiting."""

    def has_room(self, channel: RelayChannel) -> bool:
        """Return whether data may be sent now; if not, the channel is woken when it may."""

    def forget(self, number: int) -> bool:
        """Remove a stream; return whether it existed."""

    def call_later(self, function: Callable[[], None]) -> None:
        """Call ``function`` once all that has arrived is read."""


class RelayChannel:
    """A relay's stream as a `ByteChannel` and `CommandChannel`; used on the event loop only.

    Attributes
    ----------
    opened, failure
        Whether it is there; else why it is not.
    lost
        Whether the SSH connection ended before it did.
    exit_status, exit_signal
        How a command ended.
    wake
        Called on the loop after each change.
    sender
        The relay.
    """

    def __init__(self, relay: Frames, number: int, notifier: Notifier, *, is_command: bool) -> None:
        self.number = number
        self.opened = False
        self.failure = ""
        self.lost = False
        self.exit_status: int | None = None
        self.exit_signal: str | None = None
        self.wake: Callable[[], None] = notifier.wake
        self.sender = relay
        self._is_command = is_command
        self._inbox: collections.deque[memoryview] = collections.deque()
        self._buffered = 0
        self._taken = 0
        self._credit = WINDOW
        self._errors = b""
        self._eof = self._ended = self._closed = False

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written."""
        return self._closed or self.lost or (self._is_command and self._over)

    def on_frame(self, kind: int, body: bytes) -> None:
        """Handle a received frame.

        Raises
        ------
        ValueError
            If the other side sends what it may not.
        """
        if kind == DATA:
            self._buffered += len(body)
            if self._buffered > WINDOW:
                raise ValueError("the relay overran a stream's window")
            if body:
                self._inbox.append(memoryview(body))
        elif kind == ADJUST and len(body) == 4:
            self._credit += int.from_bytes(body, "big")
        elif kind == OPEN:
            self.opened = True
        elif kind == FAILED:
            self.failure = body.decode("ascii", "replace")
        elif kind == EXIT and self._is_command:
            self._on_exit(body)
        elif kind in (EOF, CLOSE):
            self._eof = True
            self._closed |= kind == CLOSE
        else:
            raise ValueError("a frame that no relay sends")
        self.wake()

    def _on_exit(self, body: bytes) -> None:
        result = read_json_object(body, max_size=2 * PIECE)
        status, errors = result.get("status"), result.get("errors")
        if not isinstance(status, int) or not isinstance(errors, str):
            raise InvalidJson("not the end of a command as a relay tells it")
        self.exit_status = status if status >= 0 else None
        self.exit_signal = None if status >= 0 else signal.Signals(-status).name.removeprefix("SIG")
        self._errors = errors.encode()
        self._ended = True

    def on_end(self, *, lost: bool) -> None:
        """Handle the end of the relay."""
        self.lost = lost
        self._eof = self._closed = True
        self.wake()

    @property
    def _over(self) -> bool:
        """Whether both outputs have ended; they end together, as a session's do."""
        return self._closed or (self._eof and (self._ended or not self._is_command))

    def take(self, size: int) -> bytes | End | None:
        """Return at most ``size`` bytes, at least one; ``END`` after the last, None if there is nothing yet.

        Raises
        ------
        ConnectionResetError
            If the SSH connection ended before the stream did, after all that came was taken.
        """
        if not self._inbox:
            if self.lost:
                raise ConnectionResetError("the SSH connection was lost")
            return END if self._over else None
        parts: list[memoryview] = []
        left = size
        while self._inbox and left:
            part = self._inbox.popleft()
            if len(part) > left:
                self._inbox.appendleft(part[left:])
                part = part[:left]
            parts.append(part)
            left -= len(part)
        self._give_back(size - left)
        return b"".join(parts)

    def take_errors(self, _size: int) -> bytes | End | None:
        """Take what a command printed to its standard error, once it has ended."""
        errors, self._errors = self._errors, b""
        if errors:
            return errors
        return END if self._over and not self._inbox else None

    def _give_back(self, size: int) -> None:
        self._buffered -= size
        self._taken += size
        if self._taken >= WINDOW // 4 and not self._closed:
            self.sender.send(self.number, ADJUST, self._taken.to_bytes(4, "big"))
            self._taken = 0

    def take_some(self, size: int) -> bytes | End | None:
        """Take bytes as ``take`` does."""
        return self.take(size)

    def put(self, data: memoryview) -> int:
        """Send some of ``data``; return how many bytes were taken, 0 for none yet.

        Raises
        ------
        BrokenPipeError
            If the stream takes no more data.
        ConnectionResetError
            If the SSH connection has ended.
        """
        if self.lost:
            raise ConnectionResetError("the SSH connection was lost")
        if self._closed or not self.opened:
            raise BrokenPipeError("the stream is closed")
        size = min(len(data), self._credit, PIECE) if self.sender.has_room(self) else 0
        if size:
            self._credit -= size
            self.sender.send(self.number, DATA, bytes(data[:size]))
        return size

    def end(self) -> None:
        """Send the end of our data."""
        if self.opened and not self._closed:
            self.sender.send(self.number, EOF)

    def close(self) -> None:
        """Close the stream; repeated calls do nothing."""
        if not self.lost and self.sender.forget(self.number):
            self.sender.send(self.number, CLOSE)
        self._eof = self._closed = True
        self._inbox.clear()
        self.wake()
