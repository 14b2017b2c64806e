"""RemoteService: one method for each route of ``/api/remote``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import (
    ConnectionNotFound,
    InternalError,
    InvalidParameters,
    NotFound,
    SshUnavailable,
)
from runicorn_jupyter.remote.clock import SystemClock
from runicorn_jupyter.remote.host_client import SshHost
from runicorn_jupyter.remote.memory_budget import MemoryBudget
from runicorn_jupyter.remote.probe import PROBE_SECONDS
from runicorn_jupyter.service.event_budget import EventBudget
from runicorn_jupyter.service.opener import Opened, Opener
from runicorn_jupyter.service.prewarm import Foresight
from runicorn_jupyter.service.profile_store import Profiles
from runicorn_jupyter.service.run_index import RunBoard
from runicorn_jupyter.service.session import FRESH_SECONDS, Session
from runicorn_jupyter.ssh.config import resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from runicorn_jupyter.proxy.capabilities import Capabilities
    from runicorn_jupyter.remote.clock import Clock
    from runicorn_jupyter.remote.host_client import HostClient
    from runicorn_jupyter.service.caller import Caller, Emit
    from runicorn_jupyter.service.settings import ServiceSettings
    from runicorn_jupyter.ssh.auth.ask import Ask
    from runicorn_jupyter.ssh.connection import Connection

T = TypeVar("T")

log = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""An orderly stop of Jupyter ends the viewers it holds within this time (docs/contract.md, "Viewers")."""

LOOK_SECONDS = 2.0
"""How long a list of runs waits for the viewers; what is not there by then is as it was known before."""


