"""Start-up files of the login shell that read, print or never end: they get nothing of ours, and it works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runicorn_jupyter.errors import ConnectionTimeout, SshUnavailable
from runicorn_jupyter.remote.probe import probe
from tests.integration.ssh.test_stream import MIB, download
from tests.world.connections import Connect
from tests.world.sshd import Sshd, can_relocate

pytestmark = pytest.mark.skipif(not can_relocate(), reason="needs root for a private home")

WORKS = {
    "reads": 'read -r -t 1 answer; echo "$answer" >>~/stolen',
    "asks": "printf 'Continue? [y/N] '; read -r -n 1 -t 1 x; printf %s \"$x\" >>~/stolen",
    "prints 5 MB": "head -c 5000000 /dev/zero | tr '\\0' x",
    "prints 5 MB of errors": "head -c 5000000 /dev/zero | tr '\\0' x >&2",
    "no newline": "printf 'no newline'",
    "echoes the command": 'echo "$BASH_EXECUTION_STRING"',
}


@pytest.mark.parametrize("text", WORKS.values(), ids=WORKS)
async def test_it_works(text: str, make_sshd: Callable[..., Sshd], connect: Connect) -> None:
    server = make_sshd(shell="/bin/bash")
    (server.home / ".bashrc").write_text(f"{text}\n")
    found = await probe(await connect(server), timeout=60)
    assert found.server.hostname
    assert found.notes == []
    stolen: Path = server.home / "stolen"
    assert not stolen.exists() or stolen.read_text().strip() == ""


@pytest.mark.parametrize("text", WORKS.values(), ids=WORKS)
async def test_the_relay_works_too(
    text: str, make_sshd: Callable[..., Sshd], connect: Connect, peer_port: int
) -> None:
    """Where the server forwards nothing, a program of ours does: it is sent to our shell alone, too."""
    server = make_sshd(shell="/bin/bash", AllowTcpForwarding="no", MaxSessions=1)
    (server.home / ".bashrc").write_text(f"{text}\n")
    connection = await connect(server)
    await download(connection, peer_port, MIB)
    stolen: Path = server.home / "stolen"
    assert not stolen.exists() or stolen.read_text().strip() == ""


async def test_one_that_waits_for_ever_gets_nothing_and_is_named(
    make_sshd: Callable[..., Sshd], connect: Connect
) -> None:
    server = make_sshd(shell="/bin/bash")
    (server.home / ".bashrc").write_text("exec cat >>~/stolen\n")
    connection = await connect(server)
    with pytest.raises(ConnectionTimeout, match=r"~/\.bashrc"):
        await probe(connection, timeout=3)
    assert (server.home / "stolen").read_bytes() == b""


async def test_one_that_ends_the_shell_is_quoted(make_sshd: Callable[..., Sshd], connect: Connect) -> None:
    server = make_sshd(shell="/bin/bash")
    (server.home / ".bashrc").write_text("echo closed today >&2; exit 3\n")
    found = await probe(await connect(server), timeout=60)
    assert found.server.hostname is None
    assert "closed today" in found.notes[0]


async def test_a_shell_that_runs_nothing_is_not_said_to_lack_python(
    make_sshd: Callable[..., Sshd], connect: Connect, peer_port: int
) -> None:
    server = make_sshd(shell="/bin/bash", AllowTcpForwarding="no")
    (server.home / ".bashrc").write_text("exit 3\n")
    connection = await connect(server)
    with pytest.raises(SshUnavailable, match="its shell runs no command"):
        await connection.open_tunnel("127.0.0.1", peer_port)
