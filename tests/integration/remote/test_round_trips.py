"""On a long line each round trip is what people wait for: how many each step takes, and no more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from runicorn_jupyter.models import Environment
from runicorn_jupyter.remote.probe import probe
from runicorn_jupyter.remote.viewer_client import SshViewerClient
from tests.world.connections import Connect
from tests.world.relay import Relay
from tests.world.remote import environment
from tests.world.sshd import Sshd

MOST = {
    "connect": 6,  # greeting, algorithms, keys, service, user; TCP's own comes before
    "probe": 4,  # open a session, run, stdin, close
    "start": 5,  # the same for the boot, then a tunnel and the claim
    "tunnel": 1,
    "connect again": 6,
    "probe again": 4,
    "adopt": 6,  # a tunnel, three exchanges; what was closed before may still be answered meanwhile
}
DELAY_MS = 40
"""One way. Whatever is sent together arrives together, however slow the machine is."""
TRIES = 4
"""A machine that was busy with other things sends apart what belongs together, so the best counts."""


async def test_each_step_takes_as_many_round_trips_as_it_must(
    remote: Sshd,
    connect: Connect,
    make_relay: Callable[..., Relay],
    runicorn_env: Callable[..., Path],
) -> None:
    relay = make_relay(remote.host, remote.port, delay_ms=DELAY_MS)
    env = environment(runicorn_env())
    least: dict[str, int] = {}
    for _ in range(TRIES):
        taken = await _taken(remote, connect, relay, env)
        least = {step: min(count, least.get(step, count)) for step, count in taken.items()}
        if all(least[step] <= most for step, most in MOST.items()):
            return
    raise AssertionError(f"more round trips than must be: {least}")


async def _taken(remote: Sshd, connect: Connect, relay: Relay, env: Environment) -> dict[str, int]:
    """Go through all steps once, and count."""
    taken: dict[str, int] = {}
    before = relay.round_trips

    def note(step: str) -> None:
        taken[step] = relay.round_trips - before - sum(taken.values())

    connection = await connect(remote, via=relay)
    note("connect")
    await probe(connection)
    note("probe")
    viewer = await SshViewerClient.start(connection, env, None, lease_seconds=60)
    note("start")
    stream = await connection.open_tunnel("127.0.0.1", viewer.port)
    note("tunnel")
    again = await connect(remote, via=relay)
    note("connect again")
    found = (await probe(again)).viewers
    note("probe again")
    adopted = await SshViewerClient.start(again, env, None, lease_seconds=60, running=found)
    note("adopt")
    assert adopted.adopted
    stream.close()
    await adopted.stop(cleanup=True)
    await viewer.stop(cleanup=True)
    await again.close()
    await connection.close()
    return taken
