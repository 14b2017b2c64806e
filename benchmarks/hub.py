"""A hub of a thousand people with five servers each, simulated by the program's rules and a measured login.

Each person has a single-user server of their own, which knows nothing of the others; what they share are the
login nodes. The simulation asks what one of these sees when all come back to it at once, after a reboot.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from itertools import count

from benchmarks.harness import OURS, Answer
from benchmarks.many import AT_ONCE, open_and_close
from benchmarks.world import World
from runicorn_jupyter.remote.liveness import CHECK_SECONDS
from runicorn_jupyter.ssh.reconnect import delay
from runicorn_jupyter.ssh.settings import SshSettings

PEOPLE, SERVERS, NODES = 1000, 5, 5
"""Each person is connected to each node."""
NODE_CORES = 32
OUTAGES = (30.0, 600.0)
MAX_STARTUPS = (10, 30, 100)
"""OpenSSH's default: from so many that have not logged in on, so many in a hundred are turned away, and from
so many on all."""
UNNOTICED_SECONDS = 20.0
"""In which each finds out by itself that its connection is dead."""


@dataclass
class Return:
    """How all came back.

    Attributes
    ----------
    seconds
        From the node's return on, until each was back; sorted.
    refused
        How often one was turned away.
    busiest
        Most logins in one second.
    """

    seconds: list[float]
    refused: int
    busiest: int


def simulate(people: int, outage: float, login_seconds: float, cores: int, seed: int = 1) -> Return:
    """Let everybody lose a node, and come back to it.

    Parameters
    ----------
    people
        Of whom each has one connection to the node.
    outage
        Seconds for which nobody reaches it.
    login_seconds
        CPU of the node for one login.
    cores
        Of the node.
    seed
        Of the chances.
    """
    chance, number = random.Random(seed), count()
    longest = SshSettings().reconnect_delay_max
    ahead: list[tuple[float, int, float, bool]] = []
    for _ in range(people):
        lost = UNNOTICED_SECONDS * chance.random()
        heapq.heappush(ahead, (lost, next(number), lost, False))
    free = [0.0] * cores
    begun, refused, back, logins = 0, 0, list[float](), dict[int, int]()
    start, rate, full = MAX_STARTUPS
    while ahead:
        now, _, lost, is_in = heapq.heappop(ahead)
        if is_in:
            begun -= 1
            back.append(now - outage)
            logins[int(now)] = logins.get(int(now), 0) + 1
            continue
        share = 0.0 if begun < start else rate + (100 - rate) * (begun - start) / (full - start)
        if now >= outage and 100 * chance.random() >= share:
            begun += 1
            done = max(now, heapq.heappop(free)) + login_seconds
            heapq.heappush(free, done)
            heapq.heappush(ahead, (done, next(number), lost, True))
            continue
        refused += now >= outage
        heapq.heappush(ahead, (now + delay(now - lost, longest, chance.random), next(number), lost, False))
    return Return(sorted(back), refused, max(logins.values()))


def run(world: World, rounds: int = 3) -> list[Answer]:
    """Answer the questions of this module."""
    server = world.start_jupyter()
    try:
        logins = [open_and_close(world, server, AT_ONCE) / AT_ONCE for _ in range(rounds)]
    finally:
        server.stop()
    # With both ends on two cores: the node alone takes less.
    login_seconds = 2 * min(logins) / 1000
    answers = []
    for outage in OUTAGES:
        back = [simulate(PEOPLE, outage, login_seconds, NODE_CORES, seed) for seed in range(rounds)]
        what = f"simulated: {PEOPLE:,} people lose a node for {outage:g} s"
        answers += [
            Answer(f"{what}: the last is back", {OURS: [each.seconds[-1] for each in back]}, "s", bound=60),
            Answer(
                f"{what}: logins in its busiest second", {OURS: [float(each.busiest) for each in back]}, "/s"
            ),
            Answer(f"{what}: turned away", {OURS: [float(each.refused) for each in back]}, "times"),
        ]
    asked = PEOPLE / CHECK_SECONDS
    return [*answers, Answer("simulated: questions whether a viewer lives, of a node", {OURS: [asked]}, "/s")]
