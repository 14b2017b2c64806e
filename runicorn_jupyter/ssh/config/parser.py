"""The grammar of ssh config files as OpenSSH's ``readconf.c`` reads it: lines, quotes, Include."""

from __future__ import annotations

import glob
import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runicorn_jupyter.errors import SshUnavailable
from runicorn_jupyter.ssh.config.tokens import expand_variables

__all__ = [
    "MAX_DEPTH",
    "SYSTEM_FOLDER",
    "ConfigFile",
    "ConfigReader",
    "Line",
    "parse_line",
    "quote",
    "split_words",
]

log = logging.getLogger(__name__)

_WHITESPACE = " \t\r\n"
MAX_DEPTH = 16  # READCONF_MAX_DEPTH
_MAX_FILE = 4 * 1024 * 1024  # bytes
_MAX_FILES = 4096  # that one Include may bring
SYSTEM_FOLDER = Path("/etc/ssh")


@dataclass(frozen=True, slots=True)
class Line:
    """One directive of a config file.

    Attributes
    ----------
    number
        Its line in the file, from 1.
    keyword
        In lower case.
    arguments
        Unquoted; a comment at the end is gone.
    rest
        The raw text after the keyword.
    includes
        For ``Include``: the files it names that exist, in order.
    """

    number: int
    keyword: str
    arguments: tuple[str, ...]
    rest: str
    includes: tuple[ConfigFile, ...] = ()


@dataclass(slots=True, eq=False)
class ConfigFile:
    """A parsed config file, with the files that it includes.

    Attributes
    ----------
    path
        Where it is.
    lines
        Its directives.
    """

    path: Path
    lines: list[Line] = field(default_factory=list)

    def walk(self, depth: int = 0) -> Iterator[Line]:
        """Yield the directives in ssh's order, those of included files in place.

        Raises
        ------
        SshUnavailable
            It includes itself.
        """
        if depth > MAX_DEPTH:
            raise SshUnavailable("Your ssh config includes itself: too many nested Include lines.")
        for line in self.lines:
            yield line
            for included in line.includes:
                yield from included.walk(depth + 1)


def parse_line(text: str, number: int = 1) -> Line | None:
    """Parse one line.

    Returns
    -------
    Line or None
        None for an empty line or a comment.

    Raises
    ------
    ValueError
        ssh would refuse it: no argument, or a quote that does not end.
    """
    # C strings: what follows a NUL byte does not exist for ssh.
    text = text.partition("\0")[0]
    text = text[:1] + text[1:].rstrip(_WHITESPACE + "\f")
    keyword, rest = _first_token(text)
    if keyword == "" and rest is not None:
        keyword, rest = _first_token(rest)
    if not keyword or keyword.startswith(("#", "\n")):
        return None
    keyword = keyword.lower()
    rest = (rest or "").lstrip(_WHITESPACE)
    if not rest:
        raise ValueError(f'no argument after keyword "{keyword}"')
    return Line(number, keyword, tuple(split_words(rest)), rest)


def quote(argument: str) -> str:
    """Quote an argument for ssh."""
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _first_token(text: str) -> tuple[str | None, str | None]:
    """Split off the first token (``strdelim``): up to white space, a quote or a ``=``; None at the end."""
    at = next((i for i, char in enumerate(text) if char in _WHITESPACE + '"='), None)
    if at is None:
        return text, None
    if text[at] == '"':
        text = text[:at] + text[at + 1 :]
        end = text.find('"', at)
        if end < 0:
            return None, None
        return text[:end], text[end + 1 :].lstrip(_WHITESPACE)
    rest = text[at + 1 :].lstrip(_WHITESPACE)
    if text[at] != "=" and rest.startswith("="):
        rest = rest[1:].lstrip(_WHITESPACE)
    return text[:at], rest


def split_words(text: str, *, comments: bool = True) -> list[str]:
    """Split a line into words with quotes and escapes (``argv_split``).

    Parameters
    ----------
    text
        The line.
    comments
        Whether a word that begins with ``#`` ends it.

    Raises
    ------
    ValueError
        A quote does not end.
    """
    arguments: list[str] = []
    position = 0
    while position < len(text):
        if text[position] in " \t":
            position += 1
            continue
        if comments and text[position] == "#":
            break
        argument, position = _argument(text, position)
        arguments.append(argument)
    return arguments


