"""Remotes as people really have them: what is forbidden, full or missing, and that it works all the same."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runicorn_jupyter.errors import RunicornNotInstalled, ViewerStartFailed
from runicorn_jupyter.remote.probe import probe
from runicorn_jupyter.remote.viewer_client import SshViewerClient
from tests.integration.ssh.test_stream import download, upload
from tests.world.connections import Connect
from tests.world.network import Network
from tests.world.quota import Quota
from tests.world.remote import environment
from tests.world.sshd import Sshd

Prefix = Callable[..., Path]
MakeSshd = Callable[..., Sshd]


async def live_a_whole_life(connect: Connect, server: Sshd, prefix: Path) -> SshViewerClient:
    """Probe, start, adopt, look after and stop a viewer."""
    connection = await connect(server)
    env = environment(prefix)
    viewer = await SshViewerClient.start(connection, env, None, lease_seconds=60)
    (found,) = (await probe(connection)).viewers
    assert found.pid == viewer.pid
    second = await SshViewerClient.start(connection, env, None, lease_seconds=60)
    assert second.pid == viewer.pid
    assert await viewer.check() == "running"
    assert (await viewer.logs(5))[1] > 0
    await second.stop(cleanup=True)
    assert await viewer.stop(cleanup=True)
    await connection.close()  # a relay lasts as long
    assert server.left() == []
    return viewer


@pytest.mark.parametrize(
    "options",
    [{"MaxSessions": 1}, {"AllowTcpForwarding": "no"}, {"PermitOpen": "none", "MaxSessions": 1}],
    ids=str,
)
async def test_what_a_server_forbids(
    options: dict[str, str | int], make_sshd: MakeSshd, connect: Connect, runicorn_env: Prefix
) -> None:
    await live_a_whole_life(connect, make_sshd(**options), runicorn_env())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 64 KiB of room."""
    path = tmp_path / "small"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs root and the right to mount")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


async def test_a_disk_that_is_full(
    make_sshd: MakeSshd, connect: Connect, runicorn_env: Prefix, small_disk: Path, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="No space"):
        (small_disk / "filling").write_bytes(bytes(2**17))
    temporary = tmp_path / "t"
    temporary.mkdir()
    server = make_sshd(SetEnv=[f"XDG_STATE_HOME={small_disk}", f"TMPDIR={temporary}"])
    await live_a_whole_life(connect, server, runicorn_env())
    assert not list(temporary.iterdir())


async def test_a_home_that_is_read_only(
    make_sshd: MakeSshd, connect: Connect, runicorn_env: Prefix, small_disk: Path, tmp_path: Path
) -> None:
    home = small_disk / "home"
    home.mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    temporary, root = tmp_path / "t", tmp_path / "root"
    temporary.mkdir()
    root.mkdir()
    server = make_sshd(home=home, SetEnv=[f"TMPDIR={temporary}", f"RUNICORN_DIR={root}"])
    await live_a_whole_life(connect, server, runicorn_env())
    assert not list(temporary.iterdir())


async def test_a_home_that_is_not_there_and_temporary_files_that_cannot_be_run(
    make_sshd: MakeSshd, connect: Connect, runicorn_env: Prefix, small_disk: Path, tmp_path: Path
) -> None:
    subprocess.run(["mount", "-o", "remount,noexec", str(small_disk)], check=True)
    root = tmp_path / "root"
    root.mkdir()
    server = make_sshd(
        SetEnv=[f"HOME={tmp_path / 'none' / 'such'}", f"RUNICORN_DIR={root}", f"TMPDIR={small_disk}"]
    )
    await live_a_whole_life(connect, server, runicorn_env())
    assert not list(small_disk.iterdir())


def old_python() -> Path:
    """The oldest Python that we have code for, or skip."""
    places = [*Path.home().glob(".pyenv/versions/3.8*/bin/python3.8"), Path("/usr/bin/python3.8")]
    found = next((path for path in places if path.exists()), None)
    return found or pytest.skip("needs Python 3.8, as pyenv installs it")


