"""SSH servers whose authentication follows a script, for what OpenSSH here cannot be made to ask.

Rounds of one-time codes need a PAM module of our own; an sshd that asks for a new password
needs a user database that may be written. paramiko's and asyncssh's servers do both.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncssh
import paramiko
from paramiko.common import AUTH_FAILED, AUTH_PARTIALLY_SUCCESSFUL, AUTH_SUCCESSFUL

Round = tuple[str, Sequence[tuple[str, bool]], Sequence[str]]
"""Instruction, prompts with echo, and the right answers."""


CODE_ROUNDS: list[Round] = [
    ("Welcome.", [("Password: ", False)], ["r1ght-s3cret"]),
    ("", [], []),
    ("Second factor", [("Verification code: ", False)], ["123456"]),
    ("Almost", [("Token 1: ", True), ("Token 2: ", True)], ["a", "b"]),
]

"""A password, a message, a code, and two tokens at once."""


@dataclass
class Script(paramiko.ServerInterface):
    """What the server asks, in order.

    Attributes
    ----------
    methods
        Listed as those that can continue.
    rounds
        Of keyboard-interactive.
    after_key
        Methods that must follow a public key; empty lets a key in by itself.
    seen
        Every method that was attempted.
    answers
        Every answer that was given.
    transport
        Of the last connection.
    """

    methods: str = "keyboard-interactive"
    rounds: Sequence[Round] = ()
    after_key: str = ""
    password: str | None = None
    seen: list[str] = field(default_factory=list)
    answers: list[list[str]] = field(default_factory=list)
    transport: Any = None
    _round: int = 0

    def get_allowed_auths(self, username: str) -> str:
        return self.methods

    def check_auth_none(self, username: str) -> int:
        return AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.seen.append("publickey")
        if self.after_key:
            self.methods = self.after_key
            return AUTH_PARTIALLY_SUCCESSFUL
        return AUTH_SUCCESSFUL if "publickey" in self.methods else AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        self.seen.append("password")
        return AUTH_SUCCESSFUL if password == self.password else AUTH_FAILED

    def check_auth_interactive(self, username: str, submethods: object) -> int | paramiko.InteractiveQuery:
        self.seen.append("keyboard-interactive")
        self._round = 0
        return self._query() if self.rounds else AUTH_FAILED

    def check_auth_interactive_response(self, responses: list[str]) -> int | paramiko.InteractiveQuery:
        self.answers.append(list(responses))
        if list(responses) != list(self.rounds[self._round][2]):
            return AUTH_FAILED
        self._round += 1
        return self._query() if self._round < len(self.rounds) else AUTH_SUCCESSFUL

    def _query(self) -> paramiko.InteractiveQuery:
        instruction, prompts, _ = self.rounds[self._round]
        return paramiko.InteractiveQuery("", instruction, *prompts)


@contextlib.contextmanager
def scripted(script: Script, refused_algorithms: Sequence[str] = ()) -> Iterator[Callable[[], socket.socket]]:
    """Serve a script; gives what connects to it."""
    host_key = paramiko.ECDSAKey.generate()
    servers: list[paramiko.Transport] = []

    def connect() -> socket.socket:
        ours, theirs = socket.socketpair()
        server = paramiko.Transport(theirs, disabled_algorithms={"pubkeys": list(refused_algorithms)})
        server.add_server_key(host_key)
        script.transport = server
        server.start_server(event=threading.Event(), server=script)
        servers.append(server)
        return ours

    try:
        yield connect
    finally:
        for server in servers:
            server.close()
            server.join(15)


class _Expired(asyncssh.SSHServer):
    """Takes one password, and only together with a new one of at least eight characters."""

    def __init__(self, changes: list[tuple[str, str]]) -> None:
        self._changes = changes

    def password_auth_supported(self) -> bool:
        return True

    def kbdint_auth_supported(self) -> bool:
        return False

    def validate_password(self, username: str, password: str) -> bool:
        if password == "old":
            raise asyncssh.PasswordChangeRequired("Your password has expired.")
        return False

    def change_password(self, username: str, old_password: str, new_password: str) -> bool:
        self._changes.append((old_password, new_password))
        if len(new_password) < 8:
            raise asyncssh.PasswordChangeRequired("Too short.")
        return old_password == "old"


@contextlib.contextmanager
def expired_password(changes: list[tuple[str, str]]) -> Iterator[Callable[[], socket.socket]]:
    """Serve an account whose password has expired; ``changes`` collects the attempts to change it."""
    loop = asyncio.new_event_loop()
    key = asyncssh.generate_private_key("ssh-ed25519")

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[key], server_factory=lambda: _Expired(changes)
        )

    thread = threading.Thread(target=loop.run_forever, name="expired-password")
    thread.start()
    acceptor = asyncio.run_coroutine_threadsafe(listen(), loop).result(15)
    port = acceptor.sockets[0].getsockname()[1]

    async def close() -> None:
        acceptor.close()
        await acceptor.wait_closed()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.gather(*others, return_exceptions=True)

    try:
        yield lambda: socket.create_connection(("127.0.0.1", port))
    finally:
        asyncio.run_coroutine_threadsafe(close(), loop).result(15)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(15)
        loop.close()


class _Announcing(asyncssh.SSHServer):
    """Says something before it lets anybody in, and does so when told to, with or without a login."""

    def __init__(self, banners: Iterator[str], let_in: threading.Event, pause: float) -> None:
        self._banners, self._let_in, self._pause = banners, let_in, pause

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn

    async def begin_auth(self, username: str) -> bool:
        for banner in self._banners:
            if self._let_in.is_set():
                break
            self._conn.send_auth_banner(banner)
            await asyncio.sleep(self._pause)
        while not await asyncio.to_thread(self._let_in.wait, 0.05):
            pass
        return False


@contextlib.contextmanager
def announcing(
    banners: Iterator[str], let_in: threading.Event, *, pause: float = 0.0
) -> Iterator[tuple[int, str]]:
    """Serve banners, as Tailscale's check does: gives the port and the host key.

    Parameters
    ----------
    banners
        What it says during authentication, one after the other.
    let_in
        Until this is set, the authentication waits.
    pause
        Seconds between banners.
    """
    loop = asyncio.new_event_loop()
    key = asyncssh.generate_private_key("ssh-ed25519")

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[key],
            server_factory=lambda: _Announcing(banners, let_in, pause),
        )

    thread = threading.Thread(target=loop.run_forever, name="announcing")
    thread.start()
    acceptor = asyncio.run_coroutine_threadsafe(listen(), loop).result(15)

    async def close() -> None:
        acceptor.close()
        await acceptor.wait_closed()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        yield acceptor.sockets[0].getsockname()[1], key.export_public_key().decode().strip()
    finally:
        let_in.set()
        asyncio.run_coroutine_threadsafe(close(), loop).result(15)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(15)
        loop.close()
