"""The private environment: made with the remote's packages or wheels from here, whole or gone, removed."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter.errors import (
    ConnectionLost,
    DiskFull,
    EnvironmentInUse,
    EnvironmentNotFound,
    EnvironmentSetupFailed,
    PackagesUnreachable,
)
from runicorn_jupyter.models import Environment
from runicorn_jupyter.remote.probe import probe
from runicorn_jupyter.remote.setup.conversation import SetupParameters, run_setup
from runicorn_jupyter.remote.viewer_client import SshViewerClient
from runicorn_jupyter.ssh.connection import Connection
from tests.world.connections import Connect
from tests.world.environments import NEWEST, base_python, build
from tests.world.network import Network
from tests.world.quota import Quota
from tests.world.remote import until
from tests.world.small_disk import home_on_disk
from tests.world.sshd import ACCOUNT_ID, Sshd


def system_python() -> Environment:
    """Return the Python that environments are made with."""
    return Environment(
        name="system", type="system", python_version="3.11", python_path=str(base_python()), prefix="/usr",
        runicorn_installed=False,
    )  # fmt: skip


async def create(connection: Connection, steps: list[str] | None = None, **options: Any) -> dict[str, Any]:
    def on_step(step: str, _text: str) -> None:
        if steps is not None and step not in steps:
            steps.append(step)

    return await run_setup(connection, SetupParameters("create", [system_python()], **options), on_step)


async def remove(connection: Connection) -> dict[str, Any]:
    return await run_setup(connection, SetupParameters("remove", [system_python()]), lambda *_: None)


def folder(server: Sshd) -> Path:
    return server.home / ".local" / "share" / "runicorn-jupyter"


@pytest.fixture
def remote(make_sshd: Callable[..., Sshd], wheelhouse: Path) -> Sshd:
    """A remote whose pip has an index: a folder of real wheels."""
    return make_sshd(SetEnv=["PIP_NO_INDEX=1", f"PIP_FIND_LINKS={wheelhouse}"])


@pytest.fixture
def this_side(monkeypatch: pytest.MonkeyPatch, wheelhouse: Path) -> None:
    """Let this side's pip take packages from the folder too."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheelhouse))


async def test_a_life_of_the_environment(remote: Sshd, connect: Connect) -> None:
    connection = await connect(remote)
    steps: list[str] = []
    made = await create(connection, steps)
    assert (made["made"], made["packages_from"], made["runicorn_version"]) == (True, "remote", NEWEST)
    assert steps == ["waiting_for_others", "making_environment", "installing", "checking"]
    (listed,) = [one for one in (await probe(connection)).environments if one.private]
    assert (listed.name, listed.runicorn_version, listed.prefix) == ("runicorn", NEWEST, made["prefix"])
    assert listed.size_bytes == made["bytes"] > 20e6
    assert sorted(path.name for path in folder(remote).iterdir()) == ["envs", "lock", "runicorn"]

    again = await create(connection)
    assert again == {**made, "made": False}

    viewer = await SshViewerClient.start(connection, listed, None, lease_seconds=60)
    with pytest.raises(EnvironmentInUse, match=str(viewer.pid)):
        await remove(connection)
    assert await viewer.check() == "running"
    await viewer.stop(cleanup=True)

    other = await connect(remote)  # not the connection that made it
    assert (await remove(other))["bytes"] >= made["bytes"]
    assert not folder(remote).exists()
    assert not [one for one in (await probe(other)).environments if one.private]
    with pytest.raises(EnvironmentNotFound):
        await remove(other)


async def test_to_find_that_it_is_there_takes_a_command_and_nothing_that_is_sent_to_it(
    remote: Sshd, connect: Connect, make_relay: Callable[..., Any]
) -> None:
    made = await create(await connect(remote))
    relay = make_relay(remote.host, remote.port, delay_ms=40)
    far = await connect(remote, via=relay)
    taken = []
    for _ in range(4):  # a busy machine sends apart what belongs together, so the best counts
        await far.ping()  # the server has spoken last
        before = relay.round_trips
        assert await create(far) == {**made, "made": False}
        await far.ping()  # goes with the end of the session, which nobody waits for
        taken.append(relay.round_trips - before - 1)
        if taken[-1] == 2:  # a session is opened, and its command answers
            return
    raise AssertionError(f"round trips: {taken}")


