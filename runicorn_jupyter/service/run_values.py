"""The values of a run by the names that people say: to filter by them, to sort, to group."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter, eq, ge, gt, le, lt, ne
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.service.where import Comparison, Node, Not, Or, Value, WhereError, Word

if TYPE_CHECKING:
    from collections.abc import Callable

    from runicorn_jupyter import models as m

    Getter = Callable[[m.Run], Any]
    Predicate = Callable[[m.Run], bool]

__all__ = ["MISSING", "as_number", "compiled", "getter", "has_words"]

MISSING: Any = object()
"""A run has no such value; null is one."""

_TEXTS = {name: name for name in ("status", "host", "path", "name", "project")} | {"env": "env_name"}
_NUMBERS = {"step": "step", "duration": "duration_seconds"}
_TIMES = {"created": "created_at", "started": "started_at"}
_TABLES = {"param": "params", "metric": "metrics", "summary": "summary"}
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge,
}  # fmt: skip
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,4})?")
_SPAN = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([smhdw])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def getter(name: str) -> Getter:
    """Return what gives a run's value of a name, or `MISSING`.

    Parameters
    ----------
    name
        ``status`` ``host`` ``env`` ``path`` ``name`` ``project`` ``tag`` (a list) ``step`` ``duration``
        ``created`` ``started``, ``param.X`` ``metric.X`` ``summary.X``, or any other: a parameter, or else a
        metric.
    """
    field = {**_TEXTS, **_NUMBERS, **_TIMES, "tag": "tags"}.get(name)
    if field is not None:
        get = attrgetter(field)

        def known(run: m.Run) -> Any:
            value = get(run)
            return MISSING if value is None else value

        return known
    kind, _, rest = name.partition(".")
    if kind in _TABLES and rest:
        table = attrgetter(_TABLES[kind])
        return lambda run: table(run).get(rest, MISSING)

    def bare(run: m.Run) -> Any:
        value = run.params.get(name, MISSING)
        return run.metrics.get(name, MISSING) if value is MISSING else value

    return bare


def as_number(value: Any) -> float | None:
    """Return a number, also one that JSON has to say by a word; None if it is none."""
    if isinstance(value, int | float):
        return None if isinstance(value, bool) else value
    return _WORDS.get(value) if isinstance(value, str) else None


def has_words(run: m.Run, words: list[str]) -> bool:
    """Tell whether each word, in case-folded form, is in what the run is called."""
    fields = (run.name, run.path, run.run_id, run.host, run.env_name, *run.tags)
    text = "\n".join(field for field in fields if field).casefold()
    return all(word in text for word in words)


def compiled(node: Node, now: datetime) -> Predicate:
    """Return what tells whether a run passes a condition.

    Parameters
    ----------
    node
        The condition.
    now
        What times like ``7d`` count back from.

    Raises
    ------
    WhereError
        If a value cannot be compared so.
    """
    if isinstance(node, Word):
        words = node.text.casefold().split()
        return lambda run: has_words(run, words)
    if isinstance(node, Comparison):
        return _test(node, now)
    if isinstance(node, Not):
        part = compiled(node.part, now)
        return lambda run: not part(run)
    parts = [compiled(each, now) for each in node.parts]
    if isinstance(node, Or):
        return lambda run: any(part(run) for part in parts)

    def passes(run: m.Run) -> bool:
        for part in parts:  # noqa: SIM110 - `all` of a generator takes twice the time
            if not part(run):
                return False
        return True

    return passes


def _test(test: Comparison, now: datetime) -> Predicate:
    get = getter(test.name)
    if test.operator in ("~", ":"):
        return _contains(get, test.value.text.casefold())
    if test.name in _TIMES:
        return _compares_times(get, test, now)
    if test.name in _TEXTS or test.name == "tag":
        if test.operator not in ("=", "!="):
            raise WhereError(f"has {test.name}, which is a text: = != ~ : fit", test.position)
        return _compares_texts(get, test)
    if test.name == "duration" and (seconds := _seconds(test.value.text)) is not None:
        return _compares(get, test.operator, seconds, test.value)
    if test.name in _NUMBERS and _number(test.value) is None:
        raise WhereError(f"needs a number for {test.name}", test.value_position)
    return _compares(get, test.operator, _number(test.value), test.value)


def _contains(get: Getter, text: str) -> Predicate:
    def passes(run: m.Run) -> bool:
        value = get(run)
        if value is MISSING:
            return False
        if isinstance(value, list):
            return any(text in each.casefold() for each in value)
        return text in _word(value).casefold()

    return passes


def _compares_texts(get: Getter, test: Comparison) -> Predicate:
    text, is_equal = test.value.text.casefold(), test.operator == "="

    def passes(run: m.Run) -> bool:
        value = get(run)
        if value is MISSING:
            return False
        if isinstance(value, list):
            return any(each.casefold() == text for each in value) is is_equal
        return (value.casefold() == text) is is_equal

    return passes


def _compares(get: Getter, operator: str, number: float | None, said: Value) -> Predicate:
    """Compare numbers by size, and what is no number by its word, whether it is the same."""
    compare, text = _ORDERS[operator], said.text.casefold()
    if operator not in ("=", "!=") and number is None:
        return lambda run: False  # no value is more or less than a word

    def passes(run: m.Run) -> bool:
        value = get(run)
        if number is not None and type(value) in (float, int):  # nearly always
            return compare(value, number)
        if value is MISSING:
            return False
        own = as_number(value)
        if own is not None and number is not None:
            return compare(own, number)
        if operator == "=":
            return _word(value).casefold() == text
        return operator == "!=" and _word(value).casefold() != text

    return passes


def _word(value: Any) -> str:
    """Return a value as one types it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)


def _compares_times(get: Getter, test: Comparison, now: datetime) -> Predicate:
    start, end = _time(test, now)
    operator = test.operator

    def passes(run: m.Run) -> bool:
        value = get(run)
        if value is MISSING:
            return False
        if operator in ("=", "!="):
            return bool(start <= value < end) is (operator == "=")
        return _ORDERS[operator](value, start)

    return passes


def _time(test: Comparison, now: datetime) -> tuple[datetime, datetime]:
    """Return what a time says: its beginning, and its end, which for a date is a day later."""
    text = test.value.text
    try:
        seconds = _seconds(text)
        if seconds is not None:
            start = now - timedelta(seconds=seconds)
            return start, start + timedelta(seconds=1)
        if len(text) == len("2026-11-24"):
            day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            return day, day + timedelta(days=1)
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return moment, moment + timedelta(seconds=1)
    except (ValueError, OverflowError):
        reason = f"needs a time for {test.name}: 7d or 12h (ago), 2026-11-24, 2026-11-24T17:00Z"
        raise WhereError(reason, test.value_position) from None


def _seconds(text: str) -> float | None:
    found = _SPAN.fullmatch(text)
    return float(found[1]) * _UNITS[found[2]] if found else None


def _number(value: Value) -> float | None:
    return float(value.text) if not value.quoted and _NUMBER.fullmatch(value.text) else None
