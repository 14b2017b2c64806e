"""Changes by number: what a caller missed, and that nobody is told less than that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runicorn_jupyter.errors import InvalidParameters
from runicorn_jupyter.service.change_log import ChangeLog


def changed(log: ChangeLog[str], version: str) -> list[str] | None:
    """Return what changed since a version, or None if that is not known."""
    number = log.read_version(version)
    return None if number is None else log.since(number)


def test_an_entry_is_told_once_where_it_changed_last() -> None:
    log: ChangeLog[str] = ChangeLog(lambda: 10)
    before = log.version
    for key in ("a", "b", "a"):
        log.add(key)
    assert changed(log, before) == ["b", "a"]
    assert changed(log, log.version) == []


def test_a_change_of_something_else_is_a_new_version_without_entries() -> None:
    log: ChangeLog[str] = ChangeLog(lambda: 10)
    before = log.version
    number = log.add_other()
    assert number == log.number
    assert log.version != before
    assert changed(log, before) == []


@given(st.lists(st.sampled_from("abcdefgh"), max_size=40), st.integers(1, 6))
def test_who_is_told_is_told_all(keys: list[str], limit: int) -> None:
    log: ChangeLog[str] = ChangeLog(lambda: limit)
    versions = [log.version]
    for key in keys:
        log.add(key)
        versions.append(log.version)
    for seen, version in enumerate(versions):
        told = changed(log, version)
        missed = keys[seen:]
        assert told is None or (set(told) == set(missed) and len(told) <= limit)
        assert told is not None or len(set(missed)) > limit or len(set(keys[: seen + 1])) > limit
    assert changed(log, log.version) == []


async def test_the_event_is_set_by_the_next_wake() -> None:
    log: ChangeLog[str] = ChangeLog(lambda: 10)
    waited = log.changed
    log.add("a")
    assert not waited.is_set()
    log.wake()
    assert waited.is_set()
    assert not log.changed.is_set()


def test_another_logs_version_is_not_known_and_no_version_is_refused() -> None:
    log: ChangeLog[str] = ChangeLog(lambda: 10)
    assert log.read_version(ChangeLog[str](lambda: 10).version) is None
    assert log.read_version(log.version.partition("-")[0] + "-999") == log.number
    for text in ("", "abc", "-1", "abc-", "abc--1", "abc-\u0661", "abc-" + "1" * 17, "abc-1.0"):
        with pytest.raises(InvalidParameters):
            log.read_version(text)
