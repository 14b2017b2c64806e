"""The runs of all viewers as one list: filters, pages that stay where they are, and what changed since."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import secrets
from bisect import bisect_left
from collections import OrderedDict
from functools import partial
from itertools import islice, takewhile
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import InvalidParameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["RunIndex"]

MAX_REMOVED = 20000
"""Removed runs that are remembered, for those who ask what changed."""

MAX_PAGE_BYTES = 8 * 2**20
"""Of the runs in one answer; a longer one is more pages. 2000 runs with 64 metrics each fit."""

ANNOUNCE_SECONDS = 1.0
"""Between two announcements, at least."""

T = TypeVar("T")
Key = tuple[str, str]


class _SortKey(NamedTuple):
    """A place in the order: by time created, then by ids, the newest first."""

    created: float
    connection_id: str
    run_id: str


Order = list[tuple[_SortKey, m.Run]]


def _sort_key(run: m.Run) -> _SortKey:
    return _SortKey(run.created_at.timestamp() if run.created_at else 0.0, run.connection_id, run.run_id)


class RunIndex:
    """Keeps the list of all runs.

    Each change has a number, so that a later call gets what changed since.

    Parameters
    ----------
    announce
        Called when the list is not what it was when it was last asked for; once, until it is asked for again.
    """

    def __init__(self, announce: Callable[[], object]) -> None:
        self._on_change = announce
        self._asked = False
        self._announced_at = float("-inf")
        self._announcing: asyncio.TimerHandle | None = None
        self._epoch = secrets.token_hex(6)
        self._number = 0
        # The number of the last change of what is said of the viewers themselves.
        self._touched = 0
        self._runs: dict[Key, m.Run] = {}
        # The number of each run's last change, in their order; those that are gone too.
        self._changes: OrderedDict[Key, int] = OrderedDict()
        self._forgotten = 0
        self._sorted: Order | None = None
        self._searching = asyncio.Lock()
        self._changed = asyncio.Event()

    # -- what comes

    def update(self, runs: Iterable[m.Run], removed: Iterable[m.Run] = ()) -> None:
        """Add or replace runs, and remove those that are gone."""
        for run in removed:
            key = (run.connection_id, run.run_id)
            if self._runs.pop(key, None) is not None:
                self._bump(key)
        for run in runs:
            key = (run.connection_id, run.run_id)
            self._runs[key] = run
            self._bump(key)
        self._sorted = None
        while len(self._changes) > len(self._runs) + MAX_REMOVED:
            key = next(each for each in self._changes if each not in self._runs)
            self._forgotten = max(self._forgotten, self._changes.pop(key))
        self.wake()

    def touch(self) -> None:
        """Note that what is said of a viewer, beside its runs, is something else now."""
        self._number += 1
        self._touched = self._number
        self.wake()

    def wake(self) -> None:
        """Let those who wait look again, and tell those who have asked."""
        if self._asked and self._announcing is None:
            loop = asyncio.get_running_loop()
            pause = self._announced_at + ANNOUNCE_SECONDS - loop.time()
            self._announcing = loop.call_later(max(0.0, pause), self._announce)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def close(self) -> None:
        """Announce nothing any more."""
        if self._announcing is not None:
            self._announcing.cancel()

    def _announce(self) -> None:
        self._announcing = None
        self._announced_at = asyncio.get_running_loop().time()
        self._asked = False
        self._on_change()

    def _bump(self, key: Key) -> None:
        self._number += 1
        self._changes[key] = self._number
        self._changes.move_to_end(key)

    # -- what is asked for

    @property
    def version(self) -> str:
        """Names the state of the list."""
        return f"{self._epoch}-{self._number}"

    @property
    def changed(self) -> asyncio.Event:
        """Is set with the next change; take it before asking what changed, lest one come between."""
        return self._changed

    async def page(
        self, query: m.RunsQuery, servers: list[m.RunsServer], *, reset: bool = False
    ) -> m.RunsResponse:
        """Give one page.

        Raises
        ------
        InvalidParameters
            If the cursor is broken.
        """
        after = None if query.cursor is None else read_cursor(query.cursor)
        version, order = self.version, await self._in_order()
        runs, total, cursor = await self._beside(partial(_page, order, query, after))
        return self._answer(runs, total, servers, version, cursor=cursor, reset=reset)

    async def changes(self, query: m.RunsQuery, servers: list[m.RunsServer]) -> m.RunsResponse | None:
        """Give what changed since a version; None if nothing did.

        Raises
        ------
        InvalidParameters
            If the version is broken.
        """
        since = self._read_version(query.changed_since or "")
        first_page = query.model_copy(update={"cursor": None})
        if since is None or since < self._forgotten:
            return await self.page(first_page, servers, reset=True)
        keys = list(takewhile(lambda key: self._changes[key] > since, reversed(self._changes)))
        changed = [(key, self._runs.get(key)) for key in reversed(keys)]
        version, touched = self.version, self._touched
        if not changed and since >= touched:
            return None
        runs, removed, fits = await self._beside(partial(_changes, changed, query))
        if not runs and not removed and since >= touched:
            return None
        if not fits:
            return await self.page(first_page, servers, reset=True)
        return self._answer(runs, len(runs), servers, version, removed=removed)

    def nothing(self, servers: list[m.RunsServer]) -> m.RunsResponse:
        """Say that nothing changed."""
        return self._answer([], 0, servers, self.version)

    def _answer(
        self,
        runs: list[m.Run],
        total: int,
        servers: list[m.RunsServer],
        version: str,
        *,
        cursor: str | None = None,
        reset: bool = False,
        removed: list[m.RunKey] | None = None,
    ) -> m.RunsResponse:
        self._asked = True
        # Not validated again: what is here has been.
        return m.RunsResponse.model_construct(
            runs=runs,
            total=total,
            next_cursor=cursor,
            version=version,
            reset=reset,
            removed=removed or [],
            servers=servers,
        )

    async def _in_order(self) -> Order:
        if self._sorted is None:
            number, runs = self._number, list(self._runs.values())
            order = await self._beside(partial(_in_order, runs))
            if number != self._number:
                return order  # of the state that the caller has taken the version of, or a later one
            self._sorted = order
        return self._sorted

    async def _beside(self, work: Callable[[], T]) -> T:
        """Search or sort beside the event loop: that takes time in proportion to all runs and their texts.

        One at a time, so that searches do not take the threads that others wait for.
        """
        async with self._searching:
            return await asyncio.to_thread(work)

    def _read_version(self, version: str) -> int | None:
        """Give the number of a version; None if it is another board's, as before a restart."""
        epoch, dash, number = version.partition("-")
        if not epoch or not dash or not number.isdecimal() or not number.isascii() or len(number) > 16:
            raise InvalidParameters.for_field("changed_since", "is not the version of an answer")
        return min(int(number), self._number) if epoch == self._epoch else None


