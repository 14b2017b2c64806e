"""A day of a server that is watched: what is kept of it does not grow."""

from __future__ import annotations

import gc
import sys

import pytest

from runicorn_jupyter.remote.fake import clock
from tests.unit.service.followed import followed

HOURS, STEP_SECONDS = 24, 60
MORE_BLOCKS = 100
"""Of memory than after the first two hours: a single one a step or a question would be more."""


async def test_a_day_of_steps_and_cuts_keeps_no_more_than_its_beginning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", logger="runicorn_jupyter")  # pytest keeps what is logged
    monkeypatch.setattr(clock, "TURNS", 40)  # as many as anything here takes; a day has many of them
    world = await followed()
    for number in range(20):
        world.table.put(f"old {number}", status="finished")
    world.begin()
    await world.after(1)
    kept = []
    for hour in range(HOURS):
        for second in range(0, 3600 - 90, STEP_SECONDS):
            world.table.put("live", step=hour * 3600 + second, metrics={"loss": 1 / (1 + second)})
            await world.after(STEP_SECONDS)
        world.table.put(f"of hour {hour % 2}", status="finished")  # one comes and another goes
        if hour:
            world.table.remove(f"of hour {(hour - 1) % 2}")
        world.host.connection.drop()
        await world.after(30)
        world.host.connection.restore()
        await world.after(60)
        assert world.error is None
        for noted in (world.table.asked, world.host.calls, world.events):  # by the test
            noted.clear()
        gc.collect()
        kept.append(sys.getallocatedblocks())
    assert max(kept[1:]) - kept[1] <= MORE_BLOCKS, kept
    assert world.budget.used > 0
    await world.watcher.close()
    assert world.budget.used == 0
