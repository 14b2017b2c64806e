"""The short soak: half a minute of the faults of ``make soak``, under load, with the times scaled."""

from __future__ import annotations

import os

import pytest

from tests.faults.soak import soak
from tests.faults.world import open_world, require_root

SECONDS = float(os.environ.get("RUNICORN_SOAK_SECONDS", "30"))


@pytest.mark.timeout(SECONDS + 300)
def test_faults_by_chance_under_load_leave_nothing() -> None:
    reason = require_root()
    if reason:
        pytest.skip(reason)
    with open_world() as world:
        report = soak(world, SECONDS, seed=int(os.environ.get("RUNICORN_SOAK_SEED", "8")))
    print(report)
    assert report.faults
    assert report.reading.seen["200"]
    assert report.remote[0] == report.remote[1] == 1
