"""TCP connections from the remote, and commands, where its sshd forwards none: one relay carries them all.

The relay is a small fixed program (`payload/relay.py`) for whatever Python 3 the remote has, on the
stdio of one command, so a server that allows a single session is enough for everything. Nothing of ours or of
the user's is part of a command line.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from importlib import resources

from runicorn_jupyter.errors import SshUnavailable
from runicorn_jupyter.payload.relay import HEAD, OPEN, PIECE
from runicorn_jupyter.ssh.channels.no_shell import WithoutShell, without_shell
from runicorn_jupyter.ssh.channels.ready import PRINT_READY, READY, await_ready
from runicorn_jupyter.ssh.channels.session_limit import SessionPool, started
from runicorn_jupyter.ssh.channels.stream import Stream
from runicorn_jupyter.ssh.relay.channel import RelayChannel
from runicorn_jupyter.ssh.transport.channel import CommandChannel
from runicorn_jupyter.ssh.transport.notifier import Notifier
from runicorn_jupyter.streams import END, ByteStream, End

log = logging.getLogger(__name__)

NOISE_BYTES = 65536
"""Bytes that an interpreter may print before the relay's first line."""

SHELL_SECONDS = 12.0
"""Until a shell runs the relay's command: less than the time that a tunnel may take to open."""

IDLE_SECONDS = 10.0
"""A relay without a stream ends after this long; starting one costs the start of an interpreter."""

HIGH_WATER, LOW_WATER = 262144, 65536
"""Streams stop writing while more bytes than this wait for the channel, and go on at the second."""

# The first line of the input is the interpreter, so that it needs no quoting; `read` takes no byte
# more than the line. The second line is the program, the third its mark.
COMMAND = (
    f"/bin/sh -c '{PRINT_READY}; IFS= read -r python && "
    'exec "$python" -c "import sys; exec(eval(sys.stdin.buffer.readline()))"\''
)
PROGRAM = (
    resources.files("runicorn_jupyter.payload").joinpath("relay.py").read_text(encoding="utf-8")
    + "\nimport sys\nmain(sys.stdin.buffer.readline().decode().strip())\n"
)


