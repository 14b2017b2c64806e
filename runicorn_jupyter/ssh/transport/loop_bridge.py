"""One SSH connection of this process, used from the event loop while a thread reads its transport."""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from collections.abc import Sequence

from runicorn_jupyter.ssh.threads import run_in_thread
from runicorn_jupyter.ssh.transport.byte_transport import ByteTransport
from runicorn_jupyter.ssh.transport.channel import Channel
from runicorn_jupyter.ssh.transport.jump import ChannelTransport
from runicorn_jupyter.ssh.transport.link import ChannelRefused, ConnectionStats, Link
from runicorn_jupyter.ssh.transport.notifier import Notifier, Waker
from runicorn_jupyter.ssh.transport.transport import SshTransport

JOIN_SECONDS = 5.0


class LoopBridge(Waker):
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

    def __init__(self, byte_transport: ByteTransport, below: Link | None = None) -> None:
        super().__init__()
        self.byte_transport = byte_transport
        self.below = below
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.transport = SshTransport(byte_transport, self._on_end)
        self.started_at = time.monotonic()

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
        below = self.byte_transport
        return ConnectionStats(
            self.transport.open_channels,
            below.backlog_bytes,
            below.progress_at,
            below.received_bytes,
            below.sent_bytes,
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

    async def open_session(
        self, command: str, environment: Sequence[tuple[str, str]] = ()
    ) -> tuple[Channel, Notifier]:
        """Open a session and send its command; see `Link.open_session`."""
        channel, notifier = await self.open_channel("session")
        for name, value in environment:
            channel.request("env", _string(name) + _string(value), wants_reply=False)
        channel.request("exec", _string(command))
        return channel, notifier

    async def open_byte_transport(self, host: str, port: int) -> ByteTransport:
        """Open a TCP connection for another SSH connection; see `Link.open_byte_transport`."""
        channel, _ = await self.open_tcp(host, port)
        return ChannelTransport(channel)

    @property
    def forced_command(self) -> str:
        """Where the server says that the key has a command (`SshTransport.forced_command`)."""
        return self.transport.forced_command

    def make_room(self) -> bool:
        """Return False: no session of its own could be closed."""
        return False

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


def _string(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    return len(data).to_bytes(4, "big") + data


def tcp_body(host: str, port: int) -> bytes:
    """Make the body of a ``direct-tcpip`` request; the originator is given as loopback, port 0."""
    name, origin = host.encode("idna" if not host.isascii() else "ascii"), b"127.0.0.1"
    head = struct.pack(f">I{len(name)}sI", len(name), name, port)
    return head + struct.pack(f">I{len(origin)}sI", len(origin), origin, 0)
