"""A 64 MiB file of one viewer by four ways, with one stream and with eight."""

from __future__ import annotations

from functools import partial

from benchmarks import load
from benchmarks.harness import OURS, Answer, Samples, interleave
from benchmarks.world import BARE, WAYS, World

MIB = 64


def run(world: World, rounds: int = 4) -> list[Answer]:
    """Answer the questions of this module."""
    path = world.large_file(MIB)

    def measure(name: str, streams: int) -> float:
        return load.run("download", **world.way(name, path), streams=streams)["mib_per_second"]

    def sample(streams: int) -> Samples:
        return interleave({name: partial(measure, name, streams) for name in WAYS}, rounds)

    answers = []
    for streams in (1, 8):
        samples = sample(streams)
        what = f"download of {MIB} MiB, {streams} stream{'s' if streams > 1 else ''}"
        answers.append(Answer(what, samples, "MiB/s", "higher", at_least=1.5))
        bare = {name: values for name, values in samples.items() if name in (OURS, BARE)}
        answers.append(Answer(f"{what}, against bare ssh", bare, "MiB/s", "higher", at_least=1.0))
    return answers
