"""A remote without any Python: one is brought, whole or not at all, and taken away with the rest."""

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
    EnvironmentSetupFailed,
    PackagesUnreachable,
    PythonNotFound,
)
from runicorn_jupyter.remote.probe import probe
from runicorn_jupyter.remote.setup.conversation import SetupParameters, run_setup
from runicorn_jupyter.remote.viewer_client import SshViewerClient
from runicorn_jupyter.ssh.connection import Connection
from tests.world.connections import Connect
from tests.world.environments import NEWEST, wheels_for
from tests.world.jupyter import JupyterServer
from tests.world.quota import Quota
from tests.world.remote import until
from tests.world.small_disk import home_on_disk
from tests.world.ssh_home import SshHome
from tests.world.sshd import Sshd
from tests.world.standalone import Mirror, hide_pythons, uv_program

pytestmark = pytest.mark.timeout(300)

MAKING_SECONDS = 240

MakeBare = Callable[..., Sshd]


@pytest.fixture
def make_bare(make_sshd: Callable[..., Sshd], standalone: Mirror) -> MakeBare:
    """Make a remote without a Python; its pip, once it has one, takes packages from a folder."""
    wheels = wheels_for(standalone.python)

    def make(*settings: str, **options: Any) -> Sshd:
        environment = ["PIP_NO_INDEX=1", f"PIP_FIND_LINKS={wheels}", *settings]
        server = make_sshd(SetEnv=environment, **options)
        hide_pythons(server)
        return server

    return make


def with_uv(server: Sshd) -> Sshd:
    """Give a remote's account a uv."""
    (server.home / ".local" / "bin").mkdir(parents=True)
    (server.home / ".local" / "bin" / "uv").symlink_to(uv_program())
    return server


@pytest.fixture
def uv_here(monkeypatch: pytest.MonkeyPatch, standalone: Mirror) -> None:
    """Let this side have a uv that knows the mirror."""
    monkeypatch.setenv("PATH", f"{uv_program().parent}{os.pathsep}{os.environ['PATH']}")
    for name, value in standalone.settings.items():
        monkeypatch.setenv(name, value)


async def create(connection: Connection, steps: list[str] | None = None, **options: Any) -> dict[str, Any]:
    def on_step(step: str, _text: str) -> None:
        if steps is not None and step not in steps:
            steps.append(step)

    platform = (await probe(connection)).platform
    assert platform is not None
    return await run_setup(connection, SetupParameters("create", [], platform=platform, **options), on_step)


async def remove(connection: Connection) -> dict[str, Any]:
    private = [one for one in (await probe(connection)).environments if one.private]
    return await run_setup(connection, SetupParameters("remove", private), lambda *_: None)


def folder(server: Sshd) -> Path:
    return server.home / ".local" / "share" / "runicorn-jupyter"


def settings_of(mirror: Mirror) -> list[str]:
    return [f"{name}={value}" for name, value in mirror.settings.items()]


async def test_the_remotes_own_uv_brings_one_by_its_settings(
    make_bare: MakeBare, standalone: Mirror, connect: Connect
) -> None:
    server = with_uv(make_bare(*settings_of(standalone)))
    connection = await connect(server)
    with pytest.raises(PythonNotFound):  # never unasked
        await run_setup(connection, SetupParameters("create", []), lambda *_: None)
    assert not folder(server).exists()
    steps: list[str] = []
    made = await create(connection, steps)
    assert steps == [
        "bringing_python", "waiting_for_others", "making_environment", "installing", "checking",
    ]  # fmt: skip
    assert (made["made"], made["packages_from"], made["runicorn_version"]) == (True, "remote", NEWEST)
    assert Path(made["python"]).is_relative_to(folder(server) / "pythons")
    assert sorted(path.name for path in folder(server).iterdir()) == ["envs", "lock", "pythons", "runicorn"]
    assert [path.name for path in (server.home / ".local" / "bin").iterdir()] == ["uv"]

    (listed,) = [one for one in (await probe(connection)).environments if one.private]
    viewer = await SshViewerClient.start(connection, listed, None, lease_seconds=60)
    assert await viewer.check() == "running"
    await viewer.stop(cleanup=True)
    assert await create(connection) == {**made, "made": False}
    assert (await remove(await connect(server)))["bytes"] > made["bytes"]  # not the connection that made it
    assert not folder(server).exists()


