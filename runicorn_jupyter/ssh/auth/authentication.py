"""Authentication of a user on an SSH transport, in the order in which ssh would try things."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import paramiko
from pydantic import SecretStr

from runicorn_jupyter.errors import AuthenticationFailed, InvalidParameters, SshUnavailable
from runicorn_jupyter.models import AuthMethod, Prompt
from runicorn_jupyter.ssh.auth.agent import AgentClient, AgentUnavailable
from runicorn_jupyter.ssh.auth.ask import Ask
from runicorn_jupyter.ssh.auth.identities import collect
from runicorn_jupyter.ssh.auth.interactive import KeyboardInteractive, Password, PasswordState
from runicorn_jupyter.ssh.auth.kerberos import GssapiWithMic
from runicorn_jupyter.ssh.auth.keyfile import KeyFile, KeyFileError, shown
from runicorn_jupyter.ssh.auth.publickey import PublicKey
from runicorn_jupyter.ssh.auth.userauth import Failure, Reply, Success, TransportClosed, UserAuth
from runicorn_jupyter.ssh.server_message import ServerMessage

if TYPE_CHECKING:
    from runicorn_jupyter.ssh.config.resolver import Target

__all__ = ["Credentials", "authenticate", "check_private_key"]

_SSH_ORDER = ("gssapi-with-mic", "publickey", "keyboard-interactive", "password")
_UNATTENDED = ("gssapi-with-mic", "publickey")
_MAX_PARTIAL = 16  # factors; a server that wants more is not serious
_TOO_MANY = "too many authentication failures"


@dataclass(frozen=True)
class Credentials:
    """What a request gives to authenticate with.

    Attributes
    ----------
    method
        ``key``, ``password`` or ``agent``.
    private_key_path
        That key and no other; only for ``key``.
    key_passphrase
        For encrypted keys.
    password
        The account's password; only for ``password``.
    remembered
        What was typed on the way and worked, so that reconnecting need not ask again: in memory
        only, unless it is a `KeyringMemory`. Never holds one-time codes.
    """

    method: AuthMethod = "key"
    private_key_path: Path | None = None
    key_passphrase: SecretStr | None = None
    password: SecretStr | None = None
    remembered: MutableMapping[str, SecretStr] = field(default_factory=dict, repr=False, compare=False)

    def for_jump(self) -> Credentials:
        """Return the credentials for a jump host.

        As with ``ssh -J``, what was said for the destination is not shown to the hosts on the
        way: those are authenticated by their own config's keys, the agent, or the person.
        """
        return Credentials("key", remembered=self.remembered)


class _Method(Protocol):
    name: str

    def attempt(self) -> Reply | None: ...
    def restart(self) -> None: ...


def check_private_key(credentials: Credentials) -> None:
    """Check that the chosen private key can be used, before connecting.

    Parameters
    ----------
    credentials
        With a ``private_key_path``; others pass.

    Raises
    ------
    InvalidParameters
        Naming ``private_key_path``: no regular file of at most 64 KiB, or not a private key.
    """
    if credentials.method != "key" or credentials.private_key_path is None:
        return
    try:
        KeyFile.read(credentials.private_key_path.expanduser())
    except KeyFileError as exc:
        raise InvalidParameters.for_field("private_key_path", f"{exc}.") from exc
    except RuntimeError as exc:
        raise InvalidParameters.for_field("private_key_path", "there is no such user's home.") from exc


def authenticate(
    transport: paramiko.Transport,
    target: Target,
    credentials: Credentials,
    ask: Ask | None,
    message: ServerMessage | None = None,
) -> None:
    """Authenticate on a transport whose host key has been verified.

    Blocks until the server has decided. Closing the transport from another thread ends it.

    Parameters
    ----------
    transport
        A client's transport after its key exchange.
    target
        The host, user name and the ssh config's settings of keys.
    credentials
        What to authenticate with. ``key`` without a path goes on as ssh does: Kerberos where the
        config says so, agent, default identities, keyboard-interactive, password. A chosen key,
        the agent or a password is all that is tried, unless the server accepts it and wants more
        (partial success).
    ask
        Called on this thread for passphrases, codes and passwords; None when nobody can answer.
    message
        Collects what the server says to the person, beside its questions.

    Raises
    ------
    AuthenticationFailed
        The server refused; ``details.allowed_methods`` lists what it takes.
    SshUnavailable
        The connection ended, or the server does not keep to the protocol.
    """
    session = UserAuth(transport, target.username, message or ServerMessage())
    with _agent(session, target, credentials) as (agent, agent_note):
        attempt = _Attempt(session, target, credentials, ask, agent)
        if agent_note:
            attempt.notes.append(agent_note)
        attempt.run()


@contextmanager
def _agent(
    session: UserAuth, target: Target, credentials: Credentials
) -> Iterator[tuple[AgentClient | None, str]]:
    """Connect to the agent that the config names, if there is one, for as long as it is needed."""
    wanted = target.identity_agent
    if credentials.method == "password" or wanted == "none":
        note = "The ssh config switches the agent off (IdentityAgent none)." if wanted == "none" else ""
        yield None, note if credentials.method == "agent" else ""
        return
    try:
        agent = AgentClient(None if wanted in (None, "SSH_AUTH_SOCK") else wanted)
    except AgentUnavailable as exc:
        yield None, str(exc) if credentials.method == "agent" else ""
        return
    with agent:
        forget = session.call_on_close(agent.close)
        try:
            yield agent, ""
        finally:
            forget()


class _Attempt:
    """State of one authentication over all methods."""

    def __init__(
        self,
        session: UserAuth,
        target: Target,
        credentials: Credentials,
        ask: Ask | None,
        agent: AgentClient | None,
    ) -> None:
        self.session = session
        self.target = target
        self.credentials = credentials
        self.ask = ask
        self.notes: list[str] = []
        self._who = f"{target.username}@{target.asked}"
        self._asked_passphrase: dict[str, SecretStr] = {}
        path = credentials.private_key_path.expanduser() if credentials.private_key_path else None
        self._only_file = path if credentials.method == "key" else None
        identities = collect(target, agent, self._only_file, credentials.method == "agent")
        self.notes += identities.notes
        if target.pkcs11_provider and self._only_file is None and credentials.method == "key":
            self.notes.append(
                "The keys of the ssh config's PKCS11Provider can only be used through an SSH agent: "
                f"ssh-add -s {shown(Path(target.pkcs11_provider))} and start Jupyter with that agent."
            )
        self.answers = PasswordState(
            self._who,
            given=credentials.password if credentials.method == "password" else None,
            remembered=credentials.remembered,
            key=f"password:{target.username}@{target.known_hosts_name}",
            ask=ask,
            attempts=target.number_of_password_prompts,
            notes=self.notes,
        )
        self.publickey = PublicKey(
            session,
            candidates=identities.candidates,
            agent=agent,
            passphrase=self._passphrase,
            notes=self.notes,
            only_file=self._only_file,
        )
        self.interactive = KeyboardInteractive(session, self.answers)
        self.password = Password(session, self.answers)
        is_chosen = credentials.method != "key" or self._only_file is not None
        options = None if is_chosen else target.kerberos
        self.kerberos = GssapiWithMic(session, target.hostname, options) if options else None
        self._partial = 0

    def run(self) -> None:
        self.session.begin()
        last = Failure((), False)
        reply: Reply = self.session.request("none")
        try:
            while not isinstance(reply, Success):
                if not isinstance(reply, Failure):
                    raise SshUnavailable("The SSH server does not keep to the authentication protocol.")
                last = reply
                if reply.partial:
                    self._next_factor()
                reply = self._try_next(reply)
        except TransportClosed as exc:
            self._explain_close(exc, last)
            raise
        except AuthenticationFailed as exc:
            exc.details.setdefault("allowed_methods", list(last.methods))
            raise
        self._remember()

    def _next_factor(self) -> None:
        self._partial += 1
        if self._partial > _MAX_PARTIAL:
            raise SshUnavailable("The SSH server wants more factors than anybody has.")
        for method in self._methods():
            method.restart()

    def _methods(self) -> list[_Method]:
        methods: list[_Method] = [self.publickey, self.interactive, self.password]
        return [self.kerberos, *methods] if self.kerberos is not None else methods

    def _try_next(self, last: Failure) -> Reply:
        for method in self._order(last.methods):
            if method.name not in last.methods:
                continue
            reply = method.attempt()
            if reply is not None:
                return reply
        raise self._failed(last)

    def _order(self, offered: Sequence[str]) -> list[_Method]:
        methods = {method.name: method for method in self._methods()}
        if self._partial:
            names: Sequence[str] = _SSH_ORDER
        elif self.credentials.method == "password":
            # One wrong password is one failed attempt: do not send it again by the other method.
            names = ["password"] if not self.interactive.password_refused else []
            names = ["keyboard-interactive", *names]
            if not set(offered) & set(names):
                names = ["publickey"]  # the server wants a key first, then the password
        elif self.credentials.method == "agent" or self._only_file is not None:
            names = ["publickey"]
        else:
            names = self.target.preferred_authentications or _SSH_ORDER
            if self.ask is None and self.answers.password is None:
                names = [name for name in names if name in _UNATTENDED]
        return [methods[name] for name in names if name in methods]

    def _passphrase(self, file: KeyFile) -> str | None:
        key = f"passphrase:{file.path}"
        for known in (self.credentials.remembered.get(key), self.credentials.key_passphrase):
            if known is not None and (self._only_file is not None or self.ask is None or _opens(file, known)):
                return known.get_secret_value()
        if self.ask is None:
            return None
        prompt = Prompt(text=f"Passphrase for key '{shown(file.path)}':", echo=False)
        answer = self.answers.request(f"The private key {shown(file.path)} is encrypted.", [prompt])[0]
        self._asked_passphrase[key] = answer
        return answer.get_secret_value()

    def _remember(self) -> None:
        self.credentials.remembered.update(self._asked_passphrase)
        if self.answers.typed is not None:
            self.credentials.remembered[self.answers.key] = self.answers.typed

    def _failed(self, last: Failure) -> AuthenticationFailed:
        takes = f" It takes: {', '.join(last.methods)}." if last.methods else ""
        if last.methods and not set(last.methods) & {method.name for method in self._methods()}:
            takes = f" It takes only what is not supported here: {', '.join(last.methods)}."
        sentence = f"{self.target.asked} {self._what_was_refused(last)}.{takes}"
        notes = [*self.notes, *self._kerberos_notes(last)]
        return AuthenticationFailed(" ".join([sentence, *notes]), allowed_methods=list(last.methods))

    def _kerberos_notes(self, last: Failure) -> list[str]:
        """Say why Kerberos did not do it, where the server and the ssh config would have it."""
        if self.kerberos is None or self.kerberos.name not in last.methods:
            return []
        return [self.kerberos.note] if self.kerberos.note else []

    def _what_was_refused(self, last: Failure) -> str:
        user = self.target.username
        if self._partial:
            return f"accepted the first factor of user {user} but not the next one"
        if self.credentials.method == "password":
            refused = self.interactive.password_refused or self.password.password_refused
            return f"refused the password of user {user}" if refused else f"refused user {user}"
        if self._only_file is not None:
            return f"refused the private key {shown(self._only_file)} of user {user}"
        if self.publickey.refused:
            return f"refused user {user}; keys offered: {', '.join(self.publickey.refused[:8])}"
        return f"refused user {user}, and no key was found to offer"

    def _explain_close(self, exc: TransportClosed, last: Failure) -> None:
        if _TOO_MANY in exc.reason.lower():
            raise AuthenticationFailed(
                f"{self.target.asked} closed the connection: too many authentication failures "
                f"({len(self.publickey.refused)} keys were refused). Choose one key with private_key_path, "
                "or set IdentitiesOnly and IdentityFile for this host in your ssh config.",
                allowed_methods=list(last.methods),
            ) from exc


def _opens(file: KeyFile, passphrase: SecretStr) -> bool:
    try:
        file.unlock(passphrase.get_secret_value())
    except KeyFileError:
        return False
    return True
