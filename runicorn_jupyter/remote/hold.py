"""One viewer as a connection holds it: its lease, its state, and its return after a cut."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Literal

from runicorn_jupyter import models
from runicorn_jupyter.errors import (
    ConnectionLost,
    EnvironmentNotFound,
    InvalidParameters,
    RemoteError,
    RunicornNotInstalled,
    ViewerStartFailed,
)
from runicorn_jupyter.remote.viewer import RemoteViewer
from runicorn_jupyter.ssh.wakeup import sleepless_time
from runicorn_jupyter.streams import END

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runicorn_jupyter.remote.state import RunningViewer
    from runicorn_jupyter.remote.viewer_guard import Ticket
    from runicorn_jupyter.ssh.connection import Connection
    from runicorn_jupyter.ssh.stream import Stream

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
RENEWALS_PER_LEASE = 6
"""Five renewals in a row may be lost before a lease runs out."""

RETRY_SECONDS = 5.0

CANNOT_START = (EnvironmentNotFound, InvalidParameters, RunicornNotInstalled, ViewerStartFailed)
"""What starting a viewer again does not mend. All else is the remote's state of the moment: no room for a
session, no answer in time."""


class ViewerHold:
    """Holds the viewer of one connection until it is stopped or released.

    Parameters
    ----------
    connection
        The connection that the viewer is reached through.
    environment
        Whose Python it runs under.
    root
        The storage root; ``None`` leaves the choice to runicorn.
    lease_seconds
        Without a renewal for this long the viewer ends itself.
    changed
        Called on the event loop at each change of `state`.
    """

    def __init__(
        self,
        connection: Connection,
        environment: models.Environment,
        root: str | None,
        *,
        lease_seconds: float,
        changed: Callable[[], None],
    ) -> None:
        self.connection = connection
        self.environment = environment
        self.root = root
        self.state: models.ViewerState = "starting"
        self.hung = False
        self._lease = lease_seconds
        self._changed = changed
        self._remote: RemoteViewer | None = None
        self._attached_at = 0.0
        self._keeper: asyncio.Task[None] | None = None
        self._proven_for: int | None = None
        self._proven = asyncio.Event()
        self._renewed_at = 0.0
        self._restarted = False

    @property
    def remote(self) -> RemoteViewer:
        """The process on the other side; only after `start`."""
        if self._remote is None:
            raise RuntimeError("the viewer was not started")
        return self._remote

    @property
    def is_held(self) -> bool:
        """Whether this side still counts on the process."""
        return self.state in ("starting", "running", "reconnecting")

    def ticket(self, method: str, target: str) -> Ticket:
        """Make what lets one request to the viewer pass, and what its answer has to prove."""
        return self.remote.ticket(method, target)

    @property
    def uptime_seconds(self) -> float:
        """How long the process has run, in seconds; 0 unless it does."""
        if self._remote is None or self.state not in ("running", "reconnecting"):
            return 0.0
        return round(self._remote.uptime_seconds + time.monotonic() - self._attached_at, 3)

    async def start(
        self, on_step: Callable[[str], None] | None = None, running: Sequence[RunningViewer] = ()
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
        self.connection.relay_python = self.environment.python_path
        self.connection.reconnect_delay_max = min(
            self.connection.reconnect_delay_max, self._lease / RENEWALS_PER_LEASE
        )
        self._attach(
            await RemoteViewer.start(
                self.connection,
                self.environment,
                self.root,
                lease_seconds=self._lease,
                on_step=on_step,
                running=running,
            )
        )
        self._keeper = asyncio.create_task(self._keep(), name=f"viewer of {self.connection.connection_id}")

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
        if self._proven_for != self.connection.reconnects:
            raise ConnectionLost("The viewer is being looked for after a cut; try again in a moment.")
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
            async with asyncio.timeout(seconds):
                if not await self.connection.wait_connected(seconds):
                    raise ConnectionLost("The SSH connection has ended; connect anew.")
                await self._proven.wait()
        except TimeoutError as exc:
            raise ConnectionLost("The SSH connection is down and is being re-established.") from exc

    async def stop(self, *, cleanup: bool) -> None:
        """End the viewer; the process goes once its last holder has left.

        Parameters
        ----------
        cleanup
            Also remove its log and state on the remote.
        """
        await self._end_keeper()
        try:
            await self.remote.stop(cleanup)
        finally:
            self._set("stopped")

    async def clean_up(self) -> None:
        """Remove what a crashed viewer left on the remote, after another has taken its place."""
        with contextlib.suppress(RemoteError, OSError):  # the next start there prunes it
            await self.remote.stop(cleanup=True)

    async def release(self) -> None:
        """Leave the process to its lease."""
        await self._end_keeper()
        await self.remote.release()
        self._set("stopped")

    async def abandon(self) -> None:
        """Stop watching without a word to the remote, since it cannot be reached."""
        await self._end_keeper()
        self._set("stopped")

    def describe(self, url: str | None, local_port: int | None) -> models.Viewer:
        """Give the API's view of it."""
        remote = self._remote
        health: dict[str, models.Health] = {
            "running": "degraded" if self.hung else "healthy",
            "reconnecting": "degraded",
            "crashed": "unhealthy",
        }
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
            health=health.get(self.state),
        )

    def _attach(self, remote: RemoteViewer) -> None:
        self._remote = remote
        self._renewed_at = sleepless_time()
        self._believe()

    def _believe(self) -> None:
        """Note that the viewer is the one it was: it has proven it, or this has just started it."""
        self._attached_at = time.monotonic()
        self._proven_for = self.connection.reconnects
        self._proven.set()
        self._set("running")

    def _doubt(self) -> None:
        """Give nobody a stream until the viewer has proven itself again."""
        self._proven_for = None
        self._proven.clear()

    def _set(self, state: models.ViewerState) -> None:
        if state in ("crashed", "stopped"):
            self._proven.set()  # nobody waits for it any more
        if state != self.state:
            self.state = state
            self._changed()

    def _set_hung(self, hung: bool) -> None:
        if hung != self.hung:
            self.hung = hung
            self._changed()

    async def _end_keeper(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None

    async def _keep(self) -> None:
        """Renew the lease and follow the process through cuts, until it is gone for good."""
        while self.is_held:
            try:
                with contextlib.suppress(ConnectionLost):
                    await self._watch()
                if not self.is_held:  # a look from elsewhere found it gone
                    return
                self._doubt()
                if self.connection.status == "connected" and self.state == "running":
                    await self._look()
                else:
                    await self._return()
            except ConnectionLost:
                continue
            except RemoteError as exc:
                log.warning("viewer of %s: %s", self.connection.connection_id, exc.message)
                # Nothing tells when the remote has room, or time, again.
                await asyncio.sleep(min(RETRY_SECONDS, self._lease / RENEWALS_PER_LEASE))

    async def _watch(self) -> None:
        """Return when the process's end of an idle stream closes; renew the lease meanwhile."""
        try:
            stream = await self.open_stream()
        except ConnectionRefusedError:
            return
        try:
            while True:
                try:
                    async with asyncio.timeout(self._lease / RENEWALS_PER_LEASE):
                        if await stream.read(1) is END:
                            return
                except TimeoutError:
                    await self.remote.renew()
                    self._renewed()
        except OSError:
            return
        finally:
            stream.close()

    async def _look(self) -> None:
        """Find out why the stream to it ended, or why it does not answer."""
        state = await self.check()
        if state == "running":
            self._believe()
        elif state == "hung":
            self._believe()  # its process is there, and so is its port
            await self._wait_answer()
        elif self.state != "crashed":
            await self._restart()

    async def _return(self) -> None:
        """Find the viewer again after a cut, or start another in its place."""
        self._set("reconnecting")
        if not await self.connection.wait_connected(None):
            self._set("stopped")
        elif await self.remote.reattach():
            self._renewed_at = sleepless_time()
            self._believe()
        else:
            await self._restart()

    async def check(self) -> Literal["running", "crashed", "hung"]:
        """Look at the process now; one that hangs is told, and never killed for it.

        One whose lease ran out while this side could not renew it has not crashed: it is started again.

        Raises
        ------
        ConnectionLost
            If the connection is down.
        """
        state = await self.remote.check()
        if state != "crashed":
            self._set_hung(state == "hung")
        elif sleepless_time() - self._renewed_at < self._lease:
            await self._crashed()
        return state

    async def _wait_answer(self) -> None:
        """Return when a viewer that hangs answers again, or is gone."""
        while True:
            try:
                await self.remote.renew(timeout=self._lease / RENEWALS_PER_LEASE)
            except TimeoutError:
                if await self.remote.check() == "crashed":
                    return
            except OSError:
                return
            else:
                self._renewed()
                return

    async def _restart(self) -> None:
        """Start another viewer under the same URL; once, until that one has lived for a while."""
        if self._restarted:
            await self._crashed()
            return
        self._set("reconnecting")
        log.info("viewer of %s is gone; starting it again", self.connection.connection_id)
        try:
            remote = await RemoteViewer.start(
                self.connection, self.environment, self.root, lease_seconds=self._lease
            )
        except CANNOT_START as exc:
            log.warning("viewer of %s did not come back: %s", self.connection.connection_id, exc.message)
            await self._crashed()
        else:
            self._restarted = True
            self._attach(remote)

    def _renewed(self) -> None:
        self._renewed_at = sleepless_time()
        self._restarted = False
        self._set_hung(False)

    async def _crashed(self) -> None:
        self._set("crashed")
