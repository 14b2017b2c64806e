"""Ten machines of eight GPUs: how soon they are shown, and what looking at them costs each of them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from benchmarks.harness import OURS, Answer, interleave, stopwatch, until
from benchmarks.world import World, sent_by
from tests.world.gpus import nvidia_smi_of
from tests.world.sshd import Sshd

SERVERS, GPUS = 10, 8
WATCH_SECONDS = 20.0
BY_HAND = "ssh HOST nvidia-smi"
ALIAS = "gpus"
QUERY = "nvidia-smi --query-gpu=index,utilization.gpu,memory.used,temperature.gpu,power.draw --format=csv"
IDLE_SECONDS = 10
"""After the last look nothing of it is left there."""


def run(world: World, rounds: int = 5) -> list[Answer]:
    """Answer the questions of this module."""
    with _servers(world) as server:

        def ours() -> float:
            with stopwatch() as elapsed:
                _look(world)
            _wait_for_rest(server)
            return elapsed()

        def by_hand() -> float:
            with stopwatch() as elapsed:
                command = world.ssh(host=ALIAS, command=QUERY)
                all_of_them = [
                    subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
                    for _ in range(SERVERS)
                ]
                assert [process.wait() for process in all_of_them] == [0] * SERVERS
            return elapsed()

        shown = interleave({OURS: ours, BY_HAND: by_hand}, rounds)
        cpu, sent = _cost(world, server)
        gone = [_wait_for_rest(server)]
    note = f"{SERVERS} servers of {GPUS} GPUs, all on this machine's two cores"
    return [
        Answer("ten machines of eight GPUs shown", shown, "ms", bound=300, note=note),
        Answer("CPU of a machine that is watched", {OURS: [cpu]}, "% of a core", bound=0.2),
        Answer("bytes from a machine that is watched", {OURS: [sent]}, "B/s", bound=300),
        Answer("left on a machine after the last look", {OURS: gone}, "s", bound=IDLE_SECONDS),
    ]


@contextmanager
def _servers(world: World) -> Iterator[Sshd]:
    """Connect as often as there are servers; yield the sshd that stands for all of them."""
    programs = world.folder / "programs"
    programs.mkdir()
    nvidia_smi_of(programs, GPUS)
    with world.another_sshd(ALIAS, SetEnv=[f"PATH={programs}:/usr/bin:/bin"]) as server:
        connections = [world.connect(host=ALIAS) for _ in range(SERVERS)]
        try:
            yield server
        finally:
            for connection_id in connections:
                world.disconnect(connection_id)


def _look(world: World) -> None:
    """Ask until all GPUs of all machines are known."""
    answer = world.api("GET", "machines")
    known: dict[str, int] = {}
    while True:
        known |= {each["connection_id"]: len(each["gpus"] or ()) for each in answer["machines"]}
        if sorted(known.values()) == [GPUS] * SERVERS:
            return
        answer = world.api("GET", "machines", changed_since=answer["version"], wait=30)


def _cost(world: World, server: Sshd) -> tuple[float, float]:
    """Look on for a while; return a machine's CPU in per cent of a core, and its bytes a second."""
    answer = world.api("GET", "machines")
    scripts = _scripts(server)
    assert len(scripts) == SERVERS, scripts
    cpu, sent, began = _cpu(scripts), sent_by(server), time.monotonic()
    while time.monotonic() < began + WATCH_SECONDS:
        answer = world.api("GET", "machines", changed_since=answer["version"], wait=2)
    took = (time.monotonic() - began) * SERVERS
    return 100 * (_cpu(scripts) - cpu) / took, (sent_by(server) - sent) / took


def _scripts(server: Sshd) -> list[psutil.Process]:
    """Return what runs there for us: the commands of the sessions."""
    found = []
    for pid in server.session_pids():
        for child in psutil.Process(pid).children():
            if child.name() != "sshd":
                found.append(child)
    return found


def _cpu(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:4]) for process in processes)  # with those of the children that ended


def _wait_for_rest(server: Sshd) -> float:
    """Wait until nothing looks any more there; return the seconds."""
    began = time.monotonic()
    until(lambda: not _scripts(server), "the end of the scripts", seconds=60, tick=0.05)
    return time.monotonic() - began
