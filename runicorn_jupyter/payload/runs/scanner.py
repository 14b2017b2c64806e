"""The runs of a storage root as the viewer lists them and their files tell. Remote (Python >= 3.8)."""

import json
import os
import socket
import time
from typing import Any, Callable, Dict, Optional, Set, Tuple

from runicorn_jupyter.payload.runs.details import NOTHING, Budget, Details
from runicorn_jupyter.payload.runs.event_log import Events
from runicorn_jupyter.payload.runs.in_process_api import ask

__all__ = ["Record", "RunScanner"]

MIN_LIST_SECONDS, LIST_SECONDS = 2.0, 60.0
"""A list as old as this is asked for anew by the next look, whatever the files say: soon after one that had
other runs than the one before (0.7 takes up one by one what it finds on the disk), later more seldom."""
PENDING_SECONDS = 60.0
"""A folder without a status is a run that begins, for so long."""
MAX_FOLDERS, MAX_DEPTH = 5000, 12
MAX_RECORDS = 20001
"""One more than the other side takes, so that it knows."""
TEXT = 512
HOST = socket.gethostname()
"""As runicorn writes it into a run's meta.json (from 0.6 on)."""

Record = Dict[str, Any]
Stamp = Tuple[int, int]


class RunScanner:
    """Reads the runs of a storage root from its files; used by one thread only.

    Parameters
    ----------
    root
        The storage root.
    taking_up
        Tells whether the viewer's own list is still being filled.
    """

    def __init__(self, root: Optional[str], taking_up: Callable[[], bool]) -> None:
        self.root = root
        self.complete = False
        """Whether the list was whole when it was asked for last."""
        self._taking_up = taking_up
        self._listed = float("-inf")
        self._lasts = MIN_LIST_SECONDS
        self._folders: Dict[str, int] = {}
        self._runs: Dict[str, "RunFiles"] = {}
        self._budget = Budget()

    def look(self, app: Any, dirty: bool, patient: bool) -> Tuple[Dict[str, Record], Set[str]]:
        """Return the records that are new or changed, and the ids that are gone."""
        stale = patient and time.monotonic() - self._listed > self._lasts
        stale = stale or not (self.complete or self._taking_up())
        if dirty or stale or self._folders_changed() or any(run.ended() for run in self._runs.values()):
            return self._list(app)
        changed = {}
        for run_id, run in self._runs.items():
            if run.running:
                record = run.read()
                if record is not None:
                    changed[run_id] = record
        return changed, set()

    def folder_of(self, run_id: str) -> Optional[str]:
        """Return a run's folder, or None, as of the last list; on any thread."""
        run = self._runs.get(run_id)
        return None if run is None else run.folder

    def _folders_changed(self) -> bool:
        return any(_folder_time(path) != seen for path, seen in self._folders.items())

    def _list(self, app: Any) -> Tuple[Dict[str, Record], Set[str]]:
        self._listed = time.monotonic()
        complete = not self._taking_up()
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
            MIN_LIST_SECONDS
            if not complete or set(self._runs) != set(items)
            else min(3 * self._lasts, LIST_SECONDS)
        )
        self.complete = complete
        gone = set(self._runs) - set(items)
        for run_id in gone:
            self._runs.pop(run_id).close()
        changed = {}
        for run_id, item in items.items():
            run = self._runs.get(run_id)
            if run is None or run.folder != item.get("run_dir"):
                if run is not None:
                    run.close()
                run = self._runs[run_id] = RunFiles(item.get("run_dir"), self._budget)
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

    def __init__(self, folder: Any, budget: Budget) -> None:
        self.folder: Optional[str] = folder if isinstance(folder, str) else None
        self.item: Record = {}
        self.running = False
        self.pending = False
        self._status: Record = {}
        self._status_stamp: Optional[Stamp] = None
        self._events = Events(os.path.join(self.folder, "events.jsonl")) if self.folder else None
        self._details = Details(self.folder, budget) if self.folder else None
        self._sent: Optional[Tuple[str, str]] = None
        self._lost = 0
        self._host: Optional[str] = None

    def close(self) -> None:
        """Forget what is kept."""
        if self._details is not None:
            self._details.close()

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

    def _process(self) -> Optional[int]:
        """Return the process's id if that is on this machine, as far as the run's files say."""
        pid = self.item.get("pid")
        if not isinstance(pid, int) or pid <= 0 or self.folder is None:
            return None
        if self._host is None:
            self._host = _host_of(self.folder)
        return pid if self._host in ("", HOST) and pid != self._lost else None

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
        if self.running and (pid := self._process()):
            run["pid"] = pid
        for name in ("project", "name", "path", "alias"):
            if isinstance(item.get(name), str):
                run[name] = item[name][:TEXT]
        if self._events is not None:
            run.update(self._events.describe())
        details = NOTHING
        if self._details is not None:
            self._details.read()
            details = self._details.text
        text = json.dumps(run)
        if (text, details) == self._sent:
            return None
        self._sent = text, details
        return {"run": run, "size": len(text), "details": details}

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


def _host_of(folder: str) -> str:
    """Return the machine that a run was begun on; empty if its files do not say."""
    try:
        with open(os.path.join(folder, "meta.json"), encoding="utf-8") as file:
            value = json.loads(file.read(65536))
    except (OSError, ValueError, RecursionError):
        return ""
    host = value.get("hostname") if isinstance(value, dict) else None
    return host if isinstance(host, str) else ""


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
