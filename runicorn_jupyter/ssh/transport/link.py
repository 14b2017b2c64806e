"""The interface of one connection to an SSH server, whoever holds it: this process, or a master of ssh's."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from runicorn_jupyter.ssh.transport.byte_transport import ByteTransport
from runicorn_jupyter.ssh.transport.channel import ByteChannel, CommandChannel
from runicorn_jupyter.ssh.transport.notifier import Notifier

__all__ = ["UNTOLD", "ChannelRefused", "ConnectionStats", "Link", "SessionChannel"]

UNTOLD = 0
"""No reason code of RFC 4254: whoever holds the connection does not pass it on."""


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
    received_bytes, sent_bytes
        What went over it, encrypted; 0 over a master, which does not tell.
    """

    open_channels: int
    backlog_bytes: int
    progress_at: float
    received_bytes: int = 0
    sent_bytes: int = 0


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


class SessionChannel(CommandChannel, Protocol):
    """The interface of a session's channel, whose command was sent when it was opened."""

    close_received: bool
    replies: collections.deque[bool]


class Link(Protocol):
    """One connection to an SSH server.

    Attributes
    ----------
    ended
        Done when it has ended.
    """

    ended: asyncio.Future[None]

    @property
    def alive(self) -> bool:
        """Whether it can be used."""

    @property
    def stats(self) -> ConnectionStats:
        """Load and health at this moment."""

    @property
    def progress_at(self) -> float:
        """``time.monotonic()`` of the last sign of life from the server, in seconds."""

    @property
    def forced_command(self) -> str:
        """Where the server says that the key has a command; empty if it does not."""

    async def open_session(
        self, command: str, environment: Sequence[tuple[str, str]] = ()
    ) -> tuple[SessionChannel, Notifier]:
        """Open a session and send its command; the caller limits the time.

        Parameters
        ----------
        command
            Text for the user's login shell.
        environment
            Variables that are sent before it (RFC 4254, section 6.4).

        Raises
        ------
        ChannelRefused
            If the server opens no session.
        ConnectionResetError
            If the connection has ended.
        """

    async def open_tcp(self, host: str, port: int) -> tuple[ByteChannel, Notifier]:
        """Open a TCP connection from the server; the caller limits the time.

        Raises
        ------
        ChannelRefused
            If the server does not; with `UNTOLD` where the reason is not known.
        ConnectionResetError
            If the connection has ended.
        """

    async def open_byte_transport(self, host: str, port: int) -> ByteTransport:
        """Open a TCP connection as `open_tcp` does, for another SSH connection over it."""

    def make_room(self) -> bool:
        """Close a session that the connection keeps for itself; return whether there was one."""

    def probe(self) -> None:
        """Ask the server for a sign of life, which shows in ``progress_at``."""

    async def ping(self) -> float:
        """Measure one round trip to the server, in seconds; the caller limits the time."""

    def close(self) -> None:
        """Close it at once, from any thread, without waiting."""

    async def wait_closed(self) -> None:
        """Wait until nothing of it is left."""
