"""An SSH server that lets in who knows the next one-time code; OpenSSH's would need a PAM module for that."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import asyncssh

START_SECONDS = 60


@dataclass
class CodeServer:
    """The running server.

    Attributes
    ----------
    port
        At 127.0.0.1.
    host_key
        ``TYPE BASE64``.
    codes
        What it will ask for, in this order, each of them good once.
    """

    port: int
    host_key: str
    codes: list[str]


@dataclass
class _Server(asyncssh.SSHServer):
    codes: list[str] = field(default_factory=list)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return False

    def password_auth_supported(self) -> bool:
        return False

    def kbdint_auth_supported(self) -> bool:
        return True

    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> tuple[str, str, str, list[tuple[str, bool]]]:
        return "", "The cluster asks for a second factor.", "", [("Verification code: ", False)]

    def validate_kbdint_response(self, username: str, responses: list[str]) -> bool:
        if responses != self.codes[:1]:
            return False
        del self.codes[0]
        return True


async def _run(home: Path, process: asyncssh.SSHServerProcess[bytes]) -> None:
    # In a task of its own: asyncssh cancels a lost connection's, also while it starts its child.
    await asyncio.wait({asyncio.create_task(_serve(home, process))})


async def _serve(home: Path, process: asyncssh.SSHServerProcess[bytes]) -> None:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_shell(
        process.command or "true",
        cwd=home,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
    )
    try:
        await process.redirect(stdin=child.stdin, stdout=child.stdout, stderr=child.stderr)
        status = await child.wait()
        await process.stdout.drain()
        await process.stderr.drain()
        process.exit(status)
    finally:
        # Also when the connection was lost in the middle: what is left would hold the pipes, which
        # asyncssh does not read to their end then, and nobody else awaits what it has to clean up.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child._transport.close()
        await child.wait()
        await process.wait_closed()


@contextlib.contextmanager
def code_server(home: Path, codes: list[str]) -> Iterator[CodeServer]:
    """Serve ``home`` to whoever knows the codes, on a thread of its own."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    connections: list[asyncssh.SSHServerConnection] = []
    loop = asyncio.new_event_loop()

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[key],
            server_factory=lambda: _Server(codes),
            process_factory=partial(_run, home),
            acceptor=connections.append,
            encoding=None,
        )

    async def close() -> None:
        acceptor.close()
        for connection in connections:
            connection.abort()
            await connection.wait_closed()
        await acceptor.wait_closed()
        # Of a connection that was lost, asyncssh cancels what would do a part of a process's cleaning up: the
        # rest waits for it without end. A command that is cancelled begins to clean up; then once more.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            _, late = await asyncio.wait(others, timeout=1)
            for task in late:
                task.cancel()

    thread = threading.Thread(target=loop.run_forever, name="code-server", daemon=True)
    thread.start()
    acceptor = asyncio.run_coroutine_threadsafe(listen(), loop).result(START_SECONDS)
    host_key = " ".join(key.export_public_key().decode().split()[:2])
    try:
        yield CodeServer(acceptor.get_port(), host_key, codes)
    finally:
        asyncio.run_coroutine_threadsafe(close(), loop).result(START_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(START_SECONDS)
        loop.close()
