"""A viewer's ``localStorage``, kept on the Jupyter side because its page has no origin to keep one in."""

from __future__ import annotations

import json
from typing import Any

MAX_STORAGE_BYTES = 2**20
"""The most that one viewer may keep, as the UTF-8 JSON of all of it (issue "The data path")."""

MAX_PATCH_BYTES = 2 * MAX_STORAGE_BYTES
"""The most that one change may be: everything, and JSON's escapes."""


class StorageRefused(ValueError):
    """The change is not of the form, or there is no room for it."""


class ViewerStorage:
    """Strings by name, bounded, with the changes that pages send.

    Parameters
    ----------
    content
        What an earlier `dump` gave. Anything else counts as empty: it is a page's
        settings, which are not worth failing for.
    """

    def __init__(self, content: bytes = b"") -> None:
        self._items: dict[str, str] = {}
        self._size = 2
        try:
            self.apply({"set": json.loads(content)} if content else {})
        except ValueError:
            self._items, self._size = {}, 2

    @property
    def items(self) -> dict[str, str]:
        """A copy of everything."""
        return dict(self._items)

    def dump(self) -> bytes:
        """Give everything as JSON, at most `MAX_STORAGE_BYTES`."""
        return json.dumps(self._items, ensure_ascii=False, separators=(",", ":")).encode()

    def patch(self, body: bytes) -> None:
        """Apply the change that a page sent.

        Parameters
        ----------
        body
            JSON: ``{"clear": bool, "remove": [name, …], "set": {name: value, …}}``, applied in
            this order, each optional.

        Raises
        ------
        StorageRefused
            If it is anything else, or would not fit. Nothing is changed then.
        """
        try:
            change = json.loads(body)
        except (ValueError, RecursionError) as exc:
            raise StorageRefused("the change is not JSON") from exc
        self.apply(change)

    def apply(self, change: Any) -> None:
        """Apply a change; see `patch`."""
        if not isinstance(change, dict) or not set(change) <= {"clear", "remove", "set"}:
            raise StorageRefused("the change is not an object of clear, remove and set")
        removed, added = change.get("remove", []), change.get("set", {})
        if not isinstance(removed, list) or not isinstance(added, dict):
            raise StorageRefused("remove is a list of names, and set an object")
        if not all(isinstance(name, str) for name in (*removed, *added.values())):
            raise StorageRefused("names and values are strings")
        items = {} if change.get("clear") else dict(self._items)
        for name in removed:
            items.pop(name, None)
        items.update(added)
        size = 2 + sum(_size(name, value) for name, value in items.items())
        if size > MAX_STORAGE_BYTES:
            raise StorageRefused(f"a viewer may keep {MAX_STORAGE_BYTES} bytes")
        self._items, self._size = items, size


def _size(name: str, value: str) -> int:
    """Bytes of one entry in JSON, with its colon and comma."""
    text = json.dumps(name, ensure_ascii=False) + json.dumps(value, ensure_ascii=False)
    return len(text.encode("utf-8", "surrogatepass")) + 2
