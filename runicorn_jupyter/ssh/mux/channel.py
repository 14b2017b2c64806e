"""A session or a forwarding of a master, with the interface of an SSH channel.

Its data go through sockets whose other ends the master has. Nothing is buffered here: what is not taken stays
in the socket, and the master stops reading from the server.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import socket
from collections.abc import Callable
from typing import Protocol

from runicorn_jupyter.ssh.mux.control import ControlConnection
from runicorn_jupyter.ssh.mux.messages import Ended, NotAMaster
from runicorn_jupyter.streams import END, End

__all__ = ["ChannelSockets", "MuxChannel", "Owner"]

TURN_BYTES = 2**18
"""Bytes that are read in one turn of the event loop."""


class Owner(Protocol):
    """The interface of a master that a channel uses."""

    def call_later(self, function: Callable[[], None]) -> None:
        """Call ``function`` once all that has arrived is read."""

    def on_progress(self) -> None:
        """Note that the server gave a sign of life."""

    async def lives(self) -> bool:
        """Ask the master whether it lives; False where it, or the connection to it, has ended."""

    def forget(self, channel: MuxChannel) -> None:
        """Drop a channel that is over."""


class _Inlet:
    """The receiving end of one stream, watched only while there is nothing to take."""

    def __init__(self, sock: socket.socket, wake: Callable[[], None]) -> None:
        self.sock = sock
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._is_watched = False
        self._left = TURN_BYTES
        self.eof = False

    def receive(self, size: int, *, is_last: bool) -> bytes | None:
        """Return bytes, ``b""`` at the end, or None for none yet: ``wake`` is called when there are.

        ``is_last`` where nothing more will come, which would wake nobody: all that is there is returned.
        """
        if self.eof:
            return b""
        if self._left <= 0 and not is_last:
            self.watch()
            return None
        try:
            data = self.sock.recv(size if is_last else min(size, self._left))
        except BlockingIOError:
            self.watch()
            return None
        except ConnectionResetError:
            data = b""
        self._left -= len(data)
        self.eof = not data
        return data

    @property
    def is_idle(self) -> bool:
        """Whether nothing can be taken in this turn of the loop, and more may come."""
        if self.eof:
            return False
        if self._left <= 0:
            return True
        try:
            self.eof = not self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            self.eof = True
        return False

    def watch(self) -> None:
        if not self._is_watched:
            self._is_watched = True
            self._loop.add_reader(self.sock, self._ready)

    def _ready(self) -> None:
        self.unwatch()
        self._wake()

    def unwatch(self) -> None:
        self._left = TURN_BYTES
        if self._is_watched:
            self._is_watched = False
            self._loop.remove_reader(self.sock)

    def close(self) -> None:
        self.unwatch()
        self.sock.close()


class ChannelSockets:
    """Socket pairs for the streams of a channel: our ends, and those for the master.

    Parameters
    ----------
    count
        2 for input and output, 3 for error output too.
    """

    def __init__(self, count: int) -> None:
        self.ours: list[socket.socket] = []
        self._theirs: list[socket.socket] = []
        try:
            for _ in range(count):
                ours, theirs = socket.socketpair()
                ours.setblocking(False)
                self.ours.append(ours)
                self._theirs.append(theirs)
        except OSError:
            self.close()
            raise

    @property
    def descriptors(self) -> list[int]:
        """The descriptors for the master."""
        return [sock.fileno() for sock in self._theirs]

    def close_theirs(self) -> None:
        """Close the master's ends: it has its own descriptors of them."""
        for sock in self._theirs:
            sock.close()

    def close(self) -> None:
        """Close all ends."""
        for sock in (*self.ours, *self._theirs):
            sock.close()


