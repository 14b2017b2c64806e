"""Connects an SSH transport's thread to the event loop: one wake-up for a batch of changes."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from runicorn_jupyter.ssh.threads import run_in_thread
from runicorn_jupyter.ssh.transport.byte_transport import ByteTransport
from runicorn_jupyter.ssh.transport.channel import Channel
from runicorn_jupyter.ssh.transport.transport import SshTransport

T = TypeVar("T")

JOIN_SECONDS = 5.0


class Notifier:
    """Wakes tasks that wait for a change of one channel."""

    def __init__(self, bridge: LoopBridge) -> None:
        self._bridge = bridge
        self._futures: set[asyncio.Future[None]] = set()
        self.pending = False

    def wake(self) -> None:
        """Schedule `notify` on the loop; from any thread."""
        self._bridge.wake(self)

    def clone(self) -> Notifier:
        """Return a new notifier of the same connection."""
        return Notifier(self._bridge)

    def notify(self) -> None:
        """Wake all waiting tasks; on the loop."""
        futures, self._futures = self._futures, set()
        for future in futures:
            if not future.done():
                future.set_result(None)

    async def wait(self) -> None:
        """Wait for the next change."""
        future = self._bridge.loop.create_future()
        self._futures.add(future)
        try:
            await future
        finally:
            self._futures.discard(future)

    async def until(self, ready: Callable[[], T | None]) -> T:
        """Wait until ``ready`` returns something else than None, and return that."""
        while (value := ready()) is None:
            await self.wait()
        return value


@dataclass(frozen=True, slots=True)
class ConnectionStats:
    """A connection's load and health at one moment.

    Attributes
    ----------
    open_channels
        Number of channels that are open, or being opened or closed.
    backlog_bytes
        Bytes that were written and that the socket has not taken yet.
    progress_at
        ``time.monotonic()`` of the last sign of life from the server, in seconds.
    """

    open_channels: int
    backlog_bytes: int
    progress_at: float


class LoopBridge:
    """One SSH connection over ``byte_transport``, used from the loop that it was made on.

    Parameters
    ----------
    byte_transport
        The bytes below; owned by this from now on.
    below
        The connection to the jump host that carries the byte transport; closed with this one.

    Attributes
    ----------
    transport
        The transport, for the handshake and authentication in a worker thread.
    ended
        Done when the transport's thread has ended.
    """

    def __init__(self, byte_transport: ByteTransport, below: LoopBridge | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.byte_transport = byte_transport
        self.below = below
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.transport = SshTransport(byte_transport, self._on_end)
        self.started_at = time.monotonic()
        self._ready: collections.deque[Notifier] = collections.deque()
        self._armed = False

    # -- waking ---------------------------------------------------------------------------------

    def wake(self, notifier: Notifier) -> None:
        """Schedule ``notifier.notify`` on the loop; from any thread."""
        if notifier.pending:
            return
        notifier.pending = True
        self._ready.append(notifier)
        if not self._armed:
            self._armed = True
            self._call(self._fire)

    def _call(self, function: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(function)

    def _fire(self) -> None:
        self._armed = False  # before looking: who comes later calls again
        for _ in range(len(self._ready)):
            notifier = self._ready.popleft()
            notifier.pending = False
            notifier.notify()
        if self._ready and not self._armed:
            self._armed = True
            self.loop.call_soon(self._fire)

    # -- ending ---------------------------------------------------------------------------------

    def _on_end(self) -> None:
        self._call(self._set_ended)

    def _set_ended(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
        if self.below is not None:
            self.below.close()

    @property
    def alive(self) -> bool:
        """Whether the connection can be used."""
        return self.transport.active and not self.ended.done()

    @property
    def stats(self) -> ConnectionStats:
        """Load and health at this moment."""
        return ConnectionStats(
            self.transport.open_channels, self.byte_transport.backlog_bytes, self.byte_transport.progress_at
        )

    @property
    def progress_at(self) -> float:
        """``time.monotonic()`` of the last sign of life from the server, in seconds."""
        return self.byte_transport.progress_at

    def close(self) -> None:
        """Close it and the connections to its jump hosts at once, from any thread, without waiting."""
        self.transport.close()
        if not self.transport.is_alive():  # never started, or over
            self._on_end()
        if self.below is not None:
            self.below.close()

    async def wait_closed(self) -> None:
        """Wait until all its threads have ended."""
        await run_in_thread(self._join)
        if self.below is not None:
            await self.below.wait_closed()

    def _join(self) -> None:
        if self.transport.ident is not None and self.transport is not threading.current_thread():
            self.transport.join(JOIN_SECONDS)
        self.byte_transport.join(JOIN_SECONDS)

    # -- using ----------------------------------------------------------------------------------

    async def open_channel(self, kind: str, body: bytes = b"") -> tuple[Channel, Notifier]:
        """Open a channel; the caller limits the time.

        A cancelled opening leaves nothing: when the server's late answer comes, the channel is closed.

        Raises
        ------
        ConnectionResetError
            If the transport has ended, or ends meanwhile.
        ChannelRefused
            If the server does not open it.
        """
        notifier = Notifier(self)
        channel = self.transport.open(kind, body, notifier.wake)
        try:
            await notifier.until(lambda: True if channel.opened or channel.failure or channel.lost else None)
        except BaseException:
            channel.close()
            raise
        if channel.failure:
            raise ChannelRefused(*channel.failure)
        if not channel.opened:
            raise ConnectionResetError("the SSH connection was lost")
        return channel, notifier

    async def open_tcp(self, host: str, port: int) -> tuple[Channel, Notifier]:
        """Open a TCP connection from the server to ``host``:``port`` (RFC 4254, section 7.2)."""
        return await self.open_channel("direct-tcpip", tcp_body(host, port))

    def probe(self) -> None:
        """Send a keepalive; an answer shows in ``progress_at``."""
        self.transport.ask("keepalive@openssh.com", lambda: None)

    async def ping(self) -> float:
        """Measure one round trip to the server, in seconds; the caller limits the time.

        Raises
        ------
        ConnectionResetError
            If the transport has ended, or ends meanwhile.
        """
        if not self.alive:
            raise ConnectionResetError("the SSH connection is closed")
        answered = self.loop.create_future()

        def answer() -> None:
            if not answered.done():
                answered.set_result(None)

        begun = time.perf_counter()
        self.transport.ask("keepalive@openssh.com", lambda: self._call(answer))
        await asyncio.wait([answered, self.ended], return_when=asyncio.FIRST_COMPLETED)
        if not answered.done():
            raise ConnectionResetError("the SSH connection was lost")
        return time.perf_counter() - begun


class ChannelRefused(Exception):
    """The server did not open a channel.

    Parameters
    ----------
    reason
        RFC 4254's reason code.
    text
        The server's words.
    """

    def __init__(self, reason: int, text: str) -> None:
        super().__init__(f"{text} ({reason})")
        self.reason = reason
        self.text = text


def tcp_body(host: str, port: int) -> bytes:
    """Make the body of a ``direct-tcpip`` request; the originator is given as loopback, port 0."""
    name, origin = host.encode("idna" if not host.isascii() else "ascii"), b"127.0.0.1"
    head = struct.pack(f">I{len(name)}sI", len(name), name, port)
    return head + struct.pack(f">I{len(origin)}sI", len(origin), origin, 0)
