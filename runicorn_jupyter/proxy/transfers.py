"""Bounds what is on its way between one viewer and browsers that take it slowly, or not at all.

Each such answer holds a stream to the viewer, or memory: too many, and none is left for its owner.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tornado.iostream import StreamClosedError

from runicorn_jupyter.errors import RemoteError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_TRANSFERS = 64
"""How many long answers and uploads one viewer may have under way, of the streams that it has."""

SMALL_BYTES = 65536
"""An answer of at most so many bytes is no transfer: it waits for the browser here, its stream is free."""

MAX_UNREAD = 256
"""How many small answers may wait for their browsers; of one more, the browser's connection is closed."""

PAGE_COST = 8
"""For so many transfers counts a long page: it is in memory as a whole until the browser has taken it."""

PIECE_BYTES = 262144
"""So much of an answer that is in memory is handed to the browser's connection at once."""


class TooManyTransfers(RemoteError):
    """The viewer has as many transfers as it may have."""

    code = "too_many_requests"
    status = 429

    def __init__(self) -> None:
        super().__init__("Too many downloads of this viewer are under way; try again once one has ended.")


class Transfers:
    """Counts what is under way between one viewer and its browsers.

    Attributes
    ----------
    count
        Transfers under way.
    unread
        Small answers that wait for their browsers.
    """

    def __init__(self) -> None:
        self.count = 0
        self.unread = 0

    def begin(self, cost: int = 1) -> None:
        """Count a transfer; `end` has to follow, with the same cost.

        Raises
        ------
        TooManyTransfers
            If there are as many as there may be. Nothing is counted then.
        """
        if self.count + cost > MAX_TRANSFERS:
            raise TooManyTransfers
        self.count += cost

    def end(self, cost: int = 1) -> None:
        """Count it no more."""
        self.count -= cost

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count a small answer as long as its browser is waited for.

        Raises
        ------
        StreamClosedError
            If too many wait: it is given up.
        """
        if self.unread >= MAX_UNREAD:
            raise StreamClosedError
        self.unread += 1
        try:
            yield
        finally:
            self.unread -= 1
