"""The viewer that was opened last on a host, started before anybody asks for it.

Nobody holds it until then, and what nobody holds ends itself within a minute (``payload/server.py``).
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from runicorn_jupyter.errors import RemoteError
from runicorn_jupyter.remote import environments
from runicorn_jupyter.remote.host_client import StartParameters

if TYPE_CHECKING:
    from runicorn_jupyter.models import Environment
    from runicorn_jupyter.remote.host_client import HostClient, Line
    from runicorn_jupyter.remote.probe import Probe
    from runicorn_jupyter.remote.viewer_state import ViewerStateFile
    from runicorn_jupyter.service.profile_store import Profiles

log = logging.getLogger(__name__)

UNHELD_SECONDS = 60.0
"""Lifetime of an unclaimed prewarmed viewer, in seconds; at most one exists at a time."""


class Host(Protocol):
    """What this needs of a session."""

    host: str
    connection: Line
    remote: HostClient

    async def look(self) -> Probe:
        """Give what the probe found."""


@dataclass
class _Prewarmed:
    connection: Line
    begun: float
    task: asyncio.Task[ViewerStateFile | None] = field(init=False)
    known: asyncio.Event = field(default_factory=asyncio.Event)  # which one it is
    environment: Environment | None = None
    root: str | None = None


class ViewerPrewarmer:
    """Starts the viewer that was opened last on a host before it is asked for; at most one at a time.

    Parameters
    ----------
    profiles
        Tell what was opened last on each host.
    lease_seconds
        Of its viewers, as of those that are asked for.
    """

    def __init__(self, profiles: Profiles, lease_seconds: float) -> None:
        self._profiles = profiles
        self._lease = lease_seconds
        self._prewarmed: _Prewarmed | None = None

    def start(self, session: Host) -> None:
        """Start what was opened last on this host, if anything was and no other is waiting to be claimed."""
        now = asyncio.get_running_loop().time()
        if self._prewarmed is not None and now - self._prewarmed.begun < UNHELD_SECONDS:
            return
        self._prewarmed = prewarmed = _Prewarmed(session.connection, now)
        prewarmed.task = asyncio.create_task(self._run(session, prewarmed))

    async def _run(self, session: Host, prewarmed: _Prewarmed) -> ViewerStateFile | None:
        username = session.connection.target.username
        try:
            recent = await asyncio.to_thread(self._profiles.recent)
            last = next((one for one in recent if (one.host, one.username) == (session.host, username)), None)
            if last is None:
                return None
            found = (await session.look()).environments
            environment = environments.find(found, last.env_name)
            if not environment.runicorn_installed:
                return None
            prewarmed.environment, prewarmed.root = environment, last.remote_root
            prewarmed.known.set()
            return await session.remote.start_unheld(
                StartParameters(environment, last.remote_root, self._lease)
            )
        except (RemoteError, OSError) as exc:  # whoever asks for it meets the same, and is told
            log.info("%s: the viewer that was opened last was not started: %s", session.host, exc)
            return None
        finally:
            prewarmed.known.set()

    async def claim(
        self, connection: Line, environment: Environment, root: str | None
    ) -> list[ViewerStateFile]:
        """Return the prewarmed viewer, once it runs, if it is of this environment and root; else nothing."""
        prewarmed = self._prewarmed
        if prewarmed is None or prewarmed.connection is not connection:
            return []
        self._prewarmed = None
        await prewarmed.known.wait()
        if prewarmed.environment is None or prewarmed.environment.prefix != environment.prefix:
            return []
        if root not in (None, prewarmed.root):
            return []
        await asyncio.wait([prewarmed.task])
        state = None if prewarmed.task.cancelled() else prewarmed.task.result()
        return [] if state is None else [state]

    def cancel(self, connection: Line) -> None:
        """Cancel a start on this connection; a viewer that runs already ends itself."""
        if self._prewarmed is not None and self._prewarmed.connection is connection:
            self._prewarmed.task.cancel()
            self._prewarmed = None

    def close(self) -> None:
        """Cancel the start under way."""
        if self._prewarmed is not None:
            self.cancel(self._prewarmed.connection)
