"""The expansions of ssh_config(5): ``~``, ``%`` tokens and ``${VARIABLES}``."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

__all__ = [
    "ExpansionError",
    "connection_tokens",
    "expand",
    "expand_all",
    "expand_percent",
    "expand_tilde",
    "expand_variables",
    "local_user",
]

_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class ExpansionError(ValueError):
    """A token or variable that ssh would refuse; the text says which."""


def local_user() -> str:
    """Return the local user's name, also where the user database has none for this user id."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid()) if hasattr(os, "getuid") else "user"


def connection_tokens(
    *, asked: str, hostname: str, port: int, username: str, alias: str | None, jump: str | None, home: Path
) -> dict[str, str]:
    """Return the value of each ``%`` token (ssh_config(5), TOKENS).

    Parameters
    ----------
    asked
        The host as it was asked for (``%n``).
    hostname, port, username
        As resolved (``%h``, ``%p``, ``%r``).
    alias
        HostKeyAlias (``%k``), if set.
    jump
        ProxyJump (``%j``), if set.
    home
        The local user's home (``%d``).
    """
    local = socket.gethostname()
    joined = f"{local}{hostname}{port}{username}{jump or ''}"
    return {
        "C": hashlib.sha1(joined.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest(),
        "L": local.partition(".")[0],
        "d": str(home),
        "h": hostname,
        "i": str(os.getuid()) if hasattr(os, "getuid") else "0",
        "j": jump or "",
        "k": alias or asked,
        "l": local,
        "n": asked,
        "p": str(port),
        "r": username,
        "u": local_user(),
    }


def expand_tilde(text: str, home: Path) -> str:
    """Expand a leading ``~`` to ``home``, ``~user`` to that user's home.

    Raises
    ------
    ExpansionError
        There is no such user.
    """
    if not text.startswith("~"):
        return text
    user, slash, rest = text[1:].partition("/")
    rest = rest.lstrip("/")
    if not user:
        return f"{home}{slash}{rest}" if rest else f"{home}{slash}"
    expanded = os.path.expanduser(f"~{user}")  # noqa: PTH111 - pathlib raises where this tells
    if expanded == f"~{user}":
        raise ExpansionError(f"there is no user {user!r}")
    return f"{expanded}{slash}{rest}"


def expand_percent(text: str, tokens: Mapping[str, str]) -> str:
    """Expand ``%`` tokens; ``%%`` is a percent sign.

    Raises
    ------
    ExpansionError
        ssh would refuse the token.
    """
    result = []
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char != "%":
            result.append(char)
            continue
        key = text[position : position + 1]
        position += 1
        if key == "%":
            result.append("%")
        elif key in tokens:
            result.append(tokens[key])
        else:
            raise ExpansionError(f"unknown token %{key}" if key else "a lone % at the end")
    return "".join(result)


def expand_variables(text: str) -> str:
    """Expand ``${NAME}`` from the environment; one that is not set stays as it is."""
    return _VARIABLE.sub(lambda found: os.environ.get(found[1], found[0]), text)


def expand(text: str, tokens: Mapping[str, str], home: Path) -> str:
    """Expand ``~``, tokens and variables, as ssh does for file names.

    Raises
    ------
    ExpansionError
        ssh would refuse it: an unknown token, user, or a variable that is not set.
    """
    return expand_all(expand_tilde(text, home), tokens)


def expand_all(text: str, tokens: Mapping[str, str]) -> str:
    """Expand tokens and variables in one go (``percent_dollar_expand``): no value is expanded again.

    Raises
    ------
    ExpansionError
        ssh would refuse it: an unknown token, or a variable that is not set.
    """
    pieces = []
    last = 0
    for found in _VARIABLE.finditer(text):
        value = os.environ.get(found[1])
        if value is None:
            raise ExpansionError(f"the environment variable {found[1]!r} is not set")
        pieces += [expand_percent(text[last : found.start()], tokens), value]
        last = found.end()
    return "".join([*pieces, expand_percent(text[last:], tokens)])
