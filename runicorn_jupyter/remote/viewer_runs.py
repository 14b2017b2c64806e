"""The runs of the viewer's storage root, as a table of which only changes are sent. Remote (Python >= 3.8).

What runs there are is the viewer's own ``GET /api/runs`` to say, asked inside of this process (0.5, 0.6 and
0.7 have it). It has no times, no last metrics, and tells nobody of changes; those are read from the files
that runicorn's SDK writes into each run's folder, and the files' times tell when to look: while somebody
waits, the folders and the files of running runs are looked at (``os.stat``) once a second, or less often
where that takes long. Nothing is looked at while nobody asks.
"""

import asyncio
import collections
import json
import os
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from runicorn_jupyter.remote.viewer_asking import ask
from runicorn_jupyter.remote.viewer_events import Events
from runicorn_jupyter.remote.viewer_metrics import columns

__all__ = ["RunTable"]

TICK_SECONDS = 1.0
LOAD = 20
"""Between two looks passes at least so many times what one takes."""
FRESH_SECONDS = 0.2
MIN_LIST_SECONDS, LIST_SECONDS = 2.0, 60.0
"""A list as old as this is asked for anew by the next look, whatever the files say: soon after one that had
other runs than the one before (0.7 takes up one by one what it finds on the disk), later more seldom."""
PENDING_SECONDS = 60.0
"""A folder without a status is a run that begins, for so long."""
MAX_FOLDERS, MAX_DEPTH = 5000, 12
MAX_RECORDS = 20001
"""One more than the other side takes, so that it knows."""
MAX_ANSWER_BYTES = 100000
"""Of one answer; more is asked for. The other side looks at each run of it, in one go of its event loop."""
MAX_REMOVED = 10000
MAX_WAITERS = 64
TEXT = 512

Record = Dict[str, Any]
Stamp = Tuple[int, int]


