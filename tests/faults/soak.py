"""An hour of faults, one after the other by chance, while pages are being read: ``make soak``.

The faults of the table, at the real times (keepalive 15 s). All the time readers fetch pages, data and the
largest file through the viewer's URL and compare hashes. At the end it is as it was at the beginning:
memory, threads and descriptors of Jupyter, and what runs on the remote. Last of all a Jupyter with a
hundred connections is stopped.

    python -m tests.faults.soak [--seconds 3600] [--seed N] [--scaled]
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import requests

from tests.faults import line_faults, our_faults, viewer_faults
from tests.faults.count import Count
from tests.faults.world import UNSCALED, Held, Times, World, open_world, require_root, until

READERS = 4
PAUSE_SECONDS = 0.2
"""Between two requests of a reader: load, not a flood."""

WARM_SECONDS = 60.0
"""Pages are read for so long before anything is counted."""

HANG_SECONDS = 30.0
"""No request takes longer, of the time in which Jupyter was not stopped itself."""

RSS_GROWTH_KIB = 40 * 1024
"""What an hour may add to the resident memory of a Jupyter server. glibc keeps a heap for each of up to eight
threads a core, as large as its fullest moment was: after 120 faults 24 MiB were free room in them, while
objects (208,000) and what was in use (16 MiB) were as before. Asked for it, glibc gave a third of it back."""

FAULTS: tuple[line_faults.Fault, ...] = (
    line_faults.cut_of_5_seconds,
    line_faults.cut_of_a_minute,
    line_faults.address_changes,
    line_faults.names_gone,
    line_faults.session_killed,
    line_faults.listener_down,
    line_faults.server_stopped,
    line_faults.comes_back_with(MaxSessions=1),
    line_faults.comes_back_with(AllowTcpForwarding="no"),
    line_faults.few_at_a_time,
    viewer_faults.viewer_killed,
    viewer_faults.viewer_killed_during_a_cut,
    viewer_faults.environment_deleted,
    our_faults.jupyter_stopped,
    our_faults.two_jupyters,
)


@dataclass
class Reading:
    """What the readers saw."""

    seen: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)


class Readers:
    """Read through a viewer's URL until the block ends; ``held`` may be exchanged meanwhile."""

    def __init__(self, world: World, held: Held) -> None:
        self.held = held
        self.reading = Reading()
        self._asleep = world.asleep
        self._asset = world.asset.name
        self._digest = hashlib.sha256(world.asset.read_bytes()).digest()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._read, name=f"reader-{n}") for n in range(READERS)]

    def __enter__(self) -> Readers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        paths = [f"assets/{self._asset}", "api/runs", ""]
        while not self._over.wait(PAUSE_SECONDS):
            path = random.choice(paths)
            begun = time.monotonic()
            try:
                answer = self.held.ask(path, timeout=2 * HANG_SECONDS)
            except line_faults.BROKEN_OFF:
                self._note("broken off", begun)
            except requests.Timeout:
                self.reading.wrong.append(f"no answer within {2 * HANG_SECONDS:g} s")
            else:
                self._note(str(answer.status_code), begun)
                if answer.status_code == 200 and path.startswith("assets/"):
                    self._compare(answer.content)

    def _note(self, what: str, begun: float) -> None:
        self.reading.seen[what] += 1
        ended = time.monotonic()
        asleep = sum(max(0.0, min(end, ended) - max(start, begun)) for start, end in self._asleep)
        self.reading.slowest = max(self.reading.slowest, ended - begun - asleep)

    def _compare(self, content: bytes) -> None:
        if hashlib.sha256(content).digest() != self._digest:
            self.reading.wrong.append(f"a file of {len(content)} bytes with another hash")


@dataclass
class Report:
    """How it went."""

    seed: int
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    reading: Reading = field(default_factory=Reading)
    before: Count | None = None
    after: Count | None = None
    remote: tuple[int, int] = (0, 0)
    measured: dict[str, list[float]] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{sum(self.faults.values())} faults in {self.seconds:.0f} s, seed {self.seed}", ""]
        lines += [f"  {name:45} {count:4}" for name, count in sorted(self.faults.items())]
        lines += [
            "",
            "  what was read " + ", ".join(f"{k}: {n}" for k, n in sorted(self.reading.seen.items())),
        ]
        lines.append(f"  the slowest answer {self.reading.slowest:.1f} s")
        for what, times in self.measured.items():
            lines.append(f"  {what} {max(times):.1f} s at most, of {len(times)}")
        lines += ["", f"  {'':20} {'before':>10} {'after':>10}"]
        if self.before and self.after:
            for name in ("threads", "descriptors", "rss"):
                lines.append(f"  {name:20} {getattr(self.before, name):10} {getattr(self.after, name):10}")
        lines.append(f"  {'remote processes':20} {self.remote[0]:10} {self.remote[1]:10}")
        return "\n".join(lines)


