"""Connects to a resolved host through its jump hosts and authenticates, within one time limit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import paramiko

from runicorn_jupyter.errors import ConnectionTimeout, HostNotAllowed, InternalError, SshUnavailable
from runicorn_jupyter.models import Prompt
from runicorn_jupyter.ssh.auth.ask import Ask
from runicorn_jupyter.ssh.auth.authentication import Credentials, authenticate
from runicorn_jupyter.ssh.config.allowlist import ANY_HOST, AllowedHosts
from runicorn_jupyter.ssh.deadline import Deadline
from runicorn_jupyter.ssh.error_mapping import handshake
from runicorn_jupyter.ssh.hostkeys import verifier
from runicorn_jupyter.ssh.hostkeys.known_hosts_file import Entry
from runicorn_jupyter.ssh.hostkeys.rotation import HostKeyUpdate
from runicorn_jupyter.ssh.keepalive import Keepalive
from runicorn_jupyter.ssh.mux.master import Master
from runicorn_jupyter.ssh.mux.reuse import find_master, master_place
from runicorn_jupyter.ssh.server_message import ServerMessage
from runicorn_jupyter.ssh.stages import Passed, tell_nobody
from runicorn_jupyter.ssh.threads import run_in_thread
from runicorn_jupyter.ssh.transport import tcp
from runicorn_jupyter.ssh.transport.byte_transport import ByteTransport, SocketTransport
from runicorn_jupyter.ssh.transport.channel import PROHIBITED
from runicorn_jupyter.ssh.transport.link import ChannelRefused, Link
from runicorn_jupyter.ssh.transport.loop_bridge import LoopBridge
from runicorn_jupyter.ssh.transport.proxy_command import CommandTransport

if TYPE_CHECKING:
    from runicorn_jupyter.ssh.config.resolver import Target

log = logging.getLogger(__name__)

Step = Callable[[str], None]


@dataclass(frozen=True)
class Dialled:
    """The result of `Dialler.dial`.

    Attributes
    ----------
    link
        The authenticated connection.
    host_key_fingerprint
        Of the last hop's host key, ``SHA256:…``; empty over a master, which does not tell it.
    way
        Where it really went, hop by hop: user, address (or the command, or the name that only a jump host
        resolves), port and host key of each. A master's is one of a kind, since it tells neither address nor
        key: nothing that was kept for one connection is used for another.
    """

    link: Link
    host_key_fingerprint: str
    way: tuple[tuple[str, str, int, str], ...]


class NoAnswer(ConnectionTimeout):
    """No person answered the server's prompt."""


