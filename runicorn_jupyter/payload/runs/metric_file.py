"""All metrics of one run's ``events.jsonl`` as columns, of which later only what is appended is read.

Python >= 3.8. A line is ``{"ts": …, "type": "metrics", "data": {"global_step": …, "time": …, NAME: NUMBER,
…}}`` (0.5 to 0.7). What was logged at one step, by however many calls, is one row, as in the viewer's own
``GET /api/runs/{id}/metrics_step``.
"""

import json
import math
import os
import re
import secrets
import stat
from array import array
from bisect import bisect_left, bisect_right
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from runicorn_jupyter.payload.runs.event_log import MAX_NAME, NOT_METRICS, metrics_event, read_event
from runicorn_jupyter.payload.runs.peaks import Peaks

__all__ = ["MAX_COLUMNS", "MetricFile"]

MAX_COLUMNS = 256
CHUNK_BYTES = 2**20
TAIL_BYTES = 64
"""How much of what was read is compared: a file that was rewritten has other bytes there."""
MAX_REWINDS = 64
MIN_ROWS = 2000
"""A file of so many rows is not thinned out any more."""
OWN_BYTES = 4096
"""What a file takes besides its numbers, at most."""
PEAK_BYTES = 1
"""What `Peaks` take of each number."""
MISSING = math.nan
"""Of a value that was not logged at a step. One that was logged and is no finite number is infinite here."""

LINES_TOGETHER = 256
"""So many are read by one call of Python's ``json``: that takes half the time."""
SHORT_BYTES = 4096
_DECODER = json.JSONDecoder(parse_int=lambda digits: int(digits) if len(digits) < 20 else math.inf)
"""Of long lines: Python's ``int`` takes time by the square of the length."""

Rows = Dict[int, Dict[str, float]]


