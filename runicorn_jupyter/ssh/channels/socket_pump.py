"""Moves a channel's bytes to a socket on the transport's thread, past the event loop.

Each piece that goes through the event loop costs it a wake-up, some turns and a send; eight downloads at
once left Jupyter's own requests a fraction of it. Here the transport's thread sends what it has just read,
and only where the socket takes no more does the loop wait for it, and move a piece when it does.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable

from runicorn_jupyter.ssh.transport.channel import ByteChannel
from runicorn_jupyter.streams import END

PIECE_BYTES = 2**18
"""The most that is put together for one send."""

LOOP_PIECE_BYTES = 2**16
"""The most that the event loop sends in one of its turns."""


class NotTaken(ConnectionError):
    """The peer of the socket has closed it."""


class Pump:
    """Moves a number of bytes from a channel to a socket.

    Nothing is buffered but what one send did not take: a reader that stalls stops the channel's window.

    Parameters
    ----------
    channel
        An open channel, read by nothing else meanwhile.
    sock
        A connected stream socket; a duplicate of it is used, so that its owner may close it at any time.
    count
        Bytes to move.

    Attributes
    ----------
    left
        Bytes that have not been sent.
    """

    def __init__(self, channel: ByteChannel, sock: socket.socket, count: int) -> None:
        self.left = count
        self._channel = channel
        self._woken: Callable[[], None] = channel.wake
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._lock = threading.Lock()  # one mover at a time: the transport's thread or the loop
        self._rest = memoryview(b"")
        self._blocked = False  # the socket takes no more: the loop's turn
        self._over = False
        self._is_watched = False
        self._sock = sock.dup()
        self._sock.setblocking(False)

    async def run(self, stall_seconds: float) -> None:
        """Move all bytes; called on the event loop. Cancelling stops at once.

        Parameters
        ----------
        stall_seconds
            The longest time without a byte from the channel, while the socket would take some.

        Raises
        ------
        TimeoutError
            If that was exceeded.
        EOFError
            If the channel's data ended before.
        ConnectionResetError
            If the SSH connection was lost.
        NotTaken
            If the socket's other side is gone.
        """
        self._channel.wake = self._news
        try:
            self._move_now()  # what came before
            while not self._done.done():
                before = self.left
                await asyncio.wait([self._done], timeout=stall_seconds)
                if not self._done.done() and self.left == before and not self._blocked:
                    raise TimeoutError
            self._done.result()
        finally:
            self._stop()

    def _stop(self) -> None:
        with self._lock:
            self._over = True
            self._channel.wake = self._woken
        if self._is_watched:
            self._loop.remove_writer(self._sock)
        self._sock.close()
        if self._done.done() and not self._done.cancelled():
            self._done.exception()  # seen: it may have come while this was being cancelled
        self._woken()  # for what came meanwhile and is not ours

    # -- the transport's thread, or whoever else has news of the channel ---------------------------

    def _news(self) -> None:
        # Several packets may have come in one read: they are sent together.
        self._channel.sender.call_later(self._move_now)

    def _move_now(self) -> None:
        with self._lock:
            if self._over or self._blocked:
                return
            while self._move_piece(PIECE_BYTES):
                pass
            if self._blocked:
                self._tell_loop(self._watch)

    # -- the event loop, while the socket takes no more --------------------------------------------

    def _watch(self) -> None:
        if not self._over and not self._is_watched:
            self._is_watched = True
            self._loop.add_writer(self._sock, self._writable)

    def _writable(self) -> None:
        with self._lock:
            self._blocked = False
            if not self._over and self._move_piece(LOOP_PIECE_BYTES):
                self._blocked = True  # there may be more: the loop's next turn sees to it
            if self._blocked:
                return
        self._is_watched = False
        self._loop.remove_writer(self._sock)

    # -- either, with the lock held ----------------------------------------------------------------

    def _move_piece(self, size: int) -> bool:
        """Send a piece; return whether all of it was taken and more may follow."""
        try:
            if not self._rest and not self._refill(size):
                return False
            try:
                sent = self._sock.send(self._rest)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                raise NotTaken(str(error)) from error
        except (EOFError, ConnectionError) as error:
            self._end(error)
            return False
        self.left -= sent
        self._rest = self._rest[sent:]
        self._blocked = bool(self._rest)
        if not self.left:
            self._end(None)
        return not self._blocked and not self._over

    def _refill(self, size: int) -> bool:
        if not self.left:
            self._end(None)
            return False
        data = self._channel.take_some(min(size, self.left))
        if data is None:
            return False
        if data is END:
            raise EOFError("the data ended early")
        self._rest = memoryview(data)
        return True

    def _end(self, error: Exception | None) -> None:
        self._over = True

        def finish() -> None:
            if self._done.done():
                return
            if error is None:
                self._done.set_result(None)
            else:
                self._done.set_exception(error)

        self._tell_loop(finish)

    def _tell_loop(self, function: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(function)
