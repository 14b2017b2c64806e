"""Tells why a server ran something else in place of a command of ours: the cause, and what has to change."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from runicorn_jupyter.errors import ConnectionTimeout, RemoteError, SshUnavailable
from runicorn_jupyter.text import plain_text

__all__ = ["Cause", "WithoutShell", "without_shell"]

Cause = Literal[
    "forced_command", "password_expired", "no_login", "restricted_shell", "not_a_shell", "startup_file"
]
"""What ran: a command that the server forces, the server's word on a password, a login shell that lets nobody
in, one that may run little, a program that is no shell, or a start-up file of the login shell that keeps or
ends it."""

SAID_CHARACTERS = 200
STARTUP_FILES = {
    "bash": "~/.bashrc",
    "zsh": "~/.zshenv",
    "fish": "~/.config/fish/config.fish",
    "tcsh": "~/.tcshrc or ~/.cshrc",
    "csh": "~/.cshrc",
}
"""The file that a shell reads for a command, which is no interactive one."""
_ANY_FILE = "~/.bashrc, ~/.zshenv, ~/.config/fish/config.fish, ~/.tcshrc or ~/.cshrc"

_SFTP_ONLY = re.compile(r"allows sftp connections only", re.IGNORECASE)
_WORDS: dict[Cause, re.Pattern[str]] = {
    # sshd's own.
    "password_expired": re.compile(r"password (?:has )?(?:expired|change required)", re.IGNORECASE),
    # rbash's and the like.
    "restricted_shell": re.compile(r"restricted|forbidden command", re.IGNORECASE),
    # nologin(8)'s.
    "no_login": re.compile(r"account is (?:currently )?not available", re.IGNORECASE),
    # It repeats our command, and knows no such thing.
    "not_a_shell": re.compile(re.escape("$((40+2))")),
}
"""What programs that end at once say."""


@dataclass(frozen=True)
class WithoutShell:
    """What came in place of the first words of a command.

    Attributes
    ----------
    printed, errors
        The end of its output and of its error output.
    exit_status
        Its exit status; None if it had none.
    waited
        Whether it was still there when the end of the input was sent.
    went_on
        Whether our command ran once the input had ended.
    ended
        Whether it has ended.
    seconds
        How long it was waited for, before the end of the input was sent.
    shell
        The name of the login shell, where the server could be asked; else empty.
    forced
        Where the server says that the key has a command: a file and a line. Else empty.
    """

    printed: bytes = b""
    errors: bytes = b""
    exit_status: int | None = None
    waited: bool = False
    went_on: bool = False
    ended: bool = True
    seconds: float = 0.0
    shell: str = ""
    forced: str = ""


def without_shell(what: WithoutShell) -> RemoteError:
    """Make the error that names the cause: 503 `SshUnavailable`, or 408 where the time is over.

    Parameters
    ----------
    what
        What is known of it.

    Returns
    -------
    RemoteError
        With the cause in ``details.cause``, a `Cause`.
    """
    said = _last_line(what.errors) or _last_line(what.printed)
    cause = _cause(what)
    quoted = f" It says: {said}" if said else ""
    if cause == "startup_file" and what.waited:
        return ConnectionTimeout(_kept(what) + quoted, cause=cause)
    kind = SshUnavailable if what.ended else ConnectionTimeout
    return kind(f"{_NO_COMMANDS} {_SENTENCES[cause](what)}{quoted}", cause=cause)


def _cause(what: WithoutShell) -> Cause:
    said = (what.errors + b"\n" + what.printed).decode("utf-8", "replace")
    if what.forced or _SFTP_ONLY.search(said):
        return "forced_command"
    if what.waited:
        is_program = what.ended and not what.went_on and said.strip()
        return "not_a_shell" if is_program else "startup_file"
    for cause, words in _WORDS.items():
        if words.search(said):
            return cause
    if what.exit_status == 1 and not said.strip():
        return "no_login"  # false(1)
    return "startup_file" if what.exit_status else "forced_command"


_NO_COMMANDS = "The server does not run commands for this account:"


def _kept(what: WithoutShell) -> str:
    """Return the sentence on a start-up file that lets the shell run nothing."""
    file = STARTUP_FILES.get(what.shell, _ANY_FILE)
    if what.went_on:
        does = "waits for input, or takes longer; let it ask in interactive shells only."
    elif what.ended:
        does = (
            "starts another shell or program in its place (exec), or the server forces a command;"
            " let it start such in interactive shells only."
        )
    else:
        does = "waits for something that does not come, or takes longer."
    within = f"The server's shell ran no command within {what.seconds:.3g} seconds"
    return f"{within}: a start-up file ({file}) {does}"


def _forced(what: WithoutShell) -> str:
    if what.forced:
        return (
            f"the key that let you in runs one command only (command= in {what.forced} there);"
            " use another key, or ask the administrator to take that away."
        )
    return (
        "it runs one of its own in their place, most likely by ForceCommand in its sshd_config;"
        f" a start-up file that ends the shell looks the same ({_ANY_FILE})."
    )


def _expired(_what: WithoutShell) -> str:
    return "the password has expired; log in once with ssh in a terminal, and change it."


def _no_login(_what: WithoutShell) -> str:
    return (
        "its login shell lets nobody in (such as /usr/sbin/nologin or /bin/false);"
        " ask the administrator for a shell (chsh)."
    )


def _restricted(_what: WithoutShell) -> str:
    return (
        "its login shell is a restricted one (such as rbash) that may not start /bin/sh;"
        " ask the administrator for an ordinary shell (chsh)."
    )


def _not_a_shell(what: WithoutShell) -> str:
    kind = "a menu or another interactive program" if what.waited else "a program that runs none"
    return f"in place of a shell it starts {kind}; ask the administrator for an ordinary login shell (chsh)."


def _ends(what: WithoutShell) -> str:
    return (
        f"its login shell ended with status {what.exit_status} before it ran one, most likely by a start-up"
        f" file ({_ANY_FILE}), or it is one that lets nobody in."
    )


_SENTENCES = {
    "forced_command": _forced,
    "password_expired": _expired,
    "no_login": _no_login,
    "restricted_shell": _restricted,
    "not_a_shell": _not_a_shell,
    "startup_file": _ends,
}


def _last_line(printed: bytes) -> str:
    lines = [plain_text(line).strip() for line in printed.decode("utf-8", "replace").splitlines()]
    return next((line[:SAID_CHARACTERS] for line in reversed(lines) if line), "")