class MetricFile:
    """One file.

    Parameters
    ----------
    path
        Where it is, or will be.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._begin()

    def _begin(self) -> None:
        self.generation = secrets.token_hex(4)
        self.count = 0
        """Lines of metrics that were read."""
        self.total = 0
        """Steps that were logged; more than there are rows, if those were thinned out."""
        self.steps = array("q")
        self.times = array("d")
        self.columns: Dict[str, "array[float]"] = {}
        self._peaks: Dict[str, Peaks] = {}
        self._touched = array("q")
        self._rewinds: List[Tuple[int, int]] = []
        self._place: Optional[Tuple[int, int]] = None
        self._stamp: Optional[Tuple[int, int]] = None
        self._offset = 0
        self._tail = b""
        self._skipping = False

    @property
    def size(self) -> int:
        """How many bytes of memory it takes."""
        return self.size_with(0, ())

    def size_with(self, rows: int, names: Any) -> int:
        """Return how many bytes of memory it takes with so many rows more, and columns of these names."""
        columns = len(self.columns) + sum(name not in self.columns for name in names)
        return OWN_BYTES + (8 * 3 + (8 + PEAK_BYTES) * columns) * (len(self.steps) + rows)

    @property
    def is_whole(self) -> bool:
        """Whether all of its rows are there."""
        return self.total == len(self.steps)

    def peaks_of(self, name: str) -> Peaks:
        """Return those of a column that is there."""
        if name not in self._peaks:
            self._peaks[name] = Peaks(self.columns[name])
        return self._peaks[name]

    @property
    def version(self) -> str:
        """What was read by now, as a word."""
        return f"{self.generation}-{self.count}"

    def read(self, make_room: Callable[["MetricFile", int, Any], None]) -> None:
        """Read what is new; if the file is another, all of it.

        Parameters
        ----------
        make_room
            Called before so many rows, and columns of these names, are added.
        """
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            if self._place is not None:
                self._begin()
            return
        try:
            status = os.fstat(file)
            if stat.S_ISREG(status.st_mode):
                self._read(file, status, make_room)
        except OSError:
            return  # the next look reads on
        finally:
            os.close(file)

    def _read(self, file: int, status: os.stat_result, make_room: Any) -> None:
        place, stamp = (status.st_dev, status.st_ino), (status.st_mtime_ns, status.st_size)
        if place == self._place and stamp == self._stamp:
            return
        tail = len(self._tail)
        if self._place is not None and (
            place != self._place or os.pread(file, tail, self._offset - tail) != self._tail
        ):
            self._begin()
        self._place = place
        while True:
            data = os.pread(file, CHUNK_BYTES, self._offset)
            lines, newline, _ = data.rpartition(b"\n")
            if newline:
                skipped, self._skipping = self._skipping, False
                self._take(lines.split(b"\n")[1 if skipped else 0 :], make_room)
                data = lines + newline
            elif len(data) < CHUNK_BYTES:
                break  # the rest of the line is still to come
            else:
                self._skipping = True
            self._offset += len(data)
            self._tail = (self._tail + data)[-TAIL_BYTES:]
        self._stamp = stamp

    def _take(self, lines: List[bytes], make_room: Any) -> None:
        rows: Rows = {}
        times: Dict[int, float] = {}
        touched: Dict[int, int] = {}
        names: Dict[str, None] = {}
        for step, time, values in _events_of(lines):
            self.count += 1
            touched[step] = self.count
            times.setdefault(step, time)
            row = rows.setdefault(step, {})
            for name, value in values.items():
                if name in self.columns or name in names or len(self.columns) + len(names) < MAX_COLUMNS:
                    names.setdefault(name)
                    row[name] = value
        if rows:
            make_room(self, len(rows), names)
            self._merge(rows, times, touched, names)

    def _merge(self, rows: Rows, times: Dict[int, float], touched: Dict[int, int], names: Any) -> None:
        """Put rows, which may be of steps that are there, to their places."""
        new = sorted(rows)
        start = bisect_left(self.steps, new[0])
        after = self.steps[start:]
        if len(after) > 1 or (after and after[0] != new[0]):
            self._rewinds = [*self._rewinds, (self.count, new[0])][-MAX_REWINDS:]
        place = {step: start + number for number, step in enumerate(after)}
        merged = sorted(place.keys() | rows.keys()) if after else new
        self.total += len(merged) - len(after)
        known = [(step, place.get(step, -1)) for step in merged]
        old_times, old_touched = self.times, self._touched
        self.times[start:] = array("d", [times[s] if at < 0 else old_times[at] for s, at in known])
        self._touched[start:] = array(
            "q", [touched[s] if s in touched else old_touched[at] for s, at in known]
        )
        for name in names:
            if name not in self.columns:
                self.columns[name] = array("d", [MISSING]) * len(self.steps)
        for name, column in self.columns.items():
            column[start:] = array(
                "d",
                [
                    rows[s][name] if s in rows and name in rows[s] else (MISSING if at < 0 else column[at])
                    for s, at in known
                ],
            )
        self.steps[start:] = array("q", merged)
        for peaks in self._peaks.values():
            peaks.forget(start)

    def thin_out(self, keep: Callable[["MetricFile", int], List[int]]) -> bool:
        """Keep half of the rows at most; tell whether there were enough of them.

        Parameters
        ----------
        keep
            Returns the places of the rows to keep, so many at most.
        """
        if len(self.steps) < MIN_ROWS:
            return False
        kept = keep(self, len(self.steps) // 2)
        columns: List[Any] = [self.steps, self.times, self._touched, *self.columns.values()]
        for column in columns:
            column[:] = array(column.typecode, [column[at] for at in kept])
        self._peaks.clear()
        return True

    def start_of(self, since: Optional[int], version: Optional[str]) -> Tuple[int, bool]:
        """Return where the rows begin that a reader does not have, and whether it has to begin anew.

        Parameters
        ----------
        since
            The last step it has; None: it has nothing.
        version
            That of the answer it has them from, if it says so.
        """
        if since is None:
            return 0, False
        if not self.steps or since > self.steps[-1]:
            return 0, True
        start = bisect_right(self.steps, since)
        if version is None:
            return start, False
        known = self._count_of(version)
        if known is None or self._changed_before(since, known):
            return 0, True
        if start and self.steps[start - 1] == since and self._touched[start - 1] > known:
            start -= 1  # more was logged at that step
        return start, False

    def _count_of(self, version: str) -> Optional[int]:
        """Return how many lines were read as of a version; None: not of this file, or not so any more."""
        generation, _, number = version.rpartition("-")
        if generation != self.generation or not re.match("[0-9]{1,15}$", number):
            return None
        return int(number) if int(number) <= self.count else None

    def _changed_before(self, step: int, known: int) -> bool:
        """Tell whether rows before a step may have changed since so many lines were read."""
        if len(self._rewinds) == MAX_REWINDS and known < self._rewinds[0][0]:
            return True
        return any(known < count and first < step for count, first in self._rewinds)


def _events_of(lines: List[bytes]) -> Iterator[Tuple[int, float, Dict[str, float]]]:
    """Yield the step, the time and the numbers of each line that is one of metrics."""
    lines = [line for line in lines if b'"metrics"' in line]
    for start in range(0, len(lines), LINES_TOGETHER):
        for event in _read_together(lines[start : start + LINES_TOGETHER]):
            found = None if event is None else _event_of(event)
            if found is not None:
                yield found


def _read_together(lines: List[bytes]) -> List[Optional[Dict[str, Any]]]:
    if all(len(line) <= SHORT_BYTES for line in lines):
        try:
            values = json.loads((b"[" + b",".join(lines) + b"]").decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            values = []
        if len(values) == len(lines):
            return [metrics_event(value) for value in values]
    # One of them is no JSON, or long.
    return [read_event(line, json.loads if len(line) <= SHORT_BYTES else _DECODER.decode) for line in lines]


def _event_of(event: Dict[str, Any]) -> Optional[Tuple[int, float, Dict[str, float]]]:
    data = event["data"]
    step = data.get("global_step", data.get("step"))
    if isinstance(step, float) and step.is_integer():
        step = int(step)
    if not isinstance(step, int) or isinstance(step, bool) or abs(step) >= 2**53:
        return None
    time = _number(data.get("time", event.get("ts")))
    values = {}
    for name, value in data.items():
        if name not in NOT_METRICS:
            number = _number(value)
            if number is not None:
                values[name[:MAX_NAME]] = number
    return step, MISSING if time is None or math.isinf(time) else time, values


def _number(value: Any) -> Optional[float]:
    """Return a number, infinite if it is no finite one."""
    if type(value) is float:  # as most are
        return value if value - value == 0 else math.inf
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return math.inf
    return number if math.isfinite(number) else math.inf
