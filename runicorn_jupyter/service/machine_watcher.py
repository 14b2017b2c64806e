"""Listens to one connection's machine, for as long as somebody looks at it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import TYPE_CHECKING

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import ConnectionLost, RemoteError
from runicorn_jupyter.remote.accelerators import trouble
from runicorn_jupyter.remote.host_client import MACHINE_LEASE_SECONDS
from runicorn_jupyter.remote.machine import OddMachine, describe_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runicorn_jupyter.remote.clock import Clock
    from runicorn_jupyter.remote.host_client import HostClient, Line
    from runicorn_jupyter.remote.machine import MachineStream, MachineTexts, RunProcess
    from runicorn_jupyter.remote.memory_budget import MemoryBudget

__all__ = ["MachineWatcher"]

log = logging.getLogger(__name__)

BEAT_SECONDS = MACHINE_LEASE_SECONDS / 3
SILENT_SECONDS = 15.0
"""Longer than a round takes whose program is ended after ten seconds."""
PAUSE_SECONDS = 0.1
"""Between two reads: whatever is told, however fast, keeps neither this process nor a front end busy."""
FIRST_PAUSE_SECONDS, FIRST_READS = 0.01, 20
"""After each of the first: they are pieces of what somebody waits for."""
RETRY_SECONDS, MAX_RETRY_SECONDS = 2.0, 60.0
LOOP_CHARACTERS = 65536
"""More than this is read by a thread."""


class MachineWatcher:
    """Keeps what is known of a machine.

    Parameters
    ----------
    connection
        Leads there.
    remote
        Does what is done there.
    host
        As people know it.
    root
        Returns the folder whose disk counts.
    runs
        Returns the processes of the runs that its viewer knows.
    changed
        Called after each change.
    memory
        What may be kept of the connection.
    clock
        What it waits by.

    Attributes
    ----------
    machine
        What is known.
    first
        Set as soon as all was looked at once, or that cannot be.
    """

    def __init__(
        self,
        connection: Line,
        remote: HostClient,
        host: str,
        *,
        root: Callable[[], str],
        runs: Callable[[], Iterable[RunProcess]],
        changed: Callable[[], object],
        memory: MemoryBudget,
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._remote = remote
        self._host = host
        self._root = root
        self._runs = runs
        self._changed = changed
        self._memory = memory
        self._clock = clock
        self.first = asyncio.Event()
        self.machine = m.Machine(
            connection_id=connection.connection_id,
            host=host,
            cpu=m.MachineCpu(count=None, used_percent=None, load1=None),
            memory=m.MachineMemory(total=None, used=None),
            disk=None,
            gpus=None,
            as_of=None,
            error=None,
        )
        self._heard = {"machine": 0.0, "accelerators": 0.0}
        self._watching = asyncio.create_task(self._watch(), name=f"machine of {connection.connection_id}")

    async def close(self) -> None:
        """Stop listening; what listened there ends by it."""
        self._watching.cancel()
        await asyncio.wait([self._watching])
        if not self._watching.cancelled() and (error := self._watching.exception()) is not None:
            log.error("%s: ended unexpectedly", self._watching.get_name(), exc_info=error)

    async def _watch(self) -> None:
        pause = RETRY_SECONDS
        while True:
            began = self._clock.monotonic()
            try:
                async with self._remote.watch_machine(self._root()) as said:
                    await self._listen(said)
                self._fail("machine_unknown", f"What looks at {self._host} has ended.")
            except ConnectionLost:
                self._fail("connection_lost", f"The SSH connection to {self._host} is down.")
                if not await self._connection.wait_connected(None):
                    return
            except OddMachine as exc:
                log.warning("machine of %s: %s", self._connection.connection_id, exc)
                self._fail("machine_unknown", f"What {self._host} says of itself cannot be understood.")
            except RemoteError as exc:
                self._fail(exc.code, exc.message)
            except OSError as exc:
                log.info("machine of %s: %r", self._connection.connection_id, exc)
                self._fail("machine_unknown", f"What looks at {self._host} has ended.")
            if self._clock.monotonic() - began > MAX_RETRY_SECONDS:
                pause = RETRY_SECONDS
            await self._clock.sleep(pause)
            pause = min(2 * pause, MAX_RETRY_SECONDS)

    async def _listen(self, said: MachineStream) -> None:
        """Take what is told, until it ends."""
        beating = asyncio.create_task(self._beat(said), name="beat")
        self._heard = dict.fromkeys(self._heard, self._clock.monotonic())
        try:
            with self._memory.share() as share:
                for pause in chain(repeat(FIRST_PAUSE_SECONDS, FIRST_READS), repeat(PAUSE_SECONDS)):
                    if not await said.read():
                        return
                    share.add(said.texts.size - share.used)
                    if said.texts.news:
                        await self._take(said.texts)
                    await self._clock.sleep(pause)
        finally:
            beating.cancel()
            await asyncio.wait([beating])

    async def _beat(self, said: MachineStream) -> None:
        with contextlib.suppress(OSError, ConnectionLost):  # the reader is told, too
            while True:
                await self._clock.sleep(BEAT_SECONDS)
                await said.beat()

    async def _take(self, texts: MachineTexts) -> None:
        now = self._clock.monotonic()
        for part in texts.news:
            self._heard[part] = now
        texts.news.clear()
        runs = list(self._runs())
        if texts.size > LOOP_CHARACTERS:
            parts = await asyncio.to_thread(describe_parts, dict(texts.texts), runs)
        else:
            parts = describe_parts(texts.texts, runs)
        cpu, memory, disk, gpus = parts
        is_whole = texts.looked == {"machine", "accelerators"}
        known = gpus if "accelerators" in texts.looked else None
        self._set(cpu=cpu, memory=memory, disk=disk, gpus=known, error=self._problem(texts, now))
        if is_whole:
            self.first.set()

    def _problem(self, texts: MachineTexts, now: float) -> m.RunsProblem | None:
        said = trouble(texts.texts)
        if said is None and now - self._heard["accelerators"] > SILENT_SECONDS:
            said = "what looks at the accelerators does not answer there: their driver hangs."
        return None if said is None else m.RunsProblem(code="gpus_unknown", message=f"{self._host}: {said}")

    def _fail(self, code: str, message: str) -> None:
        self._set(error=m.RunsProblem(code=code, message=message), as_of=self.machine.as_of)
        self.first.set()

    def _set(self, **fields: object) -> None:
        """Replace what is known, and tell it if it is not the same as before."""
        before = self.machine
        self.machine = before.model_copy(update={"as_of": datetime.now(UTC), **fields})
        if self.machine.model_copy(update={"as_of": before.as_of}) != before:
            self._changed()
