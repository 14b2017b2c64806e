"""Runs one command on the remote: input, bounded output, exit status."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from runicorn_jupyter.errors import ConnectionLost, ConnectionTimeout, InternalError, SshUnavailable
from runicorn_jupyter.ssh.channels.no_shell import WithoutShell, without_shell
from runicorn_jupyter.ssh.channels.ready import CHUNK_BYTES, PRINT_READY, READY, await_ready
from runicorn_jupyter.ssh.channels.stream import Stream
from runicorn_jupyter.ssh.relay.client import LazyRelay
from runicorn_jupyter.ssh.transport.channel import CommandChannel
from runicorn_jupyter.ssh.transport.notifier import Notifier
from runicorn_jupyter.streams import END, End

READY_SHARE = 0.9
"""Of a command's time: for its first words. The rest is for what the server says where they do not come."""
END_SECONDS = 3.0
"""What was talked to is given so long to end by itself, before its channel is closed."""
_PRINT_SHELL = f"exec /bin/sh -c '{PRINT_READY}; echo \"$SHELL\"'"


@dataclass(frozen=True)
class Completed:
    """The result of a command.

    Attributes
    ----------
    exit_status
        Exit status; None if a signal ended it, or the server sent none.
    stdout, stderr
        All of its output.
    exit_signal
        The name of the signal that ended it, without ``SIG``.
    """

    exit_status: int | None
    stdout: bytes
    stderr: bytes
    exit_signal: str | None = None


class Unfinished(ConnectionTimeout):
    """A command that did not end in time; ``stdout`` is what it had printed by then."""

    def __init__(self, message: str, stdout: bytes) -> None:
        super().__init__(message)
        self.stdout = stdout


async def run(
    relay: LazyRelay,
    command: str,
    stdin: bytes,
    timeout: float,  # noqa: ASYNC109 – closes the channel too
    max_output: int,
    *,
    ready: bytes = b"",
) -> Completed:
    """Run a command and wait for its end.

    Parameters
    ----------
    relay
        Where it runs.
    command
        Text for the user's login shell.
    stdin
        Its input; followed by the end of input.
    timeout
        Seconds for all of it; the channel is closed then.
    max_output
        Bytes of output and error output together.
    ready
        What the command prints first: its input waits for it, so that no start-up file of the login shell
        reads it, and what was printed before it is dropped. Where it never comes, no input is sent, and the
        error says what came instead (`without_shell`).

    Raises
    ------
    Unfinished
        If it did not end in time (a ``ConnectionTimeout``).
    InternalError
        If it printed more.
    ConnectionTimeout
        If a start-up file of the login shell keeps it from running.
    SshUnavailable
        If the server does not run it.
    ConnectionResetError
        If the link ended.
    """
    output: dict[bool, list[bytes]] = {False: [], True: []}
    try:
        async with asyncio.timeout(timeout), relay.command(command) as (channel, notifier):
            instead: WithoutShell | None = None
            if ready:
                instead = await await_ready(channel, notifier, ready, output, seconds=timeout * READY_SHARE)
            if instead is None:
                return await _communicate(channel, notifier, stdin, output, max_output)
    except TimeoutError as error:
        message = f"A command on the remote did not end within {timeout:g} seconds."
        raise Unfinished(message, b"".join(output[False])) from error
    raise without_shell(await _ask_about(relay, instead, timeout * (1 - READY_SHARE)))


