"""How late Jupyter itself answers while eight downloads run through it: every other user of it feels that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import load
from benchmarks.harness import OURS, Answer, interleave
from benchmarks.world import PROXY, World

STREAMS = 8
SECONDS = 3.0
PERIOD = 0.005  # seconds between two questions of Jupyter
IDLE = "Jupyter, idle"


def _p99(url: str, headers: dict[str, str]) -> float:
    """Return the p99, in ms, of a trivial handler of Jupyter's, asked at an even pace."""
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
        next_at += PERIOD
    client.close()
    return sorted(latencies)[int(len(latencies) * 0.99)]


@contextmanager
def _downloads(url: str, headers: dict[str, str]) -> Iterator[None]:
    """Keep eight downloads running as long as the block does."""
    process = load.start("download_on", url=url, headers=headers, streams=STREAMS)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        yield
        assert process.poll() is None, "the downloads ended before the measurement"
    finally:
        process.kill()
        process.wait()


def run(world: World, rounds: int = 4) -> list[Answer]:
    """Answer the question of this module."""
    path = world.large_file(64)
    proxy_url, token = world.proxy_jupyter
    ours = (world.jupyter.url + "api", {"Authorization": f"token {world.jupyter.token}"})
    proxy = (proxy_url + "api", {"Authorization": f"token {token}"})

    def loaded(way: str, asked: tuple[str, dict[str, str]]) -> float:
        with _downloads(**world.way(way, path)):
            return _p99(*asked)

    samples = interleave(
        {OURS: lambda: loaded(OURS, ours), IDLE: lambda: _p99(*ours), PROXY: lambda: loaded(PROXY, proxy)},
        rounds,
    )
    above = [loaded_ms - idle_ms for loaded_ms, idle_ms in zip(samples[OURS], samples[IDLE], strict=True)]
    proxy_above = [
        loaded_ms - idle_ms for loaded_ms, idle_ms in zip(samples[PROXY], samples[IDLE], strict=True)
    ]
    return [
        Answer("Jupyter's p99 while 8 downloads run", samples, "ms"),
        Answer("  of that, above idle", {OURS: above, PROXY: proxy_above}, "ms", bound=5),
    ]
