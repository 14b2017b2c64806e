"""A watcher of the runs of a viewer on a fake remote."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runicorn_jupyter import models as m
from runicorn_jupyter.remote.fake import FakeClock, FakeHost
from runicorn_jupyter.remote.memory_budget import MemoryBudget
from runicorn_jupyter.remote.supervisor import ViewerSupervisor
from runicorn_jupyter.service.run_index import RunIndex
from runicorn_jupyter.service.run_watcher import RunWatcher
from tests.unit.service.run_table import RunTable


@dataclass
class World:
    """A watcher of a viewer on a fake remote."""

    clock: FakeClock
    host: FakeHost
    table: RunTable
    index: RunIndex
    budget: MemoryBudget
    supervisor: ViewerSupervisor
    events: list[tuple[Any, ...]] = field(default_factory=list)
    watcher: RunWatcher = field(init=False)

    def begin(self) -> RunWatcher:
        """Begin to follow the viewer's runs."""
        self.watcher = RunWatcher(
            self.supervisor,
            "conn_00000001",
            "gpu",
            self.index,
            self._emit,
            memory=self.budget,
            clock=self.clock,
        )
        return self.watcher

    def _emit(self, type: str, **fields: Any) -> None:  # noqa: A002
        self.events.append((fields["run_id"], fields["status"]))

    async def listed(self) -> list[str]:
        """Give the ids in the index."""
        return [run.run_id for run in (await self.index.page(m.RunsQuery.model_validate({}), [])).runs]

    @property
    def error(self) -> str | None:
        """The code of what is wrong."""
        problem = self.watcher.describe().error
        return None if problem is None else problem.code

    async def after(self, seconds: float = 0) -> str | None:
        """Let time go on, and give the code of what is wrong then."""
        await self.clock.advance(seconds)
        return self.error


async def followed() -> World:
    """Make a viewer that runs, and what follows its runs."""
    clock = FakeClock()
    host = FakeHost(clock)
    table = RunTable(clock)
    host.answers["runs"] = table
    supervisor = ViewerSupervisor(
        host.connection, host, host.environment(), "/data", lease_seconds=900, changed=int, clock=clock
    )
    await supervisor.start()
    return World(clock, host, table, RunIndex(int), MemoryBudget(10**6, "limit_mb", "the test"), supervisor)
