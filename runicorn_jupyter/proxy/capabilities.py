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
from runicorn_jupyter.proxy.request_queue import RecentViewers
from runicorn_jupyter.proxy.throttle import Throttle
from runicorn_jupyter.proxy.upstream import Upstream

if TYPE_CHECKING:
    from runicorn_jupyter.proxy.endpoint import Endpoint, ViewerView
    from runicorn_jupyter.proxy.pace import Pace

CAPABILITY_BYTES = 16
"""Length in bytes: 128 random bits cannot be guessed (docs/design.md, "The viewer's origin")."""

CAPABILITY = re.compile(rf"[0-9a-f]{{{CAPABILITY_BYTES * 2}}}")
"""The pattern of a capability in a URL."""

VIEWERS = "runicorn/v/"
"""The path below Jupyter's base URL that viewers' URLs begin with."""

VIEWERS_PATTERN = rf"/{VIEWERS}.*"
"""The pattern of a Tornado rule for all viewers, without the base URL."""

MAX_ENDED = 1024
"""Number of ended capabilities that are remembered, so that their pages are told and logs mask them."""

MAX_HISTORIES = 64
"""Number of partitions whose request history is kept."""


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
    """Maps capabilities to viewers; the holder of a capability may use its viewer.

    Parameters
    ----------
    storages
        Where the viewers' ``localStorage`` is kept; default: nowhere.
    pace
        How fast viewers' streams are read, all together; default: as fast as they come.

    Attributes
    ----------
    assets
        The viewers' static files; none are kept unless `viewer_handlers` says so.
    answers
        Holds back what is answered below capabilities that stand for no viewer.
    """

    def __init__(self, storages: StorageFolder | None = None, pace: Pace | None = None) -> None:
        self._upstreams: dict[str, Upstream] = {}
        self._storages = storages
        self._pace = pace
        self._histories: OrderedDict[str, RequestHistory] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._recent = RecentViewers()
        self.assets = AssetCache(0)
        self.answers = Throttle()

    async def storage(self, viewer: ViewerView, root: str | None) -> ViewerStorage:
        """Return the saved ``localStorage`` of a viewer's storage root.

        Parameters
        ----------
        viewer
            The viewer; its partition is a part of the key.
        root
            Its storage root there.
        """
        if self._storages is None:
            return ViewerStorage()
        return await self._storages.open(partition_of(viewer), root)

    async def close(self) -> None:
        """Revoke all capabilities and write pending storage."""
        for capability in list(self._upstreams):
            self.revoke(capability)
        if self._storages is not None:
            await self._storages.close()

    def issue(self, endpoint: Endpoint) -> str:
        """Issue a capability for a viewer.

        Returns
        -------
        str
            32 lower-case hexadecimal digits. Never log it.
        """
        capability = secrets.token_hex(CAPABILITY_BYTES)
        self._upstreams[capability] = Upstream(endpoint, self._history_of, self._recent, self._pace)
        return capability

    def _history_of(self, partition: str) -> RequestHistory:
        history = self._histories.setdefault(partition, RequestHistory())
        self._histories.move_to_end(partition)
        if len(self._histories) > MAX_HISTORIES:
            self._histories.popitem(last=False)
        return history

    def move(self, capability: str, *, title: str, storage: ViewerStorage) -> None:
        """Replace the viewer behind a capability by another process, and drop what the first one sent.

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
        """Prefetch for the page of a viewer that has just started.

        Parameters
        ----------
        capability
            The viewer's.
        round_trip
            Measures the round-trip time to the viewer's host, in seconds.
        """
        upstream = self.upstream(capability)
        if upstream is not None:
            upstream.prefetcher.prepare(self.assets, round_trip)

    def get(self, capability: str) -> Endpoint | None:
        """Return the endpoint of a capability, or None if it is revoked or unknown."""
        upstream = self.upstream(capability)
        return upstream.endpoint if upstream is not None else None

    def upstream(self, capability: str) -> Upstream | None:
        """Return the upstream of a capability, or None if it is revoked or unknown."""
        return self._upstreams.get(capability)

    def is_known(self, capability: str) -> bool:
        """Return whether this server issued the capability; recently revoked ones count."""
        return capability in self._upstreams or capability in self._ended

    def revoke(self, capability: str) -> None:
        """Revoke a capability: its streams close, and its URL is 404 from now on."""
        upstream = self._upstreams.pop(capability, None)
        if upstream is not None:
            self._ended[capability] = None
            if len(self._ended) > MAX_ENDED:
                self._ended.popitem(last=False)
            upstream.close()