async def test_two_at_once_make_one(remote: Sshd, connect: Connect) -> None:
    one, other = await connect(remote), await connect(remote)
    made = await asyncio.gather(create(one), create(other))
    assert sorted(each["made"] for each in made) == [False, True]
    assert made[0]["prefix"] == made[1]["prefix"]
    assert len(list((folder(remote) / "envs").iterdir())) == 1


@pytest.mark.usefixtures("this_side")
async def test_without_a_way_to_an_index_the_wheels_come_from_here(
    make_sshd: Callable[..., Sshd], connect: Connect
) -> None:
    if os.geteuid() != 0:
        pytest.skip("networks of their own need root")
    network = Network()
    try:
        # No route leads anywhere from there: to this side alone, by the cable of its own.
        server = make_sshd(address=network.there, network=network.name)
        connection = await connect(server)
        with pytest.raises(PackagesUnreachable, match="got no packages"):
            await create(connection, wheels="remote")
        steps: list[str] = []
        made = await create(connection, steps)
        assert (made["packages_from"], made["runicorn_version"]) == ("local", NEWEST)
        assert {"downloading_here", "sending"} <= set(steps)
        await remove(connection)
        assert not folder(server).exists()
        await connection.close()
    finally:
        network.close()


@pytest.mark.usefixtures("this_side")
async def test_a_cut_goes_on_with_what_has_arrived(
    remote: Sshd, connect: Connect, make_relay: Callable[..., Any]
) -> None:
    relay = make_relay(remote.host, remote.port, rate_mbit=40)  # some seconds for all wheels
    connection = await connect(remote, via=relay)

    def on_step(step: str, _text: str) -> None:
        if step == "sending":
            relay.cut()

    with pytest.raises(ConnectionLost):
        await run_setup(connection, SetupParameters("create", [system_python()], wheels="local"), on_step)
    await connection.close()
    await until(lambda: not remote.processes())
    arrived = {path.name: path.stat().st_size for path in (folder(remote) / "wheels").iterdir()}
    assert sum(arrived.values()) > 0
    assert not (folder(remote) / "envs").exists()
    assert not os.path.lexists(folder(remote) / "runicorn")

    texts: list[str] = []
    made = await run_setup(
        await connect(remote),
        SetupParameters("create", [system_python()], wheels="local"),
        lambda step, text: texts.append(text) if step == "sending" else None,
    )
    assert made["made"]
    assert float(texts[0].split()[0]) * 1e6 > sum(arrived.values()) * 0.9


