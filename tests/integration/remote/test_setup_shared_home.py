"""A home that two login nodes share: what one makes is the other's too, and none breaks the other's work."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter.errors import EnvironmentInUse
from runicorn_jupyter.remote.probe import probe
from runicorn_jupyter.remote.setup import conversation
from runicorn_jupyter.remote.setup.conversation import SetupParameters, run_setup
from runicorn_jupyter.remote.viewer_client import SshViewerClient
from runicorn_jupyter.ssh.connection import Connection
from tests.integration.remote.test_setup import create, folder, remove, system_python
from tests.world.connections import Connect
from tests.world.sshd import Sshd

# No process of the other node is seen, as on another machine.
OWN_PROCESSES = 'unshare --pid --fork --kill-child --mount-proc /bin/sh -c "$SSH_ORIGINAL_COMMAND"'


@pytest.fixture
def nodes(make_sshd: Callable[..., Sshd], wheelhouse: Path, tmp_path: Path) -> tuple[Sshd, Sshd]:
    """Two sshds over one home, each with a name of its own; the second has processes of its own."""
    shared: dict[str, Any] = {
        "home": tmp_path / "home",
        "SetEnv": ["PIP_NO_INDEX=1", f"PIP_FIND_LINKS={wheelhouse}"],
    }
    other = make_sshd(hostname="login2", ForceCommand=OWN_PROCESSES, **shared)
    return make_sshd(hostname="login1", **shared), other


async def installing(connection: Connection) -> asyncio.Task[dict[str, Any]]:
    """Begin to make the environment, and return when its packages are being installed."""
    reached = asyncio.Event()

    def on_step(step: str, _text: str) -> None:
        if step == "installing":
            reached.set()

    making = asyncio.create_task(run_setup(connection, SetupParameters("create", [system_python()]), on_step))
    await reached.wait()
    return making


async def test_what_one_node_makes_is_seen_and_removed_by_the_other(
    nodes: tuple[Sshd, Sshd], connect: Connect
) -> None:
    one, other = [await connect(node) for node in nodes]
    names = {(await probe(connection)).server.hostname for connection in (one, other)}
    assert names == {"login1", "login2"}
    made = await asyncio.gather(create(one), create(other))
    assert sorted(each["made"] for each in made) == [False, True]
    assert made[0]["prefix"] == made[1]["prefix"]
    for connection in (one, other):
        (listed,) = [each for each in (await probe(connection)).environments if each.private]
        assert listed.prefix == made[0]["prefix"]
    viewer = await SshViewerClient.start(one, listed, None, lease_seconds=60)
    with pytest.raises(EnvironmentInUse, match="on another machine that shares this home"):
        await remove(other)
    await viewer.stop(cleanup=True)
    assert (await remove(other))["bytes"] > 0
    assert not folder(nodes[0]).exists()
    assert not [each for each in (await probe(one)).environments if each.private]


async def test_a_node_that_stands_still_keeps_its_lock_and_one_that_died_does_not(
    nodes: tuple[Sshd, Sshd], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = [await connect(node) for node in nodes]
    making = await installing(one)
    frozen = nodes[0].processes()
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    with monkeypatch.context() as impatient:
        impatient.setattr(conversation, "LOCK_SECONDS", 1.0)
        with pytest.raises(EnvironmentInUse, match="has not come to an end"):
            await create(other)
    (prefix,) = (folder(nodes[0]) / "envs").iterdir()
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    made = await making
    assert (made["made"], made["prefix"]) == (True, str(prefix))
    assert await create(other) == {**made, "made": False}
    await remove(other)

    making = await installing(one)
    waiting = asyncio.create_task(create(other))
    for pid in nodes[0].processes():
        os.kill(pid, signal.SIGKILL)
    made = await waiting
    assert made["made"]
    assert len(list((folder(nodes[0]) / "envs").iterdir())) == 1
    await asyncio.wait([making])
    assert making.exception() is not None
