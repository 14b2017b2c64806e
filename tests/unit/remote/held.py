"""A hold on a fake remote, and all that it says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from runicorn_jupyter.remote.fake import FakeClock, FakeHost
from runicorn_jupyter.remote.supervisor import ViewerSupervisor

LEASE = 900.0
NOTICED = 15.0
"""Within so many seconds it is known that a viewer does not answer."""


@dataclass
class Held:
    """A hold on a fake remote, and all that it said."""

    clock: FakeClock
    host: FakeHost
    hold: ViewerSupervisor = field(init=False)
    said: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hold = ViewerSupervisor(
            self.host.connection,
            self.host,
            self.host.environment(),
            "/data",
            lease_seconds=LEASE,
            changed=self._note,
            clock=self.clock,
        )

    def _note(self) -> None:
        self.said.append(self.now)

    @property
    def now(self) -> tuple[str, str]:
        """Status and health."""
        viewer = self.hold.describe("http://url/", 8888)
        return viewer.status, str(viewer.health)

    async def after(self, seconds: float) -> tuple[str, str]:
        """Let time go on, and give status and health then."""
        await self.clock.advance(seconds)
        return self.now


async def begin(held: Held, work: Any, step: str) -> asyncio.Task[Any]:
    """Begin some work, and return when its step is reached and waits."""
    pause = held.host.pause(step)
    task: asyncio.Task[Any] = asyncio.ensure_future(work)
    await pause.reached.wait()
    return task
