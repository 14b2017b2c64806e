"""So much in the long run, so much at once, and a debt is waited for."""

from __future__ import annotations

import pytest

from runicorn_jupyter.token_bucket import TokenBucket


@pytest.fixture
def now() -> list[float]:
    """What the clock shows."""
    return [1000.0]


@pytest.fixture
def bucket(now: list[float]) -> TokenBucket:
    return TokenBucket(2, 5, lambda: now[0])


def test_a_burst_and_no_more(bucket: TokenBucket) -> None:
    assert [bucket.take() for _ in range(5)] == [0.0] * 5
    assert bucket.take() > 0


def test_the_rate_holds_in_the_long_run(bucket: TokenBucket, now: list[float]) -> None:
    taken = 0
    for _ in range(1000):
        now[0] += 0.125
        taken += not bucket.take()
    assert 2 * 125 <= taken <= 2 * 125 + 5


def test_what_is_refused_takes_nothing(bucket: TokenBucket, now: list[float]) -> None:
    bucket.take(5)
    waits = [bucket.take() for _ in range(100)]
    now[0] += max(waits)
    assert bucket.take() == 0


def test_a_debt_is_waited_for(bucket: TokenBucket, now: list[float]) -> None:
    assert bucket.take(9) == 0
    assert bucket.take() == 2.5  # five tokens at two a second
    now[0] += 2.5
    assert bucket.take() == 0


def test_a_pause_fills_it_and_no_more_than_that(bucket: TokenBucket, now: list[float]) -> None:
    bucket.take(3)
    now[0] += 1
    assert not bucket.is_full
    now[0] += 1000
    assert bucket.is_full
    assert sum(not bucket.take() for _ in range(20)) == 5


def test_what_is_owed_is_taken_though_nothing_is_left(bucket: TokenBucket, now: list[float]) -> None:
    bucket.owe(5)
    bucket.owe(4)
    assert bucket.take(0) == 2.5  # four of debt and one, at two a second
    now[0] += 2.5
    assert bucket.take(0) == bucket.take() == 0
    assert bucket.take() == 0.5
