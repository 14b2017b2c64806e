"""Bounds the events of each connection: a remote must not keep every open page busy.

One answer of a viewer can say that twenty thousand things happened. Each page and kernel that listens would
be sent as many events, and would act on each.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runicorn_jupyter.service.caller import Emit

__all__ = ["EventBudget"]

BURST, PER_SECOND = 20, 1.0
"""Of one connection and one kind: so many events at once after a pause, and so many in the long run."""
SUMMARY_SECONDS = 5.0
"""From the first event that is held back until what was left out is said."""
COUNTED = ("run", "progress")
"""Types of which each event stands for itself: those beyond the budget are counted. All others say that there
is something to read, and a server's message all that it said so far: of those beyond the budget, the last one
of each type is sent. Runs have a budget for each status, so that of those that fail one is told however many
have begun just before."""
MESSAGE = "message"
"""The step of a progress event that holds a server's words."""
WORDS = {"run": "about runs", "progress": "about the work under way"}

Fields = dict[str, "str | int | None"]
Kind = tuple[str, "str | int | None"]
"""A type of events, and of runs the status."""


class EventBudget:
    """Passes events on, of each connection only so many.

    Parameters
    ----------
    emit
        Sends an event to the front ends.
    monotonic
        Returns the time in seconds.
    sleep
        Waits so many seconds of that time.
    """

    def __init__(
        self,
        emit: Emit,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._emit = emit
        self._monotonic = monotonic
        self._sleep = sleep
        self._connections: dict[str, _Connection] = {}

    def __call__(self, type: str, **fields: str | int | None) -> None:  # noqa: A002  # the schema's own word
        """Send an event now, send it later, or count it; on the event loop."""
        name = fields.get("connection_id")
        if not isinstance(name, str):
            self._emit(type, **fields)
            return
        if type == "closed":
            self._end(name)
            self._emit(type, **fields)
            return
        connection = self._connection(name)
        kind = MESSAGE if type == "progress" and fields.get("step") == MESSAGE else type
        status = fields.get("status") if type == "run" else None
        if connection.take((kind, status) if kind in (*COUNTED, MESSAGE) else None):
            connection.late.pop(kind, None)  # which this one supersedes
            self._emit(type, **fields)
            return
        if kind in COUNTED:
            left_out = connection.left_out
            left_out[type, status] = left_out.get((type, status), 0) + 1
            connection.host = fields.get("host") or connection.host
        else:
            connection.late[kind] = (type, fields)
        if connection.task is None:
            connection.task = asyncio.create_task(self._flush_later(name, connection))

    @property
    def connections(self) -> int:
        """Of how many connections something is kept."""
        return len(self._connections)

    async def close(self) -> None:
        """Say what was held back, and end."""
        for name in list(self._connections):
            task = self._end(name)
            if task is not None:
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def _connection(self, name: str) -> _Connection:
        if name not in self._connections:
            # A connection that failed is never closed: what has not been used for long is as good as new.
            idle = [key for key, each in self._connections.items() if each.is_as_new]
            for key in idle:
                del self._connections[key]
            self._connections[name] = _Connection(self._monotonic)
        return self._connections[name]

    async def _flush_later(self, name: str, connection: _Connection) -> None:
        await self._sleep(SUMMARY_SECONDS)
        connection.task = None
        self._flush(name, connection)

    def _end(self, name: str) -> asyncio.Task[None] | None:
        connection = self._connections.pop(name, None)
        if connection is None or connection.task is None:
            return None
        connection.task.cancel()
        connection.late.clear()  # "closed" says it all
        self._flush(name, connection)
        return connection.task

    def _flush(self, name: str, connection: _Connection) -> None:
        left_out, connection.left_out = connection.left_out, {}
        late, connection.late = connection.late, {}
        for (type_, status), count in left_out.items():
            self._emit(
                "more",
                connection_id=name,
                host=connection.host,
                of=type_,
                status=status,
                count=count,
                message=f"… and {count} more messages {WORDS[type_]} on {connection.host}.",
            )
        for type_, fields in late.values():
            self._emit(type_, **fields)


@dataclass
class _Connection:
    """What is left of one connection's budgets, and what was held back."""

    clock: Callable[[], float]
    host: str | int = ""
    left_out: dict[Kind, int] = field(default_factory=dict)
    late: dict[str, tuple[str, Fields]] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    _budgets: dict[Kind | None, TokenBucket] = field(default_factory=dict)

    def take(self, kind: Kind | None) -> bool:
        """Use the budget of a kind; tell whether there was something left."""
        if kind not in self._budgets:
            self._budgets[kind] = TokenBucket(PER_SECOND, BURST, self.clock)
        return not self._budgets[kind].take()

    @property
    def is_as_new(self) -> bool:
        """Whether nothing is held back and all budgets are full."""
        return self.task is None and all(budget.is_full for budget in self._budgets.values())
