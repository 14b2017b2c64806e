"""What we cost those who have us and connect to nothing: memory, start-up time, and scripts of Lab's page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import OURS, Answer
from benchmarks.world import World
from tests.world.loading import Loaded, load_magics, load_server


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
    memory, cpu = [], []
    for number in range(rounds):
        order = (True, False) if number % 2 else (False, True)
        loaded = {with_us: load(home, with_us=with_us) for with_us in order}
        memory.append(loaded[True].memory_mib - loaded[False].memory_mib)
        cpu.append(loaded[True].cpu_ms - loaded[False].cpu_ms)
    return memory, cpu
