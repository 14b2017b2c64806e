"""Reads untrusted JSON: bounded in size and depth, with one exception."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

__all__ = ["MAX_DEPTH", "InvalidJson", "count_values", "estimate_memory", "read_json", "read_json_object"]

MAX_DEPTH = 50
"""Levels of arrays and objects in each other; what we exchange has four, runicorn's configuration three."""

# An escaped pair of surrogates, half of one, or any other escape.
_ESCAPE = re.compile(
    r"\\(?:(?P<pair>u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_HALF = re.compile("[\ud800-\udfff]")


def count_values(data: bytes) -> int:
    """Count the values of a JSON text, or a few more than it has, without parsing it."""
    return 1 + sum(data.count(mark) for mark in (b",", b"[", b"{"))


def estimate_memory(data: bytes) -> int:
    """Estimate, rather too high, the bytes that parsing a JSON text takes: many times its size at worst.

    A value of two bytes, like an empty list, becomes an object of dozens, and one letter that is none of
    Latin-1 makes the whole text take four bytes a letter.
    """
    named = sum(data.count(mark) for mark in (b":", b"[", b"{"))
    text = len(data) if data.isascii() else 4 * len(data)
    return 2 * text + 48 * data.count(b",") + 250 * (1 + named)


class InvalidJson(ValueError):
    """The text is no JSON, too long or too deeply nested; the message says which, without quoting it."""


def read_json(data: bytes | str, *, max_size: int, max_depth: int = MAX_DEPTH) -> Any:
    """Parse a JSON text from an untrusted source.

    Use it for all JSON from a remote, a viewer or a shared file. Time is linear in the size; above
    64 KiB call it in a thread, since it does not let other code of the same thread run. Halves of surrogate
    pairs become U+FFFD, since no UTF-8, and so no answer of ours, can hold them.

    Parameters
    ----------
    data
        The text, or its bytes in UTF-8.
    max_size
        The most bytes (of text: characters) that are looked at.
    max_depth
        The most arrays and objects that may be nested in each other.

    Raises
    ------
    InvalidJson
        If it is anything else; no other exception.
    """
    if len(data) > max_size:
        raise InvalidJson(f"longer than {max_size}")
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        value = json.loads(_without_halves(text), parse_constant=_refuse)
    except InvalidJson:
        raise
    except (ValueError, RecursionError):
        # Its own message may quote the text.
        raise InvalidJson("not JSON") from None
    _check_depth(value, max_depth)
    return value


def read_json_object(data: bytes | str, *, max_size: int, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Parse a JSON text that must be an object; parameters and errors as for `read_json`."""
    value = read_json(data, max_size=max_size, max_depth=max_depth)
    if not isinstance(value, dict):
        raise InvalidJson("not an object")
    return value


def _without_halves(text: str) -> str:
    if not text.isascii():
        text = _HALF.sub("\ufffd", text)
    if "\\ud" not in text and "\\uD" not in text:
        return text
    return _ESCAPE.sub(lambda found: r"\ufffd" if found["half"] else found[0], text)


def _refuse(constant: str) -> NoReturn:
    """Raise at NaN and the infinities, which are no JSON (RFC 8259, 6)."""
    raise InvalidJson(f"{constant} is no number in JSON")


def _check_depth(value: Any, max_depth: int) -> None:
    level = [value]
    for _ in range(max_depth + 1):
        containers = [one for one in level if isinstance(one, dict | list)]
        level = [inner for one in containers for inner in (one.values() if isinstance(one, dict) else one)]
        if not containers:
            return
    raise InvalidJson(f"nested deeper than {max_depth}")
