"""A server of Go's x/crypto/ssh, as many gateways are: commands, tunnels, a relay, a viewer's life."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runicorn_jupyter.remote.probe import probe
from runicorn_jupyter.remote.viewer_client import SshViewerClient
from tests.integration.ssh.test_stream import download, upload
from tests.world.connections import Connect
from tests.world.remote import environment
from tests.world.sshd import make_key

SOURCE = Path(__file__).parents[2] / "data" / "go_ssh" / "server.go"
DEBIANS = Path("/usr/share/gocode")  # golang-golang-x-crypto-dev

pytestmark = pytest.mark.skipif(
    shutil.which("go") is None or not (DEBIANS / "src/golang.org/x/crypto/ssh").is_dir(),
    reason="needs Go, and Debian's golang-golang-x-crypto-dev",
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server, built."""
    folder = tmp_path_factory.mktemp("go")
    settings = {
        "GO111MODULE": "off",
        "GOPATH": str(DEBIANS),
        "GOCACHE": str(folder / "cache"),
        "CGO_ENABLED": "0",
    }
    subprocess.run(
        ["go", "build", "-o", str(folder / "server"), str(SOURCE)], env={**os.environ, **settings}, check=True
    )
    return folder / "server"


@pytest.fixture(params=["forwarding", "no forwarding"])
def server(request: pytest.FixtureRequest, program: Path, tmp_path: Path) -> Iterator[Any]:
    """A running one, described as an `Sshd` is."""
    key, host_key = make_key(tmp_path / "key"), make_key(tmp_path / "host_key")
    (tmp_path / "home").mkdir()
    with subprocess.Popen(
        [program, host_key, f"{key}.pub", request.param],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HOME": str(tmp_path / "home")},
    ) as process:
        try:
            assert process.stdout is not None
            yield SimpleNamespace(
                root=tmp_path,
                id="go",
                host="127.0.0.1",
                port=int(process.stdout.readline()),
                user="anybody",
                key_path=key,
                host_key=" ".join(Path(f"{host_key}.pub").read_text().split()[:2]),
                forwards=request.param == "forwarding",
            )
        finally:
            process.kill()


async def test_a_viewer_lives_its_whole_life_there(
    server: Any, connect: Connect, peer_port: int, runicorn_env: Callable[..., Path]
) -> None:
    connection = await connect(server)
    assert (await connection.run("exit 3")).exit_status == 3
    assert (await connection.run("cat", stdin=b"abc" * 10**6)).stdout == b"abc" * 10**6
    await download(connection, peer_port, 2**22)
    await upload(connection, peer_port, 2**22)
    assert connection.forwards == server.forwards
    with pytest.raises(ConnectionRefusedError):
        await connection.open_tunnel("127.0.0.1", 1)
    viewer = await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=60)
    (found,) = (await probe(connection)).viewers
    assert found.pid == viewer.pid
    assert await viewer.check() == "running"
    assert await viewer.stop(cleanup=True)
