"""Who logs in: a person who answers questions, and the one call that authenticates."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import paramiko
import pytest
from pydantic import SecretStr

from runicorn_jupyter.models import Prompt
from runicorn_jupyter.ssh.auth.ask import Ask
from runicorn_jupyter.ssh.auth.authentication import Credentials, authenticate
from runicorn_jupyter.ssh.config.resolver import Target
from tests.world.sshd import Sshd, can_relocate

needs_shadow = pytest.mark.skipif(not can_relocate(), reason="needs root for a private password file")
WRONG = SecretStr("wr0ng-s3cret")
RIGHT = SecretStr("r1ght-s3cret")
BITS = {"ed25519": (), "ecdsa": (), "rsa": ("-b", "2048")}  # smaller ones are faster to make


class Person:
    """Answers questions, and remembers them."""

    def __init__(self, *answers: str | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, list[str]]] = []

    def __call__(self, instruction: str, prompts: Sequence[Prompt]) -> list[SecretStr]:
        self.asked.append((instruction, [prompt.text for prompt in prompts]))
        given = []
        for _ in prompts:
            answer = self._answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            given.append(SecretStr(answer))
        return given


@contextlib.contextmanager
def connected(sock: socket.socket) -> Iterator[paramiko.Transport]:
    transport = paramiko.Transport(sock)
    try:
        transport.start_client(timeout=60)
        yield transport
    finally:
        transport.close()
        transport.join(15)


def log_in(
    server: Sshd | Callable[[], socket.socket],
    credentials: Credentials,
    ask: Ask | None = None,
    **changes: object,
) -> None:
    """Authenticate once; returns if the server let us in."""
    is_sshd = isinstance(server, Sshd)
    values: dict[str, object] = {
        "asked": "gpu",
        "hostname": "127.0.0.1",
        "port": server.port if is_sshd else 22,
        "username": server.user if is_sshd else "alice",
        **changes,
    }
    sock = socket.create_connection((server.host, server.port)) if is_sshd else server()
    with connected(sock) as transport:
        authenticate(transport, Target(**values), credentials, ask)  # type: ignore[arg-type]
        assert transport.is_authenticated()


def key_only(path: Path, **changes: object) -> Credentials:
    return Credentials("key", private_key_path=path, **changes)  # type: ignore[arg-type]


def authorize(server: Sshd, *keys: Path, options: str = "") -> None:
    """Let keys in besides the server's own."""
    with server.authorized_keys.open("a") as file:
        for key in keys:
            file.write(options + key.with_name(key.name + ".pub").read_text())
