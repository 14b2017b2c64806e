"""Opening connections: ssh config, host keys that people accept, and their answers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from runicorn_jupyter.errors import Forbidden, HostKeyUnknown, InvalidParameters, SshUnavailable
from runicorn_jupyter.service.challenges import Challenges
from runicorn_jupyter.service.keyring_store import KeyringMemory, load_keyring
from runicorn_jupyter.ssh.auth.authentication import Credentials, check_private_key
from runicorn_jupyter.ssh.config import resolver
from runicorn_jupyter.ssh.connection import Connection
from runicorn_jupyter.ssh.deadline import Deadline
from runicorn_jupyter.ssh.hostkeys.known_hosts_file import is_hashed
from runicorn_jupyter.ssh.hostkeys.verifier import KnownHosts, OfferedKeys, known_hosts_name, split_name
from runicorn_jupyter.ssh.server_message import ServerMessage
from runicorn_jupyter.ssh.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from runicorn_jupyter import models as m
    from runicorn_jupyter.service.caller import Emit
    from runicorn_jupyter.service.challenges import Challenge
    from runicorn_jupyter.service.settings import ServiceSettings
    from runicorn_jupyter.ssh.auth.ask import Ask
    from runicorn_jupyter.ssh.connection import SshSettings

DEFAULT_SSH_PORT = 22
RESOLVE_SECONDS = 20.0
"""For reading the ssh config where no request says how long it may take."""


class Connect(Protocol):
    """Opens an SSH connection; see `Connection.open`."""

    async def __call__(
        self,
        target: resolver.Target,
        credentials: Credentials,
        *,
        timeout: Deadline,  # noqa: ASYNC109 - as Connection.open has it
        settings: SshSettings,
        ask: Ask,
        on_step: Callable[[str], None],
        message: ServerMessage,
        turns: Turns,
        connection_id: str,
    ) -> Connection:
        """See `Connection.open`."""


@dataclass(frozen=True)
class Opened:
    """A connection that is open, and what is left of the time that opening it may take.

    Attributes
    ----------
    host
        As it was asked for.
    """

    connection: Connection
    host: str
    deadline: Deadline


class Opener:
    """Opens connections and remembers what was asked and offered on the way.

    Parameters
    ----------
    settings
        Limits and policies.
    emit
        Sends progress and challenges to the front ends.
    resolve
        Reads the ssh config for a host, in a worker thread; see `hosts.resolve`.
    connect
        Opens an SSH connection.
    monotonic
        Returns the time in seconds.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        emit: Emit,
        *,
        resolve: Callable[..., resolver.Target] = resolver.resolve,
        connect: Connect = Connection.open,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolve_host = resolve
        self._connect = connect
        self._monotonic = monotonic
        self._settings = settings
        self._emit = emit
        self._turns = Turns()
        self._offered = OfferedKeys()
        self._keyring = load_keyring() if settings.use_keyring else None
        self.challenges = Challenges(self._announce)

    def server_message(self, about: Mapping[str, str]) -> ServerMessage:
        """Make what collects a server's words for a connection, and shows them by events.

        Parameters
        ----------
        about
            As `open` takes it.
        """
        return ServerMessage(lambda text: self._emit("progress", step="message", text=text, **about))

    async def open(
        self, request: m.ConnectRequest, about: Mapping[str, str], ask: Ask, message: ServerMessage
    ) -> Opened:
        """Open a connection.

        Parameters
        ----------
        request
            Where to and how.
        about
            The connection's id, the request's id and the host, for events.
        ask
            Asks the person, in a worker thread.
        message
            Collects what servers say to the person, now and when the connection comes back.

        Raises
        ------
        RemoteError
            Whatever the errors of ``POST connect`` are.
        """
        credentials = _credentials(request, self._keyring)
        await asyncio.to_thread(check_private_key, credentials)
        deadline = Deadline(request.timeout, self._monotonic)
        target = await self._resolve(request.host, request.username, request.port, seconds=request.timeout)

        def on_step(step: str) -> None:
            self._emit("progress", step=step, **about)

        try:
            connection = await self._connect(
                target,
                credentials,
                timeout=deadline,
                settings=self._settings.connection,
                ask=ask,
                on_step=on_step,
                message=message,
                turns=self._turns,
                connection_id=about["connection_id"],
            )
        except HostKeyUnknown as exc:
            self._offered.remember(exc.details["host_key"])
            raise
        return Opened(connection, request.host, deadline)

    def _announce(self, challenge: Challenge) -> None:
        """Tell the front ends; those of a connection that comes back have no request to answer."""
        about = dict(challenge.dialogue.about)
        del about["request_id" if challenge.is_late else "connection_id"]
        self._emit("challenge", challenge_id=challenge.challenge_id, **about)

    async def _resolve(
        self, host: str, username: str | None, port: int, seconds: float = RESOLVE_SECONDS
    ) -> resolver.Target:
        return await asyncio.to_thread(
            self._resolve_host,
            host,
            username=username,
            port=None if port == DEFAULT_SSH_PORT else port,
            run_commands=self._settings.config_commands,
            timeout=seconds,
        )

    async def list_known_hosts(self) -> list[m.KnownHost]:
        """List the host keys on record where the config says nothing else.

        Hashed names are recognised by the aliases of the user's ssh config.
        """
        target = await self._resolve("localhost", None, DEFAULT_SSH_PORT)
        try:
            aliases = await asyncio.to_thread(resolver.list_aliases)
        except SshUnavailable:
            aliases = []
        names = [known_hosts_name(alias.hostname, alias.port) for alias in aliases]
        return await asyncio.to_thread(KnownHosts.for_target(target).list, names)

    async def accept_host_key(self, request: m.KnownHostAccept) -> None:
        """Trust a key that a host really offered to this server.

        Raises
        ------
        Forbidden
            If the administrator's policy is ``strict``.
        InvalidParameters
            If it is any other key.
        """
        if self._settings.connection.host_key_policy == "strict":
            raise Forbidden("The administrator of this server does not let unknown host keys be accepted.")
        if not self._offered.was_offered(request.host, request.port, request.public_key):
            raise InvalidParameters.for_field(
                "public_key", "is not the key that this host offered; connect first, then accept its key"
            )
        target = await self._resolve(request.host, None, request.port)
        host, port = split_name(target.known_hosts_name)
        await asyncio.to_thread(KnownHosts.for_target(target).accept, host, port, request.public_key)

    async def forget_host_keys(self, request: m.KnownHostRemove) -> int:
        """Remove a host's keys from the user's files; give how many lines went.

        The name may be one of the list, or one that the ssh config leads elsewhere.
        """
        default = KnownHosts.for_target(await self._resolve("localhost", None, DEFAULT_SSH_PORT))
        removed = await asyncio.to_thread(default.remove, request.host, request.port)
        if removed or is_hashed(request.host):
            return removed
        target = await self._resolve(request.host, None, request.port)
        host, port = split_name(target.known_hosts_name)
        return await asyncio.to_thread(KnownHosts.for_target(target).remove, host, port)


def _credentials(request: m.ConnectRequest, keyring: ModuleType | None) -> Credentials:
    path = request.private_key_path
    return Credentials(
        method=request.auth_method,
        private_key_path=Path(path) if path else None,
        key_passphrase=request.key_passphrase,
        password=request.password,
        remembered={} if keyring is None else KeyringMemory(keyring),
    )
