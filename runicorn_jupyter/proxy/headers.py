"""Which headers go to a viewer and which come back: two allow-lists, and the one header that is rewritten."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from runicorn_jupyter.proxy.paths import BadPath, ForbiddenPath, check_path, check_query

REQUEST_HEADERS = frozenset({
    "accept", "accept-encoding", "accept-language", "cache-control", "content-encoding", "content-language",
    "content-type", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since",
    "pragma", "range", "x-requested-with",
})  # fmt: skip
"""Request headers that are forwarded: never cookies, credentials, origins or forwarding headers."""

WEBSOCKET_REQUEST_HEADERS = frozenset({
    "sec-websocket-extensions", "sec-websocket-key", "sec-websocket-protocol", "sec-websocket-version",
})  # fmt: skip
"""What RFC 6455 (4.1) needs on top, less ``Origin``."""

RESPONSE_HEADERS = frozenset({
    "accept-ranges", "age", "cache-control", "content-disposition", "content-encoding", "content-language",
    "content-range", "content-type", "etag", "expires", "last-modified", "retry-after", "vary",
    "x-last-step", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-row-count",
    "x-total-count",
})  # fmt: skip
"""What a browser may hear from a viewer; the ``x-`` ones are runicorn's own (0.5 to 0.7).

Never ``set-cookie``, policies, CORS, ``clear-site-data``, ``refresh``, ``link`` or ``sourcemap``.
"""

VIEWER_HOST = "127.0.0.1"
"""The ``Host`` that a viewer sees; redirects to it are redirects to itself."""

_OWN_HOSTS = frozenset({VIEWER_HOST, "localhost"})
_ADDRESS = re.compile(r"[!-\[\]-~]*")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class LeavesPrefix(ValueError):
    """The viewer redirects to somewhere else."""


def request_headers(
    received: Iterable[tuple[str, str]], allowed: frozenset[str] = REQUEST_HEADERS
) -> list[tuple[str, str]]:
    """Choose the headers that go to the viewer.

    Parameters
    ----------
    received
        The browser's headers.
    allowed
        Lower-case names.

    Returns
    -------
    list
        Lower-case names with their values, without those that ``Connection`` names (RFC 9110, 7.6.1).
    """
    pairs = [(name.lower(), value) for name, value in received]
    named = {
        token.strip().lower() for name, value in pairs if name == "connection" for token in value.split(",")
    }
    return [
        (name, value)
        for name, value in pairs
        if name in allowed and name not in named and _VALUE.fullmatch(value)
    ]


def response_headers(received: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Choose the headers that go back to the browser; names are lower-case on both sides."""
    pairs = list(received)
    named = {
        token.strip().lower() for name, value in pairs if name == "connection" for token in value.split(",")
    }
    return [(name, value) for name, value in pairs if name in RESPONSE_HEADERS and name not in named]


def rewrite_location(location: str, prefix: str, path: str = "/") -> str:
    """Turn a viewer's redirect into one below its prefix.

    Parameters
    ----------
    location
        What the viewer said.
    prefix
        The viewer's path at the browser's side, with a slash at its end.
    path
        The path that was asked for, which a relative redirect counts from.

    Raises
    ------
    LeavesPrefix
        If it leads anywhere but to the viewer itself.
    """
    if not _ADDRESS.fullmatch(location) or location.startswith("//"):
        raise LeavesPrefix("another host, or no address")
    try:
        parts = urlsplit(location)
        own = parts.scheme == "http" and parts.hostname in _OWN_HOSTS and "@" not in parts.netloc
        if (parts.scheme or parts.netloc) and not own:
            raise LeavesPrefix("another host")
        target = parts.path
        if not target.startswith("/"):
            target = "/" if own else f"{path.rpartition('/')[0]}/{target}" if target else path
        target = check_path(target)
        query = check_query(parts.query)
        fragment = check_query(parts.fragment)
    except (BadPath, ForbiddenPath) as exc:
        raise LeavesPrefix("no path of the viewer's") from exc
    except ValueError as exc:
        raise LeavesPrefix("not a URL") from exc
    return prefix + target[1:] + (f"?{query}" if query else "") + (f"#{fragment}" if fragment else "")