@dataclass(frozen=True)
class Dialler:
    """Connects to a host, any number of times.

    Parameters
    ----------
    target
        The host, with its jump hosts.
    credentials
        Credentials for the host; jump hosts get those that ssh would use.
    policy
        What to do with an unknown host key.
    ask
        Answers questions during authentication, in a worker thread; the time that takes does not
        count as the network's.
    keepalive
        Intervals of the kernel's probes and of the watchdog.
    tcp_seconds
        Give up on TCP after this long, if that is less than all of the time; a fresh attempt
        gets through a network that is back sooner than the repetitions of an old one.
    allowed
        Which hosts may be connected to; heeded by each attempt anew, since names move.
    message
        Collects what servers and a ``ProxyCommand`` say to the person, for each attempt anew.
    passed
        Called on the loop at the end of each stage that went well.
    """

    target: Target
    credentials: Credentials
    policy: verifier.Policy
    ask: Ask | None
    keepalive: Keepalive
    tcp_seconds: float | None = None
    allowed: AllowedHosts = ANY_HOST
    message: ServerMessage = field(default_factory=ServerMessage, compare=False)
    passed: Passed = field(default=tell_nobody, compare=False)

    async def dial(self, deadline: Deadline, on_step: Step | None = None) -> Dialled:
        """Connect, check the host keys, authenticate.

        A failure, or being cancelled, leaves no thread and no descriptor.

        Parameters
        ----------
        deadline
            Bounds everything but what a person does: their answers, and what a server's words ask for.
        on_step
            Called on the loop with a word for what is being done.

        Raises
        ------
        ConnectionTimeout
            If the time is over; `NoAnswer` if it was a person who did not answer.
        SshUnavailable
            If there is no way to an SSH server.
        HostKeyUnknown, HostKeyChanged
            By ``policy`` and known_hosts.
        AuthenticationFailed
            If a server on the way refuses the credentials.
        HostNotAllowed
            If the administrator allows one of the hosts on the way not; nothing was connected to then.
        """
        made: list[Link] = []
        self.message.begin(deadline.wait_for_person)
        try:
            ask = None if self.ask is None else deadline.patient(_noticing(self.ask))
            async with deadline.limit():
                return await self._hops(made, ask, on_step or _no_step, deadline)
        except BaseException as error:
            await _drop(made)
            if isinstance(error, TimeoutError):
                raise self._too_late(deadline) from error
            raise
        finally:
            self.message.end()
            deadline.resume()

    def _too_late(self, deadline: Deadline) -> ConnectionTimeout:
        if deadline.is_persons:
            return ConnectionTimeout(
                f"{self.target.asked} said something before it lets you in, and what it waits for"
                f" did not happen within {round(deadline.person_seconds, 1):g} seconds."
            )
        seconds = round(deadline.seconds, 1)
        return ConnectionTimeout(
            f"Connecting to {self.target.asked} did not finish within {seconds:g} seconds."
        )

    async def _hops(self, made: list[Link], ask: Ask | None, on_step: Step, deadline: Deadline) -> Dialled:
        link: Link | None = None
        way: list[tuple[str, str, int, str]] = []
        key: paramiko.PKey | None = None
        hops = [*self.target.proxy_jump, self.target]
        master, left = await self._master(hops, deadline)
        if master is not None:
            link = master
            made.append(master)
            way.append(master_place(hops[-len(left) - 1], master))
        checked = [await addresses_to_use(hop, self.allowed) for hop in left]
        for hop, addresses in zip(left, checked, strict=True):
            is_last = hop is self.target
            on_step("connecting" if is_last else f"jump host {hop.asked}")
            credentials = self.credentials if is_last else self.credentials.for_jump()
            bridge, key = await self._hop(
                hop, credentials, link, addresses=addresses, made=made, ask=ask, on_step=on_step
            )
            link = bridge
            if not is_last:
                deadline.resume()
            way.append(_gone(hop, bridge, addresses, key))
        if link is None:
            raise InternalError("A host without a hop cannot be connected to.")
        return Dialled(link, "" if key is None else verifier.fingerprint(key.asbytes()), tuple(way))

    async def _master(
        self, hops: Sequence[Target], deadline: Deadline
    ) -> tuple[Master | None, Sequence[Target]]:
        """Find the last hop with a master that may be used; return it and the hops behind it."""
        if any(hop.control_path for hop in hops) and (self.allowed or self.policy == "strict"):
            # Where a master goes, and by which host key, is nothing that it can prove.
            setting = "allowed_hosts" if self.allowed else "host_key_policy strict"
            log.info("%s: no master is used, because of %s", self.target.asked, setting)
            return None, hops
        for at in reversed(range(len(hops))):
            master = await find_master(hops[at], deadline.left / 2)
            if master is not None:
                self.passed(hops[at], "master", "")
                return master, hops[at + 1 :]
        return None, hops

    async def _hop(
        self,
        hop: Target,
        credentials: Credentials,
        below: Link | None,
        *,
        addresses: list[tcp.AddrInfo] | None,
        made: list[Link],
        ask: Ask | None,
        on_step: Step,
    ) -> tuple[LoopBridge, paramiko.PKey]:
        bridge = LoopBridge(await self._byte_transport(hop, below, addresses), below)
        made.append(bridge)
        address = bridge.byte_transport.address
        command, name = hop.known_hosts_command, hop.known_hosts_name
        extra_entries = await command.ask(name, "ORDER") if command else ()
        try:
            key = await run_in_thread(_exchange_keys, bridge, hop, extra_entries, self.message)
        finally:
            if bridge.transport.remote_version:
                self.passed(hop, "banner", bridge.transport.remote_version)
        if command:
            offered = verifier.wire_form(key)
            extra_entries = await command.ask(name, "HOSTNAME", offered)
            if hop.check_host_ip and address is not None:
                at = verifier.known_hosts_name(address, hop.port)
                extra_entries += await command.ask(at, "ADDRESS", offered)
        await run_in_thread(
            verifier.verify, hop, key, self.policy, address=address, extra_entries=extra_entries
        )
        self.passed(hop, "host_key", f"{key.get_name()} {verifier.fingerprint(key.asbytes())}")
        on_step("authenticating")
        await run_in_thread(_authenticate, bridge, hop, credentials, ask, self.message)
        self.passed(hop, "authentication", hop.username)
        if hop.update_host_keys and verifier.wire_form(key) == key.asbytes():
            HostKeyUpdate(hop, key.asbytes(), bridge.transport).listen()
        return bridge, key

    async def _byte_transport(
        self, hop: Target, below: Link | None, addresses: list[tcp.AddrInfo] | None
    ) -> ByteTransport:
        if below is None:
            if hop.proxy_command is not None:
                return await CommandTransport.start(hop.proxy_command, self.message)
            if addresses is None:
                addresses = await tcp.resolve(hop.hostname, hop.port, hop.address_family)
            self.passed(hop, "name", ", ".join(dict.fromkeys(each[4][0] for each in addresses)))
            transport = SocketTransport(await tcp.connect(hop, self.keepalive, addresses, self.tcp_seconds))
            self.passed(hop, "tcp", transport.address or "")
            return transport
        where = f"{hop.hostname} port {hop.port}"
        try:
            opened = await below.open_byte_transport(
                addresses[0][4][0] if addresses else hop.hostname, hop.port
            )
            self.passed(hop, "tcp", "")
            return opened
        except ChannelRefused as refused:
            if refused.reason == PROHIBITED:
                raise SshUnavailable(f"The jump host does not allow forwarding to {where}.") from refused
            raise SshUnavailable(f"The jump host cannot reach {where}.") from refused
        except ConnectionResetError as error:
            raise SshUnavailable("The connection to the jump host was lost.") from error