def _in_order(runs: list[m.Run]) -> Order:
    return sorted(((_sort_key(run), run) for run in runs), key=itemgetter(0), reverse=True)


def _page(order: Order, query: m.RunsQuery, after: _SortKey | None) -> tuple[list[m.Run], int, str | None]:
    """Return the runs of a page, how many there are on all pages, and the cursor of the next."""
    start = 0 if after is None else bisect_left(order, True, key=lambda entry: entry[0] < after)
    passes = _filter(query)
    total = len(order) if passes is None else sum(passes(run) for _, run in order)
    page: list[tuple[_SortKey, m.Run]] = []
    size = 0
    for entry in islice(order, start, None):
        if passes is not None and not passes(entry[1]):
            continue
        size += len(entry[1].as_json)
        if len(page) == query.limit or (page and size > MAX_PAGE_BYTES):
            return [run for _, run in page], total, write_cursor(page[-1][0])
        page.append(entry)
    return [run for _, run in page], total, None


def _changes(
    changed: list[tuple[Key, m.Run | None]], query: m.RunsQuery
) -> tuple[list[m.Run], list[m.RunKey], bool]:
    """Divide what changed into runs that pass, and those that are gone or do not pass any more.

    The last value tells whether they fit into one answer.
    """
    passes = _filter(query)
    runs, removed = [], []
    for key, run in changed:
        if run is not None and (passes is None or passes(run)):
            runs.append(run)
        elif query.connection_id in (None, key[0]) and query.run_id in (None, key[1]):
            removed.append(m.RunKey(connection_id=key[0], run_id=key[1]))
    fits = len(runs) <= query.limit and (
        len(runs) < 2 or sum(len(run.as_json) for run in runs) <= MAX_PAGE_BYTES
    )
    return runs, removed, fits


def write_cursor(place: _SortKey) -> str:
    """Say a place in the order as text that goes into a URL."""
    text = json.dumps([place.created, place.connection_id, place.run_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> _SortKey:
    """Read what ``write_cursor`` wrote.

    Raises
    ------
    InvalidParameters
        If it is anything else.
    """
    broken = InvalidParameters.for_field("cursor", "is not the next_cursor of an answer")
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        created, connection_id, run_id = json.loads(text)
    except (ValueError, binascii.Error, TypeError, RecursionError):
        raise broken from None
    number = isinstance(created, int | float) and not isinstance(created, bool) and created == created  # noqa: PLR0124 - not NaN
    if not number or not isinstance(connection_id, str) or not isinstance(run_id, str):
        raise broken
    return _SortKey(created, connection_id, run_id)


def _filter(query: m.RunsQuery) -> Callable[[m.Run], bool] | None:
    """Give what tells whether a run passes; None if all do."""
    filters = ("connection_id", "run_id", "status", "path", "project", "text", "since")
    if all(getattr(query, name) is None for name in filters):
        return None
    statuses = None if query.status is None else frozenset(query.status.split(","))
    words = [] if query.text is None else query.text.casefold().split()
    path = None if query.path is None else query.path.strip("/")

    def passes(run: m.Run) -> bool:
        return (
            (query.connection_id is None or run.connection_id == query.connection_id)
            and (query.run_id is None or run.run_id == query.run_id)
            and (statuses is None or run.status in statuses)
            and (query.project is None or run.project == query.project)
            and (path is None or run.path == path or (run.path or "").startswith(f"{path}/"))
            and (query.since is None or (run.created_at is not None and run.created_at >= query.since))
            and (not words or _has(run, words))
        )

    return passes


def _has(run: m.Run, words: list[str]) -> bool:
    fields = (run.name, run.path, run.run_id, run.host, run.env_name, *run.tags)
    text = "\n".join(field for field in fields if field).casefold()
    return all(word in text for word in words)
