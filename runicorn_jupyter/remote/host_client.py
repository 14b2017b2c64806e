"""Protocols of the SSH connection and the remote that a viewer's supervisor and session depend on.

`ViewerSupervisor`, `RunWatcher` and `Session` know a remote only by these protocols. Over SSH they are
`Connection`, `SshHost` and `SshViewerClient`; without a process or a network they are those of
`runicorn_jupyter.remote.fake`, which says how tests use them.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from runicorn_jupyter.remote.bundle import SHELL, shell_input
from runicorn_jupyter.remote.machine import MachineStream
from runicorn_jupyter.remote.probe import PROBE_SECONDS, Probe, probe
from runicorn_jupyter.remote.setup.conversation import run_setup
from runicorn_jupyter.remote.viewer_client import SshViewerClient
from runicorn_jupyter.ssh.channels.ready import READY

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from runicorn_jupyter.models import ConnectionStatus, Environment
    from runicorn_jupyter.payload.guard import Ticket
    from runicorn_jupyter.remote.memory_budget import MemoryShare
    from runicorn_jupyter.remote.setup.conversation import SetupParameters
    from runicorn_jupyter.remote.viewer_state import ViewerStateFile
    from runicorn_jupyter.ssh.channels.stream import Stream
    from runicorn_jupyter.ssh.config.resolver import Target
    from runicorn_jupyter.ssh.connection import Connection

__all__ = [
    "MACHINE_LEASE_SECONDS",
    "HostClient",
    "Lifeline",
    "Line",
    "SshHost",
    "StartParameters",
    "ViewerClient",
    "ViewerControl",
]

MACHINE_PERIOD_SECONDS = 2
"""Between two samples of a machine."""
MACHINE_LEASE_SECONDS = 60
"""What samples a machine ends so long after the last line that was written to it."""


class Line(Protocol):
    """An SSH connection, as far as the viewer behind it is concerned; see `Connection`."""

    connection_id: str
    target: Target
    status: ConnectionStatus
    created_at: datetime
    connected_since: datetime
    reconnects: int
    relay_python: str
    reconnect_delay_max: float

    @property
    def is_multiplexed(self) -> bool:
        """See `Connection.is_multiplexed`."""

    @property
    def way(self) -> Sequence[tuple[str, str, int, str]]:
        """See `Connection.way`."""

    async def wait_connected(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as Connection has it
        """See `Connection.wait_connected`."""

    async def open_tunnel(self, host: str, port: int) -> Stream:
        """See `Connection.open_tunnel`."""

    async def ping(self, timeout: float = ...) -> float:  # noqa: ASYNC109 - as Connection has it
        """See `Connection.ping`."""

    def subscribe(self, callback: Callable[[Any], None]) -> Callable[[], None]:
        """See `Connection.subscribe`."""

    async def close(self) -> None:
        """See `Connection.close`."""


class ViewerControl(Protocol):
    """One stream to a viewer, for exchanges one after the other; see `Control`."""

    async def __aenter__(self) -> ViewerControl: ...

    async def __aexit__(self, *exc_info: Any) -> None: ...

    async def ask(
        self,
        action: str,
        *,
        max_bytes: int = ...,
        max_values: int = ...,
        memory: MemoryShare | None = None,
        **body: Any,
    ) -> dict[str, Any]:
        """See `Control.ask`."""

    def follow(self, action: str, **body: Any) -> AsyncGenerator[dict[str, Any], None]:
        """See `Control.follow`."""

    def close(self) -> None:
        """Close the stream."""


class Lifeline(Protocol):
    """The stream that tells whether a viewer lives and answers."""

    async def renew(self) -> None:
        """Prolong the lease; waits for as long as there is no answer.

        Raises
        ------
        OSError
            If the stream ends, or what answers is not the viewer.
        ConnectionLost
            If the connection is lost.
        """

    async def ended(self) -> None:
        """Wait until the viewer's side ends; not while `renew` waits.

        Raises
        ------
        ConnectionLost
            If the connection is lost.
        """

    def close(self) -> None:
        """Close it."""


class ViewerClient(Protocol):
    """One holder's view of a viewer; see `SshViewerClient`."""

    @property
    def pid(self) -> int:
        """The process id on the remote."""

    @property
    def port(self) -> int:
        """The port of the remote's 127.0.0.1."""

    remote_root: str | None
    runicorn_version: str | None
    started_at: datetime
    uptime_seconds: float

    def ticket(self, method: str, target: str) -> Ticket:
        """See `SshViewerClient.ticket`."""

    async def open_control(self, timeout: float) -> ViewerControl:  # noqa: ASYNC109 - of later exchanges
        """See `SshViewerClient.open_control`."""

    async def open_lifeline(self) -> Lifeline:
        """See `SshViewerClient.open_lifeline`."""

    async def check(self) -> Literal["running", "crashed", "hung"]:
        """See `SshViewerClient.check`."""

    async def reattach(self) -> Literal["running", "crashed", "hung"]:
        """See `SshViewerClient.reattach`."""

    async def logs(self, lines: int) -> tuple[list[str], int]:
        """See `SshViewerClient.logs`."""

    async def stop(self, cleanup: bool) -> bool:
        """See `SshViewerClient.stop`."""

    async def kill(self) -> None:
        """See `SshViewerClient.kill`."""

    async def release(self) -> None:
        """See `SshViewerClient.release`."""

    def abandon(self) -> None:
        """See `SshViewerClient.abandon`."""


