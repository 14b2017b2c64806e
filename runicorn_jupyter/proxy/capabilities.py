"""Which URL a viewer gets: capabilities, and the upstreams that they stand for."""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING

from runicorn_jupyter.proxy.asset_cache import AssetCache
from runicorn_jupyter.proxy.endpoint import partition_of
from runicorn_jupyter.proxy.local_storage import StorageFolder, ViewerStorage
from runicorn_jupyter.proxy.prefetch import RequestHistory, RoundTrip
from runicorn_jupyter.proxy.throttle import Throttle
from runicorn_jupyter.proxy.upstream import Upstream

if TYPE_CHECKING:
    from runicorn_jupyter.proxy.endpoint import Endpoint, ViewerView

CAPABILITY_BYTES = 16
"""128 random bits: nobody guesses one (docs/design.md, "The viewer's origin")."""

CAPABILITY = re.compile(rf"[0-9a-f]{{{CAPABILITY_BYTES * 2}}}")
"""What a capability looks like in a URL."""

VIEWERS = "runicorn/v/"
"""The path below Jupyter's base URL that viewers' URLs begin with."""

VIEWERS_PATTERN = rf"/{VIEWERS}.*"
"""The pattern of a Tornado rule for all viewers, without the base URL."""

MAX_ENDED = 1024
"""How many capabilities that have ended are still known as such: their pages are told, and logs mask them."""

MAX_HISTORIES = 64
"""Of how many places it is remembered what their pages ask for."""


def viewer_path(base_url: str, capability: str) -> str:
    """Return the path of a viewer's URL.

    Parameters
    ----------
    base_url
        The Jupyter server's base URL, with slashes at both ends.
    capability
        The viewer's.
    """
    return f"{base_url}{VIEWERS}{capability}/"


class Capabilities:
    """The table from capabilities to viewers; whoever holds a capability may use that viewer.

    Parameters
    ----------
    storages
        Where the viewers' ``localStorage`` is kept; default: nowhere.

    Attributes
    ----------
    assets
        The viewers' static files; none are kept unless `viewer_handlers` says so.
    answers
        Holds back what is answered below capabilities that stand for no viewer.
    """

    def __init__(self, storages: StorageFolder | None = None) -> None:
        self._upstreams: dict[str, Upstream] = {}
        self._storages = storages
        self._histories: OrderedDict[str, RequestHistory] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()
        self.assets = AssetCache(0)
        self.answers = Throttle()

    async def storage(self, viewer: ViewerView, root: str | None) -> ViewerStorage:
        """Give the ``localStorage`` of a viewer's storage root, as it was left.

        Parameters
        ----------
        viewer
            The viewer, by the place that it is at.
        root
            Its storage root there.
        """
        if self._storages is None:
            return ViewerStorage()
        return await self._storages.open(partition_of(viewer), root)

    async def close(self) -> None:
        """End all capabilities, and write what has not been written."""
        for capability in list(self._upstreams):
            self.revoke(capability)
        if self._storages is not None:
            await self._storages.close()

    def issue(self, endpoint: Endpoint) -> str:
        """Make a capability for a viewer.

        Returns
        -------
        str
            32 lower-case hexadecimal digits. Never log it.
        """
        capability = secrets.token_hex(CAPABILITY_BYTES)
        self._upstreams[capability] = Upstream(endpoint, self._history_of)
        return capability

    def _history_of(self, partition: str) -> RequestHistory:
        history = self._histories.setdefault(partition, RequestHistory())
        self._histories.move_to_end(partition)
        if len(self._histories) > MAX_HISTORIES:
            self._histories.popitem(last=False)
        return history

    def move(self, capability: str, *, title: str, storage: ViewerStorage) -> None:
        """Note that another process is the viewer now: nothing of the one before is given to anybody.

        Parameters
        ----------
        capability
            The viewer's.
        title, storage
            As `Endpoint` has them.
        """
        upstream = self._upstreams[capability]
        upstream.endpoint.title, upstream.endpoint.storage = title, storage
        upstream.prefetcher.invalidate()
        upstream.pool.drop_idle()

    def prepare(self, capability: str, round_trip: RoundTrip) -> None:
        """Get ready for the page of a viewer that has just started: it is about to be opened.

        Parameters
        ----------
        capability
            The viewer's.
        round_trip
            Measures how far the viewer's host is, in seconds.
        """
        upstream = self.upstream(capability)
        if upstream is not None:
            upstream.prefetcher.prepare(self.assets, round_trip)

    def get(self, capability: str) -> Endpoint | None:
        """Give the endpoint behind a capability, or ``None`` for a dead or unknown one."""
        upstream = self.upstream(capability)
        return upstream.endpoint if upstream is not None else None

    def upstream(self, capability: str) -> Upstream | None:
        """Give the viewer behind a capability, or ``None`` for a dead or unknown one."""
        return self._upstreams.get(capability)

    def is_known(self, capability: str) -> bool:
        """Tell whether this server gave the capability out, be it alive or lately ended."""
        return capability in self._upstreams or capability in self._ended

    def revoke(self, capability: str) -> None:
        """End a capability: its streams close, and its URL is 404 from now on."""
        upstream = self._upstreams.pop(capability, None)
        if upstream is not None:
            self._ended[capability] = None
            if len(self._ended) > MAX_ENDED:
                self._ended.popitem(last=False)
            upstream.close()
