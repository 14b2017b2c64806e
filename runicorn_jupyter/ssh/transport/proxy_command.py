"""Carries an SSH connection over the standard input and output of a ``ProxyCommand``."""

from __future__ import annotations

import asyncio
import os
import socket
import threading

from runicorn_jupyter.errors import SshUnavailable
from runicorn_jupyter.ssh.child_process import end_group
from runicorn_jupyter.ssh.server_message import ServerMessage
from runicorn_jupyter.ssh.transport.byte_transport import SocketTransport
from runicorn_jupyter.text import plain_text

TAIL_BYTES = 2048
"""Bytes of the command's standard error that are kept, for the error message."""

LAST_WORDS_SECONDS = 1.0
"""Seconds to wait for its last output: a command may close its output and go on."""

TERMINATE_SECONDS = 2.0
"""Seconds that a command has to end after SIGTERM; then it is killed."""


class CommandTransport(SocketTransport):
    """A byte transport to a process, made by ``start``; closing it ends the process."""

    def __init__(
        self, sock: socket.socket, process: asyncio.subprocess.Process, message: ServerMessage
    ) -> None:
        super().__init__(sock, "ssh-proxy-command")
        self._message = message
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._tail = b""
        self._said_all = threading.Event()
        self._ended = threading.Event()
        self._drain = self._loop.create_task(self._collect(), name="ssh-proxy-command")

    @classmethod
    async def start(cls, command: str, message: ServerMessage | None = None) -> CommandTransport:
        """Start the command in the user's shell, as ssh does.

        Parameters
        ----------
        command
            Text of the ssh config, its tokens expanded.
        message
            Collects what the command prints to its standard error.

        Raises
        ------
        SshUnavailable
            If there is no way to start it.
        """
        if os.name != "posix":
            raise SshUnavailable("ProxyCommand is not supported on this system; use ProxyJump instead.")
        shell = os.environ.get("SHELL") or "/bin/sh"
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    shell,
                    "-c",
                    f"exec {command}",
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=asyncio.subprocess.PIPE,
                    start_new_session=True,
                )
        except BaseException as error:
            ours.close()
            if isinstance(error, OSError):
                raise SshUnavailable(
                    "The ProxyCommand of the ssh config could not be started; check it and $SHELL."
                ) from error
            raise
        return cls(ours, process, message or ServerMessage())

    def last_words(self) -> str:
        """Return the last line that the command printed to its standard error (in a worker thread).

        Its standard output may have ended before what it said of that was read: it has a moment to end, too.
        """
        self._said_all.wait(LAST_WORDS_SECONDS)
        lines = self._tail.decode("utf-8", "replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "")
        return plain_text(last, limit=200).strip()

    async def _collect(self) -> None:
        try:
            while self._process.stderr and (data := await self._process.stderr.read(4096)):
                self._tail = (self._tail + data)[-TAIL_BYTES:]
                self._message.add(data)
            self._said_all.set()
            await self._process.wait()
        finally:
            self._said_all.set()
            self._ended.set()

    def close(self) -> None:
        """Close both directions at once and end the process."""
        super().close()
        try:
            self._loop.call_soon_threadsafe(self._stop)
        except RuntimeError:  # the loop is closed; nobody else will
            self._stop()

    def join(self, timeout: float) -> None:
        """Wait for the threads and for the command's end; one that ignores SIGTERM is killed."""
        super().join(timeout)
        if not self._ended.wait(TERMINATE_SECONDS):
            self._end(force=True)
            self._ended.wait(timeout)

    def _stop(self) -> None:
        self._end(force=False)

    def _end(self, *, force: bool) -> None:
        if self._process.returncode is None:
            end_group(self._process.pid, force=force)
