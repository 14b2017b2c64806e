"""Operations on connections: opening them, the questions on the way, their health, and closing them."""

from __future__ import annotations

import asyncio
import logging
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import RemoteError, SshUnavailable
from runicorn_jupyter.remote.clock import unfinished
from runicorn_jupyter.remote.memory_budget import MemoryBudget
from runicorn_jupyter.remote.probe import PROBE_SECONDS
from runicorn_jupyter.service.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from runicorn_jupyter.proxy.capabilities import Capabilities
    from runicorn_jupyter.remote.clock import Clock
    from runicorn_jupyter.remote.host_client import HostClient
    from runicorn_jupyter.service.caller import Caller, Emit
    from runicorn_jupyter.service.metrics import Metrics
    from runicorn_jupyter.service.opener import Opened, Opener
    from runicorn_jupyter.service.prewarm import ViewerPrewarmer
    from runicorn_jupyter.service.quotas import Quotas
    from runicorn_jupyter.service.run_index import RunIndex
    from runicorn_jupyter.service.sessions import Sessions
    from runicorn_jupyter.service.settings import ServiceSettings
    from runicorn_jupyter.ssh.auth.ask import Ask
    from runicorn_jupyter.ssh.connection import Connection

__all__ = ["STOP_SECONDS", "ConnectionService"]

log = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""An orderly stop of Jupyter ends the viewers it holds within this time (docs/contract.md, "Viewers")."""


class ConnectionService:
    """Opens, lists, checks and closes connections.

    Parameters
    ----------
    settings
        The administrator's settings.
    sessions
        The table of open connections, which this fills.
    opener
        Opens SSH connections, and keeps the questions that are asked meanwhile.
    capabilities
        The proxy's table of viewers.
    emit
        Sends an event to the front ends.
    index
        The index of all runs.
    prewarmer
        Starts viewers before they are asked for.
    quotas
        How many connections may be opened.
    remote_of
        Makes the client of the host at the other end of a connection.
    metrics
        Counts what is opened.
    clock
        Times and timeouts.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        sessions: Sessions,
        opener: Opener,
        *,
        capabilities: Capabilities,
        emit: Emit,
        index: RunIndex,
        prewarmer: ViewerPrewarmer,
        quotas: Quotas,
        remote_of: Callable[[Connection], HostClient],
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._opener = opener
        self._capabilities = capabilities
        self._emit = emit
        self._index = index
        self._prewarmer = prewarmer
        self._quotas = quotas
        self._remote_of = remote_of
        self._metrics = metrics
        self._clock = clock
        self._closed = False
        self._memory = MemoryBudget(
            settings.memory_bytes, "RunicornJupyter.memory_mb", "all connections together"
        )

    async def connect(self, caller: Caller, request: m.ConnectRequest) -> m.ConnectResponse:
        """Open a connection; each call makes a new one, under a new id."""
        self._metrics.register()
        about = {
            "connection_id": f"conn_{secrets.token_hex(4)}",
            "request_id": caller.request_id,
            "host": request.host,
        }

        message = self._opener.server_message(about)

        async def work(ask: Ask) -> m.ConnectResponse:
            with self._quotas.connection(caller.user):
                try:
                    opened = await self._opener.open(request, about, ask, message)
                    seconds = opened.deadline.seconds - opened.deadline.left
                    self._metrics.connected(opened.connection, opened.host, seconds)
                    session, answer = await self._admit(opened, caller.user)
                except RemoteError as error:
                    message.attach(error)
                    raise
            is_quiet = request.password is None and not opened.deadline.has_asked
            if self._settings.start_remembered and is_quiet and self._quotas.has_room_for_viewer(session):
                self._prewarmer.start(session)
            return answer

        # Where the person is asked, this request ends with that; the work goes on with the answer.
        answer: m.ConnectResponse = await self._opener.challenges.run(caller.user, work, about, message)
        return answer

    async def _admit(self, opened: Opened, user: str) -> tuple[Session, m.ConnectResponse]:
        """Probe the remote of a new connection, and list the connection."""
        connection, host = opened.connection, opened.host
        session = self._new_session(connection, host, user)
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
        self._sessions.add(session)
        session.announce()
        return session, m.ConnectResponse(
            connection_id=connection.connection_id,
            host=host,
            port=connection.target.port,
            username=connection.target.username,
            status=connection.status,
            server_info=server,
            created_at=connection.created_at,
        )

    def _new_session(self, connection: Connection, host: str, user: str) -> Session:
        return Session(
            connection,
            host,
            self._settings,
            user=user,
            capabilities=self._capabilities,
            emit=self._emit,
            index=self._index,
            remote=self._remote_of(connection),
            prewarmer=self._prewarmer,
            memory=MemoryBudget(
                self._settings.connection_memory_bytes,
                "RunicornJupyter.connection_memory_mb",
                f"the connection to {host}",
                self._memory,
            ),
            clock=self._clock,
        )

    async def answer_challenge(self, caller: Caller, request: m.ChallengeAnswerRequest) -> m.ConnectResponse:
        """Answer the prompts of a challenge; waits as `connect` does."""
        answer: m.ConnectResponse = await self._opener.challenges.answer(
            request.challenge_id, caller.user, request.responses
        )
        session = self._sessions.find(answer.connection_id)
        return answer.model_copy(update={"status": session.connection.status}) if session else answer

    async def get_challenge(self, caller: Caller, request: m.ChallengeQuery) -> m.ChallengeResponse:
        """Return the prompts of an open challenge."""
        return self._opener.challenges.get(request.challenge_id, caller.user).describe()

    async def drop_challenge(self, caller: Caller, request: m.ChallengeQuery) -> m.MessageResponse:
        """Decline a challenge, which ends its attempt to connect."""
        self._opener.challenges.drop(request.challenge_id, caller.user)
        return m.MessageResponse(message="The question was declined; nothing was connected.")

    async def list_connections(self, caller: Caller, _: None) -> m.ConnectionsResponse:
        """List all connections, whatever their status."""
        connections = [session.describe(caller) for session in self._sessions]
        return m.ConnectionsResponse(connections=connections, total=len(connections))

    async def disconnect(self, caller: Caller, request: m.DisconnectQuery) -> m.DisconnectResponse:
        """Close a connection, and stop its viewer unless it is to stay."""
        session = self._sessions.remove(request.connection_id)
        told = await session.close(cleanup_viewer=request.cleanup_viewer)
        message = f"Disconnected from {session.host}."
        if not told:
            message += " It could not be reached; its viewer ends by itself when the lease is over."
        return m.DisconnectResponse(message=message, connection_id=request.connection_id)

    async def health(self, caller: Caller, request: m.ConnectionQuery) -> m.HealthResponse:
        """Check the connection and its viewer now."""
        return await self._sessions.get(request.connection_id).health()

    async def ping(self, caller: Caller, request: m.ConnectionQuery) -> m.PingResponse:
        """Time one SSH round trip."""
        seconds = await self._sessions.get(request.connection_id).connection.ping()
        return m.PingResponse(latency_ms=round(seconds * 1000, 3), timestamp=datetime.now(UTC))

    async def close(self) -> None:
        """Close all connections and their viewers at once; what takes too long is left to its lease."""
        self._closed = True
        self._opener.challenges.close()
        closing = [
            asyncio.create_task(session.close(cleanup_viewer=True)) for session in self._sessions.clear()
        ]
        for task in await unfinished(closing, STOP_SECONDS, self._clock):
            task.cancel()
        for task in closing:
            if task.done() and not task.cancelled() and (exc := task.exception()):
                log.error("closing a connection failed", exc_info=exc)
