"""Carries an SSH connection over a master's forwarding: a jump host that has a master."""

from __future__ import annotations

import socket
from collections.abc import Callable

from runicorn_jupyter.ssh.transport.byte_transport import ByteTransport, SocketTransport

__all__ = ["ForwardTransport"]


class ForwardTransport(ByteTransport):
    """A byte transport over the two sockets of a forwarding.

    Parameters
    ----------
    sending, receiving
        Our ends; owned from now on.
    on_close
        Called once, from any thread, when it is closed.
    """

    def __init__(
        self, sending: socket.socket, receiving: socket.socket, on_close: Callable[[], None]
    ) -> None:
        super().__init__("ssh-nested")
        self._sending = SocketTransport(sending)
        self._receiving = SocketTransport(receiving)
        self._on_close = on_close

    def getpeername(self) -> object:
        """Return a placeholder: only the jump host knows the address."""
        return ("unknown", 0)

    def _receive(self, size: int) -> bytes:
        data = self._receiving._receive(size)
        self.progress_at = self._receiving.progress_at
        return data

    def _send(self, data: memoryview) -> int:
        return self._sending._send(data)

    def _wait_writable(self) -> None:
        self._sending._wait_writable()

    def close(self) -> None:
        """Close both directions at once; from any thread; repeated calls do nothing."""
        with self._out:
            if self._closed:
                return
            self._closed = True
        self._sending.close()
        self._receiving.close()
        self._drop_backlog()
        self._on_close()
