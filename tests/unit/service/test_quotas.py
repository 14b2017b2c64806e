"""What one server, and each of the people who share it, may have open: over fake remotes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import QuotaReached, SshUnavailable, TooManyConnections
from runicorn_jupyter.remote.fake import FakeHost, Pause
from runicorn_jupyter.service.caller import Caller
from runicorn_jupyter.service.profile_store import Profiles
from tests.unit.service.world import ADA, World, finish

BOB = Caller("bob", "http://localhost:8888")
MakeWorld = Callable[..., World]


@pytest.fixture
async def make_world(tmp_path: Path) -> AsyncIterator[MakeWorld]:
    """Makes a service with quotas; it is closed afterwards."""
    made: list[World] = []

    def make(**quotas: Any) -> World:
        made.append(World(tmp_path, **quotas))
        made[-1].prepare = answers_nothing_new
        return made[-1]

    yield make
    for world in made:
        await world.done(world.service.close(), 60)


def answers_nothing_new(host: FakeHost) -> None:
    async def wait(_: dict[str, Any]) -> dict[str, Any]:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("unreachable")

    host.answers["runs"] = wait


async def connect(world: World, caller: Caller) -> str:
    request = m.ConnectRequest.model_validate({"host": "gpu", "auth_method": "agent"})
    return (await world.done(world.service.connections.connect(caller, request))).connection_id


async def start(world: World, connection_id: str) -> m.Viewer:
    request = m.ViewerStartRequest(connection_id=connection_id, env_name="torch")
    return (await world.done(world.service.viewers.start_viewer(ADA, request))).viewer


async def stop(world: World, connection_id: str) -> None:
    request = m.ViewerStopRequest(connection_id=connection_id, cleanup=True)
    await world.done(world.service.viewers.stop_viewer(ADA, request))


@asynccontextmanager
async def held(world: World, connection_id: str) -> AsyncIterator[asyncio.Task[Any]]:
    """Begin to start a viewer, which waits while the block runs."""
    host = next(each for each in world.hosts if each.connection.connection_id == connection_id)
    pause = host.pause("start")
    task = asyncio.ensure_future(start(world, connection_id))
    await pause.reached.wait()
    yield task
    pause.go()
    await world.done(finish(task))


# -- connections


async def test_each_person_has_a_quota_of_their_own_within_that_of_the_server(make_world: MakeWorld) -> None:
    world = make_world(max_connections=3, max_connections_per_user=2)
    first = await connect(world, ADA)
    await connect(world, ADA)
    with pytest.raises(TooManyConnections, match=r"2 connections are open, .* each person") as refused:
        await connect(world, ADA)
    assert refused.value.details == {"quota": "max_connections_per_user", "limit": 2}
    await connect(world, BOB)
    with pytest.raises(TooManyConnections, match="3 connections are open, the most that this") as refused:
        await connect(world, BOB)
    assert refused.value.details == {"quota": "max_connections", "limit": 3}
    await world.done(world.service.connections.disconnect(BOB, m.DisconnectQuery(connection_id=first)))
    await connect(world, ADA)


async def test_a_connection_that_is_being_opened_counts_for_who_opens_it(make_world: MakeWorld) -> None:
    world = make_world(max_connections_per_user=1)
    world.connecting = Pause()
    begun = world.begin()
    await world.connecting.reached.wait()
    with pytest.raises(TooManyConnections):
        await connect(world, ADA)
    world.connecting.go()
    await world.done(finish(begun))
    world.connecting = None
    with pytest.raises(TooManyConnections):
        await connect(world, ADA)
    await connect(world, BOB)


async def test_logins_are_counted_whatever_comes_of_them(make_world: MakeWorld) -> None:
    world = make_world(max_logins_per_minute=2)
    world.error = SshUnavailable("Refused.")
    for _ in range(2):
        with pytest.raises(SshUnavailable):
            await connect(world, ADA)
    with pytest.raises(QuotaReached, match="2 times a minute at most; try again in 30 seconds") as refused:
        await connect(world, BOB)
    assert refused.value.details == {
        "quota": "max_logins_per_minute",
        "limit": 2,
        "retry_after_seconds": 30,
    }
    world.error = None
    await world.clock.advance(30)
    await connect(world, ADA)
    with pytest.raises(QuotaReached):
        await connect(world, ADA)


# -- viewers


async def test_as_many_viewers_as_are_allowed_and_room_when_one_ends(make_world: MakeWorld) -> None:
    world = make_world(max_viewers=1)
    first, second = await connect(world, ADA), await connect(world, ADA)
    await start(world, first)
    with pytest.raises(QuotaReached, match="1 viewers are open") as refused:
        await start(world, second)
    assert refused.value.details == {"quota": "max_viewers", "limit": 1}
    assert [host.calls.count("start") for host in world.hosts] == [1, 0]
    await stop(world, first)
    await start(world, second)


async def test_a_viewer_that_is_being_started_counts_and_one_that_is_replaced_does_not(
    make_world: MakeWorld,
) -> None:
    world = make_world(max_viewers=1)
    first, second = await connect(world, ADA), await connect(world, ADA)
    async with held(world, first):
        with pytest.raises(QuotaReached):
            await start(world, second)
    again = m.ViewerStartRequest(connection_id=first, env_name="torch", replace=True)
    assert (await world.done(world.service.viewers.start_viewer(ADA, again))).viewer.status == "running"
    with pytest.raises(QuotaReached):
        await start(world, second)


async def test_what_cannot_be_started_makes_room(make_world: MakeWorld) -> None:
    world = make_world(max_viewers=1)
    first, second = await connect(world, ADA), await connect(world, ADA)
    world.hosts[0].failures["start"] = SshUnavailable("No.")
    with pytest.raises(SshUnavailable):
        await start(world, first)
    await start(world, second)


async def test_no_viewer_is_started_unasked_where_there_is_no_room(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    world = make_world(max_viewers=1, start_remembered=True)
    await start(world, await connect(world, ADA))
    Profiles(tmp_path / "profiles.json").remember(
        host="gpu", username="ada", env_name="torch", remote_root="/data"
    )
    await connect(world, ADA)
    for _ in range(50):
        await world.clock.advance(0)
    assert world.service._prewarmer._prewarmed is None
    assert world.hosts[1].processes == []


# -- all of them


async def test_nothing_is_limited_that_nobody_set(make_world: MakeWorld) -> None:
    world = make_world()
    for _ in range(20):
        await start(world, await connect(world, ADA))
    shown = next(each for each in world.service.metrics.collect() if each.name == "runicorn_quota")
    assert {sample.labels["of"]: sample.value for sample in shown.samples} == {"connections": 64}


async def test_what_is_set_is_shown(make_world: MakeWorld) -> None:
    world = make_world(
        max_connections=8,
        max_connections_per_user=4,
        max_viewers=2,
        max_logins_per_minute=20,
        viewer_bytes_per_second=1e6,
    )
    shown = next(each for each in world.service.metrics.collect() if each.name == "runicorn_quota")
    assert {sample.labels["of"]: sample.value for sample in shown.samples} == {
        "connections": 8,
        "connections_per_user": 4,
        "viewers": 2,
        "logins_per_minute": 20,
        "viewer_bytes_per_second": 1e6,
    }