class RemoteService:
    """Owns the connections and does what the routes promise.

    Every method takes the `Caller` and the route's request model, and returns its answer's model
    or raises a `RemoteError`.

    Parameters
    ----------
    settings
        What the administrator set.
    capabilities
        The proxy's table of viewers.
    emit
        Sends an event to the front ends.
    show
        Opens a URL on this machine's screen; None where a front end does that, or there is no screen.
    make_opener, remote_of
        Make what opens connections, and what does things at the other end of one.
    profiles
        The saved connections; default: those in the user's data folder.
    clock
        What everything waits by; default: the machine's.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        capabilities: Capabilities,
        emit: Emit,
        show: Callable[[str], object] | None = None,
        *,
        make_opener: Callable[[ServiceSettings, Emit], Opener] = Opener,
        remote_of: Callable[[Connection], HostClient] = SshHost,
        profiles: Profiles | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._capabilities = capabilities
        self._clock = clock = clock or SystemClock()
        self._emit = emit = EventBudget(emit, monotonic=clock.monotonic, sleep=clock.sleep)
        self._show = show
        self._remote_of = remote_of
        self._closed = False
        self._sessions: dict[str, Session] = {}
        self._opener = make_opener(settings, emit)
        self._profiles = profiles or Profiles()
        self._foresight = Foresight(self._profiles, settings.viewer_lease_seconds)
        self._memory = MemoryBudget(
            settings.memory_bytes, "RunicornJupyter.memory_mb", "all connections together"
        )
        self._board = RunBoard(lambda: emit("runs"))

    # -- connections

    async def connect(self, caller: Caller, request: m.ConnectRequest) -> m.ConnectResponse:
        """Open a connection; each call makes a new one, under a new id."""
        about = {
            "connection_id": f"conn_{secrets.token_hex(4)}",
            "request_id": caller.request_id,
            "host": request.host,
        }

        async def work(ask: Ask) -> m.ConnectResponse:
            with self._opener.room(len(self._sessions)):
                opened = await self._opener.open(request, about, ask)
                answer = await self._admit(opened)
            if self._settings.start_remembered and request.password is None and not opened.deadline.has_asked:
                self._foresight.begin(self._sessions[answer.connection_id])
            return answer

        # Where the person is asked, this request ends with that; the work goes on with the answer.
        answer: m.ConnectResponse = await self._opener.challenges.run(caller.user, work, about)
        return answer

    async def answer_challenge(self, caller: Caller, request: m.ChallengeAnswerRequest) -> m.ConnectResponse:
        """Answer what authentication asked for; waits like `connect`."""
        answer: m.ConnectResponse = await self._opener.challenges.answer(
            request.challenge_id, caller.user, request.responses
        )
        session = self._sessions.get(answer.connection_id)
        return answer.model_copy(update={"status": session.connection.status}) if session else answer

    async def get_challenge(self, caller: Caller, request: m.ChallengeQuery) -> m.ChallengeResponse:
        """Give the prompts of an open challenge."""
        return self._opener.challenges.get(request.challenge_id, caller.user).describe()

    async def drop_challenge(self, caller: Caller, request: m.ChallengeQuery) -> m.MessageResponse:
        """Decline to answer."""
        self._opener.challenges.drop(request.challenge_id, caller.user)
        return m.MessageResponse(message="The question was declined; nothing was connected.")

    async def list_connections(self, caller: Caller, _: None) -> m.ConnectionsResponse:
        """List all connections, whatever their status."""
        connections = [
            session.describe(caller, self._settings.base_url) for session in self._sessions.values()
        ]
        return m.ConnectionsResponse(connections=connections, total=len(connections))

    async def disconnect(self, caller: Caller, request: m.DisconnectQuery) -> m.DisconnectResponse:
        """Close a connection, and stop its viewer unless it is to stay."""
        session = self._session(request)
        del self._sessions[request.connection_id]
        told = await session.close(cleanup_viewer=request.cleanup_viewer)
        message = f"Disconnected from {session.host}."
        if not told:
            message += " It could not be reached; its viewer ends by itself when the lease is over."
        return m.DisconnectResponse(message=message, connection_id=request.connection_id)

    # -- environments

    async def list_environments(self, caller: Caller, request: m.EnvironmentsQuery) -> m.EnvironmentsResponse:
        """List the environments, from the cache where there is one."""
        looked = await self._session(request).look()
        found = looked.environments
        if request.filter == "runicorn_only":
            found = [each for each in found if each.runicorn_installed]
        return m.EnvironmentsResponse(
            environments=found, total=len(found), notes=looked.notes, storage_candidates=looked.roots
        )

    async def detect_environments(self, caller: Caller, request: m.DetectRequest) -> m.DetectResponse:
        """Look again, if forced to or if the list is older than a minute."""
        older_than = 0.0 if request.force_refresh else FRESH_SECONDS
        looked = await self._session(request).look(older_than=older_than)
        found = looked.environments
        with_runicorn = sum(each.runicorn_installed for each in found)
        return m.DetectResponse(
            message=f"Found {len(found)} environments, {with_runicorn} with runicorn.",
            environments_found=len(found),
            environments=found,
            notes=looked.notes,
            storage_candidates=looked.roots,
        )

    async def get_config(self, caller: Caller, request: m.ConfigQuery) -> m.ConfigResponse:
        """Read the remote user's runicorn configuration as it is now."""
        session = self._session(request)
        probe = await session.look(older_than=0.0)
        environment = await session.environment(request.env_name)
        return m.ConfigResponse(
            config=m.RunicornConfig.model_validate(probe.config),
            runicorn_version=environment.runicorn_version,
        )

    # -- viewer

    async def start_viewer(self, caller: Caller, request: m.ViewerStartRequest) -> m.ViewerStartResponse:
        """Start the viewer, or adopt the one that runs."""
        session = self._session(request)
        viewer = await session.start_viewer(
            caller, request, self._settings.viewer_lease_seconds, self._settings.base_url
        )
        await asyncio.to_thread(self._remember, session, viewer)
        self._emit("profiles")
        if request.auto_open and self._show is not None and viewer.url is not None:
            await asyncio.to_thread(self._show, viewer.url)
        return m.ViewerStartResponse(
            message=f"The viewer of {viewer.env_name} on {session.host} is running.", viewer=viewer
        )

    def _remember(self, session: Session, viewer: m.Viewer) -> None:
        try:
            self._profiles.remember(
                host=session.host,
                username=session.connection.target.username,
                env_name=viewer.env_name or "",
                remote_root=viewer.remote_root,
            )
        except InternalError as exc:  # a full disk is no reason to refuse the viewer
            log.warning("%s", exc.message)

    async def stop_viewer(self, caller: Caller, request: m.ViewerStopRequest) -> m.ViewerStopResponse:
        """Stop the viewer."""
        session = self._session(request)
        ended = await session.stop_viewer(cleanup=request.cleanup)
        message = f"The viewer on {session.host} was stopped."
        if not ended:
            message = f"This connection has left the viewer on {session.host}; others hold it, so it goes on."
        return m.ViewerStopResponse(message=message, ended=ended)

    async def viewer_status(self, caller: Caller, request: m.ConnectionQuery) -> m.ViewerStatusResponse:
        """Say how the viewer is; from memory while the connection is down."""
        return m.ViewerStatusResponse(
            viewer=self._session(request).describe_viewer(caller, self._settings.base_url)
        )

    async def viewer_logs(self, caller: Caller, request: m.LogsQuery) -> m.LogsResponse:
        """Read the last lines of the viewer's log."""
        logs, total = await self._session(request).logs(request.lines)
        return m.LogsResponse(logs=logs, total_lines=total)

    async def health(self, caller: Caller, request: m.ConnectionQuery) -> m.HealthResponse:
        """Check the connection and its viewer now."""
        return await self._session(request).health()

    async def ping(self, caller: Caller, request: m.ConnectionQuery) -> m.PingResponse:
        """Time one SSH round trip."""
        seconds = await self._session(request).connection.ping()
        return m.PingResponse(latency_ms=round(seconds * 1000, 3), timestamp=datetime.now(UTC))

    # -- runs

    async def list_runs(self, caller: Caller, request: m.RunsQuery) -> m.RunsResponse:
        """List the runs of all viewers, or what changed in the list."""
        if request.cursor is None:  # a page that follows is of the same list
            await self._look_at_runs()
        if request.changed_since is None:
            return await self._board.page(request, self._run_servers())
        answer, changed = await self._changed_runs(request)
        try:
            async with self._clock.timeout(request.wait):
                while answer is None:
                    await changed.wait()
                    answer, changed = await self._changed_runs(request)
        except TimeoutError:
            return self._board.nothing(self._run_servers())
        return answer

    async def _changed_runs(self, request: m.RunsQuery) -> tuple[m.RunsResponse | None, asyncio.Event]:
        """Give what changed, and what is set with the next change after that."""
        changed = self._board.changed
        return await self._board.changes(request, self._run_servers()), changed

    async def run_metrics(self, caller: Caller, request: m.RunMetricsQuery) -> m.RunMetricsResponse:
        """Read metrics of one run."""
        return await self._session(request).run_metrics(request)

    async def _look_at_runs(self) -> None:
        """Let each viewer be looked at, for as long as one may wait for it."""
        feeds = {session.runs for session in self._sessions.values() if session.runs is not None}
        looks = {look: feed for feed in feeds if (look := feed.look()) is not None}
        for look in await self._late(looks, LOOK_SECONDS):
            looks[look].miss()

    async def _late(self, tasks: Collection[asyncio.Task[T]], seconds: float) -> list[asyncio.Task[T]]:
        """Wait for tasks; give those that are not done in time."""
        with contextlib.suppress(TimeoutError):
            async with self._clock.timeout(seconds):
                if tasks:
                    await asyncio.wait(tasks)
        return [task for task in tasks if not task.done()]

    def _run_servers(self) -> list[m.RunsServer]:
        return [each.runs.describe() for each in self._sessions.values() if each.runs is not None]

    # -- hosts and profiles

    async def list_hosts(self, caller: Caller, _: None) -> m.HostsResponse:
        """List the aliases of the user's ssh config."""
        aliases = await asyncio.to_thread(resolver.list_aliases)
        return m.HostsResponse(hosts=aliases, total=len(aliases))

    async def list_known_hosts(self, caller: Caller, _: None) -> m.KnownHostsResponse:
        """List the host keys on record."""
        found = await self._opener.list_known_hosts()
        return m.KnownHostsResponse(known_hosts=found, total=len(found))

    async def accept_known_host(self, caller: Caller, request: m.KnownHostAccept) -> m.MessageResponse:
        """Trust exactly the key that the host offered."""
        await self._opener.accept_host_key(request)
        return m.MessageResponse(message=f"The key of {request.host} is trusted from now on.")

    async def remove_known_host(self, caller: Caller, request: m.KnownHostRemove) -> m.MessageResponse:
        """Forget the keys of a host."""
        removed = await self._opener.forget_host_keys(request)
        if not removed:
            raise NotFound(f"No key of {request.host} is on record.")
        return m.MessageResponse(message=f"Forgot {removed} key(s) of {request.host}.")

    async def list_profiles(self, caller: Caller, _: None) -> m.ProfilesResponse:
        """List the saved connections."""
        found = await asyncio.to_thread(self._profiles.list)
        recent = await asyncio.to_thread(self._profiles.recent)
        return m.ProfilesResponse(profiles=found, recent=recent, total=len(found))

    async def save_profile(self, caller: Caller, request: m.Profile) -> m.MessageResponse:
        """Save a connection under its name, replacing one of that name."""
        await asyncio.to_thread(self._profiles.save, request)
        self._emit("profiles")
        return m.MessageResponse(message=f"Saved {request.name}.")

    async def import_profiles(
        self, caller: Caller, request: m.ProfilesImportRequest
    ) -> m.ProfilesImportResponse:
        """Save aliases of the ssh config as connections, which it goes on to resolve; none is replaced."""
        aliases = [each.alias for each in await asyncio.to_thread(resolver.list_aliases)]
        wanted = aliases if request.aliases is None else request.aliases
        unknown = next((alias for alias in wanted if alias not in set(aliases)), None)
        if unknown is not None:
            raise InvalidParameters.for_field("aliases", f"has {unknown!r}, which is none of the ssh config.")
        profiles = []
        for alias in wanted:
            with contextlib.suppress(ValidationError):  # an alias may have what no host's name has
                profiles.append(m.Profile(name=alias, host=alias))
        imported = await asyncio.to_thread(self._profiles.add, profiles)
        self._emit("profiles")
        names = {profile.name for profile in imported}
        skipped = [alias for alias in dict.fromkeys(wanted) if alias not in names]
        return m.ProfilesImportResponse(
            message=f"Saved {len(imported)} hosts of the ssh config; {len(skipped)} were left as they are.",
            imported=imported,
            skipped=skipped,
        )

    async def delete_profile(self, caller: Caller, request: m.ProfileQuery) -> m.MessageResponse:
        """Delete a saved connection."""
        if not await asyncio.to_thread(self._profiles.delete, request.name):
            raise NotFound(f"No saved connection is called {request.name}.")
        self._emit("profiles")
        return m.MessageResponse(message=f"Deleted {request.name}.")

    # -- the end

    async def close(self) -> None:
        """End all viewers and connections, all at once; what takes too long is left to its lease."""
        self._closed = True
        self._opener.challenges.close()
        self._foresight.close()
        self._board.close()
        sessions, self._sessions = list(self._sessions.values()), {}
        closing = [asyncio.create_task(session.close(cleanup_viewer=True)) for session in sessions]
        for task in await self._late(closing, STOP_SECONDS):
            task.cancel()
        for task in closing:
            if task.done() and not task.cancelled() and (exc := task.exception()):
                log.error("closing a connection failed", exc_info=exc)
        await self._emit.close()

    async def _admit(self, opened: Opened) -> m.ConnectResponse:
        """Look around on a remote that was connected to, and list the connection."""
        connection, host = opened.connection, opened.host
        session = Session(
            connection,
            host,
            self._capabilities,
            self._emit,
            self._board,
            remote=self._remote_of(connection),
            foresight=self._foresight,
            memory=MemoryBudget(
                self._settings.connection_memory_bytes,
                "RunicornJupyter.connection_memory_mb",
                f"the connection to {host}",
                self._memory,
            ),
            clock=self._clock,
        )
        try:
            # What is open already gets the chance to say something.
            seconds = min(max(0.1, opened.deadline.left), PROBE_SECONDS)
            server = (await session.look(seconds=seconds)).server
        except BaseException:
            await session.close(cleanup_viewer=False)
            raise
        if self._closed:
            await session.close(cleanup_viewer=False)
            raise SshUnavailable("This Jupyter server is stopping; nothing is connected any more.")
        self._sessions[connection.connection_id] = session
        session.announce()
        return m.ConnectResponse(
            connection_id=connection.connection_id,
            host=host,
            port=connection.target.port,
            username=connection.target.username,
            status=connection.status,
            server_info=server,
            created_at=connection.created_at,
        )

    def _session(self, request: m.ConnectionQuery) -> Session:
        session = self._sessions.get(request.connection_id)
        if session is None:
            raise ConnectionNotFound("There is no such connection; it may have been closed.")
        return session
