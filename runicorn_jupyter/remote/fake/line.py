"""A fake SSH connection."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.errors import ConnectionLost
from runicorn_jupyter.models import ConnectionStatus
from runicorn_jupyter.ssh.config.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from runicorn_jupyter.remote.fake.clock import FakeClock
    from runicorn_jupyter.ssh.channels.stream import Stream

__all__ = ["EPOCH", "FakeConnection", "Pause"]

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Pause:
    """A step that waits.

    Attributes
    ----------
    reached
        Is set when the step has come so far.
    """

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._go = asyncio.Event()

    def go(self) -> None:
        """Let it go on."""
        self._go.set()

    async def wait(self) -> None:
        """Be reached, and wait."""
        self.reached.set()
        await self._go.wait()


class FakeConnection:
    """An SSH connection that is up or down as it is told, and through which each step goes.

    Parameters
    ----------
    clock
        By which everything waits.
    connection_id
        Its name.

    Attributes
    ----------
    traffic
        Bytes that came and that went.
    calls
        The steps that were taken.
    failures
        What the next such step raises.
    losses
        How often it was lost: a stream does not outlive that.
    stalled
        Whether nothing comes through, and nobody has noticed yet.
    """

    def __init__(self, clock: FakeClock, connection_id: str) -> None:
        self.connection_id = connection_id
        self.target = Target(asked="gpu", hostname="gpu.example", port=22, username="ada")
        self.status: ConnectionStatus = "connected"
        self.created_at = self.connected_since = EPOCH
        self.reconnects = 0
        self.traffic = (0, 0)
        self.is_multiplexed = False
        self.relay_python = "python3"
        self.reconnect_delay_max = 30.0
        self.losses = 0
        self.stalled = False
        self.clock = clock
        self.calls: list[str] = []
        self.failures: dict[str, BaseException] = {}
        self._pauses: dict[str, deque[Pause]] = {}
        self._changed = asyncio.Event()
        self._subscribers: list[Callable[[Any], None]] = []

    @property
    def way(self) -> list[tuple[str, str, int, str]]:
        """Give the one hop that it has."""
        return [("ada", "gpu.example", 22, "SHA256:fake")]

    def drop(self) -> None:
        """Lose it."""
        self.losses += 1
        self._set("reconnecting")

    def restore(self) -> None:
        """Have it come back."""
        self.reconnects += 1
        self.stalled = False
        self._set("connected")

    def end(self) -> None:
        """Give it up for good."""
        self._set("disconnected")

    def stall(self, stalled: bool = True) -> None:
        """Let nothing come through, or all again."""
        self.stalled = stalled
        self.change()

    async def wait_connected(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as Connection has it
        """Wait until it is connected; tell whether it is."""
        try:
            async with self.clock.timeout(timeout):
                await self.until(lambda: self.status in ("connected", "disconnected"))
        except TimeoutError as error:
            raise ConnectionLost("The fake connection is down.") from error
        return self.status == "connected"

    async def open_tunnel(self, host: str, port: int) -> Stream:
        """Refuse: a fake viewer is talked to by `FakeViewer` only."""
        raise ConnectionRefusedError(f"nothing listens on {host}:{port} of a fake remote")

    async def ping(self, timeout: float = 10) -> float:  # noqa: ASYNC109 - as Connection has it
        """Cross it once, unless it is stalled."""
        try:
            async with self.clock.timeout(timeout):
                await self.through()
        except TimeoutError as error:
            raise ConnectionLost("The fake server does not answer.") from error
        return 0.001

    async def through(self, losses: int | None = None) -> None:
        """Wait until something comes through.

        Parameters
        ----------
        losses
            When the stream was opened; default: now.

        Raises
        ------
        ConnectionLost
            If it is down, or was meanwhile.
        """
        await self.once(lambda: True, losses)

    async def once(self, condition: Callable[[], bool], losses: int | None = None) -> None:
        """Wait until something is so at the other end; as `through`."""
        opened = self.losses if losses is None else losses

        def is_so() -> bool:
            if self.status != "connected" or self.losses != opened:
                raise ConnectionLost("The fake connection is down.")
            return not self.stalled and condition()

        await self.until(is_so)

    def subscribe(self, callback: Callable[[Any], None]) -> Callable[[], None]:
        """Have a function called at each change of status."""
        self._subscribers.append(callback)

        def unsubscribe() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return unsubscribe

    async def close(self) -> None:
        """End it."""
        self.end()

    def _set(self, status: ConnectionStatus) -> None:
        if status != self.status:
            self.status = status
            self.change()
            for callback in list(self._subscribers):
                callback(self)

    def pause(self, step: str) -> Pause:
        """Hold the next such step."""
        pause = Pause()
        self._pauses.setdefault(step, deque()).append(pause)
        return pause

    def change(self) -> None:
        """Wake all who wait for something here."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something here is so."""
        while not condition():
            await self._changed.wait()

    async def step(self, name: str) -> None:
        """Take note of a step, and fail or wait if it is to."""
        self.calls.append(name)
        await self.through()
        if name in self.failures:
            raise self.failures.pop(name)
        if self._pauses.get(name):
            await self._pauses[name].popleft().wait()
            await self.through()
