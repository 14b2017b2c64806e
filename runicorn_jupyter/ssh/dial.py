"""From a resolved host to an authenticated SSH connection, through its jump hosts, within one time limit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import paramiko

from runicorn_jupyter.errors import ConnectionTimeout, RemoteError, SshUnavailable
from runicorn_jupyter.models import Prompt
from runicorn_jupyter.ssh import hostkeys, tcp
from runicorn_jupyter.ssh.auth import Ask, Credentials, authenticate
from runicorn_jupyter.ssh.channel import PROHIBITED
from runicorn_jupyter.ssh.link import ChannelRefused, Link
from runicorn_jupyter.ssh.nested import ChannelWire
from runicorn_jupyter.ssh.proxycommand import CommandWire
from runicorn_jupyter.ssh.wire import SocketWire, Wire
from runicorn_jupyter.ssh.worker import run_in_thread

if TYPE_CHECKING:
    from runicorn_jupyter.ssh.hosts import Target

log = logging.getLogger(__name__)

Step = Callable[[str], None]


@dataclass(frozen=True)
class Dialled:
    """What dialling gives.

    Attributes
    ----------
    link
        The authenticated connection.
    host_key_fingerprint
        Of the last hop's host key, ``SHA256:…``.
    """

    link: Link
    host_key_fingerprint: str


@dataclass(frozen=True)
class Dialler:
    """How to get to a host, once or again.

    Parameters
    ----------
    target
        The host, with its jump hosts.
    credentials
        For the host; jump hosts get what ssh would give them.
    policy
        What to do with an unknown host key.
    ask
        Answers questions during authentication, in a worker thread; the time that takes does not
        count as the network's.
    keepalive_seconds
        For the kernel's own probes.
    tcp_seconds
        Give up on TCP after this long, if that is less than all of the time; a fresh attempt
        gets through a network that is back sooner than the repetitions of an old one.
    """

    target: Target
    credentials: Credentials
    policy: hostkeys.Policy
    ask: Ask | None
    keepalive_seconds: float
    tcp_seconds: float | None = None

    async def dial(self, timeout: float, on_step: Step | None = None) -> Dialled:  # noqa: ASYNC109
        """Connect, check the host keys, authenticate.

        A failure, or being cancelled, leaves no thread and no descriptor.

        Parameters
        ----------
        timeout
            Seconds for everything but a person's answers.
        on_step
            Called on the loop with a word for what is being done.

        Raises
        ------
        ConnectionTimeout
            If ``timeout`` is over.
        SshUnavailable
            If there is no way to an SSH server.
        HostKeyUnknown, HostKeyChanged
            As ``policy`` and known_hosts say.
        AuthenticationFailed
            If a server on the way refuses the credentials.
        """
        made: list[Link] = []
        try:
            async with asyncio.timeout(timeout) as limit:
                return await self._hops(made, _patient(self.ask, limit), on_step or _no_step)
        except BaseException as error:
            await _drop(made)
            if isinstance(error, TimeoutError):
                raise ConnectionTimeout(
                    f"Connecting to {self.target.asked} did not finish within {timeout:g} seconds."
                ) from error
            raise

    async def _hops(self, made: list[Link], ask: Ask | None, on_step: Step) -> Dialled:
        link: Link | None = None
        for jump in self.target.proxy_jump:
            on_step(f"jump host {jump.asked}")
            link, _ = await self._hop(
                jump, self.credentials.for_jump(), link, made=made, ask=ask, on_step=on_step
            )
        on_step("connecting")
        link, key = await self._hop(self.target, self.credentials, link, made=made, ask=ask, on_step=on_step)
        return Dialled(link, hostkeys.fingerprint(key.asbytes()))

    async def _hop(
        self,
        hop: Target,
        credentials: Credentials,
        below: Link | None,
        *,
        made: list[Link],
        ask: Ask | None,
        on_step: Step,
    ) -> tuple[Link, paramiko.PKey]:
        link = Link(await self._wire(hop, below), below)
        made.append(link)
        key = await run_in_thread(
            _handshake, link, hop, credentials, policy=self.policy, ask=ask, on_step=on_step
        )
        return link, key

    async def _wire(self, hop: Target, below: Link | None) -> Wire:
        if below is None:
            if hop.proxy_command is not None:
                return await CommandWire.start(hop.proxy_command)
            return SocketWire(await tcp.connect(hop, self.keepalive_seconds, self.tcp_seconds))
        where = f"{hop.hostname} port {hop.port}"
        try:
            channel, _ = await below.open_tcp(hop.hostname, hop.port)
        except ChannelRefused as refused:
            if refused.reason == PROHIBITED:
                raise SshUnavailable(f"The jump host does not allow forwarding to {where}.") from refused
            raise SshUnavailable(f"The jump host cannot reach {where}.") from refused
        except ConnectionResetError as error:
            raise SshUnavailable("The connection to the jump host was lost.") from error
        return ChannelWire(channel)


def _no_step(_step: str) -> None:
    """Stand in for an ``on_step`` that nobody gave."""


async def _drop(links: list[Link]) -> None:
    for link in reversed(links):
        link.close()
    for link in reversed(links):
        await link.wait_closed()


def _patient(ask: Ask | None, limit: asyncio.Timeout) -> Ask | None:
    """Let the time limit stand still while a person is asked."""
    if ask is None:
        return None
    loop = asyncio.get_running_loop()
    asking = 0
    left = 0.0

    def stop() -> None:
        nonlocal asking, left
        asking += 1
        when = limit.when()
        if asking == 1 and when is not None and not limit.expired():
            left = when - loop.time()
            limit.reschedule(None)

    def go_on() -> None:
        nonlocal asking
        asking -= 1
        # Cancelled meanwhile: nothing to go on with.
        with contextlib.suppress(RuntimeError):
            limit.reschedule(loop.time() + left)

    def patient(instruction: str, prompts: Sequence[Prompt]) -> Any:
        loop.call_soon_threadsafe(stop)
        try:
            return ask(instruction, prompts)
        finally:
            loop.call_soon_threadsafe(go_on)

    return patient


def _handshake(
    link: Link,
    hop: Target,
    credentials: Credentials,
    *,
    policy: hostkeys.Policy,
    ask: Ask | None,
    on_step: Step,
) -> paramiko.PKey:
    """Exchange keys, check the host's, authenticate (in a worker thread)."""
    transport = link.transport
    known = hostkeys.KnownHosts(hop.user_known_hosts, hop.global_known_hosts)
    transport.host_key_algorithms = tuple(known.preferred_key_types(hop.known_hosts_name))
    with _explained(link, hop):
        transport.start_client()
        key = transport.get_remote_server_key()
    hostkeys.verify(hop, key, policy)
    link.loop.call_soon_threadsafe(on_step, "authenticating")
    with _explained(link, hop):
        authenticate(transport, hop, credentials, ask)
    return key


@contextlib.contextmanager
def _explained(link: Link, hop: Target) -> Iterator[None]:
    """Say in a sentence why the other side is no SSH server that we can use."""
    try:
        yield
    except RemoteError:
        raise
    except paramiko.ssh_exception.IncompatiblePeer as error:
        log.info("%s: %s", hop.asked, error)
        raise SshUnavailable(
            f"{hop.asked} offers only SSH algorithms that are too old or unknown here; "
            "its SSH server needs an update."
        ) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise _no_server(link, hop) from error


def _no_server(link: Link, hop: Target) -> SshUnavailable:
    where = f"{hop.hostname} port {hop.port}"
    greeting = link.transport.greeting
    if isinstance(link.wire, CommandWire):
        said = f": {link.wire.said}" if link.wire.said else ""
        return SshUnavailable(f"The ProxyCommand for {hop.asked} gave no SSH connection{said}.")
    if any("MaxStartups" in line for line in greeting):
        return SshUnavailable(f"{where} is busy with too many new connections; try again in a moment.")
    if greeting and not link.transport.remote_version:
        return SshUnavailable(f"{where} does not answer as an SSH server.")
    return SshUnavailable(
        f"{where} closed the connection: too many new connections, or this address is not let in."
    )