@pytest.mark.usefixtures("uv_here")
async def test_without_a_uv_there_it_is_sent_from_here_and_not_twice(
    make_bare: MakeBare, connect: Connect
) -> None:
    server = make_bare()
    connection = await connect(server)
    with pytest.raises(PackagesUnreachable, match="no uv"):
        await create(connection, wheels="remote")
    steps: list[str] = []
    made = await create(connection, steps)
    assert made["made"]
    assert steps[:4] == ["downloading_python", "sending", "checking", "unpacking_python"]
    (python,) = (folder(server) / "pythons").iterdir()
    (folder(server) / "runicorn").unlink()  # as if the rest had failed
    steps.clear()
    made = await create(connection, steps)
    assert made["made"]
    assert Path(made["python"]).is_relative_to(python)
    assert "downloading_python" not in steps
    await remove(connection)
    assert not folder(server).exists()


def test_the_api_says_what_it_would_bring_and_brings_it_only_when_told(
    make_bare: MakeBare,
    standalone: Mirror,
    make_jupyter: Callable[..., JupyterServer],
    tmp_path: Path,
) -> None:
    server = with_uv(make_bare(*settings_of(standalone)))
    home = SshHome(tmp_path / "home")
    home.host("bare", server)
    home.trust(server)
    jupyter = make_jupyter(home=home.path)
    body = {"connection_id": jupyter.post("connect", host="bare").json()["connection_id"]}
    plan = jupyter.get("environments", **body).json()["setup"]
    assert plan["python_path"] is None
    assert plan["brings"] == {"version": "3.12", "megabytes": 100, "comes_from": "remote"}
    refused = jupyter.post("environments/create", **body)
    assert (refused.status_code, refused.json()["error"]) == (424, "python_not_found")
    assert not folder(server).exists()
    made = jupyter.request(
        "POST", "environments/create", json={**body, "bring_python": True}, timeout=MAKING_SECONDS
    )
    assert made.ok, made.text
    assert made.json()["created"]
    again = jupyter.post("environments/create", **body)
    assert (again.json()["created"], again.json()["environment"]) == (False, made.json()["environment"])
    assert jupyter.post("environments/remove", **body).json()["bytes_freed"] > 50e6
    assert not folder(server).exists()


@pytest.mark.usefixtures("uv_here")
async def test_two_at_once_bring_one(make_bare: MakeBare, connect: Connect) -> None:
    server = make_bare()
    made = await asyncio.gather(create(await connect(server)), create(await connect(server)))
    assert sorted(each["made"] for each in made) == [False, True]
    assert len(list((folder(server) / "pythons").iterdir())) == 1


@pytest.mark.usefixtures("uv_here")
async def test_a_cut_goes_on_with_what_has_arrived(
    make_bare: MakeBare, connect: Connect, make_relay: Callable[..., Any]
) -> None:
    server = make_bare()
    relay = make_relay(server.host, server.port, rate_mbit=40)  # some seconds for all of it
    connection = await connect(server, via=relay)
    platform = (await probe(connection)).platform
    pythons = folder(server) / "pythons"

    def arrived() -> int:
        return sum(path.stat().st_size for path in pythons.glob("*.archive"))

    making = asyncio.create_task(
        run_setup(connection, SetupParameters("create", [], platform=platform), lambda *_: None)
    )
    await until(lambda: arrived() > 2_000_000)
    relay.cut()
    with pytest.raises(ConnectionLost):
        await making
    await connection.close()
    await until(lambda: not server.processes())
    before = arrived()
    assert [path.suffix for path in pythons.iterdir()] == [".archive"]

    texts: list[str] = []
    made = await run_setup(
        await connect(server),
        SetupParameters("create", [], platform=platform),
        lambda step, text: texts.append(text) if step == "sending" else None,
    )
    assert made["made"]
    assert float(texts[0].split()[0]) * 1e6 > before * 0.9
    assert len(list(pythons.iterdir())) == 1


