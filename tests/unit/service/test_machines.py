"""Machines are looked at while somebody asks, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import SshUnavailable
from runicorn_jupyter.service.machine_watcher import (
    BEAT_SECONDS,
    FIRST_PAUSE_SECONDS,
    FIRST_READS,
    PAUSE_SECONDS,
    SILENT_SECONDS,
)
from runicorn_jupyter.service.machines import FIRST_SECONDS, IDLE_SECONDS
from tests.unit.service.world import ADA, World

FIRST = (
    b"facts\x008 ada 1 100\x00cpu\x005\x00memory\x00100 50\x00looked\x00machine\x00looked\x00accelerators\x00"
)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A service with one connection."""
    made = World(tmp_path)
    await made.connect()
    yield made
    closing = asyncio.create_task(made.service.close())
    await made.clock.advance(30)
    await closing


async def ask(world: World, since: str | None = None, wait: float = 0) -> asyncio.Task[m.MachinesResponse]:
    """Begin to ask."""
    query = m.MachinesQuery(changed_since=since, wait=wait)
    task = asyncio.create_task(world.service.machines.list_machines(ADA, query))
    await world.clock.advance(0)
    return task


async def looked_at(world: World) -> m.MachinesResponse:
    """Ask for the first time, and let the machine say something."""
    asking = await ask(world)
    world.hosts[0].machines[-1].feed(FIRST)
    await world.clock.advance(0)
    return await asking


@pytest.mark.asyncio
async def test_nothing_looks_before_somebody_asks(world: World) -> None:
    await world.clock.advance(3600)
    assert world.hosts[0].machines == []


@pytest.mark.asyncio
async def test_what_a_machine_says(world: World) -> None:
    answer = await looked_at(world)
    (machine,) = answer.machines
    assert (machine.cpu.count, machine.cpu.used_percent, machine.memory.used) == (8, 5, 50 * 1024)
    assert machine.as_of is not None
    assert machine.error is None


@pytest.mark.asyncio
async def test_what_comes_in_pieces_at_first_is_not_waited_for_between_them(world: World) -> None:
    asking = await ask(world)
    pieces = FIRST.split(b"\0")[:-1]
    for piece in pieces[:-1]:
        world.hosts[0].machines[-1].feed(piece + b"\0")
        await world.clock.advance(FIRST_PAUSE_SECONDS)
    assert not asking.done()
    world.hosts[0].machines[-1].feed(pieces[-1] + b"\0")
    await world.clock.advance(0)
    assert len((await asking).machines) == 1


@pytest.mark.asyncio
async def test_what_is_told_without_end_is_read_at_intervals(world: World) -> None:
    answer = await looked_at(world)
    machine = world.hosts[0].machines[-1]
    for _ in range(FIRST_READS):
        machine.feed(b"cpu\0006\0looked\0machine\0")
        await world.clock.advance(FIRST_PAUSE_SECONDS)
    later = await (await ask(world, answer.version, 30))
    machine.feed(b"cpu\0007\0looked\0machine\0")
    asking = await ask(world, later.version, 30)
    await world.clock.advance(PAUSE_SECONDS - FIRST_PAUSE_SECONDS)
    assert not asking.done()
    await world.clock.advance(FIRST_PAUSE_SECONDS)
    assert [each.cpu.used_percent for each in (await asking).machines] == [7]


@pytest.mark.asyncio
async def test_a_machine_that_is_slow_to_say_is_told_as_unknown(world: World) -> None:
    asking = await ask(world)
    await world.clock.advance(FIRST_SECONDS)
    (machine,) = (await asking).machines
    assert (machine.as_of, machine.cpu.count, machine.error) == (None, None, None)


@pytest.mark.asyncio
async def test_accelerators_are_unknown_until_they_were_looked_at(world: World) -> None:
    asking = await ask(world)
    world.hosts[0].machines[-1].feed(b"cpu\0005\0looked\0machine\0")
    await world.clock.advance(FIRST_SECONDS)
    (machine,) = (await asking).machines
    assert (machine.cpu.used_percent, machine.gpus) == (5, None)