def steady(world: World, held: Held) -> Count:
    """Bring the world to the state that is counted in: one connection, one viewer, nothing asked."""
    until("it is well", held.is_well)
    world.content_is_whole(held)
    return world.warm(held.jupyter)


def same_as(before: Count, world: World, held: Held) -> Count:
    """Wait until nothing is there that was not there before, and return what is."""

    def flat() -> Count | None:
        now = steady(world, held)
        return now if now.is_flat(before) else None

    pid = held.jupyter.process.pid
    found = until(lambda: f"nothing is left in Jupyter: {before}, now {Count.of(pid)}", flat)
    assert found is not None
    return found


def soak(world: World, seconds: float, seed: int) -> Report:
    """Do faults for so many seconds, and hold what must hold after each and at the end."""
    chance = random.Random(seed)
    report = Report(seed)
    begun = time.monotonic()
    held = world.hold(world.patient)
    with Readers(world, held):  # what is filled once and kept is filled
        time.sleep(world.times.scaled(WARM_SECONDS))
    report.before = steady(world, held)
    report.remote = (len(world.remote_processes()), 0)
    with Readers(world, held) as readers:
        report.reading = readers.reading
        while (left := begun + seconds - time.monotonic()) > 0:
            fault = chance.choice(FAULTS)
            rss = Count.of(held.jupyter.process.pid).rss
            print(f"{seconds - left:6.0f} s  {rss // 1024:4} MiB  {fault.__name__}", flush=True)
            fault(world, held)
            report.faults[fault.__name__] += 1
            world.restore()
            held = readers.held = _well_again(world, held)
            assert not report.reading.wrong, report.reading.wrong
    assert report.before is not None
    report.after = same_as(report.before, world, held)
    report.remote = (report.remote[0], len(world.remote_processes()))
    report.measured = world.measured
    report.seconds = time.monotonic() - begun
    held.disconnect()
    world.await_nothing_left()
    return report


def _well_again(world: World, held: Held) -> Held:
    """Wait until the viewer is well; one that is told to have crashed is started again, as a person would."""

    def crashed() -> bool:
        return held.entry()["status"] == "connected" and held.now()["status"] == "crashed"

    until("it is well, or told to have crashed", lambda: held.is_well() or crashed())
    if crashed():
        return world.start(held.jupyter, held.connection_id)
    return Held(held.jupyter, held.connection_id, held.now())  # perhaps of another process by now


def shortcomings(report: Report, times: Times) -> list[str]:
    """Say which promises about time and room did not hold (for machines that do nothing else)."""
    found = list(report.reading.wrong)
    if report.reading.slowest > HANG_SECONDS + 2:  # and what the machine takes to start and end it
        found.append(f"an answer took {report.reading.slowest:.1f} s")
    limits = {
        "noticed": 4 * times.keepalive / 3 + 1,
        "usable again": 6.0,
        "stopped with 100 connections": 5.0,
    }
    for what, limit in limits.items():
        found += [f"{what} after {took:.1f} s" for took in report.measured.get(what, []) if took > limit]
    if report.before and report.after and report.after.rss > report.before.rss + RSS_GROWTH_KIB:
        found.append(f"memory grew from {report.before.rss} to {report.after.rss} KiB")
    if report.remote[0] != report.remote[1]:
        found.append(f"{report.remote[0]} processes on the remote before, {report.remote[1]} after")
    return found


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="make soak", description="An hour of faults under load.")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--scaled", action="store_true", help="with a keepalive of 1.5 s instead of 15 s")
    asked = parser.parse_args()
    if reason := require_root():
        print(reason, file=sys.stderr)
        return 1
    times = Times() if asked.scaled else UNSCALED
    print(f"seed {asked.seed}")
    with open_world(times) as world:
        report = soak(world, asked.seconds, asked.seed)
        our_faults.a_hundred_connections(world, world.hold(world.patient))
    found = shortcomings(report, times)
    print(report, *found, "held" if not found else "did not hold", sep="\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