@dataclass(frozen=True)
class StartParameters:
    """The viewer to start, and how.

    Parameters
    ----------
    environment
        Of the probe's list.
    root
        Storage root, absolute or ``~/…``; None leaves the choice to runicorn.
    lease_seconds
        The viewer ends itself when its lease has not been renewed for this long.
    on_step
        Called with the name of each step that is reached.
    running
        Viewers that a probe found; one of them that fits is adopted without another command.
    """

    environment: Environment
    root: str | None
    lease_seconds: float
    on_step: Callable[[str], None] | None = None
    running: Sequence[ViewerStateFile] = ()


class HostClient(Protocol):
    """Probes a remote, starts viewers there, and listens to how its machine is."""

    async def probe(self, timeout: float = ..., *, ask_shell: bool = ..., wanted: str = ...) -> Probe:  # noqa: ASYNC109 - of the command
        """Look for environments and running viewers; see `SshHost.probe`."""

    async def start_viewer(self, parameters: StartParameters) -> ViewerClient:
        """Start a viewer or adopt the one that runs; see `SshViewerClient.start`."""

    async def start_unheld(self, parameters: StartParameters) -> ViewerStateFile:
        """Start a viewer without a holder; see `SshViewerClient.start_unheld`."""

    async def run_setup(
        self, parameters: SetupParameters, on_step: Callable[[str, str], None]
    ) -> dict[str, Any]:
        """Make or remove the private environment; see `run_setup`."""

    def watch_machine(self, root: str) -> AbstractAsyncContextManager[MachineStream]:
        """Have ``payload/machine.sh`` tell how the machine is; see `SshHost.watch_machine`."""


class SshHost:
    """The remote at the other end of an SSH connection.

    Parameters
    ----------
    connection
        Leads there.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._variables: dict[str, str] | None = None

    async def probe(
        self,
        timeout: float = PROBE_SECONDS,  # noqa: ASYNC109 - of the command there
        *,
        ask_shell: bool = False,
        wanted: str = "",
    ) -> Probe:
        """Look for environments and running viewers; see `probe`.

        Parameters
        ----------
        timeout
            Seconds.
        ask_shell
            Whether the login shell is asked again what it sets; it is asked once in any case.
        wanted
            The absolute path of an interpreter or a prefix that is looked at too.
        """
        known = None if ask_shell else self._variables
        found = await probe(self._connection, timeout=timeout, variables=known, wanted=wanted)
        self._variables = found.variables
        return found

    async def start_viewer(self, parameters: StartParameters) -> ViewerClient:
        """Start a viewer or adopt the one that runs; see `SshViewerClient.start`."""
        return await SshViewerClient.start(
            self._connection,
            parameters.environment,
            parameters.root,
            lease_seconds=parameters.lease_seconds,
            on_step=parameters.on_step,
            running=parameters.running,
            variables=self._variables,
        )

    async def start_unheld(self, parameters: StartParameters) -> ViewerStateFile:
        """Start a viewer without a holder; see `SshViewerClient.start_unheld`."""
        return await SshViewerClient.start_unheld(
            self._connection,
            parameters.environment,
            parameters.root,
            lease_seconds=parameters.lease_seconds,
            variables=self._variables,
        )

    async def run_setup(
        self, parameters: SetupParameters, on_step: Callable[[str, str], None]
    ) -> dict[str, Any]:
        """Make or remove the private environment; see `run_setup`."""
        return await run_setup(self._connection, parameters, on_step, self._variables)

    @contextlib.asynccontextmanager
    async def watch_machine(self, root: str) -> AsyncIterator[MachineStream]:
        """Start ``payload/machine.sh``, and give what it tells; it ends with the block.

        A `MachineStream.beat` within each `MACHINE_LEASE_SECONDS` keeps it going.

        Parameters
        ----------
        root
            The folder whose disk counts, absolute or ``~/…``; empty: the home.

        Raises
        ------
        ConnectionLost, ConnectionTimeout, SshUnavailable
            As `Connection.converse` has them.
        """
        script = shell_input(
            "machine.sh",
            root=root,
            period=f"{MACHINE_PERIOD_SECONDS}",
            lease=f"{MACHINE_LEASE_SECONDS // MACHINE_PERIOD_SECONDS}",
            patience="10",
            proc="/proc",
            sys="/sys",
        )
        async with self._connection.converse(SHELL, ready=READY) as conversation:
            await conversation.write(script)
            yield MachineStream(conversation)
