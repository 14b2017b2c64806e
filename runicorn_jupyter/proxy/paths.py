"""Paths below a viewer's prefix: which never leave it, and which the proxy keeps to itself."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

RESERVED = "/__runicorn_jupyter__/"
"""Below the capability, the proxy's own: the page's storage, and waiting for the connection.

At the viewer itself it is what the viewer's holders use: no page's request for it is ever passed on.
"""

_TARGET = re.compile(r"/[!-~]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FORBIDDEN = "/api/remote"
_MAX_DECODINGS = 3


class BadPath(ValueError):
    """The path might mean something else to someone on the way."""


class ForbiddenPath(ValueError):
    """The path is closed to pages: the viewer's own SSH client, or another spelling of `RESERVED`."""


def check_path(path: str) -> str:
    """Check the path of a request, and give it back as the remote shall see it.

    Nothing is normalised: a path that would need it is refused, so that the browser, this proxy
    and the viewer can never read it differently.

    Parameters
    ----------
    path
        What follows the capability, as the browser sent it, percent-encoded.

    Raises
    ------
    BadPath
        If it has a dot segment, a backslash, an empty segment, a control character or a broken
        escape, raw or encoded, however often.
    ForbiddenPath
        If it is the viewer's ``/api/remote`` or below it, or `RESERVED` in any spelling but its own.
    """
    if not _TARGET.fullmatch(path) or _BAD_ESCAPE.search(path):
        raise BadPath("not a path")
    plain = path
    for _ in range(_MAX_DECODINGS):
        _check_plain(plain)
        _check_reserved(plain, path)
        decoded = _decode(plain)
        if decoded == plain:
            break
        plain = decoded
    else:
        _check_plain(plain)
        _check_reserved(plain, path)
    # The viewer decodes once; deeper layers are only looked at above.
    seen = _decode(path).lower()
    if seen == _FORBIDDEN or seen.startswith(_FORBIDDEN + "/"):
        raise ForbiddenPath("the viewer's own SSH client is closed here")
    return path


def check_query(query: str) -> str:
    """Check that a query string is one, and give it back.

    Raises
    ------
    BadPath
        If it has a space, a control character or one beyond ASCII.
    """
    if query and not _TARGET.fullmatch("/" + query):
        raise BadPath("not a query")
    return query


def _check_plain(path: str) -> None:
    if "\\" in path or _CONTROL.search(path):
        raise BadPath("a backslash or a control character")
    segments = path.split("/")[1:]
    if any(segment in (".", "..") for segment in segments) or "" in segments[:-1]:
        raise BadPath("a dot segment or an empty segment")


def _check_reserved(plain: str, path: str) -> None:
    if plain.lower().startswith(RESERVED.rstrip("/")) and not path.startswith(RESERVED):
        raise ForbiddenPath("what the viewer's holders use is closed here")


def _decode(path: str) -> str:
    try:
        return unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError as exc:
        raise BadPath("not UTF-8") from exc
