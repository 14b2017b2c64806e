"""Operations on the hosts of the user's ssh config and on known host keys."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import NotFound
from runicorn_jupyter.ssh.config import resolver

if TYPE_CHECKING:
    from runicorn_jupyter.service.caller import Caller
    from runicorn_jupyter.service.opener import Opener

__all__ = ["HostService"]


class HostService:
    """Lists hosts, and manages their keys.

    Parameters
    ----------
    opener
        Knows which keys hosts have offered, and the files of those that are trusted.
    """

    def __init__(self, opener: Opener) -> None:
        self._opener = opener

    async def list_hosts(self, caller: Caller, _: None) -> m.HostsResponse:
        """List the aliases of the user's ssh config."""
        aliases = await asyncio.to_thread(resolver.list_aliases)
        return m.HostsResponse(hosts=aliases, total=len(aliases))

    async def list_known_hosts(self, caller: Caller, _: None) -> m.KnownHostsResponse:
        """List the known host keys."""
        found = await self._opener.list_known_hosts()
        return m.KnownHostsResponse(known_hosts=found, total=len(found))

    async def accept_known_host(self, caller: Caller, request: m.KnownHostAccept) -> m.MessageResponse:
        """Trust exactly the key that the host offered."""
        await self._opener.accept_host_key(request)
        return m.MessageResponse(message=f"The key of {request.host} is trusted from now on.")

    async def remove_known_host(self, caller: Caller, request: m.KnownHostRemove) -> m.MessageResponse:
        """Remove the keys of a host."""
        removed = await self._opener.forget_host_keys(request)
        if not removed:
            raise NotFound(f"No key of {request.host} is on record.")
        return m.MessageResponse(message=f"Forgot {removed} key(s) of {request.host}.")
