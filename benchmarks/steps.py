"""Five servers that are watched, and one more step of one run on one of them: bytes on each server's line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.harness import OURS, Answer, interleave, stopwatch, until
from benchmarks.world import RUNICORN, World
from runicorn_jupyter.remote.liveness import CHECK_SECONDS
from tests.world.environments import Trainer, Training, build
from tests.world.many_runs import many_runs
from tests.world.relay import Relay

SERVERS, RUNS = 5, 20
STEPS = 4
"""In a round: what a watcher asks next is paid by the step before, so one alone cannot be counted."""
PERIOD_SECONDS = 1.0
"""Between two steps, as a training logs them."""
IDLE = "no step"


def run(world: World, rounds: int = 3) -> list[Answer]:
    """Answer the questions of this module."""
    count = runs_listed(world) + SERVERS * RUNS + 1  # other questions may have left a viewer
    with _servers(world) as relays, training_on(world, _root(world, 0)) as training:
        until(lambda: runs_listed(world) == count, "all runs", tick=0.5)
        follow = follower(world, training)

        def steps() -> None:
            for _ in range(STEPS):
                follow()

        steps()
        taken = interleave({OURS: partial(_taken, relays, steps), IDLE: partial(_taken, relays, int)}, rounds)
    added = [
        [(loud - quiet) / STEPS for loud, quiet in zip(*pair, strict=True)]
        for pair in zip(taken[OURS], taken[IDLE], strict=True)
    ]
    note = (
        f"{SERVERS} servers, a front end that waits for changes (GET runs with wait); both ways, encrypted;"
        " beyond what as long a time without a step takes"
    )
    own, others = [each[0] for each in added], [one for each in added for one in each[1:]]
    return [
        Answer("bytes of one more step: its server", {OURS: own}, "B", bound=600, note=note),
        Answer("bytes of one more step: each other server", {OURS: others}, "B", bound=0),
    ]


def _taken(relays: list[Relay], work: Callable[[], object]) -> list[int]:
    """Return the bytes that pass on each line while this is done and until so much time is over.

    It is the time in which every viewer is asked once whether it lives: that is no step's.
    """
    before, end = [relay.passed_bytes for relay in relays], time.monotonic() + CHECK_SECONDS
    work()
    threading.Event().wait(max(0.0, end - time.monotonic()))
    return [relay.passed_bytes - seen for relay, seen in zip(relays, before, strict=True)]


@contextmanager
def _servers(world: World) -> Iterator[list[Relay]]:
    """Watch as many servers, each over a line of its own; yield the lines."""
    like = next(path.parent for path in world.runs.rglob("status.json"))
    with ExitStack() as stack:
        relays = []
        for number in range(SERVERS):
            relays.append(stack.enter_context(world.far_away(f"line-{number}", 0)))
            connection_id = world.connect(host=f"line-{number}")
            stack.callback(world.disconnect, connection_id)
            many_runs(_root(world, number), like, RUNS)
            world.start_viewer(connection_id, root=_root(world, number))
        yield relays


def _root(world: World, number: int) -> Path:
    return world.folder / f"steps-{number}"


def runs_listed(world: World) -> int:
    """Return how many runs there are on all servers that are watched."""
    total: int = world.api("GET", "runs", limit=1)["total"]
    return total


@contextmanager
def training_on(world: World, root: Path) -> Iterator[Training]:
    """Train in a storage root, which a viewer has."""
    trainer = Trainer(world.folder / "trainer")
    try:
        yield trainer.live(build(f"runicorn=={RUNICORN}"), root, steps=5)
    finally:
        trainer.close()


def follower(world: World, training: Training) -> Callable[[], float]:
    """Return what lets the run log a step, and waits until a front end has heard of it; it returns the ms."""
    version, pause = world.api("GET", "runs", limit=1)["version"], threading.Event()

    def follow() -> float:
        nonlocal version
        pause.wait(PERIOD_SECONDS)  # how long is part of the question
        with stopwatch() as elapsed:
            training.step()
            answer = world.api("GET", "runs", changed_since=version, wait=30)
        assert [run["run_id"] for run in answer["runs"]] == [training.run_id]
        version = answer["version"]
        return elapsed()

    return follow