class RelayClient:
    """A running relay, made by ``start``; ends with its command or the connection.

    Parameters
    ----------
    channel, notifier
        The session channel of the relay's command.
    stream
        The same channel as a stream, after the relay's first line; closed with the relay.
    """

    def __init__(self, channel: CommandChannel, notifier: Notifier, stream: Stream) -> None:
        self._stream = stream
        self._channel = channel
        self._notifier = notifier
        self._streams: dict[int, RelayChannel] = {}
        self._last = 0
        self._buffer = bytearray()
        self._out: collections.deque[memoryview] = collections.deque()
        self._out_bytes = 0
        self._blocked_writers: set[RelayChannel] = set()
        self.serving = asyncio.create_task(self._serve(), name="ssh-relay")

    @classmethod
    async def start(cls, sessions: SessionPool, python: str) -> RelayClient:
        """Start a relay on a session of its own; the caller limits the time.

        Parameters
        ----------
        sessions
            Session channels of the connection.
        python
            The remote's interpreter: a name on its PATH, or a path.

        Raises
        ------
        SshUnavailable
            If the remote runs no such command.
        ConnectionResetError
            If the link has ended.
        """
        channel, notifier = await sessions.open(COMMAND)
        stream = Stream(channel, notifier)
        instead: WithoutShell | None = None
        ready = False
        try:
            await started(channel, notifier)
            instead = await await_ready(channel, notifier, READY, {}, seconds=SHELL_SECONDS)
            if instead is None:
                mark = secrets.token_hex(16)
                await stream.write(f"{python}\n{PROGRAM!r}\n{mark}\n".encode())
                ready = await wait_ready(stream, mark)
        except BrokenPipeError:
            ready = False
        except BaseException:
            stream.close()
            raise
        if ready:
            return cls(channel, notifier, stream)
        stream.close()
        lacks = "its shell runs no command" if instead else "the remote has no python3"
        message = (
            f"The SSH server does not allow forwarding, and {lacks} to do without it; "
            "ask its administrator for AllowTcpForwarding."
        )
        if instead is None:
            raise SshUnavailable(message)
        why = without_shell(replace(instead, forced=sessions.forced_command))
        raise SshUnavailable(f"{message} {why.message}", **why.details)

    @property
    def alive(self) -> bool:
        """Whether it can be used."""
        return not self.serving.done() and not self._channel.closed

    async def open_tcp(self, host: str, port: int, timeout: float) -> Stream:  # noqa: ASYNC109 – of the relay
        """Connect to ``host``:``port`` as seen from the remote; the caller limits the time.

        Raises
        ------
        ConnectionRefusedError
            If nothing listens there.
        SshUnavailable
            If the remote cannot reach the place.
        ConnectionResetError
            If the link or the relay has ended.
        """
        channel, notifier = await self._open({"host": host, "port": port, "timeout": timeout})
        if channel.failure == "refused":
            raise ConnectionRefusedError(f"nothing listens on port {port} there")
        if channel.failure:
            raise SshUnavailable(f"The remote cannot reach its port {port}.")
        return Stream(channel, notifier)

    @contextlib.asynccontextmanager
    async def command(self, text: str) -> AsyncIterator[tuple[CommandChannel, Notifier]]:
        """Start a command in the user's shell, and close it at the end of the block."""
        channel, notifier = await self._open({"command": text})
        if channel.failure:
            raise SshUnavailable("The SSH server does not run commands for this user.")
        try:
            yield channel, notifier
        finally:
            channel.close()

    async def _open(self, what: dict[str, object]) -> tuple[RelayChannel, Notifier]:
        self._last += 1
        notifier = self._notifier.clone()
        channel = RelayChannel(self, self._last, notifier, is_command="command" in what)
        self._streams[channel.number] = channel
        self.send(channel.number, OPEN, json.dumps(what).encode())
        try:
            await notifier.until(
                lambda: True if channel.opened or channel.failure or channel.closed else None
            )
        except BaseException:
            channel.close()
            raise
        if channel.failure:
            channel.close()
        elif channel.lost:
            raise ConnectionResetError("the SSH connection was lost")
        elif not channel.opened:
            raise SshUnavailable("What takes the place of forwarding on the remote has ended; try again.")
        return channel, notifier

    def forget(self, number: int) -> bool:
        """Remove a stream; return whether it existed. The relay ends some time after the last one."""
        known = self._streams.pop(number, None) is not None
        if not self._streams:
            last = self._last
            asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end_if_idle, last)
        return known

    def _end_if_idle(self, last: int) -> None:
        if not self._streams and self._last == last:
            self._stream.close()

    def has_room(self, channel: RelayChannel) -> bool:
        """Return whether data may be sent now; if not, the channel is woken when it may."""
        if self._out_bytes <= HIGH_WATER:
            return True
        self._blocked_writers.add(channel)
        return False

    def call_later(self, function: Callable[[], None]) -> None:
        """Call ``function``: a frame is all that has arrived."""
        function()

    def send(self, number: int, kind: int, data: bytes = b"") -> None:
        """Send a frame, now or as soon as the channel takes it."""
        self._out.append(memoryview(HEAD.pack(number, kind, len(data)) + data))
        self._out_bytes += HEAD.size + len(data)
        self._flush()

    def _flush(self) -> None:
        try:
            while self._out and (size := self._channel.put(self._out[0])):
                self._out_bytes -= size
                self._out[0] = self._out[0][size:]
                if not self._out[0]:
                    self._out.popleft()
        except OSError:
            self._out.clear()  # it is over, which `_serve` learns by itself
            self._out_bytes = 0
        if self._out_bytes <= LOW_WATER:
            blocked, self._blocked_writers = self._blocked_writers, set()
            for channel in blocked:
                channel.wake()

    def _turn(self) -> bytes | End | None:
        self._flush()
        return self._channel.take(4 * PIECE)

    async def _serve(self) -> None:
        try:
            while True:
                data: bytes | End = await self._notifier.until(self._turn)
                if data is END:
                    break
                self._buffer += data
                self._feed()
                await asyncio.sleep(0)  # others have their turn
        except ConnectionResetError:
            pass
        except ValueError as error:
            log.warning("what a relay says cannot be understood: %s", error)
        finally:
            self._stream.close()
            for channel in list(self._streams.values()):
                channel.on_end(lost=self._channel.lost)

    def _feed(self) -> None:
        at = 0
        while len(self._buffer) - at >= HEAD.size:
            number, kind, size = HEAD.unpack_from(self._buffer, at)
            if size > 2 * PIECE:
                raise ValueError("a frame of impossible size")
            end = at + HEAD.size + size
            if len(self._buffer) < end:
                break
            channel = self._streams.get(number)
            if channel is not None:
                channel.on_frame(kind, bytes(self._buffer[at + HEAD.size : end]))
            at = end
        del self._buffer[:at]


class LazyRelay:
    """The relay of one connection, started at the first tunnel; also runs commands.

    Parameters
    ----------
    sessions
        Session channels of the connection.
    """

    def __init__(self, sessions: SessionPool) -> None:
        self._sessions = sessions
        self._relay: RelayClient | None = None
        self._starting = asyncio.Lock()

    async def open_tcp(self, host: str, port: int, timeout: float, python: str) -> Stream:  # noqa: ASYNC109
        """Connect from the remote; see `RelayClient.start` and `RelayClient.open_tcp`."""
        async with self._starting:
            if self._relay is None or not self._relay.alive:
                self._relay = await RelayClient.start(self._sessions, python)
        return await self._relay.open_tcp(host, port, timeout)

    @property
    def forced_command(self) -> str:
        """Where the server says that the key has a command (`SshTransport.forced_command`)."""
        return self._sessions.forced_command

    @contextlib.asynccontextmanager
    async def command(self, text: str) -> AsyncIterator[tuple[CommandChannel, Notifier]]:
        """Start a command on a session, or by the relay where that has taken the last one."""
        relay = self._relay if self._relay is not None and self._relay.alive else None
        opened = await self._sessions.open_now(text) if relay else await self._sessions.open(text)
        if relay and opened is None:
            async with relay.command(text) as running:
                yield running
            return
        channel, notifier = opened or await self._sessions.open(text)
        try:
            await started(channel, notifier)
            yield channel, notifier
        finally:
            channel.close()


async def wait_ready(stream: ByteStream, mark: str) -> bool:
    """Read up to the relay's first line, and not a byte of what follows it; return whether it came."""
    line = bytearray()
    for _ in range(NOISE_BYTES):
        byte = await stream.read(1)
        if byte is END:
            break
        if byte != b"\n":
            line += byte
            continue
        if mark in line.decode("utf-8", "replace"):
            return True
        line.clear()
    return False
