"""What may happen to a connection, a row a fault, on a real network and a real sshd.

For every row the same must hold: the loss is noticed by itself, the connection comes back by
itself once it can, what is carried afterwards is whole (hashes), and nothing is left of what was before
(threads and descriptors here, processes that serve us there). The times are scaled by the keepalive setting.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from runicorn_jupyter.errors import ConnectionLost
from runicorn_jupyter.ssh.connection import Connection
from tests.unit.ssh.test_reconnect import LIMIT, until
from tests.unit.ssh.test_stream import MIB, download, open_stream, upload
from tests.world.connections import Census, Connect, await_census
from tests.world.network import Network
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


async def listener_down(world: World) -> None:
    world.sshd.stop()
    await world.noticed()
    await world.stay_down()
    world.sshd.start()


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


async def address_changes(world: World) -> None:
    world.network.change_address()
    await world.noticed()


async def server_stopped(world: World) -> None:
    world.sshd.pause()
    await world.noticed()
    world.sshd.resume()


async def names_gone(world: World) -> None:
    def gone(*_: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", gone)
        world.sshd.drop_sessions()
        await world.noticed()
        await world.stay_down()


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
    listener_down,
    half_open_idle,
    half_open_under_upload,
    half_open_under_download,
    firewall_resets,
    cable_unplugged,
    address_changes,
    server_stopped,
    names_gone,
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


@pytest.fixture
async def world(
    network: Network, far_sshd: Sshd, far_peer_port: int, connect: Connect, request: pytest.FixtureRequest
) -> World:
    """Connect across the network."""
    recovery = getattr(request, "param", 60)
    connection = await connect(far_sshd, keepalive_seconds=KEEPALIVE, reconnect_for_seconds=recovery)
    return World(network, far_sshd, connection, far_peer_port)


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


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_clock_that_is_set_changes_nothing(
    world: World, connect: Connect, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    stream = await open_stream(world.connection, world.port, "echo")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600 * hours)
    heard = world.connection._link.progress_at
    async with asyncio.timeout(LIMIT):
        while world.connection._link.progress_at == heard:  # a keepalive passes in the new time
            await asyncio.sleep(0.05)
    await stream.write(b"still")
    assert await stream.read() == b"still"
    stream.close()
    assert world.connection.reconnects == 0
    await (await connect(world.sshd)).ping()


async def test_a_hundred_connections_come_back_and_go(
    network: Network, far_sshd: Sshd, connect: Connect
) -> None:
    await (await connect(far_sshd)).close()
    before = Census.take()
    few_at_a_time = asyncio.Semaphore(10)

    async def one() -> Connection:
        async with few_at_a_time:
            connection: Connection = await connect(far_sshd, timeout=60)
            return connection

    connections = await asyncio.gather(*(one() for _ in range(100)))
    far_sshd.drop_sessions()
    await asyncio.gather(*(until(connection, "reconnecting") for connection in connections))
    assert all(await asyncio.gather(*(connection.wait_connected(60) for connection in connections)))
    await asyncio.gather(*(connection.ping() for connection in connections))
    await asyncio.gather(*(connection.close() for connection in connections))
    await asyncio.to_thread(await_census, before, 20)
