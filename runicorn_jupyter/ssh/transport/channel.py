"""One SSH channel: its state by RFC 4254, section 5, without threads or event loops.

The transport's thread feeds it (``on_…``), one consumer takes from it and writes to it. Nothing
here waits: ``wake`` is called from any thread after each
change. Windows are given back only for what was taken, so a reader that stalls holds at most
``WINDOW`` bytes, and the sender on the other side stalls with it.
"""

from __future__ import annotations

import collections
import struct
import threading
from collections.abc import Callable
from typing import Protocol

from paramiko import Message, SSHException

from runicorn_jupyter.streams import END, End

WINDOW = 2**21
"""Bytes a channel may hold unread; more buys nothing and lets a stalled reader hold more (measured)."""

MAX_PACKET = 2**18
"""Largest packet we take; small ones in a large window collapse to a tenth of the rate (measured)."""

SEND_PACKET = 2**17
"""Largest packet we make, so that encrypting one never holds the event loop for long."""

# RFC 4250, section 4.1.2
REQUEST, SUCCESS, FAILURE = 98, 99, 100
DATA, EXTENDED_DATA, WINDOW_ADJUST, EOF, CLOSE = 94, 95, 93, 96, 97
STDERR = 1

# RFC 4254, section 5.1
PROHIBITED, CONNECT_FAILED, UNKNOWN_TYPE, RESOURCE_SHORTAGE = 1, 2, 3, 4


class Sender(Protocol):
    """The interface of a transport that a channel uses."""

    def send(self, payload: bytes) -> None:
        """Send a message without waiting."""

    def has_room(self, channel: Channel) -> bool:
        """Return whether it takes data now; if not, the channel is woken when it does."""

    def forget(self, channel: Channel) -> None:
        """Free the channel's number."""

    def call_later(self, function: Callable[[], None]) -> None:
        """Call ``function`` once all packets that have arrived are read."""


class Defers(Protocol):
    """The interface of a transport that delays a call until all packets are read."""

    def call_later(self, function: Callable[[], None]) -> None:
        """Call ``function`` once all that has arrived is read."""