async def test_a_remote_with_an_old_python_only(
    make_sshd: MakeSshd, connect: Connect, peer_port: int, tmp_path: Path
) -> None:
    python = old_python()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(python)
    server = make_sshd(SetEnv=f"PATH={tmp_path / 'bin'}:/bin", AllowTcpForwarding="no", MaxSessions=1)
    prefix = server.home / ".virtualenvs" / "old"
    subprocess.run([str(python), "-m", "venv", "--without-pip", str(prefix)], check=True)
    connection = await connect(server)
    result = await probe(connection)
    assert (result.server.python_version or "").startswith("3.8.")
    (env,) = [one for one in result.environments if one.name == "old"]
    with pytest.raises(RunicornNotInstalled, match="pip install runicorn"):
        await SshViewerClient.start(connection, env, None, lease_seconds=60)
    await asyncio.gather(*(move(connection, peer_port, 2**21) for move in (download, upload)))
    assert (await connection.run("echo beside")).stdout == b"beside\n"


async def test_no_python_at_all(make_sshd: MakeSshd, connect: Connect, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("uname", "dd", "readlink"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    server = make_sshd(SetEnv=f"PATH={programs}")
    result = await probe(await connect(server))
    assert result.server.hostname
    assert result.server.python_version is None
    assert [one for one in result.environments if one.type != "system"] == []


async def test_a_python_that_dies_says_so(make_sshd: MakeSshd, connect: Connect, tmp_path: Path) -> None:
    program = tmp_path / "env" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho 'Illegal instruction \x1b[31m' >&2\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(ViewerStartFailed, match="Python ended") as caught:
        await SshViewerClient.start(
            await connect(make_sshd()), environment(tmp_path / "env"), None, lease_seconds=60
        )
    assert caught.value.details["log"] == ["Illegal instruction "]


@pytest.fixture
def network() -> Iterator[Network]:
    """A network whose 127.0.0.1 is another than that of the sshd."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and iproute2")
    made = Network()
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("sessions", [10, 1])
async def test_commands_in_another_network_than_the_servers(
    network: Network, sessions: int, make_sshd: MakeSshd, connect: Connect, runicorn_env: Prefix
) -> None:
    command = f'nsenter --net=/run/netns/{network.name} /bin/sh -c "$SSH_ORIGINAL_COMMAND"'
    server = make_sshd(ForceCommand=command, MaxSessions=sessions)
    await live_a_whole_life(connect, server, runicorn_env())


async def test_the_other_network_is_remembered_after_a_loss(
    network: Network, make_sshd: MakeSshd, connect: Connect, runicorn_env: Prefix
) -> None:
    command = f'nsenter --net=/run/netns/{network.name} /bin/sh -c "$SSH_ORIGINAL_COMMAND"'
    server = make_sshd(ForceCommand=command)
    connection = await connect(server)
    assert connection.forwards
    viewer = await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=60)
    assert not connection.forwards
    lost = asyncio.Event()
    connection.subscribe(lambda changed: lost.set() if changed.status != "connected" else None)
    server.drop_sessions()
    await lost.wait()
    assert await connection.wait_connected()
    assert not connection.forwards
    assert await viewer.reattach() == "running"
    await viewer.kill()


async def test_a_viewer_that_is_gone_brings_no_relay(
    make_sshd: MakeSshd, connect: Connect, runicorn_env: Prefix
) -> None:
    connection = await connect(make_sshd())
    viewer = await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=60)
    await viewer.kill()
    assert await viewer.reattach() == "crashed"
    assert connection.forwards


async def test_where_a_quota_is_used_up_runs_are_shown_and_what_is_missing_names_it(
    make_sshd: MakeSshd, connect: Connect, runicorn_env: Prefix, tmp_path: Path
) -> None:
    quota = Quota(tmp_path, tmp_path / "home")
    temporary = tmp_path / "t"
    temporary.mkdir()
    server = make_sshd(home=tmp_path / "home", SetEnv=[f"TMPDIR={temporary}", *quota.environment])
    (server.home / "data" / "runs").mkdir(parents=True)
    connection = await connect(server)
    quota.allow(0)
    with pytest.raises(ViewerStartFailed, match=rf"^Your disk quota is used up at {server.home}/\.runicorn "):
        await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=60)
    assert not list(temporary.iterdir())
    # What is there already can be looked at: what a viewer needs to write goes elsewhere.
    viewer = await SshViewerClient.start(connection, environment(runicorn_env()), "~/data", lease_seconds=60)
    assert await viewer.stop(cleanup=True)
