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
import secrets
import time
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Dict, List, Optional, Tuple

from runicorn_jupyter.payload.runs.scanner import Record, RunScanner
from runicorn_jupyter.payload.threads import started_threads

if TYPE_CHECKING:
    from runicorn_jupyter.payload.runs.metrics import Metrics

__all__ = ["RunChangelog"]

TICK_SECONDS = 1.0
REST_SECONDS = 0.5
"""Between a change that was told and the next look for one, at least."""
LOAD = 20
"""Minimum idle time between scans, as a multiple of the last scan's duration."""
FRESH_SECONDS = 0.2
"""Maximum age of a look, from its beginning, that is good enough for who asks for the state of now. If a look
takes less than half of that, it is twice as long as the look takes: looks take half of the time at most."""
MAX_ANSWER_BYTES = 100000
"""Of one answer; more is asked for. The other side looks at each run of it, in one go of its event loop."""
MAX_REMOVED = 10000
MAX_WAITERS = 64


class RunChangelog:
    """The table.

    Parameters
    ----------
    app
        The viewer.
    root
        Returns the storage root it has now.
    taking_up
        Tells, on any thread, whether the viewer's own list is still being filled.
    """

    def __init__(self, app: Any, root: Callable[[], Optional[str]], taking_up: Callable[[], bool]) -> None:
        self._app = app
        self._root = root
        self._taking_up = taking_up
        self._thread = started_threads(1, "runicorn-jupyter-runs")
        self._metrics_thread = started_threads(1, "runicorn-jupyter-metrics")
        self._metrics: Optional["Metrics"] = None
        self._looking: Optional["asyncio.Future[None]"] = None
        self._looked = float("-inf")
        """When the last look began, which may not have ended."""
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
        self._scanner = RunScanner(None, self._taking_up)
        self._complete = False

    def close(self) -> None:
        """Let go of all who wait; on the event loop."""
        if self._closed is None:
            self._closed = asyncio.get_event_loop().create_future()
        if not self._closed.done():
            self._closed.set_result(None)

    async def changes(
        self, epoch: str, version: int, known: int, seconds: float, gone: "asyncio.Future[Any]"
    ) -> Dict[str, Any]:
        """Return what changed after a version.

        Parameters
        ----------
        epoch, version
            Of the answer before; of another epoch is answered by everything, with ``reset``.
        known
            The version of the last answer that no more followed: what a run was given and came to is said
            only if that changed since, for it is long, and most changes are of the steps.
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
        return self._since(epoch, version, known)

    async def follow(
        self, epoch: str, version: int, known: int, seconds: float, gone: "asyncio.Future[Any]"
    ) -> AsyncIterator[Dict[str, Any]]:
        """Yield changes as they come, each as ``changes`` returns it; the last has none, or the time is over.

        Parameters
        ----------
        epoch, version, known, gone
            As ``changes`` has them.
        seconds
            How long to go on.
        """
        deadline = time.monotonic() + seconds
        while True:
            answer = await self.changes(epoch, version, known, max(0.0, deadline - time.monotonic()), gone)
            yield answer
            before, (epoch, version) = (epoch, version), (answer["epoch"], answer["version"])
            if (epoch, version) == before:
                return
            if not answer["more"]:
                known = version
                rest = min(max(REST_SECONDS, LOAD * self._took), deadline - time.monotonic())
                if rest <= 0 or not await self._pause(rest, gone):
                    return

    async def metrics(
        self, runs: List[Record], names: Optional[List[str]], points: int, relative: bool
    ) -> List[Record]:
        """Return metrics of some runs; see ``metrics.Metrics.read``."""
        if any(self._scanner.folder_of(run["id"]) is None for run in runs):
            await self._refresh(False)
        folders = [self._scanner.folder_of(run["id"]) for run in runs]
        if self._metrics is None:
            # Compiled only now: a viewer is up sooner without it, and many are never asked for curves.
            from runicorn_jupyter.payload.runs.metrics import Metrics

            self._metrics = Metrics(self._metrics_thread)
        return await self._metrics.read(runs, folders, names, points, relative)

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
        """Look now, or with who looks already; a list that nothing asks for is made for who waits anyway.

        A look that began before it was asked for may have missed what there was to see then: only who waits
        for changes anyway is content with it.
        """
        asked = time.monotonic()
        while self._looking is not None and not self._looking.done():
            is_fresh = self._is_fresh(asked)
            await asyncio.shield(self._looking)
            if patient or is_fresh:
                return
        if self._is_fresh(time.monotonic()) and not self.dirty:
            return
        self._looked = time.monotonic()
        self._looking = asyncio.ensure_future(self._look(patient))
        await asyncio.shield(self._looking)

    def _is_fresh(self, asked: float) -> bool:
        """Tell whether the last look, ended or not, tells the state of the time when it was asked for."""
        return asked - self._looked < min(FRESH_SECONDS, 2 * self._took)

    async def _look(self, patient: bool) -> None:
        root = self._root()
        if root != self._scanner.root:
            self._begin()
            self._scanner = RunScanner(root, self._taking_up)
            self.dirty = True
        dirty, self.dirty = self.dirty, False
        loop = asyncio.get_event_loop()
        try:
            changed, removed = await loop.run_in_executor(
                self._thread, self._scanner.look, self._app, dirty, patient
            )
        except BaseException:
            self.dirty = True
            raise
        for run_id in removed:
            self._put(run_id, None)
        for run_id, record in changed.items():
            self._put(run_id, record)
        if self._scanner.complete != self._complete:
            self._complete = self._scanner.complete
            self._version += 1  # so that whoever waits is told
        self._took = time.monotonic() - self._looked
        if sum(record is None for _, record in self._records.values()) > MAX_REMOVED:
            kept = [(run_id, record) for run_id, (_, record) in self._records.items() if record is not None]
            scanner = self._scanner
            self._begin()
            self._scanner, self._complete = scanner, scanner.complete
            for run_id, record in kept:
                self._put(run_id, record)

    def _put(self, run_id: str, record: Optional[Record]) -> None:
        self._version += 1
        _, before = self._records.pop(run_id, (0, None))
        if record is not None:
            is_same = before is not None and before["details"] == record["details"]
            record["detailed"] = before["detailed"] if before is not None and is_same else self._version
        self._records[run_id] = (self._version, record)

    def _since(self, epoch: str, version: int, known: int) -> Dict[str, Any]:
        reset = epoch != self._epoch
        known = -1 if reset else known
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
            size += 150 if record is None else _size(record, known)
            if size > MAX_ANSWER_BYTES and (runs or removed):
                reached, more = last, True
                break
            if record is None:
                removed.append(run_id)
            else:
                runs.append(_told(record, known))
            last = number
        return {
            "root": self._scanner.root,
            "epoch": self._epoch,
            "version": reached,
            "reset": reset,
            "more": more,
            "complete": self._complete,
            "runs": runs,
            "removed": removed,
            "total": sum(record is not None for _, record in self._records.values()),
        }


def _size(record: Record, known: int) -> int:
    """Return how long ``_told`` is as JSON, nearly."""
    size: int = record["size"]
    return size + len(record["details"]) if record["detailed"] > known else size


def _told(record: Record, known: int) -> Record:
    if record["detailed"] <= known:
        return record["run"]  # type: ignore[no-any-return]
    return {**record["run"], "details": json.loads(record["details"])}