class ByteChannel(Protocol):
    """The interface of a channel that a stream uses; documented at `Channel`."""

    wake: Callable[[], None]

    @property
    def sender(self) -> Defers:
        """The transport of the channel."""

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written."""

    def take(self, size: int) -> bytes | End | None:
        """Return at most ``size`` bytes; ``END`` after the last, None if there is nothing yet."""

    def take_some(self, size: int) -> bytes | memoryview | End | None:
        """Take bytes as ``take`` does, as a view where that saves a copy."""

    def put(self, data: memoryview) -> int:
        """Send some of ``data``; return how many bytes were taken, 0 for none yet."""

    def end(self) -> None:
        """Send the end of our data."""

    def close(self) -> None:
        """Close the channel."""


class CommandChannel(ByteChannel, Protocol):
    """The interface of a channel that a command uses; its two outputs end together."""

    lost: bool
    exit_status: int | None
    exit_signal: str | None

    def take_errors(self, size: int) -> bytes | End | None:
        """Take bytes of standard error, as ``take`` does."""


class Channel:
    """One SSH channel.

    Attributes
    ----------
    opened
        Whether the server has confirmed it.
    failure
        Why the server refused to open it: RFC 4254's reason code and its text.
    lost
        Whether the transport ended before the channel did.
    replies
        Answers to our channel requests, in their order.
    exit_status, exit_signal
        How the remote command ended: its status, or the name of the signal (``KILL``).
    """

    def __init__(self, sender: Sender, number: int, wake: Callable[[], None]) -> None:
        self.sender = sender
        self.number = number
        self.wake = wake
        self.remote = 0
        self.opened = False
        self.failure: tuple[int, str] | None = None
        self.lost = False
        self.eof_received = False
        self.close_received = False
        self.replies: collections.deque[bool] = collections.deque()
        self.exit_status: int | None = None
        self.exit_signal: str | None = None
        self._lock = threading.Lock()
        self._inbox: collections.deque[bytes | memoryview] = collections.deque()
        self._errors: collections.deque[bytes | memoryview] = collections.deque()
        self._in_window = WINDOW
        self._taken = 0
        self._out_window = 0
        self._out_packet = 0
        self._eof_sent = False
        self._close_sent = False
        self._abandoned = False

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written."""
        return self._abandoned or self._close_sent or self.close_received or self.lost

    @property
    def buffered(self) -> int:
        """Number of received bytes that were not taken."""
        return sum(map(len, list(self._inbox))) + sum(map(len, list(self._errors)))

    # -- the transport's thread -----------------------------------------------------------------

    def on_open(self, remote: int, window: int, packet: int) -> None:
        """Handle the server's confirmation; close the channel if it is not wanted any more."""
        with self._lock:
            self.remote, self._out_window, self._out_packet = remote, window, packet
            self.opened = True
            late = self._abandoned
            self._close_sent = late
        if late:
            self.sender.send(struct.pack(">BI", CLOSE, remote))
        self.wake()

    def on_open_failed(self, reason: int, text: str) -> None:
        """Handle the server's refusal."""
        self.failure = (reason, text)
        self.wake()

    def on_data(self, message: Message) -> None:
        """Handle received data; data beyond our window is a protocol error."""
        self._take_in(self._inbox, message.get_binary())

    def on_extended_data(self, message: Message) -> None:
        """Handle data of standard error; other kinds are counted and dropped."""
        kind = message.get_int()
        data = message.get_binary()
        self._take_in(self._errors if kind == STDERR else collections.deque(), data)
        if kind != STDERR:
            self._give_back(len(data))

    def _take_in(self, box: collections.deque[bytes | memoryview], data: bytes) -> None:
        with self._lock:
            self._in_window -= len(data)
        if self._in_window < 0:
            raise SSHException("the server overran a channel's window")
        if not (self._close_sent or self._abandoned):
            box.append(data)
            self.wake()

    def on_window_adjust(self, message: Message) -> None:
        """Handle a larger send window."""
        with self._lock:
            self._out_window += message.get_int()
        self.wake()

    def on_eof(self, _message: Message) -> None:
        """Handle the end of the server's data."""
        self.eof_received = True
        self.wake()

    def on_close(self, _message: Message) -> None:
        """Handle the server's close: send ours if not sent, free the number."""
        with self._lock:
            self.close_received = True
            answer = not self._close_sent
            self._close_sent = True
        if answer:
            self.sender.send(struct.pack(">BI", CLOSE, self.remote))
        self.sender.forget(self)
        self.wake()

    def on_request(self, message: Message) -> None:
        """Handle the exit status; refuse every other request that wants a reply."""
        kind = message.get_text()
        want_reply = message.get_boolean()
        if kind == "exit-status":
            self.exit_status = message.get_int()
        elif kind == "exit-signal":
            self.exit_signal = message.get_text()
        if want_reply:
            self.sender.send(struct.pack(">BI", FAILURE, self.remote))

    def on_success(self, _message: Message) -> None:
        """Handle the success of a channel request."""
        self.replies.append(True)
        self.wake()

    def on_failure(self, _message: Message) -> None:
        """Handle the failure of a channel request."""
        self.replies.append(False)
        self.wake()

    def on_lost(self) -> None:
        """Handle the end of the transport."""
        if not self.close_received:
            self.lost = True
        self.wake()

    _unlink = on_lost  # paramiko's name for it

    # -- the consumer ---------------------------------------------------------------------------

    def take(self, size: int) -> bytes | End | None:
        """Return at most ``size`` bytes, at least one; ``END`` after the last, None if there is nothing yet.

        Raises
        ------
        ConnectionResetError
            If the transport ended before the channel did, after all that came was taken.
        """
        return _whole(self._take(self._inbox, size))

    def take_some(self, size: int) -> bytes | memoryview | End | None:
        """Take bytes as ``take`` does, as a view of what came where that saves a copy."""
        parts = self._take(self._inbox, size)
        if isinstance(parts, list) and len(parts) == 1:
            return parts[0]
        return _whole(parts)

    def take_errors(self, size: int) -> bytes | End | None:
        """Take bytes of standard error, as ``take`` does."""
        return _whole(self._take(self._errors, size))

    def _take(
        self, box: collections.deque[bytes | memoryview], size: int
    ) -> list[bytes | memoryview] | End | None:
        ended = self.eof_received or self.close_received  # before looking into the box
        lost = self.lost
        parts: list[bytes | memoryview] = []
        got = 0
        while box and got < size:
            part = box.popleft()
            if got + len(part) > size:
                view = memoryview(part)
                box.appendleft(view[size - got :])  # the transport's thread only appends on the right
                part = view[: size - got]
            parts.append(part)
            got += len(part)
        if not got:
            if ended or self._close_sent or self._abandoned:
                return END
            if lost:
                raise ConnectionResetError("the SSH connection was lost")
            return None
        self._give_back(got)
        return parts

    def _give_back(self, size: int) -> None:
        with self._lock:
            self._taken += size
            if self._taken <= WINDOW // 10 or self.eof_received or self.closed:
                return
            amount, self._taken = self._taken, 0
            self._in_window += amount
        self.sender.send(struct.pack(">BII", WINDOW_ADJUST, self.remote, amount))

    def put(self, data: memoryview) -> int:
        """Send some of ``data``; return how many bytes were taken, 0 for none yet (``wake`` follows).

        Raises
        ------
        BrokenPipeError
            If the channel takes no more data.
        ConnectionResetError
            If the transport has ended.
        """
        with self._lock:
            if self.lost:
                raise ConnectionResetError("the SSH connection was lost")
            if self.closed or self._eof_sent or not self.opened:
                raise BrokenPipeError("the channel is closed")
            if not self.sender.has_room(self):
                return 0
            size = min(len(data), self._out_window, self._out_packet, SEND_PACKET)
            self._out_window -= size
        if size:
            self.sender.send(b"".join((struct.pack(">BII", DATA, self.remote, size), data[:size])))
        return size

    def request(self, kind: str, body: bytes, *, wants_reply: bool = True) -> None:
        """Send a channel request; a reply that it wants comes in ``replies``."""
        name = kind.encode()
        head = struct.pack(f">BII{len(name)}sB", REQUEST, self.remote, len(name), name, wants_reply)
        self.sender.send(head + body)

    def end(self) -> None:
        """Send the end of our data."""
        with self._lock:
            if self._eof_sent or self.closed or not self.opened:
                return
            self._eof_sent = True
        self.sender.send(struct.pack(">BI", EOF, self.remote))

    def close(self) -> None:
        """Close the channel, opened or not, and drop later data; repeated calls do nothing."""
        with self._lock:
            tell = self.opened and not self.closed
            self._abandoned = True
            self._close_sent = self._close_sent or tell
        self._inbox.clear()
        self._errors.clear()
        if tell:
            self.sender.send(struct.pack(">BI", CLOSE, self.remote))
        self.wake()


def _whole(parts: list[bytes | memoryview] | End | None) -> bytes | End | None:
    """Join the taken pieces."""
    if parts is None or parts is END:
        return parts
    return parts[0] if len(parts) == 1 and isinstance(parts[0], bytes) else b"".join(parts)
