"""What we cost those who have us and connect to nothing: memory, and CPU at the start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import OURS, Answer, interleave
from benchmarks.world import World
from tests.world.loading import Loaded, load_magics, load_server

WITHOUT = "without us"


def run(world: World, rounds: int = 9) -> list[Answer]:
    """Answer the question of this module: in fresh processes, with us and without in turn.

    What we add is small beside what a process varies by, so each round's difference is an answer of its own.
    """
    home = world.folder / "weight"
    home.mkdir()
    server = _added(load_server, home, rounds)
    magics = _added(load_magics, home, rounds)
    return [
        Answer("an idle Jupyter server: memory that we add", {OURS: server[0]}, "MiB", bound=12),
        Answer("its start: CPU that we add", {OURS: server[1]}, "ms", bound=60),
        Answer("%load_ext: CPU that we add", {OURS: magics[1]}, "ms", bound=5),
    ]


def _added(load: Callable[..., Loaded], home: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Return memory in MiB and CPU in ms that loading with us takes more, by round."""
    for with_us in (True, False):
        load(home, with_us=with_us)  # compiled and in the page cache from here on
    loaded = interleave(
        {OURS: lambda: load(home, with_us=True), WITHOUT: lambda: load(home, with_us=False)}, rounds
    )
    pairs = list(zip(loaded[OURS], loaded[WITHOUT], strict=True))
    return (
        [ours.memory_mib - without.memory_mib for ours, without in pairs],
        [ours.cpu_ms - without.cpu_ms for ours, without in pairs],
    )
