"""The runs of one viewer, as this side knows them: changes are asked for, looked at, and taken over.

One adapter for runicorn 0.5, 0.6 and 0.7: ``payload/runs`` passes on the words of each version's
own list, and here they become the same. Nothing that comes is believed: sizes, types and texts are bounded
first.
"""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import quote

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import MemoryLimit
from runicorn_jupyter.remote.run_details import NO_DETAILS, DetailReader, RunDetails
from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runicorn_jupyter.remote.memory_budget import MemoryShare

__all__ = [
    "MAX_RUNS",
    "Answer",
    "OddAnswer",
    "RunDelta",
    "RunReplica",
    "RunSource",
    "read_run",
]

MAX_RUNS = 20000
"""Of one viewer; a table of that many takes some 20 MiB."""
MAX_TABLE_METRICS = 400_000
"""Values in all records of one viewer: what a hostile one can make this process hold."""
MAX_CHANGES = 2000
"""In one answer; the remote's has some 700 at most (``changelog.MAX_ANSWER_BYTES``)."""
RUN_BYTES, METRIC_BYTES = 1700, 100
"""What a run takes without its texts, and each of its metrics without its name, as measured."""
MAX_METRICS = 64
MAX_TAGS = 16
MAX_TEXT = 512
MAX_NAME = 128
MAX_ROOT = 4096
LATEST = 253402300799.0
"""The last second that a ``datetime`` can say."""

# What 0.7 makes of the words that a script may end its run with (``sdk.py``, ``_normalize_status``).
STATUSES: dict[str, m.RunStatus] = {
    "running": "running",
    "finished": "finished",
    "completed": "finished",
    "success": "finished",
    "failed": "failed",
    "error": "failed",
    "crashed": "failed",
    "interrupted": "interrupted",
    "killed": "interrupted",
    "cancelled": "interrupted",
    "aborted": "interrupted",
}


_RUN_FIELDS = set(m.Run.model_fields)


class OddAnswer(ValueError):
    """An answer of the viewer's side that is not valid."""


class RunSource(NamedTuple):
    """Where runs come from, as each of them shows it."""

    connection_id: str
    host: str
    env_name: str
    remote_root: str | None


class RunDelta(NamedTuple):
    """The changes that one answer brought.

    Attributes
    ----------
    runs
        New or different: each with what it was before, or None.
    removed
        What is gone.
    not_finite
        Runs and metrics that became NaN or infinite since this side watches.
    first
        Whether this is the whole list, not changes.
    more
        Whether more can be asked for at once.
    completed
        Whether `RunReplica.complete` became another.
    """

    runs: list[tuple[m.Run, m.Run | None]]
    removed: list[m.Run]
    not_finite: list[tuple[m.Run, str]]
    first: bool
    more: bool
    completed: bool


ReadRun = tuple[m.Run, int, frozenset[str], int | None]


class Answer(NamedTuple):
    """What a viewer's side says about its runs, looked at: nothing in it is of another form.

    Attributes
    ----------
    runs
        Each with the bytes that it takes but for its details, the metrics of it that are no finite numbers,
        and the bytes that its details take; None: those are what they were.
    """

    epoch: str
    version: int
    reset: bool
    source: RunSource
    runs: list[ReadRun]
    removed: list[str]
    more: bool
    complete: bool


NOTHING = RunDelta([], [], [], first=False, more=False, completed=False)


