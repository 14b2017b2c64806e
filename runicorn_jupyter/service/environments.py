"""Operations on the Python environments of a remote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runicorn_jupyter import models as m
from runicorn_jupyter.service.session import FRESH_SECONDS

if TYPE_CHECKING:
    from runicorn_jupyter.service.caller import Caller
    from runicorn_jupyter.service.sessions import Sessions

__all__ = ["EnvironmentService"]


class EnvironmentService:
    """Lists environments, and reads runicorn's configuration in them.

    Parameters
    ----------
    sessions
        The table of open connections.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def list_environments(self, caller: Caller, request: m.EnvironmentsQuery) -> m.EnvironmentsResponse:
        """List the environments, from the last probe if there was one."""
        probe = await self._sessions.get(request.connection_id).look()
        found = probe.environments
        if request.filter == "runicorn_only":
            found = [each for each in found if each.runicorn_installed]
        return m.EnvironmentsResponse(
            environments=found, total=len(found), notes=probe.notes, storage_candidates=probe.roots
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
            storage_candidates=probe.roots,
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
