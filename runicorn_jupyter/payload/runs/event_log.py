"""The metrics that runicorn's SDK appends to a run's ``events.jsonl``: the last value of each. Python >= 3.8.

A line is ``{"type": "metrics", "data": {"global_step": …, NAME: NUMBER, …}}`` (0.5 to 0.7), with the words
``NaN`` and ``Infinity`` of Python's ``json``. A file is read from its end, once, and then only what is
appended.
"""

import json
import math
import os
from typing import Any, Callable, Dict, Optional, Set

__all__ = ["Events", "metrics_event", "read_event"]

HEAD_BYTES = 4096
CHUNK_BYTES = 65536
MAX_BACK_BYTES = 2**20
"""How far back a value is looked for that the beginning of the file says is logged."""
MAX_APPENDED_BYTES = 4 * 2**20
MIN_LINES = 16
MAX_METRICS = 64
MAX_NAME = 128
NOT_METRICS = {"global_step", "step", "time", "stage", "epoch"}


class Events:
    """One file.

    Parameters
    ----------
    path
        Where it is, or will be.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._size = 0
        self._rest = b""
        self._step: Optional[int] = None
        self._metrics: Dict[str, float] = {}
        self._bad: Dict[str, Optional[int]] = {}

    def describe(self) -> Dict[str, Any]:
        """Return the last ``step``, the last ``metrics``, and of which one ``nan`` was seen at which step."""
        return {
            "step": self._step,
            "metrics": {name: _word(value) for name, value in self._metrics.items()},
            "nan": self._bad,
        }

    def read(self) -> None:
        """Read what is new."""
        try:
            size = os.stat(self._path).st_size
            if size == self._size:
                return
            with open(self._path, "rb") as file:
                appended = size - self._size
                if self._size == 0 or appended < 0 or appended > MAX_APPENDED_BYTES:
                    self._read_back(file, size)
                else:
                    file.seek(self._size)
                    self._append(file.read(appended))
        except OSError:
            return

    def _append(self, data: bytes) -> None:
        self._size += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > CHUNK_BYTES:
            self._rest = b""
        for line in lines:
            self._take(_metrics_of(line), newest=True)

    def _read_back(self, file: Any, size: int) -> None:
        """Read lines from the last one back, until each metric of the file's beginning was found."""
        self._metrics, self._bad, self._step = {}, {}, None
        missing: Set[str] = set()
        for line in file.read(HEAD_BYTES).split(b"\n")[:-1]:
            missing.update(_metrics_of(line).get("values", ()))
        position, taken, first, rest = size, 0, True, b""
        while position > 0 and size - position < MAX_BACK_BYTES:
            start = max(0, position - CHUNK_BYTES)
            file.seek(start)
            lines = (file.read(position - start) + rest).split(b"\n")
            position = start
            if first:
                self._rest, first = lines.pop(), False
            rest = lines.pop(0) if start > 0 and lines else b""
            for line in reversed(lines):
                found = _metrics_of(line)
                self._take(found, newest=False)
                missing -= set(found.get("values", ()))
                taken += 1
                if taken >= MIN_LINES and not missing:
                    position = 0
                    break
            if len(rest) > MAX_BACK_BYTES:
                break
        self._size = size

    def _take(self, found: Dict[str, Any], *, newest: bool) -> None:
        if not found:
            return
        step = found["step"]
        if step is not None and (newest or self._step is None):
            self._step = step
        for name, value in found["values"].items():
            if name not in self._metrics and len(self._metrics) >= MAX_METRICS:
                continue
            if newest or name not in self._metrics:
                self._metrics[name] = value
            if not math.isfinite(value) and (name not in self._bad or not newest):
                self._bad[name] = step


def read_event(line: bytes, decode: Callable[[str], Any] = json.loads) -> Optional[Dict[str, Any]]:
    """Return what a line says, whose ``data`` are a dict; None if it is none of metrics.

    Parameters
    ----------
    line
        Without its newline.
    decode
        Reads JSON.
    """
    if b'"metrics"' not in line:
        return None
    try:
        return metrics_event(decode(line.decode("utf-8", "replace")))
    except (ValueError, RecursionError):
        return None


def metrics_event(value: Any) -> Optional[Dict[str, Any]]:
    """Return what a line says if it is of metrics, whose ``data`` are a dict; else None."""
    if not isinstance(value, dict) or value.get("type") != "metrics":
        return None
    return value if isinstance(value.get("data"), dict) else None


def _metrics_of(line: bytes) -> Dict[str, Any]:
    """Return the ``step`` and the numeric ``values`` of a line; nothing if it is none of metrics."""
    event = read_event(line)
    if event is None:
        return {}
    data = event["data"]
    step = data.get("global_step", data.get("step"))
    values: Dict[str, float] = {}
    for name, value in data.items():
        if name not in NOT_METRICS and isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                values[name[:MAX_NAME]] = float(value)
            except OverflowError:
                values[name[:MAX_NAME]] = math.inf
    is_step = isinstance(step, int) and not isinstance(step, bool) and abs(step) < 2**53
    return {"step": step if is_step else None, "values": values}


def _word(value: float) -> Any:
    """Return what JSON can say: a number, or the word for one that it does not have (as ProtoJSON)."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
