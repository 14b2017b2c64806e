"""Setting up an environment over a fake remote: its steps, who may cancel it, and what is answered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import NotFound, PythonNotFound, SetupCancelled
from runicorn_jupyter.remote.fake import FakeHost
from runicorn_jupyter.remote.setup.standalone import Platform
from tests.unit.service.test_remote_service import ADA, BOB, World


@pytest.fixture
async def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_setting_up_is_told_step_by_step_and_only_its_own_user_cancels_it(world: World) -> None:
    connected = await world.done(world.begin())
    (host,) = world.hosts
    environments = world.service.environments
    create = m.CreateEnvironmentRequest(connection_id=connected.connection_id)
    pause = host.pause("create")
    making = asyncio.ensure_future(environments.create_environment(ADA, create))
    await pause.reached.wait()
    steps = [event for event in world.events if event.get("step") == "waiting_for_others"]
    assert [(each["request_id"], each["connection_id"]) for each in steps] == [
        ("r1", connected.connection_id)
    ]

    cancel = m.CancelSetupQuery(request_id="r1")
    with pytest.raises(NotFound):
        await environments.cancel_environment(BOB, cancel)
    assert (await environments.cancel_environment(ADA, cancel)).success
    with pytest.raises(SetupCancelled):
        await world.done(making)
    with pytest.raises(NotFound):
        await environments.cancel_environment(ADA, cancel)
    pause.go()

    made = await world.done(environments.create_environment(ADA, create))
    assert (made.created, made.environment.name, made.environment.private) == (True, "runicorn", True)
    again = await world.done(environments.create_environment(ADA, create))
    assert (again.created, again.environment) == (False, made.environment)
    await world.done(
        environments.remove_environment(ADA, m.ConnectionQuery(connection_id=connected.connection_id))
    )
    listed = await environments.list_environments(
        ADA, m.EnvironmentsQuery(connection_id=connected.connection_id)
    )
    assert [each.name for each in listed.environments] == ["torch"]


async def test_without_a_python_nothing_is_begun(world: World) -> None:
    def old(host: FakeHost) -> None:
        host.environments = [host.environments[0].model_copy(update={"python_version": "3.6"})]

    world.prepare = old
    connected = await world.done(world.begin())
    create = m.CreateEnvironmentRequest(connection_id=connected.connection_id)
    with pytest.raises(PythonNotFound):
        await world.done(world.service.environments.create_environment(ADA, create))
    assert "create" not in world.hosts[0].calls


async def test_a_python_is_brought_where_there_is_none_and_only_if_that_is_asked_for(world: World) -> None:
    def bare(host: FakeHost) -> None:
        host.environments = []
        host.platform = Platform("Linux", "x86_64", "gnu", "2.31", "/home/ada/.local/bin/uv")
        host.home = "/home/ada"

    world.prepare = bare
    connected = await world.done(world.begin())
    (host,) = world.hosts
    environments = world.service.environments
    query = m.EnvironmentsQuery(connection_id=connected.connection_id)
    plan = (await environments.list_environments(ADA, query)).setup
    assert plan is not None
    assert plan.python_path is None
    assert plan.brings == m.PythonToBring(version="3.12", megabytes=100, comes_from="remote")
    create = m.CreateEnvironmentRequest(connection_id=connected.connection_id)
    with pytest.raises(PythonNotFound, match=r"one can be brought .*100 MB"):
        await world.done(environments.create_environment(ADA, create))
    assert "create" not in host.calls
    bringing = create.model_copy(update={"bring_python": True})
    made = await world.done(environments.create_environment(ADA, bringing))
    assert made.created
    assert [event["step"] for event in world.events if event.get("step") == "bringing_python"]
    # It has brought one: what is there needs none.
    assert not (await world.done(environments.create_environment(ADA, create))).created


async def test_a_platform_that_no_build_fits_is_named(world: World) -> None:
    def old(host: FakeHost) -> None:
        host.environments = []
        host.platform = Platform("Linux", "x86_64", "gnu", "2.12", "/home/ada/.local/bin/uv")
        host.home = "/home/ada"

    world.prepare = old
    connected = await world.done(world.begin())
    query = m.EnvironmentsQuery(connection_id=connected.connection_id)
    plan = (await world.service.environments.list_environments(ADA, query)).setup
    assert plan is not None
    assert plan.brings is None
    assert "glibc 2.12" in (plan.problem or "")
    create = m.CreateEnvironmentRequest(connection_id=connected.connection_id)
    with pytest.raises(PythonNotFound, match=r"install uv's\. Its C library, glibc 2\.12"):
        await world.done(world.service.environments.create_environment(ADA, create))
