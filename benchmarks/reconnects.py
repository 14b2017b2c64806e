"""64 connections to one host that are lost at once, as by a sleep: how soon they are back, and by what."""

from __future__ import annotations

import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.harness import OURS, Answer, interleave, stopwatch, until
from benchmarks.world import World, end_process
from tests.world import processes
from tests.world.jupyter import JupyterServer
from tests.world.sshd import Sshd

COUNT = 64
"""As many as ``max_connections`` allows."""
AT_ONCE = 8
ALIAS = "asleep"
MAX_STARTUPS = "10:30:100"
"""OpenSSH's default: of more than ten that have not logged in yet, it turns some away by chance."""
PEER = f"{COUNT} × ssh -N in a loop"
BACK_SECONDS = 120


@dataclass
class Back:
    """What it took until all were back.

    Attributes
    ----------
    seconds
        Until the last one was.
    tried
        How often the host was connected to.
    refused
        How many of these it turned away.
    """

    seconds: float
    tried: int
    refused: int


def run(world: World, rounds: int = 3) -> list[Answer]:
    """Answer the questions of this module."""
    with world.another_sshd(ALIAS, MaxStartups=MAX_STARTUPS) as host:
        samples = interleave({OURS: lambda: _ours(world, host), PEER: lambda: _peer(world, host)}, rounds)

    def told(what: str) -> dict[str, list[float]]:
        return {name: [float(getattr(back, what)) for back in backs] for name, backs in samples.items()}

    note = "on one host with OpenSSH's default MaxStartups; Jupyter stands still while they are lost"
    return [
        Answer(f"{COUNT} connections back after a sleep", told("seconds"), "s", bound=3, note=note),
        Answer("how often the host was connected to for that", told("tried"), "times"),
        Answer("how often it turned one away", told("refused"), "times", bound=0),
    ]


def _ours(world: World, host: Sshd) -> Back:
    server = world.start_jupyter()
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda _: world.connect(server, ALIAS), range(COUNT)))
        server.process.send_signal(signal.SIGSTOP)
        _lose_all(host)
        before = host.log
        with stopwatch() as elapsed:
            server.process.send_signal(signal.SIGCONT)
            until(lambda: _back(world, server) == COUNT, "all connections", seconds=BACK_SECONDS, tick=0.02)
        return _back_after(elapsed() / 1000, host.log[len(before) :])
    finally:
        server.process.send_signal(signal.SIGCONT)
        server.stop()


def _lose_all(host: Sshd) -> None:
    lost = host.session_pids()
    host.drop_sessions()
    for pid in lost:
        processes.ends(pid, BACK_SECONDS)


def _back(world: World, server: JupyterServer) -> int:
    """Count the connections that were lost and are there again."""
    told = world.api("GET", "connections", server)["connections"]
    return sum(each["status"] == "connected" and each["reconnects"] > 0 for each in told)


def _back_after(seconds: float, log: str) -> Back:
    refused = log.count("drop connection #")
    return Back(seconds, log.count("Connection from ") + refused, refused)


def _peer(world: World, host: Sshd) -> Back:
    """Begin as many OpenSSH clients at once; whom the host turns away begins anew at once, as a loop does."""
    options = ("-N", "-o", "PermitLocalCommand=yes", "-o", "LocalCommand=echo connected")
    command = world.ssh(*options, host=ALIAS)
    begin = threading.Barrier(COUNT + 1)
    with ExitStack() as stack:

        def connect() -> None:
            begin.wait()
            while True:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
                stack.callback(end_process, process)
                assert process.stdout is not None
                if process.stdout.readline() == b"connected\n":
                    return

        pool = stack.enter_context(ThreadPoolExecutor(COUNT))
        connecting = [pool.submit(connect) for _ in range(COUNT)]
        before = host.log
        begin.wait()
        with stopwatch() as elapsed:
            for each in connecting:
                each.result(BACK_SECONDS)
        return _back_after(elapsed() / 1000, host.log[len(before) :])
