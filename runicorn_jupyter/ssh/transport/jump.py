"""Carries an SSH connection over a channel of another: a jump host."""

from __future__ import annotations

import threading
import time

from runicorn_jupyter.ssh.transport.byte_transport import ByteTransport
from runicorn_jupyter.ssh.transport.channel import Channel
from runicorn_jupyter.streams import END


class ChannelTransport(ByteTransport):
    """A byte transport over an open ``direct-tcpip`` channel.

    Parameters
    ----------
    channel
        The channel; owned from now on.
    """

    def __init__(self, channel: Channel) -> None:
        super().__init__("ssh-nested")
        self._channel = channel
        self._readable = threading.Event()
        self._writable = threading.Event()
        channel.wake = self._wake
        self._wake()  # for what came before

    def getpeername(self) -> object:
        """Return a placeholder: only the jump host knows the address."""
        return ("unknown", 0)

    def _wake(self) -> None:
        # Nothing is done here but to wake: the caller is in the middle of the connection below.
        self._readable.set()
        self._writable.set()

    def _receive(self, size: int) -> bytes:
        try:
            while (data := self._channel.take(size)) is None:
                self._readable.wait()
                self._readable.clear()  # before the next look: what comes after it wakes again
        except ConnectionResetError:
            return b""
        if data is END:
            return b""  # as a socket's recv says it
        self.progress_at = time.monotonic()
        return data

    def _send(self, data: memoryview) -> int:
        return self._channel.put(data)

    def _wait_writable(self) -> None:
        self._writable.wait()
        self._writable.clear()  # before the attempt: what comes during it gives another one

    def close(self) -> None:
        """Close both directions at once; from any thread; repeated calls do nothing."""
        with self._out:
            if self._closed:
                return
            self._closed = True
        self._channel.close()  # wakes reader and writer
        self._drop_backlog()
