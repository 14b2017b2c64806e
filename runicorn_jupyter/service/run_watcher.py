"""Keeps one viewer's runs in sync: long polling, plus an immediate refresh on demand."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import ConnectionLost, RemoteError, SshUnavailable
from runicorn_jupyter.remote.clock import SystemClock
from runicorn_jupyter.remote.control import NotTheViewer, Unanswered
from runicorn_jupyter.remote.machine import RunProcess
from runicorn_jupyter.remote.run_metrics import MAX_METRIC_VALUES, MAX_METRICS_BYTES, read_metrics
from runicorn_jupyter.remote.run_sync import OddAnswer, RunReplica, RunSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runicorn_jupyter.remote.clock import Clock
    from runicorn_jupyter.remote.host_client import ViewerControl
    from runicorn_jupyter.remote.memory_budget import MemoryBudget
    from runicorn_jupyter.remote.supervisor import ViewerSupervisor
    from runicorn_jupyter.service.caller import Emit
    from runicorn_jupyter.service.run_index import RunIndex

__all__ = ["RunWatcher"]

log = logging.getLogger(__name__)

WAIT_SECONDS = 45.0
"""Long-poll timeout; below the server's 75 s keep-alive (``payload/server.py``)."""
LATE_SECONDS = 5.0
"""What such an answer may take longer before its viewer is asked anew by who wants the runs."""
PERIOD_SECONDS = 0.5
"""Between the beginnings of two long requests, at least; the other side looks once a second."""
MAX_PAGES = 1000
"""Maximum pages of one list: 20,000 runs with 64 metrics each fit."""
METRICS_SECONDS = 30.0
MAX_OTHER_VALUES = 5000
"""Of an answer about metrics: its lists, and the marks in names that look like values from outside."""
MAX_LOOP_RUNS = 8
"""What of an answer's runs is looked at on the event loop at most; more of them are by a thread."""
RETRY_SECONDS, MAX_RETRY_SECONDS = 1.0, 60.0


