"""A supervisor over the fake remote."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from runicorn_jupyter.remote.fake import FakeClock, FakeHost
from tests.unit.remote.held import Held


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    """A hold that has not been started."""
    clock = FakeClock()
    made = Held(clock, FakeHost(clock))
    yield made
    await made.hold.abandon()


@pytest.fixture
async def running(held: Held) -> Held:
    """A hold on a viewer that runs and answers."""
    await held.hold.start()
    assert held.said == [("running", "healthy")]
    held.said.clear()
    return held
