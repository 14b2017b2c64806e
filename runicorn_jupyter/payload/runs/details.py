"""What a run was given and what it came to: parameters, code, summary, best value. Python >= 3.8.

``log_config`` writes ``config.args`` and ``config.extra`` into ``assets.json`` (0.6 and 0.7), and
``init(snapshot_code=True)`` the fingerprint of what it kept of the code, before them; ``summary`` and
the end of a run write ``summary.json`` (0.5 too). Both are read again when their times or sizes are others,
and never more of them than a part: whoever can write below the storage root can write anything there.
"""

import json
import math
import os
import re
import stat
import time
from typing import Any, Dict, Iterator, List, Optional, Tuple

__all__ = ["Budget", "Details"]

MAX_FILE_BYTES = 2**20
"""What is read of a file. ``code`` and ``config`` stand before all that grows long in ``assets.json``."""
MAX_NAMES, MAX_NAME, MAX_TEXT, MAX_DEPTH = 256, 128, 512, 16
MAX_PARAMS_BYTES, MAX_SUMMARY_BYTES = 49152, 16384
"""Of their JSON, so that one run always fits into an answer."""
MAX_ALL_BYTES = 32 * 2**20
"""Of all runs of a storage root together; what is beyond is counted as left out."""
BEING_WRITTEN_SECONDS = 60.0
"""A file that is no JSON is taken for one that is being written, for so long."""
BEST = ("best_metric_name", "best_metric_value", "best_metric_step", "best_metric_mode")
NOTHING = "{}"
FINGERPRINT = re.compile(r"[A-Za-z0-9:._-]{1,128}")

_SPACE = re.compile(r"[ \t\r\n]*")


class Budget:
    """Counts the characters that are kept of all runs.

    Parameters
    ----------
    limit
        How many there may be.
    """

    def __init__(self, limit: int = MAX_ALL_BYTES) -> None:
        self._left = limit

    def has_room(self, count: int) -> bool:
        """Tell whether so many more fit."""
        return count <= self._left

    def use(self, count: int) -> None:
        """Count so many more, or less."""
        self._left -= count


class Details:
    """What the two files of one run say.

    Parameters
    ----------
    folder
        The run's.
    budget
        Shared by all runs of a storage root.
    """

    def __init__(self, folder: str, budget: Budget) -> None:
        self._budget = budget
        self._assets = _File(os.path.join(folder, "assets.json"), _read_config)
        self._summary = _File(os.path.join(folder, "summary.json"), _read_summary)
        self.text = NOTHING
        """An object in JSON: of ``params``, ``params_left_out``, ``code_snapshot``, ``summary``,
        ``summary_left_out`` and ``best`` those that are not empty. How many are left out is null where that
        is not known."""

    def read(self) -> None:
        """Read what is new."""
        changed = [self._assets.read(), self._summary.read()]
        if any(changed):
            self._keep({**self._assets.found, **self._summary.found})

    def close(self) -> None:
        """Forget all, so that others have the room."""
        self._keep({})

    def _keep(self, found: Dict[str, Any]) -> None:
        text = json.dumps(found)
        if not self._budget.has_room(len(text) - len(self.text)):
            text = json.dumps(_only_counted(found))
        self._budget.use(len(text) - len(self.text))
        self.text = text


def _only_counted(found: Dict[str, Any]) -> Dict[str, Any]:
    counted: Dict[str, Any] = {}
    for name in ("params", "summary"):
        left_out = found.get(name + "_left_out", 0)
        if left_out is not None:
            left_out += len(found.get(name, ()))
        if left_out != 0:
            counted[name + "_left_out"] = left_out
    return counted


class _File:
    """A file that is read again when it is another.

    Parameters
    ----------
    path
        Where it is, or will be.
    parse
        Makes what is to be kept of the text; the text may be only the file's beginning.
    """

    def __init__(self, path: str, parse: Any) -> None:
        self._path = path
        self._parse = parse
        self._stamp: Optional[Tuple[int, int, int]] = None
        self.found: Dict[str, Any] = {}

    def read(self) -> bool:
        """Read it if it is not as before; tell whether ``found`` may be another."""
        try:
            status = os.lstat(self._path)
            if _stamp(status) == self._stamp:
                return False
            file = _open(self._path, status)
        except OSError:
            gone, self.found, self._stamp = bool(self.found), {}, None
            return gone
        try:
            before = os.fstat(file)
            if not stat.S_ISREG(before.st_mode):
                return False  # the next look finds that
            data = _beginning(file)
            is_still = _stamp(os.fstat(file)) == _stamp(before)
        except OSError:
            return False
        finally:
            os.close(file)
        return self._take(data, before, is_still)

    def _take(self, data: bytes, status: os.stat_result, is_still: bool) -> bool:
        try:
            found = self._parse(data.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            if not is_still or (
                len(data) < MAX_FILE_BYTES and time.time() - status.st_mtime < BEING_WRITTEN_SECONDS
            ):
                return False  # the next look finds it whole
            found = self._parse(None)
        self.found = found
        if is_still:
            self._stamp = _stamp(status)
        return True


def _stamp(status: os.stat_result) -> Tuple[int, int, int]:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _open(path: str, status: os.stat_result) -> int:
    """Open a file that lies there itself: not what a link leads to, no pipe, no device."""
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path} is no file")
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _beginning(file: int) -> bytes:
    data = b""
    while len(data) < MAX_FILE_BYTES:
        piece = os.read(file, MAX_FILE_BYTES - len(data))
        if not piece:
            break
        data += piece
    return data


