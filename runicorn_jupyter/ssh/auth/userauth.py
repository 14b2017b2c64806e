"""The client side of SSH user authentication (RFC 4252), with calls that block.

paramiko's own ``AuthHandler`` signs with every key without asking whether the server would
take it, runs the callback of keyboard-interactive on the thread that reads the socket, polls,
and has no password change. This replaces it on a transport that has done its key exchange.
It is the only file of the authentication that reaches into paramiko's private parts.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.common import (
    MSG_SERVICE_ACCEPT,
    MSG_USERAUTH_BANNER,
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_INFO_REQUEST,
    MSG_USERAUTH_INFO_RESPONSE,
    MSG_USERAUTH_REQUEST,
    MSG_USERAUTH_SUCCESS,
    cMSG_SERVICE_REQUEST,
)
from paramiko.message import Message

from runicorn_jupyter.errors import SshUnavailable
from runicorn_jupyter.ssh.server_message import ServerMessage
from runicorn_jupyter.text import plain_text

__all__ = ["Accepted", "Failure", "MethodMessage", "Reply", "Success", "TransportClosed", "UserAuth"]

_SERVICE = "ssh-userauth"
_NEXT_SERVICE = "ssh-connection"
# A server answers one request with one message; more in the queue than this is a flood.
_MAX_QUEUED_REPLIES = 32
# Token, error and error token: a server's messages in this method only (RFC 4462, 3.9).
_GSSAPI = "gssapi-with-mic"
_GSSAPI_NUMBERS = (61, 64, 65)


class TransportClosed(SshUnavailable):
    """The connection ended while authentication was under way.

    Attributes
    ----------
    reason
        What the server said in its disconnect message; empty when it said nothing, or when
        our side closed the transport.
    """

    def __init__(self, reason: str) -> None:
        said = f": {reason}" if reason else ""
        super().__init__(f"The SSH server closed the connection during authentication{said}.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Success:
    """The server let the user in."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The server refused a request, or wants more.

    Attributes
    ----------
    methods
        Names of the methods that can continue.
    partial
        Whether the request itself was right and another method must follow.
    """

    methods: tuple[str, ...]
    partial: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server accepted the ``ssh-userauth`` service."""


@dataclass(frozen=True, slots=True)
class MethodMessage:
    """A message whose meaning the method in use defines.

    Attributes
    ----------
    body
        Its fields.
    number
        60: PK_OK, INFO_REQUEST or PASSWD_CHANGEREQ; 60 to 79 of ``gssapi-with-mic``.
    """

    body: Message
    number: int = MSG_USERAUTH_INFO_REQUEST


Reply = Success | Failure | Accepted | MethodMessage


