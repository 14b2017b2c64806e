"""Opens session channels within the server's limit (MaxSessions)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from runicorn_jupyter.errors import SshUnavailable
from runicorn_jupyter.ssh.transport.link import ChannelRefused, Link, SessionChannel
from runicorn_jupyter.ssh.transport.notifier import Notifier
from runicorn_jupyter.text import plain_text

MANY = 10
"""OpenSSH's default of MaxSessions."""

SAID_CHARACTERS = 200

RETRY_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between attempts: a server may count a session a moment after its end, and sends no notice."""


class _NoRoom(Exception):
    """The limit is reached; another session has to end first."""


class SessionPool:
    """Session channels of one connection; learns how many the server allows at once.

    Parameters
    ----------
    link
        The connection.
    environment
        Variables for the command of each session; the server takes what it accepts (RFC 4254, section 6.4).
    """

    def __init__(self, link: Link, environment: Sequence[tuple[str, str]] = ()) -> None:
        self._link = link
        self._environment = environment
        self._open = 0
        self._limit = MANY
        self._change = asyncio.Condition()
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def forced_command(self) -> str:
        """Where the server says that the key has a command (`SshTransport.forced_command`)."""
        return self._link.forced_command

    @property
    def full(self) -> bool:
        """Whether the server's limit of sessions is reached."""
        return self._open >= self._limit

    async def open(self, command: str) -> tuple[SessionChannel, Notifier]:
        """Open a session and send its command; wait while the server's limit is reached.

        Its place is free again when both sides have closed it; the caller only closes it, and awaits
        `started` first.

        Parameters
        ----------
        command
            Text for the user's login shell.

        Raises
        ------
        SshUnavailable
            If the server allows none.
        ConnectionResetError
            If the connection has ended.
        """
        return await self._open_one(command, wait=True)

    async def open_now(self, command: str) -> tuple[SessionChannel, Notifier] | None:
        """Open a session as `open` does, without waiting; return None if the limit is reached."""
        try:
            return await self._open_one(command, wait=False)
        except _NoRoom:
            return None

    async def _open_one(self, command: str, *, wait: bool) -> tuple[SessionChannel, Notifier]:
        retries = iter(RETRY_SECONDS)
        while True:
            async with self._change:
                if not wait and self.full:
                    raise _NoRoom
                await self._change.wait_for(lambda: not self.full)
                self._open += 1
            try:
                channel, notifier = await self._link.open_session(command, self._environment)
            except ChannelRefused as refused:
                await self._free()
                if not self._link.make_room() and self._open:
                    self._limit = self._open
                    continue
                seconds = next(retries, None)
                if seconds is None:
                    raise _no_session(refused) from refused
                await asyncio.sleep(seconds)
            except BaseException:
                await self._free()
                raise
            else:
                task = asyncio.create_task(self._follow(channel, notifier), name="ssh-session")
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
                return channel, notifier

    async def _follow(self, channel: SessionChannel, notifier: Notifier) -> None:
        try:
            await notifier.until(lambda: True if channel.close_received or channel.lost else None)
        finally:
            await self._free()

    async def _free(self) -> None:
        async with self._change:
            self._open -= 1
            self._change.notify_all()


async def started(channel: SessionChannel, notifier: Notifier) -> None:
    """Wait until the server has taken a session's command.

    Parameters
    ----------
    channel, notifier
        From `SessionPool.open`.

    Raises
    ------
    SshUnavailable
        If the server does not run commands.
    ConnectionResetError
        If the connection has ended.
    """
    await notifier.until(lambda: True if channel.replies or channel.closed else None)
    if channel.lost:
        raise ConnectionResetError("the SSH connection was lost")
    if not channel.replies or not channel.replies.popleft():
        raise SshUnavailable("The SSH server does not run commands for this user.")


def _no_session(refused: ChannelRefused) -> SshUnavailable:
    """Make the error for a session that the server does not open, in its own words."""
    said = plain_text(refused.text, substitute=" ", limit=SAID_CHARACTERS).strip(" .")
    said = f" It says: {said}." if said else ""
    return SshUnavailable(f"The SSH server does not open a session for a command.{said}")