class Conversation:
    """A command that is talked to while it runs; its input stays open until `close`.

    Parameters
    ----------
    channel, notifier
        The channel of the command.
    begun
        What it has printed by now.
    """

    def __init__(self, channel: CommandChannel, notifier: Notifier, begun: bytes) -> None:
        self._channel = channel
        self._notifier = notifier
        self._stream = Stream(channel, notifier)
        self._buffer = bytearray(begun)
        self._is_ended = False

    async def write(self, data: bytes | memoryview) -> None:
        """Send some input; what a command that has ended does not read is dropped."""
        with contextlib.suppress(BrokenPipeError):
            await self._stream.write(data)

    async def read(self, max_bytes: int = CHUNK_BYTES) -> bytes | End:
        """Return the next bytes of its output, at least one; `END` after the last.

        Raises
        ------
        ConnectionLost
            If the SSH connection ended.
        """
        if not self._buffer:
            return await self._stream.read(max_bytes)
        data = bytes(self._buffer[:max_bytes])
        del self._buffer[:max_bytes]
        return data

    async def read_line(self, max_bytes: int) -> bytes | None:
        """Return the next line of its output, without its end; None at the end of the output.

        Raises
        ------
        InternalError
            If the line is longer than ``max_bytes``.
        ConnectionLost
            If the SSH connection ended.
        """
        scanned = 0
        while (end := self._buffer.find(b"\n", scanned)) < 0:
            scanned = len(self._buffer)
            if scanned > max_bytes:
                raise InternalError(f"A command on the remote printed a line of more than {max_bytes} bytes.")
            data = await self._stream.read(max_bytes)
            if isinstance(data, End):
                return None
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def errors(self) -> bytes:
        """Return the next bytes of its error output, as far as they have come."""
        errors = self._channel.take_errors(CHUNK_BYTES)
        return errors if isinstance(errors, bytes) else b""

    def end_input(self) -> None:
        """End the command's input, if it has not ended; what it prints can still be read."""
        if not self._is_ended:
            self._is_ended = True
            self._stream.write_eof()

    async def finish(self, seconds: float) -> None:
        """End the command's input, and wait for its end; what it still prints is dropped.

        Some servers (asyncssh's process.py) drop the whole connection if a channel is closed before that.

        Parameters
        ----------
        seconds
            How long at most.
        """
        with contextlib.suppress(TimeoutError, OSError, ConnectionLost):
            async with asyncio.timeout(seconds):
                self.end_input()
                while not isinstance(await self._stream.read(), End):
                    pass
                channel = self._channel
                await self._notifier.until(
                    lambda: True if channel.exit_status is not None or channel.closed else None
                )

    def close(self) -> None:
        """End the command's input and its channel."""
        self._stream.close()


@contextlib.asynccontextmanager
async def converse(
    relay: LazyRelay, command: str, *, ready: bytes, seconds: float
) -> AsyncIterator[Conversation]:
    """Start a command to talk to; its channel is closed at the end of the block.

    Parameters
    ----------
    relay, command, ready
        As of `run`.
    seconds
        For its first words.

    Raises
    ------
    ConnectionTimeout, SshUnavailable, ConnectionResetError
        As of `run`.
    """
    async with relay.command(command) as (channel, notifier):
        output: dict[bool, list[bytes]] = {False: [], True: []}
        instead = await await_ready(channel, notifier, ready, output, seconds=seconds)
        if instead is None:
            conversation = Conversation(channel, notifier, b"".join(output[False]))
            try:
                yield conversation
            finally:
                try:
                    await conversation.finish(END_SECONDS)
                finally:
                    conversation.close()
            return
    raise without_shell(await _ask_about(relay, instead, seconds))


async def _ask_about(relay: LazyRelay, what: WithoutShell, seconds: float) -> WithoutShell:
    """Add what the server says of it: the command of the key, and the login shell that runs commands."""
    shell = b""
    if what.went_on:
        # Its input is at its end at once, which lets it go on.
        with contextlib.suppress(SshUnavailable, TimeoutError):
            async with asyncio.timeout(seconds), relay.command(_PRINT_SHELL) as (channel, notifier):
                channel.end()
                output: dict[bool, list[bytes]] = {False: [], True: []}
                if await await_ready(channel, notifier, READY, output, seconds=seconds) is None:
                    shell = (await _communicate(channel, notifier, b"", output, CHUNK_BYTES)).stdout
    name = shell.decode("utf-8", "replace").strip().rpartition("/")[2]
    return replace(what, shell=name, forced=relay.forced_command)


async def _communicate(
    channel: CommandChannel,
    notifier: Notifier,
    stdin: bytes,
    output: dict[bool, list[bytes]],
    max_output: int,
) -> Completed:
    stream = Stream(channel, notifier)
    feeding = asyncio.create_task(_feed(stream, stdin), name="ssh-stdin")
    size = 0

    def some() -> tuple[bytes | End | None, bytes | End | None] | None:
        news = channel.take(CHUNK_BYTES), channel.take_errors(CHUNK_BYTES)
        return None if news == (None, None) else news

    try:
        while (news := await notifier.until(some)) != (END, END):
            for is_error, data in enumerate(news):
                if isinstance(data, bytes):
                    output[bool(is_error)].append(data)
                    size += len(data)
            if size > max_output:
                raise InternalError(f"A command on the remote printed more than {max_output} bytes.")
        # The status may follow the end of the output.
        await notifier.until(lambda: True if channel.exit_status is not None or channel.closed else None)
        if channel.lost and channel.exit_status is None:
            raise ConnectionResetError("the SSH connection was lost")
    finally:
        stream.close()
        feeding.cancel()
        await asyncio.wait([feeding])
    return Completed(
        channel.exit_status, b"".join(output[False]), b"".join(output[True]), channel.exit_signal
    )


async def _feed(stream: Stream, data: bytes) -> None:
    with contextlib.suppress(OSError):  # a command need not read its input
        await stream.write(data)
        stream.write_eof()