class UserAuth(AuthHandler):
    """Authentication of one user on one transport.

    Every method that waits returns when the server has answered, and raises
    `TransportClosed` as soon as the transport ends, for whatever reason: closing the
    transport from another thread is how a deadline is enforced.

    Parameters
    ----------
    transport
        A client's transport whose key exchange is done and whose host key was verified.
    username
        The user to log in as.
    message
        Collects what the server says to the person.
    """

    def __init__(self, transport: paramiko.Transport, username: str, message: ServerMessage) -> None:
        super().__init__(transport)
        self.username = username
        self.message = message
        self._paramiko: Any = transport
        self._replies: queue.Queue[Reply | None] = queue.Queue(_MAX_QUEUED_REPLIES + 1)
        self._method = ""
        self._disconnect_reason = ""
        self._on_close: list[Callable[[], None]] = []
        self._closed = False
        self._hear_disconnect()
        self._hear_close()
        self._paramiko.auth_handler = self
        if not transport.is_active():
            self.abort()

    @property
    def _handler_table(self) -> dict[int, Callable[[Message], None]]:
        """Handlers by message number, called by paramiko's transport thread."""
        return {
            MSG_SERVICE_ACCEPT: self._got_service_accept,
            MSG_USERAUTH_SUCCESS: self._got_success,
            MSG_USERAUTH_FAILURE: self._got_failure,
            MSG_USERAUTH_BANNER: self._got_banner,
            MSG_USERAUTH_INFO_REQUEST: self._got_method_message,
            **{number: partial(self._got_gssapi_message, number) for number in _GSSAPI_NUMBERS},
        }

    @property
    def server_signature_algorithms(self) -> tuple[str, ...]:
        """Algorithms in the server's ``server-sig-algs`` extension (RFC 8308); empty without one."""
        extensions = getattr(self._paramiko, "server_extensions", {})
        value = extensions.get("server-sig-algs", b"")
        text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
        return tuple(name for name in text.split(",") if name)

    def begin(self) -> None:
        """Request the authentication service; must precede `request`.

        Raises
        ------
        TransportClosed
            The connection ended.
        """
        message = Message()
        message.add_byte(cMSG_SERVICE_REQUEST)
        message.add_string(_SERVICE)
        self._send(message)
        self._wait_for(Accepted)

    def request(self, method: str, *fields: str | bytes | bool | int) -> Reply:
        """Send one authentication request and wait for its answer.

        Parameters
        ----------
        method
            The method's name in SSH.
        fields
            The method's own fields in their order, as RFC 4252, 4256 and 4462 define them.

        Raises
        ------
        TransportClosed
            The connection ended.
        """
        self._method = method
        self._send(self.request_message(method, *fields))
        return self.wait()

    def request_message(self, method: str, *fields: str | bytes | bool | int) -> Message:
        """Build the request that `request` sends; signatures of public keys cover it too."""
        message = Message()
        message.add_byte(bytes([MSG_USERAUTH_REQUEST]))
        message.add_string(self.username or "")
        message.add_string(_NEXT_SERVICE)
        message.add_string(method)
        for field in fields:
            if isinstance(field, bool):
                message.add_boolean(field)
            elif isinstance(field, int):
                message.add_int(field)
            else:
                message.add_string(field)
        return message

    def signed_data(self, request: Message) -> bytes:
        """Return what a signature of a request covers: the session, and the request (RFC 4252, 7)."""
        session = bytes(self._paramiko.session_id)
        return len(session).to_bytes(4, "big") + session + request.asbytes()

    def respond(self, answers: list[str]) -> Reply:
        """Answer an INFO_REQUEST (RFC 4256, 3.4) and wait for what follows.

        Raises
        ------
        TransportClosed
            The connection ended.
        """
        message = Message()
        message.add_byte(bytes([MSG_USERAUTH_INFO_RESPONSE]))
        message.add_int(len(answers))
        for answer in answers:
            message.add_string(answer)
        self._send(message)
        return self.wait()

    def send(self, number: int, *fields: bytes) -> None:
        """Send a message of the method in use, to which no answer comes.

        Parameters
        ----------
        number
            The message's number.
        fields
            Strings, in their order.

        Raises
        ------
        TransportClosed
            The connection ended.
        """
        message = Message()
        message.add_byte(bytes([number]))
        for field in fields:
            message.add_string(field)
        self._send(message)

    def wait(self) -> Reply:
        """Wait for the next answer.

        Raises
        ------
        TransportClosed
            The connection ended.
        """
        reply = self._replies.get()
        if reply is None:
            self._replies.put(None)  # for the next waiting thread
            raise TransportClosed(self._disconnect_reason)
        return reply

    def call_on_close(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Register a function that is called when the transport ends, such as to close an agent's socket.

        Parameters
        ----------
        callback
            Called once on the transport's thread; at once if the transport is closed already.

        Returns
        -------
        Callable
            Takes the callback back.
        """
        self._on_close.append(callback)
        if self._closed:
            callback()

        def forget() -> None:
            with suppress(ValueError):
                self._on_close.remove(callback)

        return forget

    def abort(self) -> None:
        """Wake all waiting threads; paramiko calls this when its thread ends."""
        self._closed = True
        with suppress(queue.Full):
            self._replies.put_nowait(None)
        for callback in list(self._on_close):
            callback()

    def _wait_for(self, kind: type[Reply]) -> None:
        while not isinstance(self.wait(), kind):
            pass

    def _send(self, message: Message) -> None:
        try:
            self._paramiko._send_message(message)
        except (OSError, EOFError, paramiko.SSHException) as exc:
            raise TransportClosed(self._disconnect_reason) from exc

    def _put(self, reply: Reply) -> None:
        if self._replies.qsize() >= _MAX_QUEUED_REPLIES:
            raise paramiko.SSHException("the server floods the authentication with messages")
        self._replies.put_nowait(reply)

    def _got_service_accept(self, message: Message) -> None:
        if message.get_text() == _SERVICE:
            self._put(Accepted())

    def _got_success(self, _message: Message) -> None:
        self.authenticated = True
        self._paramiko._auth_trigger()
        self._put(Success())

    def _got_failure(self, message: Message) -> None:
        methods = tuple(name for name in message.get_list() if name)
        self._put(Failure(methods, message.get_boolean()))

    def _got_banner(self, message: Message) -> None:
        text = message.get_binary()
        self.message.add(text if text.endswith(b"\n") else text + b"\n")

    def _got_method_message(self, message: Message) -> None:
        self._put(MethodMessage(message))

    def _got_gssapi_message(self, number: int, message: Message) -> None:
        if self._method != _GSSAPI:
            raise paramiko.SSHException(
                f"the server sends message {number}, which {self._method} does not have"
            )
        self._put(MethodMessage(message, number))

    def _hear_close(self) -> None:
        """Wake waiting threads at ``close()`` too: paramiko leaves them to poll."""
        stop = self._paramiko.stop_thread

        def stop_thread() -> None:
            self.abort()
            stop()

        self._paramiko.stop_thread = stop_thread

    def _hear_disconnect(self) -> None:
        """Keep the text of the server's disconnect message, which paramiko only logs."""
        log_it = self._paramiko._parse_disconnect

        def parse_disconnect(message: Message) -> None:
            position = message.packet.tell()
            message.get_int()
            text = message.get_binary().decode("utf-8", "replace")
            self._disconnect_reason = plain_text(text, substitute=" ", limit=200).strip().rstrip(".")
            self.message.add_line(text, is_shown=True)
            message.packet.seek(position)
            log_it(message)

        self._paramiko._parse_disconnect = parse_disconnect
