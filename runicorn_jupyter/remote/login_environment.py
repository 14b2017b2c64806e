"""What the person's login shell exports on the remote: what of it counts for a viewer.

``payload/probe.sh`` asks the shell. The values may be secrets: they are kept in memory, and are sent back to
that remote only, on the standard input of a command.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "KILLED",
    "MAX_VARIABLES",
    "MAX_VARIABLE_BYTES",
    "known_lines",
    "login_environment",
    "silent_shell",
]

KILLED = "137"
"""The status of a process that SIGKILL ended, to a shell."""
STARTUP_FILES = {
    "bash": "~/.bash_profile, ~/.profile or ~/.bashrc",
    "zsh": "~/.zprofile, ~/.zshrc or ~/.zlogin",
    "fish": "~/.config/fish/config.fish",
    "tcsh": "~/.tcshrc, ~/.cshrc or ~/.login",
    "csh": "~/.cshrc or ~/.login",
}
"""What a shell reads as an interactive login shell; others read ``~/.profile``."""

MAX_VARIABLES = 500
MAX_VARIABLE_BYTES = 32768
"""Of one variable, its name included."""
MAX_TOTAL_BYTES = 131072
"""Of all variables together: far less than a process may be given."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What a shell keeps for itself or lets nobody set, what belongs to that one session, what decides where our
# own state lies (the next probe looks there without asking the shell), and how we ask.
_NOT_TAKEN = re.compile(
    r"_|PWD|OLDPWD|SHLVL|SHELL|HOME|USER|LOGNAME|TERM|TMOUT|IFS|ENV|PS\d|OPTIND|OPTARG|LINENO|RANDOM|SECONDS"
    r"|UID|EUID|GID|EGID|PPID|GROUPS|SHELLOPTS|BASHOPTS|BASH_.*|MAIL|MAILPATH|MAILCHECK|HIST.*"
    r"|XDG_RUNTIME_DIR|XDG_STATE_HOME|XDG_SESSION_.*|TMPDIR|RUNICORN_JUPYTER_.*"
)


def login_environment(lines: Iterable[str]) -> tuple[dict[str, str], int]:
    """Take what counts from the login shell's variables.

    Parameters
    ----------
    lines
        ``NAME=VALUE`` each, a newline in a value being U+0001.

    Returns
    -------
    tuple
        The variables, and how many were too long or too many to be taken.
    """
    taken: dict[str, str] = {}
    left_out = 0
    room = MAX_TOTAL_BYTES
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals or not _NAME.fullmatch(name) or _NOT_TAKEN.fullmatch(name):
            continue
        size = len(line.encode())
        if size > MAX_VARIABLE_BYTES or size > room or len(taken) >= MAX_VARIABLES:
            left_out += 1
            continue
        room -= size
        taken[name] = value.replace("\x01", "\n")
    return taken, left_out


def silent_shell(shell: str, *, was_ended: bool) -> str:
    """Return the note on a login shell that did not say what it sets.

    Parameters
    ----------
    shell
        Its name, as the remote has it.
    was_ended
        Whether it took too long and was ended; False if it ended by itself.
    """
    name = plain_text(shell, limit=40) or "sh"
    file = STARTUP_FILES.get(name, "~/.profile")
    if was_ended:
        did, why = "did not say within 5 seconds", "waits for something, or takes longer"
    else:
        did, why = "ended before it could say", "ends it, or starts another shell in its place (exec)"
    return (
        f"Your login shell ({name}) {did} what it sets, such as RUNICORN_DIR, so that is not known:"
        f" a start-up file ({file}) {why}."
    )


def known_lines(variables: Mapping[str, str] | None, mark: str) -> str:
    """Return the lines with which ``probe.sh`` need not ask the login shell; empty if it is to ask.

    Parameters
    ----------
    variables
        What a probe before found; None if nothing is known.
    mark
        That of the probe.
    """
    if variables is None:
        return ""
    lines = [f"{name}={value}".replace("\n", "\x01") for name, value in variables.items()]
    return "\n".join([f"{mark} begin", *lines, f"{mark} end"])
