"""Operations on saved connections."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from pydantic import ValidationError

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import InvalidParameters, NotFound
from runicorn_jupyter.ssh.config import resolver

if TYPE_CHECKING:
    from runicorn_jupyter.service.caller import Caller, Emit
    from runicorn_jupyter.service.profile_store import Profiles

__all__ = ["ProfileService"]


class ProfileService:
    """Lists, saves, imports and deletes saved connections.

    Parameters
    ----------
    profiles
        Stores them. Blocks: called in a thread.
    emit
        Sends an event to the front ends.
    """

    def __init__(self, profiles: Profiles, emit: Emit) -> None:
        self._profiles = profiles
        self._emit = emit

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
