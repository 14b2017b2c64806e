"""The messages of OpenSSH's multiplexing protocol (PROTOCOL.mux), without sockets.

Every message is a length and a body; the body begins with its kind. What the other side sends is bounded:
a length that no master sends ends the reading, and texts are cleaned and cut.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runicorn_jupyter.text import plain_text

__all__ = [
    "HELLO",
    "Alive",
    "Ended",
    "Hello",
    "Message",
    "NotAMaster",
    "Opened",
    "Other",
    "Reader",
    "Refused",
    "alive_check",
    "forward_request",
    "session_request",
]

VERSION = 4
MAX_BODY_BYTES = 65536
"""A master's longest message is a sentence."""
MAX_REASON_CHARACTERS = 200

_HELLO = 0x00000001
_NEW_SESSION, _ALIVE_CHECK, _NEW_STDIO_FWD = 0x10000002, 0x10000004, 0x10000008
_PERMISSION_DENIED, _FAILURE = 0x80000002, 0x80000003
_EXIT_MESSAGE, _ALIVE, _SESSION_OPENED = 0x80000004, 0x80000005, 0x80000006
_NO_ESCAPE = 0xFFFFFFFF

_AS_IT_IS = "utf-8", "surrogateescape"


class NotAMaster(ValueError):
    """What was read is nothing that a master of this version sends."""


@dataclass(frozen=True)
class Hello:
    """The greeting of a master, with the version of its protocol."""

    version: int


@dataclass(frozen=True)
class Alive:
    """The answer to `alive_check`: the master's process id."""

    request: int
    pid: int


@dataclass(frozen=True)
class Opened:
    """A session or a forwarding is open, under the master's number for it."""

    request: int
    session: int


@dataclass(frozen=True)
class Refused:
    """A request was refused; ``reason`` is the master's text, cleaned."""

    request: int
    reason: str


@dataclass(frozen=True)
class Ended:
    """The command of a session ended with a status."""

    session: int
    status: int


@dataclass(frozen=True)
class Other:
    """A message of another kind."""

    kind: int


Message = Hello | Alive | Opened | Refused | Ended | Other


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _framed(*parts: int | bytes) -> bytes:
    """Return a message of numbers and strings."""
    return _string(b"".join(struct.pack(">I", p) if isinstance(p, int) else _string(p) for p in parts))


HELLO = _framed(_HELLO, VERSION)
"""What a client greets with."""


def alive_check(request: int) -> bytes:
    """Make the message that asks whether the master lives."""
    return _framed(_ALIVE_CHECK, request)


def session_request(request: int, command: str, environment: Sequence[tuple[str, str]] = ()) -> bytes:
    """Make the message that starts a command; three descriptors follow it.

    Parameters
    ----------
    request
        Number of the request, for the answer.
    command
        Text for the user's login shell.
    environment
        Variables; the master sends those that its own ``SendEnv`` names.
    """
    variables = [f"{name}={value}".encode(*_AS_IT_IS) for name, value in environment]
    no_terminal, no_x11, no_agent, no_subsystem = 0, 0, 0, 0
    flags = no_terminal, no_x11, no_agent, no_subsystem, _NO_ESCAPE
    return _framed(_NEW_SESSION, request, b"", *flags, b"", command.encode(*_AS_IT_IS), *variables)


def forward_request(request: int, host: str, port: int) -> bytes:
    """Make the message that opens a TCP connection from the server; two descriptors follow it."""
    return _framed(_NEW_STDIO_FWD, request, b"", host.encode("ascii" if host.isascii() else "idna"), port)


class Reader:
    """Takes the bytes of a master apart."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take bytes in, and return the messages that are complete by them.

        Raises
        ------
        NotAMaster
            If this is no message of a master.
        """
        self._buffer += data
        while len(self._buffer) >= 4:
            size = int.from_bytes(self._buffer[:4], "big")
            if not 4 <= size <= MAX_BODY_BYTES:
                raise NotAMaster(f"a message of {size} bytes")
            if len(self._buffer) < 4 + size:
                return
            body = bytes(self._buffer[4 : 4 + size])
            del self._buffer[: 4 + size]
            yield _parse(body)


def _parse(body: bytes) -> Message:
    try:
        kind = struct.unpack_from(">I", body)[0]
        if kind == _HELLO:
            return Hello(*struct.unpack_from(">I", body, 4))  # extensions follow, by name
        if kind == _ALIVE:
            return Alive(*struct.unpack_from(">II", body, 4))
        if kind == _SESSION_OPENED:
            return Opened(*struct.unpack_from(">II", body, 4))
        if kind == _EXIT_MESSAGE:
            return Ended(*struct.unpack_from(">II", body, 4))
        if kind in (_FAILURE, _PERMISSION_DENIED):
            request, size = struct.unpack_from(">II", body, 4)
            if size > len(body) - 12:
                raise NotAMaster("a text that is longer than its message")
            text = body[12 : 12 + size].decode("utf-8", "replace")
            return Refused(request, plain_text(text, substitute=" ", limit=MAX_REASON_CHARACTERS).strip())
    except struct.error as error:
        raise NotAMaster("a message that ends early") from error
    return Other(kind)
