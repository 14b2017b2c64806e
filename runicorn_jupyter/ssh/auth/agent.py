"""A client of the SSH agent (draft-ietf-sshm-ssh-agent): which keys it has, and signatures by them.

paramiko's ``Agent`` knows only ``SSH_AUTH_SOCK``; an ssh config names other sockets
(``IdentityAgent``). The private keys never leave the agent, so keys that we cannot use
ourselves, on a token or of a newer type, work too.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
from dataclasses import dataclass
from typing import Protocol, cast

from paramiko.message import Message

__all__ = ["AgentClient", "AgentIdentity", "AgentUnavailable"]

_REQUEST_IDENTITIES = 11
_IDENTITIES_ANSWER = 12
_SIGN_REQUEST = 13
_SIGN_RESPONSE = 14
_FLAG_RSA_SHA2_256 = 2
_FLAG_RSA_SHA2_512 = 4
_MAX_ANSWER = 256 * 1024  # bytes, as OpenSSH's own limit of an agent message
_MAX_IDENTITIES = 2048  # as OpenSSH's client


class AgentUnavailable(Exception):
    """No agent answers, or it refused. The message can be shown to a person."""


@dataclass(frozen=True, slots=True)
class AgentIdentity:
    """A key that the agent holds.

    Attributes
    ----------
    blob
        Public key or certificate in SSH's wire form.
    comment
        What the agent calls it.
    """

    blob: bytes
    comment: str


class _Connection(Protocol):
    def send(self, data: bytes, /) -> int | None: ...
    def recv(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


class AgentClient:
    """A client connection to one SSH agent.

    Use as a context manager. `close` may be called from another thread to end a call that
    waits for the agent (a person may be asked there to touch a token).

    Parameters
    ----------
    path
        The agent's socket; None for the one that the environment names.

    Raises
    ------
    AgentUnavailable
        There is no agent, or nothing answers at its socket.
    """

    def __init__(self, path: str | None = None) -> None:
        self._lock = threading.Lock()
        self._connection = _connect(path)

    def __enter__(self) -> AgentClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; a call under way fails with `AgentUnavailable`."""
        connection = self._connection
        if isinstance(connection, socket.socket):
            try:
                connection.shutdown(socket.SHUT_RDWR)  # close() alone does not wake a recv()
            except OSError:
                # It was not connected any more, which is what we want.
                connection.close()
                return
        connection.close()

    def identities(self) -> list[AgentIdentity]:
        """List the agent's keys in its own order.

        Raises
        ------
        AgentUnavailable
            It refused, or spoke something else.
        """
        answer = self._ask(bytes([_REQUEST_IDENTITIES]), _IDENTITIES_ANSWER, "did not list its keys")
        count = answer.get_int()
        if count > _MAX_IDENTITIES:
            raise AgentUnavailable("The SSH agent claims to hold an impossible number of keys.")
        found = []
        for _ in range(count):
            blob = answer.get_binary()
            comment = answer.get_binary().decode("utf-8", "replace")
            if blob:
                found.append(AgentIdentity(blob, comment))
        return found

    def sign(self, blob: bytes, data: bytes, algorithm: str) -> bytes:
        """Sign data with one of the agent's keys.

        Parameters
        ----------
        blob
            The identity's blob, as `identities` gave it.
        data
            What to sign.
        algorithm
            The signature algorithm; it matters for RSA only.

        Returns
        -------
        bytes
            A signature in SSH's wire form.

        Raises
        ------
        AgentUnavailable
            It refused: the person said no, a token is not there, the agent is locked.
        """
        flags = 0
        if algorithm.startswith("rsa-sha2-256"):
            flags = _FLAG_RSA_SHA2_256
        elif algorithm.startswith("rsa-sha2-512"):
            flags = _FLAG_RSA_SHA2_512
        request = Message()
        request.add_byte(bytes([_SIGN_REQUEST]))
        request.add_string(blob)
        request.add_string(data)
        request.add_int(flags)
        return self._ask(request.asbytes(), _SIGN_RESPONSE, "refused to sign").get_binary()

    def _ask(self, request: bytes, expected: int, otherwise: str) -> Message:
        with self._lock:
            try:
                self._write(struct.pack(">I", len(request)) + request)
                (length,) = struct.unpack(">I", self._read(4))
                if not 0 < length <= _MAX_ANSWER:
                    raise AgentUnavailable("What answers at the SSH agent's socket is not an agent.")
                answer = self._read(length)
            except OSError as exc:
                raise AgentUnavailable("The SSH agent closed the connection.") from exc
        if answer[0] != expected:
            raise AgentUnavailable(f"The SSH agent {otherwise}.")
        return Message(answer[1:])

    def _write(self, data: bytes) -> None:
        if isinstance(self._connection, socket.socket):
            self._connection.sendall(data)
        else:
            self._connection.send(data)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            chunk = self._connection.recv(size - len(data))
            if not chunk:
                raise AgentUnavailable("The SSH agent closed the connection.")
            data += chunk
        return data


class _Pipe:
    """A connection to a named pipe, at which agents listen on Windows: one opens it as a file."""

    def __init__(self, path: str) -> None:
        try:
            self._file = open(path, "r+b", buffering=0)  # noqa: SIM115, PTH123 - no path of files; see close
        except OSError as exc:
            raise AgentUnavailable("Nothing answers at the SSH agent's pipe.") from exc

    def send(self, data: bytes) -> int | None:
        return self._file.write(data)

    def recv(self, size: int) -> bytes:
        return self._file.read(size) or b""

    def close(self) -> None:
        self._file.close()


def _connect(path: str | None) -> _Connection:
    if path is None and sys.platform == "win32":
        # Pageant or Windows' own OpenSSH agent: paramiko knows both.
        from paramiko.agent import get_agent_connection  # noqa: PLC0415 - exists for this only

        connection = get_agent_connection()
        if connection is None:
            raise AgentUnavailable("No SSH agent is running.")
        return cast("_Connection", connection)
    path = path or os.environ.get("SSH_AUTH_SOCK")
    if not path:
        raise AgentUnavailable("No SSH agent is running: SSH_AUTH_SOCK is not set for the Jupyter server.")
    if sys.platform == "win32":
        return _Pipe(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(path)
    except OSError as exc:
        sock.close()
        raise AgentUnavailable("Nothing answers at the SSH agent's socket.") from exc
    return sock
