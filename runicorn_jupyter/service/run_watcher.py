"""What one viewer's runs do: a long request to its side of the line, and a look when somebody asks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import ConnectionLost, NotFound, RemoteError, SshUnavailable
from runicorn_jupyter.remote.clock import SystemClock
from runicorn_jupyter.remote.control import NotTheViewer, Unanswered
from runicorn_jupyter.remote.run_sync import (
    MAX_METRIC_VALUES,
    MAX_METRICS_BYTES,
    OddAnswer,
    Place,
    RemoteRuns,
    read_metrics,
)

if TYPE_CHECKING:
    from runicorn_jupyter.remote.clock import Clock
    from runicorn_jupyter.remote.host_client import ViewerControl
    from runicorn_jupyter.remote.memory_budget import MemoryBudget
    from runicorn_jupyter.remote.supervisor import ViewerHold
    from runicorn_jupyter.service.caller import Emit
    from runicorn_jupyter.service.run_index import RunBoard

__all__ = ["RunFeed"]

log = logging.getLogger(__name__)

WAIT_SECONDS = 45.0
"""Of a long request: less than the viewer's server keeps an idle connection (75 s, ``payload/server.py``)."""
PERIOD_SECONDS = 0.5
"""Between the beginnings of two long requests, at least; the other side looks once a second."""
MAX_PAGES = 1000
"""Of one list: 20,000 runs with 64 metrics each fit."""
METRICS_SECONDS = 30.0
MAX_OTHER_VALUES = 5000
"""Of an answer about metrics: its lists, and the marks in names that look like values from outside."""
MAX_LOOP_RUNS = 8
"""What of an answer's runs is looked at on the event loop at most; more of them are by a thread."""
RETRY_SECONDS, MAX_RETRY_SECONDS = 1.0, 60.0


