"""Use the installed wheel as a person does: a Jupyter server, an SSH server, a connection, the doctor.

Run by ``portable.py`` in an environment that has the wheel and asyncssh, with an empty home as its folder.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import asyncssh
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

import runicorn_jupyter
from runicorn_jupyter.client import RunicornRemoteClient

SECONDS = 120
T = TypeVar("T")


class OneUser(asyncssh.SSHServer):
    """An SSH server that lets one user in by their key, and runs nothing."""

    def begin_auth(self, username: str) -> bool:
        """Ask for a key."""
        return True


@asynccontextmanager
async def ssh_server(key: Path) -> AsyncIterator[int]:
    """Serve SSH on loopback to whoever has a key, which is made; give the port."""
    mine = asyncssh.generate_private_key("ssh-ed25519")
    mine.write_private_key(key)
    await asyncio.to_thread(key.chmod, 0o600)
    authorized = asyncssh.import_authorized_keys(mine.export_public_key().decode())
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen(
        "127.0.0.1", 0, server_factory=OneUser, server_host_keys=[host_key], authorized_client_keys=authorized
    ) as server:
        yield server.get_port()


@asynccontextmanager
async def jupyter_server(home: Path) -> AsyncIterator[tuple[str, str]]:
    """Run ``jupyter server``; give its address and token."""
    token = secrets.token_hex(16)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root", "--ServerApp.port=0",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={home}",
        "--RunicornJupyter.host_key_policy=accept-new",
        env={**os.environ, "JUPYTER_TOKEN": token},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    draining: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(SECONDS):
            while b"http://127.0.0.1:" not in (line := await process.stderr.readline()):
                if not line:
                    raise RuntimeError("Jupyter did not start")
                print(line.decode(errors="replace").rstrip(), flush=True)
        port = line.decode().partition("http://127.0.0.1:")[2].partition("/")[0]
        draining = asyncio.create_task(process.stderr.read())
        yield f"http://127.0.0.1:{port}", token
    finally:
        process.terminate()
        await process.wait()
        if draining is not None:
            await draining


def use(url: str, token: str, key: Path, port: int) -> None:
    """Ask for a part of all that the wheel brings; raises where something does not answer."""
    headers = {"Authorization": f"token {token}"}
    with requests.Session() as session:
        # It says where it listens just before it does.
        session.mount("http://", HTTPAdapter(max_retries=Retry(connect=12, backoff_factor=0.05)))
        script = session.get(f"{url}/runicorn/client.js", headers=headers, timeout=SECONDS)
        assert "RunicornRemoteClient" in script.text, "the JavaScript client is not served"
    with RunicornRemoteClient(base_url=url, token=token) as client:
        answer = client.connect("127.0.0.1", port=port, username="me", private_key_path=str(key))
        assert answer["status"] == "connected", answer
        metrics = requests.get(f"{url}/metrics", headers=headers, timeout=SECONDS).text
        assert 'runicorn_connections{status="connected"} 1.0' in metrics
        client.disconnect(answer["connection_id"])
    print("connected to an SSH server, read /metrics, disconnected", flush=True)


def ask_doctor(key: Path, port: int) -> None:
    """Have the doctor look at that SSH server, which runs no commands."""
    config = Path.home() / ".ssh" / "config"
    config.parent.mkdir(mode=0o700, exist_ok=True)
    config.write_text(
        f'Host here\n  HostName 127.0.0.1\n  Port {port}\n  User me\n  IdentityFile "{key.as_posix()}"\n'
    )
    config.chmod(0o600)
    done = subprocess.run(
        [sys.executable, "-m", "jupyter", "runicorn", "doctor", "here", "--json"],
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    print(done.stdout, done.stderr, flush=True)
    checks = json.loads(done.stdout)["checks"]
    steps = {check["name"]: check["status"] for check in checks if check["section"] == "Connecting to here"}
    assert set(steps.values()) == {"ok"}, steps


async def main() -> None:
    """Run all of it."""
    home = Path.cwd()
    assert Path(runicorn_jupyter.__file__).is_relative_to(sys.prefix), "this is not the wheel"
    key = home / "key"
    async with ssh_server(key) as port, jupyter_server(home) as (url, token):
        await in_thread(lambda: use(url, token, key, port))
        await in_thread(lambda: ask_doctor(key, port))


async def in_thread(work: Callable[[], T]) -> T:
    """Do something that blocks while this loop serves SSH."""
    return await asyncio.to_thread(work)


if __name__ == "__main__":
    asyncio.run(main())
