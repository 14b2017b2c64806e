"""Viewers' static files, kept on the Jupyter side so that a second visit costs the network nothing."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass

from runicorn_jupyter.proxy.html import is_html

IMMUTABLE = "private, max-age=31536000, immutable"
"""For a file whose name carries the hash of its content (RFC 8246)."""

MAX_ASSET_BYTES = 32 * 2**20
"""The largest single file that is kept."""

# Vite's default: NAME-HASH.EXT below assets/, the hash being eight characters of base64url.
_HASHED = re.compile(r"/assets/(?:[A-Za-z0-9_.-]+/)*[A-Za-z0-9_.-]+-[A-Za-z0-9_-]{8}\.[a-z0-9]{2,5}")
_CODINGS = ("br", "gzip", "zstd")
_KEPT_HEADERS = frozenset({"content-type", "content-encoding", "etag", "last-modified", "vary"})
_OVERHEAD = 1024

Key = tuple[str, str, str]
"""Which file: partition (``origin.partition_of``), path and content coding."""


def is_hashed(path: str) -> bool:
    """Return whether a path has a content hash in it, so that its file never changes."""
    return _HASHED.fullmatch(path) is not None


def accepted_codings(accept_encoding: str) -> tuple[str, ...]:
    """Return the content codings that a request accepts, sorted; weights are ignored."""
    accepted = set()
    for token in accept_encoding.lower().split(","):
        coding, _, weight = token.partition(";")
        if coding.strip() in _CODINGS and weight.replace(" ", "") not in ("q=0", "q=0.0"):
            accepted.add(coding.strip())
    return tuple(sorted(accepted))


@dataclass(frozen=True, slots=True)
class Asset:
    """A whole answer with status 200, as the viewer encoded it."""

    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def size(self) -> int:
        """Bytes that it counts as."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers) + _OVERHEAD


class AssetCache:
    """Least recently used files by partition, path and content coding.

    Parameters
    ----------
    max_bytes
        The most that all files may be together; 0 keeps none.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.size = 0
        self._assets: OrderedDict[Key, Asset] = OrderedDict()

    def get(self, key: Key) -> Asset | None:
        """Return a file of exactly this partition, or None."""
        asset = self._assets.get(key)
        if asset is not None:
            self._assets.move_to_end(key)
        return asset

    def find(self, partition: str, path: str, codings: tuple[str, ...]) -> Asset | None:
        """Return a file of exactly this partition in one of these codings or in none, or None."""
        found = (self.get((partition, path, coding)) for coding in (*codings, ""))
        return next((asset for asset in found if asset is not None), None)

    def keeper(self, partition: str, path: str, headers: list[tuple[str, str]]) -> Keeper | None:
        """Return a collector for an answer that is being forwarded; None where its headers forbid caching.

        Parameters
        ----------
        partition, path
            Where from (``origin.partition_of``), and which file.
        headers
            The viewer's; names are lower-case.
        """
        values = dict(headers)
        varies = {token.strip().lower() for token in values.get("vary", "").split(",")}
        control = {token.strip().lower() for token in values.get("cache-control", "").split(",")}
        if (
            not varies <= {"", "accept-encoding", "origin"}
            or control & {"no-store", "private"}
            or "content-range" in values
            or is_html(values.get("content-type"))
        ):
            return None
        coding = values.get("content-encoding", "").strip().lower()
        key = partition, path, "" if coding == "identity" else coding
        return Keeper(self, key, tuple((name, value) for name, value in headers if name in _KEPT_HEADERS))

    def put(self, key: Key, asset: Asset) -> None:
        """Keep a file; the least recently used ones make room."""
        if asset.size > self.max_bytes:
            return
        old = self._assets.pop(key, None)
        self.size += asset.size - (old.size if old is not None else 0)
        self._assets[key] = asset
        while self.size > self.max_bytes:
            _, dropped = self._assets.popitem(last=False)
            self.size -= dropped.size


class Keeper:
    """Collects one answer for the cache; gives up where it grows too large."""

    def __init__(self, cache: AssetCache, key: Key, headers: tuple[tuple[str, str], ...]) -> None:
        self._cache = cache
        self._key = key
        self._headers = headers
        self._pieces: list[bytes] = []
        self._room = min(MAX_ASSET_BYTES, cache.max_bytes // 4)

    def add(self, piece: bytes) -> None:
        """Take a piece of the body."""
        self._room -= len(piece)
        if self._room >= 0:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def keep(self) -> None:
        """Put it into the cache: the body is complete."""
        if self._room >= 0:
            self._cache.put(self._key, Asset(self._headers, b"".join(self._pieces)))
