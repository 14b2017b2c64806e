"""Servers that are not OpenSSH's: Go's x/crypto/ssh, as many gateways are, and dropbear."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runicorn_jupyter.remote.probe import probe
from runicorn_jupyter.remote.viewer_client import SshViewerClient
from runicorn_jupyter.ssh.connection import Connection
from tests.integration.ssh.test_stream import download, upload
from tests.world.connections import Connect
from tests.world.remote import environment
from tests.world.sshd import can_relocate, make_key

SOURCE = Path(__file__).parents[2] / "data" / "go_ssh" / "server.go"
DEBIANS = Path("/usr/share/gocode")  # golang-golang-x-crypto-dev

needs_go = pytest.mark.skipif(
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
def go_server(request: pytest.FixtureRequest, program: Path, tmp_path: Path) -> Iterator[Any]:
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


async def live_a_whole_life(connection: Connection, peer_port: int, prefix: Path, *, forwards: bool) -> None:
    """Run commands, move data, and probe for, start and stop a viewer."""
    assert (await connection.run("exit 3")).exit_status == 3
    assert (await connection.run("cat", stdin=b"abc" * 10**6)).stdout == b"abc" * 10**6
    await download(connection, peer_port, 2**22)
    await upload(connection, peer_port, 2**22)
    assert connection.forwards == forwards
    with pytest.raises(ConnectionRefusedError):
        await connection.open_tunnel("127.0.0.1", 1)
    viewer = await SshViewerClient.start(connection, environment(prefix), None, lease_seconds=60)
    (found,) = (await probe(connection)).viewers
    assert found.pid == viewer.pid
    assert await viewer.check() == "running"
    assert await viewer.stop(cleanup=True)


@needs_go
async def test_go(
    go_server: Any, connect: Connect, peer_port: int, runicorn_env: Callable[..., Path]
) -> None:
    connection = await connect(go_server)
    await live_a_whole_life(connection, peer_port, runicorn_env(), forwards=go_server.forwards)


# -j: no local forwarding, which is ours; -k: no remote forwarding, which nobody here asks for.
@pytest.mark.skipif(shutil.which("dropbear") is None, reason="needs dropbear")
@pytest.mark.skipif(not can_relocate(), reason="needs root and mount namespaces")
@pytest.mark.parametrize("options", ["", "-j", "-k"])
async def test_dropbear(
    options: str, connect: Connect, tmp_path: Path, peer_port: int, runicorn_env: Callable[..., Path]
) -> None:
    key, host_key, home, passwd = (tmp_path / name for name in ("key", "host_key", "home", "passwd"))
    make_key(key)
    made = subprocess.run(
        ["dropbearkey", "-t", "ed25519", "-f", host_key], capture_output=True, text=True, check=True
    )
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    (home / ".ssh" / "authorized_keys").write_text(Path(f"{key}.pub").read_text())
    passwd.write_text(f"root:x:0:0:root:{home}:/bin/sh\n")
    inside = f"mount --bind {passwd} /etc/passwd && exec dropbear -i {options} -r {host_key}"
    server = SimpleNamespace(
        root=tmp_path,
        id="dropbear",
        host="127.0.0.1",
        port=22,
        user="root",
        key_path=key,
        host_key=" ".join(
            next(line for line in made.stdout.splitlines() if line.startswith("ssh-")).split()[:2]
        ),
    )
    connection = await connect(server, proxy_command=f"unshare -m sh -c {shlex.quote(inside)}")
    await live_a_whole_life(connection, peer_port, runicorn_env(), forwards=options != "-j")
