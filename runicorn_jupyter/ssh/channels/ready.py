"""Waits for a remote command to prove that a POSIX shell runs it, before anything is sent to it."""

from __future__ import annotations

import asyncio

from runicorn_jupyter.errors import InternalError
from runicorn_jupyter.ssh.channels.no_shell import WithoutShell
from runicorn_jupyter.ssh.transport.channel import CommandChannel
from runicorn_jupyter.ssh.transport.notifier import Notifier
from runicorn_jupyter.streams import END, End

PRINT_READY = "echo runicorn-jupyter-$((40+2))-ready"
"""Only a POSIX shell that runs it prints `READY`: a program that echoes its command prints the sum."""
READY = b"runicorn-jupyter-42-ready\n"
"""What a command that begins with `PRINT_READY` prints before it reads anything."""

CHUNK_BYTES = 262144
NOISE_BYTES = 64 * 2**20
"""Bytes that a login shell's start-up files may print."""
END_SHARE = 0.2
"""Of the time for the first words: for what the end of the input brings about."""
NOISE_TAIL_BYTES = 4096
"""Of that, the last bytes are kept, to say what was there instead of the command."""


async def await_ready(
    channel: CommandChannel,
    notifier: Notifier,
    ready: bytes,
    output: dict[bool, list[bytes]],
    *,
    seconds: float,
) -> WithoutShell | None:
    """Wait for a command's first words, and drop what start-up files printed before them.

    Where they do not come, the input ends before the time does: what waits for input goes on or ends by that,
    which tells what it is. Not a byte is sent.

    Parameters
    ----------
    channel, notifier
        The channel of the command.
    ready
        Its first words, such as `READY`.
    output
        Gets what follows them. By ``False`` standard output, by ``True`` standard error.
    seconds
        For all of it.

    Returns
    -------
    WithoutShell or None
        What came instead; None if they came.

    Raises
    ------
    InternalError
        If more than `NOISE_BYTES` were printed before them.
    ConnectionResetError
        If the link ended.
    """
    start = _Start(channel, notifier, ready, output)
    patience = seconds * (1 - END_SHARE)
    if (came := await start.look(patience)) is True:
        return None
    waited = came is None
    if waited:
        channel.end()
        came = await start.look(seconds * END_SHARE)
    return WithoutShell(
        printed=start.last,
        errors=start.errors,
        exit_status=channel.exit_status,
        waited=waited,
        went_on=came is True,
        ended=came is not None,
        seconds=patience,
    )


class _Start:
    """The beginning of a command's output."""

    def __init__(
        self, channel: CommandChannel, notifier: Notifier, ready: bytes, output: dict[bool, list[bytes]]
    ) -> None:
        self._channel, self._notifier, self._ready, self._output = channel, notifier, ready, output
        self._printed = 0
        self.last, self.errors = b"", b""

    async def look(self, seconds: float) -> bool | None:
        """Return whether the first words came before the command's end; None if neither did in time."""
        try:
            async with asyncio.timeout(seconds):
                return await self._until_ready()
        except TimeoutError:
            return None

    def _some(self) -> tuple[bytes | End | None, bytes | End | None] | None:
        # Both: a shell that waits for room for its error output runs no command.
        news = self._channel.take(CHUNK_BYTES), self._channel.take_errors(CHUNK_BYTES)
        return None if news == (None, None) else news

    async def _until_ready(self) -> bool:
        while (news := await self._notifier.until(self._some)) != (END, END):
            data, error = (part if isinstance(part, bytes) else b"" for part in news)
            before, found, after = (self.last + data).partition(self._ready)
            self.last, self.errors = before[-NOISE_TAIL_BYTES:], (self.errors + error)[-NOISE_TAIL_BYTES:]
            if found:
                self._output[False], self._output[True] = [after], [self.errors]
                return True
            self._printed += len(data) + len(error)
            if self._printed > NOISE_BYTES:
                raise InternalError(
                    f"A shell on the remote printed more than {NOISE_BYTES} bytes at its start."
                )
        # The status may follow the end of the output.
        channel = self._channel
        await self._notifier.until(
            lambda: True if channel.exit_status is not None or channel.closed else None
        )
        if channel.lost:
            raise ConnectionResetError("the SSH connection was lost")
        return False
