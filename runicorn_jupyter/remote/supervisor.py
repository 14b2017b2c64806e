"""Supervises the viewer of one connection: its lease, its state, and its return after a cut."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Literal

from runicorn_jupyter import models
from runicorn_jupyter.errors import (
    ConnectionLost,
    EnvironmentNotFound,
    InvalidParameters,
    RemoteError,
    RunicornNotInstalled,
    ViewerStartFailed,
)
from runicorn_jupyter.remote.clock import Clock, SystemClock
from runicorn_jupyter.remote.host_client import StartParameters
from runicorn_jupyter.remote.liveness import Watch, cancel

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from runicorn_jupyter.payload.guard import Ticket
    from runicorn_jupyter.remote.host_client import HostClient, Lifeline, Line, ViewerClient
    from runicorn_jupyter.remote.viewer_state import ViewerStateFile
    from runicorn_jupyter.ssh.channels.stream import Stream

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
RENEWALS_PER_LEASE = 6
"""Five renewals in a row may be lost before a lease runs out."""

RETRY_SECONDS = 5.0

CANNOT_START = (EnvironmentNotFound, InvalidParameters, RunicornNotInstalled, ViewerStartFailed)
"""What starting a viewer again does not mend. All else is the remote's state of the moment: no room for a
session, no answer in time."""


class ViewerSupervisor:
    """Keeps the viewer of one connection alive until it is stopped or released.

    Parameters
    ----------
    connection
        The connection that the viewer is reached through.
    host
        Starts viewers at the other end of it.
    environment
        Whose Python it runs under.
    root
        The storage root; ``None`` leaves the choice to runicorn.
    lease_seconds
        Without a renewal for this long the viewer ends itself.
    changed
        Called on the event loop at each change of `state` or `health`.
    clock
        Default: the machine's.
    """

    def __init__(
        self,
        connection: Line,
        host: HostClient,
        environment: models.Environment,
        root: str | None,
        *,
        lease_seconds: float,
        changed: Callable[[], None],
        clock: Clock | None = None,
    ) -> None:
        self.connection = connection
        self._host = host
        self._clock = clock or SystemClock()
        self.environment = environment
        self.root = root
        self.state: models.ViewerState = "starting"
        self.health: models.ViewerHealth = "unknown"
        self._lease = lease_seconds
        self._changed = changed
        self._remote: ViewerClient | None = None
        self._attached_at = 0.0
        self._keeper: asyncio.Task[None] | None = None
        self._verified_for: int | None = None
        self._verified = asyncio.Event()
        self._renewed_at = 0.0
        self._restarted_at: float | None = None
        self._watching = Watch(
            connection,
            self._clock,
            most_seconds=lease_seconds / RENEWALS_PER_LEASE,
            renewed=self._renewed,
            silent=self._silent,
        )
        self._work: asyncio.Task[None] | None = None

    @property
    def remote(self) -> ViewerClient:
        """The process on the other side; only after `start`."""
        if self._remote is None:
            raise RuntimeError("the viewer was not started")
        return self._remote

    @property
    def is_active(self) -> bool:
        """Whether the viewer runs, starts or is being found again."""
        return self.state in ("starting", "running", "reconnecting")

    def ticket(self, method: str, target: str) -> Ticket:
        """Make what lets one request to the viewer pass, and what its answer has to prove."""
        return self.remote.ticket(method, target)

    @property
    def uptime_seconds(self) -> float:
        """How long the process has run, in seconds; 0 unless it does."""
        if self._remote is None or self.state not in ("running", "reconnecting"):
            return 0.0
        return round(self._remote.uptime_seconds + self._clock.monotonic() - self._attached_at, 3)

    async def start(
        self, on_step: Callable[[str], None] | None = None, running: Sequence[ViewerStateFile] = ()
    ) -> None:
        """Start the viewer, or adopt the one that runs.

        Parameters
        ----------
        on_step
            Told each step that the work reaches.
        running
            What a probe found; one of them that fits is adopted without another command.

        Raises
        ------
        RunicornNotInstalled
            If the environment cannot import runicorn.
        ViewerStartFailed
            If it exited or never listened.
        InvalidParameters
            If the root is no existing directory.
        """
        await self._do(self._start(on_step, running))

    async def replace(
        self,
        environment: models.Environment,
        root: str | None,
        on_step: Callable[[str], None] | None = None,
    ) -> None:
        """End the process, also if others hold it, and start another, which is reached by the same URL.

        If the old one could not be ended all is as it was; if the new one does not start it has `crashed`.

        Parameters
        ----------
        environment, root
            Of the new one.
        on_step
            Told each step that the work reaches.

        Raises
        ------
        RemoteError
            As `start` has them, and `ConnectionLost`.
        """
        await self._do(self._replace(environment, root, on_step))

    @property
    def is_being_started(self) -> bool:
        """Whether a start or a replacement is under way."""
        return self._work is not None or self.state == "starting"

    @property
    def _is_stopped(self) -> bool:
        return self.state == "stopped"

    async def _do(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what `stop` can break off."""
        if self._is_stopped:
            work.close()
            raise ViewerStartFailed("The viewer was stopped before it had started.")
        self._work = asyncio.create_task(work, name=f"start viewer of {self.connection.connection_id}")
        try:
            await self._work
        except asyncio.CancelledError:
            if self._is_stopped and not _is_cancelled():
                raise ViewerStartFailed("The viewer was stopped before it had started.") from None
            raise
        finally:
            self._work = None

    async def _start(self, on_step: Callable[[str], None] | None, running: Sequence[ViewerStateFile]) -> None:
        self.connection.relay_python = self.environment.python_path
        self.connection.reconnect_delay_max = min(
            self.connection.reconnect_delay_max, self._lease / RENEWALS_PER_LEASE
        )
        asked_at = self._clock.sleepless()
        remote = await self._host.start_viewer(
            StartParameters(self.environment, self.root, self._lease, on_step, running)
        )
        self._attach(remote, asked_at)
        self._begin_keeping()

    async def _replace(
        self, environment: models.Environment, root: str | None, on_step: Callable[[str], None] | None
    ) -> None:
        await self._end_keeper()
        before = self.state
        self._mark_unverified()
        self._set("reconnecting")
        try:
            await self.remote.kill()
        except BaseException:
            if before == "crashed":
                self._set("crashed")
            elif not self._is_stopped:  # whether it is there is not known: who keeps it looks
                self._begin_keeping()
            raise
        self.environment, self.root = environment, root
        try:
            await self._start(on_step, ())
        except BaseException:
            if not self._is_stopped:
                self._set("crashed")
            raise
        self._restarted_at = None

    async def open_stream(self) -> Stream:
        """Open a fresh byte stream to the viewer's port.

        Raises
        ------
        ConnectionLost
            If the connection is down; and until the viewer has proven that it is still the one that
            listens there: nobody else is to hear what is asked of it.
        ConnectionRefusedError
            If it is gone.
        """
        if self.state == "crashed":
            raise ConnectionRefusedError("the viewer is gone")
        self._require_verified()
        return await self.connection.open_tunnel(LOOPBACK, self.remote.port)

    async def wait_reachable(self, seconds: float) -> None:
        """Wait until streams can be opened, or the viewer is known to be gone.

        Parameters
        ----------
        seconds
            How long at most; attempts to connect are made close together meanwhile.

        Raises
        ------
        ConnectionLost
            If the time was too short, or the connection has ended for good.
        """
        try:
            async with self._clock.timeout(seconds):
                if not await self.connection.wait_connected(seconds):
                    raise ConnectionLost("The SSH connection has ended; connect anew.")
                if self.is_active and self._verified_for != self.connection.reconnects:
                    self._mark_unverified()  # the keeper's turn has not come yet
                await self._verified.wait()
        except TimeoutError as exc:
            raise ConnectionLost("The SSH connection is down and is being re-established.") from exc

    def question(self) -> None:
        """Check the viewer now, since it has not answered a request."""
        self._watching.question()

    async def stop(self, *, cleanup: bool) -> bool:
        """End the viewer, or its start; the process goes once its last holder has left.

        Parameters
        ----------
        cleanup
            Also remove its log and state on the remote.

        Returns
        -------
        bool
            Whether the process has ended; False if it stays for others who hold it.
        """
        await self._break_off()
        try:
            return self._remote is None or await self._remote.stop(cleanup)
        finally:
            self._set("stopped")

    async def clean_up(self) -> None:
        """Remove what a crashed viewer left on the remote, after another has taken its place."""
        with contextlib.suppress(RemoteError, OSError):  # the next start there prunes it
            await self.remote.stop(cleanup=True)

    async def release(self) -> None:
        """Leave the process to its lease."""
        await self._break_off()
        if self._remote is not None:
            await self._remote.release()
        self._set("stopped")

    async def abandon(self) -> None:
        """Stop watching without a word to the remote, since it cannot be reached."""
        await self._break_off()
        if self._remote is not None:
            self._remote.abandon()

    def describe(self, url: str | None, local_port: int | None) -> models.Viewer:
        """Give the API's view of it."""
        remote = self._remote
        return models.Viewer(
            status=self.state,
            url=url if self.state != "stopped" else None,
            local_port=local_port if self.state != "stopped" else None,
            remote_port=remote.port if remote else None,
            pid=remote.pid if remote else None,
            env_name=self.environment.name,
            remote_root=remote.remote_root if remote else self.root,
            runicorn_version=remote.runicorn_version if remote else self.environment.runicorn_version,
            started_at=remote.started_at if remote else None,
            uptime_seconds=self.uptime_seconds,
            health=self._health_now(),
        )

    def _health_now(self) -> models.ViewerHealth | None:
        if self.state == "stopped":
            return None
        # The loss of the connection is known before this has noticed it.
        is_known = self.state == "crashed" or self.connection.status == "connected"
        return self.health if is_known else "unknown"

    def _attach(self, remote: ViewerClient, asked_at: float) -> None:
        self._remote = remote
        self._renewed_at = asked_at
        self._mark_verified()

    def _mark_verified(self, health: models.ViewerHealth = "healthy") -> None:
        """Mark the viewer as verified: it has proven that it is the one, or has just been started."""
        if health == "healthy":
            self._attached_at = self._clock.monotonic()
        self._verified_for = self.connection.reconnects
        self._verified.set()
        self._set("running", health)

    def _mark_unverified(self) -> None:
        """Mark the viewer as unverified, which blocks new streams."""
        self._verified_for = None
        self._verified.clear()

    def _set(self, state: models.ViewerState, health: models.ViewerHealth = "unknown") -> None:
        if state in ("crashed", "stopped"):
            self._verified.set()  # nobody waits for it any more
        if state == "crashed":
            health = "unresponsive"
        if (state, health) != (self.state, self.health):
            self.state, self.health = state, health
            self._changed()

    def _begin_keeping(self) -> None:
        self._keeper = asyncio.create_task(self._keep(), name=f"viewer of {self.connection.connection_id}")

    async def _end_keeper(self) -> None:
        if self._keeper is not None:
            await cancel(self._keeper)
            self._keeper = None

    async def _break_off(self) -> None:
        """End the watch and what is being started; from now on it is `stopped`."""
        await self._end_keeper()
        if self._work is not None:
            self._set("stopped")
            await cancel(self._work)
        self._set("stopped")

    async def _keep(self) -> None:
        """Renew the lease and follow the process through cuts, until it is gone for good."""
        while self.is_active:
            try:
                with contextlib.suppress(ConnectionLost):
                    await self._watch()
                if not self.is_active:  # a look from elsewhere found it gone
                    return
                is_same_link = self._verified_for == self.connection.reconnects
                self._mark_unverified()
                if is_same_link and self.connection.status == "connected" and self.state == "running":
                    await self._diagnose()
                else:
                    await self._return()
            except ConnectionLost:
                continue
            except RemoteError as exc:
                log.warning("viewer of %s: %s", self.connection.connection_id, exc.message)
                # Nothing tells when the remote has room, or time, again.
                await self._clock.sleep(min(RETRY_SECONDS, self._lease / RENEWALS_PER_LEASE))

    async def _watch(self) -> None:
        """Return when the process's end of a stream closes; renew the lease meanwhile."""
        try:
            await self._watching.follow(self._open_lifeline, ask_now=self.health != "healthy")
        except ConnectionRefusedError:
            if self.health == "unresponsive":  # its process is there: see when it goes
                await self._clock.sleep(RETRY_SECONDS)

    async def _open_lifeline(self) -> Lifeline:
        self._require_verified()
        return await self.remote.open_lifeline()

    async def _diagnose(self) -> None:
        """Find out why the stream to it ended."""
        state = await self.check()
        if state == "running":
            self._mark_verified()
        elif state == "hung":
            self._mark_verified("unresponsive")  # its process is there, and so is its port
        elif self.state != "crashed":
            await self._restart()

    async def _return(self) -> None:
        """Find the viewer again after a cut, or start another in its place."""
        self._set("reconnecting")
        if not await self.connection.wait_connected(None):
            self.remote.abandon()
            self._set("stopped")
            return
        asked_at = self._clock.sleepless()
        state = await self.remote.reattach()
        if state == "crashed":
            await self._restart()
            return
        self._renewed_at = asked_at
        self._mark_verified("healthy" if state == "running" else "unresponsive")

    async def check(self) -> Literal["running", "crashed", "hung"]:
        """Look at the process now; one that hangs is told, and never killed for it.

        One whose lease ran out while this side could not renew it has not crashed: it is started again.

        Raises
        ------
        ConnectionLost
            If the connection is down.
        """
        state = await self.remote.check()
        if state == "crashed":
            if self.is_active and self._clock.sleepless() - self._renewed_at < self._lease:
                self._set("crashed")
        elif self.state == "running":
            self._set("running", "healthy" if state == "running" else "unresponsive")
        return state

    async def _restart(self) -> None:
        """Start another viewer under the same URL; once, until that one has lived for a while."""
        if self._restarted_at is not None:
            self._set("crashed")
            return
        self._set("reconnecting")
        log.info("viewer of %s is gone; starting it again", self.connection.connection_id)
        asked_at = self._clock.sleepless()
        try:
            remote = await self._host.start_viewer(StartParameters(self.environment, self.root, self._lease))
        except CANNOT_START as exc:
            log.warning("viewer of %s did not come back: %s", self.connection.connection_id, exc.message)
            self._set("crashed")
        else:
            self._restarted_at = self._clock.monotonic()
            self._attach(remote, asked_at)

    def _renewed(self, asked_at: float) -> None:
        # Not when the answer came, which may have taken long: the lease has run since about then.
        self._renewed_at = asked_at
        lived = self._clock.monotonic() - (self._restarted_at or 0.0)
        if self._restarted_at is not None and lived >= self._lease / RENEWALS_PER_LEASE:
            self._restarted_at = None
        if self.state == "running":
            self._set("running", "healthy")

    def _silent(self, health: models.ViewerHealth) -> None:
        if self.state == "running":
            self._set("running", health)

    def _require_verified(self) -> None:
        if self._verified_for != self.connection.reconnects:
            raise ConnectionLost("The viewer is being looked for after a cut; try again in a moment.")


def _is_cancelled() -> bool:
    """Tell whether somebody has cancelled the running task itself, not only what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
