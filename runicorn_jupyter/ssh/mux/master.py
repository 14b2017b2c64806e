"""A connection to an SSH server that a master of the user's own ssh holds (``ControlMaster``).

Each session and each forwarding is a connection of its own to the master's socket, as with ``ssh``; one more
is kept, whose end says that the master has ended. Each goes to the process that was found at first: another
master that has taken its place may lead elsewhere.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from runicorn_jupyter.ssh.error_mapping import failed_here
from runicorn_jupyter.ssh.mux.channel import ChannelSockets, MuxChannel
from runicorn_jupyter.ssh.mux.control import ControlConnection
from runicorn_jupyter.ssh.mux.control_socket import ForeignSocket
from runicorn_jupyter.ssh.mux.echo import Echo
from runicorn_jupyter.ssh.mux.forward_transport import ForwardTransport
from runicorn_jupyter.ssh.mux.messages import (
    Alive,
    NotAMaster,
    Opened,
    Refused,
    alive_check,
    forward_request,
    session_request,
)
from runicorn_jupyter.ssh.transport.byte_transport import ByteTransport
from runicorn_jupyter.ssh.transport.link import UNTOLD, ChannelRefused, ConnectionStats
from runicorn_jupyter.ssh.transport.notifier import Notifier, Waker

__all__ = ["Master"]

log = logging.getLogger(__name__)

_NO_ROOM_HERE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
_REQUEST = 1  # each connection makes one, after the question whether the master lives


class Master(Waker):
    """A master's connection as a `Link`; made by ``open``.

    Parameters
    ----------
    path
        The control socket.
    control
        A connection to it; owned from now on.
    pid
        The master's process id.

    Attributes
    ----------
    ended
        Done when the master, or this connection to it, has ended.
    """

    def __init__(self, path: str, control: ControlConnection, pid: int) -> None:
        super().__init__()
        self.path = path
        self.pid = pid
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.progress_at = time.monotonic()
        self._control = control
        self._thread = threading.get_ident()
        self._closed = False
        self._numbers = itertools.count(1)
        self._asking = asyncio.Lock()
        self._question: asyncio.Future[bool] = self.loop.create_future()
        self._channels: set[MuxChannel] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._echo: Echo | None = None
        self._opening_echo: asyncio.Task[None] | None = None
        self.start(self._follow())

    @classmethod
    async def open(cls, path: str) -> Master:
        """Connect to a master; the caller limits the time.

        Raises
        ------
        NotAMaster
            If something else listens there.
        ForeignSocket
            If it may be another user's.
        OSError
            If nothing listens there.
        """
        return cls(path, *await ControlConnection.open(path))

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a task that ends with this connection, or before."""
        task = asyncio.create_task(work, name="ssh-mux")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- its life -----------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Read the master's answers until it ends."""
        try:
            while (message := await self._control.receive()) is not None:
                if isinstance(message, Alive):
                    self._answer(True)
        except (NotAMaster, OSError) as error:
            log.warning("the master at %s is not understood: %s", self.path, error)
        finally:
            self._control.close()
            self._end()

    def _end(self) -> None:
        self._closed = True
        if not self.ended.done():
            self.ended.set_result(None)
        self._answer(False)
        for channel in list(self._channels):
            channel.on_lost()
        if self._echo is not None:
            self._echo.close()

    def _answer(self, lives: bool) -> None:
        if not self._question.done():
            self._question.set_result(lives)

    async def lives(self) -> bool:
        """Ask the master whether it lives; False where it, or the connection to it, has ended."""
        # One question at a time, so that those to a frozen master fill no socket.
        async with self._asking:
            if self._closed:
                return False
            self._question = self.loop.create_future()
            try:
                await self._control.send(alive_check(next(self._numbers)))
            except OSError:
                return False
            return await self._question

    @property
    def alive(self) -> bool:
        """Whether it can be used."""
        return not self._closed

    @property
    def stats(self) -> ConnectionStats:
        """Load and health at this moment; what waits to be sent is in the master's hands."""
        return ConnectionStats(len(self._channels), 0, self.progress_at)

    @property
    def forced_command(self) -> str:
        """Return nothing: a master does not pass on what the server says of a key."""
        return ""

    def close(self) -> None:
        """Close the connection to the master, which goes on; from any thread."""
        if threading.get_ident() == self._thread:
            self._close()
        else:
            self._call(self._close)

    def _close(self) -> None:
        self._closed = True
        self._control.end()  # `_follow` sees the end

    async def wait_closed(self) -> None:
        """Wait until no task and no socket of it is left."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    # -- using it -------------------------------------------------------------------------------------

    async def open_session(
        self, command: str, environment: Sequence[tuple[str, str]] = ()
    ) -> tuple[MuxChannel, Notifier]:
        """Open a session and send its command; see `Link.open_session`."""
        return await self._open_channel(session_request(_REQUEST, command, environment), 3)

    async def open_tcp(self, host: str, port: int) -> tuple[MuxChannel, Notifier]:
        """Open a TCP connection from the server; see `Link.open_tcp`."""
        return await self._open_channel(forward_request(_REQUEST, host, port), 2)

    async def _open_channel(self, request: bytes, streams: int) -> tuple[MuxChannel, Notifier]:
        sockets, control = await self._open(request, streams)
        notifier = Notifier(self)
        channel = MuxChannel(self, control, sockets, notifier.wake)
        self._channels.add(channel)
        self.start(channel.follow())
        if self._closed:
            channel.on_lost()
        return channel, notifier

    async def open_byte_transport(self, host: str, port: int) -> ByteTransport:
        """Open a TCP connection for another SSH connection; see `Link.open_byte_transport`."""
        sockets, control = await self._open(forward_request(_REQUEST, host, port), 2)
        self.start(_drain(control))
        sending, receiving = sockets.ours
        return ForwardTransport(sending, receiving, lambda: self._call(control.end))

    async def _open(self, request: bytes, streams: int) -> tuple[ChannelSockets, ControlConnection]:
        """Make a request, until the master ends: one that is frozen never answers."""
        opening = asyncio.create_task(self._ask_for(request, streams), name="ssh-mux-open")
        either: list[asyncio.Future[Any]] = [opening, self.ended]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                return opening.result()
        except asyncio.CancelledError:
            await _abandon(opening)
            raise
        await _abandon(opening)
        raise ConnectionResetError("the SSH connection was lost")

    async def _ask_for(self, request: bytes, streams: int) -> tuple[ChannelSockets, ControlConnection]:
        control = await self._connect()
        try:
            sockets = self._here(lambda: ChannelSockets(streams))
            try:
                await self._request(control, request, sockets)
            except BaseException:
                sockets.close()
                raise
        except (NotAMaster, ConnectionError) as error:
            # One that stays and gives no answer is of no use either.
            log.info("the master at %s gives no answer: %s", self.path, error)
            control.close()
            self.close()
            raise ConnectionResetError("the master of the SSH connection gave no answer") from error
        except BaseException:
            control.close()
            raise
        return sockets, control

    async def _request(self, control: ControlConnection, request: bytes, sockets: ChannelSockets) -> None:
        await control.send(request, sockets.descriptors)
        sockets.close_theirs()
        reply = await control.receive()
        if isinstance(reply, Refused):
            self.on_progress()  # the server's answer, handed on
            raise ChannelRefused(UNTOLD, reply.reason)
        if not isinstance(reply, Opened):
            raise NotAMaster(f"it answers {reply}")
        self.on_progress()

    async def _connect(self) -> ControlConnection:
        """Connect to the same master as before."""
        if self._closed:
            raise ConnectionResetError("the SSH connection was lost")
        try:
            control, pid = await ControlConnection.open(self.path)
        except (NotAMaster, ForeignSocket, OSError) as error:
            if isinstance(error, OSError) and error.errno in _NO_ROOM_HERE:
                raise failed_here(error) from error
            log.info("the master at %s takes no more sessions: %s", self.path, error)
            self.close()
            raise ConnectionResetError("the master of the SSH connection takes no more sessions") from error
        if pid != self.pid:
            control.close()
            log.info("another master has taken the place of the one at %s", self.path)
            self.close()
            raise ConnectionResetError("the master of the SSH connection has ended")
        return control

    @staticmethod
    def _here(make: Callable[[], ChannelSockets]) -> ChannelSockets:
        try:
            return make()
        except OSError as error:
            raise failed_here(error) from error

    def call_later(self, function: Callable[[], None]) -> None:
        """Call ``function``: what a socket has is all that has arrived."""
        function()

    def on_progress(self) -> None:
        """Note that the server gave a sign of life."""
        self.progress_at = time.monotonic()

    def forget(self, channel: MuxChannel) -> None:
        """Drop a channel that is over."""
        self._channels.discard(channel)

    # -- whether the server lives ---------------------------------------------------------------------

    async def meet_server(self) -> None:
        """Start a command on the server that shows from now on that it lives.

        Raises
        ------
        ChannelRefused
            If the server opens no session.
        ConnectionResetError
            If the master ends.
        """
        self.make_room()
        channel, notifier = await self.open_session(Echo.COMMAND)
        self._echo = Echo(channel, notifier)
        self.start(self._echo.run())

    def make_room(self) -> bool:
        """Close the session that shows whether the server lives; return whether there was one."""
        echo, self._echo = self._echo, None
        if echo is not None:
            echo.close()
        return echo is not None

    def probe(self) -> None:
        """Ask the server for a sign of life, which shows in ``progress_at``."""
        if self._closed:
            return
        if self._echo is not None and self._echo.is_ready:
            self._echo.send()
        elif self._opening_echo is None or self._opening_echo.done():
            self._opening_echo = self.start(self._reopen_echo())

    async def _reopen_echo(self) -> None:
        try:
            await self.meet_server()
        except (ChannelRefused, OSError) as error:
            log.debug("no session to ask whether the server lives: %s", error)

    async def ping(self) -> float:
        """Measure one round trip to the server, in seconds; the caller limits the time.

        Raises
        ------
        ConnectionResetError
            If the master has ended, or ends meanwhile.
        """
        begun = time.perf_counter()
        if self._echo is not None and self._echo.is_ready:
            await self._echo.round_trip()
        else:
            try:
                await self.meet_server()
            except ChannelRefused as refused:
                log.debug("the server answers, but opens no session: %s", refused.text)
        return time.perf_counter() - begun


async def _abandon(opening: asyncio.Task[tuple[ChannelSockets, ControlConnection]]) -> None:
    """End a request, and close what it may have got by now."""
    opening.cancel()
    await asyncio.wait([opening])
    if not opening.cancelled() and opening.exception() is None:
        sockets, control = opening.result()
        sockets.close()
        control.close()


async def _drain(control: ControlConnection) -> None:
    """Read what a master says of a forwarding until its end."""
    try:
        while await control.receive() is not None:
            pass
    except (NotAMaster, OSError) as error:
        log.debug("a master's forwarding ended: %s", error)
    finally:
        control.close()
