"""What may happen to a connection that carries bytes, a row a fault, on a real network and a real sshd.

What may happen to one that a viewer is reached by is in ``test_viewer.py``.

For every row the same must hold: the loss is noticed by itself, the connection comes back by
itself once it can, what is carried afterwards is whole (hashes), and nothing is left of what was before
(threads and descriptors here, processes that serve us there). The times are scaled by the keepalive setting.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest

from runicorn_jupyter.errors import ConnectionLost
from runicorn_jupyter.ssh.connection import Connection
from tests.faults.world import require_root
from tests.integration.ssh.test_reconnect import LIMIT, until
from tests.integration.ssh.test_stream import MIB, download, upload
from tests.world.connections import Census, Connect, await_census
from tests.world.network import Network
from tests.world.peers import peer_process
from tests.world.sshd import Sshd

KEEPALIVE = 0.9


@dataclass
class World:
    """What a fault can be done to."""

    network: Network
    sshd: Sshd
    connection: Connection
    port: int

    async def noticed(self) -> None:
        """Wait until the loss is noticed."""
        await until(self.connection, "reconnecting")

    async def stay_down(self, attempts: int = 2) -> None:
        """Let some attempts to come back fail."""
        for _ in range(attempts):
            with pytest.raises(ConnectionLost):
                await self.connection.wait_connected(0.5)


async def session_killed(world: World) -> None:
    world.sshd.drop_sessions()
    await world.noticed()


async def half_open_idle(world: World) -> None:
    world.network.drop()
    await world.noticed()
    await world.stay_down()
    world.network.restore()


async def half_open_under_upload(world: World) -> None:
    await _half_open_while(world, upload(world.connection, world.port, 2**40))


async def half_open_under_download(world: World) -> None:
    await _half_open_while(world, download(world.connection, world.port, 2**40))


async def _half_open_while(world: World, traffic: Awaitable[None]) -> None:
    running = asyncio.ensure_future(traffic)
    await world.connection.ping()
    world.network.drop()
    with pytest.raises(ConnectionLost):
        async with asyncio.timeout(LIMIT):
            await running
    await world.noticed()
    world.network.restore()


async def firewall_resets(world: World) -> None:
    world.network.reject()
    await world.noticed()
    await world.stay_down()
    world.network.restore()


async def cable_unplugged(world: World) -> None:
    world.network.unplug()
    await world.noticed()
    await world.stay_down()
    world.network.plug()


async def again_and_again(world: World) -> None:
    for _ in range(3):
        world.network.drop()
        await world.noticed()
        world.network.restore()
        assert await world.connection.wait_connected(LIMIT)
    world.sshd.drop_sessions()
    await world.noticed()


FAULTS: list[Callable[[World], Awaitable[None]]] = [
    session_killed,
    half_open_idle,
    half_open_under_upload,
    half_open_under_download,
    firewall_resets,
    cable_unplugged,
    again_and_again,
]


async def census(world: World) -> Census:
    """Count what a connection in use has."""
    await world.connection.run("true")
    before = Census.take()
    before.threads["ssh-writer"] = 1  # it comes when the line is full for the first time
    return before


async def holds(world: World, before: Census) -> None:
    """Hold what must hold after every fault."""
    assert await world.connection.wait_connected(LIMIT)
    async with asyncio.TaskGroup() as group:
        for move in (download, upload):
            group.create_task(move(world.connection, world.port, 4 * MIB + 1))
    gc.collect()
    await asyncio.to_thread(await_census, before)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Network, Sshd, int]]:
    """Build the network with an sshd and a peer at its other end; all rows share them."""
    if reason := require_root():
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        network = Network()
        stack.callback(network.close)
        sshd = Sshd(tmp_path_factory.mktemp("sshd"), network=network.name, address=network.there)
        stack.callback(sshd.close)
        sshd.start()
        port = stack.enter_context(peer_process("nsenter", f"--net=/run/netns/{network.name}"))
        yield network, sshd, port


@pytest.fixture
async def world(
    place: tuple[Network, Sshd, int], connect: Connect, request: pytest.FixtureRequest
) -> AsyncIterator[World]:
    """Connect across the network; what a row changes is undone."""
    network, sshd, port = place
    recovery = getattr(request, "param", 60)
    connection = await connect(sshd, keepalive_seconds=KEEPALIVE, reconnect_for_seconds=recovery)
    yield World(network, sshd, connection, port)
    await connection.close()
    network.mend()
    if sshd.options:
        sshd.options = {}
        sshd.restart()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_it_comes_back(world: World, fault: Callable[[World], Awaitable[None]]) -> None:
    before = await census(world)
    await fault(world)
    await holds(world, before)
    assert world.connection.reconnects >= 1


@pytest.mark.parametrize("world", [0], indirect=True)
async def test_without_recovery_the_suite_fails(world: World) -> None:
    before = await census(world)
    await session_killed(world)
    with pytest.raises(AssertionError):
        await holds(world, before)


async def test_a_short_cut_costs_nothing(world: World) -> None:
    moving = asyncio.gather(
        upload(world.connection, world.port, 64 * MIB), download(world.connection, world.port, 64 * MIB)
    )
    await world.connection.ping()
    world.network.drop()
    await asyncio.sleep(KEEPALIVE / 4)
    world.network.restore()
    await moving
    assert (world.connection.status, world.connection.reconnects) == ("connected", 0)


async def test_a_narrow_line_is_not_taken_for_a_dead_one(world: World) -> None:
    world.network.narrow(8)
    await asyncio.gather(
        upload(world.connection, world.port, 2 * MIB), download(world.connection, world.port, 2 * MIB)
    )
    assert (world.connection.status, world.connection.reconnects) == ("connected", 0)


async def test_rekeying_under_load(world: World, connect: Connect) -> None:
    world.sshd.restart(RekeyLimit="1M", LogLevel="DEBUG1")
    connection = await connect(world.sshd)
    async with asyncio.TaskGroup() as group:
        for move in (download, upload) * 4:
            group.create_task(move(connection, world.port, 8 * MIB))
    assert world.sshd.log.count("rekey") > 10
    assert connection.reconnects == 0
