"""The runs of all viewers, from real ones, as one list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.api.conftest import World


def test_first(world: World, finished_runs: Callable[..., Path]) -> None:
    for version in ("0.5.0", "0.6.0", "0.7.2"):
        world.start(
            world.connect(),
            f"rc{version.replace('.', '')}",
            remote_root=str(finished_runs(version)),
            auto_open=False,
        )
    answer = world.jupyter.get("runs", limit=4)
    assert answer.json()["total"] == 6