class RunFeed:
    """Keeps the runs of one viewer up to date on the board, for as long as the viewer is held.

    Parameters
    ----------
    hold
        The viewer, which runs.
    connection_id, host
        Of its connection, as people know them.
    board
        Where the runs are put.
    emit
        Sends events to the front ends.
    memory
        What may be kept of the connection.
    clock
        What it waits by; default: the machine's.
    """

    def __init__(
        self,
        hold: ViewerHold,
        connection_id: str,
        host: str,
        board: RunBoard,
        emit: Emit,
        *,
        memory: MemoryBudget,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._hold = hold
        self._memory = memory
        self._board = board
        self._emit = emit
        self._began = datetime.now(UTC)
        place = Place(connection_id, host, hold.environment.name, hold.remote.remote_root)
        self._table = RemoteRuns(place, memory.share())
        self._problem: m.RunsProblem | None = None
        self._as_of: datetime | None = None
        self._right_at = 0.0
        self._late = False
        self._control: ViewerControl | None = None
        self._looking: asyncio.Task[None] | None = None
        self._watching = asyncio.create_task(self._watch(), name=f"runs of {connection_id}")
        self._watching.add_done_callback(_log_failure)

    @property
    def _place(self) -> Place:
        return self._table.place

    # -- for who asks

    def look(self) -> asyncio.Task[None] | None:
        """Begin to look now, and return what ends when it is done; None if there is nothing to wait for."""
        if self._hold.connection.status != "connected" or self._watching.done():
            return None
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name=f"look at runs of {self._place.host}")
            self._looking.add_done_callback(_log_failure)
        return None if self._late else self._looking

    def miss(self) -> None:
        """Take note that the look under way takes too long to wait for."""
        self._late = True
        self._hold.question()

    def describe(self) -> m.RunsServer:
        """Give this viewer's part, with how old it is."""
        age = None if self._as_of is None else round(self._clock.monotonic() - self._right_at, 3)
        return m.RunsServer(
            **self._place._asdict(),
            runicorn_version=self._hold.remote.runicorn_version,
            total=len(self._table.runs),
            complete=self._table.complete,
            as_of=self._as_of,
            age_seconds=age,
            error=self._error(),
        )

    def _error(self) -> m.RunsProblem | None:
        status = self._hold.connection.status
        if status != "connected":
            return _problem("connection_lost", f"The SSH connection to {self._place.host} is {status}.")
        if self._hold.state not in ("running", "reconnecting"):
            return _problem("viewer_not_running", f"The viewer on {self._place.host} is {self._hold.state}.")
        if self._watching.done() or _broke(self._looking):
            return _problem(
                "internal_error",
                f"The runs on {self._place.host} are not watched any more; see the server's log.",
            )
        if self._problem is None and self._late:
            return _problem(
                "viewer_not_responding", f"The viewer on {self._place.host} has not answered in time."
            )
        return self._problem or self._table.left_out

    async def metrics(self, request: m.RunMetricsQuery) -> m.RunMetricsResponse:
        """Read metrics of a run.

        Raises
        ------
        NotFound
            If the viewer has no such run.
        SshUnavailable
            If it does not answer.
        ConnectionLost
            If the connection is down.
        MemoryLimit
            If the answer takes more memory than is left of what may be kept.
        """
        names = None if request.names is None else request.names.split(",")
        try:
            with self._memory.share() as share:
                async with await self._hold.remote.open_control(METRICS_SECONDS) as control:
                    answer = await control.ask(
                        "metrics",
                        max_bytes=MAX_METRICS_BYTES,
                        max_values=MAX_METRIC_VALUES + MAX_OTHER_VALUES,
                        memory=share,
                        run_id=request.run_id,
                        names=names,
                        points=request.points,
                    )
                if answer.get("missing") is True:
                    raise NotFound(f"The viewer on {self._place.host} has no run {request.run_id}.")
                # Half a million numbers are looked at for longer than the event loop may stand still.
                return await asyncio.to_thread(
                    read_metrics, answer, self._place.connection_id, request.run_id, names
                )
        except (OSError, ValueError) as exc:
            log.info("metrics of %s: %r", self._place.connection_id, exc)
            raise SshUnavailable(f"The viewer on {self._place.host} gives no metrics; see its log.") from exc

    async def close(self) -> None:
        """End; its runs are no longer on the board."""
        tasks = [task for task in (self._watching, self._looking) if task is not None]
        for task in tasks:
            task.cancel()
        # At once, so that nothing is left should this be cancelled too: a task that was does nothing more.
        self._board.put((), self._table.runs.values())
        self._table.close()
        self._drop_control()
        await asyncio.wait(tasks)

    # -- the work

    async def _look(self) -> None:
        try:
            with contextlib.suppress(OSError, RemoteError, ValueError):
                if await self._ask_again():
                    return
            await self._ask_on(await self._hold.remote.open_control(WAIT_SECONDS))
        except (OSError, RemoteError, ValueError) as exc:
            self._failed(exc)

    async def _ask_again(self) -> bool:
        """Ask on the connection of the look before, which may have been closed meanwhile."""
        control, self._control = self._control, None
        if control is None:
            return False
        await self._ask_on(control)
        return True

    async def _ask_on(self, control: ViewerControl) -> None:
        """Ask, and keep the connection for the next look if that went well."""
        try:
            await self._exchange(control, 0)
        except BaseException:
            control.close()
            raise
        self._control = control

    def _drop_control(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None

    async def _watch(self) -> None:
        """Ask for changes, again and again, by requests that are answered when there are some."""
        pause = RETRY_SECONDS
        while True:
            try:
                async with await self._hold.remote.open_control(2 * WAIT_SECONDS) as control:
                    while True:
                        began = self._clock.monotonic()
                        await self._exchange(control, WAIT_SECONDS)
                        pause = RETRY_SECONDS
                        # Whatever it is that answers: it does not keep this process busy.
                        rest = began + PERIOD_SECONDS - self._clock.monotonic()
                        await self._clock.sleep(max(0.0, rest))
            except ConnectionLost as exc:
                self._failed(exc)
                if not await self._hold.connection.wait_connected(None):
                    return
            except (OSError, RemoteError, ValueError) as exc:
                self._failed(exc)
            # Nothing tells when a viewer that fails is well again.
            await self._clock.sleep(pause)
            pause = min(2 * pause, MAX_RETRY_SECONDS)

    async def _exchange(self, control: ViewerControl, seconds: float) -> None:
        for _ in range(MAX_PAGES):
            answer = await control.ask("runs", **self._table.have, wait_seconds=seconds)
            if not await self._take(answer):
                break
        else:
            raise OddAnswer("the answers about runs do not come to an end")
        self._problem, self._late = None, False
        self._as_of, self._right_at = datetime.now(UTC), self._clock.monotonic()

    async def _take(self, answer: dict[str, Any]) -> bool:
        runs = answer.get("runs")
        if isinstance(runs, list) and len(runs) > MAX_LOOP_RUNS:
            read = await asyncio.to_thread(self._table.read, answer)
        else:
            read = self._table.read(answer)
        all_fitted = self._table.left_out is None
        changes = self._table.apply(read)
        if all_fitted and self._table.left_out is not None:
            log.warning("runs of %s: %s", self._place.connection_id, self._table.left_out.message)
        if changes.runs or changes.removed:
            self._board.put((run for run, _ in changes.runs), changes.removed)
        if changes.completed:
            self._board.touch()
        if not changes.first:
            for run, before in changes.runs:
                self._tell(run, before)
            for run, metric in changes.not_finite:
                self._event(run, "nan", f"{metric} of {_name(run)} is not a finite number.", metric)
        return changes.more

    def _tell(self, run: m.Run, before: m.Run | None) -> None:
        if before is not None and before.status == run.status:
            return
        if run.status == "running":
            self._event(run, "started", f"{_name(run)} has started.")
        elif before is not None or (run.ended_at is not None and run.ended_at >= self._began):
            words = {"finished": "has finished", "failed": "has failed", "interrupted": "was interrupted"}
            self._event(run, run.status, f"{_name(run)} {words[run.status]}.")

    def _event(self, run: m.Run, status: str, message: str, metric: str | None = None) -> None:
        self._emit(
            "run",
            connection_id=run.connection_id,
            host=run.host,
            env_name=run.env_name,
            run_id=run.run_id,
            status=status,
            metric=metric,
            message=message,
        )

    def _failed(self, exc: Exception) -> None:
        host = self._place.host
        if isinstance(exc, ConnectionLost):
            self._problem = _problem("connection_lost", f"The SSH connection to {host} is down.")
        elif isinstance(exc, RemoteError):
            self._problem = _problem(exc.code, exc.message)
        elif isinstance(exc, NotTheViewer | ValueError) and not isinstance(exc, Unanswered):
            self._problem = _problem(
                "viewer_answer_invalid", f"The viewer on {host} gives no list of runs; stop and start it."
            )
        else:
            self._problem = _problem("viewer_not_responding", f"The viewer on {host} does not answer.")
            self._hold.question()
        log.info("runs of %s: %s (%r)", self._place.connection_id, self._problem.message, exc)


def _log_failure(task: asyncio.Task[None]) -> None:
    """Say it at once if one ended by what nobody has foreseen."""
    if _broke(task):
        log.error("%s: ended by what nobody has foreseen", task.get_name(), exc_info=task.exception())


def _broke(task: asyncio.Task[None] | None) -> bool:
    return task is not None and task.done() and not task.cancelled() and task.exception() is not None


def _problem(code: str, message: str) -> m.RunsProblem:
    return m.RunsProblem(code=code, message=message)


def _name(run: m.Run) -> str:
    parts = [part for part in (run.path, run.name) if part]
    # 0.5's paths end with the name, as people's of later versions often do.
    if len(parts) > 1 and parts[0].rpartition("/")[2] == parts[1]:
        parts.pop()
    return "/".join(parts) or run.run_id
