"""``KnownHostsCommand``: gets host keys from a program of the user's ssh config."""

from __future__ import annotations

import base64
import logging
import os
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from runicorn_jupyter.errors import SshUnavailable
from runicorn_jupyter.ssh.child_process import OutputTooLong, run_async
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
    """The command, with the tokens of the connection.

    Attributes
    ----------
    text
        The command line in the ssh config.
    tokens
        Name and value of the connection's ``%`` tokens.
    """

    text: str
    tokens: tuple[tuple[str, str], ...]

    def arguments(self, name: str, reason: Reason, key: bytes | None = None) -> list[str]:
        """Split the command without a shell and expand its tokens (``load_hostkeys_command``).

        Parameters
        ----------
        name
            Name to look up: ``host`` or ``[host]:port``.
        reason
            ``ORDER`` before the key exchange, ``HOSTNAME`` after it, ``ADDRESS`` for ``CheckHostIP``.
        key
            Key that the host offered, in wire form; None for ``ORDER``.

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
        """Run the command and parse the keys; a missing program is logged and gives none, as with ssh.

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
            done = await run_async(arguments, max_stdout=MAX_OUTPUT)
        except OSError as exc:
            log.warning("KnownHostsCommand could not be started: %s", exc.strerror)
            return ()
        except OutputTooLong as exc:
            raise SshUnavailable("The KnownHostsCommand of the ssh config prints without end.") from exc
        if done.status:
            raise SshUnavailable(
                f"The KnownHostsCommand of the ssh config failed with status {done.status}, "
                "so the host cannot be checked."
            )
        return tuple(entries_of(done.stdout, "KnownHostsCommand", (name,)))
