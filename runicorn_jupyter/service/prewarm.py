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

if TYPE_CHECKING:
    from runicorn_jupyter.models import Environment
    from runicorn_jupyter.remote.host_client import HostClient, Line
    from runicorn_jupyter.remote.probe import Probe
    from runicorn_jupyter.remote.viewer_state import RunningViewer
    from runicorn_jupyter.service.profile_store import Profiles

log = logging.getLogger(__name__)

UNHELD_SECONDS = 60.0
"""So long a viewer lives that nobody claims; no other is started unasked meanwhile."""


class Host(Protocol):
    """What this needs of a session."""

    host: str
    connection: Line
    remote: HostClient

    async def look(self) -> Probe:
        """Give what the probe found."""


@dataclass
class _Foreseen:
    connection: Line
    begun: float
    task: asyncio.Task[RunningViewer | None] = field(init=False)
    known: asyncio.Event = field(default_factory=asyncio.Event)  # which one it is
    environment: Environment | None = None
    root: str | None = None


class Foresight:
    """Starts at most one viewer of this server unasked.

    Parameters
    ----------
    profiles
        Know what was opened last on each host.
    lease_seconds
        As of viewers that are asked for.
    """

    def __init__(self, profiles: Profiles, lease_seconds: float) -> None:
        self._profiles = profiles
        self._lease = lease_seconds
        self._foreseen: _Foreseen | None = None

    def begin(self, session: Host) -> None:
        """Start what was opened last on this host, if anything was and no other is waiting to be claimed."""
        now = asyncio.get_running_loop().time()
        if self._foreseen is not None and now - self._foreseen.begun < UNHELD_SECONDS:
            return
        self._foreseen = foreseen = _Foreseen(session.connection, now)
        foreseen.task = asyncio.create_task(self._start(session, foreseen))

    async def _start(self, session: Host, foreseen: _Foreseen) -> RunningViewer | None:
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
            foreseen.environment, foreseen.root = environment, last.remote_root
            foreseen.known.set()
            return await session.remote.start_unheld(environment, last.remote_root, lease_seconds=self._lease)
        except (RemoteError, OSError) as exc:  # whoever asks for it meets the same, and is told
            log.info("%s: the viewer that was opened last was not started: %s", session.host, exc)
            return None
        finally:
            foreseen.known.set()

    async def take(self, connection: Line, environment: Environment, root: str | None) -> list[RunningViewer]:
        """Give the viewer that is on its way to be just this one, once it runs; else nothing."""
        foreseen = self._foreseen
        if foreseen is None or foreseen.connection is not connection:
            return []
        self._foreseen = None
        await foreseen.known.wait()
        if foreseen.environment is None or foreseen.environment.prefix != environment.prefix:
            return []
        if root not in (None, foreseen.root):
            return []
        await asyncio.wait([foreseen.task])
        state = None if foreseen.task.cancelled() else foreseen.task.result()
        return [] if state is None else [state]

    def forget(self, connection: Line) -> None:
        """Stop what is on its way by this connection; what runs already ends itself."""
        if self._foreseen is not None and self._foreseen.connection is connection:
            self._foreseen.task.cancel()
            self._foreseen = None

    def close(self) -> None:
        """Stop what is on its way."""
        if self._foreseen is not None:
            self.forget(self._foreseen.connection)
