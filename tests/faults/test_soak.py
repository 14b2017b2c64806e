"""Two minutes of ``make soak``, with the times scaled."""

from __future__ import annotations

import os

import pytest

from tests.faults.soak import soak
from tests.faults.world import open_world, require_root

SECONDS = float(os.environ.get("RUNICORN_SOAK_SECONDS", "120"))


@pytest.mark.timeout(SECONDS + 600)  # on a machine that does much else
def test_faults_by_chance_under_load_leave_nothing() -> None:
    if reason := require_root():
        pytest.skip(reason)
    with open_world() as world:
        report = soak(world, SECONDS, seed=int(os.environ.get("RUNICORN_SOAK_SEED", "8")))
    print(report)
    assert report.faults
    assert report.reading.seen["200"]
    assert report.remote == (1, 1)
