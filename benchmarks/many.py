"""A hundred connections at once: how soon they are open, and what they cost while nobody uses them."""

from __future__ import annotations

import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import psutil

from benchmarks.harness import OURS, Answer, stopwatch
from benchmarks.world import MIB, World, end_process
from tests.world.jupyter import JupyterServer

COUNT = 100
AT_ONCE = 8
IDLE_SECONDS = 5.0
PEER = f"{COUNT} × ssh -N"
STEPS = (1, 10, COUNT)


@dataclass
class Cost:
    """What open connections cost.

    Attributes
    ----------
    memory_mib, threads
        For each of them.
    cpu_percent
        For all of them, of one core, while nobody uses them.
    """

    memory_mib: float
    threads: float
    cpu_percent: float


def cpu_percent(pids: list[int]) -> float:
    """Return the share of a core that processes take together while nothing happens."""

    def used() -> float:
        times = [psutil.Process(pid).cpu_times() for pid in pids]
        return sum(one.user + one.system for one in times)

    before = used()
    threading.Event().wait(IDLE_SECONDS)  # how long is part of the question
    return 100 * (used() - before) / IDLE_SECONDS


def _open_all(world: World, server: JupyterServer, count: int) -> tuple[float, list[str]]:
    with ThreadPoolExecutor(AT_ONCE) as pool, stopwatch() as elapsed:
        ids = list(pool.map(lambda _: world.connect(server), range(count)))
        taken = elapsed()
    return taken, ids


def open_and_close(world: World, server: JupyterServer, count: int) -> float:
    """Open so many connections and close them again; return the ms until all were open."""
    taken, ids = _open_all(world, server, count)
    for one in ids:
        world.disconnect(one, server)
    return taken


def _ours(world: World) -> tuple[float, Cost, list[float]]:
    """Open all; return the ms for that, what they cost, and the ms for one where there are few and many."""
    server = world.start_jupyter(f"--RunicornJupyter.max_connections={2 * COUNT}")
    try:
        process = psutil.Process(server.process.pid)
        world.disconnect(world.connect(server), server)  # imports what connecting needs
        each = [open_and_close(world, server, step) / step for step in STEPS[:-1]]
        open_and_close(world, server, COUNT // 4)  # fills the pool of threads that the event loop keeps
        rss, threads = process.memory_info().rss, process.num_threads()
        taken, ids = _open_all(world, server, COUNT)
        each.append(taken / COUNT)
        cost = Cost(
            (process.memory_info().rss - rss) / MIB / COUNT,
            (process.num_threads() - threads) / COUNT,
            cpu_percent([process.pid]),
        )
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda one: world.disconnect(one, server), ids))
        return taken, cost, each
    finally:
        server.stop()


def _peer(world: World) -> tuple[float, Cost]:
    """Do the same with OpenSSH's client, which says by its LocalCommand that it has connected."""
    options = ("-N", "-o", "PermitLocalCommand=yes", "-o", "LocalCommand=echo connected")
    with ExitStack() as stack:

        def connect(_: int) -> int:
            process = subprocess.Popen(world.ssh(*options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            stack.callback(end_process, process)
            assert process.stdout is not None
            assert process.stdout.readline() == b"connected\n"
            return process.pid

        with ThreadPoolExecutor(AT_ONCE) as pool, stopwatch() as elapsed:
            pids = list(pool.map(connect, range(COUNT)))
            taken = elapsed()
        memory = sum(psutil.Process(pid).memory_full_info().uss for pid in pids)
        return taken, Cost(memory / MIB / COUNT, 1.0, cpu_percent(pids))


def run(world: World, rounds: int = 1) -> list[Answer]:
    """Answer the questions of this module."""
    ours, peers = [], []
    for _ in range(rounds):
        ours.append(_ours(world))
        peers.append(_peer(world))

    def samples(what: str) -> dict[str, list[float]]:
        return {
            OURS: [getattr(cost, what) for _, cost, _ in ours],
            PEER: [getattr(cost, what) for _, cost in peers],
        }

    opened = {OURS: [taken for taken, _, _ in ours], PEER: [taken for taken, _ in peers]}
    steps = [
        Answer(f"open one of {step} connections", {OURS: [each[number] for _, _, each in ours]}, "ms")
        for number, step in enumerate(STEPS)
    ]
    return [
        Answer(f"open {COUNT} connections, {AT_ONCE} at once", opened, "ms", at_most=0.35),
        Answer("memory of each", samples("memory_mib"), "MiB", bound=1),
        Answer("threads of each", samples("threads"), "threads", bound=1),
        Answer(f"idle CPU of all {COUNT}", samples("cpu_percent"), "% of a core", bound=5),
        *steps,
    ]
