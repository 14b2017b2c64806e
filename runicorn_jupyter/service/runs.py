"""Operations on the runs of all viewers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import NotFound, RemoteError
from runicorn_jupyter.remote.clock import unfinished
from runicorn_jupyter.token_bucket import TokenBucket

if TYPE_CHECKING:
    from runicorn_jupyter.remote.clock import Clock
    from runicorn_jupyter.service.caller import Caller
    from runicorn_jupyter.service.run_index import RunIndex
    from runicorn_jupyter.service.sessions import Sessions

__all__ = ["LOOK_SECONDS", "RunService"]

LOOK_SECONDS = 2.0
"""Seconds that a list of runs waits for the viewers; those that are late are listed as last known."""


LOOKS_PER_SECOND, LOOKS_AT_ONCE = 10, 20
"""Rate and burst of lists for which the viewers are asked; a front end asks for one a second."""

HELD_SECONDS = 0.1
"""Seconds by which each list beyond that is delayed. It asks every viewer, and so costs each of them, and
the event loop, time: whoever asks without a pause would have most of it."""


class RunService:
    """Lists runs, and reads their metrics.

    Parameters
    ----------
    sessions
        The table of open connections.
    index
        The index of all runs.
    clock
        Times and timeouts.
    """

    def __init__(self, sessions: Sessions, index: RunIndex, clock: Clock) -> None:
        self._sessions = sessions
        self._index = index
        self._clock = clock
        self._looks = TokenBucket(LOOKS_PER_SECOND, LOOKS_AT_ONCE, clock.monotonic)

    async def list_runs(self, caller: Caller, request: m.RunsQuery) -> m.RunsResponse:
        """List the runs of all viewers, or what changed in the list."""
        if request.cursor is None:  # a page that follows is of the same list
            # Who waits for what the viewers tell is not told sooner by asking those that do tell.
            await self._refresh_runs(all_of_them=request.changed_since is None or request.wait == 0)
        if request.changed_since is None:
            return await self._index.page(request, self._servers())
        answer, changed = await self._changed_runs(request)
        try:
            async with self._clock.timeout(request.wait):
                while answer is None:
                    await changed.wait()
                    answer, changed = await self._changed_runs(request)
        except TimeoutError:
            return self._index.nothing(self._servers())
        return answer

    async def _changed_runs(self, request: m.RunsQuery) -> tuple[m.RunsResponse | None, asyncio.Event]:
        """Return what changed, and the event that the next change after that sets."""
        changed = self._index.changed
        return await self._index.changes(request, self._servers()), changed

    async def _refresh_runs(self, *, all_of_them: bool = True) -> None:
        """Refresh the runs of each viewer, waiting `LOOK_SECONDS` at most; not too often.

        Parameters
        ----------
        all_of_them
            Whether those too that tell of each change by themselves.
        """
        if self._looks.take():
            await self._clock.sleep(HELD_SECONDS)
        watchers = {
            session.runs
            for session in self._sessions
            if session.runs is not None and (all_of_them or not session.runs.is_current)
        }
        refreshes = {refresh: watcher for watcher in watchers if (refresh := watcher.refresh()) is not None}
        for refresh in await unfinished(refreshes, LOOK_SECONDS, self._clock):
            refreshes[refresh].mark_slow()

    def _servers(self) -> list[m.RunsServer]:
        return [session.runs.describe() for session in self._sessions if session.runs is not None]

    async def compare_runs(self, caller: Caller, request: m.RunsCompareRequest) -> m.RunsCompareResponse:
        """Say what differs between some runs, as they were last known."""
        return await self._index.compare(request)

    async def group_runs(self, caller: Caller, request: m.RunsGroupsQuery) -> m.RunsGroupsResponse:
        """Put the runs of all viewers with the same values together."""
        await self._refresh_runs()
        return await self._index.groups(request)

    async def run_metrics(self, caller: Caller, request: m.RunMetricsQuery) -> m.RunMetricsResponse:
        """Read metrics of one run, or what is new of them."""
        names = None if request.names is None else request.names.split(",")
        key = m.CurveKey(
            connection_id=request.connection_id,
            run_id=request.run_id,
            since_step=request.since_step,
            version=request.version,
        )
        session = self._sessions.get(request.connection_id)
        (found,) = await session.run_metrics([key], names, request.points, request.x)
        if found is None:
            raise NotFound(f"This connection's viewer has no run {request.run_id}.")
        fields = {name: getattr(found, name) for name in m.RunCurves.model_fields if name != "error"}
        return m.RunMetricsResponse.model_construct(**fields)

    async def read_curves(self, caller: Caller, request: m.RunsCurvesRequest) -> m.RunsCurvesResponse:
        """Read metrics of runs of any viewers, or what is new of them: each viewer is asked once."""
        of: dict[str, list[m.CurveKey]] = {}
        for key in request.runs:
            of.setdefault(key.connection_id, []).append(key)
        parts = await asyncio.gather(*(self._read_part(keys, request) for keys in of.values()))
        found = {id(key): run for part in parts for key, run in part}
        return m.RunsCurvesResponse.model_construct(runs=[found[id(key)] for key in request.runs])

    async def _read_part(
        self, keys: list[m.CurveKey], request: m.RunsCurvesRequest
    ) -> list[tuple[m.CurveKey, m.RunCurves]]:
        """Read the runs of one connection; where that fails, each says why."""
        try:
            session = self._sessions.get(keys[0].connection_id)
            found = await session.run_metrics(keys, request.names, request.points, request.x)
        except RemoteError as error:
            return [(key, _nothing(key, error)) for key in keys]
        missing = NotFound("The viewer has no such run.")
        return [(key, run or _nothing(key, missing)) for key, run in zip(keys, found, strict=True)]


def _nothing(key: m.CurveKey, error: RemoteError) -> m.RunCurves:
    return m.RunCurves(
        connection_id=key.connection_id,
        run_id=key.run_id,
        steps=[],
        times=[],
        metrics={},
        not_finite={},
        total=0,
        version="",
        reset=False,
        error=m.RunsProblem(code=error.code, message=error.message),
    )
