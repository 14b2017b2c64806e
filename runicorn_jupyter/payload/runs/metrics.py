"""The metrics of runs, as columns: only what is wanted of them, and new, goes over the line. Python >= 3.8.

Each file is read once, and then what is appended to it. What is kept of all of them is bounded: what nobody
has watched for a while goes first, then the longest is thinned out.
"""

import asyncio
import collections
import math
import os
import time
from array import array
from concurrent.futures import Executor
from functools import partial
from typing import Any, Dict, List, Optional, Sequence

from runicorn_jupyter.payload.runs.metric_file import MAX_COLUMNS, MetricFile
from runicorn_jupyter.payload.runs.peaks import ROWS, Peaks, are_finite, peaks_between

__all__ = ["MAX_COLUMNS", "MAX_VALUES", "Metrics"]

MAX_BYTES = 64 * 2**20
"""Of the numbers of all files."""
MAX_VALUES = 500000
"""In one answer."""
WATCHED_SECONDS = 60.0
INFINITE = float("inf")
POINTS_A_NAME = 64
"""Where fewer steps than that are wanted for each metric, only the first ones' peaks are kept."""

Record = Dict[str, Any]


class Metrics:
    """The files of the runs that are watched.

    Parameters
    ----------
    thread
        An executor of one thread, which reads all files.
    max_bytes
        How many bytes of memory their numbers may take.
    """

    def __init__(self, thread: Executor, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._files: "collections.OrderedDict[str, MetricFile]" = collections.OrderedDict()
        self._watched: Dict[str, float] = {}
        self._thread = thread

    async def read(
        self,
        runs: List[Record],
        folders: List[Optional[str]],
        names: Optional[List[str]],
        points: int,
        relative: bool,
    ) -> List[Record]:
        """Return what is new of some runs, in their order.

        Parameters
        ----------
        runs
            Of each: ``since``, the last step that is known, and the ``version`` of the answer that said it.
        folders
            The folder of each; None: there is no such run.
        names
            The metrics that are wanted; None: all.
        points
            How many steps of each run at most.
        relative
            Whether times are seconds since the run's first one.

        Returns
        -------
        list
            Of each run ``steps``, ``times`` and ``metrics`` (a list for each name), the ``total`` of steps
            that are new, its ``version``, if there are any ``bad`` (for each name the steps with what is no
            finite number), and ``reset`` if what was known is not so any more. Of a run that is not there:
            ``missing``.
        """
        loop = asyncio.get_event_loop()
        return await loop.run_in_executor(self._thread, self._read, runs, folders, names, points, relative)

    def _read(self, runs: Any, folders: Any, names: Any, points: int, relative: bool) -> List[Record]:
        values = MAX_VALUES // max(1, len(runs))
        answers = []
        for number, run in enumerate(runs):
            folder = folders[number]
            if folder is None:
                answers.append({"missing": True})
                continue
            file = self._file(os.path.join(folder, "events.jsonl"))
            file.read(self._make_room)
            columns = len(file.columns) if names is None else len(names)
            most = max(2, min(points, values // (2 + 2 * columns)))
            answers.append(_answer(file, run, names, most, relative))
        return answers

    def _file(self, path: str) -> MetricFile:
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = MetricFile(path)
        self._files.move_to_end(path)
        self._watched[path] = time.monotonic()
        return file

    def _make_room(self, file: MetricFile, rows: int, names: Any) -> None:
        """Let the memory be enough for more of a file."""
        while True:
            others = sum(each.size for each in self._files.values() if each is not file)
            if others + file.size_with(rows, names) <= self._max_bytes:
                return
            oldest = next(iter(self._files.values()))
            idle = time.monotonic() - self._watched[oldest.path] > WATCHED_SECONDS
            if oldest is not file and idle:
                self._forget(oldest)
                continue
            if max(self._files.values(), key=lambda each: each.size).thin_out(_keep_all_peaks):
                continue
            if oldest is file:
                return
            self._forget(oldest)

    def _forget(self, file: MetricFile) -> None:
        del self._files[file.path], self._watched[file.path]


def _answer(file: MetricFile, run: Record, names: Optional[List[str]], points: int, relative: bool) -> Record:
    wanted = sorted(file.columns) if names is None else [name for name in names if name in file.columns]
    start, reset = file.start_of(run.get("since"), run.get("version"))
    columns = [file.columns[name] for name in wanted]
    peaks = [file.peaks_of(name) for name in wanted]
    rows: Any = range(start, len(file.steps))
    if not any(each.are_finite(rows.start, rows.stop) for each in peaks):
        rows = array("q", [at for at in rows if any(each[at] == each[at] for each in columns)])
    kept = _thin(columns, rows, points, peaks)
    first = next((each for each in file.times if not math.isnan(each)), 0.0) if relative else 0.0
    answer: Record = {
        "steps": [file.steps[at] for at in kept],
        "times": [_told(file.times[at] - first, 3) for at in kept],
        "metrics": {name: [_told(file.columns[name][at]) for at in kept] for name in wanted},
        "total": len(rows) if start or file.is_whole else max(len(rows), file.total),
        "version": file.version,
    }
    bad = {}
    for name in wanted:
        column = file.columns[name]
        steps = [file.steps[at] for at in kept if abs(column[at]) == INFINITE]
        if steps:
            bad[name] = steps
    if bad:
        answer["bad"] = bad
    if reset:
        answer["reset"] = True
    return answer


def _told(value: float, digits: Optional[int] = None) -> Optional[float]:
    if value - value != 0:  # neither NaN nor infinite numbers have a difference to themselves
        return None
    return value if digits is None else round(value, digits)


def _keep_all_peaks(file: MetricFile, points: int) -> List[int]:
    return _thin(list(file.columns.values()), range(len(file.steps)), points)


def _thin(columns: List[Any], rows: Any, points: int, peaks: Sequence[Peaks] = ()) -> List[int]:
    """Keep of each stretch of rows those with the least and the greatest value: a peak stays a peak.

    Parameters
    ----------
    columns
        The values; the first ones' peaks stay, if there are too many.
    rows
        The places of the rows.
    points
        How many rows to keep at most.
    peaks
        Of each column, if somebody keeps them.
    """
    if len(rows) <= points:
        return list(rows)
    columns = columns[: max(1, points // POINTS_A_NAME)]
    stretch = isinstance(rows, range)
    ends = (rows[0], rows[-1] + 1)
    whole = [
        stretch and (peaks[at].are_finite(*ends) if peaks else are_finite(column[slice(*ends)]))
        for at, column in enumerate(columns)
    ]
    finds = [each.between for each in peaks] or [partial(peaks_between, column) for column in columns]
    is_finite = all(whole) or not any(abs(column[at]) == INFINITE for column in columns for at in rows)
    inner = rows[1:-1]
    kept = {rows[0], rows[-1]}
    bounds = _bounds(inner, (points - 2) // (max(1, len(columns)) * (2 if is_finite else 3)))
    for number, start in enumerate(bounds[:-1]):
        part = inner[start : bounds[number + 1]]
        for at, column in enumerate(columns):
            kept.update(finds[at](part[0], part[-1] + 1) if whole[at] else _peaks_among(column, part))
    return sorted(kept)


def _bounds(rows: Any, count: int) -> List[int]:
    """Return where so many stretches begin and end; wide ones, as far as can be, where `Peaks` do."""
    length, first = len(rows), rows[0]
    bounds = [number * length // count for number in range(count + 1)] if count else []
    if length >= 2 * ROWS * count:
        bounds[1:-1] = [(first + bound) // ROWS * ROWS - first for bound in bounds[1:-1]]
    return bounds


def _peaks_among(column: Any, rows: Any) -> List[int]:
    """Return which rows have the least and the greatest value, and one that is not finite, if any."""
    logged = [(column[at], at) for at in rows if column[at] == column[at]]
    finite = [each for each in logged if abs(each[0]) != INFINITE]
    kept = [min(finite)[1], max(finite)[1]] if finite else []
    if len(finite) < len(logged):
        kept.append(next(at for value, at in logged if abs(value) == INFINITE))
    return kept