class RunReplica:
    """A copy of the list of runs of one viewer.

    Parameters
    ----------
    source
        Of all its runs.
    memory
        Counts what the runs take.
    """

    def __init__(self, source: RunSource, memory: MemoryShare) -> None:
        self.source = source
        self.runs: dict[str, m.Run] = {}
        self.left_out: m.RunsProblem | None = None
        """Why some runs are not here; None if all are."""
        self.complete = False
        """Whether these are all the runs that are there: false while the viewer still takes them up."""
        self._memory = memory
        self._epoch = ""
        self._version = 0
        self._bad: dict[str, frozenset[str]] = {}
        self._bytes: dict[str, int] = {}
        self._detail_bytes: dict[str, int] = {}
        self._metrics = 0
        self._whole = True
        self._known = 0
        self._reader = DetailReader()

    @property
    def cursor(self) -> dict[str, Any]:
        """The state of this copy, for the remote to answer with what is newer."""
        return {"epoch": self._epoch, "version": self._version, "known": self._known}

    def close(self) -> None:
        """Forget all."""
        self.runs, self._bad, self._bytes, self._detail_bytes, self._metrics = {}, {}, {}, {}, 0
        self._memory.close()

    def read(self, answer: dict[str, Any]) -> Answer:
        """Check an answer and parse it; on any thread, as it takes time in proportion to the answer.

        Raises
        ------
        OddAnswer
            If it is not a valid answer.
        """
        epoch, version = answer.get("epoch"), answer.get("version")
        runs, removed = answer.get("runs"), answer.get("removed")
        if not (
            isinstance(epoch, str)
            and 0 < len(epoch) <= 64
            and isinstance(version, int)
            and 0 <= version < 2**53
            and isinstance(runs, list)
            and isinstance(removed, list)
            and len(runs) + len(removed) <= MAX_CHANGES
        ):
            raise OddAnswer("the answer about runs is not of the form")
        source, root, reset = self.source, answer.get("root"), answer.get("reset") is True
        if reset and epoch != self._epoch and isinstance(root, str):
            # The viewer's page may have moved it to another root.
            source = source._replace(remote_root=plain_text(root[:MAX_ROOT]))
        read = [(self._read_run(value, source), value) for value in runs]
        return Answer(
            epoch,
            version,
            reset,
            source,
            [_weighed(*run, frozenset(_names(value.get("nan")))) for run, value in read if run is not None],
            [run_id for run_id in removed if isinstance(run_id, str)],
            more=answer.get("more") is True,
            complete=answer.get("complete") is True,
        )

    def _read_run(self, value: Any, source: RunSource) -> tuple[m.Run, int | None] | None:
        details, size = NO_DETAILS, None
        if isinstance(value, dict) and "details" in value:
            details, size = self._reader.read(value["details"])
        run = read_run(value, source, details)
        return None if run is None else (run, size)

    def apply(self, answer: Answer) -> RunDelta:
        """Take over what was read."""
        gone: list[m.Run] = []
        complete = self.complete
        if answer.epoch != self._epoch:
            if not answer.reset:
                return NOTHING
            gone = self._begin(answer.epoch, answer.source)
        elif answer.version <= self._version:
            # Of two requests under way the other was answered first, by all that is here and more.
            return NOTHING
        first = self._whole
        self._version = max(self._version, answer.version)
        if not answer.more:
            self._known = self._version
        self._whole = self._whole and answer.more
        gone += [run for run in map(self._remove, answer.removed) if run is not None]
        changed, not_finite = self._take_runs(answer, first=first)
        new = {run.run_id for run, _ in changed}
        if not answer.more or not answer.complete:
            self.complete = answer.complete
        return RunDelta(
            changed,
            [run for run in gone if run.run_id not in new],
            not_finite,
            first,
            answer.more,
            completed=self.complete != complete,
        )

    def _begin(self, epoch: str, source: RunSource) -> list[m.Run]:
        """Start anew; what was known is gone unless it comes again."""
        gone = list(self.runs.values())
        self.close()
        self.source, self.complete, self.left_out = source, False, None
        self._epoch, self._version, self._known, self._whole = epoch, 0, 0, True
        return gone

    def _remove(self, run_id: str) -> m.Run | None:
        run = self.runs.pop(run_id, None)
        if run is not None:
            self._metrics -= len(run.metrics)
            self._bad.pop(run_id, None)
            self._detail_bytes.pop(run_id, None)
            self._memory.add(-self._bytes.pop(run_id))
        return run

    def _take_runs(
        self, answer: Answer, *, first: bool
    ) -> tuple[list[tuple[m.Run, m.Run | None]], list[tuple[m.Run, str]]]:
        changed: list[tuple[m.Run, m.Run | None]] = []
        not_finite: list[tuple[m.Run, str]] = []
        for read, size, bad, details in answer.runs:
            before = self.runs.get(read.run_id)
            if details is None and before is None and self.left_out is not None:
                continue  # left out, and not whole any more
            run = read if details is not None else _with_details_of(before, read)
            of_details = self._detail_bytes.get(read.run_id, 0) if details is None else details
            if not self._fits(run, before, size + of_details):
                continue
            self._detail_bytes[run.run_id] = of_details
            self.runs[run.run_id] = run
            if not first and (before is not None or self.complete):
                not_finite += [(run, name) for name in sorted(bad - self._bad.get(run.run_id, frozenset()))]
            if bad:
                self._bad[run.run_id] = bad
            changed.append((run, before))
        return changed, not_finite

    def _fits(self, run: m.Run, before: m.Run | None, size: int) -> bool:
        """Count a run in; if there is no room for it, take note of why."""
        metrics = self._metrics + len(run.metrics) - (len(before.metrics) if before else 0)
        if (before is None and len(self.runs) >= MAX_RUNS) or metrics > MAX_TABLE_METRICS:
            self.left_out = m.RunsProblem(
                code="too_many_runs",
                message=f"The viewer on {self.source.host} has more than {MAX_RUNS} runs, or more than"
                f" {MAX_TABLE_METRICS} values in them; some are left out.",
            )
            return False
        try:
            self._memory.add(size - self._bytes.get(run.run_id, 0))
        except MemoryLimit as exc:
            self.left_out = m.RunsProblem(
                code=exc.code, message=f"Some runs of {self.source.host} are left out: {exc.message}"
            )
            return False
        self._metrics, self._bytes[run.run_id] = metrics, size
        return True


