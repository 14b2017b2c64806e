"""One connection to a master: the greeting, a request with its descriptors, and what the master says."""

from __future__ import annotations

import collections
import contextlib
import socket
from collections.abc import Sequence

from runicorn_jupyter.ssh.mux.control_socket import connect_to, readable, send_descriptor, writable
from runicorn_jupyter.ssh.mux.messages import HELLO, VERSION, Alive, Hello, Message, NotAMaster, Reader
from runicorn_jupyter.ssh.mux.messages import alive_check as alive_message

__all__ = ["ControlConnection"]

CHUNK_BYTES = 4096


class ControlConnection:
    """A connection to a master, on the event loop; one task reads from it.

    Parameters
    ----------
    sock
        Connected, without blocking; owned from now on.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._reader = Reader()
        self._messages: collections.deque[Message] = collections.deque()

    @classmethod
    async def open(cls, path: str) -> tuple[ControlConnection, int]:
        """Connect and greet; the caller limits the time.

        Parameters
        ----------
        path
            The control socket.

        Returns
        -------
        tuple
            The connection, and the master's process id.

        Raises
        ------
        NotAMaster
            If something else listens there.
        ForeignSocket
            If it may be another user's.
        OSError
            If nothing listens there.
        """
        control = cls(await connect_to(path))
        try:
            return control, await control._greet()
        except BaseException:
            control.close()
            raise

    async def _greet(self) -> int:
        await self.send(HELLO)
        greeting = await self.receive()
        if not isinstance(greeting, Hello) or greeting.version != VERSION:
            raise NotAMaster(f"its greeting is {greeting}")
        await self.send(alive_message(0))
        alive = await self.receive()
        if not isinstance(alive, Alive):
            raise NotAMaster(f"it does not say that it lives, but {alive}")
        return alive.pid

    async def send(self, message: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send a message, and descriptors after it.

        The master waits for each descriptor without doing anything else, so all are sent at once: into an
        empty socket, mostly.
        """
        rest = memoryview(message)
        while rest:
            try:
                rest = rest[self._sock.send(rest) :]
            except BlockingIOError:
                await writable(self._sock)
        for descriptor in descriptors:
            await send_descriptor(self._sock, descriptor)

    async def receive(self) -> Message | None:
        """Wait for the master's next message; None at the end.

        Raises
        ------
        NotAMaster
            If it is none.
        """
        while not self._messages:
            try:
                data = self._sock.recv(CHUNK_BYTES)
            except BlockingIOError:
                await readable(self._sock)
                continue
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._messages.extend(self._reader.feed(data))
        return self._messages.popleft()

    def end(self) -> None:
        """End it at once: whoever reads sees the end, and closes."""
        with contextlib.suppress(OSError):  # over already
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it; nothing may wait for it any more."""
        self._sock.close()
