"""Limits the transfers between one viewer and browsers that read slowly, or not at all.

Each holds a stream to the viewer, or memory: too many would leave none for other requests.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tornado.iostream import StreamClosedError

from runicorn_jupyter.errors import RemoteError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_TRANSFERS = 64
"""Number of long answers and uploads of one viewer, out of its streams."""

SMALL_BYTES = 65536
"""Size up to which an answer is no transfer: it is buffered here, and its stream is free."""

MAX_UNREAD = 256
"""Number of buffered small answers; for one more, the browser's connection is closed."""

PAGE_COST = 8
"""Number of transfers that a long page counts for: it is in memory until the browser has taken it."""

PIECE_BYTES = 262144
"""Bytes of a buffered answer that are written to the browser's connection at once."""


class TooManyTransfers(RemoteError):
    """The viewer has as many transfers as it may have."""

    code = "too_many_requests"
    status = 429

    def __init__(self) -> None:
        super().__init__("Too many downloads of this viewer are under way; try again once one has ended.")


class Transfers:
    """Counts the transfers between one viewer and its browsers.

    Attributes
    ----------
    count
        Number of transfers under way.
    unread
        Number of buffered small answers.
    """

    def __init__(self) -> None:
        self.count = 0
        self.unread = 0

    def begin(self, cost: int = 1) -> None:
        """Count a transfer; `end` has to follow, with the same cost.

        Raises
        ------
        TooManyTransfers
            If the limit is reached. Nothing is counted then.
        """
        if self.count + cost > MAX_TRANSFERS:
            raise TooManyTransfers
        self.count += cost

    def end(self, cost: int = 1) -> None:
        """Stop counting a transfer."""
        self.count -= cost

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count a small answer while the browser is reading it.

        Raises
        ------
        StreamClosedError
            If too many are buffered.
        """
        if self.unread >= MAX_UNREAD:
            raise StreamClosedError
        self.unread += 1
        try:
            yield
        finally:
            self.unread -= 1
