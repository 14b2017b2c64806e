"""An SSH server on loopback that stands for a GPU server: real commands, real forwarding, one key.

It runs each command in the user's own account, as OpenSSH's sshd would for this user, but below
a home folder of its own. It has no terminals: it is there for programs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path

import asyncssh

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class _Server(asyncssh.SSHServer):
    """What one client may do: prove that it has the key, and reach loopback."""

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return False

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        if dest_host not in _LOOPBACK:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "this server forwards to loopback only"
            )
        return True


class DemoSshServer:
    """The running server.

    Parameters
    ----------
    folder
        Where its host key and the client's key are kept; private to the user.
    home
        The home folder that its sessions see.
    environment
        The environment variables of its sessions; ``HOME`` is set to ``home``.
    shell
        The program that runs the commands, with ``-c``.
    """

    def __init__(
        self, folder: Path, home: Path, environment: Mapping[str, str], *, shell: str = "/bin/sh"
    ) -> None:
        self.home = home
        self.client_key = folder / "id_ed25519"
        self._host_key = folder / "ssh_host_ed25519_key"
        self._environment = {**environment, "HOME": str(home), "SHELL": shell}
        self._shell = shell
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._sessions: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port that it listens on, at 127.0.0.1."""
        assert self._acceptor is not None, "the server is not started"
        return self._acceptor.get_port()

    @property
    def public_host_key(self) -> str:
        """The host key as known_hosts has it: ``TYPE BASE64``."""
        text = asyncssh.read_private_key(self._host_key).export_public_key().decode()
        return " ".join(text.split()[:2])

    async def start(self) -> None:
        """Make the keys where there are none, and listen on a free loopback port."""
        for path in (self._host_key, self.client_key):
            if not path.exists():
                await asyncio.to_thread(_make_key, path)
        client_key = asyncssh.read_private_key(self.client_key).export_public_key().decode()
        self._acceptor = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=_Server,
            server_host_keys=[str(self._host_key)],
            authorized_client_keys=asyncssh.import_authorized_keys(client_key),
            process_factory=self._session,
            encoding=None,
            allow_pty=False,
            agent_forwarding=False,
            x11_forwarding=False,
            allow_scp=False,
            gss_host=None,
            acceptor=self._accepted,
        )

    def _accepted(self, connection: asyncssh.SSHServerConnection) -> None:
        self._connections.add(connection)

    async def _session(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        task = asyncio.create_task(self._run(process))
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)
        await asyncio.wait({task})

    async def _run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        command = [self._shell, "-l"] if process.command is None else [self._shell, "-c", process.command]
        child = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.home,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            await process.redirect(stdin=child.stdin, stdout=child.stdout, stderr=child.stderr)
            status = await child.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            raise
        with contextlib.suppress(asyncssh.ConnectionLost):  # who asked has gone
            await process.stdout.drain()
            await process.stderr.drain()
            process.exit(status if status >= 0 else 128 - status)  # as a shell tells of a signal
        await process.wait_closed()

    async def stop(self) -> None:
        """Listen no more, close every connection and end the commands that still run."""
        if self._acceptor is None:
            return
        self._acceptor.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        for connection in self._connections:
            connection.abort()
            await connection.wait_closed()
        await self._acceptor.wait_closed()


def _make_key(path: Path) -> None:
    path.touch(mode=0o600)
    asyncssh.generate_private_key("ssh-ed25519", comment="runicorn-jupyter demo").write_private_key(path)
