"""The peaks of a column, kept while it grows: always those that a look at each value finds."""

from __future__ import annotations

import math
import random
from array import array

import pytest

from runicorn_jupyter.payload.runs.peaks import ROWS, Peaks, peaks_between

STRETCHES = [(0, 10 * ROWS), (3 * ROWS, 4 * ROWS), (1, 9 * ROWS), (ROWS, 7 * ROWS + 5), (5, 20), (0, 333)]


@pytest.fixture
def column() -> array[float]:
    """Some values, of which many are equal."""
    chance = random.Random(1)
    return array("d", [chance.randrange(20) for _ in range(333)])


def test_they_are_where_the_first_of_the_least_and_of_the_greatest_values_are(column: array[float]) -> None:
    peaks = Peaks(column)
    for stretch in STRETCHES:
        assert peaks.between(*stretch) == peaks_between(column, *stretch)


def test_they_follow_a_column_that_grows_or_changes(column: array[float]) -> None:
    peaks = Peaks(column)
    whole = (0, len(column) // ROWS * ROWS)
    peaks.between(*whole)
    column.extend([50.0] * ROWS)
    whole = (0, len(column) // ROWS * ROWS)
    assert peaks.between(*whole) == peaks_between(column, *whole) == (peaks_between(column, *whole)[0], 333)
    column[100] = 99.0
    peaks.forget(100)
    assert peaks.between(*whole) == peaks_between(column, *whole)
    assert peaks.between(*whole)[1] == 100


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("at", [1, 3 * ROWS, 7 * ROWS + 3])
def test_a_stretch_is_finite_as_long_as_each_of_its_values_is(
    column: array[float], at: int, value: float
) -> None:
    assert all(Peaks(column).are_finite(*stretch) for stretch in STRETCHES)
    column[at] = value
    peaks = Peaks(column)
    for start, stop in STRETCHES:
        assert peaks.are_finite(start, stop) == (not start <= at < stop)
