"""The runs of all viewers as one list: filters, pages that stay where they are, and what changed since."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import InvalidParameters, NotFound
from runicorn_jupyter.service.change_log import ChangeLog
from runicorn_jupyter.service.run_comparison import compare_runs, group_runs, read_names
from runicorn_jupyter.service.run_filter import read_filter, read_where
from runicorn_jupyter.service.run_pages import changes_of, in_order, page_of, read_cursor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runicorn_jupyter.service.run_pages import Key, Order

__all__ = ["RunIndex"]

MAX_REMOVED = 20000
"""Removed runs that are remembered, for those who ask what changed."""

ANNOUNCE_SECONDS = 1.0
"""Between two announcements, at least."""

T = TypeVar("T")


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
        self._runs: dict[Key, m.Run] = {}
        self._changes: ChangeLog[Key] = ChangeLog(lambda: len(self._runs) + MAX_REMOVED)
        # The number of the last change of what is said of the viewers themselves.
        self._touched = 0
        self._sorted: Order | None = None
        self._searching = asyncio.Lock()

    # -- what comes

    def update(self, runs: Iterable[m.Run], removed: Iterable[m.Run] = ()) -> None:
        """Add or replace runs, and remove those that are gone."""
        for run in removed:
            key = (run.connection_id, run.run_id)
            if self._runs.pop(key, None) is not None:
                self._changes.add(key)
        for run in runs:
            key = (run.connection_id, run.run_id)
            self._runs[key] = run
            self._changes.add(key)
        self._sorted = None
        self.wake()

    def touch(self) -> None:
        """Note that what is said of a viewer, beside its runs, is something else now."""
        self._touched = self._changes.add_other()
        self.wake()

    def wake(self) -> None:
        """Let those who wait look again, and tell those who have asked."""
        if self._asked and self._announcing is None:
            loop = asyncio.get_running_loop()
            pause = self._announced_at + ANNOUNCE_SECONDS - loop.time()
            self._announcing = loop.call_later(max(0.0, pause), self._announce)
        self._changes.wake()

    def close(self) -> None:
        """Announce nothing any more."""
        if self._announcing is not None:
            self._announcing.cancel()

    def _announce(self) -> None:
        self._announcing = None
        self._announced_at = asyncio.get_running_loop().time()
        self._asked = False
        self._on_change()

    # -- what is asked for

    @property
    def version(self) -> str:
        """Names the state of the list."""
        return self._changes.version

    @property
    def changed(self) -> asyncio.Event:
        """Is set with the next change; take it before asking what changed, lest one come between."""
        return self._changes.changed

    async def page(
        self, query: m.RunsQuery, servers: list[m.RunsServer], *, reset: bool = False
    ) -> m.RunsResponse:
        """Give one page.

        Raises
        ------
        InvalidParameters
            If the cursor is broken, or the condition.
        """
        after = None if query.cursor is None else read_cursor(query.cursor)
        passes = read_filter(query)
        version, order = self.version, await self._in_order()
        runs, total, cursor = await self._beside(partial(page_of, order, query, passes, after))
        return self._answer(runs, total, servers, version, cursor=cursor, reset=reset)

    async def changes(self, query: m.RunsQuery, servers: list[m.RunsServer]) -> m.RunsResponse | None:
        """Give what changed since a version; None if nothing did.

        Raises
        ------
        InvalidParameters
            If the version is broken, or the condition.
        """
        since, passes = self._changes.read_version(query.changed_since or ""), read_filter(query)
        first_page = query.model_copy(update={"cursor": None})
        if since is None:
            return await self.page(first_page, servers, reset=True)
        changed = [(key, self._runs.get(key)) for key in self._changes.since(since)]
        version, touched = self.version, self._touched
        if not changed and since >= touched:
            return None
        runs, removed, fits = await self._beside(partial(changes_of, changed, query, passes))
        if not runs and not removed and since >= touched:
            return None
        if not fits:
            return await self.page(first_page, servers, reset=True)
        return self._answer(runs, len(runs), servers, version, removed=removed)

    async def compare(self, request: m.RunsCompareRequest) -> m.RunsCompareResponse:
        """Say what differs between some runs.

        Raises
        ------
        NotFound
            If one of them is not in the list.
        InvalidParameters
            If the baseline is none of them.
        """
        if request.baseline >= len(request.runs):
            raise InvalidParameters.for_field("baseline", "is not the place of one of the runs, from 0")
        runs = []
        for key in request.runs:
            run = self._runs.get((key.connection_id, key.run_id))
            if run is None:
                raise NotFound(f"No viewer that {key.connection_id} holds has the run {key.run_id}.")
            runs.append(run)
        return await self._beside(partial(compare_runs, runs, request.baseline, request.metrics))

    async def groups(self, query: m.RunsGroupsQuery) -> m.RunsGroupsResponse:
        """Put the runs with the same values together.

        Raises
        ------
        InvalidParameters
            If the names or the condition are not valid.
        """
        names, passes = read_names(query.by), read_where(query.where)
        order = await self._in_order()
        return await self._beside(lambda: group_runs((run for _, run in order), passes, names, query.metric))

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
            number, runs = self._changes.number, list(self._runs.values())
            order = await self._beside(partial(in_order, runs))
            if number != self._changes.number:
                return order  # of the state that the caller has taken the version of, or a later one
            self._sorted = order
        return self._sorted

    async def _beside(self, work: Callable[[], T]) -> T:
        """Search or sort beside the event loop: that takes time in proportion to all runs and their texts.

        One at a time, so that searches do not take the threads that others wait for.
        """
        async with self._searching:
            return await asyncio.to_thread(work)
