"""Eight readers that ask for 100 MiB each and then read nothing: what they cost, and whom."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psutil

from benchmarks import load
from benchmarks.harness import OURS, Answer, interleave
from benchmarks.small_answers import PATH
from benchmarks.world import MIB, PROXY, World

READERS = 8
SETTLE_SECONDS = 3.0


@contextmanager
def _stalled(url: str, headers: dict[str, str]) -> Iterator[None]:
    """Hold eight connections whose answers have begun and are not read on."""
    parts = urlsplit(url)
    lines = [f"GET {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}"]
    request = "\r\n".join([*lines, *(f"{k}: {v}" for k, v in headers.items()), "", ""]).encode()
    sockets = []
    try:
        for _ in range(READERS):
            one = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=30)
            sockets.append(one)
            one.sendall(request)
            assert one.recv(12) == b"HTTP/1.1 200"
        yield
    finally:
        for one in sockets:
            one.close()


def _growth(pid: int, url: str, headers: dict[str, str]) -> float:
    """Return by how many MiB a server's RSS has grown at its highest while the readers stand."""
    process = psutil.Process(pid)
    before = highest = process.memory_info().rss
    pause = threading.Event()
    with _stalled(url, headers):
        for _ in range(int(SETTLE_SECONDS / 0.05)):
            pause.wait(0.05)  # samples of what nobody announces
            highest = max(highest, process.memory_info().rss)
    return (highest - before) / MIB


def run(world: World, rounds: int = 2) -> list[Answer]:
    """Answer the questions of this module."""
    path = world.large_file(100)
    growth: dict[str, list[float]] = {}
    for name in (OURS, PROXY):
        way = world.way(name, path)  # which starts whatever has a pid then
        load.run("download", **world.way(name, world.large_file(64)), streams=READERS)  # warm
        pid = world.jupyter.process.pid if name == OURS else world.proxy_pid
        growth[name] = [_growth(pid, **way) for _ in range(rounds)]

    def p50(stalled: bool) -> float:
        def measure() -> float:
            return load.run("requests", **world.way(OURS, PATH), clients=1, seconds=1.0)["p50_ms"]

        if not stalled:
            return measure()
        with _stalled(**world.way(OURS, path)):
            return measure()

    beside = interleave({OURS: lambda: p50(True), "with none of them": lambda: p50(False)}, 5)
    return [
        Answer(f"memory that {READERS} stalled readers take", growth, "MiB", bound=32),
        Answer("a small answer beside them, p50", beside, "ms", at_most=1.2),
    ]