class RunTable:
    """The table.

    Parameters
    ----------
    app
        The viewer.
    root
        Returns the storage root it has now.
    """

    def __init__(self, app: Any, root: Callable[[], Optional[str]]) -> None:
        self._app = app
        self._root = root
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="runicorn-jupyter-runs")
        self._looking: Optional["asyncio.Future[None]"] = None
        self._looked = 0.0
        self._took = 0.0
        self._closed: Optional["asyncio.Future[None]"] = None
        self._waiting = 0
        self.dirty = True
        """Whether the list has to be asked for anew."""
        self._begin()

    def _begin(self) -> None:
        self._epoch = secrets.token_hex(8)
        self._version = 0
        # By the order of change; None: removed.
        self._records: "collections.OrderedDict[str, Tuple[int, Optional[Record]]]" = (
            collections.OrderedDict()
        )
        self._disk = Disk(None)

    def close(self) -> None:
        """Let go of all who wait; on the event loop."""
        if self._closed is None:
            self._closed = asyncio.get_event_loop().create_future()
        if not self._closed.done():
            self._closed.set_result(None)

    async def changes(
        self, epoch: str, version: int, seconds: float, gone: "asyncio.Future[Any]"
    ) -> Dict[str, Any]:
        """Return what changed after a version.

        Parameters
        ----------
        epoch, version
            Of the answer before; of another epoch is answered by everything, with ``reset``.
        seconds
            How long to wait for a change.
        gone
            Is done when the asker has gone.
        """
        deadline = time.monotonic() + seconds
        while True:
            await self._refresh(seconds > 0)
            if epoch != self._epoch or version != self._version:
                break
            pause = min(max(TICK_SECONDS, LOAD * self._took), deadline - time.monotonic())
            if pause <= 0 or self._waiting >= MAX_WAITERS or not await self._pause(pause, gone):
                break
        return self._since(epoch, version)

    async def metrics(self, run_id: str, names: Optional[List[str]], points: int) -> Dict[str, Any]:
        """Return metrics of a run; see ``viewer_metrics.columns``."""
        loop = asyncio.get_event_loop()
        return await loop.run_in_executor(self._thread, columns, self._app, run_id, names, points)

    async def _pause(self, seconds: float, gone: "asyncio.Future[Any]") -> bool:
        """Wait; tell whether to go on."""
        if self._closed is None:
            self._closed = asyncio.get_event_loop().create_future()
        self._waiting += 1
        try:
            done, _ = await asyncio.wait(
                {self._closed, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            self._waiting -= 1
        return not done

    async def _refresh(self, patient: bool) -> None:
        """Look now, or with who looks already; a list that nothing asks for is made for who waits anyway."""
        if self._looking is None or self._looking.done():
            if time.monotonic() - self._looked < FRESH_SECONDS and not self.dirty:
                return
            self._looking = asyncio.ensure_future(self._look(patient))
        await asyncio.shield(self._looking)

    async def _look(self, patient: bool) -> None:
        root = self._root()
        if root != self._disk.root:
            self._begin()
            self._disk = Disk(root)
            self.dirty = True
        dirty, self.dirty = self.dirty, False
        started = time.monotonic()
        loop = asyncio.get_event_loop()
        try:
            changed, removed = await loop.run_in_executor(
                self._thread, self._disk.look, self._app, dirty, patient
            )
        except BaseException:
            self.dirty = True
            raise
        for run_id in removed:
            self._put(run_id, None)
        for run_id, record in changed.items():
            self._put(run_id, record)
        self._looked = time.monotonic()
        self._took = self._looked - started
        if sum(record is None for _, record in self._records.values()) > MAX_REMOVED:
            kept = [(run_id, record) for run_id, (_, record) in self._records.items() if record is not None]
            disk = self._disk
            self._begin()
            self._disk = disk
            for run_id, record in kept:
                self._put(run_id, record)

    def _put(self, run_id: str, record: Optional[Record]) -> None:
        self._version += 1
        self._records.pop(run_id, None)
        self._records[run_id] = (self._version, record)

    def _since(self, epoch: str, version: int) -> Dict[str, Any]:
        reset = epoch != self._epoch
        found: List[Tuple[str, int, Optional[Record]]] = []
        for run_id in reversed(self._records):
            number, record = self._records[run_id]
            if number <= version and not reset:
                break
            if record is not None or not reset:
                found.append((run_id, number, record))
        runs: List[Record] = []
        removed: List[str] = []
        size, reached, more = 0, self._version, False
        last = 0 if reset else version
        for run_id, number, record in reversed(found):
            size += 150 if record is None else record["size"]
            if size > MAX_ANSWER_BYTES and (runs or removed):
                reached, more = last, True
                break
            if record is None:
                removed.append(run_id)
            else:
                runs.append(record["run"])
            last = number
        return {
            "root": self._disk.root,
            "epoch": self._epoch,
            "version": reached,
            "reset": reset,
            "more": more,
            "runs": runs,
            "removed": removed,
            "total": sum(record is not None for _, record in self._records.values()),
        }


class Disk:
    """What was read from the files; used by one thread only.

    Parameters
    ----------
    root
        The storage root.
    """

    def __init__(self, root: Optional[str]) -> None:
        self.root = root
        self._listed = float("-inf")
        self._lasts = MIN_LIST_SECONDS
        self._folders: Dict[str, int] = {}
        self._runs: Dict[str, "RunFiles"] = {}

    def look(self, app: Any, dirty: bool, patient: bool) -> Tuple[Dict[str, Record], Set[str]]:
        """Return the records that are new or changed, and the ids that are gone."""
        stale = patient and time.monotonic() - self._listed > self._lasts
        if dirty or stale or self._folders_changed() or any(run.ended() for run in self._runs.values()):
            return self._list(app)
        changed = {}
        for run_id, run in self._runs.items():
            if run.running:
                record = run.read()
                if record is not None:
                    changed[run_id] = record
        return changed, set()

    def _folders_changed(self) -> bool:
        return any(_folder_time(path) != seen for path, seen in self._folders.items())

    def _list(self, app: Any) -> Tuple[Dict[str, Record], Set[str]]:
        self._listed = time.monotonic()
        # Before the list is made, so that what comes meanwhile is seen the next time.
        items = {}
        folders = self._walk({run.folder for run in self._runs.values() if run.folder})
        listed = ask(app, "/api/runs")
        for item in listed[:MAX_RECORDS] if isinstance(listed, list) else ():
            if isinstance(item, dict) and isinstance(item.get("id"), str):
                items[item["id"][:128]] = item
        known = {item["run_dir"] for item in items.values() if isinstance(item.get("run_dir"), str)}
        self._folders = {path: seen for path, seen in folders.items() if path not in known}
        self._lasts = (
            MIN_LIST_SECONDS if set(self._runs) != set(items) else min(3 * self._lasts, LIST_SECONDS)
        )
        gone = set(self._runs) - set(items)
        for run_id in gone:
            del self._runs[run_id]
        changed = {}
        for run_id, item in items.items():
            run = self._runs.get(run_id)
            if run is None or run.folder != item.get("run_dir"):
                run = self._runs[run_id] = RunFiles(item.get("run_dir"))
            run.item = item
            record = run.read()
            if record is not None:
                changed[run_id] = record
            if run.pending:
                self._folders[run.folder or ""] = _folder_time(run.folder or "")
        return changed, gone

    def _walk(self, runs: Set[str]) -> Dict[str, int]:
        """Return the times of the folders in which a run can come or go."""
        found: Dict[str, int] = {}
        ahead = [(self.root, 0)] if self.root else []
        while ahead and len(found) < MAX_FOLDERS:
            path, depth = ahead.pop()
            found[path] = _folder_time(path)
            if depth >= MAX_DEPTH:
                continue
            try:
                with os.scandir(path) as entries:
                    ahead += [
                        (entry.path, depth + 1)
                        for entry in entries
                        if entry.path not in runs
                        and entry.name not in ("webui", "archive", "index", "artifacts", "media", ".recycle")
                        and entry.is_dir(follow_symlinks=False)
                        and not os.path.exists(os.path.join(entry.path, "status.json"))
                    ]
            except OSError:
                continue
        return found


class RunFiles:
    """One run's files, and the record made from them."""

    def __init__(self, folder: Any) -> None:
        self.folder: Optional[str] = folder if isinstance(folder, str) else None
        self.item: Record = {}
        self.running = False
        self.pending = False
        self._status: Record = {}
        self._status_stamp: Optional[Stamp] = None
        self._events = Events(os.path.join(self.folder, "events.jsonl")) if self.folder else None
        self._sent: Optional[str] = None
        self._lost = 0

    def ended(self) -> bool:
        """Tell whether it may have ended: its status is another, or its process is not there any more."""
        if not self.running or self.folder is None:
            return False
        return _stamp(self._path) != self._status_stamp or self._lost_process()

    def _lost_process(self) -> bool:
        """Tell it once a process: whether that was here at all is the viewer's to know."""
        pid = self.item.get("pid")
        if not isinstance(pid, int) or pid <= 0 or pid == self._lost:
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            self._lost = pid
            return True
        except (OSError, OverflowError):
            return False
        return False

    @property
    def _path(self) -> str:
        return os.path.join(self.folder or "", "status.json")

    def read(self) -> Optional[Record]:
        """Return the record if it is not the same as before."""
        if not self._read_status():
            return None
        if self._events is not None:
            self._events.read()
        status = self._status.get("status")
        item = self.item
        self.running = (status or item.get("status")) == "running"
        run = {
            "id": item["id"][:128],
            "status": str(status or item.get("status"))[:32],
            "created": _number(item.get("created_time")),
            "started": _number(self._status.get("started_at")),
            "ended": _number(self._status.get("ended_at")),
            "tags": [str(tag)[:64] for tag in item["tags"][:16]]
            if isinstance(item.get("tags"), list)
            else [],
        }
        for name in ("project", "name", "path", "alias"):
            if isinstance(item.get(name), str):
                run[name] = item[name][:TEXT]
        if self._events is not None:
            run.update(self._events.describe())
        text = json.dumps(run)
        if text == self._sent:
            return None
        self._sent = text
        return {"run": run, "size": len(text)}

    def _read_status(self) -> bool:
        """Read the status; False while there is nothing that one could go by."""
        if self.folder is None:
            return True
        stamp = _stamp(self._path)
        self.pending = stamp is None and time.time() - _folder_time(self.folder) / 1e9 < PENDING_SECONDS
        if self.pending:
            return False
        if stamp is None or stamp == self._status_stamp:
            return True
        try:
            with open(self._path, encoding="utf-8") as file:
                value = json.loads(file.read(65536))
        except (OSError, ValueError, RecursionError):
            # It is being written; the next look finds it.
            return self._sent is None and not self._is_new(stamp)
        self._status = value if isinstance(value, dict) else {}
        self._status_stamp = stamp
        return True

    def _is_new(self, stamp: Stamp) -> bool:
        return time.time() - stamp[0] / 1e9 < PENDING_SECONDS


def _number(value: Any) -> Optional[float]:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _stamp(path: str) -> Optional[Stamp]:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _folder_time(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
