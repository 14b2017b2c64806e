"""Operations on the machines behind the connections."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

from runicorn_jupyter import models as m
from runicorn_jupyter.service.change_log import ChangeLog
from runicorn_jupyter.service.machine_watcher import MachineWatcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from runicorn_jupyter.remote.clock import Clock
    from runicorn_jupyter.service.caller import Caller
    from runicorn_jupyter.service.sessions import Sessions

__all__ = ["FIRST_SECONDS", "IDLE_SECONDS", "MachineService"]

FIRST_SECONDS = 2.0
"""Seconds that an answer waits for machines that are new; those that are late have no ``as_of``."""
IDLE_SECONDS = 5.0
"""After the last answer, machines are looked at for so many seconds: a front end that looks asks again."""
MAX_REMOVED = 256


class MachineService:
    """Tells how the machines are, and looks at them only while somebody asks.

    Parameters
    ----------
    sessions
        The table of open connections.
    announce
        Called when what is known is not what it was when it was last asked for.
    clock
        Times and timeouts.
    """

    def __init__(self, sessions: Sessions, announce: Callable[[], object], clock: Clock) -> None:
        self._sessions = sessions
        self._announce = announce
        self._clock = clock
        self._watchers: dict[str, MachineWatcher] = {}
        self._changes: ChangeLog[str] = ChangeLog(lambda: len(self._sessions) + MAX_REMOVED)
        self._asked = False
        self._askers = 0
        self._idle: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        sessions.subscribe(self._sessions_changed)

    async def list_machines(self, caller: Caller, request: m.MachinesQuery) -> m.MachinesResponse:
        """Tell how the machines of all connections are, or of those that changed.

        Raises
        ------
        InvalidParameters
            If `changed_since` is not the version of an answer.
        """
        self._askers += 1
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        try:
            await self._look()
            answer = self._answer(request.changed_since)
            if request.changed_since is None or answer.machines or answer.removed or answer.reset:
                return answer
            with contextlib.suppress(TimeoutError):
                async with self._clock.timeout(request.wait):
                    while not (answer.machines or answer.removed):
                        await self._changes.changed.wait()
                        await self._look()
                        answer = self._answer(request.changed_since)
            return answer
        finally:
            self._askers -= 1
            if not self._askers:
                self._idle = asyncio.create_task(self._end_when_idle(), name="idle machines")

    async def close(self) -> None:
        """Stop looking."""
        if self._idle is not None:
            self._idle.cancel()
        self._end_all()
        if self._ending:
            await asyncio.wait(self._ending)

    async def _look(self) -> None:
        """Look at each machine that is not looked at yet, and wait a little for what it says."""
        new: list[MachineWatcher] = []
        for session in self._sessions:
            if session.connection_id not in self._watchers:
                name = session.connection_id
                watcher = session.watch_machine(partial(self._bump, name))
                self._watchers[name] = watcher
                new.append(watcher)
                self._bump(name)
        if new:
            with contextlib.suppress(TimeoutError):
                async with self._clock.timeout(FIRST_SECONDS):
                    for watcher in new:
                        await watcher.first.wait()

    def _answer(self, since: str | None) -> m.MachinesResponse:
        self._asked = True
        number = None if since is None else self._changes.read_version(since)
        changed = None if number is None else set(self._changes.since(number))
        machines = [
            watcher.machine
            for session in self._sessions
            if (watcher := self._watchers.get(session.connection_id)) is not None
            and (changed is None or session.connection_id in changed)
        ]
        gone = sorted(name for name in changed or () if self._sessions.find(name) is None)
        return m.MachinesResponse(
            machines=machines,
            removed=gone,
            reset=since is not None and number is None,
            version=self._changes.version,
        )

    def _bump(self, connection_id: str) -> None:
        self._changes.add(connection_id)
        self._wake()

    def _wake(self) -> None:
        self._changes.wake()
        if self._asked:
            self._asked = False
            self._announce()

    def _sessions_changed(self) -> None:
        """Stop looking at what is gone; who waits looks at what has come."""
        for name in [name for name in self._watchers if self._sessions.find(name) is None]:
            self._end(name)
            self._bump(name)
        if self._askers:
            self._wake()

    async def _end_when_idle(self) -> None:
        await self._clock.sleep(IDLE_SECONDS)
        self._end_all()

    def _end_all(self) -> None:
        for name in list(self._watchers):
            self._end(name)

    def _end(self, connection_id: str) -> None:
        watcher = self._watchers.pop(connection_id)
        ending = asyncio.create_task(watcher.close(), name=f"end of {connection_id}'s machine")
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
