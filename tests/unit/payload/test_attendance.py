"""A thread sleeps while no page asks for anything."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from runicorn_jupyter.payload.attendance import ATTENDED_SECONDS, Attendance

API = {"type": "http", "path": "/api/health"}
SECONDS = 60


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attendance(clock: Clock) -> Attendance:
    return Attendance(clock)


def waits(attendance: Attendance, then: Callable[[], object]) -> bool:
    """Have a thread wait, do something as soon as it is blocked, and return what it was told."""
    with ThreadPoolExecutor(1) as threads:
        blocked = threading.Event()
        real = attendance._changed.wait

        def wait(*arguments: float) -> bool:
            blocked.set()
            return real(*arguments)

        attendance._changed.wait = wait  # type: ignore[method-assign]
        told: Future[bool] = threads.submit(attendance.wait)
        assert blocked.wait(SECONDS), "it did not wait"
        then()
        return told.result(SECONDS)


def ask(attendance: Attendance, scope: dict[str, str]) -> None:
    """Make a request that is answered at once."""
    with attendance.during(scope):
        pass


def test_nobody_is_there_until_a_page_asks(attendance: Attendance) -> None:
    assert waits(attendance, lambda: ask(attendance, API))


def test_a_page_counts_a_while_longer_than_its_last_request(attendance: Attendance, clock: Clock) -> None:
    ask(attendance, API)
    clock.now = ATTENDED_SECONDS - 1
    assert attendance.wait()
    clock.now = ATTENDED_SECONDS
    assert waits(attendance, lambda: ask(attendance, API))


@pytest.mark.parametrize("scope", [API, {"type": "websocket", "path": "/logs"}])
def test_a_request_counts_for_as_long_as_it_takes(
    attendance: Attendance, clock: Clock, scope: dict[str, str]
) -> None:
    with attendance.during(scope):
        clock.now = 10 * ATTENDED_SECONDS
        assert attendance.wait()
    clock.now += ATTENDED_SECONDS - 1
    assert attendance.wait()


def test_files_of_the_page_are_fetched_ahead_and_do_not_count(attendance: Attendance) -> None:
    def then() -> None:
        ask(attendance, {"type": "http", "path": "/assets/index.js"})
        attendance.close()

    assert not waits(attendance, then)


def test_the_end_lets_go(attendance: Attendance) -> None:
    assert not waits(attendance, attendance.close)
    assert not attendance.wait()