@pytest.mark.usefixtures("uv_here")
@pytest.mark.parametrize("step", ["sending", "checking", "unpacking_python"])
async def test_a_kill_at_any_step_leaves_nothing_that_counts(
    step: str, make_bare: MakeBare, connect: Connect
) -> None:
    server = make_bare()
    connection = await connect(server)
    platform = (await probe(connection)).platform
    killed: list[int] = []

    def on_step(name: str, _text: str) -> None:
        if name == step and not killed:
            for pid in server.processes():
                if b"sshd" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, 9)
                    killed.append(pid)

    with pytest.raises(EnvironmentSetupFailed, match="without an answer"):
        await run_setup(connection, SetupParameters("create", [], platform=platform), on_step)
    assert killed
    await until(lambda: not server.processes())
    left = list((folder(server) / "pythons").iterdir())
    assert {path.suffix for path in left} <= {".archive", ".part"}
    made = await create(connection)
    assert made["made"]
    assert len(list((folder(server) / "pythons").iterdir())) == 1


async def test_a_build_that_is_not_what_its_list_says_is_not_taken(
    make_bare: MakeBare, standalone: Mirror, connect: Connect, tmp_path: Path
) -> None:
    server = with_uv(make_bare(*settings_of(standalone.with_another_digest(tmp_path / "mirror"))))
    connection = await connect(server)
    with pytest.raises(PackagesUnreachable, match="The remote's uv got no Python") as refused:
        await create(connection, wheels="remote")
    assert "hash" in " ".join(refused.value.details["log"]).lower()
    with pytest.raises(PythonNotFound):
        await run_setup(connection, SetupParameters("create", []), lambda *_: None)


@pytest.mark.usefixtures("uv_here")
async def test_an_archive_that_is_damaged_on_the_way_is_not_unpacked(
    make_bare: MakeBare, connect: Connect, make_relay: Callable[..., Any]
) -> None:
    server = make_bare()
    relay = make_relay(server.host, server.port, rate_mbit=40)  # some seconds for all of it
    connection = await connect(server, via=relay)
    steps: list[str] = []
    damaged: list[Path] = []

    def on_step(name: str, _text: str) -> None:
        steps.append(name)
        for path in (folder(server) / "pythons").glob("*.archive"):
            if name == "sending" and not damaged and path.stat().st_size > 4096:
                with path.open("r+b") as file:
                    file.write(bytes(4096))
                damaged.append(path)

    platform = (await probe(connection)).platform
    with pytest.raises(EnvironmentSetupFailed, match="did not arrive as it was sent"):
        await run_setup(connection, SetupParameters("create", [], platform=platform), on_step)
    assert damaged
    assert "unpacking_python" not in steps
    assert not list((folder(server) / "pythons").iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A home on a disk of its own, of 105 MB."""
    with home_on_disk(tmp_path, 100) as home:
        yield home


@pytest.mark.usefixtures("uv_here")
async def test_a_disk_that_does_not_do_is_named_before_anything_is_sent(
    small_disk: Path, make_bare: MakeBare, connect: Connect
) -> None:
    server = make_bare(home=small_disk)
    connection = await connect(server)
    steps: list[str] = []
    with pytest.raises(DiskFull, match=r"runicorn-jupyter has 10\d MB left"):
        await create(connection, steps)
    inside = ["nsenter", f"--mount=/proc/{server.pid}/ns/mnt", "mount", "-o"]
    await until(lambda: not server.processes())  # else it is busy
    subprocess.run([*inside, "remount,noexec,size=900m", small_disk], check=True)
    with pytest.raises(EnvironmentSetupFailed, match="mounted with noexec"):
        await create(connection, steps)
    assert "sending" not in steps
    subprocess.run([*inside, "remount,exec,size=900m", small_disk], check=True)
    assert (await create(connection))["made"]


@pytest.mark.usefixtures("uv_here")
async def test_a_quota_that_is_used_up_is_named_with_its_place(
    tmp_path: Path, make_bare: MakeBare, connect: Connect
) -> None:
    quota = Quota(tmp_path, tmp_path / "home")
    server = make_bare(*quota.environment, home=tmp_path / "home")
    connection = await connect(server)
    for size in (0, 5_000_000, 45_000_000):
        quota.allow(size)
        with pytest.raises(DiskFull, match=r"^Your disk quota is used up at \S+ \(Disk quota exc") as full:
            await create(connection)
        assert str(server.home) in full.value.message
    quota.allow(2**40)
    assert (await create(connection))["made"]