def _argument(text: str, position: int) -> tuple[str, int]:
    characters: list[str] = []
    quoted = ""
    while position < len(text):
        char = text[position]
        following = text[position + 1 : position + 2]
        if char == "\\" and following and (following in "'\"\\" or (following == " " and not quoted)):
            characters.append(following)
            position += 1
        elif not quoted and char in " \t":
            break
        elif not quoted and char in "'\"":
            quoted = char
        elif quoted and char == quoted:
            quoted = ""
        else:
            characters.append(char)
        position += 1
    if quoted:
        raise ValueError("invalid quotes")
    return "".join(characters), position


class ConfigReader:
    """Reads config files with their Include files.

    Parameters
    ----------
    home
        The home folder, for ``~``.
    user
        Whether it is the user's config: relative names of Include are below ``~/.ssh`` then,
        else below ``/etc/ssh``.
    """

    def __init__(self, home: Path, *, user: bool = True) -> None:
        self._home = home
        self._user = user
        self._files: dict[Path, ConfigFile] = {}

    def read(self, path: Path, *, check_permissions: bool) -> ConfigFile | None:
        """Read a file.

        Parameters
        ----------
        path
            The file.
        check_permissions
            Refuse what others may write to, as ssh does.

        Returns
        -------
        ConfigFile or None
            None if there is no such file.

        Raises
        ------
        SshUnavailable
            ssh would refuse it; the message says why.
        """
        known = self._files.get(path)
        if known is not None:
            return known
        try:
            data = self._read_bytes(path, check_permissions)
        except OSError:
            return None
        file = self._files[path] = ConfigFile(path)
        text = data.decode("utf-8", "surrogateescape")
        for number, raw in enumerate(text.split("\n"), 1):
            try:
                line = parse_line(raw, number)
            except ValueError as exc:
                raise SshUnavailable(
                    f"ssh refuses your ssh config: {self.shown(path)} line {number}: {exc}."
                ) from exc
            if line is None:
                continue
            if line.keyword == "include":
                included = tuple(self._included(line, path))
                line = Line(number, line.keyword, line.arguments, line.rest, included)
            file.lines.append(line)
        return file

    def _read_bytes(self, path: Path, check_permissions: bool) -> bytes:
        # O_NONBLOCK: opening a FIFO must not hang.
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(fd, "rb") as file:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode):
                return b""  # /dev/null is a way to say "nothing"
            owners = (0, os.getuid()) if hasattr(os, "getuid") else (info.st_uid,)
            foreign = info.st_uid not in owners or info.st_mode & 0o022
            if check_permissions and os.name == "posix" and foreign:
                raise SshUnavailable(
                    f"ssh refuses your ssh config: bad owner or permissions on {self.shown(path)}."
                )
            return file.read(_MAX_FILE)

    def _included(self, line: Line, path: Path) -> Iterator[ConfigFile]:
        for argument in line.arguments:
            for name in self._expand(argument, path, line.number):
                included = self.read(Path(name), check_permissions=True)
                if included is not None:
                    yield included

    def _expand(self, argument: str, path: Path, number: int) -> list[str]:
        if not argument:
            raise SshUnavailable(
                f"ssh refuses your ssh config: {self.shown(path)} line {number}: an empty Include."
            )
        pattern = expand_variables(argument)
        if pattern.startswith("~"):
            if not self._user:
                raise SshUnavailable(
                    f"ssh refuses the system's ssh config: {path} line {number}: bad include path."
                )
            pattern = self._tilde(pattern)
        elif not pattern.startswith("/") and not Path(pattern).is_absolute():
            folder = self._home / ".ssh" if self._user else SYSTEM_FOLDER
            pattern = f"{glob.escape(str(folder))}/{pattern}"
        return sorted(glob.glob(pattern))[:_MAX_FILES]  # noqa: PTH207 - patterns of ssh, not of pathlib

    def _tilde(self, pattern: str) -> str:
        user, slash, rest = pattern[1:].partition("/")
        home = str(self._home) if not user else os.path.expanduser(f"~{user}")  # noqa: PTH111
        return f"{glob.escape(home)}{slash}{rest}"

    def shown(self, path: Path) -> str:
        """Return a path for display, with the home folder as ``~``."""
        return str(path).replace(f"{self._home}/", "~/", 1)
