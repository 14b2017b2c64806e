"""A command on the server that returns what it gets, to see that server and way live.

A master answers for itself only: it lives on when the network is gone, and no message of it asks the
server.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import ClassVar

from runicorn_jupyter.ssh.transport.link import SessionChannel
from runicorn_jupyter.ssh.transport.notifier import Notifier
from runicorn_jupyter.streams import END, End

__all__ = ["Echo"]

NOISE_BYTES = 65536


class Echo:
    """A running ``cat`` in a session.

    Parameters
    ----------
    channel, notifier
        The session; owned from now on.
    """

    COMMAND: ClassVar[str] = "exec cat"

    def __init__(self, channel: SessionChannel, notifier: Notifier) -> None:
        self._channel = channel
        self._notifier = notifier
        self._mark = secrets.token_hex(16).encode() + b"\n"
        self._sent = self._returned = 0
        self._is_ready = False
        self._waiting: dict[int, asyncio.Future[bool]] = {}
        self.send(self._mark)

    @property
    def is_ready(self) -> bool:
        """Whether it has shown that it returns what it gets, and lives."""
        return self._is_ready and not self._channel.closed

    def send(self, data: bytes = b".") -> None:
        """Send bytes to it; what comes back is a sign of life."""
        with contextlib.suppress(OSError):  # it is over, which `is_ready` tells
            if self._channel.put(memoryview(data)):
                self._sent += 1

    async def run(self) -> None:
        """Read what it returns until its end."""
        noise = bytearray()
        try:
            while True:
                data: bytes | End = await self._notifier.until(self._some)
                if data is END:
                    break
                if self._is_ready:
                    self._count(len(data))
                    continue
                noise += data
                # Start-up files of the login shell may print what they like before it.
                _, found, rest = bytes(noise).partition(self._mark)
                if found:
                    self._is_ready = True
                    self._count(1 + len(rest))
                elif len(noise) > NOISE_BYTES:
                    break
        except ConnectionResetError:
            pass  # `_waiting` learns it below
        finally:
            self.close()
            for future in self._waiting.values():
                if not future.done():
                    future.set_result(False)

    def _some(self) -> bytes | End | None:
        self._channel.take_errors(NOISE_BYTES)  # nobody reads it, and it must not fill up
        return self._channel.take(NOISE_BYTES)

    def _count(self, returned: int) -> None:
        self._returned += returned
        for number in [one for one in self._waiting if one <= self._returned]:
            future = self._waiting.pop(number)
            if not future.done():
                future.set_result(True)

    async def round_trip(self) -> None:
        """Send a byte and wait until it has come back.

        Raises
        ------
        ConnectionResetError
            If it ends before.
        """
        self.send()
        if self._returned >= self._sent or not self.is_ready:
            raise ConnectionResetError("the command that returns what it gets has ended")
        future = self._waiting.setdefault(self._sent, asyncio.get_running_loop().create_future())
        if not await asyncio.shield(future):
            raise ConnectionResetError("the command that returns what it gets has ended")

    def close(self) -> None:
        """End it."""
        self._is_ready = False
        self._channel.close()
