"""Operations on the viewer of a connection."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from runicorn_jupyter.service.caller import Caller, Emit
    from runicorn_jupyter.service.profile_store import Profiles
    from runicorn_jupyter.service.quotas import Quotas
    from runicorn_jupyter.service.session import Session
    from runicorn_jupyter.service.sessions import Sessions

__all__ = ["ViewerService"]

log = logging.getLogger(__name__)


class ViewerService:
    """Starts and stops viewers, and reports on them.

    Parameters
    ----------
    sessions
        The table of open connections.
    quotas
        How many viewers may be started.
    profiles
        Stores what was last opened on each host. Blocks: called in a thread.
    emit
        Sends an event to the front ends.
    show
        Opens a URL on this machine's screen; None where a front end does that, or there is no screen.
    """

    def __init__(
        self,
        sessions: Sessions,
        quotas: Quotas,
        profiles: Profiles,
        emit: Emit,
        show: Callable[[str], object] | None,
    ) -> None:
        self._sessions = sessions
        self._quotas = quotas
        self._profiles = profiles
        self._emit = emit
        self._show = show

    async def start_viewer(self, caller: Caller, request: m.ViewerStartRequest) -> m.ViewerStartResponse:
        """Start the viewer, or adopt the one that runs."""
        session = self._sessions.get(request.connection_id)
        with self._quotas.viewer(session):
            viewer = await session.start_viewer(caller, request)
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
        """Stop the viewer, or leave it to the others who hold it."""
        session = self._sessions.get(request.connection_id)
        ended = await session.stop_viewer(cleanup=request.cleanup)
        message = f"The viewer on {session.host} was stopped."
        if not ended:
            message = f"This connection has left the viewer on {session.host}; others hold it, so it goes on."
        return m.ViewerStopResponse(message=message, ended=ended)

    async def viewer_status(self, caller: Caller, request: m.ConnectionQuery) -> m.ViewerStatusResponse:
        """Return the viewer's state, as last known while the connection is down."""
        session = self._sessions.get(request.connection_id)
        return m.ViewerStatusResponse(viewer=session.describe_viewer(caller))

    async def viewer_logs(self, caller: Caller, request: m.LogsQuery) -> m.LogsResponse:
        """Read the last lines of the viewer's log."""
        logs, total = await self._sessions.get(request.connection_id).logs(request.lines)
        return m.LogsResponse(logs=logs, total_lines=total)