@pytest.mark.asyncio
async def test_only_changes_are_told(world: World) -> None:
    answer = await looked_at(world)
    asking = await ask(world, answer.version, 30)
    world.hosts[0].machines[-1].feed(b"looked\0machine\0")  # the same as before
    await world.clock.advance(1)
    assert not asking.done()
    world.hosts[0].machines[-1].feed(b"cpu\x0077\x00looked\0machine\0")
    await world.clock.advance(1)
    later = await asking
    assert [each.cpu.used_percent for each in later.machines] == [77]
    nothing = await ask(world, later.version, 10)
    await world.clock.advance(10)
    assert ((await nothing).machines, (await nothing).version) == ([], later.version)


@pytest.mark.asyncio
async def test_an_unknown_version_begins_again(world: World) -> None:
    await looked_at(world)
    answer = await (await ask(world, "other-1", 30))
    assert answer.reset
    assert len(answer.machines) == 1


@pytest.mark.asyncio
async def test_it_ends_soon_after_the_last_who_asked(world: World) -> None:
    await looked_at(world)
    await world.clock.advance(IDLE_SECONDS - 1)
    assert not world.hosts[0].machines[-1].closed
    await (await ask(world))
    await world.clock.advance(IDLE_SECONDS - 1)
    assert not world.hosts[0].machines[-1].closed
    await world.clock.advance(1)
    assert world.hosts[0].machines[-1].closed
    await looked_at(world)
    assert len(world.hosts[0].machines) == 2


@pytest.mark.asyncio
async def test_it_is_kept_going_while_somebody_waits(world: World) -> None:
    answer = await looked_at(world)
    asking = await ask(world, answer.version, 60)
    await world.clock.advance(BEAT_SECONDS + 1)
    assert bytes(world.hosts[0].machines[-1].sent) == b"\n"
    asking.cancel()
    await world.clock.advance(IDLE_SECONDS)
    assert world.hosts[0].machines[-1].closed


@pytest.mark.asyncio
async def test_a_cut_is_told_with_what_was_known_and_ends_by_itself(world: World) -> None:
    answer = await looked_at(world)
    asking = await ask(world, answer.version, 30)
    world.hosts[0].failures["machine"] = SshUnavailable("no shell")
    world.hosts[0].machines[-1].feed_end()
    await world.clock.advance(PAUSE_SECONDS)
    (machine,) = (await asking).machines
    assert machine.error is not None
    assert machine.error.code == "machine_unknown"
    assert (machine.cpu.count, machine.as_of) == (8, answer.machines[0].as_of)


@pytest.mark.asyncio
async def test_nonsense_is_told_and_not_believed(world: World) -> None:
    asking = await ask(world)
    world.hosts[0].machines[-1].feed(b"who\0are you\0")
    await world.clock.advance(0)
    (machine,) = (await asking).machines
    assert machine.error is not None
    assert "cannot be understood" in machine.error.message


@pytest.mark.asyncio
async def test_a_driver_that_hangs_is_told(world: World) -> None:
    answer = await looked_at(world)
    asking = await ask(world, answer.version, 60)
    for _ in range(int(SILENT_SECONDS) + 1):
        await world.clock.advance(1)
        world.hosts[0].machines[-1].feed(b"looked\0machine\0")
    await world.clock.advance(1)
    (machine,) = (await asking).machines
    assert machine.error is not None
    assert machine.error.code == "gpus_unknown"
    assert "hangs" in machine.error.message


@pytest.mark.asyncio
async def test_connections_that_come_and_go(world: World) -> None:
    answer = await looked_at(world)
    asking = await ask(world, answer.version, 60)
    await world.connect()
    await world.clock.advance(FIRST_SECONDS)
    later = await asking
    first, second = (host.connection.connection_id for host in world.hosts)
    assert [each.connection_id for each in later.machines] == [second]
    asking = await ask(world, later.version, 60)
    closing = asyncio.create_task(
        world.service.connections.disconnect(ADA, m.DisconnectQuery(connection_id=first))
    )
    await world.clock.advance(30)
    await closing
    assert (await asking).removed == [first]
    assert world.hosts[0].machines[-1].closed
