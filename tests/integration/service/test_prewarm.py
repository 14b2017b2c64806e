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
from runicorn_jupyter.remote.viewer_client import SshViewerClient
from runicorn_jupyter.service.prewarm import ViewerPrewarmer
from runicorn_jupyter.service.profile_store import Profiles
from runicorn_jupyter.ssh.connection import Connection
from tests.world.remote import environment, until, viewer_pids
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
def prewarmer(host: Host, tmp_path: Path) -> ViewerPrewarmer:
    """What was opened last is the environment of `host`, with the root that runicorn chooses."""
    profiles = Profiles(tmp_path / "profiles.json")
    username = host.connection.target.username
    profiles.remember(host="gpu", username=username, env_name="env", remote_root=None)
    return ViewerPrewarmer(profiles, 60)


async def test_who_asks_for_it_finds_it_running(prewarmer: ViewerPrewarmer, host: Host, remote: Sshd) -> None:
    env = environment(host.prefix)
    prewarmer.start(host)
    prewarmer.start(host)  # at most one
    ahead = await prewarmer.claim(host.connection, env, None)
    assert [state.pid for state in ahead] == viewer_pids(remote)
    viewer = await SshViewerClient.start(host.connection, env, None, lease_seconds=60, running=ahead)
    assert viewer.adopted
    assert viewer.pid == ahead[0].pid
    assert await prewarmer.claim(host.connection, env, None) == []  # given once
    assert await viewer.stop(cleanup=True)  # nobody else holds it


async def test_another_environment_root_or_host_is_not_it(
    prewarmer: ViewerPrewarmer, host: Host, remote: Sshd, tmp_path: Path
) -> None:
    prewarmer.start(host)
    other = environment(host.prefix).model_copy(update={"prefix": "/elsewhere"})
    assert await prewarmer.claim(host.connection, other, None) == []
    prewarmer.close()

    unknown = ViewerPrewarmer(Profiles(tmp_path / "none.json"), 60)
    unknown.start(host)
    assert await unknown.claim(host.connection, environment(host.prefix), None) == []

    # What was started in vain would end itself within a minute; whoever asks for it before finds it.
    # (Its process alone may not have come to the lock yet, and would find ours.)
    await until(lambda: any(remote.home.rglob("runicorn-jupyter/*/*.json")))
    viewer = await SshViewerClient.start(host.connection, environment(host.prefix), None, lease_seconds=60)
    assert viewer.adopted
    assert await viewer.stop(cleanup=True)


async def test_what_is_not_wanted_is_given_up(
    prewarmer: ViewerPrewarmer, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = asyncio.Event()

    async def look() -> None:
        looking.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(host, "look", look)
    prewarmer.start(host)
    async with asyncio.timeout(60):
        await looking.wait()
    prewarmer.cancel(host.connection)
    assert await prewarmer.claim(host.connection, environment(host.prefix), None) == []
