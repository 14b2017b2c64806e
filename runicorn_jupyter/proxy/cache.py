"""Viewers' static files, kept on the Jupyter side so that a second visit costs the network nothing."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass

IMMUTABLE = "private, max-age=31536000, immutable"
"""For a file whose name carries the hash of its content (RFC 8246)."""

MAX_ASSET_BYTES = 32 * 2**20
"""The largest single file that is kept."""

# Vite's default: NAME-HASH.EXT below assets/, the hash being eight characters of base64url.
_HASHED = re.compile(r"/assets/(?:[A-Za-z0-9_.-]+/)*[A-Za-z0-9_.-]+-[A-Za-z0-9_-]{8}\.[a-z0-9]{2,5}")
_CODINGS = ("br", "gzip", "zstd")
_KEPT_HEADERS = frozenset({"content-type", "content-encoding", "etag", "last-modified", "vary"})
_OVERHEAD = 1024


def is_hashed(path: str) -> bool:
    """Say whether a path names a file by its content, so that it can never change."""
    return _HASHED.fullmatch(path) is not None


def accepted_codings(accept_encoding: str) -> str:
    """Give the content codings that a request accepts, as a key: order and weights do not matter."""
    accepted = set()
    for token in accept_encoding.lower().split(","):
        coding, _, weight = token.partition(";")
        if coding.strip() in _CODINGS and weight.replace(" ", "") not in ("q=0", "q=0.0"):
            accepted.add(coding.strip())
    return ",".join(sorted(accepted))


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
    """Least recently used files by host key, path and accepted codings.

    Parameters
    ----------
    max_bytes
        The most that all files may be together; 0 keeps none.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.size = 0
        self._assets: OrderedDict[tuple[str, str, str], Asset] = OrderedDict()

    def get(self, host_key: str, path: str, codings: str) -> Asset | None:
        """Give a file that this very host sent, or ``None``."""
        key = (host_key, path, codings)
        asset = self._assets.get(key)
        if asset is not None:
            self._assets.move_to_end(key)
        return asset

    def takes(self, status: int, headers: list[tuple[str, str]], size: int | None) -> bool:
        """Say whether an answer to a hashed path may be kept.

        Parameters
        ----------
        status, headers
            The viewer's; names are lower-case.
        size
            ``Content-Length``; without one it is not kept, for it could end early unseen.
        """
        values = dict(headers)
        varies = {token.strip().lower() for token in values.get("vary", "").split(",")}
        forbidden = {token.strip().lower() for token in values.get("cache-control", "").split(",")}
        return (
            status == 200
            and size is not None
            and size <= min(MAX_ASSET_BYTES, self.max_bytes // 4)
            and varies <= {"", "accept-encoding", "origin"}
            and not forbidden & {"no-store", "private"}
            and not values.get("content-type", "").startswith("text/html")
        )

    def put(
        self, host_key: str, path: str, codings: str, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        """Keep a file that `takes` allowed; the least recently used ones make room."""
        asset = Asset(tuple((name, value) for name, value in headers if name in _KEPT_HEADERS), body)
        if asset.size > self.max_bytes:
            return
        key = (host_key, path, codings)
        old = self._assets.pop(key, None)
        self.size += asset.size - (old.size if old is not None else 0)
        self._assets[key] = asset
        while self.size > self.max_bytes:
            _, dropped = self._assets.popitem(last=False)
            self.size -= dropped.size
