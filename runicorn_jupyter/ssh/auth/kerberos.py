"""The method ``gssapi-with-mic`` (RFC 4462, 3) with the user's Kerberos tickets (RFC 4121)."""

from __future__ import annotations

import contextlib
import importlib.util
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.errors import SshUnavailable
from runicorn_jupyter.ssh.auth.userauth import Failure, MethodMessage, Reply, UserAuth
from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paramiko.message import Message

    from runicorn_jupyter.ssh.config.target import KerberosOptions

__all__ = ["GssapiWithMic", "is_kerberos_available"]

# Messages of the method (RFC 4462, 3.9).
RESPONSE, TOKEN, EXCHANGE_COMPLETE, ERROR, ERROR_TOKEN, MIC = 60, 61, 63, 64, 65, 66

KERBEROS = bytes.fromhex("06092a864886f712010202")
"""The object identifier of Kerberos 5, 1.2.840.113554.1.2.2, in DER (RFC 4121, 1)."""

_MAX_TOKENS = 16  # Kerberos needs two at most
_MAX_TEXT = 200


class _NoTicket(Exception):
    """There is no ticket for this server, and why."""


def is_kerberos_available() -> bool:
    """Return whether the extra ``gssapi`` is installed."""
    return importlib.util.find_spec("gssapi") is not None


class GssapiWithMic:
    """The ``gssapi-with-mic`` method, tried once; nobody is asked anything.

    Parameters
    ----------
    session
        The conversation with the server.
    hostname
        Where the connection goes, as the ssh config has it.
    options
        What the ssh config says of Kerberos.

    Attributes
    ----------
    note
        A sentence on why it did not work, for people; empty while nothing is wrong.
    """

    name = "gssapi-with-mic"

    def __init__(self, session: UserAuth, hostname: str, options: KerberosOptions) -> None:
        self._session = session
        self._server = options.server_identity or hostname
        self._delegate = options.delegate
        self.note = ""
        self.restart()

    def restart(self) -> None:
        """Allow another attempt after a partial success."""
        self._spent = False

    def attempt(self) -> Reply | None:
        """Prove who the user is by a ticket.

        Returns
        -------
        Reply or None
            None when there is no ticket for this server, or it was tried.

        Raises
        ------
        SshUnavailable
            The server does not keep to the protocol.
        TransportClosed
            The connection ended.
        """
        if self._spent:
            return None
        self._spent = True
        if not is_kerberos_available():
            self.note = "Kerberos tickets need one more package here: pip install 'runicorn-jupyter[gssapi]'."
            return None
        try:
            # Before the server hears of it: an attempt without a ticket would count against its limit.
            ticket = _Ticket(self._server, self._delegate)
            token = ticket.step(None)
        except _NoTicket as exc:
            self.note = str(exc)
            return None
        reply = self._session.request(self.name, 1, KERBEROS)
        if not isinstance(reply, MethodMessage):
            return self._ended(reply)
        if reply.number != RESPONSE or reply.body.get_binary() != KERBEROS:
            raise SshUnavailable("The SSH server does not keep to the authentication protocol.")
        return self._ended(self._exchange(ticket, token))

    def _exchange(self, ticket: _Ticket, token: bytes | None) -> Reply | None:
        for _ in range(_MAX_TOKENS):
            if token or not ticket.is_complete:
                self._session.send(TOKEN, token or b"")
            if ticket.is_complete:
                return self._finish(ticket)
            reply = self._session.wait()
            if isinstance(reply, MethodMessage) and reply.number == ERROR:
                self.note = _error_of(reply.body)
                reply = self._session.wait()
            if not isinstance(reply, MethodMessage):
                return reply
            if reply.number not in (TOKEN, ERROR_TOKEN):
                break
            try:
                token = ticket.step(reply.body.get_binary())
            except _NoTicket as exc:
                self.note = str(exc)
                return None  # the next request ends this one (RFC 4462, 3.8)
        raise SshUnavailable("The SSH server does not keep to the authentication protocol.")

    def _finish(self, ticket: _Ticket) -> Reply:
        code = ticket.sign(self._session.signed_data(self._session.request_message(self.name)))
        if code is None:
            self._session.send(EXCHANGE_COMPLETE)
        else:
            self._session.send(MIC, code)
        return self._session.wait()

    def _ended(self, reply: Reply | None) -> Reply | None:
        if isinstance(reply, Failure) and not reply.partial and not self.note:
            self.note = "It refused the Kerberos ticket of this account."
        return reply


class _Ticket:
    """A security context towards ``host@HOSTNAME`` by the user's ticket for it.

    Raises
    ------
    _NoTicket
        There is none that counts; from `step` too.
    """

    def __init__(self, hostname: str, delegate: bool) -> None:
        import gssapi  # noqa: PLC0415 - an extra

        self._integrity = gssapi.RequirementFlag.integrity
        self._error = gssapi.exceptions.GSSError
        flags = gssapi.RequirementFlag.mutual_authentication | self._integrity
        if delegate:
            flags |= gssapi.RequirementFlag.delegate_to_peer
        with self._explained():
            self._context = gssapi.SecurityContext(
                name=gssapi.Name(f"host@{hostname}", gssapi.NameType.hostbased_service),
                mech=gssapi.MechType.kerberos,
                usage="initiate",
                flags=flags,
            )

    @property
    def is_complete(self) -> bool:
        """Whether both sides know each other."""
        return bool(self._context.complete)

    def step(self, token: bytes | None) -> bytes | None:
        """Take the server's token; return the next one for it, if there is one."""
        with self._explained():
            made: bytes | None = self._context.step(token)
        return made

    def sign(self, data: bytes) -> bytes | None:
        """Return the MIC of data; None if the context protects nothing."""
        if not self._context.actual_flags & self._integrity:
            return None
        code: bytes = self._context.get_signature(data)
        return code

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except self._error as exc:
            raise _NoTicket(_words_of(exc)) from exc


def _words_of(error: Any) -> str:
    """Say what the Kerberos library has, without the paths in it."""
    words = "; ".join(error.get_all_statuses(error.min_code, is_maj=False)) if error.min_code else ""
    words = plain_text(words, substitute=" ", limit=_MAX_TEXT).partition(" (default cache")[0]
    words = words.strip().rstrip(".")
    has_none = words.startswith("No Kerberos credentials") or "expired" in words.lower()
    hint = " Get a ticket by kinit." if has_none else ""
    return f"Kerberos: {words or 'the ticket does not work here'}.{hint}"


def _error_of(message: Message) -> str:
    """Read the server's own words of what failed there (RFC 4462, 3.9)."""
    message.get_int()
    message.get_int()
    text = plain_text(message.get_binary().decode("utf-8", "replace"), substitute=" ", limit=_MAX_TEXT)
    return f'It says of the Kerberos ticket: "{text.strip()}".'