def _with_details_of(before: m.Run | None, run: m.Run) -> m.Run:
    if before is None:
        return run
    return m.Run.model_construct(_RUN_FIELDS, **{**run.__dict__, **RunDetails.of(before)._asdict()})


def _weighed(run: m.Run, details: int | None, bad: frozenset[str]) -> ReadRun:
    """Estimate, rather too high, the bytes that a run takes here: itself, its JSON, and what finds it."""
    texts = [run.run_id, run.name, run.path, run.project, run.page, *run.tags, *run.metrics]
    known = [text for text in texts if text]
    as_json = sum(len(text) if text.isascii() else len(text.encode()) for text in known)
    parts = RUN_BYTES + METRIC_BYTES * (len(run.metrics) + len(bad))
    return run, parts + sum(map(sys.getsizeof, [*known, *bad])) + 2 * as_json, bad, details


def read_run(value: Any, source: RunSource, details: RunDetails = NO_DETAILS) -> m.Run | None:
    """Make a run of what a viewer's side says of it; None if that is nothing to go by."""
    if not isinstance(value, dict):
        return None
    run_id = value.get("id")
    if not isinstance(run_id, str) or not 0 < len(run_id) <= MAX_NAME or _text(run_id) != run_id:
        return None
    # 0.5 has project and name, the later ones a path and an alias.
    parts = [part for part in (_text(value.get("project")), _text(value.get("name"))) if part]
    path = _text(value.get("path")) or "/".join(parts) or None
    name = _text(value.get("alias")) or _text(value.get("name"))
    started, ended = _time(value.get("started")), _time(value.get("ended"))
    status = STATUSES.get(str(value.get("status")).strip().lower(), "finished")
    ended = None if status == "running" else ended
    step = value.get("step")
    tags = value.get("tags")
    # Every field was looked at above: validating 10,000 runs again would take longer than getting them.
    return m.Run.model_construct(
        _RUN_FIELDS,  # one set for all: of each run's own, it would be a fifth of what that takes
        **source._asdict(),
        run_id=run_id,
        name=name,
        path=path,
        project=path.split("/", 1)[0] if path else None,
        status=status,
        tags=[text for text in map(_text, tags[:MAX_TAGS]) if text] if isinstance(tags, list) else [],
        created_at=_time(value.get("created")),
        started_at=started,
        ended_at=ended,
        duration_seconds=max(0.0, (ended - started).total_seconds()) if started and ended else None,
        pid=_pid(value.get("pid")) if status == "running" else None,
        step=step if isinstance(step, int) and not isinstance(step, bool) and abs(step) < 2**53 else None,
        metrics=dict(_metrics(value.get("metrics"))),
        **details._asdict(),
        page=f"/runs/{quote(run_id, safe='')}",
    )


def _pid(value: Any) -> int | None:
    is_one = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31
    return value if is_one else None


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    text = value[:MAX_TEXT]
    return (text if text.isprintable() and text.isascii() else plain_text(text)).strip() or None


def _names(value: Any) -> Iterator[str]:
    for name in list(value)[:MAX_METRICS] if isinstance(value, dict) else ():
        text = _text(name[:MAX_NAME])
        if text:
            yield text


def _time(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST:
        return None
    return datetime.fromtimestamp(value, UTC)


def _metrics(value: Any) -> Iterator[tuple[str, m.MetricValue]]:
    for name in list(value)[:MAX_METRICS] if isinstance(value, dict) else ():
        text, number = _text(name[:MAX_NAME]), value[name]
        if text is None:
            continue
        finite = _finite(number)
        if finite is not None:
            yield text, finite
        elif number in ("NaN", "Infinity", "-Infinity"):
            yield text, cast("m.MetricValue", number)


def _finite(value: Any) -> float | None:
    """Give a finite number that a ``float`` can hold, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= sys.float_info.max and not math.isnan(value) else None
