"""The viewer that was opened last is started before it is asked for: that one, once, and nobody's before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runicorn_jupyter.remote.host_client import HostClient, SshHost
from runicorn_jupyter.remote.viewer_client import RemoteViewer
from runicorn_jupyter.service.prewarm import Foresight
from runicorn_jupyter.service.profile_store import Profiles
from runicorn_jupyter.ssh.connection import Connection
from tests.unit.remote.conftest import environment, until, viewer_pids
from tests.world.sshd import Sshd


@dataclass
class Host:
    """A session, as far as this needs one."""

    connection: Connection
    prefix: Path
    host: str = "gpu"

    @property
    def remote(self) -> HostClient:
        return SshHost(self.connection)

    async def look(self) -> Any:
        return SimpleNamespace(environments=[environment(self.prefix)], viewers=[])


@pytest.fixture
def host(connection: Connection, runicorn_env: Callable[..., Path]) -> Host:
    return Host(connection, runicorn_env())


@pytest.fixture
def foresight(host: Host, tmp_path: Path) -> Foresight:
    """What was opened last is the environment of `host`, with the root that runicorn chooses."""
    profiles = Profiles(tmp_path / "profiles.json")
    username = host.connection.target.username
    profiles.remember(host="gpu", username=username, env_name="env", remote_root=None)
    return Foresight(profiles, 60)


async def test_who_asks_for_it_finds_it_running(foresight: Foresight, host: Host, remote: Sshd) -> None:
    env = environment(host.prefix)
    foresight.begin(host)
    foresight.begin(host)  # at most one
    ahead = await foresight.take(host.connection, env, None)
    assert [state.pid for state in ahead] == viewer_pids(remote)
    viewer = await RemoteViewer.start(host.connection, env, None, lease_seconds=60, running=ahead)
    assert viewer.adopted
    assert viewer.pid == ahead[0].pid
    assert await foresight.take(host.connection, env, None) == []  # given once
    assert await viewer.stop(cleanup=True)  # nobody else holds it


async def test_another_environment_root_or_host_is_not_it(
    foresight: Foresight, host: Host, remote: Sshd, tmp_path: Path
) -> None:
    foresight.begin(host)
    other = environment(host.prefix).model_copy(update={"prefix": "/elsewhere"})
    assert await foresight.take(host.connection, other, None) == []
    foresight.close()

    unknown = Foresight(Profiles(tmp_path / "none.json"), 60)
    unknown.begin(host)
    assert await unknown.take(host.connection, environment(host.prefix), None) == []

    # What was started in vain would end itself within a minute; whoever asks for it before finds it.
    # (Its process alone may not have come to the lock yet, and would find ours.)
    await until(lambda: any(remote.home.rglob("runicorn-jupyter/*/*.json")))
    viewer = await RemoteViewer.start(host.connection, environment(host.prefix), None, lease_seconds=60)
    assert viewer.adopted
    assert await viewer.stop(cleanup=True)


async def test_what_is_not_wanted_is_given_up(foresight: Foresight, host: Host) -> None:
    foresight.begin(host)
    await asyncio.sleep(0)
    foresight.forget(host.connection)
    assert await foresight.take(host.connection, environment(host.prefix), None) == []
