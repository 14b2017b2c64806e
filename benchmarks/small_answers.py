"""Small JSON answers of one viewer by four ways: how many a second, and how soon one comes.

One is held against the same asked on the viewer's own machine, which is the least that it can take.
"""

from __future__ import annotations

from functools import partial

from benchmarks import load
from benchmarks.harness import OURS, Answer, interleave
from benchmarks.world import FLOOR, INTERACTIVE, WAYS, World

PATH = "api/health"
CLIENTS = 8
SECONDS = 1.5


def run(world: World, rounds: int = 4) -> list[Answer]:
    """Answer the questions of this module."""

    def measure(name: str, clients: int, figure: str) -> float:
        return load.run("requests", **world.way(name, PATH), clients=clients, seconds=SECONDS)[figure]

    rates = interleave({name: partial(measure, name, CLIENTS, "per_second") for name in WAYS}, rounds)
    ways = (OURS, FLOOR, INTERACTIVE, *WAYS[1:])
    single = interleave({name: partial(measure, name, 1, "p50_ms") for name in ways}, rounds)
    assert next(iter(rates)) == OURS
    return [
        Answer(f"small answers, {CLIENTS} clients", rates, "/s", "higher", at_least=2.0),
        Answer("one small answer, p50", single, "ms", at_most=1.3),
    ]
