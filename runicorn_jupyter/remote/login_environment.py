"""What the person's login shell exports on the remote: what of it counts for a viewer.

``payload/probe.sh`` asks the shell. The values may be secrets: they are kept in memory, and are sent back to
that remote only, on the standard input of a command.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["MAX_VARIABLES", "MAX_VARIABLE_BYTES", "known_lines", "login_environment"]

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