def _read_config(text: Optional[str]) -> Dict[str, Any]:
    """Return ``params``, how many are left out, and ``code_snapshot``; None: the file is unreadable."""
    if text is None:
        return {"params_left_out": None}
    members = _members(text, ("code", "config"))
    config = members.get("config")
    given = [config.get(name) for name in ("args", "extra")] if isinstance(config, dict) else []
    return {**_named("params", given, MAX_PARAMS_BYTES), **_snapshot(members.get("code"))}


def _snapshot(code: Any) -> Dict[str, Any]:
    """Return ``code_snapshot``, the fingerprint of the code that was kept, if some was."""
    snapshot = code.get("snapshot") if isinstance(code, dict) else None
    fingerprint = snapshot.get("fingerprint") if isinstance(snapshot, dict) else None
    is_one = isinstance(fingerprint, str) and FINGERPRINT.fullmatch(fingerprint)
    return {"code_snapshot": fingerprint} if is_one else {}


def _read_summary(text: Optional[str]) -> Dict[str, Any]:
    """Return ``summary``, how many are left out, and ``best``, of ``summary.json``; None: unreadable."""
    if text is None:
        return {"summary_left_out": None}
    summary = _DECODER.decode(text)
    if not isinstance(summary, dict):
        return {}
    best = _best(summary)
    if best is None:
        return _named("summary", [summary], MAX_SUMMARY_BYTES)
    rest = {name: value for name, value in summary.items() if name not in BEST}
    return {"best": best, **_named("summary", [rest], MAX_SUMMARY_BYTES)}


def _best(summary: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    metric, value, step, mode = (summary.get(name) for name in BEST)
    if not isinstance(metric, str) or isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return {
        "metric": metric[:MAX_NAME],
        "value": _plain(value),
        "step": step if isinstance(step, int) and not isinstance(step, bool) else None,
        "mode": mode if mode in ("max", "min") else None,
    }


def _named(kind: str, sources: List[Any], max_bytes: int) -> Dict[str, Any]:
    """Return the values of some objects by their dotted names, as ``kind``, and how many are left out.

    Of two of one name the first stays: ``{"a.b": 1, "a": {"b": 2}}`` has two.
    """
    found: Dict[str, Any] = {}
    left_out = size = 0
    for source in sources:
        for name, value in _leaves(source) if isinstance(source, dict) else ():
            if not name or name in found or len(found) == MAX_NAMES:
                left_out += 1
                continue
            try:
                plain = _plain(value)
            except RecursionError:
                left_out += 1
                continue
            more = len(json.dumps(name)) + len(json.dumps(plain)) + 4
            if size + more > max_bytes:
                left_out += 1
                continue
            found[name] = plain
            size += more
    named: Dict[str, Any] = {kind: found} if found else {}
    return {**named, kind + "_left_out": left_out} if left_out else named


def _leaves(source: Dict[str, Any]) -> Iterator[Tuple[str, Any]]:
    """Yield what is no object, with its dotted name; an empty name if it is too long, or too deep."""
    ahead = [("", iter(source.items()))]
    while ahead:
        prefix, items = ahead[-1]
        for key, value in items:
            name = prefix + key
            if len(name) > MAX_NAME:
                yield "", None
            elif isinstance(value, dict) and value:
                if len(ahead) < MAX_DEPTH:
                    ahead.append((name + ".", iter(value.items())))
                    break
                yield "", None
            else:
                yield name, value
        else:
            ahead.pop()


def _plain(value: Any) -> Any:
    """Return a value as the number, the word or the text that it is; a list as its JSON."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else _short(str(value))
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return _short(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "\u2026"


def _whole(digits: str) -> Any:
    """Read a whole number: one that JavaScript's numbers cannot hold stays its digits.

    Python's ``int`` takes time by the square of the length for long ones.
    """
    return int(digits) if len(digits) < 17 and abs(int(digits)) < 2**53 else digits


_DECODER = json.JSONDecoder(parse_int=_whole)


def _members(text: str, names: Tuple[str, ...]) -> Dict[str, Any]:
    """Return members of a JSON object, up to that of the last name; only its beginning may be there.

    Raises
    ------
    ValueError
        If the text is no object, or ends before that member.
    """
    members: Dict[str, Any] = {}
    at = _after(text, 0, "{")
    while not text.startswith("}", at):
        key, at = _DECODER.raw_decode(text, at)
        value, at = _DECODER.raw_decode(text, _after(text, at, ":"))
        if key in names:
            members[key] = value
        if key == names[-1]:
            break
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing too
        if not text.startswith("}", at):
            at = _after(text, at, ",")
    return members


def _after(text: str, at: int, mark: str) -> int:
    """Return where what follows a mark begins."""
    at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
    if not text.startswith(mark, at):
        raise ValueError(f"{mark} is expected")
    return _SPACE.match(text, at + 1).end()  # type: ignore[union-attr]
