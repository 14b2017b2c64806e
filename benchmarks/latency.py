"""How late Jupyter itself answers while eight downloads run through it: every other user of it feels that.

Here the remote is the same machine, and the viewer, sshd and the clients take the cores that Jupyter would
have to itself. So it is measured twice: with all on the same cores, and with the other side on its own.
"""

from __future__ import annotations

import functools
import time

import psutil

from benchmarks import load, places
from benchmarks.harness import OURS, Answer, Samples, interleave
from benchmarks.world import BARE, PROXY, World

STREAMS = 8
CALM_PERCENT = 8.0  # of all cores
SETTLE_SECONDS = 10.0
SECONDS = 3.0
PERIOD = 0.005  # seconds between two questions of Jupyter
IDLE = "idle"
ASIDE = "ssh -L, Jupyter aside"
"""The same downloads past Jupyter: what the machine's load alone makes of its answers."""
WAYS = {OURS: OURS, PROXY: PROXY, ASIDE: BARE}
SHARED_ROUNDS = 2


def p99(url: str, headers: dict[str, str], period: float = PERIOD) -> float:
    """Return the p99, in ms, of a trivial handler of Jupyter's, asked once every ``period`` seconds."""
    client = load.Client(url, headers)
    client.get()
    latencies = []
    next_at = time.perf_counter()
    end = next_at + SECONDS
    while next_at < end:
        time.sleep(max(0.0, next_at - time.perf_counter()))  # an even pace is what is measured with
        # From when it was due: a late answer must not hide those that it delayed.
        client.get()
        latencies.append((time.perf_counter() - next_at) * 1000)
        next_at += period
    client.close()
    return sorted(latencies)[int(len(latencies) * 0.99)]


def _settle() -> None:
    """Wait until the machine has done what the measurement before has left it to do, or for ten seconds."""
    end = time.monotonic() + SETTLE_SECONDS
    while psutil.cpu_percent(0.2) > CALM_PERCENT and time.monotonic() < end:
        pass  # each look takes 0.2 s


def _measure(world: World, ways: dict[str, str], rounds: int, cores: set[int] | None = None) -> Samples:
    """Return by how many ms the p99 is above that of an idle Jupyter, by the way of the downloads."""
    path = world.large_file(64)
    proxy_url, token = world.proxy_jupyter
    ours = (world.jupyter.url + "api", {"Authorization": f"token {world.jupyter.token}"})
    proxy = (proxy_url + "api", {"Authorization": f"token {token}"})

    def loaded(way: str) -> float:
        _settle()
        with load.running("download_on", cores, **world.way(way, path), streams=STREAMS):
            return p99(*(proxy if way == PROXY else ours))

    def idle() -> float:
        _settle()
        return p99(*ours)

    loads = {name: functools.partial(loaded, way) for name, way in ways.items()}
    samples = interleave({**loads, IDLE: idle}, rounds)
    calm = samples.pop(IDLE)
    return {
        name: [ms - idle_ms for ms, idle_ms in zip(values, calm, strict=True)]
        for name, values in samples.items()
    }


def run(world: World, rounds: int = 3) -> list[Answer]:
    """Answer the question of this module, on cores that are shared and on cores that are not."""
    what = "Jupyter's p99 while 8 downloads run, above idle"
    if not places.can_be_apart():
        return [Answer(what, _measure(world, WAYS, rounds), "ms", bound=2.5)]
    # Fewer rounds and no other proxy: what it shows is how much of it the machine's load is.
    shared = _measure(world, {OURS: OURS, ASIDE: BARE}, SHARED_ROUNDS)
    here = [world.jupyter.process.pid, world.proxy_pid, world.forwarding_pid]
    there = [world.sshd.pid, *world.sshd.processes()]
    with places.apart(here, there) as cores:
        apart = _measure(world, WAYS, rounds, cores)
    return [
        Answer(f"{what}, the remote on cores of its own", apart, "ms", bound=2.5),
        Answer("  the same, all on one machine's cores", shared, "ms"),
    ]
