"""A viewer's ``localStorage``, kept on the Jupyter side because its page has no origin to keep one in."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.private_files import own_folder, read_own, write_own

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

MAX_STORAGE_BYTES = 2**20
"""The most that one viewer may keep, as the UTF-8 JSON of all of it."""

MAX_ENTRIES = 1000
"""The most names that one viewer may keep, and that one change may set or remove."""

MAX_PATCH_BYTES = 2 * MAX_STORAGE_BYTES
"""The most that one change may be: everything, and JSON's escapes."""

LOOP_BYTES = 65536
"""A larger change is read by a thread, not on the event loop."""

MAX_FILES = 256
"""How many viewers' settings are kept on disk; those not used for longest go first."""

WRITE_DELAY_SECONDS = 1.0
"""Changes within this time are written together."""


class StorageRefused(ValueError):
    """The change is not valid."""


class StorageFull(StorageRefused):
    """There is no room for the change."""


@dataclass(frozen=True, slots=True)
class Change:
    """A valid change of a viewer's storage.

    Parameters
    ----------
    clear
        Whether everything goes first.
    values
        New value by name; None removes the name.
    sizes
        Bytes of each entry that is set, by name.
    """

    clear: bool
    values: dict[str, str | None]
    sizes: dict[str, int]

    @classmethod
    def parse(cls, body: bytes) -> Change:
        """Read the change that a page sent.

        Parameters
        ----------
        body
            JSON: ``{"clear": bool, "remove": [name, …], "set": {name: value, …}}``, applied in
            this order, each optional.

        Raises
        ------
        StorageRefused
            If it is anything else.
        StorageFull
            If it has more than `MAX_ENTRIES` names, or more than a viewer may keep.
        """
        return cls.of(_load(body))

    @classmethod
    def of(cls, value: Any) -> Change:
        """Check a change whose JSON was read; see `parse`."""
        if not isinstance(value, dict) or not set(value) <= {"clear", "remove", "set"}:
            raise StorageRefused("the change is not an object of clear, remove and set")
        removed, added = value.get("remove", []), value.get("set", {})
        if not isinstance(removed, list) or not isinstance(added, dict):
            raise StorageRefused("remove is a list of names, and set an object")
        if max(len(removed), len(added)) > MAX_ENTRIES:
            raise StorageFull(f"a viewer may keep {MAX_ENTRIES} names")
        if not all(isinstance(name, str) for name in (*removed, *added.values())):
            raise StorageRefused("names and values are strings")
        return cls(
            clear=bool(value.get("clear")),
            values={**dict.fromkeys(removed), **added},
            sizes={name: _size(name, text) for name, text in added.items()},
        )


class ViewerStorage:
    """Strings by name, bounded, with the changes that pages send.

    Parameters
    ----------
    content
        What an earlier `dump` gave. Anything else counts as empty: it is a page's
        settings, which are not worth failing for.
    changed
        Called after each change.

    Attributes
    ----------
    size
        Bytes of everything as JSON.
    """

    def __init__(self, content: bytes = b"", changed: Callable[[], None] | None = None) -> None:
        self._items: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self.size = 2
        self._changed: Callable[[], None] | None = None
        with contextlib.suppress(StorageRefused):
            if content:
                self.apply(Change.of({"set": _load(content)}))
        self._changed = changed

    @property
    def items(self) -> dict[str, str]:
        """A copy of everything."""
        return dict(self._items)

    def dump(self) -> bytes:
        """Return all entries as JSON, at most `MAX_STORAGE_BYTES`."""
        return _dump(self._items)

    def apply(self, change: Change) -> None:
        """Apply a change; its cost is the change's, however much is kept.

        Raises
        ------
        StorageFull
            If it does not fit. Nothing is changed then.
        """
        items, sizes, size = ({}, {}, 2) if change.clear else (self._items, self._sizes, self.size)
        count = len(items)
        differs = change.clear and bool(self._items)
        for name, value in change.values.items():
            size += change.sizes.get(name, 0) - sizes.get(name, 0)
            count += (value is not None) - (name in items)
            differs = differs or items.get(name) != value
        if size > MAX_STORAGE_BYTES:
            raise StorageFull(f"a viewer may keep {MAX_STORAGE_BYTES} bytes")
        if count > MAX_ENTRIES:
            raise StorageFull(f"a viewer may keep {MAX_ENTRIES} names")
        for name, value in change.values.items():
            if value is None:
                items.pop(name, None)
                sizes.pop(name, None)
            else:
                items[name], sizes[name] = value, change.sizes[name]
        self._items, self._sizes, self.size = items, sizes, size
        if differs and self._changed is not None:
            self._changed()


def _load(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as exc:
        raise StorageRefused("it is not JSON") from exc


def _dump(items: dict[str, str]) -> bytes:
    text = json.dumps(items, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _size(name: str, value: str) -> int:
    """Bytes of one entry in JSON, with its colon and comma."""
    text = json.dumps(name, ensure_ascii=False) + json.dumps(value, ensure_ascii=False)
    return len(text.encode("utf-8", "surrogatepass")) + 2


class StorageFolder:
    """Keeps viewers' settings on disk, a file for each place and storage root.

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

    async def open(self, partition: str, root: str | None) -> ViewerStorage:
        """Open the saved storage of the viewers of one partition.

        Parameters
        ----------
        partition
            Which place (``origin.partition_of``).
        root
            Which storage root there.
        """
        place = json.dumps([partition, root])
        name = f"{hashlib.sha256(place.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.json"
        if name not in self._open:
            content = await asyncio.to_thread(self._read, name)
            storage = await asyncio.to_thread(ViewerStorage, content, lambda: self._note(name))
            self._open.setdefault(name, storage)
        return self._open[name]

    async def flush(self) -> None:
        """Write pending changes."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        async with self._writing:
            changed, self._changed = self._changed, set()
            for name in sorted(changed):
                await asyncio.to_thread(self._write, name, self._open[name].items)

    async def close(self) -> None:
        """Write pending changes, for good."""
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

    def _write(self, name: str, items: dict[str, str]) -> None:
        try:
            own_folder(self._path)
            write_own(self._path / name, _dump(items))
            files = sorted(self._path.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
            for path in files[: -self._max_files]:
                path.unlink(missing_ok=True)
        except OSError as exc:
            log.warning("A viewer's settings could not be kept: %s", exc.strerror or exc)
