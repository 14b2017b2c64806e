"""How watching grows: one run on one server, hundreds on eight, a thousand on 32, each with a viewer."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from benchmarks.harness import OURS, Answer, stopwatch, until
from benchmarks.many import IDLE_SECONDS, cpu_percent
from benchmarks.steps import follower, runs_listed, training_on
from benchmarks.world import World
from runicorn_jupyter.service.runs import LOOK_SECONDS
from tests.world.many_runs import many_runs

SERVERS = (1, 8, 32)
RUNS = 32
"""On each server but the first, on which one run logs."""


def run(world: World, rounds: int = 5) -> list[Answer]:
    """Answer the questions of this module."""
    answers: list[Answer] = []
    before = runs_listed(world)  # of other questions
    root = world.folder / "watched-0"
    with ExitStack() as stack:
        _watch(world, stack, 0)
        training = stack.enter_context(training_on(world, root))
        watched = 1
        for servers in SERVERS:
            for number in range(watched, servers):
                _watch(world, stack, number)
            watched, total = servers, (servers - 1) * RUNS + 1
            until(partial(_are_listed, world, before + total), "all runs", seconds=120, tick=0.5)
            watching = f"{total:,} runs watched on {servers} servers"
            what = watching if servers > 1 else "1 run watched on 1 server"
            lists = [_listed(world) for _ in range(rounds)]
            follow = follower(world, training)
            told = [follow() for _ in range(rounds)]
            idle = cpu_percent([world.jupyter.process.pid])
            answers += [
                Answer(f"{what}: the newest 200, all asked", {OURS: lists}, "ms", bound=1000 * LOOK_SECONDS),
                Answer(f"{what}: a step is told", {OURS: told}, "ms", bound=2000),
                Answer(
                    f"{what}: CPU of Jupyter in {IDLE_SECONDS:g} s without one", {OURS: [idle]}, "% of a core"
                ),
            ]
    return answers


def _watch(world: World, stack: ExitStack, number: int) -> None:
    root = world.folder / f"watched-{number}"
    if number:
        many_runs(root, next(path.parent for path in world.runs.rglob("status.json")), RUNS)
    else:
        root.mkdir()
    connection_id = world.connect()
    stack.callback(world.disconnect, connection_id)
    world.start_viewer(connection_id, root=root)


def _are_listed(world: World, total: int) -> bool:
    return runs_listed(world) == total


def _listed(world: World) -> float:
    with stopwatch() as elapsed:
        answer = world.api("GET", "runs", limit=200)
    late = [server["host"] for server in answer["servers"] if server["error"]]
    assert not late, late
    return elapsed()
