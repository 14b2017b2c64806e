"""The peer asyncssh: another SSH library, with a local port forwarded as its documentation shows it.

In a process of its own, as ssh is, which is there before anything is measured, as Jupyter is.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import asyncssh

from tests.world.sshd import Sshd


async def _serve(host: str, port: int, username: str, key: str, known_hosts: str) -> None:
    """For each line of stdin with a remote port, connect anew and print the local port that leads there."""
    loop = asyncio.get_running_loop()
    connection: asyncssh.SSHClientConnection | None = None
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if connection is not None:
            connection.close()
            await connection.wait_closed()
        connection = await asyncssh.connect(
            host,
            port,
            username=username,
            client_keys=[key],
            known_hosts=known_hosts,
            agent_path=None,
            config=None,
        )
        listener = await connection.forward_local_port("127.0.0.1", 0, "127.0.0.1", int(line))
        print(listener.get_port(), flush=True)


class AsyncsshPeer:
    """A process that forwards one port at a time.

    Parameters
    ----------
    process
        Runs this module.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def forward(self, remote_port: int) -> int:
        """End the connection before, connect, and return the local port that leads to the remote one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(remote_port, file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    @classmethod
    @contextmanager
    def running(cls, sshd: Sshd, known_hosts: Path) -> Iterator[Self]:
        """Run the process as long as the block does; nothing is connected yet."""
        options = {
            "host": sshd.host,
            "port": sshd.port,
            "username": sshd.user,
            "key": str(sshd.key_path),
            "known_hosts": str(known_hosts),
        }
        command = [sys.executable, "-m", "benchmarks.asyncssh_peer", json.dumps(options)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:  # its end of stdin ends it
            yield cls(process)


if __name__ == "__main__":
    asyncio.run(_serve(**json.loads(sys.argv[1])))
