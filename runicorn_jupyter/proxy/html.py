"""A viewer's HTML page on its way to the browser: prefixed links, and the shim first in its head."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files

from runicorn_jupyter.proxy.local_storage import MAX_ENTRIES, MAX_STORAGE_BYTES

MAX_HTML_BYTES = 2 * 2**20
"""The largest page that is read whole to be rewritten; any other body streams through."""

LOOP_BYTES = 65536
"""Size of page and storage above which a thread rewrites the page, not the event loop."""

SHIM_FILES = ("shim.js", "state.js", "colours.js")
"""What runs first in each page."""

MAX_LINKS = 10000
"""The most links that get the prefix: each makes the page longer than the viewer sent it."""

HEAD_BYTES = 65536
"""Where the page's head is looked for."""

_ATTRIBUTE = re.compile(rb"""(?:\s|["'])(?:src|href)\s*=\s*["']?(?=/(?!/))""", re.IGNORECASE)
_OPENER = re.compile(rb"<(head|html|!doctype)(?=[\s>])", re.IGNORECASE)
_RANKS = {b"head": 3, b"html": 2, b"!doctype": 1}
_BOM = b"\xef\xbb\xbf"
_CHARSET = re.compile(r"""charset\s*+=\s*+["']?+\s*+([^\s"';,]+)""", re.IGNORECASE)
_NOT_ASCII_COMPATIBLE = re.compile(
    r"utf-?(?:16|32)|ucs|iso-?10646|csunicode|unicode|iso-2022|hz-|utf-?7", re.IGNORECASE
)


class UnsupportedHtml(ValueError):
    """The page is in an encoding in which nothing can be put first."""


@cache
def shim_source() -> str:
    """Read the shim: functions, of which ``runicornShim(settings)`` is the one to call."""
    folder = files("runicorn_jupyter.proxy") / "shim"
    return "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in SHIM_FILES)


def is_html(content_type: str | None) -> bool:
    """Return whether a ``Content-Type`` is HTML; XHTML is not, its scripts have another syntax."""
    return media_type(content_type) == "text/html"


def media_type(content_type: str | None) -> str:
    """Return the media type of a ``Content-Type``, in lower case and without parameters."""
    return (content_type or "").partition(";")[0].strip().lower()


def rewrite(page: bytes, content_type: str, prefix: str, items: dict[str, str]) -> bytes:
    """Make a viewer's page work below its prefix.

    Parameters
    ----------
    page
        The whole page, not compressed.
    content_type
        As the viewer gave it, for its charset.
    prefix
        The viewer's path, with a slash at its end.
    items
        The page's ``localStorage``.

    Raises
    ------
    UnsupportedHtml
        If its charset is not a superset of ASCII.
    """
    # Whichever of several a browser believes.
    if any(_NOT_ASCII_COMPATIBLE.match(charset) for charset in _CHARSET.findall(content_type)):
        raise UnsupportedHtml("the page's charset is not a superset of ASCII")
    page = _with_prefix(page, prefix.encode())
    at = _place(page)
    return page[:at] + shim_tag(prefix, items) + page[at:]


def shim_tag(prefix: str, items: dict[str, str]) -> bytes:
    """Return the ``<script>`` with the shim and its settings, in ASCII."""
    settings = script_json(
        {
            "prefix": prefix.rstrip("/"),
            "storage": items,
            "storageLimit": MAX_STORAGE_BYTES,
            "storageNames": MAX_ENTRIES,
        }
    )
    return f"<script>(() => {{\n{shim_source()}\nrunicornShim({settings});\n}})();</script>".encode()


def script_json(value: object) -> str:
    """Return JSON that is safe inside a ``<script>``: it neither ends the element nor opens a comment."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _with_prefix(page: bytes, prefix: bytes) -> bytes:
    """Put the prefix before each absolute path in a ``src`` or ``href`` that lacks it."""
    pieces: list[bytes] = []
    done = 0
    for found in _ATTRIBUTE.finditer(page):
        if page.startswith(prefix, found.end()):
            continue
        if len(pieces) >= 2 * MAX_LINKS:
            raise UnsupportedHtml(f"the page has more than {MAX_LINKS} links")
        pieces += page[done : found.end()], prefix
        done = found.end() + 1
    return b"".join((*pieces, page[done:]))


def _place(page: bytes) -> int:
    """Where the shim goes: after the first of ``<head>``, ``<html>`` and the doctype that is there.

    One pass over the beginning of the page; what a comment holds is passed over.
    """
    place = len(_BOM) if page.startswith(_BOM) else 0
    rank = 0
    at = page.find(b"<", 0, HEAD_BYTES)
    while at >= 0:
        if page.startswith(b"<!--", at):
            end = page.find(b"-->", at + 2, HEAD_BYTES)
            if end < 0:
                break
        else:
            opener = _OPENER.match(page, at, HEAD_BYTES)
            end = at if opener is None else page.find(b">", at, HEAD_BYTES)
            if end < 0:
                break
            if opener is not None and _RANKS[opener[1].lower()] > rank:
                rank, place = _RANKS[opener[1].lower()], end + 1
                if rank == _RANKS[b"head"]:
                    break
        at = page.find(b"<", end + 1, HEAD_BYTES)
    return place
