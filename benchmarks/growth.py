"""What grows with what: the list of runs with how many there are, downloads with how many go at once."""

from __future__ import annotations

from functools import partial

from benchmarks import load
from benchmarks.harness import OURS, Answer, interleave
from benchmarks.world import BARE, INTERACTIVE, World
from tests.world.many_runs import many_runs

RUNS = (10, 100, 1_000, 10_000)
STREAMS = (1, 8, 64)
FILE_MIB = 8


def _runs(world: World, count: int, rounds: int) -> Answer:
    """Ask for the list of so many runs, as the page does, by us and by ``ssh -L`` of two kinds."""
    like = next(path.parent for path in world.runs.rglob("status.json"))
    root = world.folder / f"growth-{count}"
    many_runs(root, like, count)
    connection_id = world.connect()
    try:
        viewer = world.start_viewer(connection_id, root=root)
        path = "api/runs"
        remote_port = viewer["remote_port"]
        with world.forwarded(remote_port) as port, world.forwarded(remote_port, is_interactive=True) as other:
            headers = world.ticket(path, remote_port)
            ways = {
                OURS: {"url": viewer["url"] + path, "headers": {}},
                BARE: {"url": f"http://127.0.0.1:{port}/{path}", "headers": headers},
                INTERACTIVE: {"url": f"http://127.0.0.1:{other}/{path}", "headers": headers},
            }

            load.run(
                "requests", **ways[BARE], clients=1, seconds=0
            )  # the viewer's own first look at its runs

            def measure(name: str) -> float:
                return load.run("requests", **ways[name], clients=1, seconds=0.5)["p50_ms"]

            samples = interleave({name: partial(measure, name) for name in ways}, rounds)
        return Answer(f"list of {count:,} runs", samples, "ms", at_most=1.0)
    finally:
        world.disconnect(connection_id)


def _streams(world: World, count: int, rounds: int) -> Answer:
    """Download a file so many times at once, by us and by ``ssh -L``."""
    path = world.large_file(FILE_MIB)

    def measure(name: str) -> float:
        return load.run("download", **world.way(name, path), streams=count)["mib_per_second"]

    samples = interleave({name: partial(measure, name) for name in (OURS, BARE)}, rounds)
    return Answer(f"download of {FILE_MIB} MiB, {count} at once", samples, "MiB/s", "higher", at_least=1.0)


def run(world: World, rounds: int = 4) -> list[Answer]:
    """Answer the questions of this module."""
    streams = [_streams(world, count, rounds) for count in STREAMS]
    return [*streams, *(_runs(world, count, rounds) for count in RUNS)]
