"""Which entries of a list changed since a version that a caller has seen, and an event for those who wait."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from itertools import takewhile
from typing import TYPE_CHECKING, Generic, TypeVar

from runicorn_jupyter.errors import InvalidParameters

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["ChangeLog"]

K = TypeVar("K", bound="Hashable")


class ChangeLog(Generic[K]):
    """Numbers the changes of a list's entries, so that a later call gets what changed since.

    Only the last change of an entry is remembered, of those that are gone too.

    Parameters
    ----------
    limit
        Returns how many entries are remembered; what callers with an older version miss, nobody knows.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._epoch = secrets.token_hex(6)
        self._number = 0
        # In the order of the numbers.
        self._numbers: OrderedDict[K, int] = OrderedDict()
        self._forgotten = 0
        self._changed = asyncio.Event()

    @property
    def number(self) -> int:
        """Of the last change."""
        return self._number

    @property
    def version(self) -> str:
        """Names the state of the list."""
        return f"{self._epoch}-{self._number}"

    @property
    def changed(self) -> asyncio.Event:
        """Is set with the next `wake`; take it before asking what changed, lest a change come between."""
        return self._changed

    def add(self, key: K) -> None:
        """Note that an entry changed, came or went."""
        self._number += 1
        self._numbers[key] = self._number
        self._numbers.move_to_end(key)
        while len(self._numbers) > self._limit():
            self._forgotten = self._numbers.popitem(last=False)[1]

    def add_other(self) -> int:
        """Note a change of something that is no entry; returns its number."""
        self._number += 1
        return self._number

    def wake(self) -> None:
        """Let those who wait look again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def read_version(self, version: str) -> int | None:
        """Return the number of a version that was given; None if it is of a time that is not known any more.

        Raises
        ------
        InvalidParameters
            If it is not the version of an answer.
        """
        epoch, dash, text = version.partition("-")
        if not epoch or not dash or not text.isdecimal() or not text.isascii() or len(text) > 16:
            raise InvalidParameters.for_field("changed_since", "is not the version of an answer")
        number = min(int(text), self._number)
        return number if epoch == self._epoch and number >= self._forgotten else None

    def since(self, number: int) -> list[K]:
        """Return the entries that changed after this number, in the order of their last changes."""
        newest_first = takewhile(lambda key: self._numbers[key] > number, reversed(self._numbers))
        return list(newest_first)[::-1]