async def addresses_to_use(hop: Target, allowed: AllowedHosts) -> list[tcp.AddrInfo] | None:
    """Check a host against the administrator's rules.

    Parameters
    ----------
    hop
        The host as the ssh config resolves it, or a jump host on the way.
    allowed
        The rules.

    Returns
    -------
    list or None
        The addresses that may be connected to; None where the name is enough. They are resolved
        here for hosts behind a jump host too: what is checked must be what is connected to.

    Raises
    ------
    HostNotAllowed
        If there is no such address, or a ``ProxyCommand`` decides where the connection goes.
    SshUnavailable
        If the name has to be resolved and cannot be.
    """
    if not allowed:
        return None
    refused = HostNotAllowed(
        f"The administrator of this server does not allow connections to {hop.hostname} port {hop.port}."
    )
    if hop.proxy_command is not None:
        raise HostNotAllowed(
            f"{hop.asked} is reached by a ProxyCommand, which this server's allowed_hosts cannot check;"
            " use ProxyJump instead."
        )
    if allowed.allows_name(hop.hostname, hop.port):
        return None
    if not allowed.has_networks:
        raise refused  # and no name server learns what was asked for
    found = await tcp.resolve(hop.hostname, hop.port, hop.address_family)
    usable = [each for each in found if allowed.allows_address(each[4][0], hop.port)]
    if not usable:
        raise refused
    return usable


def _gone(
    hop: Target, bridge: LoopBridge, addresses: list[tcp.AddrInfo] | None, key: paramiko.PKey
) -> tuple[str, str, int, str]:
    """Return a hop's address and host key for `Dialled.way`."""
    named = addresses[0][4][0] if addresses else hop.hostname
    where = hop.proxy_command or bridge.byte_transport.address or named
    return hop.username, where, hop.port, verifier.fingerprint(key.asbytes())


def _no_step(_step: str) -> None:
    """Do nothing: the default of ``on_step``."""


async def _drop(links: list[Link]) -> None:
    for link in reversed(links):
        link.close()
    for link in reversed(links):
        await link.wait_closed()


def _noticing(ask: Ask) -> Ask:
    """Turn a missing answer of a person into `NoAnswer`."""

    def noticing(instruction: str, prompts: Sequence[Prompt]) -> Any:
        try:
            return ask(instruction, prompts)
        except ConnectionTimeout as error:
            raise NoAnswer(error.message, **error.details) from error

    return noticing


def _exchange_keys(
    bridge: LoopBridge, hop: Target, extra_entries: Sequence[Entry], message: ServerMessage
) -> paramiko.PKey:
    """Exchange keys, preferring the type of the recorded host key (worker thread)."""
    transport = bridge.transport
    known = verifier.KnownHosts.for_target(hop, extra_entries)
    transport.host_key_algorithms = tuple(known.preferred_key_types(hop.known_hosts_name))
    try:
        with handshake(bridge, hop):
            transport.start_client()
            return transport.get_remote_server_key()
    finally:
        # No time of the person's: a server of another protocol greets too, and waits for our side.
        for line in transport.greeting:
            if not line.startswith("SSH-"):
                message.add_line(line, is_shown=True)


def _authenticate(
    bridge: LoopBridge, hop: Target, credentials: Credentials, ask: Ask | None, message: ServerMessage
) -> None:
    """Authenticate on a transport whose host key was verified (in a worker thread)."""
    with handshake(bridge, hop):
        authenticate(bridge.transport, hop, credentials, ask, message)
