"""What a run was given and what it came to, as a viewer's side says it: looked at, bounded, and kept once."""

from __future__ import annotations

import math
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from runicorn_jupyter import models as m
from runicorn_jupyter.payload.runs.details import FINGERPRINT, MAX_NAME, MAX_NAMES, MAX_TEXT
from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DetailReader", "RunDetails"]

PARAM_BYTES = 64
"""What a parameter takes without its texts: its place in a dict, the number, and both in JSON."""
MAX_POOL, MAX_POOL_TEXT = 4096, 128
MAX_POOL_DICTS = 1024

Values = dict[str, m.ParamValue]


class RunDetails(NamedTuple):
    """The part of a run that few changes are of; the fields are those of `m.Run`."""

    params: Values
    params_left_out: int | None
    code_snapshot: str | None
    summary: Values
    summary_left_out: int | None
    best: m.RunBest | None

    @classmethod
    def of(cls, run: m.Run) -> RunDetails:
        """Return a run's."""
        return cls(*(getattr(run, name) for name in cls._fields))


NO_DETAILS = RunDetails({}, 0, None, {}, 0, None)


class DetailReader:
    """Reads the details of many runs, of which many have the same names and values: each is kept once."""

    def __init__(self) -> None:
        # By the text as it came; None: nothing of it is left.
        self._names: dict[str, str | None] = {}
        self._texts: dict[str, str] = {}
        self._numbers: dict[type, dict[Any, Any]] = {int: {}, float: {}}
        self._dicts: dict[int, Values] = {}

    def read(self, value: Any) -> tuple[RunDetails, int]:
        """Make of what a viewer's side says what may be kept, and estimate, rather too high, its bytes."""
        if not isinstance(value, dict) or not value:
            return NO_DETAILS, 0
        pools: list[dict[Any, Any]] = [self._names, self._texts, *self._numbers.values()]
        for pool in pools:
            if len(pool) >= MAX_POOL:
                pool.clear()
        params, params_left_out, size = self._values(value.get("params"))
        summary, summary_left_out, more = self._values(value.get("summary"))
        best = _best(value.get("best"))
        snapshot = _fingerprint(value.get("code_snapshot"))
        details = RunDetails(
            params,
            _sum(value.get("params_left_out", 0), params_left_out),
            snapshot,
            summary,
            _sum(value.get("summary_left_out", 0), summary_left_out),
            best,
        )
        size += more + (0 if best is None else 500 + _weigh(best.metric))
        return details, size + (0 if snapshot is None else _weigh(snapshot))

    def _values(self, value: Any) -> tuple[Values, int, int]:
        """Return the values by name, how many of them are left out here, and the bytes of the others."""
        if not isinstance(value, dict) or not value:
            return NO_DETAILS.params, 0, 0
        found: Values = {}
        left_out, size = max(0, len(value) - MAX_NAMES), 0
        for given, said in islice(value.items(), MAX_NAMES):
            name = self._names.get(given)
            if name is None:
                name = self._name(given)
                size += 0 if name is None else _weigh(name)
            kept, of_text = self._value(said)
            if name is None or name in found or kept is ...:
                left_out += 1
            else:
                found[name] = kept
                size += PARAM_BYTES + len(name) + of_text
        return self._shared(found), left_out, size

    def _name(self, given: str) -> str | None:
        name = None
        if 0 < len(given) <= MAX_NAME:
            name = (given if given.isprintable() and given.isascii() else plain_text(given)).strip() or None
        self._names[given] = name
        return name

    def _value(self, value: Any) -> tuple[Any, int]:
        """Return a value that may be kept, or ``...``, and the bytes of a text."""
        kind = type(value)
        if kind is str:
            known = self._texts.get(value)
            return (known, len(known)) if known is not None else self._text(value)
        if kind is float:
            return (self._numbers[kind].setdefault(value, value) if math.isfinite(value) else ...), 0
        if kind is int:
            return (self._numbers[kind].setdefault(value, value) if abs(value) < 2**53 else ...), 0
        return (value if value is None or kind is bool else ...), 0

    def _text(self, value: str) -> tuple[str, int]:
        text = value[:MAX_TEXT]
        text = text if text.isprintable() and text.isascii() else plain_text(text)
        if len(value) <= MAX_POOL_TEXT:
            self._texts[value] = text
        return text, _weigh(text)

    def _shared(self, values: Values) -> Values:
        """Return the same dict for the same values, mostly."""
        key = hash((*values, *values.values()))
        known = self._dicts.get(key)
        if known is not None and _is_same(known, values):
            return known
        if len(self._dicts) >= MAX_POOL_DICTS:
            self._dicts.clear()
        self._dicts[key] = values
        return values


def _fingerprint(value: Any) -> str | None:
    return value if isinstance(value, str) and FINGERPRINT.fullmatch(value) else None


def _best(value: Any) -> m.RunBest | None:
    if not isinstance(value, dict):
        return None
    metric, best, step, mode = (value.get(name) for name in ("metric", "value", "step", "mode"))
    name = _plain_name(metric)
    number = _number(best)
    if name is None or number is None:
        return None
    return m.RunBest.model_construct(
        metric=name,
        value=number,
        step=step if isinstance(step, int) and not isinstance(step, bool) and abs(step) < 2**53 else None,
        mode=mode if mode in ("max", "min") else None,
    )


def _number(value: Any) -> m.MetricValue | None:
    if isinstance(value, str):
        return cast("m.NotFinite", value) if value in ("NaN", "Infinity", "-Infinity") else None
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > sys.float_info.max:
        return None
    return float(value)


def _plain_name(name: Any) -> str | None:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
        return None
    text = name if name.isprintable() and name.isascii() else plain_text(name)
    return text.strip() or None


def _is_same(values: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Tell whether the values and their types are the same in the same order: 1 is not True, nor 1.0."""
    return all(
        name == other and type(value) is type(others[other]) and value == others[other]
        for (name, value), other in zip(values.items(), others, strict=False)
    ) and len(values) == len(others)


def _sum(said: Any, more: int) -> int | None:
    """Add to a number of what is left out, that may not be known."""
    known = isinstance(said, int) and not isinstance(said, bool) and 0 <= said < 2**53
    return min(said + more, 2**53 - 1) if known else None


def _weigh(value: str) -> int:
    """Estimate what a text takes, in memory and in JSON."""
    return sys.getsizeof(value) + 2 * (len(value) if value.isascii() else len(value.encode()))