async def test_a_kill_at_any_step_leaves_nothing_that_counts(remote: Sshd, connect: Connect) -> None:
    connection = await connect(remote)
    for step in ("making_environment", "installing", "checking"):
        reached = asyncio.Event()

        def on_step(name: str, _text: str, wanted: str = step, event: asyncio.Event = reached) -> None:
            if name == wanted:
                event.set()

        making = asyncio.create_task(
            run_setup(connection, SetupParameters("create", [system_python()]), on_step)
        )
        await reached.wait()
        for pid in remote.processes():
            if b"runicorn-jupyter" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, 9)
        await asyncio.wait([making])
        assert making.exception() is not None
        assert not [one for one in (await probe(connection)).environments if one.private]
    made = await create(connection)
    assert made["made"]
    assert len(list((folder(remote) / "envs").iterdir())) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A home on a disk of its own, of 42 MB."""
    with home_on_disk(tmp_path, 40) as home:
        yield home


def _mount(*options: str | Path, of: Sshd | None = None) -> None:
    """Mount something, as it is seen by an sshd or here."""
    inside = ["nsenter", f"--mount=/proc/{of.pid}/ns/mnt"] if of else []
    subprocess.run([*inside, "mount", *options], check=True)


async def test_a_disk_that_does_not_do_is_named(
    small_disk: Path, make_sshd: Callable[..., Sshd], wheelhouse: Path, connect: Connect
) -> None:
    server = make_sshd(home=small_disk, SetEnv=["PIP_NO_INDEX=1", f"PIP_FIND_LINKS={wheelhouse}"])
    connection = await connect(server)
    with pytest.raises(DiskFull, match=r"42 MB left.*160 MB"):
        await create(connection)
    await until(lambda: not server.processes())  # else it is busy
    _mount("-o", "remount,ro", small_disk, of=server)
    with pytest.raises(EnvironmentSetupFailed, match="Read-only file system"):
        await create(connection)
    _mount("-o", "remount,rw,noexec,size=400m", small_disk, of=server)
    with pytest.raises(EnvironmentSetupFailed, match="failed to map segment"):
        await create(connection)
    assert not os.path.lexists(folder(server) / "runicorn")
    _mount("-o", "remount,rw,exec,size=400m", small_disk, of=server)
    assert (await create(connection))["made"]


@pytest.mark.usefixtures("this_side")
async def test_a_quota_that_is_used_up_is_named_with_its_place_at_each_step(
    tmp_path: Path, make_sshd: Callable[..., Sshd], wheelhouse: Path, connect: Connect
) -> None:
    quota = Quota(tmp_path, tmp_path / "home")
    environment = ["PIP_NO_INDEX=1", f"PIP_FIND_LINKS={wheelhouse}", *quota.environment]
    server = make_sshd(home=tmp_path / "home", SetEnv=environment)
    connection = await connect(server)
    for step, wheels, size in (
        ("waiting_for_others", "remote", 0),
        ("making_environment", "remote", 100_000),
        ("installing", "remote", 5_000_000),
        ("sending", "local", 5_000_000),
    ):
        quota.allow(size)
        steps: list[str] = []
        with pytest.raises(
            DiskFull, match=r"^Your disk quota is used up at \S+ \(Disk quota exceeded\)"
        ) as full:
            await create(connection, steps, wheels=wheels)
        assert str(server.home) in full.value.message
        assert steps[-1] == step
        assert not os.path.lexists(folder(server) / "runicorn")
        assert not (folder(server) / "envs").exists()
    quota.allow(2**40)
    assert (await create(connection))["made"]


async def test_uv_installs_as_it_is_set_up_and_pip_where_uv_knows_no_index(
    remote: Sshd, connect: Connect, wheelhouse: Path
) -> None:
    (remote.home / ".local" / "bin").mkdir(parents=True)
    (remote.home / ".local" / "bin" / "uv").symlink_to(build("uv") / "bin" / "uv")
    settings = remote.home / ".config" / "uv" / "uv.toml"
    settings.parent.mkdir(parents=True)
    connection = await connect(remote)
    for known, tool in ((f'find-links = ["{wheelhouse}"]\n', "uv"), ("", "pip")):
        settings.write_text(f"no-index = true\n{known}")
        made = await create(connection, wheels="remote")
        (installer,) = Path(made["prefix"]).glob("lib/*/site-packages/runicorn-*.dist-info/INSTALLER")
        assert installer.read_text().strip() == tool
        await remove(connection)


async def test_an_account_without_rights(
    make_sshd: Callable[..., Sshd], wheelhouse: Path, connect: Connect
) -> None:
    server = make_sshd(account="ada", SetEnv=["PIP_NO_INDEX=1", "PIP_FIND_LINKS=/mnt"])
    _mount("--bind", wheelhouse, "/mnt", of=server)  # where it is, only root may look
    connection = await connect(server)
    made = await create(connection)
    (listed,) = [one for one in (await probe(connection)).environments if one.private]
    assert (made["made"], listed.prefix) == (True, made["prefix"])
    assert folder(server).stat().st_mode & 0o777 == 0o700
    assert {path.lstat().st_uid for path in folder(server).rglob("*")} == {ACCOUNT_ID}
    viewer = await SshViewerClient.start(connection, listed, None, lease_seconds=60)
    assert await viewer.check() == "running"
    await viewer.stop(cleanup=True)
    await remove(connection)
    assert not folder(server).exists()