class RunWatcher:
    """Keeps the runs of one viewer up to date in the index, for as long as the viewer is held.

    Parameters
    ----------
    supervisor
        Of the viewer, which runs.
    connection_id, host
        Of its connection, as people know them.
    index
        The index that the runs are kept in.
    emit
        Sends events to the front ends.
    memory
        What may be kept of the connection.
    clock
        What it waits by; default: the machine's.
    """

    def __init__(
        self,
        supervisor: ViewerSupervisor,
        connection_id: str,
        host: str,
        index: RunIndex,
        emit: Emit,
        *,
        memory: MemoryBudget,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._supervisor = supervisor
        self._memory = memory
        self._index = index
        self._emit = emit
        self._began = datetime.now(UTC)
        source = RunSource(connection_id, host, supervisor.environment.name, supervisor.remote.remote_root)
        self._replica = RunReplica(source, memory.share())
        self._problem: m.RunsProblem | None = None
        self._as_of: datetime | None = None
        self._right_at = 0.0
        self._is_slow = False
        self._is_told = False
        self._pause = RETRY_SECONDS
        self._control: ViewerControl | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._watching = asyncio.create_task(self._watch(), name=f"runs of {connection_id}")
        self._watching.add_done_callback(_log_failure)

    @property
    def _source(self) -> RunSource:
        return self._replica.source

    # -- for callers

    @property
    def is_current(self) -> bool:
        """Whether the viewer need not be asked: it has told all, tells what changes, and nobody doubts it.

        A look there that hangs is known when the long request should have been answered.
        """
        return (
            self._is_told
            and self._replica.complete
            and self._supervisor.health == "healthy"
            and self._clock.monotonic() - self._right_at <= WAIT_SECONDS + LATE_SECONDS
            and self._error() is None
        )

    def refresh(self) -> asyncio.Task[None] | None:
        """Start a refresh, and return its task; None if there is nothing to wait for."""
        if self._supervisor.connection.status != "connected" or self._watching.done():
            return None
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(
                self._refresh(), name=f"look at runs of {self._source.host}"
            )
            self._refreshing.add_done_callback(_log_failure)
        return None if self._is_slow else self._refreshing

    def mark_slow(self) -> None:
        """Note that the refresh under way takes too long to wait for."""
        self._is_slow = True
        self._supervisor.question()

    def describe(self) -> m.RunsServer:
        """Describe this viewer's part of the list, with its age."""
        age = None if self._as_of is None else round(self._clock.monotonic() - self._right_at, 3)
        return m.RunsServer(
            **self._source._asdict(),
            runicorn_version=self._supervisor.remote.runicorn_version,
            total=len(self._replica.runs),
            complete=self._replica.complete,
            as_of=self._as_of,
            age_seconds=age,
            error=self._error(),
        )

    def _error(self) -> m.RunsProblem | None:
        status = self._supervisor.connection.status
        if status != "connected":
            return _problem("connection_lost", f"The SSH connection to {self._source.host} is {status}.")
        if self._supervisor.state not in ("running", "reconnecting"):
            return _problem(
                "viewer_not_running", f"The viewer on {self._source.host} is {self._supervisor.state}."
            )
        if self._watching.done() or _broke(self._refreshing):
            return _problem(
                "internal_error",
                f"The runs on {self._source.host} are not watched any more; see the server's log.",
            )
        if self._problem is None and self._is_slow:
            return _problem(
                "viewer_not_responding", f"The viewer on {self._source.host} has not answered in time."
            )
        return self._problem or self._replica.left_out

    async def metrics(
        self, keys: Sequence[m.CurveKey], names: Sequence[str] | None, points: int, axis: m.CurveAxis
    ) -> list[m.RunCurves | None]:
        """Read metrics of runs, or what is new of them; None of a run that the viewer does not have.

        Parameters
        ----------
        keys
            The runs, and what is known of them.
        names
            Which metrics; None: all.
        points
            Steps of each at most.
        axis
            What their times are.

        Raises
        ------
        SshUnavailable
            If the viewer does not answer.
        ConnectionLost
            If the connection is down.
        MemoryLimit
            If the answer takes more memory than is left of what may be kept.
        """
        try:
            with self._memory.share() as share:
                async with await self._supervisor.remote.open_control(METRICS_SECONDS) as control:
                    answer = await control.ask(
                        "metrics",
                        max_bytes=MAX_METRICS_BYTES,
                        max_values=MAX_METRIC_VALUES + MAX_OTHER_VALUES,
                        memory=share,
                        runs=[_question(key) for key in keys],
                        names=names,
                        points=points,
                        relative=axis == "relative",
                    )
                # Half a million numbers are looked at for longer than the event loop may stand still.
                return await asyncio.to_thread(read_metrics, answer, keys, names)
        except (OSError, ValueError) as exc:
            log.info("metrics of %s: %r", self._source.connection_id, exc)
            raise SshUnavailable(f"The viewer on {self._source.host} gives no metrics; see its log.") from exc

    async def close(self) -> None:
        """Stop watching, and remove the runs from the index."""
        tasks = [task for task in (self._watching, self._refreshing) if task is not None]
        for task in tasks:
            task.cancel()
        # At once, so that nothing is left should this be cancelled too: a task that was does nothing more.
        self._index.update((), self._replica.runs.values())
        self._replica.close()
        self._drop_control()
        await asyncio.wait(tasks)

    # -- the work

    async def _refresh(self) -> None:
        try:
            with contextlib.suppress(OSError, RemoteError, ValueError):
                if await self._ask_again():
                    return
            await self._ask_on(await self._supervisor.remote.open_control(WAIT_SECONDS))
        except (OSError, RemoteError, ValueError) as exc:
            self._failed(exc)

    async def _ask_again(self) -> bool:
        """Ask on the stream of the last refresh, which may have been closed meanwhile."""
        control, self._control = self._control, None
        if control is None:
            return False
        await self._ask_on(control)
        return True

    def processes(self) -> list[RunProcess]:
        """List the processes of the runs that are going on on the viewer's own machine."""
        return [
            RunProcess(
                m.RunKey(connection_id=run.connection_id, run_id=run.run_id), run.pid, began.timestamp()
            )
            for run in self._replica.runs.values()
            if run.status == "running"
            and run.pid is not None
            and (began := run.started_at or run.created_at) is not None
        ]

    async def _ask_on(self, control: ViewerControl) -> None:
        """Ask, and keep the stream for the next refresh if that went well."""
        try:
            await self._exchange(control)
        except BaseException:
            control.close()
            raise
        self._control = control

    def _drop_control(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None

    async def _watch(self) -> None:
        """Follow the changes, by one request after the other that is answered as they come."""
        while True:
            try:
                async with await self._supervisor.remote.open_control(2 * WAIT_SECONDS) as control:
                    pages = 0
                    while True:
                        pages = await self._follow(control, pages)
            except ConnectionLost as exc:
                self._failed(exc)
                if not await self._supervisor.connection.wait_connected(None):
                    return
            except (OSError, RemoteError, ValueError) as exc:
                self._failed(exc)
            finally:
                self._is_told = False
            # Nothing tells when a viewer that fails is well again.
            await self._clock.sleep(self._pause)
            self._pause = min(2 * self._pause, MAX_RETRY_SECONDS)

    async def _follow(self, control: ViewerControl, pages: int) -> int:
        """Take what one request tells until its answer ends.

        Parameters
        ----------
        control
            Asks.
        pages
            How many pages of one list the request before has told, and not all.

        Returns
        -------
        int
            The same of this one.
        """
        taken, is_empty = self._clock.monotonic(), True
        following = control.follow("runs", **self._replica.cursor, wait_seconds=WAIT_SECONDS, follow=True)
        async with contextlib.aclosing(following) as answers:
            async for answer in answers:
                pages, is_empty = pages + 1, False
                if await self._apply(answer):
                    _require_end(pages)
                    continue
                self._note_right()
                self._is_told, self._pause = True, RETRY_SECONDS
                # Whatever it is that answers: it does not keep this process busy.
                rest = taken + PERIOD_SECONDS - self._clock.monotonic()
                await self._clock.sleep(max(0.0, rest))
                taken, pages = self._clock.monotonic(), 0
        if is_empty:
            raise OddAnswer("the answer about runs is empty")
        return pages

    async def _exchange(self, control: ViewerControl) -> None:
        """Ask for what is new."""
        pages = 0
        while await self._apply(await control.ask("runs", **self._replica.cursor, wait_seconds=0)):
            pages += 1
            _require_end(pages)
        self._note_right()

    def _note_right(self) -> None:
        """Note that what is here is what is there."""
        self._problem, self._is_slow = None, False
        self._as_of, self._right_at = datetime.now(UTC), self._clock.monotonic()

    async def _apply(self, answer: dict[str, Any]) -> bool:
        runs = answer.get("runs")
        if isinstance(runs, list) and len(runs) > MAX_LOOP_RUNS:
            read = await asyncio.to_thread(self._replica.read, answer)
        else:
            read = self._replica.read(answer)
        all_fitted, was_complete = self._replica.left_out is None, self._replica.complete
        changes = self._replica.apply(read)
        if all_fitted and self._replica.left_out is not None:
            log.warning("runs of %s: %s", self._source.connection_id, self._replica.left_out.message)
        if changes.runs or changes.removed:
            self._index.update((run for run, _ in changes.runs), changes.removed)
        if changes.completed:
            self._index.touch()
        if not changes.first:
            for run, before in changes.runs:
                if before is not None or was_complete:  # the others are taken up only now
                    self._report_status(run, before)
            for run, metric in changes.not_finite:
                self._event(run, "nan", f"{metric} of {_name(run)} is not a finite number.", metric)
        return changes.more

    def _report_status(self, run: m.Run, before: m.Run | None) -> None:
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
        host = self._source.host
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
            self._supervisor.question()
        log.info("runs of %s: %s (%r)", self._source.connection_id, self._problem.message, exc)


def _require_end(pages: int) -> None:
    if pages >= MAX_PAGES:
        raise OddAnswer("the answers about runs do not come to an end")


def _log_failure(task: asyncio.Task[None]) -> None:
    """Log a task that ended by an unexpected exception."""
    if _broke(task):
        log.error("%s: ended unexpectedly", task.get_name(), exc_info=task.exception())


def _broke(task: asyncio.Task[None] | None) -> bool:
    return task is not None and task.done() and not task.cancelled() and task.exception() is not None


def _problem(code: str, message: str) -> m.RunsProblem:
    return m.RunsProblem(code=code, message=message)


def _question(key: m.CurveKey) -> dict[str, Any]:
    """Return what the viewer's side is asked of a run; short, for it is asked at each step."""
    known = {"since": key.since_step, "version": key.version}
    return {"id": key.run_id, **{name: value for name, value in known.items() if value is not None}}


def _name(run: m.Run) -> str:
    parts = [part for part in (run.path, run.name) if part]
    # 0.5's paths end with the name, as people's of later versions often do.
    if len(parts) > 1 and parts[0].rpartition("/")[2] == parts[1]:
        parts.pop()
    return "/".join(parts) or run.run_id
