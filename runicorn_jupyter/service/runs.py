"""The runs of all viewers as one list: filters, pages that stay where they are, and what changed since."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import secrets
from bisect import bisect_left
from collections import OrderedDict
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import InvalidParameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["RunBoard"]

MAX_REMOVED = 20000
"""Removed runs that are remembered, for those who ask what changed."""

ANNOUNCE_SECONDS = 1.0
"""Between two announcements, at least."""

Key = tuple[str, str]


class _Place(NamedTuple):
    """A place in the order: by time created, then by ids, the newest first."""

    created: float
    connection_id: str
    run_id: str


def _place(run: m.Run) -> _Place:
    return _Place(run.created_at.timestamp() if run.created_at else 0.0, run.connection_id, run.run_id)


class RunBoard:
    """The list of all runs.

    Runs are put here as they come, and each change has a number: who asks again is told what came after.

    Parameters
    ----------
    announce
        Called when the list is not what it was when it was last asked for; once, until it is asked for again.
    """

    def __init__(self, announce: Callable[[], object]) -> None:
        self._announce = announce
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
        self._sorted: list[tuple[_Place, m.Run]] | None = None
        self._changed = asyncio.Event()

    # -- what comes

    def put(self, runs: Iterable[m.Run], removed: Iterable[m.Run] = ()) -> None:
        """Take over what is new, different or gone."""
        for run in removed:
            key = (run.connection_id, run.run_id)
            if self._runs.pop(key, None) is not None:
                self._count(key)
        for run in runs:
            key = (run.connection_id, run.run_id)
            self._runs[key] = run
            self._count(key)
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
            self._announcing = loop.call_later(max(0.0, pause), self._tell)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def close(self) -> None:
        """Announce nothing any more."""
        if self._announcing is not None:
            self._announcing.cancel()

    def _tell(self) -> None:
        self._announcing = None
        self._announced_at = asyncio.get_running_loop().time()
        self._asked = False
        self._announce()

    def _count(self, key: Key) -> None:
        self._number += 1
        self._changes[key] = self._number
        self._changes.move_to_end(key)

    # -- what is asked for

    @property
    def version(self) -> str:
        """Names the state of the list."""
        return f"{self._epoch}-{self._number}"

    def page(self, query: m.RunsQuery, servers: list[m.RunsServer], *, reset: bool = False) -> m.RunsResponse:
        """Give one page.

        Raises
        ------
        InvalidParameters
            If the cursor is broken.
        """
        order = self._in_order()
        after = None if query.cursor is None else read_cursor(query.cursor)
        start = 0 if after is None else bisect_left(order, True, key=lambda entry: entry[0] < after)
        passes = _filter(query)
        total = len(order) if passes is None else sum(passes(run) for _, run in order)
        # One more than the page holds, to know whether another follows.
        left = (entry for entry in islice(order, start, None) if passes is None or passes(entry[1]))
        found = list(islice(left, query.limit + 1))
        page = found[: query.limit]
        cursor = write_cursor(page[-1][0]) if len(found) > len(page) else None
        return self._answer([run for _, run in page], total, servers, cursor=cursor, reset=reset)

    def changes(self, query: m.RunsQuery, servers: list[m.RunsServer]) -> m.RunsResponse | None:
        """Give what changed since a version; None if nothing did.

        Raises
        ------
        InvalidParameters
            If the version is broken.
        """
        since = self._read_version(query.changed_since or "")
        first_page = query.model_copy(update={"cursor": None})
        if since is None or since < self._forgotten:
            return self.page(first_page, servers, reset=True)
        keys = []
        for key in reversed(self._changes):
            if self._changes[key] <= since:
                break
            keys.append(key)
        passes = _filter(query)
        runs, removed = [], []
        for key in reversed(keys):
            run = self._runs.get(key)
            if run is not None and (passes is None or passes(run)):
                runs.append(run)
            elif query.connection_id in (None, key[0]) and query.run_id in (None, key[1]):
                removed.append(m.RunKey(connection_id=key[0], run_id=key[1]))
        if not runs and not removed and since >= self._touched:
            return None
        if len(runs) > query.limit:
            return self.page(first_page, servers, reset=True)
        return self._answer(runs, len(runs), servers, removed=removed)

    def nothing(self, servers: list[m.RunsServer]) -> m.RunsResponse:
        """Say that nothing changed."""
        return self._answer([], 0, servers)

    async def wait(self) -> None:
        """Return when something has come."""
        await self._changed.wait()

    def _answer(
        self,
        runs: list[m.Run],
        total: int,
        servers: list[m.RunsServer],
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
            version=self.version,
            reset=reset,
            removed=removed or [],
            servers=servers,
        )

    def _in_order(self) -> list[tuple[_Place, m.Run]]:
        if self._sorted is None:
            self._sorted = sorted(
                ((_place(run), run) for run in self._runs.values()), key=itemgetter(0), reverse=True
            )
        return self._sorted

    def _read_version(self, version: str) -> int | None:
        """Give the number of a version; None if it is another board's, as before a restart."""
        epoch, dash, number = version.partition("-")
        if not epoch or not dash or not number.isdecimal() or not number.isascii() or len(number) > 16:
            raise InvalidParameters.for_field("changed_since", "is not the version of an answer")
        return min(int(number), self._number) if epoch == self._epoch else None


def write_cursor(place: _Place) -> str:
    """Say a place in the order as text that goes into a URL."""
    text = json.dumps([place.created, place.connection_id, place.run_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> _Place:
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
    return _Place(created, connection_id, run_id)


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
