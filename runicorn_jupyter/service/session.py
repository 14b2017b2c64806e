"""A connection with what is known through it: the remote's environments and the viewer it holds."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import (
    ConnectionLost,
    EnvironmentNotFound,
    RemoteError,
    ViewerAlreadyRunning,
    ViewerNotRunning,
    ViewerStartFailed,
)
from runicorn_jupyter.proxy.capabilities import viewer_path
from runicorn_jupyter.proxy.endpoint import Endpoint
from runicorn_jupyter.remote import environments
from runicorn_jupyter.remote.clock import Clock, SystemClock
from runicorn_jupyter.remote.probe import PROBE_SECONDS, Probe
from runicorn_jupyter.remote.supervisor import ViewerSupervisor
from runicorn_jupyter.service.environment_problems import EnvironmentProblems
from runicorn_jupyter.service.health import check_health
from runicorn_jupyter.service.machine_watcher import MachineWatcher
from runicorn_jupyter.service.run_watcher import RunWatcher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runicorn_jupyter.proxy.capabilities import Capabilities
    from runicorn_jupyter.remote.host_client import HostClient, Line
    from runicorn_jupyter.remote.memory_budget import MemoryBudget
    from runicorn_jupyter.remote.viewer_state import ViewerStateFile
    from runicorn_jupyter.service.caller import Caller, Emit
    from runicorn_jupyter.service.prewarm import ViewerPrewarmer
    from runicorn_jupyter.service.run_index import RunIndex
    from runicorn_jupyter.service.settings import ServiceSettings

log = logging.getLogger(__name__)

FRESH_SECONDS = 60.0
"""``environments/detect`` probes again when the list is older (docs/contract.md, "Environments")."""


class Session:
    """One entry of ``GET connections``.

    Parameters
    ----------
    connection
        Open already.
    host
        As the request said it.
    settings
        The administrator's settings.
    user
        Who opened the connection, as `Caller` has it.
    capabilities
        Where viewers get their URLs.
    emit
        Sends events to the front ends.
    index
        The index of all runs.
    remote
        Does what is done at the other end of the connection.
    prewarmer
        Starts viewers before they are asked for.
    memory
        What may be kept of the connection.
    clock
        Default: the machine's.
    """

    def __init__(
        self,
        connection: Line,
        host: str,
        settings: ServiceSettings,
        *,
        user: str = "",
        capabilities: Capabilities,
        emit: Emit,
        index: RunIndex,
        remote: HostClient,
        prewarmer: ViewerPrewarmer,
        memory: MemoryBudget,
        clock: Clock | None = None,
    ) -> None:
        self._memory = memory
        self._prewarmer = prewarmer
        self._clock = clock or SystemClock()
        self.connection = connection
        self.remote = remote
        self.host = host
        self.user = user
        self._settings = settings
        self._capabilities = capabilities
        self._emit = emit
        self._index = index
        self.runs: RunWatcher | None = None
        self._probe: Probe | None = None
        self._probed_at = 0.0
        self._probing = asyncio.Lock()
        self._problems = EnvironmentProblems()
        self._supervisor: ViewerSupervisor | None = None
        self._failed_log: list[str] | None = None
        self._capability: str | None = None
        self._unsubscribe = connection.subscribe(lambda _: self.announce())

    @property
    def connection_id(self) -> str:
        """The connection's id."""
        return self.connection.connection_id

    @property
    def viewer_status(self) -> m.ViewerState:
        """The status of the viewer; ``stopped`` where there is none."""
        return "stopped" if self._supervisor is None else self._supervisor.state

    @property
    def holds_viewer(self) -> bool:
        """Whether it has a viewer that runs, starts or is being found again."""
        return self._supervisor is not None and self._supervisor.is_active

    def announce(self) -> None:
        """Tell the front ends the connection's status."""
        self._emit(
            "connection", connection_id=self.connection_id, host=self.host, status=self.connection.status
        )

    # -- the remote and its environments

    async def look(
        self,
        *,
        older_than: float = float("inf"),
        seconds: float = PROBE_SECONDS,
        ask_shell: bool = False,
        wanted: str = "",
    ) -> Probe:
        """Return what the last probe found, or probe the remote.

        Parameters
        ----------
        older_than
            Age of the last probe, in seconds, from which on the remote is probed again.
        seconds
            How long that may take.
        ask_shell
            Whether the login shell is asked again what it sets, where the remote is probed.
        wanted
            The absolute path of an interpreter or a prefix that is looked at too.
        """
        async with self._probing:
            if self._probe is None or self._clock.monotonic() - self._probed_at > older_than:
                self._probe = await self.remote.probe(seconds, ask_shell=ask_shell, wanted=wanted)
                self._probed_at = self._clock.monotonic()
                if ask_shell:
                    self._problems.clear()  # what the shell sets may be what was missing
                if self._probe.notes:
                    log.info("probe of %s: %s", self.connection_id, " ".join(self._probe.notes))
                self._emit("environments", connection_id=self.connection_id)
            return replace(self._probe, environments=self._problems.mark(self._probe.environments))

    async def environment(self, env_name: str) -> m.Environment:
        """Find an environment by name, prefix or interpreter.

        Raises
        ------
        EnvironmentNotFound
            If none is called so.
        """
        _, environment = await self._look_for(env_name)
        return environment

    async def _look_for(self, env_name: str) -> tuple[Probe, m.Environment]:
        """Find an environment; one that the list does not name may be newer than the list, or was cut off."""
        found = await self.look()
        try:
            return found, environments.find(found.environments, env_name)
        except EnvironmentNotFound:
            log.info("probe of %s: looking again for %s", self.connection_id, env_name)
            path = env_name if env_name.startswith("/") else ""
            found = await self.look(older_than=0.0, wanted=path)
            try:
                return found, environments.find(found.environments, env_name)
            except EnvironmentNotFound:
                if not path or not found.named:
                    raise
                return found, environments.find(found.environments, found.named)

    def watch_machine(self, changed: Callable[[], object]) -> MachineWatcher:
        """Begin to look at the machine; the caller closes the watcher.

        Parameters
        ----------
        changed
            Called after each change of what is known of it.
        """

        def root() -> str:
            supervisor = self._supervisor
            if supervisor is None or supervisor.state != "running":
                return ""
            return supervisor.remote.remote_root or ""

        return MachineWatcher(
            self.connection,
            self.remote,
            self.host,
            root=root,
            runs=lambda: self.runs.processes() if self.runs is not None else (),
            changed=changed,
            memory=self._memory,
            clock=self._clock,
        )

    # -- the viewer

    def _require_room(self, caller: Caller, request: m.ViewerStartRequest) -> None:
        """Raise ViewerAlreadyRunning where a viewer is held that is not to be replaced."""
        current = self._supervisor
        if current is not None and (current.is_being_started or (current.is_active and not request.replace)):
            message = "This connection has a viewer already; stop it first to start another."
            if current.state == "running" and current.health == "unresponsive":
                message = "This connection's viewer does not answer; restart it, or stop it."
            raise ViewerAlreadyRunning(
                message,
                viewer=self.describe_viewer(caller).model_dump(mode="json"),
            )

    async def start_viewer(self, caller: Caller, request: m.ViewerStartRequest) -> m.Viewer:
        """Start the viewer, or adopt the one that runs for this environment and root.

        Raises
        ------
        ViewerAlreadyRunning
            If this connection holds one, for another environment too, and it is not to be replaced.
        """
        self._require_connected()
        await self.look()
        self._require_room(caller, request)
        found, environment = await self._look_for(request.env_name)
        self._require_room(caller, request)  # again: another start may have come meanwhile
        current = self._supervisor
        root = request.remote_root or environment.storage_root

        def on_step(step: str) -> None:
            self._emit(
                "progress",
                connection_id=self.connection_id,
                request_id=caller.request_id,
                host=self.host,
                env_name=environment.name,
                step=step,
            )

        try:
            if request.replace and current is not None and current.state != "stopped":
                await current.replace(environment, root, on_step)
            else:
                current = self._new_supervisor(environment, root)
                await self._start(current, request, found.viewers, on_step)
        except RemoteError as exc:
            self._failed_log = _log_of(exc)
            if isinstance(exc, EnvironmentNotFound) and self._failed_log:
                self._note_problem(environment, self._failed_log[-1])
            raise
        await self._publish(current)
        if request.auto_open:
            self._emit(
                "open_viewer",
                connection_id=self.connection_id,
                host=self.host,
                env_name=environment.name,
                remote_root=current.remote.remote_root,
            )
        return self.describe_viewer(caller)

    def _note_problem(self, environment: m.Environment, problem: str) -> None:
        """Add why an environment cannot run to the list, until the login shell is asked anew."""
        self._problems.note(environment, problem)
        self._emit("environments", connection_id=self.connection_id)

    def _new_supervisor(self, environment: m.Environment, root: str | None) -> ViewerSupervisor:
        return ViewerSupervisor(
            self.connection,
            self.remote,
            environment,
            root,
            lease_seconds=self._settings.viewer_lease_seconds,
            changed=self._viewer_changed,
            clock=self._clock,
        )

    async def _start(
        self,
        supervisor: ViewerSupervisor,
        request: m.ViewerStartRequest,
        running: Sequence[ViewerStateFile],
        on_step: Callable[[str], None],
    ) -> None:
        """Start a viewer in the place of the one before, which stays known until this one runs."""
        self._revoke()
        before, self._supervisor = self._supervisor, supervisor
        try:
            await self._end_runs()
            prewarmed = await self._prewarmer.claim(
                self.connection, supervisor.environment, request.remote_root
            )
            await supervisor.start(on_step, [*prewarmed, *running])
        except BaseException:
            if self._supervisor is supervisor:
                self._supervisor = before  # with the log of its crash, and what is to be cleaned up
            self._viewer_changed()
            raise
        if before is not None and before.state == "crashed":
            await before.clean_up()

    async def _publish(self, supervisor: ViewerSupervisor) -> None:
        """Publish a running viewer under its URL, and watch its runs."""
        storage = await self._capabilities.storage(supervisor, supervisor.remote.remote_root)
        await self._end_runs()
        if self._supervisor is not supervisor or supervisor.state == "stopped":
            raise ViewerStartFailed("The viewer was stopped before it had started.")
        self._failed_log = None
        if self._problems.forget(supervisor.environment):
            self._emit("environments", connection_id=self.connection_id)
        title = f"{self.host} · {supervisor.environment.name}"
        if self._capability is None:
            self._capability = self._capabilities.issue(Endpoint.of(supervisor, title=title, storage=storage))
        else:
            self._capabilities.move(self._capability, title=title, storage=storage)
        self._capabilities.prepare(self._capability, self.connection.ping)
        self.runs = RunWatcher(
            supervisor,
            self.connection_id,
            self.host,
            self._index,
            self._emit,
            memory=self._memory,
            clock=self._clock,
        )
        self._viewer_changed()

    async def stop_viewer(self, *, cleanup: bool) -> bool:
        """Stop the viewer, or what is starting.

        Returns
        -------
        bool
            Whether its process has ended; False if it stays for others who hold it.

        Raises
        ------
        ViewerNotRunning
            If there is none.
        """
        supervisor = self._require_viewer()
        self._require_connected()
        self._revoke()
        await self._end_runs()
        ended = await supervisor.stop(cleanup=cleanup)
        if cleanup and self._supervisor is supervisor:
            self._supervisor = None
        return ended

    async def run_metrics(
        self, keys: Sequence[m.CurveKey], names: Sequence[str] | None, points: int, axis: m.CurveAxis
    ) -> list[m.RunCurves | None]:
        """Read metrics of some of the viewer's runs; see `RunWatcher.metrics`."""
        self._require_viewer()
        self._require_connected()
        if self.runs is None:
            raise ViewerNotRunning("This connection's viewer is still starting.")
        return await self.runs.metrics(keys, names, points, axis)

    async def logs(self, lines: int) -> tuple[list[str], int]:
        """Read the viewer's log, of a crashed or stopped one too, or what a failed start printed."""
        if self._failed_log is not None:
            return self._failed_log[-lines:], len(self._failed_log)
        if self._supervisor is None or self._supervisor.state == "starting":
            raise ViewerNotRunning("This connection has no viewer; start one to see its log.")
        self._require_connected()
        return await self._supervisor.remote.logs(lines)

    def describe_viewer(self, caller: Caller) -> m.Viewer:
        """Give the viewer's state as the API shows it; `stopped` where there is none."""
        if self._supervisor is None:
            return m.Viewer(status="stopped")
        if self._capability is None:
            return self._supervisor.describe(None, None)
        url = caller.origin + viewer_path(self._settings.base_url, self._capability)
        return self._supervisor.describe(url, caller.port)

    def describe(self, caller: Caller) -> m.ConnectionInfo:
        """Give this entry of ``GET connections``."""
        viewer = self.describe_viewer(caller)
        return m.ConnectionInfo(
            connection_id=self.connection_id,
            host=self.host,
            port=self.connection.target.port,
            username=self.connection.target.username,
            status=self.connection.status,
            created_at=self.connection.created_at,
            connected_since=self.connection.connected_since,
            reconnects=self.connection.reconnects,
            multiplexed=self.connection.is_multiplexed,
            viewer=None if viewer.status == "stopped" else viewer,
        )

    async def health(self) -> m.HealthResponse:
        """Check connection, process and tunnel; from memory while the connection is down."""
        return await check_health(self.connection, self._supervisor)

    # -- the end

    async def close(self, *, cleanup_viewer: bool) -> bool:
        """Close the connection, and the viewer with it.

        Returns
        -------
        bool
            Whether the remote could be told; if not, the viewer ends by its lease.
        """
        told = True
        self._prewarmer.cancel(self.connection)
        self._revoke()
        self._unsubscribe()
        await self._end_runs()
        supervisor, self._supervisor = self._supervisor, None
        try:
            if supervisor is not None and supervisor.state != "stopped":
                told = await self._leave(supervisor, cleanup_viewer=cleanup_viewer)
        finally:
            await self.connection.close()
            self._emit("closed", connection_id=self.connection_id, host=self.host)
        return told

    async def _leave(self, supervisor: ViewerSupervisor, *, cleanup_viewer: bool) -> bool:
        try:
            self._require_connected()
            await (supervisor.stop(cleanup=True) if cleanup_viewer else supervisor.release())
        except (RemoteError, OSError):
            await supervisor.abandon()
            return False
        return True

    def _require_viewer(self) -> ViewerSupervisor:
        if self._supervisor is None or self._supervisor.state == "stopped":
            raise ViewerNotRunning("This connection has no viewer; start one first.")
        return self._supervisor

    def _require_connected(self) -> None:
        if self.connection.status != "connected":
            raise ConnectionLost(
                f"The SSH connection to {self.host} is {self.connection.status}; wait until it is back."
            )

    async def _end_runs(self) -> None:
        runs, self.runs = self.runs, None
        if runs is not None:
            await runs.close()

    def _revoke(self) -> None:
        if self._capability is not None:
            self._capabilities.revoke(self._capability)
            self._capability = None

    def _viewer_changed(self) -> None:
        supervisor = self._supervisor
        self._emit(
            "viewer",
            connection_id=self.connection_id,
            host=self.host,
            status=self.viewer_status,
            health=supervisor.health if supervisor and supervisor.state != "stopped" else None,
            env_name=supervisor.environment.name if supervisor else None,
        )


def _log_of(error: RemoteError) -> list[str] | None:
    """Give what a start that failed has printed, if it had come so far as to print."""
    log = error.details.get("log")
    return log if isinstance(log, list) else None