class MuxChannel:
    """A master's session or forwarding as a `SessionChannel`; used on the event loop only.

    The end of its data is told only once the master has said that it still lives: where the master has ended,
    all its sockets end too, and data that were cut off must not look whole.

    Attributes
    ----------
    lost
        Whether the master, or the connection to it, ended before the channel did.
    close_received
        Whether the master has closed it: server and master have freed it.
    replies
        ``[True]``: the command has been sent.
    exit_status
        Status of the command; None also where a signal ended it, which a master does not tell.
    exit_signal
        None.
    wake
        Called on the loop after each change.
    sender
        The master.
    """

    def __init__(
        self, owner: Owner, control: ControlConnection, sockets: ChannelSockets, wake: Callable[[], None]
    ) -> None:
        self.sender = owner
        self.wake = wake
        self.lost = False
        self.close_received = False
        self.replies: collections.deque[bool] = collections.deque([True])
        self.exit_status: int | None = None
        self.exit_signal: str | None = None
        self._control = control
        self._input = sockets.ours[0]
        self._output = _Inlet(sockets.ours[1], self._wake)
        self._errors = _Inlet(sockets.ours[2], self._wake) if len(sockets.ours) > 2 else None
        self._loop = asyncio.get_running_loop()
        self._can_write = True
        self._is_watched = False
        self._closed = False
        self._judging: asyncio.Task[None] | None = None
        self._ended = False  # the data did, and the master lives

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written."""
        return self._closed or self.close_received or self.lost

    def _wake(self) -> None:
        self.wake()  # which a `Pump` replaces

    # -- the end ----------------------------------------------------------------------------------

    async def follow(self) -> None:
        """Read what the master says of it until the end; run as a task by its owner."""
        try:
            while (message := await self._control.receive()) is not None:
                if isinstance(message, Ended):
                    self.exit_status = message.status
                    self.wake()
        except (NotAMaster, OSError):
            pass  # it ends the same way
        finally:
            self._control.close()
            self._can_write = False
        if await self.sender.lives():
            self.close_received = True
        else:
            self.on_lost()
        self._unwatch_input()
        self.sender.forget(self)
        self.wake()
        if self._judging is not None:
            await self._judging

    def on_lost(self) -> None:
        """Handle the end of the master."""
        self.lost = not self.close_received
        self._control.end()
        self.wake()

    def _judge(self) -> None:
        if self._judging is None:
            self._judging = asyncio.create_task(self._ask_for_end(), name="ssh-mux-end")

    async def _ask_for_end(self) -> None:
        if await self.sender.lives():
            self._ended = True
        else:
            self.lost = True
        self.wake()

    # -- data -------------------------------------------------------------------------------------

    def take(self, size: int) -> bytes | End | None:
        """Return at most ``size`` bytes, at least one; ``END`` after the last, None if there is nothing yet.

        Raises
        ------
        ConnectionResetError
            If the master ended before the channel did, after all that came was taken.
        """
        return self._take(self._output, size)

    def take_some(self, size: int) -> bytes | End | None:
        """Take bytes as ``take`` does."""
        return self._take(self._output, size)

    def take_errors(self, size: int) -> bytes | End | None:
        """Take bytes of standard error, as ``take`` does."""
        return END if self._errors is None else self._take(self._errors, size)

    def _take(self, inlet: _Inlet, size: int) -> bytes | End | None:
        if self._closed:
            return END
        if data := inlet.receive(size, is_last=self.lost):
            self.sender.on_progress()
            return data
        if self.lost:
            raise ConnectionResetError("the SSH connection was lost")
        if data is None:
            return None
        if not self._ended:
            self._judge()
            return None
        # Both outputs end together: one that has nothing now may still get something.
        for other in (self._output, self._errors):
            if other is not None and other.is_idle:
                other.watch()
                return None
        return END

    def put(self, data: memoryview) -> int:
        """Send some of ``data``; return how many bytes were taken, 0 for none yet (``wake`` follows).

        Raises
        ------
        BrokenPipeError
            If the channel takes no more data.
        ConnectionResetError
            If the master has ended.
        """
        if self.lost:
            raise ConnectionResetError("the SSH connection was lost")
        if self._closed or not self._can_write:
            raise BrokenPipeError("the channel is closed")
        try:
            return self._input.send(data)
        except BlockingIOError:
            if not self._is_watched:
                self._is_watched = True
                self._loop.add_writer(self._input, self._writable)
            return 0
        except ConnectionError as error:
            self._can_write = False
            raise BrokenPipeError("the channel is closed") from error

    def _writable(self) -> None:
        self._unwatch_input()
        self.sender.on_progress()  # what had to wait goes on
        self.wake()

    def _unwatch_input(self) -> None:
        if self._is_watched:
            self._is_watched = False
            self._loop.remove_writer(self._input)

    def end(self) -> None:
        """Send the end of our data."""
        if self._can_write and not self._closed:
            self._can_write = False
            self._unwatch_input()
            with contextlib.suppress(OSError):  # the master has closed its end
                self._input.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the channel and drop later data; repeated calls do nothing."""
        if self._closed:
            return
        self._closed = True
        inlets = [inlet for inlet in (self._output, self._errors) if inlet is not None]
        has_status = self._errors is None or self.exit_status is not None
        ends_by_itself = has_status and all(inlet.eof for inlet in inlets)
        self._unwatch_input()
        self._input.close()
        for inlet in inlets:
            inlet.close()
        if not ends_by_itself:  # else the master says when the server has closed it
            self._control.end()
        self.wake()
