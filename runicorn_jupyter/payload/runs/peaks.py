"""The least and the greatest values of a column, some rows at a time, each looked at once. Python >= 3.8."""

import math
from array import array
from typing import Any, Tuple

__all__ = ["ROWS", "Peaks", "are_finite", "peaks_between"]

ROWS = 32
"""So many rows have one least and one greatest value, at places that can be divided by this."""


class Peaks:
    """What a column has in each `ROWS` rows, as far as somebody has asked; a byte a row.

    Parameters
    ----------
    column
        The numbers. It may grow; for what else changes in it, see `forget`.
    """

    def __init__(self, column: Any) -> None:
        self._column = column
        self._least, self._least_at = array("d"), array("q")
        self._greatest, self._greatest_at = array("d"), array("q")

    def forget(self, start: int) -> None:
        """Look again at the rows from a place on."""
        for each in (self._least, self._least_at, self._greatest, self._greatest_at):
            del each[start // ROWS :]

    def are_finite(self, start: int, stop: int) -> bool:
        """Tell whether all values of a stretch are there and finite."""
        first, last = -(-start // ROWS), stop // ROWS
        if first >= last:
            return are_finite(self._column[start:stop])
        self._look()
        return (
            are_finite(self._least[first:last])
            and are_finite(self._column[start : first * ROWS])
            and are_finite(self._column[last * ROWS : stop])
        )

    def between(self, start: int, stop: int) -> Tuple[int, int]:
        """Do what `peaks_between` does, fast where both places can be divided by `ROWS`."""
        if start % ROWS or stop % ROWS:
            return peaks_between(self._column, start, stop)
        self._look()
        first, last = start // ROWS, stop // ROWS
        least, greatest = self._least[first:last], self._greatest[first:last]
        return (
            self._least_at[first + least.index(min(least))],
            self._greatest_at[first + greatest.index(max(greatest))],
        )

    def _look(self) -> None:
        column = self._column
        for start in range(len(self._least) * ROWS, len(column) - ROWS + 1, ROWS):
            least = greatest = math.nan
            least_at = greatest_at = start
            if are_finite(column[start : start + ROWS]):
                least_at, greatest_at = peaks_between(column, start, start + ROWS)
                least, greatest = column[least_at], column[greatest_at]
            self._least.append(least)
            self._least_at.append(least_at)
            self._greatest.append(greatest)
            self._greatest_at.append(greatest_at)


def are_finite(values: Any) -> bool:
    """Tell whether all of some values are there and finite."""
    # By far the fastest way: a sum with anything else in it is not finite either.
    total = sum(values)
    return bool(total - total == 0)


def peaks_between(column: Any, start: int, stop: int) -> Tuple[int, int]:
    """Return where a stretch of finite values has its least and its greatest one, of equal ones the first."""
    part = column[start:stop]
    return start + part.index(min(part)), start + part.index(max(part))
