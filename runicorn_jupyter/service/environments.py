"""Operations on the Python environments of a remote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runicorn_jupyter import models as m
from runicorn_jupyter.service.session import FRESH_SECONDS
from runicorn_jupyter.service.setup import setup_plan
from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from runicorn_jupyter.remote.probe import Probe
    from runicorn_jupyter.service.caller import Caller
    from runicorn_jupyter.service.sessions import Sessions
    from runicorn_jupyter.service.setup import EnvironmentSetup

__all__ = ["EnvironmentService"]


class EnvironmentService:
    """Lists, makes and removes environments, and reads runicorn's configuration in them.

    Parameters
    ----------
    sessions
        The table of open connections.
    setup
        Makes and removes private environments.
    """

    def __init__(self, sessions: Sessions, setup: EnvironmentSetup) -> None:
        self._sessions = sessions
        self._setup = setup

    async def list_environments(self, caller: Caller, request: m.EnvironmentsQuery) -> m.EnvironmentsResponse:
        """List the environments, from the last probe if there was one."""
        probe = await self._sessions.get(request.connection_id).look()
        found = probe.environments
        if request.filter == "runicorn_only":
            found = [each for each in found if each.runicorn_installed]
        return m.EnvironmentsResponse(
            environments=found,
            total=len(found),
            notes=probe.notes,
            storage_candidates=list(probe.roots),
            storage_roots=_storage_roots(probe),
            setup=setup_plan(probe),
        )

    async def detect_environments(self, caller: Caller, request: m.DetectRequest) -> m.DetectResponse:
        """Probe the remote again if forced to, or if the last probe is older than a minute."""
        older_than = 0.0 if request.force_refresh else FRESH_SECONDS
        probe = await self._sessions.get(request.connection_id).look(older_than=older_than, ask_shell=True)
        found = probe.environments
        with_runicorn = sum(each.runicorn_installed for each in found)
        return m.DetectResponse(
            message=f"Found {len(found)} environments, {with_runicorn} with runicorn.",
            environments_found=len(found),
            environments=found,
            notes=probe.notes,
            storage_candidates=list(probe.roots),
            storage_roots=_storage_roots(probe),
            setup=setup_plan(probe),
        )

    async def create_environment(
        self, caller: Caller, request: m.CreateEnvironmentRequest
    ) -> m.CreateEnvironmentResponse:
        """Make a private environment with runicorn on the remote, or find the one that is there."""
        session = self._sessions.get(request.connection_id)
        environment, created = await self._setup.create(caller, session, request)
        what = "was set up" if created else "is there already"
        return m.CreateEnvironmentResponse(
            message=f"runicorn {environment.runicorn_version} {what} on {session.host}.",
            environment=environment,
            created=created,
        )

    async def cancel_environment(self, caller: Caller, request: m.CancelSetupQuery) -> m.MessageResponse:
        """Cancel the making of a private environment."""
        self._setup.cancel(caller, request.request_id)
        return m.MessageResponse(message="Setting up runicorn is being cancelled.")

    async def remove_environment(
        self, caller: Caller, request: m.ConnectionQuery
    ) -> m.RemoveEnvironmentResponse:
        """Remove the private environment from the remote."""
        session = self._sessions.get(request.connection_id)
        freed = await self._setup.remove(caller, session)
        return m.RemoveEnvironmentResponse(
            message=f"What was set up on {session.host} was removed ({freed / 1e6:.0f} MB).",
            bytes_freed=freed,
        )

    async def get_config(self, caller: Caller, request: m.ConfigQuery) -> m.ConfigResponse:
        """Read the remote user's runicorn configuration as it is now."""
        session = self._sessions.get(request.connection_id)
        probe = await session.look(older_than=0.0)
        environment = await session.environment(request.env_name)
        return m.ConfigResponse(
            config=m.RunicornConfig.model_validate(probe.config),
            runicorn_version=environment.runicorn_version,
        )


def _storage_roots(probe: Probe) -> list[m.StorageRoot]:
    """List the roots to offer: a path that cannot be shown as it is, is none that a person could choose."""
    return [
        m.StorageRoot(path=path, runs=runs) for path, runs in probe.roots.items() if plain_text(path) == path
    ]
