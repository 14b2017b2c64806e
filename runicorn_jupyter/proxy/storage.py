"""A viewer's ``localStorage``, kept on the Jupyter side because its page has no origin to keep one in."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.ssh.lockedfile import own_folder, read_own, write_own

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

MAX_STORAGE_BYTES = 2**20
"""The most that one viewer may keep, as the UTF-8 JSON of all of it (issue "The data path")."""

MAX_PATCH_BYTES = 2 * MAX_STORAGE_BYTES
"""The most that one change may be: everything, and JSON's escapes."""

MAX_FILES = 256
"""How many viewers' settings are kept on disk; those not used for longest go first."""

WRITE_DELAY_SECONDS = 1.0
"""Changes within this time are written together."""


class StorageRefused(ValueError):
    """The change is not of the form."""


class StorageFull(StorageRefused):
    """There is no room for the change."""


class ViewerStorage:
    """Strings by name, bounded, with the changes that pages send.

    Parameters
    ----------
    content
        What an earlier `dump` gave. Anything else counts as empty: it is a page's
        settings, which are not worth failing for.
    changed
        Called after each change.
    """

    def __init__(self, content: bytes = b"", changed: Callable[[], None] | None = None) -> None:
        self._items: dict[str, str] = {}
        self._changed: Callable[[], None] | None = None
        try:
            self.apply({"set": json.loads(content.decode("utf-8", "surrogatepass"))} if content else {})
        except (ValueError, RecursionError):
            self._items = {}
        self._changed = changed

    @property
    def items(self) -> dict[str, str]:
        """A copy of everything."""
        return dict(self._items)

    def dump(self) -> bytes:
        """Give everything as JSON, at most `MAX_STORAGE_BYTES`."""
        text = json.dumps(self._items, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "surrogatepass")

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
            raise StorageFull(f"a viewer may keep {MAX_STORAGE_BYTES} bytes")
        self._items = items
        if self._changed is not None:
            self._changed()


def _size(name: str, value: str) -> int:
    """Bytes of one entry in JSON, with its colon and comma."""
    text = json.dumps(name, ensure_ascii=False) + json.dumps(value, ensure_ascii=False)
    return len(text.encode("utf-8", "surrogatepass")) + 2


class StorageFolder:
    """Keeps viewers' settings on disk, a file for each host, user and storage root.

    Parameters
    ----------
    path
        The folder; made where it is missing, readable by its owner alone.
    max_files
        How many files to keep.
    """

    def __init__(self, path: Path, *, max_files: int = MAX_FILES) -> None:
        self._path = path
        self._max_files = max_files
        self._open: dict[str, ViewerStorage] = {}
        self._changed: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, host_key: str, username: str, root: str | None) -> ViewerStorage:
        """Give the storage of the viewers of one place, as it was left.

        Parameters
        ----------
        host_key, username, root
            Which place: the host by its key, whatever it is called.
        """
        place = json.dumps([host_key, username, root])
        name = f"{hashlib.sha256(place.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.json"
        if name not in self._open:
            content = await asyncio.to_thread(self._read, name)
            self._open.setdefault(name, ViewerStorage(content, lambda: self._note(name)))
        return self._open[name]

    async def flush(self) -> None:
        """Write what has changed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        async with self._writing:
            changed, self._changed = self._changed, set()
            for name in sorted(changed):
                await asyncio.to_thread(self._write, name, self._open[name].dump())

    async def close(self) -> None:
        """Write what has changed; nothing is written afterwards."""
        await self.flush()
        await asyncio.gather(*self._tasks)

    def _note(self, name: str) -> None:
        self._changed.add(name)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WRITE_DELAY_SECONDS, self._flush_soon)

    def _flush_soon(self) -> None:
        self._timer = None
        task = asyncio.create_task(self.flush())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _read(self, name: str) -> bytes:
        with contextlib.suppress(OSError):
            return read_own(self._path / name, MAX_STORAGE_BYTES)
        return b""

    def _write(self, name: str, content: bytes) -> None:
        try:
            own_folder(self._path)
            write_own(self._path / name, content)
            files = sorted(self._path.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
            for path in files[: -self._max_files]:
                path.unlink(missing_ok=True)
        except OSError as exc:
            log.warning("A viewer's settings could not be kept: %s", exc.strerror or exc)
