"""A real connection to a real sshd, and nothing left on the remote after each test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runicorn_jupyter.models import Environment
from runicorn_jupyter.ssh.connection import Connection
from tests.world.connections import Connect
from tests.world.sshd import Sshd


@pytest.fixture
def remote(make_sshd: Callable[..., Sshd]) -> Iterator[Sshd]:
    """An sshd of the test's own; when the test ends, nothing that its sessions started still runs."""
    server = make_sshd()
    yield server
    assert server.left() == []


@pytest.fixture
async def connection(remote: Sshd, connect: Connect) -> Connection:
    """A connection to ``remote``."""
    made: Connection = await connect(remote)
    return made


def command_lines(sshd: Sshd) -> dict[int, str]:
    """Return what runs on the remote for its user, by process id; sessions that are just ending included."""
    found = {}
    for pid in sshd.processes():
        try:
            found[pid] = (
                Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            )
        except OSError:
            continue
    return found


def viewer_pids(sshd: Sshd) -> list[int]:
    """Return the process ids of the viewers that run on the remote."""
    return [pid for pid, line in command_lines(sshd).items() if "runicorn-jupyter" in line]


def is_running(pid: int) -> bool:
    """Whether a process has not ended; one that is ending has lost only its command line (proc(5))."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(") ")[2][0] not in "ZX"


def environment(prefix: Path, name: str = "env") -> Environment:
    """Return an environment as the probe would list it."""
    return Environment(
        name=name,
        type="venv",
        python_version="3",
        python_path=str(prefix / "bin" / "python"),
        prefix=str(prefix),
        runicorn_installed=True,
    )


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something outside of this process that tells nobody when it happens."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
