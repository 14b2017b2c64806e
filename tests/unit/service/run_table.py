"""A viewer's side of the list of runs, of which a test says what happens to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from runicorn_jupyter.remote.fake import FakeClock

Record = dict[str, Any]


@dataclass
class RunTable:
    """The remote's table of runs, as ``payload/runs`` answers; what it says can be turned into anything."""

    clock: FakeClock
    epoch: str = "e1"
    version: int = 0
    complete: bool = True
    records: dict[str, tuple[int, Record | None]] = field(default_factory=dict)
    asked: list[Record] = field(default_factory=list)
    lie: Callable[[Record], Any] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, run_id: str, **fields: Any) -> None:
        """Change a run."""
        self.version += 1
        record = {"id": run_id, "status": "running", "created": float(self.version), **fields}
        self.records.pop(run_id, None)  # the latest change comes last
        self.records[run_id] = (self.version, record)
        self.tell()

    def remove(self, run_id: str) -> None:
        """Remove a run."""
        self.version += 1
        self.records.pop(run_id)
        self.records[run_id] = (self.version, None)
        self.tell()

    def finish(self) -> None:
        """Have all runs taken up."""
        self.version, self.complete = self.version + 1, True
        self.tell()

    def tell(self) -> None:
        """Answer those who wait."""
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    async def __call__(self, body: Record) -> Record:
        self.asked.append(body)
        if self.lie is not None:
            lie: Record = self.lie(body)
            return lie
        if body["wait_seconds"] and (body["epoch"], body["version"]) == (self.epoch, self.version):
            try:
                async with self.clock.timeout(body["wait_seconds"]):
                    await self.changed.wait()
            except TimeoutError:
                pass
        reset = body["epoch"] != self.epoch
        newer = {key: each for key, (at, each) in self.records.items() if reset or at > body["version"]}
        return {
            "epoch": self.epoch, "version": self.version, "reset": reset, "more": False, "root": "/data",
            "complete": self.complete, "runs": [each for each in newer.values() if each is not None],
            "removed": [key for key, each in newer.items() if each is None],
        }  # fmt: skip
