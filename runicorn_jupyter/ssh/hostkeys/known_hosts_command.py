"""``KnownHostsCommand``: a program of the user's ssh config that knows host keys, asked as ssh asks it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import os
import signal
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from runicorn_jupyter.errors import SshUnavailable
from runicorn_jupyter.ssh.config.parser import split_words
from runicorn_jupyter.ssh.config.tokens import ExpansionError, expand_all
from runicorn_jupyter.ssh.hostkeys.known_hosts_file import Entry, entries_of
from runicorn_jupyter.ssh.wire_format import blob_type, fingerprint

__all__ = ["KnownHostsCommand"]

log = logging.getLogger(__name__)

MAX_OUTPUT = 4 * 2**20
"""Bytes that it may print; one host's keys are a few hundred."""

Reason = Literal["ORDER", "HOSTNAME", "ADDRESS"]


@dataclass(frozen=True, slots=True)
class KnownHostsCommand:
    """The command, and what of its tokens is known beforehand.

    Attributes
    ----------
    text
        As the ssh config has it.
    tokens
        Name and value of the connection's ``%`` tokens.
    """

    text: str
    tokens: tuple[tuple[str, str], ...]

    def arguments(self, name: str, reason: Reason, key: bytes | None = None) -> list[str]:
        """Take the command apart, without a shell, and fill in its tokens (``load_hostkeys_command``).

        Parameters
        ----------
        name
            ``host`` or ``[host]:port``: what is looked up.
        reason
            ``ORDER`` before the key exchange, ``HOSTNAME`` after it, ``ADDRESS`` for ``CheckHostIP``.
        key
            What the host offered, in wire form; None for ``ORDER``.

        Raises
        ------
        SshUnavailable
            A token or variable is unknown.
        """
        tokens = {
            **dict(self.tokens),
            "H": name,
            "I": reason,
            "f": "NONE" if key is None else fingerprint(key),
            "t": "NONE" if key is None else blob_type(key),
            "K": "NONE" if key is None else base64.b64encode(key).decode("ascii"),
        }
        try:
            program, *rest = split_words(self.text, comments=False) or [""]
            return [program, *(expand_all(word, tokens) for word in rest)]
        except (ValueError, ExpansionError) as exc:
            raise SshUnavailable(f"The KnownHostsCommand of the ssh config cannot be used: {exc}.") from exc

    async def ask(self, name: str, reason: Reason, key: bytes | None = None) -> tuple[Entry, ...]:
        """Run it; a program that is not there says nothing, as with ssh, which is logged.

        Cancelling ends the program.

        Raises
        ------
        SshUnavailable
            It failed, printed too much, or cannot be run on this system: ssh does not connect then either.
        """
        arguments = self.arguments(name, reason, key)
        if os.name != "posix":
            raise SshUnavailable("KnownHostsCommand is not supported on this system; use known_hosts files.")
        if not PurePath(arguments[0]).is_absolute():
            log.warning("KnownHostsCommand: %s is not an absolute path", arguments[0])
            return ()
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as exc:
            log.warning("KnownHostsCommand could not be started: %s", exc.strerror)
            return ()
        output = await _output_of(process)
        if process.returncode:
            raise SshUnavailable(
                f"The KnownHostsCommand of the ssh config failed with status {process.returncode}, "
                "so the host cannot be checked."
            )
        return tuple(entries_of(output, "KnownHostsCommand", (name,)))


async def _output_of(process: asyncio.subprocess.Process) -> bytes:
    """Read all that a process prints, and wait for its end; end it where nobody waits any more."""
    output = bytearray()
    try:
        while process.stdout and len(output) <= MAX_OUTPUT and (data := await process.stdout.read(65536)):
            output += data
        if len(output) <= MAX_OUTPUT:
            await process.wait()
            return bytes(output)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    raise SshUnavailable("The KnownHostsCommand of the ssh config prints without end.")
