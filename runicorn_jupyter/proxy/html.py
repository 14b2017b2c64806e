"""A viewer's HTML page on its way to the browser: prefixed links, and the shim first in its head."""

from __future__ import annotations

import json
import re
from email.message import Message
from functools import cache
from importlib.resources import files

from runicorn_jupyter.proxy.storage import MAX_STORAGE_BYTES

MAX_HTML_BYTES = 2 * 2**20
"""The largest page that is read whole to be rewritten; any other body streams through."""

SHIM_FILES = ("shim.js", "shim_state.js")
"""What runs first in each page."""

_ATTRIBUTE = re.compile(rb"""((?:\s|["'])(?:src|href)\s*=\s*["']?)/(?!/)""", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_OPENERS = tuple(
    re.compile(rb"<" + name + rb"(?:\s[^>]*)?>", re.IGNORECASE) for name in (b"head", b"html", b"!doctype")
)
_BOM = b"\xef\xbb\xbf"
_NOT_ASCII_COMPATIBLE = re.compile(r"utf-?(?:16|32)|ucs|iso-2022|hz-|utf-?7", re.IGNORECASE)


class UnsupportedHtml(ValueError):
    """The page is in an encoding in which nothing can be put first."""


@cache
def shim_source() -> str:
    """Read the shim: functions, of which ``runicornShim(settings)`` is the one to call."""
    folder = files("runicorn_jupyter.proxy")
    return "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in SHIM_FILES)


def is_html(content_type: str | None) -> bool:
    """Say whether a ``Content-Type`` is HTML's; XHTML's is not, scripts are written otherwise there."""
    return media_type(content_type) == "text/html"


def media_type(content_type: str | None) -> str:
    """Give the media type of a ``Content-Type``, in lower case and without its parameters."""
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
    header = Message()
    header["Content-Type"] = content_type
    if _NOT_ASCII_COMPATIBLE.match(header.get_content_charset("utf-8")):
        raise UnsupportedHtml("the page's charset is not a superset of ASCII")
    page = _ATTRIBUTE.sub(lambda found: _prefixed(found, prefix), page)
    at = _place(page)
    return page[:at] + shim_tag(prefix, items) + page[at:]


def shim_tag(prefix: str, items: dict[str, str]) -> bytes:
    """Give the ``<script>`` with the shim and its settings; pure ASCII, whatever they hold."""
    settings = script_json(
        {"prefix": prefix.rstrip("/"), "storage": items, "storageLimit": MAX_STORAGE_BYTES}
    )
    return f"<script>(() => {{\n{shim_source()}\nrunicornShim({settings});\n}})();</script>".encode()


def script_json(value: object) -> str:
    """Give JSON that can stand in a ``<script>``: nothing in it ends the element or opens a comment."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _prefixed(found: re.Match[bytes], prefix: str) -> bytes:
    path = prefix.encode()
    if found.string.startswith(path, found.end() - 1):
        return found.group()
    return found.group(1) + path


def _place(page: bytes) -> int:
    """Where the shim goes: after the first of ``<head>``, ``<html>`` and the doctype that is there."""
    visible = _COMMENT.sub(lambda found: b" " * len(found.group()), page)
    for opener in _OPENERS:
        found = opener.search(visible)
        if found is not None:
            return found.end()
    return len(_BOM) if page.startswith(_BOM) else 0
