"""How long it takes to set up runicorn on a server, and how many round trips to find that it is there."""

from __future__ import annotations

import shutil
import subprocess

from benchmarks.harness import OURS, Answer, interleave, stopwatch
from benchmarks.world import World
from tests.world.relay import Relay

BY_HAND = "ssh, venv and pip"
_COMMANDS = "python3 -m venv by-hand && by-hand/bin/python -m pip install --quiet runicorn"
FAR = "gpu-to-set-up"
DELAY_MS = 40
"""One way: what is sent together arrives together."""


def run(world: World, rounds: int = 3) -> list[Answer]:
    """Answer the question of this module."""
    connection_id = world.connect()

    def ours() -> float:
        with stopwatch() as elapsed:
            world.api("POST", "environments/create", connection_id=connection_id, wheels="remote")
        taken = elapsed()
        world.api("POST", "environments/remove", connection_id=connection_id)
        return taken

    def by_hand() -> float:
        with stopwatch() as elapsed:
            subprocess.run(world.ssh(command=_COMMANDS), check=True)
        taken = elapsed()
        shutil.rmtree(world.sshd.home / "by-hand")
        return taken

    made = interleave({OURS: ours, BY_HAND: by_hand}, rounds)
    relay = Relay(world.sshd.host, world.sshd.port, delay_ms=DELAY_MS)
    world.home.trust(world.sshd, relay.port)
    world.home.host(FAR, world.sshd, Port=relay.port)
    far = world.connect(host=FAR)
    world.api("POST", "environments/create", connection_id=far)

    def again() -> float:
        before = relay.round_trips
        assert not world.api("POST", "environments/create", connection_id=far)["created"]
        return float(relay.round_trips - before)

    found = interleave({OURS: again}, rounds)
    world.api("POST", "environments/remove", connection_id=far)
    for each in (connection_id, far):
        world.disconnect(each)
    relay.close()
    return [
        Answer("set up runicorn on a bare server", made, "ms", at_most=1.2),
        Answer("find that runicorn is set up", found, "round trips", bound=2),
    ]
