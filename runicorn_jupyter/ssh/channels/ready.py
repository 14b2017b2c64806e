"""Waits for a remote command to prove that a POSIX shell runs it, before anything is sent to it."""

from __future__ import annotations

from runicorn_jupyter.errors import InternalError
from runicorn_jupyter.ssh.transport.channel import CommandChannel
from runicorn_jupyter.ssh.transport.loop_bridge import Notifier
from runicorn_jupyter.streams import END, End

PRINT_READY = "echo runicorn-jupyter-$((40+2))-ready"
"""Only a POSIX shell that runs it prints `READY`: a program that echoes its command prints the sum."""
READY = b"runicorn-jupyter-42-ready\n"
"""What a command that begins with `PRINT_READY` prints before it reads anything."""

CHUNK_BYTES = 262144
NOISE_BYTES = 64 * 2**20
"""Bytes that a login shell's start-up files may print."""
NOISE_TAIL_BYTES = 4096
"""Of that, the last bytes are kept, to say what was there instead of the command."""


async def await_ready(
    channel: CommandChannel, notifier: Notifier, ready: bytes, output: dict[bool, list[bytes]]
) -> bool:
    """Wait for a command's first words, and drop what start-up files printed before them.

    Parameters
    ----------
    channel, notifier
        The channel of the command.
    ready
        Its first words, such as `READY`.
    output
        Gets what follows them; where they never come, the end of what came instead. By ``False`` standard
        output, by ``True`` standard error.

    Returns
    -------
    bool
        Whether they came before the command's end.

    Raises
    ------
    InternalError
        If more than `NOISE_BYTES` were printed before them.
    """
    last, errors, printed = b"", b"", 0

    def some() -> tuple[bytes | End | None, bytes | End | None] | None:
        # Both: a shell that waits for room for its error output runs no command.
        news = channel.take(CHUNK_BYTES), channel.take_errors(CHUNK_BYTES)
        return None if news == (None, None) else news

    while (news := await notifier.until(some)) != (END, END):
        data, error = (part if isinstance(part, bytes) else b"" for part in news)
        before, found, after = (last + data).partition(ready)
        last, errors = before[-NOISE_TAIL_BYTES:], (errors + error)[-NOISE_TAIL_BYTES:]
        output[False], output[True] = [after if found else last], [errors]
        if found:
            return True
        printed += len(data) + len(error)
        if printed > NOISE_BYTES:
            raise InternalError(f"A shell on the remote printed more than {NOISE_BYTES} bytes at its start.")
    return False
