"""A lasting SSH connection: commands, tunnels, and reconnecting after a loss."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runicorn_jupyter.errors import (
    AuthenticationFailed,
    ConnectionLost,
    ConnectionTimeout,
    InternalError,
    RemoteError,
    SshUnavailable,
)
from runicorn_jupyter.models import ConnectionStatus
from runicorn_jupyter.ssh.auth.ask import Ask
from runicorn_jupyter.ssh.auth.authentication import Credentials
from runicorn_jupyter.ssh.channels import exec_channel as commands
from runicorn_jupyter.ssh.channels.exec_channel import Completed, Conversation
from runicorn_jupyter.ssh.channels.session_limit import SessionPool
from runicorn_jupyter.ssh.channels.stream import Stream
from runicorn_jupyter.ssh.deadline import Deadline
from runicorn_jupyter.ssh.dial import Dialled, Dialler, NoAnswer, Step
from runicorn_jupyter.ssh.error_mapping import established, failed_here, lost
from runicorn_jupyter.ssh.keepalive import Keepalive
from runicorn_jupyter.ssh.mux.master import Master
from runicorn_jupyter.ssh.reconnect import Reconnector
from runicorn_jupyter.ssh.relay.client import LazyRelay
from runicorn_jupyter.ssh.server_message import ServerMessage
from runicorn_jupyter.ssh.settings import SshSettings
from runicorn_jupyter.ssh.stages import Passed, tell_nobody
from runicorn_jupyter.ssh.transport.channel import CONNECT_FAILED, PROHIBITED, UNKNOWN_TYPE
from runicorn_jupyter.ssh.transport.link import UNTOLD, ChannelRefused, ConnectionStats
from runicorn_jupyter.ssh.turns import Turns
from runicorn_jupyter.ssh.watchdog import watch

if TYPE_CHECKING:
    from runicorn_jupyter.ssh.config.resolver import Target

__all__ = ["Completed", "Connection", "ConnectionStats", "Conversation", "SshSettings"]

log = logging.getLogger(__name__)

RECONNECT_TCP_SECONDS = 5.0
"""Seconds for TCP in an attempt to reconnect; see `Dialler`."""

MAX_OUTPUT = 8 * 2**20


class Connection:
    """An SSH connection; made by ``open``, and ended by ``close`` only.

    Attributes
    ----------
    connection_id
        Name of the connection, chosen by the caller.
    target
        The resolved host.
    status
        ``connected``, ``reconnecting`` or ``disconnected`` (for good).
    created_at, connected_since
        Time of creation, and of the last time it was established; UTC.
    reconnects
        Number of times it was re-established.
    host_key_fingerprint
        ``SHA256:…`` of the host key it saw last; empty over a master, which does not tell it.
    way
        Addresses and host keys of all hops (`Dialled`). Copies of a machine share its host key, but not
        this.
    last_error
        Cause of the current outage; None while connected.
    reconnect_delay_max
        The longest pause between attempts, seconds; may be lowered at any time.
    relay_python
        The remote's interpreter for tunnels where its sshd forwards none.
    """

    def __init__(
        self, connection_id: str, dialler: Dialler, dialled: Dialled, settings: SshSettings, turns: Turns
    ) -> None:
        self.connection_id = connection_id
        self.target = dialler.target
        self.status: ConnectionStatus = "connected"
        self.created_at = self.connected_since = datetime.now(UTC)
        self.reconnects = 0
        self.host_key_fingerprint = dialled.host_key_fingerprint
        self.way = dialled.way
        self.last_error: RemoteError | None = None
        self.reconnect_delay_max = settings.reconnect_delay_max
        self.relay_python = "python3"
        self._dialler = dialler
        self._turns = turns
        self._timeout = 30.0
        self._link = dialled.link
        self._relay = LazyRelay(SessionPool(dialled.link, self.target.environment))
        self._earlier_traffic = (0, 0)
        self._forwarding = True
        self._relays_all = False
        self._subscribers: list[Callable[[Connection], None]] = []
        self._changed = asyncio.Event()
        self._reconnector = Reconnector(
            self._attempt, settings.reconnect_for_seconds, lambda: self.reconnect_delay_max
        )
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {connection_id}")

    @classmethod
    async def open(
        cls,
        target: Target,
        credentials: Credentials,
        *,
        timeout: float | Deadline,  # noqa: ASYNC109 – bounds more than the awaiting: threads and sockets too
        settings: SshSettings | None = None,
        ask: Ask | None = None,
        on_step: Step | None = None,
        message: ServerMessage | None = None,
        passed: Passed = tell_nobody,
        turns: Turns | None = None,
        connection_id: str,
    ) -> Connection:
        """Connect, check the host's key and authenticate.

        Parameters
        ----------
        target
            The resolved host.
        credentials
            How to authenticate; kept in memory for reconnecting.
        timeout
            Seconds, without the time that is a person's; or a deadline shared with other work.
        settings
            Keepalive, reconnecting and host key policy.
        ask
            Called in a worker thread when the server, or a key, asks for something.
        on_step
            Called on the loop with the name of each step.
        message
            Collects what the servers on the way say to the person; when reconnecting, too.
        passed
            Called on the loop at the end of each stage that went well.
        turns
            Shared by all connections that must not come back to a host at the same moment.
        connection_id
            Name of the connection.

        Raises
        ------
        ConnectionTimeout
            If ``timeout`` is over.
        SshUnavailable
            If there is no way to an SSH server.
        HostKeyUnknown, HostKeyChanged
            By the policy and known_hosts.
        AuthenticationFailed
            If a server on the way refuses the credentials.
        """
        settings = settings or SshSettings()
        dialler = Dialler(
            target,
            credentials,
            settings.host_key_policy,
            ask,
            Keepalive.of(target, settings.keepalive_seconds),
            allowed=settings.allowed_hosts,
            message=message or ServerMessage(),
            passed=passed,
        )
        deadline = timeout if isinstance(timeout, Deadline) else Deadline(timeout)
        dialled = await dialler.dial(deadline, on_step)
        connection = cls(connection_id, dialler, dialled, settings, turns or Turns())
        connection._timeout = deadline.seconds
        return connection

    @property
    def stats(self) -> ConnectionStats:
        """Load and health at this moment; of the last transport while it is down."""
        return self._link.stats

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes that came and that went, encrypted, since it was opened; those over a master do not count."""
        received, sent = self._earlier_traffic
        stats = self._link.stats
        return received + stats.received_bytes, sent + stats.sent_bytes

    # -- using it -------------------------------------------------------------------------------

    async def run(
        self,
        command: str,
        *,
        stdin: bytes = b"",
        ready: bytes = b"",
        timeout: float = 30,  # noqa: ASYNC109 – also closes the channel
        max_output: int = MAX_OUTPUT,
    ) -> Completed:
        """Run a command in the user's login shell and wait for its end.

        Parameters
        ----------
        command
            Fixed text for the shell; data goes to ``stdin``.
        stdin
            Standard input, in bytes.
        ready
            What the command prints first; the input waits for it, and what comes before it is dropped.
        timeout
            Seconds for all of it.
        max_output
            Bytes that it may print, output and error output together.

        Raises
        ------
        ConnectionTimeout
            If it did not end in time.
        ConnectionLost
            If the connection is down, or went down.
        SshUnavailable
            If the server does not run commands.
        InternalError
            If it printed more.
        """
        with self._using():
            return await commands.run(self._relay, command, stdin, timeout, max_output, ready=ready)

    @contextlib.asynccontextmanager
    async def converse(
        self, command: str, *, ready: bytes, seconds: float = 30
    ) -> AsyncIterator[Conversation]:
        """Run a command in the user's login shell and talk to it; it ends with the block.

        Parameters
        ----------
        command, ready
            As of `run`.
        seconds
            For its first words.

        Raises
        ------
        ConnectionTimeout, ConnectionLost, SshUnavailable
            As of `run`.
        """
        with self._using():
            async with commands.converse(self._relay, command, ready=ready, seconds=seconds) as conversation:
                yield conversation

    async def open_tunnel(self, host: str, port: int, *, timeout: float = 15) -> Stream:  # noqa: ASYNC109
        """Open a TCP connection from the remote.

        Where its sshd allows no forwarding, a relay on a command's stdio takes its place.

        Parameters
        ----------
        host, port
            Destination, as seen from the remote.
        timeout
            Seconds for opening it.

        Raises
        ------
        ConnectionRefusedError
            If nothing listens there.
        ConnectionLost
            If the connection is down, or went down.
        SshUnavailable
            If neither forwarding nor a relay is possible.
        ConnectionTimeout
            If it is not open in time.
        """
        with self._using():
            try:
                async with asyncio.timeout(timeout):
                    if self._forwarding:
                        try:
                            return Stream(*await self._link.open_tcp(host, port))
                        except ChannelRefused as refused:
                            self._cannot_forward(refused, port)
                    stream = await self._relay.open_tcp(host, port, timeout, self.relay_python)
                    self._forwarding = False  # also where nobody told why it is refused
                    return stream
            except TimeoutError as error:
                raise ConnectionTimeout(
                    f"The tunnel to port {port} did not open within {timeout:g} seconds."
                ) from error

    @property
    def is_multiplexed(self) -> bool:
        """Whether it goes over a master of the user's own ssh (``ControlPath``)."""
        return isinstance(self._link, Master)

    @property
    def forwards(self) -> bool:
        """Whether tunnels are sshd's own, as far as is known, rather than a relay's."""
        return self._forwarding

    def use_relay(self, for_all: bool) -> None:
        """Choose what carries the tunnels from now on, also after a reconnect.

        Parameters
        ----------
        for_all
            True where commands run in another network than sshd forwards to; False leaves it to sshd.
        """
        self._relays_all = for_all
        self._forwarding = not for_all

    def _cannot_forward(self, refused: ChannelRefused, port: int) -> None:
        if refused.reason == CONNECT_FAILED:
            raise ConnectionRefusedError(f"nothing listens on port {port} there") from refused
        if refused.reason == UNTOLD:
            return  # the relay finds out whether something listens there
        if refused.reason not in (PROHIBITED, UNKNOWN_TYPE):
            raise SshUnavailable("The SSH server has no room for another tunnel.") from refused
        log.info("%s allows no forwarding; using a relay", self.target.asked)
        self._forwarding = False

    async def ping(self, timeout: float = 10) -> float:  # noqa: ASYNC109
        """Measure one round trip to the SSH server.

        Parameters
        ----------
        timeout
            Seconds to wait for the answer.

        Returns
        -------
        float
            Seconds of the round trip.

        Raises
        ------
        ConnectionLost
            If the connection is down, or no answer came.
        """
        with self._using():
            try:
                async with asyncio.timeout(timeout):
                    return await self._link.ping()
            except TimeoutError as error:
                raise ConnectionLost(f"The SSH server did not answer within {timeout:g} seconds.") from error

    @contextlib.contextmanager
    def _using(self) -> Iterator[None]:
        if self.status == "connected" and not self._link.alive:
            # At once, not when the keeper's turn comes: a caller that waits for a change would miss it.
            self.last_error = lost()
            self._set("reconnecting")
        if self.status != "connected":
            self.hurry()
            raise self._down()
        with established():
            yield

    def _down(self) -> ConnectionLost:
        if self.status == "disconnected":
            why = f": {self.last_error.message}" if self.last_error else "."
            return ConnectionLost(f"The SSH connection to {self.target.asked} has ended{why}")
        return lost()

    def hurry(self) -> None:
        """Bring the next attempt to reconnect forward, to within a second."""
        self._reconnector.hurry()

    async def wait_connected(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109
        """Wait until it is connected.

        Parameters
        ----------
        timeout
            Seconds to wait, with attempts close together; None waits until it is connected or given
            up, at the usual pace.

        Returns
        -------
        bool
            Whether it is connected; False only if it has ended for good.

        Raises
        ------
        ConnectionLost
            If it is not connected within ``timeout``.
        """
        try:
            async with asyncio.timeout(timeout):
                while self.status not in ("connected", "disconnected"):
                    with contextlib.nullcontext() if timeout is None else self._reconnector.impatient():
                        await self._changed.wait()
        except TimeoutError as error:
            raise self._down() from error
        return self.status == "connected"

    def subscribe(self, callback: Callable[[Connection], None]) -> Callable[[], None]:
        """Call ``callback`` on the loop at each change of status.

        Returns
        -------
        Callable
            Ends the subscription.
        """
        self._subscribers.append(callback)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._subscribers.remove(callback)

        return unsubscribe

    async def close(self) -> None:
        """Close the connection; return when all its threads and descriptors are gone. Can be repeated."""
        self._keeper.cancel()
        self._link.close()
        await asyncio.wait([self._keeper])
        await self._link.wait_closed()
        self.last_error = None
        self._set("disconnected")
        self._subscribers.clear()

    # -- keeping it -----------------------------------------------------------------------------

    def _set(self, status: ConnectionStatus) -> None:
        if status == self.status:
            return
        self.status = status
        self._changed.set()
        self._changed = asyncio.Event()
        for callback in list(self._subscribers):
            try:
                callback(self)
            except Exception:
                log.exception("a subscriber of %s failed", self.connection_id)

    async def _keep(self) -> None:
        while True:
            end = await watch(self._link, self._dialler.keepalive)
            log.info("%s: the connection to %s is %s", self.connection_id, self.target.asked, end)
            self.last_error = lost()
            self._set("reconnecting")
            try:
                await self._link.wait_closed()
                self._take(await self._reconnector.run())
            except RemoteError as error:
                log.warning("%s: %s", self.connection_id, error.message)
                self.last_error = error
                self._set("disconnected")
                return
            except Exception:
                log.exception("%s: reconnecting failed", self.connection_id)
                self.last_error = InternalError("Something unexpected happened; the server's log says what.")
                self._set("disconnected")
                return

    async def _attempt(self) -> Dialled:
        again = replace(self._dialler, tcp_seconds=RECONNECT_TCP_SECONDS)
        try:
            # A line that was cut after a banner must not hold up the next attempt: nobody may be there.
            async with self._turns.at(self.target):
                return await again.dial(Deadline(self._timeout, person_seconds=self._timeout))
        except OSError as error:  # of this machine: no descriptors, no memory
            raise failed_here(error) from error
        except NoAnswer as error:
            raise AuthenticationFailed(
                f"{self.target.asked} asked something to let you in again, and nobody answered; connect anew."
            ) from error

    def _take(self, dialled: Dialled) -> None:
        self._earlier_traffic = self.traffic
        self._link = dialled.link
        self._relay = LazyRelay(SessionPool(dialled.link, self.target.environment))
        self._forwarding = not self._relays_all
        self.host_key_fingerprint = dialled.host_key_fingerprint
        self.way = dialled.way
        self.connected_since = datetime.now(UTC)
        self.reconnects += 1
        self.last_error = None
        self._set("connected")
